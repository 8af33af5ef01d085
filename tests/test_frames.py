"""Names are never read by position: what carries them is aligned by them, or refused."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.data._frames import named
from skmask.datasets import make_restricted_classification
from skmask.metrics import make_cost_scorer, mean_cost, savings_score

N, K = 60, 4
LABELS = np.array(["d", "b", "a", "c"])  # the order of the columns of arrays
SHUFFLED = ["c", "a", "d", "b"]
TABLES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "pandas of arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "pandas of objects": lambda columns: pd.DataFrame(columns, dtype=object),
}
LIBRARIES = ["polars", "pyarrow"]
TEXT_FOR_NUMBERS = "The names are strings there and numbers here: pass an array in the order"


def table(library, values, names=LABELS, order=SHUFFLED):
    """Return a DataFrame with the columns of an array, in another order."""
    columns = dict(zip(list(names), np.asarray(values).T, strict=True))
    return TABLES[library]({name: columns[name] for name in order})


def make(**kwargs):
    return RestrictedClassClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0, "classes": LABELS, **kwargs}
    )


@pytest.fixture(scope="module")
def data():
    X, y, allowed = make_restricted_classification(N, 5, K, 2, random_state=0)
    return X, LABELS[y], allowed


@pytest.fixture(scope="module")
def fitted(data):
    X, y, allowed = data
    return make().fit(X, y, allowed=allowed)


# Masks.


@pytest.mark.parametrize("library", TABLES)
@pytest.mark.parametrize("kind", [bool, int, float, "int8"])
def test_mask_of_any_library_is_aligned_by_label(data, fitted, library, kind):
    X, y, allowed = data
    frame = table(library, allowed.astype(kind))
    expected = fitted.predict_proba(X, allowed=allowed)
    assert (expected[~allowed[:, np.argsort(LABELS)]] == 0).all()
    again = make().fit(X, y, allowed=frame)
    for clf in (fitted, again):
        np.testing.assert_array_equal(clf.predict_proba(X, allowed=frame), expected)
        np.testing.assert_array_equal(
            clf.predict(X, allowed=frame), clf.predict(X, allowed=allowed)
        )
        assert clf.score(X, y, allowed=frame) == clf.score(X, y, allowed=allowed)


def test_sparse_frame_is_aligned_by_label(data, fitted):
    X, _, allowed = data
    frame = pd.DataFrame.sparse.from_spmatrix(sparse.csr_array(allowed.astype(int)), columns=LABELS)
    np.testing.assert_array_equal(
        fitted.predict_proba(X, allowed=frame[SHUFFLED]), fitted.predict_proba(X, allowed=allowed)
    )


def test_series_is_one_mask_by_its_index(data, fitted):
    X, _, _ = data
    row = np.array([True, False, True, False])
    expected = fitted.predict_proba(X, allowed=np.tile(row, (N, 1)))
    for series in (pd.Series(row, index=LABELS), pd.Series(row, index=LABELS)[SHUFFLED]):
        np.testing.assert_array_equal(fitted.predict_proba(X, allowed=series), expected)
    with pytest.raises(ValueError, match="allowed must have one entry for each class"):
        fitted.predict(X, allowed=pd.Series(row))


def test_series_without_an_index_is_in_the_order_of_the_classes(data, fitted):
    X, _, _ = data
    row = [True, False, True, False]
    expected = fitted.predict_proba(X, allowed=row)
    for series in (pl.Series(row), pa.array(row), pa.chunked_array([row])):
        np.testing.assert_array_equal(fitted.predict_proba(X, allowed=series), expected)


def test_sets_of_labels_are_a_mask(data, fitted):
    X, y, allowed = data
    sets = [set(LABELS[row]) for row in allowed]
    lists = [LABELS[row].tolist() for row in allowed]
    expected = fitted.predict_proba(X, allowed=allowed)
    for form in (sets, lists, tuple(sets), pd.Series(sets), pd.Series(lists), pl.Series(lists)):
        np.testing.assert_array_equal(fitted.predict_proba(X, allowed=form), expected)
    again = make().fit(X, y, allowed=sets)
    np.testing.assert_array_equal(again.predict_proba(X, allowed=allowed), expected)


def test_sets_of_numbers_are_labels_and_lists_of_numbers_a_mask(data):
    X, y, _ = data
    y = (y == "a").astype(int)
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0).fit(X, y)
    only_second = clf.predict_proba(X, allowed=[{1}] * N)
    assert (only_second == [0, 1]).all()
    np.testing.assert_array_equal(clf.predict_proba(X, allowed=[[0, 1]] * N), only_second)


@pytest.mark.parametrize("library", LIBRARIES)
def test_names_that_are_strings_do_not_stand_for_numbers(data, library):
    X, y, allowed = data
    y = np.argsort(LABELS)[np.searchsorted(np.sort(LABELS), y)]
    clf = make(classes=range(K)).fit(X, y)
    frame = table(library, allowed, names="0123", order="0123")
    with pytest.raises(ValueError, match=f"allowed must have one column .*{TEXT_FOR_NUMBERS}"):
        clf.predict(X, allowed=frame)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (lambda A: pl.DataFrame(A).lazy(), TypeError, "allowed must be in memory; got LazyFrame"),
        (
            lambda A: pa.RecordBatch.from_pydict({"a": A[:, 0]}),
            TypeError,
            "allowed must be a DataFrame of a library that narwhals reads",
        ),
        (
            lambda A: [pd.Series(row, index=LABELS) for row in A],
            TypeError,
            "allowed must be one DataFrame or array where it has names; got a list of them",
        ),
        (
            lambda A: pd.DataFrame(np.c_[A, A[:, 0]], columns=["d", "b", "a", "c", "d"]),
            ValueError,
            "allowed must have each column once; .*: repeated 'd'",
        ),
        (
            lambda A: table("polars", A, names="abce", order="abce"),
            ValueError,
            r"missing \['d'\]; unknown \['e'\]",
        ),
        (
            lambda A: pl.DataFrame({"d": ["x"] * N, "b": [1] * N, "a": [1] * N, "c": [1] * N}),
            TypeError,
            "allowed must be an array of numbers; got column 'd' of String",
        ),
        (lambda A: [{"z"}] * N, ValueError, r"allowed must list labels among the classes"),
    ],
)
def test_names_that_cannot_be_aligned(data, fitted, mask, error, message):
    X, _, allowed = data
    with pytest.raises(error, match=message):
        fitted.predict(X, allowed=mask(allowed))


def test_features_that_are_text_are_no_numbers_in_any_library():
    y = np.arange(12) % 2
    numbers = np.arange(12) % 3
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0)
    text = [str(number) for number in numbers]
    for frame in (
        pd.DataFrame({"a": text}),
        pd.DataFrame({"a": pd.Categorical(text)}),
        pd.DataFrame({"a": text}, dtype=object),
        pl.DataFrame({"a": text}),
        pl.DataFrame({"a": text}).cast(pl.Categorical),
        pl.DataFrame({"a": text}).cast(pl.Enum(["0", "1", "2"])),
        pl.DataFrame({"a": numbers}).cast(pl.Int32).cast(pl.Date),
        pa.table({"a": text}),
        pa.table({"a": pa.array(text).dictionary_encode()}),
    ):
        with pytest.raises(TypeError, match="X must be an array of numbers; got column 'a' of"):
            clf.fit(frame, y)
    expected = clf.fit(numbers[:, np.newaxis], y).predict_proba(numbers[:, np.newaxis])
    for frame in (
        pd.DataFrame({"a": pd.Categorical(numbers)}),
        pd.DataFrame({"a": numbers}, dtype=object),
        pl.DataFrame({"a": numbers}),
        pa.table({"a": numbers}),
    ):
        np.testing.assert_array_equal(clone(clf).fit(frame, y).predict_proba(frame), expected)


# Costs.


@pytest.fixture(scope="module")
def costs():
    return np.random.default_rng(1).uniform(1, 9, size=(K, K)) * (1 - np.eye(K))


def cost_frames(costs):
    """Return a cost matrix in all forms that name both axes, in some other order."""
    order = [LABELS.tolist().index(name) for name in SHUFFLED]
    rows = ["b", "c", "d", "a"]
    columns = {
        name: costs[[LABELS.tolist().index(row) for row in rows], number]
        for name, number in zip(SHUFFLED, order, strict=True)
    }
    return [
        pd.DataFrame(columns, index=rows),
        pl.DataFrame({"true class": rows, **columns}),
        pl.DataFrame({**columns, "": rows}),
        pa.table({**columns, "true": rows}),
    ]


def test_cost_matrix_of_any_library_is_aligned_on_both_axes(data, costs):
    X, y, _ = data
    settings = {"epochs": 1, "random_state": 0, "classes": LABELS}
    plain = CostSensitiveClassifier((4,), cost_matrix=costs, **settings).fit(X, y)
    for frame in cost_frames(costs):
        clf = CostSensitiveClassifier((4,), cost_matrix=frame, **settings).fit(X, y)
        np.testing.assert_array_equal(clf.cost_matrix_, plain.cost_matrix_)
        np.testing.assert_array_equal(clf.predict(X), plain.predict(X))
        clone(clf).fit(X, y)


@pytest.mark.parametrize("metric", [mean_cost, savings_score])
def test_cost_matrix_of_metrics_is_aligned_on_both_axes(data, costs, metric):
    _, y, _ = data
    predicted = np.roll(y, 1)
    expected = metric(y, predicted, costs, labels=LABELS)
    for frame in cost_frames(costs):
        assert metric(y, predicted, frame) == pytest.approx(expected)
        assert metric(y, predicted, frame, labels=LABELS) == pytest.approx(expected)
        assert metric(y[:2], predicted[:2], frame) == pytest.approx(
            metric(y[:2], predicted[:2], costs, labels=LABELS)
        )


def test_cost_scorer_takes_frames(data, costs, fitted):
    X, y, _ = data
    plain = make().fit(X, y)
    expected = make_cost_scorer(costs, labels=LABELS)(plain, X, y)
    for frame in cost_frames(costs):
        assert make_cost_scorer(frame)(plain, X, y) == pytest.approx(expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_cost_matrix_without_names_of_rows_is_refused(data, costs, library):
    X, y, _ = data
    clf = CostSensitiveClassifier((4,), cost_matrix=table(library, costs), classes=LABELS)
    with pytest.raises(ValueError, match="cost_matrix must say of which class each row is"):
        clf.fit(X, y)
    with pytest.raises(ValueError, match="cost_matrix must say of which class each row is"):
        mean_cost(y, y, table(library, costs))


def test_cost_matrix_named_by_strings_for_numbers_is_refused(data, costs):
    X, y, _ = data
    frame = pl.DataFrame(costs, schema=list("0123"))
    clf = CostSensitiveClassifier((4,), cost_matrix=frame)
    with pytest.raises(ValueError, match=f"cost_matrix must .*{TEXT_FOR_NUMBERS}"):
        clf.fit(X, np.searchsorted(np.sort(LABELS), y))


@pytest.mark.parametrize("library", TABLES)
def test_costs_by_row_are_aligned_by_label(data, costs, library):
    X, y, _ = data
    by_row = costs[np.argsort(LABELS)[np.searchsorted(np.sort(LABELS), y)]]
    frame = table(library, by_row)
    settings = {"epochs": 1, "random_state": 0, "classes": LABELS}
    plain = CostSensitiveClassifier((4,), **settings).fit(X, y, costs=by_row)
    clf = CostSensitiveClassifier((4,), **settings).fit(X, y, costs=frame)
    np.testing.assert_array_equal(clf.cost_matrix_, plain.cost_matrix_)
    assert clf.score(X, y, costs=frame) == plain.score(X, y)
    assert mean_cost(y, np.roll(y, 1), costs=frame, labels=LABELS) == pytest.approx(
        mean_cost(y, np.roll(y, 1), costs=by_row, labels=LABELS)
    )


# Labels by column.


@pytest.fixture(scope="module")
def labelled(data):
    X, _, _ = data
    return X, (X[:, :K] + 0.2 * X[:, [4]] > [0, 0.3, 0.5, 0.1]).astype(int)


def make_multilabel(**kwargs):
    return WeightedMultilabelClassifier((4,), **{"epochs": 20, "random_state": 0, **kwargs})


never_predicted = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


@never_predicted
@pytest.mark.parametrize("library", TABLES)
def test_label_matrix_of_any_library_is_aligned_by_name(labelled, library):
    X, Y = labelled
    plain = make_multilabel(classes=LABELS).fit(X, Y)
    clf = make_multilabel(classes=LABELS).fit(X, table(library, Y))
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
    own = make_multilabel().fit(X, table(library, Y))
    assert own.label_names_.tolist() == SHUFFLED
    assert clf.score(X, table(library, Y)) == plain.score(X, Y)
    assert own.score(X, table(library, Y, order=LABELS)) == own.score(X, table(library, Y))
    own.partial_fit(X, table(library, Y, order=LABELS))
    assert own.label_names_.tolist() == SHUFFLED


@never_predicted
@pytest.mark.parametrize("library", TABLES)
def test_missing_entries_of_any_library_are_unknown(labelled, library):
    X, Y = labelled
    holes = np.random.default_rng(2).random(Y.shape) < 0.2
    plain = make_multilabel(classes=LABELS).fit(X, np.where(holes, np.nan, Y))
    with_none = np.where(holes, None, Y)
    columns = dict(zip(LABELS, with_none.T.tolist(), strict=True))
    frame = TABLES[library]({name: columns[name] for name in SHUFFLED})
    for form in (frame, with_none, np.ma.array(Y, mask=holes)):
        clf = make_multilabel(classes=LABELS).fit(X, form)
        np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
        assert clf.score(X, form) == plain.score(X, np.where(holes, np.nan, Y))


@never_predicted
@pytest.mark.parametrize("library", TABLES)
@pytest.mark.parametrize("parameter", ["pos_weight", "threshold"])
def test_values_by_label_are_aligned_by_name(labelled, library, parameter):
    X, Y = labelled
    values = np.array([0.2, 0.4, 0.6, 0.8])
    plain = make_multilabel(classes=LABELS, **{parameter: values}).fit(X, Y)
    one_row = table(library, values[np.newaxis])
    series = pd.Series(values, index=LABELS)[SHUFFLED]
    for form in (one_row, series, series.to_dict()):
        clf = make_multilabel(classes=LABELS, **{parameter: form}).fit(X, Y)
        np.testing.assert_array_equal(clf.pos_weight_, plain.pos_weight_)
        np.testing.assert_array_equal(clf.thresholds_, plain.thresholds_)


@never_predicted
@pytest.mark.parametrize("library", TABLES)
def test_weights_by_entry_are_aligned_by_name(labelled, library):
    X, Y = labelled
    weight = np.random.default_rng(3).uniform(0.5, 2, size=Y.shape)
    plain = make_multilabel(classes=LABELS).fit(X, Y, weight)
    clf = make_multilabel(classes=LABELS).fit(X, Y, table(library, weight))
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
    assert clf.score(X, Y, table(library, weight)) == plain.score(X, Y, weight)
    with pytest.raises(ValueError, match="sample_weight must have one column for each label"):
        clf.fit(X, Y, table(library, weight, names="wxyz", order="wxyz"))


# Features, and steps.


def test_prototypes_and_scale_are_aligned_by_the_names_of_features(data):
    X, y, _ = data
    names = list("vwxyz")
    frame = pd.DataFrame(X, columns=names)
    rows, scale = X[:6], np.arange(1.0, 6)
    settings = {"random_state": 0, "alpha": 0.1}
    plain = PrototypeClassifier(prototypes=rows, scale=scale, **settings)
    plain.fit(X, y, prototype_labels=y[:6])
    backwards = names[::-1]
    for rows_of in (pd.DataFrame, lambda f: pl.DataFrame(f.to_dict("list"))):
        clf = PrototypeClassifier(
            prototypes=rows_of(frame[:6][backwards]),
            scale=pd.Series(scale, index=names)[backwards],
            **settings,
        ).fit(frame, y, prototype_labels=y[:6])
        np.testing.assert_array_equal(clf.predict_proba(frame), plain.predict_proba(X))
    clf.set_params(scale="std")
    with pytest.raises(ValueError, match="prototypes must have one column for each feature"):
        clf.fit(X, y, prototype_labels=y[:6])


def test_frames_of_masks_by_step_are_aligned_by_label(data):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 5, 3)), LABELS[rng.integers(K, size=(12, 5))]
    allowed = (rng.random((12, 5, K)) < 0.5) | (y[..., np.newaxis] == LABELS)
    clf = MaskedSequenceClassifier(4, classes=LABELS, epochs=1, random_state=0)
    clf.fit(X, y, allowed=allowed)
    expected = clf.predict_proba(X, allowed=allowed)
    for library in TABLES:
        frames = [table(library, mask) for mask in allowed]
        np.testing.assert_array_equal(clf.predict_proba(X, allowed=frames), expected)
    of_all = np.array([True, False, True, True])
    np.testing.assert_array_equal(
        clf.predict(X, allowed=pd.Series(of_all, index=LABELS)[SHUFFLED]),
        clf.predict(X, allowed=of_all),
    )


@pytest.mark.parametrize("kind", [pd.DataFrame, lambda f: pl.DataFrame(f.to_dict("list"))])
def test_sequences_in_frames_have_one_order_of_columns(kind):
    rng = np.random.default_rng(0)
    X = [kind(pd.DataFrame(rng.normal(size=(n, 2)), columns=list("ab"))) for n in (3, 2, 4, 3)]
    clf = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, [0, 1, 0, 1])
    assert clf.feature_names_in_.tolist() == ["a", "b"]
    assert clf.n_features_in_ == 2
    plain = clone(clf).fit([np.asarray(x) for x in X], [0, 1, 0, 1])
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(list(map(np.array, X))))
    swapped = [x[["b", "a"]] for x in X]
    with pytest.raises(ValueError, match="X: The feature names should match those"):
        clf.predict(swapped)
    with pytest.raises(ValueError, match=r"X must have the same columns .*\['b', 'a'\] in row 2"):
        clf.fit([*X[:2], swapped[2], X[3]], [0, 1, 0, 1])


def test_series_and_other_columns_of_lists_are_sequences():
    rng = np.random.default_rng(0)
    for lengths in ([2, 4, 3, 4], [3, 3, 3, 3]):
        X = [rng.normal(size=n) for n in lengths]
        y = [rng.integers(2, size=n) for n in lengths]
        y[0][:2] = 0, 1
        clf = MaskedSequenceClassifier(4, epochs=1, random_state=0).fit(X, y)
        as_lists = [x.tolist() for x in X], [labels.tolist() for labels in y]
        for form in (pd.Series, pl.Series, pa.array, lambda v: pa.chunked_array([v])):
            given = [form(values) for values in as_lists]
            again = clone(clf).fit(*given)
            np.testing.assert_array_equal(again.predict_proba(given[0]), clf.predict_proba(X))
            assert again.score(*given) == clf.score(X, y)


def test_arrays_carry_no_names():
    for values in (np.ones((2, 2)), [[1, 2]], None, 3, pl.Series([1]), {"a": 1}):
        assert named(values, "allowed") is None
