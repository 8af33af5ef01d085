"""A search on one and on two workers of a Dask cluster, and what a worker keeps of many fits.

The search in this process, on one of the two workers and on both take turns. Each process has one
thread. CPU seconds are those of the processes that fit: equal ones say that two workers do the
same work as one, whatever else the machine does. The memory is that of a worker after searches of
50 fits, whose candidates are learning rates (one shape), or layer sizes (ten shapes).

Run: OMP_NUM_THREADS=1 python benchmarks/cluster.py
"""

import os
from contextlib import ExitStack
from functools import partial
from statistics import median
from time import process_time

import psutil
from _compare import duration, seconds, write
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV

from skmask import RestrictedClassClassifier

EPOCHS, REPEATS, GOAL, GOAL_MEGABYTES = 100, 3, 1.8, 20
RATES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2)
FITS = (50, 100, 150, 200)


def resources():
    """Return the CPU seconds that this process has taken, and the megabytes that it holds."""
    return process_time(), psutil.Process().memory_info().rss / 1e6


def search(rows, epochs, grid, client=None, workers=None):
    """Search in this process, or on workers of a client: these, or all."""
    clf = RestrictedClassClassifier(epochs=epochs, random_state=0)
    found = GridSearchCV(clf, grid, cv=5, error_score="raise", refit=False)
    if client is None:
        return found.fit(*rows)
    with parallel_config("dask", client=client, workers=workers):
        return found.fit(*rows)


def started(stack):
    """Return a client of a new cluster of two workers that only this machine can reach."""
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    return stack.enter_context(Client(stack.enter_context(cluster)))


def cpu_seconds(client):
    """Return the CPU seconds that the workers have taken, all together."""
    return sum(seconds for seconds, _ in client.run(resources).values())


def scaling():
    """Return how long a search takes here (0 workers), on one worker and on two."""
    rows = make_classification(4000, 50, n_informative=10, n_classes=4, random_state=0)
    grid = {"learning_rate": RATES}
    wall, cpu = {0: [], 1: [], 2: []}, {0: [], 1: [], 2: []}
    with ExitStack() as stack:
        client = started(stack)
        # On a cluster of one thread in all, joblib would compute in this process.
        workers = list(client.run(resources))
        client.run(search, rows, 1, {"learning_rate": [1e-3]})  # imports TensorFlow, and compiles
        search(rows, 1, {"learning_rate": [1e-3]})
        for _ in range(REPEATS):
            before = process_time()
            wall[0].append(seconds(lambda: search(rows, EPOCHS, grid)))
            cpu[0].append(process_time() - before)
            for n in (1, 2):
                before = cpu_seconds(client)
                work = partial(search, rows, EPOCHS, grid, client, workers[:n])
                wall[n].append(seconds(work))
                cpu[n].append(cpu_seconds(client) - before)
    return [{"workers": n, "seconds": median(wall[n]), "cpu_seconds": median(cpu[n])} for n in wall]


def memory(grid):
    """Return the megabytes of the larger of two workers after 50 fits, 100, 150 and 200."""
    rows = make_classification(300, 20, n_informative=10, n_classes=4, random_state=0)
    held = []
    with ExitStack() as stack:
        client = started(stack)
        for _ in FITS:
            search(rows, 2, grid, client)
            held.append(max(megabytes for _, megabytes in client.run(resources).values()))
    return held


def main():
    """Print and write the tables."""
    assert os.environ.get("OMP_NUM_THREADS") == "1", "start with OMP_NUM_THREADS=1"
    times = scaling()
    print(f"| search, 8 x 5 fits, 4,000 x 50, {EPOCHS} epochs | time | CPU |\n|---|---|---|")
    for row in times:
        where = f"on {row['workers']}" if row["workers"] else "in this process"
        print(f"| {where} | {duration(row['seconds'])} | {duration(row['cpu_seconds'])} |")
    ratio = times[1]["seconds"] / times[2]["seconds"]
    print(f"two workers are {ratio:.2f} times faster than one; at least {GOAL}", flush=True)
    shapes = {
        "one shape": {"learning_rate": [1e-4 * n for n in range(1, 11)]},
        "ten shapes": {"hidden_layer_sizes": [(10 * n,) for n in range(1, 11)]},
    }
    print("| a worker holds after | " + " | ".join(f"{n} fits" for n in FITS) + " | growth |")
    print("|---|" + "---|" * (len(FITS) + 1))
    held = {name: memory(grid) for name, grid in shapes.items()}
    for name, found in held.items():
        cells = " | ".join(f"{megabytes:.0f} MB" for megabytes in found)
        print(f"| {name} | {cells} | {found[-1] - found[1]:.0f} MB |")
    write("cluster", {"scaling": times, "memory": held, "goal": GOAL, "most": GOAL_MEGABYTES})


if __name__ == "__main__":
    main()
