"""Digits as images: what a cost matrix of 10 x 10 brings, beside `MLPClassifier`.

scikit-learn's digits, 8 x 8 pixels, and two cost matrices by formula: "amounts", in which a digit
read too low costs ten times the difference and one read too high the difference; and "1 and 7",
in which each error costs 1, and a 1 read as a 7, or a 7 as a 1, costs 5. Folds of
`StratifiedKFold`: four of five are learnt from and the rest is read, or one of ten is learnt from
and nine are read. A convolutional network with and without the costs in its loss; decisions by the
most probable and by the cheapest class. Takes some minutes.

Run: python benchmarks/images.py
"""

import numpy as np
from _compare import write
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier

from skmask import CostSensitiveClassifier
from skmask.metrics import mean_cost
from skmask.networks import Convolutional

TRUE, READ = np.indices((10, 10))
ONE_AND_SEVEN = (np.minimum(TRUE, READ) == 1) & (np.maximum(TRUE, READ) == 7)
MATRICES = {
    "amounts": np.where(READ < TRUE, 10.0 * (TRUE - READ), READ - TRUE),
    "1 and 7": np.where(ONE_AND_SEVEN, 5.0, TRUE != READ),
}
N_SEEDS = 3


def folds(y):
    """Yield what is learnt from, the rows to learn from, those to read, and a number of epochs."""
    shuffled = {"shuffle": True, "random_state": 0}
    for train, test in StratifiedKFold(5, **shuffled).split(y, y):
        yield "4 of 5", train, test, 20
    for test, train in StratifiedKFold(10, **shuffled).split(y, y):
        yield "1 of 10", train, test, 100


def decisions(X_train, y_train, X_test, costs, epochs, seed):
    """Yield what decided and the digits that it read, for one cost matrix."""
    for loss in ("crossentropy", "expected_cost"):
        clf = CostSensitiveClassifier(
            network=Convolutional(), cost_matrix=costs, loss=loss, epochs=epochs, random_state=seed
        )
        clf.fit(X_train, y_train)
        for decision in ("argmax", "min_expected_cost"):
            clf.set_params(decision=decision)
            yield f"Convolutional, {loss}, {decision}", clf.predict(X_test)
    peer = MLPClassifier(max_iter=500, random_state=seed)
    proba = peer.fit(X_train.reshape(-1, 64), y_train).predict_proba(X_test.reshape(-1, 64))
    yield "MLPClassifier, argmax", proba.argmax(axis=1)
    yield "MLPClassifier, min_expected_cost", (proba @ costs).argmin(axis=1)


def measured(X, y):
    """Return accuracies and costs, a list for each thing that decided."""
    found = {}
    for learnt_from, train, test, epochs in folds(y):
        for name, costs in MATRICES.items():
            for seed in range(N_SEEDS):
                made = decisions(X[train], y[train], X[test], costs, epochs, seed)
                for what, read in made:
                    results = found.setdefault((name, learnt_from, what), [])
                    results.append([np.mean(read == y[test]), mean_cost(y[test], read, costs)])
    return found


def main():
    """Print and write the table."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(-1, 8, 8)
    rows = []
    print("| costs | learnt from | network, loss, decision | accuracy | cost per digit |")
    print("|---|---|---|---|---|")
    for (name, learnt_from, what), results in measured(X, y).items():
        accuracy, cost = np.mean(results, axis=0)
        print(f"| {name} | {learnt_from} | {what} | {accuracy:.4f} | {cost:.4f} |")
        rows.append({"costs": name, "learnt_from": learnt_from, "what": what, "cost": cost})
        rows[-1]["accuracy"] = accuracy
    write("images", rows)


if __name__ == "__main__":
    main()
