"""Memory of a fit beside its data, in memory and on disk, and what stays afterwards (Linux).

Each case runs in a process of its own that has fitted something small before. In memory the
figures are multiples of X; on disk megabytes of anonymous memory (pages of the file do not
count), and CPU time per row as a multiple of that of `partial_fit` on chunks.

Run: python benchmarks/memory.py [ROWS_ON_DISK], 20,000,000 rows of 50 numbers (4 GB) by default
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

import numpy as np
from _compare import write

N_ROWS, N_FEATURES, N_CLASSES, BATCH = 1_000_000, 50, 10, 256
N_ON_DISK, CHUNK = 20_000_000, 1_000_000


def status(name):
    """Return an entry of this process' status in megabytes."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) / 1e3


def classifier():
    """Return the classifier of all cases, after a small fit."""
    from skmask import RestrictedClassClassifier

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 3)).astype(np.float32), rng.integers(2, size=600)
    RestrictedClassClassifier(epochs=1).fit(X, y).predict(X)
    return RestrictedClassClassifier((32,), batch_size=BATCH, epochs=2, random_state=0)


def in_memory(dtype, early_stopping):
    """Return the most memory that a fit needs beside X, and what stays, as multiples of X."""
    clf = classifier().set_params(early_stopping=early_stopping)
    X = np.random.default_rng(0).standard_normal((N_ROWS, N_FEATURES), np.float32).astype(dtype)
    y = (X[:, 0] > 0).astype(np.int64) + 2 * (X[:, 1] > 0)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark from here on
    before, size = status("VmRSS"), X.nbytes / 1e6
    clf.fit(X, y)
    highest = status("VmHWM")
    gc.collect()
    return {"beside": (highest - before) / size, "stays": (status("VmRSS") - before) / size}


class Highest:
    """The most anonymous memory that this process holds while the context lasts."""

    def __enter__(self):
        self.found, self._is_over = status("RssAnon"), Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._is_over.wait(0.01):
            self.found = max(self.found, status("RssAnon"))

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()


def write_file(path, n_rows):
    """Write rows of float32 to a file, chunk by chunk, and their classes to another."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, N_FEATURES))
    y = np.lib.format.open_memmap(f"{path}.y.npy", "w+", np.int8, (n_rows,))
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, CHUNK):
        stop = min(start + CHUNK, n_rows)
        X[start:stop] = rng.standard_normal((stop - start, N_FEATURES), np.float32)
        y[start:stop] = (X[start:stop, 0] > 0) + 2 * (X[start:stop, 1] > 0)
    X.flush()
    y.flush()


def on_disk(path, way):
    """Return the anonymous memory of one epoch over a file in megabytes, and its CPU time."""
    clf = classifier().set_params(epochs=1)
    X = np.load(path, mmap_mode="r")
    y = np.load(f"{path}.y.npy")
    start = time.process_time()
    with Highest() as highest:
        if way == "fit":
            clf.fit(X, y)
        else:
            for first in range(0, len(X), CHUNK):
                chunk = slice(first, first + CHUNK)
                clf.partial_fit(np.array(X[chunk]), y[chunk], classes=np.arange(N_CLASSES))
    return {"megabytes": highest.found, "seconds": time.process_time() - start}


def in_a_process(*case):
    """Return the result of a case, run in a fresh process."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(n_on_disk=N_ON_DISK):
    """Print and write both tables."""
    rows = []
    print("| X in memory | held-out rows | beside X | stays |\n|---|---|---|---|")
    for dtype in ("float32", "float64"):
        for early in (False, True):
            found = in_a_process("memory", dtype, early)
            rows.append({"dtype": dtype, "early_stopping": early, **found})
            print(f"| {dtype} | {early} | {found['beside']:.2f} X | {found['stays']:.2f} X |")
    print("\n| rows on disk | way | anonymous memory | CPU per row |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/X.npy"
        write_file(path, n_on_disk)
        for way in ("partial_fit", "fit"):
            found = in_a_process("disk", path, way)
            rows.append({"rows": n_on_disk, "way": way, **found})
            print(
                f"| {n_on_disk:,} | {way} | {found['megabytes']:.0f} MB | "
                f"{found['seconds'] / n_on_disk * 1e6:.2f} us |"
            )
    write("memory", rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        kind, *case = json.loads(sys.argv[2])
        print(json.dumps({"memory": in_memory, "disk": on_disk}[kind](*case)))
    else:
        main(*map(int, sys.argv[1:2]))
