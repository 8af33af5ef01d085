"""What is legal and odd gives the same bits as the plain form, and is never written to."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.metrics import mean_cost, savings_score, sequence_accuracy, step_accuracy

N, F, K, T = 24, 3, 4, 5


def readonly(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def strided(array):
    """Return a view of every other row of a larger array."""
    wide = np.repeat(array, 2, axis=0)
    return wide[::2]


def backwards(array):
    return np.array(array[::-1])[::-1]


def swapped(array):
    """Return the numbers with their bytes in the other order."""
    array = np.asarray(array)
    return array.astype(array.dtype.newbyteorder())


def decimals(array):
    array = np.asarray(array, float)
    return np.array([Decimal(v) for v in array.ravel()], dtype=object).reshape(array.shape)


FORMS = {
    "read-only": readonly,
    "Fortran": np.asfortranarray,
    "strided": strided,
    "backwards": backwards,
    "big-endian": swapped,
    "longdouble": lambda array: np.asarray(array, np.longdouble),
    "float16": lambda array: np.asarray(array, np.float16),
    "float32": lambda array: np.asarray(array, np.float32),
    "objects": lambda array: np.asarray(array, object),
    "list": lambda array: np.asarray(array).tolist(),
    "nothing masked": lambda array: np.ma.array(array),
    "memory map": lambda array: np.asarray(array).view(np.memmap),
}
OF_NUMBERS = {"decimals": decimals}
OF_INTEGERS = {
    "int8": lambda array: np.asarray(array, np.int8),
    "uint8": lambda array: np.asarray(array, np.uint8),
    "uint64": lambda array: np.asarray(array, np.uint64),
}
OF_TABLES = {
    "pandas": pd.DataFrame,
    "nullable pandas": lambda array: pd.DataFrame(array).convert_dtypes(),
    "pandas of objects": lambda array: pd.DataFrame(np.asarray(array, object)),
}
OF_ROWS = {
    "Series": pd.Series,
    "shuffled Series": lambda array: pd.Series(array, index=np.arange(N)[::-1]),
    "nullable Series": lambda array: pd.Series(array).convert_dtypes(),
    "polars": pl.Series,
    "pyarrow": pa.array,
    "chunked": lambda array: pa.chunked_array([np.asarray(array)]),
}
SPARSE = {
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "coo": sparse.coo_matrix,
    "lil": sparse.lil_array,
    "dok": sparse.dok_array,
    "bsr": sparse.bsr_array,
    "int64 indices": lambda array: with_int64(sparse.csr_array(array)),
}


def with_int64(matrix):
    matrix.indices, matrix.indptr = matrix.indices.astype("int64"), matrix.indptr.astype("int64")
    return matrix


def arguments():
    """Return good arguments of each estimator, and the forms that each may take."""
    rng = np.random.default_rng(0)
    X = rng.integers(-8, 9, size=(N, F)) / 4
    y = np.arange(N) % K
    allowed = rng.random((N, K)) < 0.5
    allowed[np.arange(N), y] = True
    weight = rng.integers(1, 5, size=N) / 2
    costs = rng.integers(1, 9, size=(N, K, K)) * (1.0 - np.eye(K))
    Y = (rng.random((N, K)) < 0.4).astype(np.int64)
    Y[:K] = np.eye(K)
    labels = rng.integers(K, size=(N, T))
    step_mask = rng.random((N, T, K)) < 0.5
    np.put_along_axis(step_mask, labels[..., np.newaxis], True, axis=2)
    numbers, of_y = FORMS | OF_NUMBERS, FORMS | OF_INTEGERS
    rows = {
        "X": (X, numbers | OF_TABLES),
        "y": (y, of_y | OF_ROWS),
        "sample_weight": (weight, numbers | OF_ROWS),
        "allowed": (allowed.astype(int), numbers | OF_INTEGERS | OF_TABLES | SPARSE),
    }
    common = {"epochs": 1, "random_state": 0}
    steps = rng.integers(-8, 9, size=(N, T, F)) / 4
    return {
        "restricted": (RestrictedClassClassifier((4,), **common), rows),
        "cost": (
            CostSensitiveClassifier((4,), **common),
            {**rows, "costs": (costs, numbers)},
        ),
        "multilabel": (
            WeightedMultilabelClassifier((4,), threshold=0.0, **common),
            {
                "X": (X, numbers | OF_TABLES),
                "y": (Y, numbers | OF_INTEGERS | OF_TABLES | SPARSE),
                "sample_weight": (rng.integers(1, 5, size=(N, K)) / 2, numbers | OF_TABLES),
            },
        ),
        "sequence": (
            MaskedSequenceClassifier(4, **common),
            {
                "X": (steps, numbers),
                "y": (labels, of_y | OF_TABLES),
                "sample_weight": (rng.integers(1, 5, size=(N, T)) / 2, numbers | OF_TABLES),
                "allowed": (step_mask.astype(int), numbers | OF_INTEGERS),
            },
        ),
        "prototype": (
            PrototypeClassifier(prototypes=X[:K], max_iter=20, tol=1.0, **common),
            {**rows, "prototype_labels": (y[:K], {k: v for k, v in of_y.items() if k != "list"})},
        ),
    }


CASES = [
    pytest.param(name, argument, id=f"{name}-{argument}")
    for name, (_, good) in arguments().items()
    for argument in good
]
TAKEN_BY = {
    "X": ("predict", "predict_proba", "predict_log_proba", "decision_function", "score"),
    "y": ("score",),
    "sample_weight": ("score",),
    "allowed": ("predict", "predict_proba", "predict_log_proba", "decision_function", "score"),
    "costs": ("predict", "score"),
    "prototype_labels": (),
}


def call(clf, method, values):
    given = {name: v for name, v in values.items() if method in TAKEN_BY[name]}
    if method in ("fit", "partial_fit"):
        given = dict(values)
    positional = [given.pop(name) for name in ("X", "y") if name in given]
    return getattr(clf, method)(*positional, **given)


def like(found, expected):
    """Return results in the type of others: X in float32 gives them in float32."""
    expected = np.asarray(expected)
    return expected.astype(np.asarray(found).dtype) if expected.dtype.kind == "f" else expected


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(("name", "argument"), CASES)
def test_odd_form_gives_the_same_bits(name, argument):
    clf, good = arguments()[name]
    plain = {key: value for key, (value, _) in good.items()}
    call(clf, "fit", plain)
    methods = TAKEN_BY["X"]
    expected = {method: call(clf, method, plain) for method in methods}
    for form, convert in good[argument][1].items():
        odd = {**plain, argument: convert(plain[argument])}
        for method in TAKEN_BY[argument]:
            found = call(clf, method, odd)
            np.testing.assert_array_equal(
                found, like(found, expected[method]), err_msg=f"{method} {form}"
            )
        if form in SPARSE and argument == "allowed":
            continue  # trained batch by batch, in another program
        again = call(clone_of(clf), "fit", odd)
        for method in methods:
            np.testing.assert_array_equal(
                call(again, method, plain), expected[method], err_msg=f"fit, {method}: {form}"
            )


def clone_of(clf):
    from sklearn.base import clone

    return clone(clf)


def frozen(value):
    """Make an array, a sparse matrix or a Series refuse to be written to."""
    parts = [value.data, value.indices, value.indptr] if sparse.issparse(value) else [value]
    for part in parts:
        part.flags.writeable = False
    return value


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted")
@pytest.mark.parametrize("name", arguments())
def test_no_argument_is_written_to(name):
    clf, good = arguments()[name]
    if name != "multilabel":
        clf.set_params(class_weight={0: 5.0})
    if name == "prototype":
        clf.set_params(solver="adam")
    values = {key: frozen(np.array(value)) for key, (value, _) in good.items()}
    before = {key: value.copy() for key, value in values.items()}
    classes = frozen(np.arange(K))
    for method in ("fit", *TAKEN_BY["X"]):
        call(clf, method, values)
    clone_of(clf).partial_fit(
        *(values[key] for key in ("X", "y")),
        classes,
        **{key: value for key, value in values.items() if key not in ("X", "y")},
    )
    if name == "prototype":
        clf.contributions(values["X"])
    for key, value in values.items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("name", ["restricted", "cost", "prototype"])
def test_no_sparse_argument_is_written_to(name):
    clf, good = arguments()[name]
    plain = {key: value for key, (value, _) in good.items()}
    for kind in (float, int, bool):
        allowed = sparse.csr_array(plain["allowed"].astype(kind))
        allowed.data[0] = 0  # an explicit zero: it may be dropped in a copy only
        allowed.data[-1] = 1
        plain["y"] = allowed.toarray().argmax(axis=1)
        values = {**plain, "X": frozen(sparse.csr_array(plain["X"])), "allowed": frozen(allowed)}
        before = allowed.copy()
        for method in ("fit", *TAKEN_BY["X"]):
            call(clf, method, values)
        assert allowed.nnz == before.nnz
        np.testing.assert_array_equal(allowed.indices, before.indices)
        np.testing.assert_array_equal(allowed.data, before.data)


def test_three_weighted_fits_are_one_and_the_same():
    clf, good = arguments()["restricted"]
    X, y, weight = (good[key][0] for key in ("X", "y", "sample_weight"))
    clf.set_params(class_weight={0: 5.0})
    mine = weight.copy()
    first, *others = (clf.fit(X, y, mine).predict_proba(X) for _ in range(3))
    np.testing.assert_array_equal(mine, weight)
    for other in others:
        np.testing.assert_array_equal(other, first)
    factors = np.where(y == 0, 5.0, 1.0)
    plain = clf.set_params(class_weight=None).fit(X, y, weight * factors)
    np.testing.assert_array_equal(plain.predict_proba(X), first)


def test_parameters_are_not_written_to():
    X, y = arguments()["cost"][1]["X"][0], np.arange(N) % K
    matrix, scale = frozen(np.arange(K * K).reshape(K, K)), frozen(np.ones(F))
    factors, cutoffs = frozen(np.ones(K)), frozen(np.full(K, 0.5))
    rows, classes = frozen(X[:K].copy()), frozen(np.arange(K))
    common = {"epochs": 1, "random_state": 0, "classes": classes}
    CostSensitiveClassifier((4,), cost_matrix=matrix, **common).fit(X, y).predict(X)
    PrototypeClassifier(scale=scale, prototypes=rows, max_iter=9, tol=1.0, **common).fit(
        X, y, prototype_labels=classes
    ).contributions(X)
    Y = np.eye(K)[y]
    WeightedMultilabelClassifier((4,), pos_weight=factors, threshold=cutoffs, **common).fit(X, Y)
    np.testing.assert_array_equal(matrix, np.arange(K * K).reshape(K, K))


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted")
@pytest.mark.parametrize("name", arguments())
def test_what_is_written_to_arguments_after_a_fit_changes_nothing(name):
    clf, good = arguments()[name]
    values = {key: np.array(value) for key, (value, _) in good.items()}
    mine = {"classes": np.arange(K)}
    if name == "cost":
        mine["cost_matrix"] = np.arange(16.0).reshape(K, K)
    if name == "prototype":
        mine |= {"scale": np.ones(F), "prototypes": values["X"][:K].copy()}
    if name == "multilabel":
        mine |= {"pos_weight": np.ones(K), "threshold": np.full(K, 0.5), "calibrated": True}
    clf.set_params(**mine)
    call(clf, "fit", values)
    plain = {key: value for key, (value, _) in good.items()}
    methods = TAKEN_BY["X"]
    expected = {method: call(clf, method, plain) for method in methods}
    for array in [*values.values(), *mine.values()]:
        if isinstance(array, np.ndarray):
            array[...] = 7
    for method in methods:
        np.testing.assert_array_equal(call(clf, method, plain), expected[method], err_msg=method)


@pytest.mark.parametrize("form", FORMS | OF_INTEGERS)
def test_metrics_take_odd_forms_and_write_to_none(form):
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(K, size=(2, N))
    costs, weight = rng.integers(9, size=(K, K)), rng.integers(1, 5, size=N)
    convert = (FORMS | OF_INTEGERS)[form]
    odd = convert(costs), convert(weight)
    for metric in (mean_cost, savings_score):
        expected = metric(y, predicted, costs, sample_weight=weight)
        assert metric(convert(y), convert(predicted), odd[0], sample_weight=odd[1]) == expected
        by_row = metric(y, predicted, costs=costs[y], labels=range(K), sample_weight=weight)
        assert metric(
            y, predicted, costs=convert(costs[y]), labels=range(K), sample_weight=odd[1]
        ) == (by_row)
    y, predicted = y.reshape(6, 4), predicted.reshape(6, 4)
    for metric in (step_accuracy, sequence_accuracy):
        expected = metric(y, predicted, sample_weight=weight[:6])
        found = metric(convert(y), convert(predicted), sample_weight=convert(weight[:6]))
        assert found == expected


def test_object_labels_may_be_strings():
    X = arguments()["restricted"][1]["X"][0]
    y = np.array(list("abcd"))[np.arange(N) % K]
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0).fit(X, y)
    for form in (y.astype(object), pd.Series(y), pl.Series(y), pa.array(y), pd.Categorical(y)):
        again = clone_of(clf).fit(X, form)
        np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
        assert again.score(X, form) == clf.score(X, y)
