"""`predict_proba` for one row and for a million, after fits on 5,000 x 20, 20 classes, MLP(100).

One row is asked for 20 times a turn.

Run: python benchmarks/prediction.py
"""

import warnings

import keras
import numpy as np
from _compare import interleaved, ratios, report
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier

from skmask import RestrictedClassClassifier

CALLS = 20


def main():
    """Print and write the table."""
    X, y = make_classification(5000, 20, n_informative=15, n_classes=20, random_state=0)
    ours = RestrictedClassClassifier(epochs=2, random_state=0).fit(X, y)
    theirs = MLPClassifier(max_iter=2, random_state=0).fit(X, y)
    model = keras.Sequential([ours.model_, keras.layers.Softmax()])

    row = X[:1]
    one = {
        "skmask": lambda: [ours.predict_proba(row) for _ in range(CALLS)],
        "keras.Model.predict": lambda: [model.predict(row, verbose=0) for _ in range(CALLS)],
        "MLPClassifier": lambda: [theirs.predict_proba(row) for _ in range(CALLS)],
    }
    for work in one.values():
        work()
    times = {name: taken / CALLS for name, taken in interleaved(one, 7).items()}
    goals = {"keras.Model.predict": 60, "MLPClassifier": 1 / 6}
    rows = ratios("predict_proba, one row", times, goals)

    million = np.random.default_rng(0).normal(size=(1_000_000, 20))
    for name, X in {"float64": million, "float32": million.astype(np.float32)}.items():
        many = {
            "skmask": lambda X=X: ours.predict_proba(X),
            "MLPClassifier": lambda X=X: theirs.predict_proba(X),
        }
        rows += ratios(
            f"predict_proba, 1,000,000 x 20, {name}", interleaved(many, 5), {"MLPClassifier": 2}
        )
    report("prediction", rows)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # MLPClassifier says that it has not converged
    main()
