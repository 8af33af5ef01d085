"""Decision values of classes that are not allowed, and scikit-learn's tools that rank by them."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import (
    average_precision_score,
    get_scorer,
    roc_auc_score,
    top_k_accuracy_score,
)
from sklearn.model_selection import cross_val_predict, cross_validate

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
)
from skmask.datasets import make_restricted_classification
from skmask.decisions import decision_values
from skmask.metrics import routed_scorer

N, F, K = 90, 5, 4
MASKED = ["Restricted", "CostSensitive", "Prototype", "Sequence"]

# A last step of L-BFGS above its tolerance changes nothing here.
pytestmark = pytest.mark.filterwarnings(
    "ignore:lbfgs stopped:sklearn.exceptions.ConvergenceWarning"
)


class MaskInX:
    """Takes the mask off the last features of X, where the estimator has no allowed_columns."""

    def fit(self, X, y):
        return super().fit(*self._split(X)[:1], y, allowed=self._split(X)[1])

    def predict(self, X):
        return super().predict(self._split(X)[0], allowed=self._split(X)[1])

    def predict_proba(self, X):
        return super().predict_proba(self._split(X)[0], allowed=self._split(X)[1])

    def decision_function(self, X):
        return super().decision_function(self._split(X)[0], allowed=self._split(X)[1])

    def _split(self, X):
        of_row = X if X.ndim == 2 else X[:, 0]
        return X[..., :F], of_row[:, F:]


class PrototypeWithMaskInX(MaskInX, PrototypeClassifier):
    pass


class SequenceWithMaskInX(MaskInX, MaskedSequenceClassifier):
    pass


def as_given(name, X):
    """Rows, or sequences of two steps for the estimator that takes these."""
    return np.stack([X, X[:, ::-1]], axis=1) if name == "Sequence" else X


def with_mask(name, X, allowed):
    """The same with the mask of the row behind the features, those of each step."""
    if name != "Sequence":
        return np.c_[X, allowed]
    return np.stack([np.c_[step, allowed] for step in (X, X[:, ::-1])], axis=1)


def make(name, n_classes, *, mask_in_X):
    settings = {"classes": range(n_classes), "random_state": 0}
    columns = {"allowed_columns": slice(F, F + n_classes)} if mask_in_X else {}
    if name == "Restricted":
        return RestrictedClassClassifier((8,), epochs=5, **settings, **columns)
    if name == "CostSensitive":
        return CostSensitiveClassifier((8,), epochs=5, **settings, **columns)
    if name == "Prototype":
        return (PrototypeWithMaskInX if mask_in_X else PrototypeClassifier)(**settings)
    Estimator = SequenceWithMaskInX if mask_in_X else MaskedSequenceClassifier
    return Estimator(4, epochs=5, **settings)


def rows(n_classes):
    """Rows of which a third have one allowed class, and the others two or more."""
    X, y, allowed = make_restricted_classification(N, F, K, 3, random_state=0)
    y = y % n_classes
    allowed = allowed[:, :n_classes] | (np.arange(n_classes) == y[:, np.newaxis])
    allowed[::3] = np.arange(n_classes) == y[::3, np.newaxis]
    return X, y, allowed


@pytest.fixture(scope="module", params=[2, K])
def data(request):
    return rows(request.param)


@pytest.fixture(scope="module", params=MASKED)
def fitted(request, data):
    X, y, allowed = data
    X = as_given(request.param, X)
    clf = make(request.param, allowed.shape[1], mask_in_X=False)
    return clf.fit(X, y, allowed=allowed), X, y, allowed


def ranks(fitted):
    """The order of the rows by each class, from the model's own outputs and the mask."""
    clf, X, _, allowed = fitted
    logits = clf.decision_function(X, allowed="all").astype(float)
    if allowed.shape[1] == 2:
        order = np.where(allowed[:, 0], np.where(allowed[:, 1], logits, -np.inf), np.inf)
        return rankdata(order)
    return np.apply_along_axis(rankdata, 0, np.where(allowed, logits, -np.inf))


def test_decision_values_are_100_below_the_lowest_allowed_logit(rng):
    logits = rng.normal(scale=10, size=(50, 6)).astype(np.float32)
    allowed = rng.random((50, 6)) < 0.5
    allowed[:, 0] = True
    found = decision_values(np.where(allowed, logits, -np.inf))
    for row, possible, values in zip(logits, allowed, found, strict=True):
        np.testing.assert_array_equal(values[possible], row[possible])
        np.testing.assert_array_equal(values[~possible], min(row[possible]) - np.float32(100))


@pytest.mark.parametrize("size", [1e6, 1e20, 1e37])
def test_decision_values_are_below_allowed_ones_of_any_size(size):
    logits = np.array([[size, -np.inf], [-size, -np.inf], [-np.inf, size]], dtype=np.float32)
    values = decision_values(logits)
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(values.argmax(axis=1), [0, 0, 1])


def test_decision_function_is_finite_and_lower_where_not_allowed(fitted):
    clf, X, _, allowed = fitted
    values = clf.decision_function(X, allowed=allowed)
    assert np.isfinite(values).all()
    if values.ndim == 1:
        certain = allowed.sum(axis=1) == 1
        np.testing.assert_allclose(
            values[certain], np.where(allowed[certain, 1], 100, -100), rtol=1e-6
        )
        unsure = clf.decision_function(X, allowed="all")
        np.testing.assert_array_equal(values[~certain], unsure[~certain])
        return
    lowest = np.where(allowed, values, np.inf).min(axis=1)
    highest = np.where(allowed, -np.inf, values).max(axis=1)
    assert (highest < lowest).all()


def test_probabilities_stay_exact_where_not_allowed(fitted):
    clf, X, _, allowed = fitted
    assert (clf.predict_proba(X, allowed=allowed)[~allowed] == 0).all()
    assert (clf.predict_log_proba(X, allowed=allowed)[~allowed] == -np.inf).all()


def test_decision_function_by_step_is_finite_where_not_allowed(rng):
    X = rng.normal(size=(20, 6, 3))
    X[:10, 4:] = np.nan
    y = rng.integers(3, size=(20, 6))
    allowed = (np.arange(3) == y[..., np.newaxis]) | (rng.random((20, 6, 3)) < 0.3)
    clf = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, y, allowed=allowed)
    values = clf.decision_function(X, allowed=allowed)
    is_real = ~np.isnan(X[..., 0])
    assert np.isnan(values[~is_real]).all()
    lowest = np.where(allowed, values, np.inf).min(axis=2, keepdims=True)
    expected = np.broadcast_to(lowest - 100, values.shape)
    is_other = is_real[..., np.newaxis] & ~allowed
    np.testing.assert_allclose(values[is_other], expected[is_other], rtol=1e-6)


# Scorers, with the mask as a routed argument.


def test_roc_auc_of_routed_decision_values(fitted):
    clf, X, y, allowed = fitted
    if allowed.shape[1] == 2:
        score = routed_scorer(roc_auc_score, response_method="decision_function")
        assert score(clf, X, y, allowed=allowed) == roc_auc_score(y, ranks(fitted))
        return
    proba = clf.predict_proba(X, allowed=allowed)
    for kind in ("ovr", "ovo"):
        score = routed_scorer(roc_auc_score, response_method="predict_proba", multi_class=kind)
        expected = roc_auc_score(y, proba, multi_class=kind)
        assert score(clf, X, y, allowed=allowed) == expected


def test_average_precision_of_routed_decision_values(fitted):
    clf, X, y, allowed = fitted
    score = routed_scorer(average_precision_score, response_method="decision_function")
    expected = average_precision_score(y, ranks(fitted))
    assert score(clf, X, y, allowed=allowed) == pytest.approx(expected)


def test_top_k_accuracy_of_routed_decision_values(fitted):
    clf, X, y, allowed = fitted
    if allowed.shape[1] == 2:
        k, is_hit = 1, clf.predict(X, allowed=allowed) == y
    else:
        k = 2
        log_proba = clf.predict_log_proba(X, allowed=allowed)
        is_hit = (np.argsort(-log_proba, axis=1)[:, :2] == y[:, np.newaxis]).any(axis=1)
    score = routed_scorer(top_k_accuracy_score, response_method="decision_function", k=k)
    assert score(clf, X, y, allowed=allowed) == pytest.approx(is_hit.mean())


# Scorers and calibration, with the mask in X.


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize(
    ("n_classes", "scorers"),
    [
        (2, ["roc_auc", "average_precision"]),
        (K, ["roc_auc_ovr", "roc_auc_ovo", "average_precision", "top_k_accuracy"]),
    ],
)
def test_scorers_take_masks_in_columns(name, n_classes, scorers):
    X, y, allowed = rows(n_classes)
    both = with_mask(name, X, allowed)
    clf = make(name, n_classes, mask_in_X=True)
    cross_validate(clf, both, y, scoring=scorers, cv=3, error_score="raise")
    plain = make(name, n_classes, mask_in_X=False).fit(as_given(name, X), y, allowed=allowed)
    for scorer in scorers:
        of_metric = get_scorer(scorer)
        routed = routed_scorer(
            of_metric._score_func, response_method=of_metric._response_method, **of_metric._kwargs
        )
        found = of_metric(clf.fit(both, y), both, y)
        assert found == routed(plain, as_given(name, X), y, allowed=allowed)
        assert 0 < found <= 1


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("n_classes", [2, K])
@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibrated_classifier_cv_takes_masks_in_columns(name, n_classes, method):
    X, y, allowed = rows(n_classes)
    both = with_mask(name, X, allowed)
    clf = make(name, n_classes, mask_in_X=True)
    calibrated = CalibratedClassifierCV(clf, method=method, cv=3, ensemble=False).fit(both, y)
    proba = calibrated.predict_proba(both)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    if method == "temperature":  # keeps the order of the classes
        np.testing.assert_array_equal(calibrated.predict(both), clf.fit(both, y).predict(both))
    if method == "isotonic" and n_classes == 2:
        held_out = cross_val_predict(clf, both, y, cv=3, method="decision_function")
        steps = IsotonicRegression(out_of_bounds="clip").fit(held_out, y)
        expected = steps.predict(clf.fit(both, y).decision_function(both))
        np.testing.assert_allclose(proba[:, 1], expected)
