"""Labels are told apart exactly, whatever their dtypes are, and read alike everywhere."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.data._labels import class_numbers, label_array, same_labels, with_label
from skmask.metrics import mean_cost, savings_score, sequence_accuracy, step_accuracy

BIG = 2**53  # above it float64 does not tell integers apart
N = 40
CLOSE = [BIG, BIG + 1, BIG + 2]
KINDS = {
    "int64": lambda labels: np.array(labels, np.int64),
    "uint64": lambda labels: np.array(labels, np.uint64),
    "objects": lambda labels: np.array(labels, object),
    "list": list,
    "Series": lambda labels: pd.Series(labels),
    "nullable": lambda labels: pd.Series(labels, dtype="Int64"),
    "polars": pl.Series,
}
ESTIMATORS = {
    "restricted": lambda **p: RestrictedClassClassifier((4,), epochs=1, random_state=0, **p),
    "cost": lambda **p: CostSensitiveClassifier((4,), epochs=1, random_state=0, **p),
    "multilabel": lambda **p: WeightedMultilabelClassifier((4,), epochs=1, random_state=0, **p),
    "sequence": lambda **p: MaskedSequenceClassifier(4, epochs=1, random_state=0, **p),
    "prototype": lambda **p: PrototypeClassifier(max_iter=9, tol=1.0, random_state=0, **p),
}
never_predicted = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(N, 3))


# Large integers.


@never_predicted
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kind_of_classes", ["int64", "uint64", "objects", "list"])
def test_large_labels_stay_apart(X, name, kind, kind_of_classes):
    codes = np.arange(N) % 3
    plain = ESTIMATORS[name](classes=[0, 1, 2]).fit(X, codes)
    y = KINDS[kind]([CLOSE[code] for code in codes])
    clf = ESTIMATORS[name](classes=KINDS[kind_of_classes](CLOSE)).fit(X, y)
    assert clf.classes_.tolist() == CLOSE
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
    assert clf.predict(X).tolist() == [CLOSE[code] for code in plain.predict(X)]
    assert clf.score(X, y) == plain.score(X, codes) == accuracy_score(codes, plain.predict(X))


def test_score_tells_large_labels_from_floats(X):
    y = np.array(CLOSE)[np.arange(N) % 3]
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0).fit(X, y)
    rounded = y.astype(float)  # BIG + 1 becomes BIG, or BIG + 2
    expected = np.mean([int(a) == b for a, b in zip(rounded, clf.predict(X).tolist(), strict=True)])
    assert clf.score(X, rounded) == expected


@pytest.mark.parametrize("labels", [[-1, 2**63], [0, 2**64 - 1], [2**63, 2**63 + 1]])
def test_labels_of_64_bits(X, labels):
    y = [labels[i % 2] for i in range(N)]
    if labels[0] < 0:  # no dtype holds both
        with pytest.raises(ValueError, match="y: Unknown label type"):
            RestrictedClassClassifier().fit(X, [*y[:-1], 2**63 + 1])
        return
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0).fit(X, y)
    assert clf.classes_.tolist() == labels
    assert set(clf.predict(X).tolist()) <= set(labels)
    assert 0 <= clf.score(X, np.array(y, np.uint64)) <= 1


def test_large_labels_of_steps_stay_apart_beside_the_mark_of_padding():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in (4, 2, 3, 4)]
    codes = [rng.integers(3, size=len(x)) for x in X]
    codes[0][:3] = 0, 1, 2
    plain = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, codes)
    expected = [[-1 if c < 0 else CLOSE[c] for c in row] for row in plain.predict(X).tolist()]
    for dtype in (np.int64, np.uint64):
        y = [np.array([CLOSE[c] for c in row], dtype) for row in codes]
        clf = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, y)
        assert clf.predict(X).tolist() == expected
        assert clf.score(X, y) == plain.score(X, codes)
    huge = [np.array([2**64 - 1 - int(c) for c in row], np.uint64) for row in codes]
    predicted = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, huge).predict(X)
    assert set(predicted.ravel().tolist()) <= {-1, 2**64 - 1, 2**64 - 2, 2**64 - 3}


def test_lists_of_labels_keep_their_dtype_beside_an_empty_one():
    X = [np.ones((2, 1)), np.full((1, 1), np.nan), np.zeros((2, 1))]
    clf = MaskedSequenceClassifier(3, epochs=1, random_state=0)
    with pytest.raises(ValueError, match="X must have a real step"):
        clf.fit(X, [[1, 2], [], [1, 2]])
    X[1] = np.ones((1, 1))
    clf.fit(X, [[BIG, BIG + 1], [BIG], [BIG + 1, BIG]])
    assert clf.classes_.tolist() == [BIG, BIG + 1]


def test_lists_of_integers_and_floats_tell_large_labels_apart():
    X = [np.ones((2, 1)), np.zeros((2, 1))]
    y = [np.array([BIG, BIG + 1]), np.array([0.0, BIG])]
    clf = MaskedSequenceClassifier(3, epochs=1, random_state=0).fit(X, y)
    assert clf.classes_.tolist() == [0, BIG, BIG + 1]


def test_metrics_tell_large_labels_apart():
    y = np.array(CLOSE, np.int64)
    for predicted in (np.array(CLOSE[::-1], np.uint64), np.array(CLOSE[::-1], object)):
        assert mean_cost(y, predicted, 1 - np.eye(3)) == pytest.approx(2 / 3)
        assert mean_cost(y, predicted, 1 - np.eye(3), labels=CLOSE) == pytest.approx(2 / 3)
        assert savings_score(y, predicted, 1 - np.eye(3)) == 0
        assert step_accuracy(y[np.newaxis], predicted[np.newaxis]) == pytest.approx(1 / 3)
        assert sequence_accuracy(y[:, np.newaxis], predicted[:, np.newaxis]) == pytest.approx(1 / 3)
    assert step_accuracy([[BIG + 1]], np.array([[float(BIG)]])) == 0


labels = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(BIG - 3, BIG + 3), st.integers(-3, 3)
)


@given(st.lists(labels, min_size=1, max_size=6, unique=True), st.data())
def test_class_numbers_are_those_of_python(classes, data):
    classes_ = np.sort(np.array(classes, np.int64))
    y = data.draw(st.lists(labels, min_size=1, max_size=6))
    order = sorted(classes)
    expected = [order.index(label) if label in order else -1 for label in y]
    assert class_numbers(np.array(y, np.int64), classes_).tolist() == expected
    assert class_numbers(np.array(y, object), classes_).tolist() == expected
    floats = np.array(y, float)
    expected = [order.index(label) if label in order else -1 for label in floats.tolist()]
    assert class_numbers(floats, classes_).tolist() == expected


@given(st.lists(st.one_of(labels, st.text(max_size=3), st.floats(allow_nan=False), st.booleans())))
def test_arrays_of_labels_hold_what_they_were_given(given_labels):
    assert label_array(given_labels).tolist() == given_labels


def test_marks_of_padding_change_no_label():
    where = np.array([True, False])
    for found in (
        with_label(np.array([1, BIG + 1], np.uint64), where, -1),
        with_label(np.array([1, BIG + 1], np.int64), where, -1),
    ):
        assert found.tolist() == [-1, BIG + 1]
        assert found.dtype == np.int64
    assert with_label(np.array([1, 2**64 - 1], np.uint64), where, -1).tolist() == [-1, 2**64 - 1]
    assert with_label(np.array(["a", "b"]), where, "longer").tolist() == ["longer", "b"]
    assert with_label(np.array(["a", "b"]), where, -1).tolist() == [-1, "b"]


def test_same_labels_of_two_kinds():
    one = np.array([BIG, BIG + 1], np.int64)
    np.testing.assert_array_equal(same_labels(one, one.astype(float)), [True, False])
    np.testing.assert_array_equal(same_labels(one, np.array(["a", "b"])), [False, False])


# A column of one label, or of classes.


@pytest.mark.parametrize(
    "form",
    [
        lambda y: y[:, np.newaxis],
        lambda y: y[:, np.newaxis].tolist(),
        lambda y: y[:, np.newaxis].astype(bool),
        lambda y: pd.DataFrame({"wet": y}),
        lambda y: pl.DataFrame({"wet": y}),
    ],
)
def test_column_of_zeros_and_ones_is_one_label(X, form):
    y = (X[:, 0] > 0).astype(int)
    clf = WeightedMultilabelClassifier((4,), epochs=20, random_state=0).fit(X, form(y))
    two = WeightedMultilabelClassifier((4,), epochs=20, random_state=0).fit(X, y)
    proba = clf.predict_proba(X)
    assert proba.shape == clf.predict(X).shape == clf.decision_function(X).shape == (N, 1)
    np.testing.assert_array_equal(proba[:, 0], two.predict_proba(X)[:, 1])
    assert clf.score(X, form(y)) == two.score(X, y) == np.mean(clf.predict(X)[:, 0] == y)
    names = getattr(form(y), "columns", [0])
    assert clf.label_names_.tolist() == list(names)
    clf.partial_fit(X, form(y))
    assert clf.predict(X).shape == (N, 1)


def test_one_label_may_be_unknown(X):
    y = (X[:, :1] > 0).astype(float)
    y[::3] = np.nan
    clf = WeightedMultilabelClassifier((4,), epochs=20, random_state=0).fit(X, y)
    known = ~np.isnan(y[:, 0])
    assert clf.score(X, y) == np.mean(clf.predict(X)[known] == y[known])
    named = WeightedMultilabelClassifier((4,), classes=["wet"], epochs=20, random_state=0).fit(X, y)
    assert named.label_names_.tolist() == ["wet"]


@never_predicted
def test_column_of_classes_is_one_class_per_row(X):
    y = np.arange(N) % 3
    one_axis = WeightedMultilabelClassifier((4,), epochs=2, random_state=0).fit(X, y)
    for column in (y[:, np.newaxis], pd.DataFrame({"y": y}), np.array(list("abc"))[y][:, None]):
        with pytest.warns(DataConversionWarning, match="column-vector"):
            clf = WeightedMultilabelClassifier((4,), epochs=2, random_state=0).fit(X, column)
        assert clf.predict(X).shape == (N,)
        np.testing.assert_array_equal(clf.predict_proba(X), one_axis.predict_proba(X))


@never_predicted
def test_column_stays_what_it_was(X):
    y = np.arange(N) % 3
    clf = WeightedMultilabelClassifier((4,), epochs=2, random_state=0).fit(X, y)
    part = y < 2  # a part of the rows may hold 0 and 1 only
    with pytest.warns(DataConversionWarning, match="column-vector"):
        clf.partial_fit(X[part], y[part][:, np.newaxis])
    assert clf.classes_.tolist() == [0, 1, 2]
    announced = WeightedMultilabelClassifier((4,), classes=[0, 1, 2], random_state=0)
    with pytest.warns(UserWarning, match="column-vector|no positive"):
        announced.partial_fit(X[part], y[part][:, np.newaxis])
    assert announced.classes_.tolist() == [0, 1, 2]


# The score takes what the fit takes.


def test_score_takes_weights_by_entry(X):
    Y = (X > 0).astype(int)
    clf = WeightedMultilabelClassifier((4,), epochs=5, random_state=0).fit(X, Y)
    is_right = clf.predict(X) == Y
    weight = np.random.default_rng(0).integers(0, 3, size=Y.shape)
    weight[0] = 0
    expected = []
    for right, w in zip(is_right, weight, strict=True):
        counted = w > 0
        expected.append((right[counted].all(), w[counted].mean() if counted.any() else 0))
    hits, weights = np.array(expected).T
    assert clf.score(X, Y, weight) == pytest.approx(np.average(hits, weights=weights))
    by_row = np.random.default_rng(1).uniform(0.5, 2, size=N)
    same = np.tile(by_row[:, np.newaxis], 3)
    assert clf.score(X, Y, same) == pytest.approx(clf.score(X, Y, by_row))
    holes = weight > 0
    assert clf.score(X, Y, holes.astype(float)) == clf.score(X, np.where(holes, Y, np.nan))


def test_score_takes_weights_by_step_as_the_fit_does():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in (4, 2, 3, 4)]
    y = [rng.integers(2, size=len(x)) for x in X]
    y[0][:2] = 0, 1
    weights = [rng.uniform(0.5, 2, size=len(x)) for x in X]
    clf = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, y, weights)
    predicted = [row[row >= 0] for row in clf.predict(X)]
    expected = accuracy_score(
        np.concatenate(y), np.concatenate(predicted), sample_weight=np.concatenate(weights)
    )
    table = np.full((4, 4), np.nan)
    for row, values in zip(table, weights, strict=True):
        row[: len(values)] = values
    objects = np.where(np.isnan(table), None, table)
    for form in (weights, table, objects, pd.DataFrame(table), [w.tolist() for w in weights]):
        assert clf.score(X, y, form) == pytest.approx(expected)
        again = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, y, form)
        np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
        assert step_accuracy(y, clf.predict(X), sample_weight=form) == pytest.approx(expected)
    short = [*weights[:-1], weights[-1][:-1]]
    for call in (clf.fit, clf.score):
        with pytest.raises(ValueError, match="sample_weight must have a weight for each step"):
            call(X, y, short)


def test_score_takes_labels_by_step_of_any_width_that_the_fit_takes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5, 4, 2))
    X[:, 3] = np.nan
    y = rng.integers(2, size=(5, 4))
    y[0, :2] = 0, 1
    clf = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, y)
    assert clf.score(X, y[:, :3]) == clf.score(X, y) == clf.score(X, list(y))


@never_predicted
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (None, None, r"\by\b"),
        (np.zeros(N - 1, int), None, r"\by\b.*inconsistent"),
        (np.full(N, np.nan), None, r"\by\b"),
        (np.full(N, None), None, r"\by\b"),
        (np.full(N, "a"), None, "y must hold labels like those of the fit"),
        (np.zeros(N, int), -np.ones(N), "sample_weight must not be negative"),
        (np.zeros(N, int), np.full(N, np.nan), "sample_weight must hold finite numbers"),
        (np.zeros(N, int), np.ones(N) * 1j, "sample_weight must be an array of numbers"),
        (np.zeros(N, int), np.ones(N - 1), "sample_weight must have shape"),
    ],
)
def test_bad_input_of_score_is_named(X, name, y, weight, message):
    clf = ESTIMATORS[name]().fit(X, np.arange(N) % 2)
    with pytest.raises((ValueError, TypeError), match=message):
        clf.score(X, y, weight)


@never_predicted
def test_label_matrix_of_which_nothing_is_known_has_no_score(X):
    clf = WeightedMultilabelClassifier((4,), epochs=1, random_state=0).fit(X, (X > 0).astype(int))
    with pytest.raises(ValueError, match="y must hold a known label with a weight above 0"):
        clf.score(X, np.full((N, 3), np.nan))
    for empty in (np.zeros((N, 0)), pd.DataFrame(index=range(N))):
        with pytest.raises(ValueError, match=r"\by must have"):
            clf.score(X, empty)
        with pytest.raises(ValueError, match=r"\by must have a column for each label"):
            WeightedMultilabelClassifier().fit(X, empty)


def test_missing_label_is_reported_as_one_of_y(X):
    y = pd.Series(np.arange(N) % 2, dtype="Int64")
    y[3] = pd.NA
    for missing in (y, y.astype(object), [*range(N - 1), None]):
        with pytest.raises(ValueError, match=r"^(y: )?Input y contains NaN"):
            RestrictedClassClassifier().fit(X, missing)
    with pytest.raises(ValueError, match=r"^y: "):
        RestrictedClassClassifier().fit(X, [[0]] * (N - 1) + [[0, 1]])


@pytest.mark.parametrize(
    "classes", [[0, None], [0, np.nan], [0, pd.NA], [0, "a"], [[0], [1, 2]], {0, 1}]
)
def test_classes_that_are_no_labels(X, classes):
    for call in (
        lambda: RestrictedClassClassifier(classes=classes).fit(X, np.arange(N) % 2),
        lambda: RestrictedClassClassifier().partial_fit(X, np.arange(N) % 2, classes),
    ):
        with pytest.raises((ValueError, TypeError), match=r"^classes\b"):
            call()


def test_errors_name_no_class_that_users_do_not_know(X):
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0)
    with pytest.raises(TypeError, match=r"^fit\(\) got an unexpected keyword argument 'costs'"):
        clf.fit(X, np.arange(N) % 2, costs=3)
    with pytest.raises(TypeError, match=r"^predict\(\) missing 1 required"):
        clf.predict()
