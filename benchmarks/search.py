"""Grid searches: 12 candidates x 5 folds and the refit, 1,000 x 20, 20 epochs, cold.

Each contender runs in processes of its own, so that tracing and compiling count: the first
search of a session is what people wait for. One grid has twelve learning rates, the other six
by two layer sizes, for which skmask compiles two programs. The time is that of
`GridSearchCV.fit`, imports not counted. Each grid is searched a second time with SKMASK_CACHE_DIR
naming a directory in which an earlier process has left what it compiled.

Run: python benchmarks/search.py
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from statistics import median

from _compare import ratios, report, seconds

EPOCHS = 20
# layer sizes, learning rates, and how often each contender takes its turn
GRIDS = {
    "12 learning rates": (
        (100,),
        (1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 3e-2, 5e-2),
        {"skmask": 3, "MLPClassifier": 3, "SciKeras": 1},
    ),
    "6 learning rates x 2 sizes": (
        (50, 100),
        (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        {"skmask": 3, "MLPClassifier": 3},
    ),
}
GOALS = {"SciKeras": 20, "MLPClassifier": 2}
GOALS_WITH_CACHE = {"12 learning rates": 4, "6 learning rates x 2 sizes": 3}


def skmask_search(sizes, rates):
    """Return an estimator and its grid."""
    import skmask.engine.tensorflow  # noqa: F401  # which the first fit would import
    from skmask import RestrictedClassClassifier

    clf = RestrictedClassClassifier(epochs=EPOCHS, random_state=0)
    return clf, {"hidden_layer_sizes": [(n,) for n in sizes], "learning_rate": rates}


def mlp_search(sizes, rates):
    """Return an estimator and its grid."""
    from sklearn.neural_network import MLPClassifier

    clf = MLPClassifier(
        batch_size=32, max_iter=EPOCHS, alpha=0, tol=0, n_iter_no_change=99, random_state=0
    )
    return clf, {"hidden_layer_sizes": [(n,) for n in sizes], "learning_rate_init": rates}


def scikeras_search(sizes, rates):
    """Return an estimator and its grid."""
    import keras
    from scikeras.wrappers import KerasClassifier

    def model(meta, size=100):
        hidden = keras.layers.Dense(size, activation="relu")
        return keras.Sequential(
            [
                keras.Input((meta["n_features_in_"],)),
                hidden,
                keras.layers.Dense(meta["n_classes_"], activation="softmax"),
            ]
        )

    clf = KerasClassifier(
        model=model,
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        batch_size=32,
        epochs=EPOCHS,
        random_state=0,
        verbose=0,
        size=100,
    )
    return clf, {"size": sizes, "optimizer__learning_rate": rates}


SEARCHES = {"skmask": skmask_search, "MLPClassifier": mlp_search, "SciKeras": scikeras_search}


def run_one(name, grid):
    """Print the time of one contender's search."""
    from sklearn.datasets import make_classification
    from sklearn.model_selection import GridSearchCV

    warnings.simplefilter("ignore")
    X, y = make_classification(1000, 20, n_informative=10, n_classes=4, random_state=0)
    sizes, rates, _ = GRIDS[grid]
    clf, parameters = SEARCHES[name](sizes, rates)
    search = GridSearchCV(clf, parameters, cv=5, error_score="raise")
    print(json.dumps(seconds(lambda: search.fit(X, y))))


def seconds_of(name, grid, cache=None):
    """Return the time of a search in a process of its own."""
    env = {key: value for key, value in os.environ.items() if key != "SKMASK_CACHE_DIR"}
    if cache is not None:
        env["SKMASK_CACHE_DIR"] = cache
    done = subprocess.run(
        [sys.executable, __file__, name, grid], capture_output=True, text=True, check=True, env=env
    )
    return float(done.stdout.splitlines()[-1])


def main():
    """Print and write the table."""
    rows = []
    for grid, (_, _, repeats) in GRIDS.items():
        times = {name: [] for name in [*repeats, "with cache"]}
        with tempfile.TemporaryDirectory() as cache:
            seconds_of("skmask", grid, cache)
            for turn in range(max(repeats.values())):
                for name in [name for name, n in repeats.items() if turn < n]:
                    times[name].append(seconds_of(name, grid))
                times["with cache"].append(seconds_of("skmask", grid, cache))
        medians = {name: median(taken) for name, taken in times.items()}
        work = f"GridSearchCV, 12 x 5, 1,000 x 20: {grid}"
        rows += ratios(work, medians, GOALS)
        cached = {"skmask": medians["with cache"], "MLPClassifier": medians["MLPClassifier"]}
        goals = {"MLPClassifier": GOALS_WITH_CACHE[grid]}
        rows += ratios(f"{work}, with SKMASK_CACHE_DIR", cached, goals)
    report("search", rows)


if __name__ == "__main__":
    run_one(*sys.argv[1:]) if len(sys.argv) > 1 else main()
