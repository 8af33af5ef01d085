"""Tables: accuracy, log-loss and CPU time of networks and of boosted trees, on twelve data sets.

Folds of the KEEL repository, features scaled. Each classifier as it comes, but for TabM, which has
the settings that its documentation recommends; these were chosen on parts of the training rows.
Probabilities below 1e-7 count as that in the log-loss. Run it with OMP_NUM_THREADS=1 on a machine
with other work: threads that wait for each other take CPU time, too.

Run: python benchmarks/tables.py [--folds=3] [--seeds=1] [--sets=vowel,letter]
"""

import argparse
import warnings
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np
from _compare import write
from _keel import SETS, folds
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmask import RestrictedClassClassifier
from skmask.networks import TabM

RECOMMENDED = {
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "batch_size": 64,
    "epochs": 200,
    "early_stopping": True,
    "n_iter_no_change": 16,
}

MAKERS: dict[str, Callable[[int], Any]] = {
    "`HistGradientBoostingClassifier`": lambda seed: HistGradientBoostingClassifier(
        random_state=seed
    ),
    "`MLPClassifier`": lambda seed: MLPClassifier(random_state=seed),
    "skmask, built-in `MLP`": lambda seed: RestrictedClassClassifier(random_state=seed),
    "skmask, `TabM`": lambda seed: RestrictedClassClassifier(
        network=TabM(), random_state=seed, **RECOMMENDED
    ),
}


def scores(clf: Any, parts: list[np.ndarray]) -> tuple[float, float, float]:
    """Return the accuracy, the log-loss, and the CPU seconds of the fit."""
    X_train, y_train, X_test, y_test = parts
    start = process_time()
    model = make_pipeline(StandardScaler(), clf).fit(X_train, y_train)
    seconds = process_time() - start
    proba = model.predict_proba(X_test)
    found = accuracy_score(y_test, model.classes_[proba.argmax(axis=1)])
    proba = np.maximum(proba, 1e-7)
    proba /= proba.sum(axis=1, keepdims=True)
    return found, log_loss(y_test, proba, labels=model.classes_), seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sets", default=",".join(SETS))
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    for name in given.sets.split(","):
        for what, make in MAKERS.items():
            found = [
                scores(make(seed), parts)
                for parts in folds(name, given.folds)
                for seed in range(given.seeds)
            ]
            accuracy, loss, seconds = np.mean(found, axis=0)
            rows.append({"set": name, "what": what, "accuracy": accuracy, "log_loss": loss})
            rows[-1]["cpu_seconds"] = seconds
            print(f"{name:16} {what:34} {accuracy:.4f} {loss:.4f} {seconds:7.1f}", flush=True)
    print("\n| classifier | accuracy | log-loss | CPU seconds of a fit |")
    print("|---|---|---|---|")
    for what in MAKERS:
        of_it = [row for row in rows if row["what"] == what]
        means = [np.mean([row[key] for row in of_it]) for key in ("accuracy", "log_loss")]
        seconds = np.mean([row["cpu_seconds"] for row in of_it])
        print(f"| {what} | {means[0]:.4f} | {means[1]:.4f} | {seconds:.1f} |")
    if given.sets == ",".join(SETS):
        write("tables", rows)


if __name__ == "__main__":
    main()
