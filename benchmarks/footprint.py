"""What stays behind: memory over 200 fits, and the time of `import skmask` over scikit-learn's.

Run: python benchmarks/footprint.py
"""

import gc
import json
import subprocess
import sys
from statistics import median

import numpy as np
from _compare import write

N_WARM_UP, N_FITS, N_IMPORTS = 20, 200, 9


def resident_megabytes():
    """Return the memory this process holds (Linux)."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def memory_growth():
    """Return the megabytes gained per fit, warm-up not counted."""
    from skmask import RestrictedClassClassifier

    rng = np.random.default_rng(0)
    before = 0.0
    for i in range(N_WARM_UP + N_FITS):
        X, y = rng.normal(size=(1000 + i % 7, 20)), rng.integers(4, size=1000 + i % 7)
        clf = RestrictedClassClassifier(epochs=2, learning_rate=1e-3 * (1 + i % 5))
        clf.fit(X, y).predict_proba(X)
        if i == N_WARM_UP - 1:
            before = resident_megabytes()
    return (resident_megabytes() - before) / N_FITS


def import_time():
    """Return the median seconds that `import skmask` takes after `import sklearn`."""
    code = (
        "import sys, json, sklearn, time; start = time.perf_counter(); import skmask;"
        "taken = time.perf_counter() - start;"
        "assert 'tensorflow' not in sys.modules; print(json.dumps(taken))"
    )
    done = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(N_IMPORTS)
    ]
    return median(json.loads(each.stdout) for each in done)


def main():
    """Print and write both figures."""
    rows = [
        {"work": "memory growth per fit", "found": memory_growth(), "below": 0.1, "unit": "MB"},
        {"work": "import skmask", "found": import_time(), "below": 0.1, "unit": "s"},
    ]
    print("| work | found | below |\n|---|---|---|")
    for row in rows:
        mark = "" if row["found"] < row["below"] else " (missed)"
        found = f"{row['found']:.4f} {row['unit']}{mark}"
        print(f"| {row['work']} | {found} | {row['below']} {row['unit']} |")
    write("footprint", rows)


if __name__ == "__main__":
    main()
