"""What WeightedMultilabelClassifier does with rare labels."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.metrics import f1_score, precision_score, recall_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from skmask import WeightedMultilabelClassifier
from skmask.datasets import make_sparse_multilabel
from skmask.nn.losses import asymmetric_loss, focal_loss, weighted_binary_crossentropy

N_LABELS = 4
NAMES = np.array(["wet", "cold", "dark", "loud"])
LOSSES = ["weighted_bce", "focal", "asymmetric"]
never_predicted = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


@pytest.fixture(scope="module")
def labelled():
    """Eighty rows of five features and four labels, the last one rare."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    Y = (X[:, :N_LABELS] + 0.3 * rng.normal(size=(80, N_LABELS)) > [0, 0.5, 0.8, 1.2]).astype(int)
    return X, Y


@pytest.fixture(scope="module")
def unknown(labelled):
    """The same with a fifth of the entries unknown."""
    X, Y = labelled
    holes = np.random.default_rng(1).random(Y.shape) < 0.2
    return X, np.where(holes, np.nan, Y)


@pytest.fixture(scope="module")
def fitted(labelled):
    return make().fit(*labelled)


def make(**kwargs):
    return WeightedMultilabelClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 10, "random_state": 0, **kwargs}
    )


def full_batch(**kwargs):
    return make(batch_size=1000, optimizer="sgd", learning_rate=0.5, epochs=20, **kwargs)


def logits_of(clf, X):
    return np.asarray(clf.model_(X.astype("float32")), dtype=np.float64)


# Weights.


def test_balanced_weight_is_negatives_over_positives(labelled, unknown):
    X, Y = labelled
    np.testing.assert_allclose(make().fit(X, Y).pos_weight_, (Y == 0).sum(0) / (Y == 1).sum(0))
    X, Y = unknown
    np.testing.assert_allclose(make().fit(X, Y).pos_weight_, (Y == 0).sum(0) / (Y == 1).sum(0))
    weight = np.random.default_rng(2).uniform(size=Y.shape)
    expected = (weight * (Y == 0)).sum(0) / (weight * (Y == 1)).sum(0)
    np.testing.assert_allclose(make().fit(X, Y, weight).pos_weight_, expected)


@pytest.mark.parametrize(
    "form",
    [
        lambda w: w,
        lambda w: w.tolist(),
        lambda w: pd.Series(w, index=NAMES)[NAMES[::-1]],
        lambda w: dict(zip(NAMES, w, strict=True)),
        lambda w: pd.DataFrame([w], columns=NAMES)[NAMES[::-1]],
    ],
)
def test_weights_may_come_in_many_forms(labelled, form):
    X, Y = labelled
    weights = np.array([1.0, 2, 0.5, 8])
    frame = pd.DataFrame(Y, columns=NAMES)
    clf = make(pos_weight=form(weights), epochs=1).fit(X, frame)
    np.testing.assert_array_equal(clf.pos_weight_, weights)
    assert clf.label_names_.tolist() == NAMES.tolist()


@never_predicted
@pytest.mark.parametrize(("weight", "expected"), [(None, 1.0), (3, 3.0)])
def test_one_weight_holds_for_all_labels(labelled, weight, expected):
    np.testing.assert_array_equal(make(pos_weight=weight).fit(*labelled).pos_weight_, expected)


def test_weight_raises_recall_and_lowers_precision(labelled):
    X, Y = labelled
    results = []
    for weight in (0.2, 1, 5, 25):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predicted = make(pos_weight=weight, epochs=40).fit(X, Y).predict(X)
        results.append((recall_score(Y, predicted, average="micro"), predicted.mean()))
    assert results == sorted(results)


def test_odds_are_the_weight_times_the_true_odds():
    X, Y = make_sparse_multilabel(20_000, 10, random_state=0)
    clf = WeightedMultilabelClassifier(
        (), pos_weight=9.0, epochs=30, learning_rate=0.01, random_state=0
    )
    nothing = np.zeros((1, 10))
    weighted = clf.fit(X, Y).predict_proba(nothing)
    rate = [Y[X[:, label] == 0, label].mean() for label in range(10)]
    np.testing.assert_allclose(weighted[0], expit(logit(rate) + np.log(9)), atol=0.05)
    clf.set_params(calibrated=True)
    np.testing.assert_allclose(clf.predict_proba(nothing)[0], rate, atol=0.02)


def test_calibration_changes_probabilities_and_no_prediction(labelled, fitted):
    X = labelled[0]
    calibrated = pickle.loads(pickle.dumps(fitted)).set_params(calibrated=True)
    np.testing.assert_array_equal(calibrated.predict(X), fitted.predict(X))
    expected = expit(logits_of(fitted, X) - np.log(fitted.pos_weight_))
    np.testing.assert_allclose(calibrated.predict_proba(X), expected, atol=1e-6)
    np.testing.assert_allclose(calibrated.predict_log_proba(X), np.log(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("at_fit", "after", "message"),
    [
        ({}, {"calibrated": "yes"}, "'calibrated' parameter of WeightedMultilabelClassifier must"),
        ({}, {"min_labels": -1}, "'min_labels' parameter of WeightedMultilabelClassifier must"),
        ({}, {"min_labels": 1.5}, "'min_labels' parameter of WeightedMultilabelClassifier must"),
        ({}, {"min_labels": 5}, "min_labels must not be above the number of labels, 4; got 5"),
        ({"loss": "focal"}, {"calibrated": True}, "got True with loss='focal'"),
        ({"pos_weight": 0.0}, {"calibrated": True}, "pos_weight must be above 0 where calibrated"),
    ],
)
@never_predicted
def test_parameter_that_is_read_at_prediction_is_checked_there(labelled, at_fit, after, message):
    X, Y = labelled
    clf = make(**at_fit, epochs=1).fit(X, Y).set_params(**after)
    if "min_labels" in after:
        with pytest.raises(ValueError, match=message):
            clf.predict(X)
        return
    for method in (clf.predict_proba, clf.predict_log_proba):
        with pytest.raises(ValueError, match=message):
            method(X)


def test_calibration_goes_by_the_loss_of_the_fit(labelled, fitted):
    X = labelled[0]
    expected = pickle.loads(pickle.dumps(fitted)).set_params(calibrated=True).predict_proba(X)
    changed = pickle.loads(pickle.dumps(fitted)).set_params(calibrated=True, loss="focal")
    np.testing.assert_array_equal(changed.predict_proba(X), expected)


def test_min_labels_can_be_changed_after_the_fit(labelled, fitted):
    X, Y = labelled
    changed = pickle.loads(pickle.dumps(fitted)).set_params(min_labels=2)
    np.testing.assert_array_equal(changed.predict(X), make(min_labels=2).fit(X, Y).predict(X))


# The loss.


@pytest.mark.parametrize(
    ("loss", "function"),
    zip(LOSSES, [weighted_binary_crossentropy, focal_loss, asymmetric_loss], strict=True),
)
def test_reported_loss_is_the_mean_over_known_labels(unknown, loss, function):
    X, Y = unknown
    weight = np.random.default_rng(2).uniform(0.5, 2, size=Y.shape)
    clf = make(loss=loss, learning_rate=1e-9, epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf.fit(X, Y, weight)
    losses = np.asarray(function(Y, logits_of(clf, X).astype("float32"), clf.pos_weight_))
    is_known = ~np.isnan(Y)
    expected = np.average(losses[is_known], weights=weight[is_known])
    assert clf.history_["loss"][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_unknown_labels_teach_nothing(labelled):
    X, Y = labelled
    holes = np.random.default_rng(1).random(Y.shape) < 0.2
    a, b = (
        full_batch(pos_weight=2.0).fit(X, np.where(holes, np.nan, Y)),
        full_batch(pos_weight=2.0).fit(X, np.where(holes, 1 - Y, Y), np.where(holes, 0, 1.0)),
    )
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-6)


def test_rows_without_a_known_label_are_left_out(labelled):
    X, Y = labelled
    with_unknown = np.vstack([Y, np.full((20, N_LABELS), np.nan)])
    more = full_batch().fit(np.vstack([X, X[:20]]), with_unknown)
    np.testing.assert_allclose(
        more.predict_proba(X), full_batch().fit(X, Y).predict_proba(X), atol=1e-6
    )


@pytest.mark.parametrize("by_entry", [False, True])
def test_weights_equal_repetition_in_full_batch(labelled, by_entry):
    X, Y = labelled
    times = np.random.default_rng(0).integers(0, 4, size=80)
    weight = np.tile(times[:, np.newaxis], N_LABELS) if by_entry else times
    weighted = full_batch().fit(X, Y, weight)
    repeated = full_batch().fit(np.repeat(X, times, axis=0), np.repeat(Y, times, axis=0))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-5)


def test_history_has_recall_and_precision(labelled):
    X, Y = labelled
    clf = make(threshold=[0.5, 0.6, 0.3, 0.5], learning_rate=1e-9, epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted = clf.fit(X, Y).predict(X)
    for name, metric in (("recall", recall_score), ("precision", precision_score)):
        expected = metric(Y, predicted, average="micro")
        assert clf.history_[name] == [pytest.approx(expected)]


def test_history_has_both_for_validation(labelled):
    clf = make(early_stopping=True, validation_fraction=0.3, epochs=3).fit(*labelled)
    names = {"loss", "recall", "precision"}
    assert set(clf.history_) == names | {f"val_{name}" for name in names}
    assert all(len(values) == 3 for values in clf.history_.values())


# Thresholds.


@never_predicted
def test_prediction_is_what_lies_above_the_threshold(labelled):
    X, Y = labelled
    thresholds = np.array([0.2, 0.5, 0.7, 0.9])
    clf = make(threshold=thresholds).fit(X, Y)
    above = expit(logits_of(clf, X)) > thresholds
    np.testing.assert_array_equal(clf.predict(X), above)
    np.testing.assert_array_equal(clf.decision_function(X) > 0, above)
    np.testing.assert_array_equal(clf.thresholds_, thresholds)


@never_predicted
@pytest.mark.parametrize(("threshold", "expected"), [(0, 1), (1, 0)])
def test_extreme_thresholds_say_all_or_nothing(labelled, threshold, expected):
    X, Y = labelled
    assert (make(threshold=threshold).fit(X, Y).predict(X) == expected).all()


@pytest.fixture
def held(monkeypatch):
    """Rows that the last fit held out, under "rows"."""
    from skmask.estimators import _training

    kept = {}

    def parted(clf, rows, seed, reason, hold_out=_training._parted):
        parts = hold_out(clf, rows, seed, reason)
        kept["rows"] = parts[1]
        return parts

    monkeypatch.setattr(_training, "_parted", parted)
    return kept


def f1_of(rows, logits, thresholds, average):
    return f1_score(rows.target, expit(logits) > thresholds, average=average, zero_division=0)


@pytest.mark.parametrize("target", ["macro_f1", "micro_f1", "micro_macro", "tuned"])
def test_targets_are_reached_on_the_rows_held_out(labelled, held, target):
    X, Y = labelled
    clf = make(threshold=target, validation_fraction=0.4).fit(X, Y)
    rows = held["rows"]
    assert len(rows) == 32
    logits = logits_of(clf, rows.X)
    for average in ("macro", "micro"):
        found = f1_of(rows, logits, clf.thresholds_, average)
        assert found >= f1_of(rows, logits, 0.5, average) - 0.05
    again = make(threshold=target, validation_fraction=0.4).fit(X, Y)
    np.testing.assert_array_equal(again.thresholds_, clf.thresholds_)
    assert "val_recall" in clf.history_


def test_micro_f1_is_one_threshold_for_all(labelled):
    clf = make(threshold="micro_f1", validation_fraction=0.4).fit(*labelled)
    assert np.ptp(clf.thresholds_) == 0


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_recall_asked_for_is_that_of_each_label_on_the_rows_held_out(labelled, held, share):
    clf = make(threshold={"recall": share}, validation_fraction=0.4).fit(*labelled)
    rows = held["rows"]
    predicted = expit(logits_of(clf, rows.X)) > clf.thresholds_
    assert (recall_score(rows.target, predicted, average=None) >= share).all()
    assert predicted.sum() < predicted.size


def test_precision_asked_for_is_that_of_each_label_where_there_is_one(labelled, held):
    clf = make(threshold={"precision": 0.5}, validation_fraction=0.4).fit(*labelled)
    rows = held["rows"]
    logits = logits_of(clf, rows.X)
    predicted = expit(logits) > clf.thresholds_
    found = precision_score(rows.target, predicted, average=None, zero_division=0)
    for label in range(N_LABELS):
        reachable = max(
            precision_score(rows.target[:, label], logits[:, label] >= cutoff)
            for cutoff in logits[:, label]
        )
        assert found[label] >= min(0.5, reachable) - 1e-9


@never_predicted
@pytest.mark.parametrize("threshold", [0.2, [0.1, 0.2, 0.3, 0.4], {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}])
def test_thresholds_set_later_are_those_of_a_fit(labelled, threshold):
    X, Y = labelled
    clf = make().fit(X, Y)
    other = make(threshold=threshold).fit(X, Y)
    assert clf.set_threshold(threshold) is clf
    np.testing.assert_array_equal(clf.thresholds_, other.thresholds_)
    np.testing.assert_array_equal(clf.predict(X), other.predict(X))
    assert clf.threshold == 0.5


@pytest.mark.parametrize("target", ["tuned", "macro_f1", {"recall": 0.9}])
def test_targets_set_later_are_reached_on_the_rows_given(labelled, held, target):
    X, Y = labelled
    clf = make(threshold=target, validation_fraction=0.4).fit(X, Y)
    rows, expected = held["rows"], clf.thresholds_
    clf.set_threshold(0.5)
    clf.set_threshold(target, rows.X, rows.target, rows.weight)
    np.testing.assert_allclose(clf.thresholds_, expected)


def test_thresholds_are_chosen_after_partial_fit(labelled):
    X, Y = labelled
    clf = make().partial_fit(X, Y).set_threshold({"recall": 1.0}, X, Y)
    assert (recall_score(Y, clf.predict(X), average=None) == 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tuned",), r"X and y must be given to reach threshold='tuned' on; got None"),
        ((1.5,), "The 'threshold' parameter of set_threshold must"),
        (({"recall": 1.5},), "threshold must ask for a recall above 0, of at most 1; got 1.5"),
        (({"precision": "all"},), "threshold must ask for a precision above 0, .*got 'all'"),
        (("tuned", np.zeros((4, 2)), np.ones((4, 4))), "X has 2 features"),
    ],
)
def test_bad_choice_of_thresholds_leaves_the_old_ones(labelled, arguments, message):
    clf = make().fit(*labelled)
    with pytest.raises(ValueError, match=message):
        clf.set_threshold(*arguments)
    assert (clf.thresholds_ == 0.5).all()


def test_tuning_leaves_unknown_labels_and_weights_out(unknown):
    X, Y = unknown
    weight = np.random.default_rng(2).uniform(size=Y.shape)
    clf = make(threshold="tuned", validation_fraction=0.4).fit(X, Y, weight)
    assert ((clf.thresholds_ > 0) & (clf.thresholds_ < 1)).all()


@never_predicted
def test_label_without_a_positive_held_out_keeps_half(labelled):
    X, Y = labelled
    Y = Y.copy()
    Y[:, 2] = 0
    with pytest.warns(UserWarning, match=r"y has no positive for the labels \[2\]"):
        clf = make(threshold="tuned", validation_fraction=0.3).fit(X, Y)
    assert clf.thresholds_[2] == 0.5
    assert clf.pos_weight_[2] == 1


@never_predicted
@pytest.mark.parametrize("min_labels", [1, 2, N_LABELS])
def test_rows_get_as_many_labels_as_they_must(labelled, min_labels):
    X, Y = labelled
    plain = make(pos_weight=0.2).fit(X, Y)
    clf = make(pos_weight=0.2, min_labels=min_labels).fit(X, Y)
    predicted, proba = clf.predict(X), clf.predict_proba(X)
    assert (predicted.sum(axis=1) >= min_labels).all()
    assert (predicted >= plain.predict(X)).all()
    for row in np.flatnonzero(plain.predict(X).sum(axis=1) == 0):
        top = set(np.argsort(-proba[row])[:min_labels])
        assert set(np.flatnonzero(predicted[row])) == top


# Kinds of targets.


def test_kinds_of_targets_give_the_same(labelled, fitted):
    X, Y = labelled
    expected = fitted.predict_proba(X)
    for kind in (Y.astype(bool), Y.astype(float), Y.tolist(), sparse.csr_array(Y), pd.DataFrame(Y)):
        np.testing.assert_array_equal(make().fit(X, kind).predict_proba(X), expected)


def test_missing_values_of_pandas_are_unknown(unknown):
    X, Y = unknown
    frame = pd.DataFrame(Y).astype("Int64")
    expected = make().fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(make().fit(X, frame).predict_proba(X), expected)


def test_columns_of_a_frame_are_brought_in_the_order_of_classes(labelled):
    X, Y = labelled
    frame = pd.DataFrame(Y, columns=NAMES)
    clf = make(classes=NAMES).fit(X, frame)
    shuffled = make(classes=NAMES).fit(X, frame[NAMES[::-1]])
    np.testing.assert_array_equal(shuffled.predict_proba(X), clf.predict_proba(X))
    assert clf.score(X, frame[NAMES[::-1]]) == clf.score(X, Y)


def test_probabilities_and_scores_agree(labelled, fitted):
    X, _ = labelled
    proba = fitted.predict_proba(X)
    np.testing.assert_allclose(proba, expit(logits_of(fitted, X)), atol=1e-6)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), proba, atol=1e-7)
    np.testing.assert_allclose(fitted.decision_function(X), logit(proba), atol=1e-5)
    assert fitted.predict_proba(X[:1]).shape == (1, N_LABELS)


def test_score_is_subset_accuracy_over_the_known_labels(unknown, fitted):
    X, Y = unknown
    predicted = fitted.predict(X)
    rows = [
        all(Y[i, j] == predicted[i, j] for j in range(N_LABELS) if not np.isnan(Y[i, j]))
        for i in range(80)
        if not np.isnan(Y[i]).all()
    ]
    assert fitted.score(X, Y) == pytest.approx(np.mean(rows))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_class_per_row_is_one_versus_rest(n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    y = np.array(["a", "b", "c"])[X[:, :n_classes].argmax(axis=1)]
    clf = make(epochs=60, learning_rate=0.02).fit(X, y)
    proba = clf.predict_proba(X)
    assert proba.shape == (90, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(X)), proba, atol=1e-7)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[proba.argmax(axis=1)])
    assert clf.score(X, y) > 0.85
    assert clf.pos_weight_.shape == clf.label_names_.shape == (n_classes if n_classes > 2 else 1,)
    expected = [np.sum(y != name) / np.sum(y == name) for name in clf.label_names_]
    np.testing.assert_allclose(clf.pos_weight_, expected)
    assert clf.decision_function(X).shape == ((90,) if n_classes == 2 else (90, 3))


def test_threshold_moves_the_decision_between_two_classes():
    X = np.random.default_rng(0).normal(size=(90, 4))
    y = (X[:, 0] > 0).astype(int)
    clf = make(threshold=0.3).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X)[:, 1] > 0.3)


# partial_fit, tools.


def test_partial_fit_balances_over_all_calls(labelled):
    X, Y = labelled
    clf = make().partial_fit(X[:30], Y[:30]).partial_fit(X[30:], Y[30:])
    np.testing.assert_allclose(clf.pos_weight_, (Y == 0).sum(0) / (Y == 1).sum(0))


def test_a_later_part_may_know_nothing_of_a_label(labelled):
    X, Y = labelled
    part = np.where(np.arange(N_LABELS) == 2, np.nan, Y[30:])
    clf = make().partial_fit(X[:30], Y[:30]).partial_fit(X[30:], part)
    assert clf.pos_weight_[2] == (Y[:30, 2] == 0).sum() / (Y[:30, 2] == 1).sum()


def test_stored_estimator_goes_on(labelled):
    X, Y = labelled
    clf = make().partial_fit(X[:30], Y[:30])
    again = pickle.loads(pickle.dumps(clf))
    for each in (clf, again):
        each.partial_fit(X[30:], Y[30:])
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_search_and_cross_validation(labelled):
    X, Y = labelled
    search = GridSearchCV(make(epochs=5), {"pos_weight": [1.0, 5.0]}, scoring="f1_micro", cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, Y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        scores = cross_val_score(clone(make(epochs=60)), X, Y, scoring="roc_auc", cv=2)
    assert (scores > 0.5).all()


# Warnings and bad input.


def test_label_that_is_never_predicted_is_named(labelled):
    X, Y = labelled
    with pytest.warns(UserWarning, match=r"The labels \[.*\] are never predicted on the training"):
        make(threshold=0.99).fit(X, pd.DataFrame(Y, columns=NAMES))


def spoilt(Y, value):
    Y = Y.astype(float)
    Y[3, 1] = value
    return Y


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda Y: spoilt(Y, 2), r"y must hold only 0, 1 and NaN .*got \[2.0\] in row 3"),
        (lambda Y: spoilt(Y, -1), r"got \[-1.0\] in row 3"),
        (lambda Y: spoilt(Y, np.inf), r"got \[inf\] in row 3"),
        (
            lambda Y: Y.astype(str).astype(object) + "x",
            r"y must hold only 0, 1 and NaN .*; got str",
        ),
        (lambda Y: np.where(np.arange(4) == 2, np.nan, Y), r"only NaN for \[2\]"),
        (lambda Y: [set(np.flatnonzero(row)) for row in Y], "y must be one class per row, .*sets"),
        (lambda Y: [np.flatnonzero(row).tolist() for row in Y], "got rows of unequal length"),
        (lambda Y: Y[:9], "inconsistent numbers of samples"),
        (lambda Y: Y[:, :, np.newaxis], "y"),
        (lambda Y: None, "y"),
    ],
)
def test_bad_target(labelled, y, message):
    X, Y = labelled
    clf = make()
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(X, y(Y))
    assert set(vars(clf)) == set(clf.get_params(deep=False))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"pos_weight": -1.0}, "The 'pos_weight' parameter of WeightedMultilabelClassifier must"),
        ({"pos_weight": "even"}, "The 'pos_weight' parameter .*'balanced'"),
        ({"pos_weight": [1, 1, 1, -2]}, r"pos_weight must be 0 or more; got \[-2.0\] for the"),
        ({"pos_weight": [1, 1, 1, np.nan]}, "pos_weight must hold finite numbers"),
        ({"pos_weight": np.nan}, "pos_weight"),
        ({"pos_weight": [1, 1, 1]}, "pos_weight must be one number, or one for each of the 4"),
        ({"pos_weight": {0: 1, 1: 1, 2: 1, 7: 1}}, r"pos_weight must have one key .*unknown \[7\]"),
        ({"pos_weight": pd.Series([1, 2])}, r"pos_weight must have one entry .*missing \[2, 3\]"),
        ({"threshold": 1.5}, "The 'threshold' parameter of WeightedMultilabelClassifier must"),
        ({"threshold": "best"}, "The 'threshold' parameter .*'tuned'"),
        ({"threshold": [0.5, 0.5, 0.5, 1.5]}, r"threshold must be between 0 and 1; got \[1.5\]"),
        ({"threshold": [0.5]}, "threshold must be one number, or one for each of the 4 labels"),
        ({"min_labels": 5}, "min_labels must not be above the number of labels, 4; got 5"),
        ({"min_labels": -1}, "The 'min_labels' parameter"),
        ({"loss": "bce"}, "The 'loss' parameter .*'weighted_bce'"),
        ({"loss": "focal", "calibrated": True}, "calibrated must be False unless loss='weighted"),
        ({"pos_weight": 0.0, "calibrated": True}, "pos_weight must be above 0 where calibrated"),
        ({"classes": ["a", "b"]}, r"y must have one column for each of the 2 labels"),
    ],
)
def test_bad_parameter(labelled, parameters, message):
    X, Y = labelled
    clf = make(**parameters)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, Y)
    assert set(vars(clf)) == set(clf.get_params(deep=False))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones((80, 3)), r"sample_weight must have shape \(80,\) or \(80, 4\); got \(80, 3\)"),
        (-np.ones((80, 4)), r"sample_weight must not be negative"),
        (np.zeros((80, 4)), r"sample_weight must not be .* got 0 everywhere"),
        (np.full((80, 4), np.nan), "sample_weight must hold finite numbers"),
        (np.ones(9), "sample_weight"),
    ],
)
def test_bad_weight(labelled, weight, message):
    with pytest.raises(ValueError, match=message):
        make().fit(*labelled, weight)


def test_tuning_needs_a_fit(labelled):
    with pytest.raises(ValueError, match="threshold must be given in partial_fit, which holds no"):
        make(threshold="tuned").partial_fit(*labelled)


def test_kind_of_target_stays_the_same(labelled):
    X, Y = labelled
    clf = make().partial_fit(X, Y)
    with pytest.raises(ValueError, match="y must be of one kind in every call"):
        clf.partial_fit(X, np.arange(80) % 4, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"y must have one column for each of the 4 labels"):
        clf.partial_fit(X, Y[:, :3])
