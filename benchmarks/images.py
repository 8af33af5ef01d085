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


def folds(y):
    """Yield what is learnt from, the rows to learn from, those to read, and a number of epochs."""
    shuffled = {"shuffle": True, "random_state": 0}
    for train, test in StratifiedKFold(5, **shuffled).split(y, y):
        yield "4 of 5", train, test, 20
    for test, train in StratifiedKFold(10, **shuffled).split(y, y):
        yield "1 of 10", train, test, 100


def network(loss, epochs, **parameters):
    """Return a convolutional network with this loss."""
    return CostSensitiveClassifier(
        network=Convolutional(), loss=loss, epochs=epochs, random_state=0, **parameters
    )


def readings(X_train, y_train, X_test, epochs):
    """Yield the name of a cost matrix, what decided by it, and the digits that it read."""
    plain = network("crossentropy", epochs).fit(X_train, y_train)
    peer = MLPClassifier(max_iter=500, random_state=0).fit(X_train.reshape(-1, 64), y_train)
    proba = peer.predict_proba(X_test.reshape(-1, 64))
    for name, costs in MATRICES.items():
        by_row = np.broadcast_to(costs, (len(X_test), 10, 10))
        informed = network("expected_cost", epochs, cost_matrix=costs).fit(X_train, y_train)
        yield name, "MLPClassifier, argmax", proba.argmax(axis=1)
        yield name, "MLPClassifier, cheapest", (proba @ costs).argmin(axis=1)
        yield name, "crossentropy, cheapest", plain.predict(X_test, costs=by_row)
        yield name, "expected_cost, cheapest", informed.predict(X_test)
        for loss, clf in (("crossentropy", plain), ("expected_cost", informed)):
            yield name, f"{loss}, argmax", clf.predict_proba(X_test).argmax(axis=1)


def measured(X, y):
    """Return accuracies and costs, a list for each thing that decided."""
    found = {}
    for learnt_from, train, test, epochs in folds(y):
        for name, what, read in readings(X[train], y[train], X[test], epochs):
            results = found.setdefault((name, learnt_from, what), [])
            results.append([np.mean(read == y[test]), mean_cost(y[test], read, MATRICES[name])])
    return found


def main():
    """Print and write the table."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32).reshape(-1, 8, 8)
    rows = []
    print("| costs | learnt from | loss, decision | accuracy | cost per digit |")
    print("|---|---|---|---|---|")
    for (name, learnt_from, what), results in measured(X, y).items():
        accuracy, cost = np.mean(results, axis=0)
        print(f"| {name} | {learnt_from} | {what} | {accuracy:.4f} | {cost:.4f} |")
        rows.append({"costs": name, "learnt_from": learnt_from, "what": what, "cost": cost})
        rows[-1]["accuracy"] = accuracy
    write("images", rows)


if __name__ == "__main__":
    main()
