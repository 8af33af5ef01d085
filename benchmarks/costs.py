"""Costs in the loss, in the decision, or in both: what a row costs on tables.

The development sets of KEEL, first three folds, features scaled by `StandardScaler`. For each set
and fold ten cost matrices, C[i, j] uniform on [0, 10] times share_j / share_i, 0 on the diagonal
(the costs of MetaCost, Domingos 1999), in which rare classes are expensive to miss. The mean cost of
a test row, in units of that of the best constant decision, then the mean over sets.

Trained is `CostSensitiveClassifier` as it comes, with each loss; each loss decides by the most
probable class and by the cheapest. Peers are `MLPClassifier` and `HistGradientBoostingClassifier` as
they come, with the same decisions. What has no costs in its training is trained once a fold.

`--choose` runs on a fifth of the training rows in the place of the test rows: what the defaults
were chosen on.

Run: python benchmarks/costs.py [--choose] [SET ...]
"""

import sys
import warnings
from itertools import product

import numpy as np
from _compare import write
from _keel import folds
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skmask import CostSensitiveClassifier
from skmask.metrics import mean_cost

SETS = (
    "satimage", "segment", "vowel", "letter", "vehicle", "contraceptive",
    "marketing", "movement_libras", "led7digit", "banana", "australian", "german",
)  # fmt: skip
N_FOLDS, N_DRAWS = 3, 10
PLAIN = {
    "MLPClassifier": lambda: MLPClassifier(random_state=0),
    "HistGradientBoosting": lambda: HistGradientBoostingClassifier(random_state=0),
    "crossentropy": lambda: CostSensitiveClassifier(loss="crossentropy", random_state=0),
}
WITH_COSTS = ("expected_cost", "weighted_crossentropy")


def draw(rng, y):
    """Return a cost matrix."""
    share = np.bincount(y) / len(y)
    costs = rng.uniform(0, 10, (len(share), len(share))) * share / share[:, np.newaxis]
    np.fill_diagonal(costs, 0)
    return costs


def costs_of(proba, y, costs):
    """Return what a row costs by the most probable class, and by the cheapest."""
    ways = {"most probable": proba.argmax(axis=1), "cheapest": (proba @ costs).argmin(axis=1)}
    return {name: mean_cost(y, codes, costs) for name, codes in ways.items()}


def parts(fold, *, choose):
    """Return X and y to train on and to test on, classes as numbers."""
    X, y, X_test, y_test = fold
    if choose:
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    scaler = StandardScaler().fit(X)
    labels, y = np.unique(y, return_inverse=True)
    return scaler.transform(X), y, scaler.transform(X_test), np.searchsorted(labels, y_test)


def costs_on(name, *, choose):
    """Return the mean cost of each contender and decision on a data set."""
    found = {}
    for number, fold in enumerate(folds(name, N_FOLDS)):
        X, y, X_test, y_test = parts(fold, choose=choose)
        fitted = {peer: make().fit(X, y).predict_proba(X_test) for peer, make in PLAIN.items()}
        for turn in range(N_DRAWS):
            costs = draw(np.random.default_rng([number, turn]), y)
            unit = costs[y_test].mean(axis=0).min()
            probas = dict(fitted)
            for loss in WITH_COSTS:
                clf = CostSensitiveClassifier(cost_matrix=costs, loss=loss, random_state=0)
                probas[loss] = clf.fit(X, y).predict_proba(X_test)
            for peer, proba in probas.items():
                for way, cost in costs_of(proba, y_test, costs).items():
                    found.setdefault((peer, way), []).append(cost / unit)
    return {key: float(np.mean(values)) for key, values in found.items()}


def main(sets, *, choose=False):
    """Print and write the table."""
    contenders = list(product([*PLAIN, *WITH_COSTS], ["most probable", "cheapest"]))
    rows = []
    print("| | " + " | ".join(f"{peer}, {way}" for peer, way in contenders) + " |")
    print("|---" * (len(contenders) + 1) + "|")
    for name in sets:
        found = costs_on(name, choose=choose)
        rows.append({"data": name, "costs": [found[each] for each in contenders]})
        print(f"| {name} | " + " | ".join(f"{found[each]:.3f}" for each in contenders) + " |")
        sys.stdout.flush()
    means = np.mean([row["costs"] for row in rows], axis=0)
    print("| mean | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    if not choose and tuple(sets) == SETS:
        write("costs", [{"contenders": contenders, "mean": means.tolist()}, *rows])


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # MLPClassifier stops before it has converged
    names = [each for each in sys.argv[1:] if not each.startswith("-")]
    main(names or SETS, choose="--choose" in sys.argv)
