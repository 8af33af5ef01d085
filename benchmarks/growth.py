"""How time and memory grow: 1e3 to 1e6 rows, 2 to 10,000 classes, with a mask and without.

Each size runs in a process of its own. Time is that of an epoch in steady state (the difference
between fits of three epochs and of one), memory the highest that the process held beyond what
it held before the first fit, the data included.

Run: python benchmarks/growth.py
"""

import gc
import json
import resource
import subprocess
import sys
from statistics import median

import numpy as np
from _compare import duration, seconds, write

BATCH, REPEATS = 32, 3
ROWS = [(n, 20, False) for n in (1_000, 10_000, 100_000, 1_000_000)]
CLASSES = [(10_000, k, masked) for k in (2, 100, 1_000, 10_000) for masked in (False, True)]


def held():
    """Return the most megabytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def run_one(n_rows, n_classes, masked):
    """Print the seconds of an epoch and the megabytes."""
    from skmask import RestrictedClassClassifier

    rng = np.random.default_rng(0)
    RestrictedClassClassifier(epochs=1).fit(rng.normal(size=(600, 3)), rng.integers(2, size=600))
    gc.collect()
    before = held()
    X = rng.normal(size=(n_rows, 30)).astype(np.float32)
    y = rng.integers(n_classes, size=n_rows)
    allowed = None
    if masked:
        allowed = rng.integers(2, size=(n_rows, n_classes), dtype=np.int8).view(bool)
        allowed[np.arange(n_rows), y] = True
    clf = RestrictedClassClassifier(classes=np.arange(n_classes), batch_size=BATCH, random_state=0)

    def fit(epochs):
        return seconds(lambda: clf.set_params(epochs=epochs).fit(X, y, allowed=allowed))

    fit(1)
    epoch = median((fit(3) - fit(1)) / 2 for _ in range(REPEATS))
    print(json.dumps({"epoch_seconds": epoch, "megabytes": held() - before}))


def main():
    """Print and write the table."""
    rows = []
    print("| rows | classes | mask | epoch | per step | memory |\n|---|---|---|---|---|---|")
    for size in ROWS + CLASSES:
        done = subprocess.run(
            [sys.executable, __file__, json.dumps(size)],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        n_rows, n_classes, masked = size
        rows.append({"rows": n_rows, "classes": n_classes, "masked": masked, **found})
        epoch, steps = found["epoch_seconds"], -(-n_rows // BATCH)
        print(
            f"| {n_rows:,} | {n_classes:,} | {'yes' if masked else 'no'} | {duration(epoch)} "
            f"| {duration(epoch / steps)} | {found['megabytes']:.0f} MB |",
            flush=True,
        )
    write("growth", rows)


if __name__ == "__main__":
    run_one(*json.loads(sys.argv[1])) if len(sys.argv) > 1 else main()
