"""Labels that cannot be: left out of training, of probability 0, never predicted."""

import pickle
import warnings

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from scipy.special import expit, logit
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmask import WeightedMultilabelClassifier
from skmask.metrics import make_multilabel_scorer

NAMES = np.array(["wet", "cold", "dark", "loud"])
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


@pytest.fixture(scope="module")
def rows():
    """Rows, labels and masks, some of which allow nothing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    allowed = rng.random((80, 4)) < 0.7
    allowed[:3] = False
    Y = ((X[:, :4] + 0.3 * rng.normal(size=(80, 4)) > [0, 0.3, 0.5, 0.8]) & allowed).astype(int)
    return X, Y, allowed


@pytest.fixture(scope="module")
def fitted(rows):
    X, Y, allowed = rows
    return make().fit(X, Y, allowed=allowed)


def make(**kwargs):
    return WeightedMultilabelClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 10, "random_state": 0, **kwargs}
    )


def copied(clf, **parameters):
    return pickle.loads(pickle.dumps(clf)).set_params(**parameters)


def logits_of(clf, X):
    return np.asarray(clf.model_(X.astype("float32")), dtype=np.float64)


# Training.


@pytest.mark.parametrize("threshold", [0.5, "tuned"])
def test_mask_teaches_what_unknown_labels_teach(rows, threshold):
    X, Y, allowed = rows
    masked = make(threshold=threshold).fit(X, Y, allowed=allowed)
    unknown = make(threshold=threshold).fit(X, np.where(allowed, Y, np.nan))
    np.testing.assert_array_equal(masked.pos_weight_, unknown.pos_weight_)
    np.testing.assert_array_equal(masked.thresholds_, unknown.thresholds_)
    assert masked.history_ == unknown.history_
    found = masked.predict_proba(X, allowed="all")
    np.testing.assert_array_equal(found, unknown.predict_proba(X))


def test_mask_and_unknown_labels_go_together(rows):
    X, Y, allowed = rows
    known = np.where(np.random.default_rng(1).random(Y.shape) < 0.2, np.nan, Y)
    masked = make().fit(X, known, allowed=allowed)
    unknown = make().fit(X, np.where(allowed, known, np.nan))
    found = masked.predict_proba(X, allowed="all")
    np.testing.assert_array_equal(found, unknown.predict_proba(X))


def test_partial_fit_and_thresholds_set_later_leave_out_what_is_not_allowed(rows):
    X, Y, allowed = rows
    masked = make().partial_fit(X, Y, allowed=allowed)
    masked.set_threshold("macro_f1", X, Y, allowed=allowed)
    unknown = make().partial_fit(X, np.where(allowed, Y, np.nan))
    unknown.set_threshold("macro_f1", X, np.where(allowed, Y, np.nan))
    np.testing.assert_array_equal(masked.pos_weight_, unknown.pos_weight_)
    np.testing.assert_array_equal(masked.thresholds_, unknown.thresholds_)


def test_validation_rows_have_a_mask_of_their_own(rows):
    X, Y, allowed = rows
    first, rest = slice(0, 50), slice(50, None)
    masked = make(threshold="micro_f1").fit(
        X[first], Y[first], allowed=allowed[first],
        X_val=X[rest], y_val=Y[rest], allowed_val=allowed[rest],
    )  # fmt: skip
    known = np.where(allowed, Y, np.nan)
    unknown = make(threshold="micro_f1").fit(
        X[first], known[first], X_val=X[rest], y_val=known[rest]
    )
    assert masked.history_ == unknown.history_
    np.testing.assert_array_equal(masked.thresholds_, unknown.thresholds_)


def test_warning_of_labels_never_predicted_knows_the_mask(rows):
    X, Y, allowed = rows
    nowhere = allowed.copy()
    nowhere[:, 2] = False
    with pytest.warns(UserWarning, match="y has no positive") as said:
        make(threshold=0.0).fit(X, Y * nowhere, allowed=nowhere)
    assert "The labels [2] are never predicted" in str(said[-1].message)


# Prediction.


def test_answers_are_those_without_a_mask_where_allowed_and_nothing_elsewhere(rows, fitted):
    X, _, allowed = rows
    logits = logits_of(fitted, X)
    proba = fitted.predict_proba(X, allowed=allowed)
    np.testing.assert_allclose(proba[allowed], expit(logits)[allowed], atol=1e-6)
    assert (proba[~allowed] == 0).all()
    log_proba = fitted.predict_log_proba(X, allowed=allowed)
    np.testing.assert_allclose(log_proba[allowed], np.log(expit(logits))[allowed], atol=1e-5)
    assert (log_proba[~allowed] == -np.inf).all()
    predicted = fitted.predict(X, allowed=allowed)
    np.testing.assert_array_equal(predicted, (logits > 0) & allowed)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_decision_values_are_finite_and_far_below_zero_where_not_allowed(rows, threshold):
    X, Y, allowed = rows
    clf = make(threshold=threshold).fit(X, Y, allowed=allowed)
    values = clf.decision_function(X, allowed=allowed)
    assert np.isfinite(values[~allowed]).all()
    assert (values[~allowed] <= -100).all()
    np.testing.assert_array_equal(values > 0, clf.predict(X, allowed=allowed))
    with np.errstate(divide="ignore"):
        expected = (logits_of(clf, X) - logit(threshold))[allowed]
    np.testing.assert_allclose(values[allowed], expected, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"threshold": 1.0}, {"threshold": "sample_f1"}])
@pytest.mark.parametrize("min_labels", [1, 2, 4])
def test_no_label_is_added_that_cannot_be(rows, min_labels, settings):
    X, Y, allowed = rows
    clf = make(min_labels=min_labels, **settings).fit(X, Y, allowed=allowed)
    predicted = clf.predict(X, allowed=allowed)
    assert not predicted[~allowed].any()
    at_least = np.minimum(allowed.sum(axis=1), min_labels)
    assert (predicted.sum(axis=1) >= at_least).all()


def test_score_counts_what_is_allowed(rows, fitted):
    X, Y, allowed = rows
    expected = np.mean(((fitted.predict(X, allowed=allowed) == Y) | ~allowed).all(axis=1)[3:])
    assert fitted.score(X, Y, allowed=allowed) == pytest.approx(expected)


def test_label_that_is_there_and_cannot_be_is_a_miss(rows, fitted):
    X, _, allowed = rows
    row = np.flatnonzero(~allowed.all(axis=1) & allowed.any(axis=1))[:1]
    right = fitted.predict(X[row], allowed=allowed[row])
    assert fitted.score(X[row], right, allowed=allowed[row]) == 1
    assert fitted.score(X[row], right | ~allowed[row], allowed=allowed[row]) == 0


@pytest.mark.parametrize("method", METHODS)
def test_prediction_without_the_mask_is_refused_and_lifted_on_purpose(rows, fitted, method):
    X, Y, _ = rows
    with pytest.raises(ValueError, match="allowed must be given for prediction after a fit with"):
        getattr(fitted, method)(X)
    free = make().fit(X, np.where(rows[2], Y, np.nan))
    found = getattr(fitted, method)(X, allowed="all")
    np.testing.assert_array_equal(found, getattr(free, method)(X))


def test_mask_may_be_given_for_prediction_only(rows):
    X, Y, allowed = rows
    clf = make().fit(X, Y)
    assert (clf.predict_proba(X, allowed=allowed)[~allowed] == 0).all()
    clf.predict(X)


def test_refit_forgets_the_mask(rows, fitted):
    X, Y, _ = rows
    again = copied(fitted).fit(X, Y)
    assert again.predict(X).shape == Y.shape


# Containers.


@pytest.mark.parametrize(
    "kind",
    [
        np.ndarray.tolist,
        lambda A: A.astype(int),
        sparse.csr_array,
        sparse.coo_matrix,
        lambda A: pd.DataFrame(A, columns=NAMES)[NAMES[::-1]],
        lambda A: [set(NAMES[row]) for row in A],
    ],
)
def test_mask_may_come_in_many_kinds(rows, kind):
    X, Y, allowed = rows
    frame = pd.DataFrame(Y, columns=NAMES)  # whose names are not sorted
    expected = make(epochs=2).fit(X, frame, allowed=allowed).predict_proba(X, allowed=allowed)
    clf = make(epochs=2).fit(X, frame, allowed=kind(allowed))
    np.testing.assert_array_equal(clf.predict_proba(X, allowed=kind(allowed)), expected)


@pytest.mark.parametrize("form", [np.asarray, lambda one: pd.Series(one, index=NAMES)[NAMES[::-1]]])
def test_one_mask_holds_for_all_rows(rows, form):
    X, Y, _ = rows
    one = np.array([True, False, True, True])
    frame = pd.DataFrame(Y * one, columns=NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a label that cannot be has no positive
        clf = make(epochs=2).fit(X, frame, allowed=form(one))
    proba = clf.predict_proba(X, allowed=form(one))
    np.testing.assert_array_equal((proba > 0).all(axis=0), one)


def test_mask_and_rows_may_be_on_disk(rows, tmp_path):
    X, Y, allowed = rows
    np.save(tmp_path / "X.npy", X.astype("float32"))
    np.save(tmp_path / "allowed.npy", allowed)
    X, mask = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("X", "allowed"))
    clf = make(epochs=2, shuffle_buffer=20).fit(X, Y, allowed=mask)
    unknown = make(epochs=2, shuffle_buffer=20).fit(X, np.where(allowed, Y, np.nan))
    assert clf.history_ == unknown.history_
    predicted = clf.predict(X, allowed=da.from_array(np.asarray(allowed), chunks=(30, 4)))
    np.testing.assert_array_equal(predicted, unknown.predict(X) * allowed)


# Errors.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.ones((80, 4))}, r"y must be 0 or NaN where allowed says that .* got 1 in rows 0"),
        ({"allowed": np.zeros((80, 4)), "y": np.zeros((80, 4))}, "allowed must leave a label that"),
        ({"allowed": np.ones((80, 3))}, r"allowed must have shape \(n_samples, n_labels\) = \(80"),
        ({"allowed": np.full((80, 4), 2)}, "allowed must hold only True/False or 1/0"),
        ({"allowed": "some"}, None),
        ({"y": np.arange(80) % 3}, "allowed must be None where y is one class per row"),
        ({"allowed": pd.DataFrame(np.ones((80, 4)))}, None),
    ],
)
def test_bad_mask_is_refused(rows, change, message):
    X, Y, allowed = rows
    given = {"X": X, "y": pd.DataFrame(Y, columns=NAMES), "allowed": allowed, **change}
    kind = TypeError if isinstance(given["allowed"], str) else ValueError
    with pytest.raises(kind, match=message or "allowed"):
        make().fit(**given)


def test_mask_after_a_fit_to_classes_is_refused(rows):
    X = rows[0]
    clf = make(epochs=1).fit(X, np.arange(80) % 3)
    with pytest.raises(ValueError, match="allowed must be None after a fit to one class per row"):
        clf.predict(X, allowed=np.ones((80, 3)))


def test_mask_goes_on_once_it_was_given(rows):
    X, Y, allowed = rows
    clf = make().partial_fit(X, Y, allowed=allowed)
    before = clf.predict_proba(X, allowed=allowed)
    with pytest.raises(ValueError, match="allowed must be given in every call once it was given"):
        clf.partial_fit(X, Y)
    with pytest.raises(ValueError, match="allowed must be given in every call once it was given"):
        clf.set_threshold("micro_f1", X, Y)
    np.testing.assert_array_equal(clf.predict_proba(X, allowed=allowed), before)


def test_mask_of_validation_rows_is_needed(rows):
    X, Y, allowed = rows
    with pytest.raises(ValueError, match="allowed_val must be given where allowed is given"):
        make().fit(X, Y, allowed=allowed, X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="y_val must be 0 or NaN where allowed_val says that"):
        make().fit(X, Y, allowed=allowed, X_val=X, y_val=1 - Y, allowed_val=~allowed | (Y == 1))


# Tools.


def test_mask_is_routed_through_a_pipeline_and_a_search(rows):
    X, Y, allowed = rows
    pipe = make_pipeline(StandardScaler(), make(epochs=2))
    grid = {"weightedmultilabelclassifier__min_labels": [0, 4]}
    scorer = make_multilabel_scorer("precision", "micro")
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(pipe, grid, scoring=scorer, cv=KFold(2), error_score="raise")
        search.fit(X, Y, allowed=allowed)
        predicted = search.best_estimator_.predict(X, allowed=allowed)
    assert not predicted[~allowed].any()


@pytest.mark.parametrize("form", [np.asarray, lambda A: [set(NAMES[row]) for row in A]])
def test_rows_held_out_are_scored_with_their_mask(rows, form):
    X, Y, allowed = rows
    seen = []

    def no_impossible_label(estimator, X, y):
        predicted = estimator.predict(X)
        seen.append((len(X), int(predicted[~allowed_of(X)].sum())))
        return estimator.score(X, y)

    def allowed_of(X_held):
        return allowed[[np.flatnonzero((row == X).all(axis=1))[0] for row in X_held]]

    clf = make(
        epochs=2, early_stopping=True, validation_fraction=0.25, threshold=0.0,
        monitor=no_impossible_label,
    )  # fmt: skip
    clf.fit(X, pd.DataFrame(Y, columns=NAMES), allowed=form(allowed))
    assert seen == [(20, 0)] * 2


# As many labels as a row may have.


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("max_labels", [1, 2, 3, 9, None])
def test_rows_get_the_most_probable_labels_above_their_thresholds(rows, max_labels, calibrated):
    X, Y, _ = rows
    thresholds = np.array([0.2, 0.3, 0.1, 0.6])
    clf = make(threshold=thresholds, calibrated=calibrated).fit(X, Y)
    above = clf.predict(X)
    found = clf.set_params(max_labels=max_labels).predict(X)
    for kept, before, proba in zip(found, above, clf.predict_proba(X), strict=True):
        ranked = sorted(np.flatnonzero(before), key=lambda label: -proba[label])
        assert set(np.flatnonzero(kept)) == set(ranked[:max_labels])


def test_as_many_labels_at_least_as_at_most_is_their_number(rows):
    X, Y, _ = rows
    clf = make(min_labels=2, max_labels=2).fit(X, Y)
    assert (clf.predict(X).sum(axis=1) == 2).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_labels": 1, "min_labels": 2}, "max_labels must not be below min_labels, 2; got 1"),
        ({"max_labels": 0}, "'max_labels' parameter of WeightedMultilabelClassifier must"),
        ({"max_labels": 1.5}, "'max_labels' parameter of WeightedMultilabelClassifier must"),
    ],
)
def test_bad_number_of_labels_is_refused_at_fit_and_at_prediction(rows, parameters, message):
    X, Y, _ = rows
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        make(epochs=1).fit(X, Y).set_params(**parameters).predict(X)


# The largest expected F1 of each row.


def test_sets_of_the_largest_expected_f1_go_by_the_odds_of_the_unweighted_problem(rows):
    from skmask.decisions import f1_sets

    X, Y, _ = rows
    clf = make(threshold="sample_f1").fit(X, Y)
    proba = expit(logits_of(clf, X) - np.log(clf.pos_weight_))
    np.testing.assert_array_equal(clf.predict(X), f1_sets(proba))
    assert clf.thresholds_.tolist() == [0.5] * 4
    assert "val_loss" not in clf.history_


def test_sets_of_the_largest_expected_f1_have_more_of_it_than_thresholds(rows):
    X, Y, _ = rows
    clf = make(epochs=100, pos_weight=None).fit(X, Y)
    scores = [f1_score(Y, clf.predict(X), average="samples", zero_division=1)]
    clf.set_threshold("sample_f1")
    scores.append(f1_score(Y, clf.predict(X), average="samples", zero_division=1))
    assert scores == sorted(scores)


def test_sets_chosen_later_are_those_of_a_fit_and_can_be_undone(rows):
    X, Y, _ = rows
    clf = make().fit(X, Y)
    before = clf.predict(X)
    expected = make(threshold="sample_f1").partial_fit(X, Y).predict(X)
    np.testing.assert_array_equal(
        make().partial_fit(X, Y).set_threshold("sample_f1").predict(X), expected
    )
    clf.set_threshold("sample_f1")
    np.testing.assert_array_equal(clf.set_threshold(0.5).predict(X), before)


def test_sets_survive_storing(rows):
    X, Y, _ = rows
    clf = make(threshold="sample_f1").fit(X, Y)
    np.testing.assert_array_equal(copied(clf).predict(X), clf.predict(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "focal"}, "threshold must not be 'sample_f1' unless loss='weighted_bce'"),
        ({"pos_weight": 0.0}, "pos_weight must be above 0 where threshold='sample_f1' takes"),
    ],
)
def test_sets_need_odds_that_are_known(rows, parameters, message):
    X, Y, _ = rows
    with pytest.raises(ValueError, match=message):
        make(threshold="sample_f1", **parameters).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(X, Y).set_threshold("sample_f1")


def test_sets_need_a_column_for_each_label(rows):
    X = rows[0]
    message = "threshold must not be 'sample_f1' where y is one class per row"
    with pytest.raises(ValueError, match=message):
        make(threshold="sample_f1").fit(X, np.arange(80) % 3)
    with pytest.raises(ValueError, match=message):
        make(epochs=1).fit(X, np.arange(80) % 3).set_threshold("sample_f1")
