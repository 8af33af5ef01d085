"""Costs in the loss, in the decision, or in both: what a row costs on tables.

The development sets of KEEL, first three folds, features scaled by `StandardScaler`. For each set
and fold ten cost matrices, C[i, j] uniform on [0, 10] times share_j / share_i, 0 on the diagonal
(the costs of MetaCost, Domingos 1999), in which rare classes are expensive to miss. The mean cost
of a test row, in units of that of the best constant decision, then the mean over sets.

Trained is `CostSensitiveClassifier` as it comes, with each loss; each loss decides by the most
probable class and by the cheapest. Peers are `MLPClassifier` and `HistGradientBoostingClassifier`
as they come, with the same decisions. What has no costs in its training is trained once a fold.

`--by-row` scales the matrix of each row by an amount that is known for the row, exp of its first
feature: large rows cost more. The losses get the costs of the rows; "crossentropy by amount" gets
the amounts as weights of the rows.

`--choose` runs on a fifth of the training rows in the place of the test rows: what the defaults
were chosen on. It also runs what was tried and not taken into the package: a softmax with the
costs as margins (Gimpel and Smith, NAACL 2010), one-sided regression of the costs (Tu and Lin,
ICML 2010), and the temperature of a cross-entropy (Guo et al., ICML 2017) from a fifth of its rows.

Run: python benchmarks/costs.py [--choose] [--by-row] [--draws=10] [SET ...]
"""

import sys
import warnings
from dataclasses import replace
from itertools import product

import numpy as np
from _compare import write
from _keel import SETS, folds, scaled_parts
from keras import ops
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from skmask import CostSensitiveClassifier
from skmask.metrics import mean_cost

N_FOLDS, N_DRAWS = 3, 10
LOSSES = ("expected_cost", "weighted_crossentropy")


# What was tried. Costs come in units of the mean cost of an error.


def softmax_margin(y_true, logits, cost_matrix=None, costs=None):
    """Return log sum_j exp(z_j + C[y, j]) - z_y."""
    costs = _of_rows(y_true, logits, cost_matrix, costs)
    codes = ops.cast(ops.reshape(y_true, (-1, 1)), "int32")
    return ops.logsumexp(logits + costs, axis=-1) - ops.take_along_axis(logits, codes, 1)[:, 0]


def one_sided_regression(y_true, logits, cost_matrix=None, costs=None):
    """Return the squares by which minus the logits are above the lowest cost, or below others."""
    costs = _of_rows(y_true, logits, cost_matrix, costs)
    is_lowest = costs <= ops.min(costs, axis=-1, keepdims=True)
    wrong_by = ops.where(is_lowest, -logits - costs, costs + logits)
    return ops.sum(ops.square(ops.maximum(wrong_by, 0.0)), axis=-1)


def _of_rows(y_true, logits, cost_matrix, costs):
    if costs is None:
        costs = ops.take(cost_matrix, ops.cast(ops.reshape(y_true, (-1,)), "int32"), axis=0)
    return ops.cast(costs, logits.dtype)


class Tried(CostSensitiveClassifier):
    """A classifier with another loss in the place of "expected_cost"."""

    tried = None

    def _parts(self, rows):
        parts = super()._parts(rows)
        return replace(parts, loss=replace(parts.loss, function=self.tried, settings=()))


class SoftmaxMargin(Tried):
    """With a softmax margin."""

    tried = staticmethod(softmax_margin)


class OneSidedRegression(Tried):
    """With regressed costs."""

    tried = staticmethod(one_sided_regression)


def with_temperature(X, y, X_test, **parameters):
    """Return probabilities whose temperature is that of a fifth of the training rows."""
    X, X_held, y, y_held = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    clf = CostSensitiveClassifier(loss="crossentropy", random_state=0, **parameters).fit(X, y)
    held = np.log(clf.predict_proba(X_held) + 1e-30)
    rows = np.arange(len(held))

    def loss(log_t):
        return -log_softmax(held / np.exp(log_t), axis=1)[rows, y_held].mean()

    best = minimize_scalar(loss, bounds=(-2, 4), method="bounded").x
    return softmax(np.log(clf.predict_proba(X_test) + 1e-30) / np.exp(best), axis=1)


# Contenders: functions of training rows, amounts, test rows (and costs) to probabilities.


def peer(kind, **parameters):
    """Return a contender that knows no costs."""

    def proba(X, y, amount, X_test):
        return kind(random_state=0, **parameters).fit(X, y).predict_proba(X_test)

    return proba


def weighted(X, y, amount, X_test):
    """Return probabilities of a cross-entropy with the amounts as weights."""
    clf = CostSensitiveClassifier(loss="crossentropy", random_state=0)
    return clf.fit(X, y, amount).predict_proba(X_test)


def costly(kind, **parameters):
    """Return a contender with the costs in its loss."""

    def proba(X, y, amount, X_test, costs):
        clf = kind(cost_matrix=costs, random_state=0, **parameters)
        by_row = {} if amount is None else {"costs": amount[:, np.newaxis] * costs[y]}
        return clf.fit(X, y, **by_row).predict_proba(X_test)

    return proba


def contenders(*, choose, by_row):
    """Return those without costs in their training, and those with, by name."""
    plain = {"crossentropy": peer(CostSensitiveClassifier, loss="crossentropy")}
    informed = {loss: costly(CostSensitiveClassifier, loss=loss) for loss in LOSSES}
    stopping = {"loss": "crossentropy", "early_stopping": True}
    plain["crossentropy, early stopping"] = peer(CostSensitiveClassifier, **stopping)
    if by_row:
        plain["crossentropy by amount"] = weighted
    if not choose:
        plain["MLPClassifier"] = peer(MLPClassifier)
        plain["HistGradientBoosting"] = peer(HistGradientBoostingClassifier)
        return plain, informed
    for name, parameters in {"": {}, ", early stopping": {"early_stopping": True}}.items():
        plain[f"crossentropy, temperature{name}"] = (
            lambda X, y, amount, X_test, parameters=parameters: with_temperature(
                X, y, X_test, **parameters
            )
        )
    for kind in (SoftmaxMargin, OneSidedRegression):
        informed[kind.__name__] = costly(kind, loss="expected_cost")
    return plain, informed


# Measuring.


def draw(rng, y):
    """Return a cost matrix."""
    share = np.bincount(y) / len(y)
    costs = rng.uniform(0, 10, (len(share), len(share))) * share / share[:, np.newaxis]
    np.fill_diagonal(costs, 0)
    return costs


def costs_of(proba, y, costs, amount):
    """Return what a row costs by the most probable class, and by the cheapest."""
    ways = {"most probable": proba.argmax(axis=1), "cheapest": (proba @ costs).argmin(axis=1)}
    labels = np.arange(len(costs))
    return {
        name: mean_cost(y, codes, costs, labels=labels, sample_weight=amount)
        for name, codes in ways.items()
    }


def costs_on(name, n_draws, *, choose, by_row):
    """Return the mean cost of each contender and decision on a data set."""
    plain, informed = contenders(choose=choose, by_row=by_row)
    found = {}
    for number, fold in enumerate(folds(name, N_FOLDS)):
        X, y, X_test, y_test = scaled_parts(fold, choose=choose)
        amount, paid = None, np.ones(len(X_test))
        if by_row:
            amount, paid = (np.exp(np.clip(rows[:, 0], -3, 3)) for rows in (X, X_test))
        fitted = {each: proba(X, y, amount, X_test) for each, proba in plain.items()}
        for turn in range(n_draws):
            costs = draw(np.random.default_rng([number, turn]), y)
            unit = np.average(costs[y_test], axis=0, weights=paid).min()
            probas = fitted | {
                each: proba(X, y, amount, X_test, costs) for each, proba in informed.items()
            }
            for each, proba in probas.items():
                for way, cost in costs_of(proba, y_test, costs, paid).items():
                    found.setdefault((each, way), []).append(cost / unit)
    return {key: float(np.mean(values)) for key, values in found.items()}


def main(sets, n_draws=N_DRAWS, *, choose=False, by_row=False):
    """Print and write the table."""
    every = [name for group in contenders(choose=choose, by_row=by_row) for name in group]
    columns = list(product(every, ["most probable", "cheapest"]))
    rows = []
    print("| | " + " | ".join(f"{name}, {way}" for name, way in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in sets:
        found = costs_on(name, n_draws, choose=choose, by_row=by_row)
        rows.append({"data": name, "costs": [found[each] for each in columns]})
        print(f"| {name} | " + " | ".join(f"{found[each]:.3f}" for each in columns) + " |")
        sys.stdout.flush()
    means = np.mean([row["costs"] for row in rows], axis=0)
    print("| mean | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    if not choose and tuple(sets) == SETS:
        name = "costs_by_row" if by_row else "costs"
        about = {"draws": n_draws, "contenders": columns, "mean": means.tolist()}
        write(name, [about, *rows])


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # MLPClassifier stops before it has converged
    flags = [each for each in sys.argv[1:] if each.startswith("-")]
    names = [each for each in sys.argv[1:] if not each.startswith("-")]
    draws = [int(each.removeprefix("--draws=")) for each in flags if "draws" in each]
    given = {"choose": "--choose" in flags, "by_row": "--by-row" in flags}
    main(names or SETS, *draws, **given)
