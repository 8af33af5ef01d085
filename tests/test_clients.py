"""Packages that people use beside scikit-learn, each with its own code."""

import itertools

import keras
import numpy as np
import optuna
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from imblearn.over_sampling import SMOTE, SMOTENC, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from imblearn.under_sampling import RandomUnderSampler
from mapie.classification import CrossConformalClassifier, SplitConformalClassifier
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.datasets import make_restricted_classification
from skmask.metrics import routed_scorer

N, F, K = 120, 5, 4
NAMES = [f"x{number}" for number in range(F)]
MASK_NAMES = [f"may_be_{number}" for number in range(K)]
SHORT = {"epochs": 2, "random_state": 0}

pytestmark = pytest.mark.filterwarnings(
    "ignore:The labels .* are never predicted:UserWarning",
    "ignore:lbfgs stopped:sklearn.exceptions.ConvergenceWarning",
)

ESTIMATORS = {
    "Restricted": RestrictedClassClassifier((4,), **SHORT),
    "CostSensitive": CostSensitiveClassifier((4,), **SHORT),
    "Multilabel": WeightedMultilabelClassifier((4,), **SHORT),
    "Sequence": MaskedSequenceClassifier(4, **SHORT),
    "Prototype": PrototypeClassifier(max_iter=5, random_state=0),
}
MASKED = {name: ESTIMATORS[name] for name in ("Restricted", "CostSensitive")}
by_name = pytest.mark.parametrize("name", ESTIMATORS)
masked_by_name = pytest.mark.parametrize("name", MASKED)


@pytest.fixture(scope="module")
def data():
    """Rows that allow one, two or three of four classes."""
    X, y, allowed = make_restricted_classification(N, F, K, 3, random_state=0)
    of_one = np.arange(N) % 3 == 0
    allowed[of_one] = np.arange(K) == y[of_one, np.newaxis]
    return X, y, allowed


@pytest.fixture(scope="module")
def both(data):
    return np.c_[data[0], data[2]]


def with_columns(name, **parameters):
    """An estimator that finds the mask in the last columns."""
    mask = {"allowed_columns": slice(F, F + K), "classes": range(K)}
    return clone(MASKED[name]).set_params(**{**mask, **parameters})


def are_allowed(predicted, allowed):
    return allowed[np.arange(len(predicted)), predicted].all()


# Frames.

FRAMES = {
    "pandas": lambda columns: pd.DataFrame(columns),
    "pandas of arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "polars": lambda columns: pl.DataFrame(columns),
    "pyarrow": lambda columns: pa.table(columns),
}
by_frame = pytest.mark.parametrize("frame", FRAMES)


@by_frame
@by_name
def test_frame_is_the_same_as_its_array(data, frame, name):
    X, y, _ = data
    table = FRAMES[frame](dict(zip(NAMES, X.T, strict=True)))
    clf, plain = clone(ESTIMATORS[name]).fit(table, y), clone(ESTIMATORS[name]).fit(X, y)
    assert clf.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(clf.predict_proba(table), plain.predict_proba(X))
    np.testing.assert_array_equal(clf.decision_function(table), plain.decision_function(X))
    np.testing.assert_array_equal(clf.predict(table), plain.predict(X))
    assert clf.score(table, y) == plain.score(X, y)


@by_frame
@by_name
def test_frame_with_its_columns_in_another_order_is_refused(data, frame, name):
    X, y, _ = data
    table = FRAMES[frame](dict(zip(NAMES, X.T, strict=True)))
    turned = FRAMES[frame](dict(zip(NAMES[::-1], X.T[::-1], strict=True)))
    clf = clone(ESTIMATORS[name]).fit(table, y)
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        clf.predict(turned)


@by_frame
@masked_by_name
def test_mask_in_named_columns_of_a_frame(data, both, frame, name):
    X, y, allowed = data
    columns = {
        **dict(zip(NAMES, X.T, strict=True)),
        **dict(zip(MASK_NAMES, allowed.T, strict=True)),
    }
    table = FRAMES[frame](columns)
    clf = with_columns(name, allowed_columns=MASK_NAMES)
    plain = with_columns(name).fit(both, y)
    np.testing.assert_array_equal(clf.fit(table, y).predict_proba(table), plain.predict_proba(both))
    assert are_allowed(cross_val_predict(clf, table, y, cv=3), allowed)


# fairlearn.

fairlearn_with_pandas_3 = pytest.mark.filterwarnings(
    "ignore:Setting a(n item| value) "  # fairlearn 0.15's own ways to set entries of a Series
)


@pytest.fixture(scope="module")
def groups():
    """Two classes, the second one rarer in one of two groups; a quarter of the rows is certain."""
    rng = np.random.default_rng(0)
    group = np.arange(N) % 2
    X = np.c_[rng.normal(size=(N, 3)), group]
    y = (X[:, 0] + group + 0.5 * rng.normal(size=N) > 0.5).astype(int)
    allowed = np.ones((N, 2), bool)
    allowed[::4] = np.arange(2) == y[::4, np.newaxis]
    return X, y, allowed, group


def fair_clf(name):
    clf = clone(ESTIMATORS[name])
    if "hidden_layer_sizes" in clf.get_params():
        clf.set_params(hidden_layer_sizes=(), epochs=20, learning_rate=0.05)
    if name in MASKED:
        clf.set_params(allowed_columns=[4, 5])
    return clf


def unfairness(predicted, group):
    """How far the shares of the second class are apart, by NumPy."""
    return abs(predicted[group == 0].mean() - predicted[group == 1].mean())


@fairlearn_with_pandas_3
@pytest.mark.parametrize("name", ["Restricted", "CostSensitive", "Multilabel", "Prototype"])
def test_fairlearn_exponentiated_gradient(groups, name):
    X, y, allowed, group = groups
    X = np.c_[X, allowed] if name in MASKED else X
    # It trains on labels of its own, which a mask may not allow: on the rows that leave a choice.
    rows = allowed.all(axis=1)
    fair = ExponentiatedGradient(fair_clf(name), DemographicParity(), max_iter=5)
    fair.fit(X[rows], y[rows], sensitive_features=group[rows])
    predicted = fair.predict(X, random_state=0)
    unfair = fair_clf(name).fit(X[rows], y[rows]).predict(X)
    assert unfairness(predicted[rows], group[rows]) < unfairness(unfair[rows], group[rows])
    if name in MASKED:
        assert are_allowed(predicted, allowed)


@fairlearn_with_pandas_3
@pytest.mark.parametrize("name", MASKED)
def test_fairlearn_exponentiated_gradient_changes_labels_that_a_mask_needs(groups, name):
    X, y, allowed, group = groups
    fair = ExponentiatedGradient(fair_clf(name), DemographicParity(), max_iter=5)
    with pytest.raises(ValueError, match="y must be among the classes that allowed leaves its row"):
        fair.fit(np.c_[X, allowed], y, sensitive_features=group)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        *itertools.product(["Restricted", "CostSensitive", "Prototype", "Multilabel"], ["predict"]),
        ("Multilabel", "predict_proba"),
        ("Multilabel", "decision_function"),
        *itertools.product(
            ["Restricted", "CostSensitive", "Prototype"],
            ["predict_proba", "decision_function"],
        ),
    ],
)
def test_fairlearn_threshold_optimizer(groups, name, method):
    X, y, allowed, group = groups
    X = np.c_[X, allowed] if name in MASKED else X
    fair = ThresholdOptimizer(estimator=fair_clf(name), predict_method=method)
    fair.fit(X, y, sensitive_features=group)
    predicted = fair.predict(X, sensitive_features=group, random_state=0)
    unfair = fair.estimator_.predict(X)
    assert unfairness(predicted, group) < unfairness(unfair, group)
    # Its thresholds know no mask: what is certain is put back.
    possible = np.where(allowed.all(axis=1), predicted, allowed.argmax(axis=1))
    assert are_allowed(possible, allowed)


# Optuna.


@pytest.fixture
def study():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))


def test_optuna_searches_with_masks_in_columns(data, both, study):
    _, y, _ = data
    folds = StratifiedKFold(3, shuffle=True, random_state=0)

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        return cross_val_score(
            with_columns("Restricted", learning_rate=rate), both, y, cv=folds
        ).mean()

    study.optimize(objective, n_trials=3)
    best = with_columns("Restricted", **study.best_params)
    assert study.best_value == cross_val_score(best, both, y, cv=folds).mean()
    assert len({trial.value for trial in study.trials}) > 1


def test_optuna_searches_with_routed_masks(data, study, routing):
    X, y, allowed = data

    def objective(trial):
        clf = clone(ESTIMATORS["Restricted"]).set_params(
            epochs=trial.suggest_int("epochs", 1, 3), classes=range(K)
        )
        scorer = routed_scorer(accuracy_score)
        return cross_val_score(clf, X, y, params={"allowed": allowed}, scoring=scorer, cv=3).mean()

    study.optimize(objective, n_trials=2)
    assert 0 < study.best_value <= 1


def test_optuna_prunes_between_epochs_of_partial_fit(data, study):
    X, y, allowed = data
    study.pruner = optuna.pruners.ThresholdPruner(upper=0.0, n_warmup_steps=1)

    def objective(trial):
        clf = clone(ESTIMATORS["Restricted"])
        for epoch in range(4):
            clf.partial_fit(X, y, classes=range(K), allowed=allowed)
            trial.report(clf.score(X, y, allowed=allowed), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        raise AssertionError("every accuracy is above 0, because some rows are certain")

    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [0, 1]


class Pruning(keras.callbacks.Callback):
    """Reports the loss of each epoch to a trial, and stops where the pruner says so."""

    def __init__(self, trial):
        super().__init__()
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        self.trial.report(logs["loss"], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


@by_name
def test_optuna_prunes_from_a_callback(data, study, name):
    X, y, _ = data
    study.pruner = optuna.pruners.ThresholdPruner(upper=0.0, n_warmup_steps=2)
    clf = clone(ESTIMATORS[name]).set_params(epochs=3)
    if name == "Prototype":
        clf.set_params(solver="adam")

    def objective(trial):
        clone(clf).set_params(epochs=6, callbacks=[Pruning(trial)]).fit(X, y)
        raise AssertionError("every loss is above 0")

    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    losses = clf.fit(X, y).history_["loss"]
    assert list(trial.intermediate_values) == [0, 1, 2]
    np.testing.assert_allclose(list(trial.intermediate_values.values()), losses, rtol=1e-6)


# imbalanced-learn.

SAMPLERS = {
    "over": RandomOverSampler(random_state=0),
    "under": RandomUnderSampler(random_state=0),
    "smote with masks as categories": SMOTENC(
        categorical_features=list(range(F, F + K)), k_neighbors=2, random_state=0
    ),
}


@pytest.fixture(scope="module")
def imbalanced(data, both):
    """The same with few rows of the first class."""
    y = data[1]
    rows = np.flatnonzero((y != 0) | (np.cumsum(y == 0) <= 6))
    return both[rows], y[rows], data[2][rows]


@pytest.mark.parametrize("sampler", SAMPLERS)
@masked_by_name
def test_imbalanced_learn_pipeline_with_masks_in_columns(imbalanced, name, sampler):
    both, y, allowed = imbalanced
    pipe = make_sampling_pipeline(SAMPLERS[sampler], with_columns(name))
    assert are_allowed(pipe.fit(both, y).predict(both), allowed)
    assert (pipe.predict_proba(both)[~allowed] == 0).all()
    by_hand = with_columns(name).fit(*clone(SAMPLERS[sampler]).fit_resample(both, y))
    np.testing.assert_array_equal(pipe.predict_proba(both), by_hand.predict_proba(both))
    assert are_allowed(cross_val_predict(pipe, both, y, cv=3), allowed)


def test_imbalanced_learn_sampler_that_mixes_masks_is_refused(imbalanced):
    both, y, _ = imbalanced
    pipe = make_sampling_pipeline(SMOTE(k_neighbors=2, random_state=0), with_columns("Restricted"))
    with pytest.raises(ValueError, match="allowed must hold only True/False or 1/0"):
        pipe.fit(both, y)


@pytest.mark.parametrize("name", ["Multilabel", "Prototype"])
def test_imbalanced_learn_pipeline_without_masks(imbalanced, name):
    both, y, _ = imbalanced
    pipe = make_sampling_pipeline(RandomOverSampler(random_state=0), clone(ESTIMATORS[name]))
    resampled = RandomOverSampler(random_state=0).fit_resample(both, y)
    by_hand = clone(ESTIMATORS[name]).fit(*resampled)
    np.testing.assert_array_equal(
        pipe.fit(both, y).predict_proba(both), by_hand.predict_proba(both)
    )


# MAPIE.


@pytest.fixture(scope="module")
def conformal():
    X, y, allowed = make_restricted_classification(300, F, K, 3, random_state=0)
    of_one = np.arange(300) % 3 == 0
    allowed[of_one] = np.arange(K) == y[of_one, np.newaxis]
    return np.c_[X, ~allowed], y, allowed


def from_forbidden(name):
    """A pipeline for columns that hold 1 where a class is not possible."""
    turn = FunctionTransformer(np.logical_not)
    columns = ColumnTransformer(
        [("allowed", turn, slice(F, F + K))], remainder="passthrough"
    )  # puts the mask in front
    return make_pipeline(columns, with_columns(name, allowed_columns=slice(0, K)))


def without_impossible(sets, allowed):
    """The sets of the first level, without what is not allowed: the truth always is."""
    return sets[:, :, 0] & allowed


@pytest.mark.parametrize("score", ["lac", "top_k", "aps", "raps"])
@masked_by_name
def test_mapie_split_conformal_classifier(conformal, name, score):
    X, y, allowed = conformal
    train, calibrate, test = slice(0, 100), slice(100, 200), slice(200, 300)
    pipe = from_forbidden(name).fit(X[train], y[train])
    mapie = SplitConformalClassifier(
        FrozenEstimator(pipe), confidence_level=0.9, conformity_score=score, random_state=0
    )
    mapie.conformalize(X[calibrate], y[calibrate])
    predicted, sets = mapie.predict_set(X[test])
    assert are_allowed(predicted, allowed[test])
    check_sets(sets, y[test], allowed[test], score)


@pytest.mark.parametrize("score", ["lac", "top_k", "aps"])
@masked_by_name
def test_mapie_cross_conformal_classifier(conformal, name, score):
    X, y, allowed = conformal
    train, test = slice(0, 200), slice(200, 300)
    both = np.c_[X[:, :F], allowed]  # it predicts no row of zeros
    mapie = CrossConformalClassifier(
        with_columns(name), confidence_level=0.9, conformity_score=score, cv=3, random_state=0
    )
    mapie.fit_conformalize(both[train], y[train])
    predicted, sets = mapie.predict_set(both[test])
    assert are_allowed(predicted, allowed[test])
    check_sets(sets, y[test], allowed[test], score)


def check_sets(sets, y, allowed, score):
    if score == "lac":  # goes by the probability alone, which is 0
        assert not (sets[:, :, 0] & ~allowed).any()
    possible = without_impossible(sets, allowed)
    rows = np.arange(len(y))
    np.testing.assert_array_equal(possible[rows, y], sets[rows, y, 0])
    assert possible[rows, y].mean() > 0.8


def test_mapie_tries_a_row_of_zeros_that_a_mask_may_refuse(conformal):
    X, y, allowed = conformal
    both = np.c_[X[:, :F], allowed]
    mapie = SplitConformalClassifier(with_columns("Restricted").fit(both, y))
    with pytest.raises(UserWarning, match="allowed must leave every row at least one class"):
        mapie.conformalize(both, y)
