"""Thousands of bad inputs: each a ValueError or TypeError that names the argument."""

import itertools
import re
import warnings
from dataclasses import dataclass, field
from fractions import Fraction

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
from skmask.metrics import (
    mean_cost,
    multilabel_score,
    savings_score,
    sequence_accuracy,
    step_accuracy,
)

N, F, K, T = 24, 3, 4, 5  # rows, features, classes or labels, steps
N_ROUNDS = 3
HUGE = 10**400


class Odd:
    """Nothing that an array can be made of."""


def spoilt(array, rng, value):
    """Put a value into a random cell."""
    array = np.array(array, dtype=type(value) if isinstance(value, float) else object)
    array[tuple(rng.integers(size) for size in array.shape)] = value
    return array


def cut(array, rng):
    """Drop some of the rows."""
    return array[: rng.integers(1, len(array))]


def ragged(array, rng):
    return [[1.0] * int(n) for n in rng.permutation(len(array)) + 1]


def masked(array, rng):
    return np.ma.array(array, mask=spoilt(np.zeros(array.shape), rng, 1.0).astype(bool))


def with_index(array, column):
    """A CSR of which one index is out of range: compiled code would read beyond the array."""
    matrix = sparse.csr_array(np.ones(np.shape(array)))
    matrix.indices[-1] = column
    return matrix


def with_indptr(array):
    matrix = sparse.csr_array(np.ones(np.shape(array)))
    matrix.indptr[1] = 10**6
    return matrix


# What is no array of numbers, for every argument that should be one.
NO_NUMBERS = {
    "nan": lambda v, rng: spoilt(v, rng, np.nan),
    "inf": lambda v, rng: spoilt(v, rng, np.inf),
    "-inf": lambda v, rng: spoilt(v, rng, -np.inf),
    "huge": lambda v, rng: spoilt(v, rng, HUGE),
    "-huge": lambda v, rng: spoilt(v, rng, -HUGE),
    "huge fraction": lambda v, rng: spoilt(v, rng, Fraction(HUGE)),
    "missing": lambda v, rng: spoilt(v, rng, pd.NA),
    "not a time": lambda v, rng: spoilt(v, rng, pd.NaT),
    "none in it": lambda v, rng: spoilt(v, rng, None),
    "text": lambda v, rng: spoilt(v, rng, "ninety"),
    "number as text": lambda v, rng: spoilt(v, rng, "1"),
    "numbers as text": lambda v, rng: np.asarray(v, float).astype(str),
    "list of text": lambda v, rng: np.asarray(v, float).astype(str).tolist(),
    "bytes": lambda v, rng: np.asarray(v, float).astype(bytes),
    "complex": lambda v, rng: v + 0j,
    "complex in it": lambda v, rng: spoilt(v, rng, 1 + 0j),
    "dates": lambda v, rng: np.asarray(v).astype("int64").astype("datetime64[D]"),
    "durations": lambda v, rng: np.asarray(v).astype("int64").astype("timedelta64[s]"),
    "date in it": lambda v, rng: spoilt(v, rng, np.datetime64("2020-01-01")),
    "duration in it": lambda v, rng: spoilt(v, rng, np.timedelta64(1, "s")),
    "pandas date in it": lambda v, rng: spoilt(v, rng, pd.Timestamp("2020-01-01")),
    "object": lambda v, rng: spoilt(v, rng, Odd()),
    "list in it": lambda v, rng: spoilt(v, rng, Odd),
    "odd": lambda v, rng: Odd(),
    "function": lambda v, rng: len,
    "class": lambda v, rng: Odd,
    "dict": lambda v, rng: {"a": v},
    "generator": lambda v, rng: (row for row in v),
    "masked": masked,
    "records": lambda v, rng: np.zeros(len(v), dtype=[("a", float), ("b", float)]),
    "no rows": lambda v, rng: v[:0],
    "sparse vector": lambda v, rng: sparse.coo_array(np.ones(len(v))),
}
# The same for what has two axes.
NO_TABLES = {
    "ragged": ragged,
    "ragged in it": lambda v, rng: [*v[:-1].tolist(), [v[-1].tolist()]],
    "number": lambda v, rng: rng.normal(),
    "cube": lambda v, rng: np.asarray(v)[..., np.newaxis, np.newaxis],
    "no columns": lambda v, rng: v[:, :0],
    "text in pandas": lambda v, rng: pd.DataFrame(v).astype(float).astype(str),
    "text in polars": lambda v, rng: pl.DataFrame(np.asarray(v, float)).cast(pl.String),
    "text in pyarrow": lambda v, rng: pa.table(
        {f"c{i}": column.astype(str) for i, column in enumerate(np.asarray(v, float).T)}
    ),
    "dates in pandas": lambda v, rng: pd.DataFrame(np.asarray(v).astype("M8[s]")),
    "dates in polars": lambda v, rng: pl.DataFrame(np.asarray(v, "int32")).cast(pl.Date),
    "a column of dates": lambda v, rng: pl.DataFrame(np.asarray(v, "int32")).with_columns(
        pl.nth(0).cast(pl.Date)
    ),
    "not yet computed": lambda v, rng: pl.DataFrame(np.asarray(v, float)).lazy(),
    "sparse nan": lambda v, rng: sparse.csr_array(spoilt(v, rng, np.nan)),
    "sparse complex": lambda v, rng: sparse.csr_array(v + 1j),
    "sparse beyond": lambda v, rng: with_index(v, v.shape[1]),
    "sparse far beyond": lambda v, rng: with_index(v, 2**30),
    "sparse negative": lambda v, rng: with_index(v, -1 - int(rng.integers(2**30))),
    "sparse indptr": lambda v, rng: with_indptr(v),
    "sparse columns beyond": lambda v, rng: with_index(v.T, v.shape[0] + 5).T,
}
BAD_X = {
    **{name: maker for name, maker in NO_NUMBERS.items() if name != "generator"},
    **NO_TABLES,
    "records": lambda X, rng: np.array(X, float).view([("value", float)]),
    "beyond float32": lambda X, rng: spoilt(X, rng, 1e300),
    "one row": lambda X, rng: X[rng.integers(len(X))],
    "none": lambda X, rng: None,
    "word": lambda X, rng: "X",
    "scalar": lambda X, rng: 3,
}
BAD_X_TO_PREDICT = {
    "narrow": lambda X, rng: X[:, : rng.integers(1, X.shape[1])],
    "wide": lambda X, rng: np.c_[X, X[:, : rng.integers(1, X.shape[1])]],
    "named": lambda X, rng: pd.DataFrame(X[:, 1:]).add_prefix("f"),
}
BAD_Y = {
    "short": cut,
    "long": lambda y, rng: np.concatenate([y, y[:2]]),
    "none": lambda y, rng: None,
    "number": lambda y, rng: 3,
    "word": lambda y, rng: "y",
    "empty": lambda y, rng: y[:0],
    "nan": lambda y, rng: spoilt(y, rng, np.nan),
    "inf": lambda y, rng: spoilt(y, rng, np.inf),
    "missing": lambda y, rng: spoilt(y, rng, pd.NA),
    "none in it": lambda y, rng: spoilt(y, rng, None),
    "missing in pandas": lambda y, rng: pd.Series(spoilt(y, rng, None), dtype="Int64"),
    "missing in polars": lambda y, rng: pl.Series(spoilt(y, rng, None).tolist()),
    "continuous": lambda y, rng: y + rng.uniform(0.1, 0.9, size=y.shape),
    "complex": lambda y, rng: y + 1j,
    "matrix": lambda y, rng: np.c_[y, y],
    "cube": lambda y, rng: y.reshape(-1, 1, 1),
    "ragged": lambda y, rng: [[int(label)] * int(1 + label) for label in y],
    "mixed": lambda y, rng: spoilt(y, rng, "a"),
    "object": lambda y, rng: spoilt(y, rng, Odd()),
    "odd": lambda y, rng: Odd(),
    "function": lambda y, rng: len,
    "dict": lambda y, rng: {"y": y},
    "masked": masked,
    "sparse": lambda y, rng: sparse.csr_array(np.c_[y, y]),
    "frame": lambda y, rng: pd.DataFrame({"a": y, "b": y}),
    "polars frame": lambda y, rng: pl.DataFrame({"a": y, "b": y}),
    "pyarrow frame": lambda y, rng: pa.table({"a": y, "b": y}),
}
UNKNOWN_LABELS = {
    "unknown label": lambda y, rng: spoilt(y, rng, 17),
    "huge label": lambda y, rng: spoilt(y, rng, 2**60),
}
BAD_LABEL_MATRIX = {
    **{
        name: maker
        for name, maker in {**NO_NUMBERS, **NO_TABLES}.items()
        if name
        not in ("nan", "missing", "none in it", "masked", "not a time", "sparse nan", "records")
    },
    "short": cut,
    "none": lambda Y, rng: None,
    "word": lambda Y, rng: "Y",
    "one column less": lambda Y, rng: Y[:, :-1],
    "one column more": lambda Y, rng: np.c_[Y, Y[:, 0]],
    "two": lambda Y, rng: spoilt(Y, rng, rng.integers(2, 9)),
    "negative": lambda Y, rng: spoilt(Y, rng, -1.0),
    "tiny": lambda Y, rng: spoilt(Y, rng, 1e-50),
    "nearly one": lambda Y, rng: spoilt(Y, rng, 1 - 1e-9),
    "sets": lambda Y, rng: [set(np.flatnonzero(row)) for row in Y],
    "lists": lambda Y, rng: [[0] * int(n) for n in rng.permutation(len(Y))],
    "name twice": lambda Y, rng: pd.DataFrame(Y, columns=[0, 1, 2, 2]),
    "sparse two": lambda Y, rng: sparse.csr_array(spoilt(Y, rng, 2.0)),
}
BAD_LABEL_NAMES = {
    "other names": lambda Y, rng: pd.DataFrame(Y).add_prefix("x"),
    "names as text": lambda Y, rng: pl.DataFrame(Y, schema=[str(i) for i in range(K)]),
}
BAD_WEIGHT = {
    **NO_NUMBERS,
    "short": cut,
    "negative": lambda w, rng: spoilt(w, rng, -rng.random()),
    "zero": lambda w, rng: w * 0,
    "cube": lambda w, rng: np.ones((*w.shape, 2, 2)),
    "nan for all": lambda w, rng: np.nan,
    "huge for all": lambda w, rng: HUGE,
    "complex for all": lambda w, rng: 1j,
    "word": lambda w, rng: "balanced",
    "missing in pandas": lambda w, rng: pd.Series(
        spoilt(w.ravel()[:N], rng, None), dtype="Float64"
    ),
    "text in polars": lambda w, rng: pl.Series(["1"] * N),
    "dates in pandas": lambda w, rng: pd.Series(np.arange(N).astype("M8[s]")),
    "beyond float64": lambda w, rng: np.full(w.shape, np.longdouble("1e4000")),
    "sparse": lambda w, rng: sparse.csr_array(np.ones((N, K))),
}
BAD_WEIGHT_OF_ROWS = {"matrix": lambda w, rng: np.c_[w, w]}
BAD_WEIGHT_OF_ENTRIES = {
    "wide": lambda w, rng: np.c_[w, w],
    "ragged": lambda w, rng: [[1.0] * 9] * (N - 1) + [[1.0]],
    "text in a frame": lambda w, rng: pd.DataFrame(w).astype(str),
    "dates in a frame": lambda w, rng: pl.DataFrame(w).with_columns(
        pl.nth(0).cast(pl.Int32).cast(pl.Date)
    ),
}
BAD_WEIGHT_PART = {
    "beyond float32": lambda w, rng: spoilt(w, rng, 1e39),
    "nothing to float32": lambda w, rng: spoilt(w, rng, 1e-50),
}
# Of entries, some of which do not count.
BAD_WEIGHT_PART_OF_ENTRIES = {
    **BAD_WEIGHT_PART,
    "nothing to float32": lambda w, rng: w * 1e-50,
}
BAD_MASK = {
    **{
        name: maker
        for name, maker in {**NO_NUMBERS, **NO_TABLES}.items()
        if not name.startswith(("sparse nan", "sparse vector"))
    },
    "short": cut,
    "narrow": lambda A, rng: A[:, : rng.integers(1, K)],
    "wide": lambda A, rng: np.c_[A, A],
    "fraction": lambda A, rng: spoilt(A, rng, rng.uniform(0.01, 0.99)),
    "tiny": lambda A, rng: spoilt(A, rng, 1e-50),
    "nearly one": lambda A, rng: spoilt(A, rng, 1 - 1e-9),
    "two": lambda A, rng: spoilt(A, rng, rng.integers(2, 100)),
    "empty row": lambda A, rng: np.where(np.arange(N)[:, None] == rng.integers(N), 0, A),
    "nothing": lambda A, rng: A & False,
    "nothing for all": lambda A, rng: np.zeros(K),
    "word": lambda A, rng: "every",
    "sparse short": lambda A, rng: sparse.csr_array(cut(A, rng)),
    "sparse two": lambda A, rng: sparse.csr_array(spoilt(A, rng, 2.0)),
    "sparse nan": lambda A, rng: sparse.coo_array(spoilt(A, rng, np.nan)),
    "sparse empty row": lambda A, rng: sparse.csr_array(
        np.where(np.arange(N)[:, None] == rng.integers(N), 0, A)
    ),
    "other labels": lambda A, rng: pd.DataFrame(A, columns=list("abcd")),
    "labels as text": lambda A, rng: pl.DataFrame(A, schema=[str(i) for i in range(K)]),
    "labels as text in pyarrow": lambda A, rng: pa.table({str(i): A[:, i] for i in range(K)}),
    "batch of pyarrow": lambda A, rng: pa.RecordBatch.from_pydict({"a": A[:, 0], "b": A[:, 1]}),
    "label missing": lambda A, rng: pd.DataFrame(A).drop(columns=int(rng.integers(K))),
    "label twice": lambda A, rng: pd.DataFrame(A, columns=[0, 1, 2, 2]),
    "frame with nan": lambda A, rng: pd.DataFrame(spoilt(A, rng, np.nan)),
    "list of series": lambda A, rng: [pd.Series(row) for row in A],
    "series of other labels": lambda A, rng: pd.Series([1] * K, index=list("abcd")),
    "series by row": lambda A, rng: pd.Series(np.ones(N)),
    "sets of others": lambda A, rng: [{0, 9}] * N,
    "too few sets": lambda A, rng: [{0, 1, 2, 3}] * (N - 1),
    "empty set": lambda A, rng: [{0, 1, 2, 3}] * (N - 1) + [set()],
    "set": lambda A, rng: {0, 1},
}
# A row may allow no label at all.
BAD_LABEL_MASK = {
    name: maker
    for name, maker in BAD_MASK.items()
    if name not in ("empty row", "nothing", "nothing for all", "sparse empty row", "empty set")
}
BAD_STEP_MASK = {
    name: maker
    for name, maker in BAD_MASK.items()
    if name in NO_NUMBERS
    or name
    in ("short", "tiny", "nearly one", "two", "nothing", "nothing for all", "word", "ragged")
    or name in ("number", "other labels of all", "sets of others", "too few sets", "series by row")
} | {
    "more steps": lambda A, rng: np.concatenate([A, A], axis=1),
    "more classes": lambda A, rng: np.concatenate([A, A], axis=2),
    "labels as text": lambda A, rng: pl.DataFrame(A[:, 0], schema=[str(i) for i in range(K)]),
    "frames of other labels": lambda A, rng: [pd.DataFrame(a).add_prefix("x") for a in A],
    "arrays of two widths": lambda A, rng: [*A[:-1], A[-1, :, :-1]],
    "sparse beyond": lambda A, rng: with_index(A[:, 0], K),
}
BAD_COSTS = {
    **NO_NUMBERS,
    "short": cut,
    "narrow": lambda C, rng: C[..., :-1],
    "wide": lambda C, rng: np.concatenate([C, C], axis=-1),
    "ragged": ragged,
    "number": lambda C, rng: 3.0,
    "word": lambda C, rng: "dear",
    "vector": lambda C, rng: np.ones(N),
    "deeper": lambda C, rng: np.ones((N, K, K, K)),
    "other labels": lambda C, rng: pd.DataFrame(C[:, 0]).add_prefix("x"),
    "labels as text": lambda C, rng: pl.DataFrame(C[:, 0], schema=[str(i) for i in range(K)]),
    "label missing": lambda C, rng: pd.DataFrame(C[:, 0, 1:]),
    "text in a frame": lambda C, rng: pd.DataFrame(C[:, 0]).astype(str),
    "list of frames": lambda C, rng: [pd.DataFrame(c) for c in C],
    "sparse": lambda C, rng: sparse.csr_array(C[:, 0]),
}
BAD_STEPS = {
    name: maker
    for name, maker in BAD_X.items()
    if name in ("inf", "-inf", "huge", "text", "number as text", "numbers as text", "bytes")
    or name in ("list of text", "complex", "complex in it", "dates", "durations", "date in it")
    or name in ("duration in it", "object", "odd", "function", "class", "dict", "masked", "none")
    or name in ("word", "scalar", "beyond float32", "records", "no rows", "sparse vector")
} | {
    "cube": lambda X, rng: X[..., np.newaxis],
    "half a step": lambda X, rng: spoilt(X, rng, np.nan),
    "no steps": lambda X, rng: X[:, :0],
    "no features": lambda X, rng: X[..., :0],
    "arrays of two widths": lambda X, rng: [*X[:-1], X[-1, :, :-1]],
    "array among numbers": lambda X, rng: [X[0], 3],
    "frames of two orders": lambda X, rng: [
        pd.DataFrame(x, columns=list("abc" if i else "bac")) for i, x in enumerate(X)
    ],
    "sparse": lambda X, rng: sparse.csr_array(np.ones((N, T))),
}
BAD_STEPS_TO_PREDICT = {"narrow": lambda X, rng: X[..., :-1]}
BAD_STEP_LABELS = {
    name: maker
    for name, maker in BAD_Y.items()
    if name in ("short", "none", "number", "word", "empty", "nan", "inf", "continuous", "object")
    or name in ("mixed", "odd", "function", "dict", "masked", "missing", "none in it", "complex")
} | {
    "more steps": lambda y, rng: np.c_[y, y],
    "fewer steps": lambda y, rng: y[:, :-1],
    "cube": lambda y, rng: y[..., np.newaxis],
    "a list too short": lambda y, rng: [*y[:-1], y[-1, :-1]],
    "sparse": lambda y, rng: sparse.csr_array(y),
    "padding only": lambda y, rng: np.full_like(y, -1),
}
BAD_PROTOTYPE_LABELS = {
    "none": lambda labels, rng: None,
    "short": lambda labels, rng: labels[:-1],
    "unknown": lambda labels, rng: spoilt(labels, rng, 17),
    "text": lambda labels, rng: labels.astype(str),
    "nan": lambda labels, rng: spoilt(labels, rng, np.nan),
    "none in it": lambda labels, rng: spoilt(labels, rng, None),
    "missing": lambda labels, rng: spoilt(labels, rng, pd.NA),
    "ragged": lambda labels, rng: [[0], [1, 2], [3], [0]],
    "lists": lambda labels, rng: [[0], [1], [2], [3]],
    "odd": lambda labels, rng: Odd(),
    "masked": masked,
    "function": lambda labels, rng: len,
    "number": lambda labels, rng: 3,
    "dicts": lambda labels, rng: [{}, {}, {}, {}],
}
BAD_CLASSES = {
    "unknown": lambda classes, rng: [0, 1, 2, 9],
    "repeated": lambda classes, rng: [0, 1, 2, 2],
    "ragged": lambda classes, rng: [[0], [1, 2]],
    "none in it": lambda classes, rng: [0, 1, 2, None],
    "nan": lambda classes, rng: [0, 1, 2, np.nan],
    "missing": lambda classes, rng: [0, 1, 2, pd.NA],
    "mixed": lambda classes, rng: [0, 1, 2, "a"],
    "empty": lambda classes, rng: [],
    "number": lambda classes, rng: 3,
    "word": lambda classes, rng: "abcd",
    "table": lambda classes, rng: [[0, 1], [2, 3]],
    "odd": lambda classes, rng: Odd(),
    "huge": lambda classes, rng: [0, 1, 2, HUGE],
    "masked": masked,
    "set": lambda classes, rng: {0, 1, 2, 3},
}

TRAINING = ("fit", "partial_fit")
PREDICTION = ("predict", "predict_proba", "predict_log_proba", "decision_function")
SCORED = (*PREDICTION, "score")
ANYWHERE = (*TRAINING, *SCORED)


@dataclass(frozen=True)
class Subject:
    """An estimator, good arguments for it, and bad ones: (argument, makers, methods)."""

    make: object
    good: dict
    bad: list
    takes: dict = field(default_factory=dict)

    def arguments(self, method):
        """Return the good arguments that a method takes."""
        takes = {"X": ANYWHERE, "y": (*TRAINING, "score"), "sample_weight": (*TRAINING, "score")}
        takes |= {"classes": ("partial_fit",), "allowed": ANYWHERE} | self.takes
        return {name: v for name, v in self.good.items() if method in takes[name]}


def make_subjects():
    rng = np.random.default_rng(0)
    X = rng.integers(-8, 9, size=(N, F)) / 4
    y = np.arange(N) % K
    allowed = rng.random((N, K)) < 0.5
    allowed[np.arange(N), y] = True
    weight = rng.integers(1, 5, size=N) / 2
    classes = np.arange(K)
    rows = {"X": X, "y": y, "sample_weight": weight, "allowed": allowed, "classes": classes}
    of_rows = [
        ("X", BAD_X, ANYWHERE),
        ("X", BAD_X_TO_PREDICT, SCORED),
        ("y", BAD_Y, (*TRAINING, "score")),
        ("y", UNKNOWN_LABELS, TRAINING),
        ("sample_weight", BAD_WEIGHT, (*TRAINING, "score")),
        ("sample_weight", BAD_WEIGHT_OF_ROWS, (*TRAINING, "score")),
        ("sample_weight", BAD_WEIGHT_PART, ("partial_fit",)),
        ("allowed", BAD_MASK, ANYWHERE),
        ("classes", BAD_CLASSES, ("partial_fit",)),
    ]
    costs = rng.integers(1, 9, size=(N, K, K)) * (1.0 - np.eye(K))
    Y = (rng.random((N, K)) < 0.4).astype(np.int64)
    Y[:K] = np.eye(K)
    label_mask = (Y == 1) | (allowed & (np.arange(N)[:, np.newaxis] > K))
    by_entry = rng.integers(1, 5, size=(N, K)) / 2
    steps = rng.integers(-8, 9, size=(N, T, F)) / 4
    labels = rng.integers(K, size=(N, T))
    labels[0, :K] = np.arange(K)
    step_mask = rng.random((N, T, K)) < 0.5
    np.put_along_axis(step_mask, labels[..., np.newaxis], True, axis=2)
    common = {"epochs": 1, "random_state": 0, "dtype": "float32"}
    mlp = {**common, "hidden_layer_sizes": (4,)}
    return {
        "restricted": Subject(
            lambda **p: RestrictedClassClassifier(**{**mlp, "classes": range(K), **p}),
            rows,
            of_rows,
        ),
        "cost": Subject(
            lambda **p: CostSensitiveClassifier(**{**mlp, "classes": range(K), **p}),
            {**rows, "costs": costs},
            [*of_rows, ("costs", BAD_COSTS, (*TRAINING, "predict", "score"))],
            {"costs": (*TRAINING, "predict", "score")},
        ),
        "multilabel": Subject(
            lambda **p: WeightedMultilabelClassifier(**{**mlp, **p}),
            {"X": X, "y": Y, "sample_weight": by_entry, "allowed": label_mask},
            [
                *of_rows[:2],
                ("y", BAD_LABEL_MATRIX, ("partial_fit", "score")),
                ("y", BAD_LABEL_NAMES, ("score",)),
                ("sample_weight", BAD_WEIGHT, (*TRAINING, "score")),
                ("sample_weight", BAD_WEIGHT_OF_ENTRIES, (*TRAINING, "score")),
                ("sample_weight", BAD_WEIGHT_PART_OF_ENTRIES, ("partial_fit",)),
                ("allowed", BAD_LABEL_MASK, ANYWHERE),
                ("allowed", {"nothing": BAD_MASK["nothing"]}, TRAINING),
            ],
        ),
        "sequence": Subject(
            lambda **p: MaskedSequenceClassifier(
                **{**common, "units": 4, "classes": range(K), **p}
            ),
            {
                "X": steps,
                "y": labels,
                "sample_weight": rng.integers(1, 5, size=(N, T)) / 2,
                "allowed": step_mask,
            },
            [
                ("X", BAD_STEPS, ANYWHERE),
                ("X", BAD_STEPS_TO_PREDICT, SCORED),
                ("X", {"nothing real": lambda X, rng: X * np.nan}, TRAINING),
                ("y", BAD_STEP_LABELS, (*TRAINING, "score")),
                ("y", UNKNOWN_LABELS, TRAINING),
                ("sample_weight", BAD_WEIGHT, (*TRAINING, "score")),
                ("sample_weight", BAD_WEIGHT_OF_ENTRIES, (*TRAINING, "score")),
                ("sample_weight", BAD_WEIGHT_PART, ("partial_fit",)),
                ("allowed", BAD_STEP_MASK, ANYWHERE),
            ],
        ),
        "prototype": Subject(
            lambda **p: PrototypeClassifier(
                **{**common, "solver": "adam", "classes": range(K), "prototypes": X[:K], **p}
            ),
            {**rows, "prototype_labels": y[:K]},
            [
                *of_rows,
                ("X", BAD_X, ("contributions",)),
                ("prototype_labels", BAD_PROTOTYPE_LABELS, ("fit",)),
            ],
            {"prototype_labels": TRAINING, "X": (*ANYWHERE, "contributions")},
        ),
    }


SUBJECTS = make_subjects()


# Parameters. None of these values is legal for any estimator that has the parameter.
NO_NUMBER = ["1", "many", 1j, Odd(), len, [], {}, np.datetime64("2020-01-01"), pd.NA]
NO_SCALAR = [*NO_NUMBER, True, False, np.True_, np.nan, HUGE, -HUGE, np.timedelta64(1, "s")]
NO_COUNT = [*NO_SCALAR, 0, -1, 2.5, np.inf, 2**40]
NO_SHARE = [*NO_SCALAR, 0, 1, -0.1, 1.5]
NO_FLAG = ["yes", None, 2, 0.5, Odd(), []]
NO_WORD = ["", "unheard of", 3, Odd(), len, ["adam"]]
BAD_PARAMETERS = {
    "hidden_layer_sizes": [
        *[0, -3, (0,), (5, -1), (2.5,), "ten", (None,), [[3]], True, (True,), HUGE, (HUGE,)],
        *[np.array(3.5), {"a": 1}, len, 1j, ("3",), np.array(["3"]), Odd()],
    ],
    "units": [0, -3, (0,), (5, -1), (2.5,), (), "ten", True, HUGE, (HUGE,), np.array(3.5), Odd()],
    "activation": ["rely", "", 3, "softmaxx", abs, ["relu"]],
    "cell": [*NO_WORD, None, "rnn"],
    "architecture": [*NO_WORD, None, "transformer"],
    "bidirectional": NO_FLAG,
    "group_by_length": NO_FLAG,
    "mask_value": [*[v for v in NO_SCALAR if v is not np.nan], np.inf],
    "padding_label": [1j, [], Odd(), len, 0, 3],
    "classes": [
        maker(np.arange(K), None)
        for name, maker in BAD_CLASSES.items()
        if name not in ("masked", "unknown", "huge")  # labels' names may be anything
    ],
    "class_weight": [
        *["even", {9: 1}, {0: -1}, {0: np.nan}, {0: "a"}, {0: "1"}, 3, [1, 2, 3, 4], {0: None}],
        *[{0: HUGE}, {0: 1j}, {0: np.timedelta64(1, "s")}, {0: pd.NA}, {0: [1]}, Odd(), True],
        *[{0: np.inf}, {None: 1}, {"0": 1}, dict.fromkeys(range(K), 0)],
    ],
    "batch_size": [*NO_COUNT, "all", None],
    "epochs": [*NO_COUNT, None],
    "n_iter_no_change": [*NO_COUNT, None],
    "shuffle_buffer": NO_COUNT,
    "sparse_updates": NO_FLAG,
    "mask_in_loss": [*[v for v in NO_SCALAR if v is not False], "yes", -0.1, 1.5, None, np.inf],
    "mask_in_input": NO_FLAG,
    "allowed_rule": [3, "rule", [], Odd(), lambda X: None, lambda X: np.ones(7, bool)],
    "monitor": ["", "unheard of", "val_loss", 3, None, Odd(), ["loss"]],
    "early_stopping": NO_FLAG,
    "warm_start": NO_FLAG,
    "validation_fraction": [*NO_SHARE, None],
    "learning_rate": [0, -1e-3, np.nan, "fast", True, HUGE, 1j, [], np.inf],
    "verbose": ["loud", -1, None, Odd()],
    "dtype": ["float16", "double", np.float32, None, 32, Odd()],
    "random_state": [-1, "seed", 2.5, Odd(), HUGE, 1j],
    "allowed_columns": [
        *[[0], slice(0, 1), ["a", "b"], [0, 1, 2, 99], 7, lambda X: None, HUGE, [HUGE] * K],
        *[[0, 0, 1, 2], Odd(), 1j, [1j] * K, "abcd", np.ones((K, K)), {}, [None] * K],
    ],
    "cost_matrix": [
        *[
            maker(np.ones((K, K)), np.random.default_rng(i))
            for i, (name, maker) in enumerate({**NO_NUMBERS, **NO_TABLES}.items())
        ],
        *[np.ones((K - 1, K)), np.ones(K), np.ones((K + 1, K + 1)), np.ones((K, 0)), "dear", 3],
        *[pd.DataFrame(np.ones((K, K)), columns=[*range(1, K), "ask"])],
        *[pd.DataFrame(np.ones((K - 1, K + 1)), columns=[*range(K), "ask"])],
        *[pl.DataFrame({"ask": np.ones(K), "tell": np.zeros(K)})],
        *[pd.DataFrame(np.ones((K, K)), columns=list("abcd"), index=list("abcd"))],
        *[pd.DataFrame(np.ones((K, K)), index=[0, 1, 2, 2])],
        *[pl.DataFrame(np.ones((K, K)), schema=list("0123"))],
        *[pa.table({str(i): np.ones(K) for i in range(K)})],
        *[[pd.Series(np.ones(K)) for _ in range(K)], {0: {0: 1}}],
    ],
    "loss": [*NO_WORD, None],
    "decision": [*NO_WORD, None],
    "pos_weight": [
        *["even", -1.0, np.nan, np.inf, HUGE, True, 1j, [1, 1], [1, 1, 1, -1], [1, 1, 1, np.nan]],
        *[["1"] * K, [1j] * K, [None] * K, [HUGE] * K, [1e300] * K, {0: 1}, {"0": 1}, {}, Odd()],
        *[np.arange(K).astype("M8[D]"), np.arange(K).astype("m8[D]"), np.ones((2, K)), 1e39],
        *[pd.Series(np.ones(K), index=list("abcd")), pl.DataFrame(np.ones((1, K)))],
        *[pd.DataFrame(np.ones((1, K + 1))), np.ma.array(np.ones(K), mask=[1, 0, 0, 0])],
        *[pa.table({str(i): [1.0] for i in range(K)}), len, dict.fromkeys(range(K), "1")],
    ],
    "threshold": [
        *["best", -0.1, 1.5, np.nan, HUGE, True, 1j, [0.5], [0.5] * 3 + [1.5], [np.nan] * K],
        *[["0.5"] * K, [0.5j] * K, [None] * K, [HUGE] * K, {0: 0.5}, {}, Odd(), len],
        *[np.zeros(K).astype("M8[D]"), np.ma.array(np.ones(K) / 2, mask=[1, 0, 0, 0])],
        *[pd.Series(np.ones(K) / 2, index=list("abcd")), pl.DataFrame(np.ones((1, K)) / 2)],
    ],
    "min_labels": [*NO_SCALAR, -1, 2.5, np.inf, 2**40, K + 1, None],
    "max_labels": [*[v for v in NO_SCALAR if v is not True], 0, -1, 2.5, np.inf],
    "calibrated": NO_FLAG,
    "kernel": [
        *[*NO_WORD[:3], None, lambda x, p: 3.0, lambda x, p: 3, lambda x, p: None, lambda x: x],
        *[lambda x, p: "a", lambda x, p: x, lambda x, p: x + 1j, lambda x, p: x > p, print, int],
        *[lambda x, p: [x], lambda x, p: (x - p).sum(), lambda x, p: np.float64(2.0)],
    ],
    "scale": [
        *[0, -1, 0.0, 5e-324, 1e-50, 1e39, np.nan, np.inf, HUGE, True, 1j, "wide", None, [1, 1]],
        *[[1, 1, 0], [1, 1, -1], ["1"] * F, [1j] * F, [HUGE] * F, [None] * F, [5e-324] * F],
        *[np.ones(F).astype("M8[D]"), np.ones(F).astype("m8[D]"), {}, Odd(), len],
        *[np.ma.array(np.ones(F), mask=[1, 0, 0]), pd.Series(np.ones(F), index=list("abc"))],
        *[pl.DataFrame(np.ones((1, F))), np.ones((2, F))],
    ],
    "prototypes": [
        *["nearest", [0.5, 1.5], [-1], [99], [0, 0], [], [HUGE], 3, None, Odd(), [True, False]],
        *[np.ones((K, F + 1)), np.full((K, F), np.nan), np.full((K, F), 1e39), [["1"] * F] * K],
        *[np.ones((K, F)) + 0j, np.ones((K, F)).astype("M8[D]"), [[HUGE] * F] * K, [[1], [1, 2]]],
        *[np.ma.array(np.ones((K, F)), mask=True), pl.DataFrame(np.ones((K, F)))],
        *[pd.DataFrame(np.ones((K, F)), columns=list("abc")), sparse.csr_array(np.ones((K, F)))],
        *[np.ones((K, F, 1)), np.array("medoid"), len, {}, [None, 1], ["0", "1"]],
    ],
    "n_prototypes": [*NO_COUNT, 25],
    "solver": [*NO_WORD, None, np.array(["adam", "sgd"])],
    "alpha": [*[v for v in NO_SCALAR if v is not False], -1, np.inf],
    "dropout": [*[v for v in NO_SCALAR if v is not False], -0.1, 1, 1.5, np.inf, None],
    "label_smoothing": [*[v for v in NO_SCALAR if v is not False], -0.1, 1, 1.5, np.inf, None],
    "inputs": [3, "X", [], [("X", 0)], {}, {0: [0]}, {"X": 99}, {"X": []}, {"X": "X"}, Odd(), len],
    "max_iter": NO_COUNT,
    "tol": [*NO_SCALAR, 0, -1],
    "network": ["mlp", 3, [], Odd()],
    "callbacks": [3, print, [print], ["EarlyStopping"], [None], Odd()],
    "optimizer": ["adan", "", None, 3, print, Odd()],
}


def cases(subject):
    """Yield each bad argument of each method once: (method, argument, name, maker)."""
    for argument, makers, methods in subject.bad:
        for (name, maker), method in itertools.product(makers.items(), methods):
            yield method, argument, name, maker


def frozen(value):
    """Return an array that nobody may write to."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flags.writeable = False
    return value


def call(clf, method, arguments):
    arguments = dict(arguments)
    positional = [arguments.pop(name) for name in ("X", "y") if name in arguments]
    return getattr(clf, method)(*positional, **arguments)


def violation(clf, method, arguments, argument):
    """Return what is wrong with how a call is refused, None if nothing is."""
    state = dict(vars(clf))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(clf, method, arguments)
    except (ValueError, TypeError) as error:
        message = str(error)
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"
    else:
        return "was taken"
    if not re.search(rf"\b{argument}\b", message):
        return f"was not named: {message}"
    if re.search(r"tensorflow|tf\.|tensor|Node:|XLA|SoftmaxClassifier", message, re.I):
        return f"speaks of other things: {message}"
    return None if vars(clf) == state else "changed the estimator"


@pytest.mark.parametrize("name", SUBJECTS)
def test_bad_input_is_refused_in_terms_of_the_argument(name):
    subject = SUBJECTS[name]
    good = {argument: frozen(value) for argument, value in subject.good.items()}
    clf = subject.make()
    call(clf, "fit", subject.arguments("fit"))
    expected = call(clf, "predict_proba", subject.arguments("predict_proba"))
    fresh = subject.make()
    rng = np.random.default_rng(0)
    wrong = []
    for _, (method, argument, kind, maker) in itertools.product(range(N_ROUNDS), cases(subject)):
        arguments = {k: good[k] for k in subject.arguments(method)}
        arguments[argument] = maker(good[argument], rng)
        subjects = [clf] if argument == "classes" or method in SCORED else [clf, fresh]
        for each in subjects if method in ANYWHERE else [clf]:
            found = violation(each, method, arguments, argument)
            if found:
                wrong.append(f"{method}({argument}={kind}) {found}")
    assert not wrong, f"{len(wrong)}: " + "\n".join(dict.fromkeys(wrong))
    np.testing.assert_array_equal(
        call(clf, "predict_proba", subject.arguments("predict_proba")), expected
    )


@pytest.mark.parametrize("name", SUBJECTS)
def test_bad_validation_rows_are_refused_in_terms_of_the_argument(name):
    subject = SUBJECTS[name]
    good = {argument: frozen(value) for argument, value in subject.good.items()}
    clf = subject.make()
    training = subject.arguments("fit")
    call(clf, "fit", training)
    rng = np.random.default_rng(0)
    wrong, n_cases = [], 0
    for method, argument, kind, maker in cases(subject):
        if method != "fit" or argument in ("classes", "prototype_labels"):
            continue
        own = {f"{k}_val": good[k] for k in training if k != "prototype_labels"}
        own[f"{argument}_val"] = maker(good[argument], rng)
        found = violation(clf, "fit", {**training, **own}, f"{argument}_val")
        n_cases += 1
        if found:
            wrong.append(f"{argument}_val={kind} {found}")
    assert n_cases > 50
    assert not wrong, f"{len(wrong)}: " + "\n".join(dict.fromkeys(wrong))


@pytest.mark.parametrize("name", SUBJECTS)
def test_bad_parameter_is_refused_by_name(name):
    subject = SUBJECTS[name]
    wrong, n_cases = [], 0
    for parameter in subject.make().get_params():
        for value in BAD_PARAMETERS[parameter]:
            settings = {"early_stopping": True, "validation_fraction": 0.25}
            if parameter in ("prototypes", "max_iter", "tol", "n_prototypes"):
                settings = {"solver": "lbfgs", "prototypes": "medoid"}
            clf = subject.make(**{**settings, parameter: value})
            arguments = subject.arguments("fit")
            if settings.get("solver"):
                del arguments["prototype_labels"]
            if parameter == "prototypes" and len(getattr(value, "shape", ())) == 2:
                arguments["prototype_labels"] = np.arange(K)
            arguments.pop("allowed" if parameter.startswith("allowed_") else "", None)
            found = violation(clf, "fit", arguments, parameter)
            n_cases += 1
            if found:
                wrong.append(f"{parameter}={value!r} {found}")
    assert n_cases > 100
    assert not wrong, f"{len(wrong)}: " + "\n".join(dict.fromkeys(wrong))


BAD_FOR_METRICS = {
    "y_true": {**BAD_Y, **UNKNOWN_LABELS},
    "y_pred": {**BAD_Y, **UNKNOWN_LABELS},
    "cost_matrix": {**NO_NUMBERS, **NO_TABLES, "word": lambda v, rng: "dear"},
    "costs": BAD_COSTS,
    "sample_weight": {**BAD_WEIGHT, **BAD_WEIGHT_OF_ROWS},
    "labels": {k: v for k, v in BAD_CLASSES.items() if k not in ("odd", "set", "huge")},
}


@pytest.mark.parametrize("argument", BAD_FOR_METRICS)
@pytest.mark.parametrize("metric", [mean_cost, savings_score])
def test_bad_argument_of_a_cost_metric_is_refused_by_name(metric, argument):
    rng = np.random.default_rng(0)
    y = np.arange(N) % K
    good = {"y_true": y, "y_pred": y[::-1], "cost_matrix": 1 - np.eye(K), "labels": np.arange(K)}
    good |= {"sample_weight": np.ones(N), "costs": np.tile(1 - np.eye(K), (N, 1, 1))}
    good["cost_matrix" if argument == "costs" else "costs"] = None
    wrong = []
    for kind, maker in BAD_FOR_METRICS[argument].items():
        try:
            metric(**{**good, argument: maker(good[argument], rng)})
        except (ValueError, TypeError) as error:
            if not re.search(rf"\b{argument}\b", str(error)):
                wrong.append(f"{kind} was not named: {error}")
        else:
            wrong.append(f"{kind} was taken")
    assert not wrong, "\n".join(wrong)


BAD_FOR_STEPS = {
    "y_true": {"no steps": lambda y, rng: y[:, :0], "padding only": lambda y, rng: y * 0 - 1},
    "y_pred": {"fewer steps": lambda y, rng: y[:, :-1], "padding only": lambda y, rng: y * 0 - 1},
    "sample_weight": BAD_WEIGHT,
}
for _argument in ("y_true", "y_pred"):
    BAD_FOR_STEPS[_argument] |= {
        name: BAD_STEP_LABELS[name]
        for name in ("short", "none", "number", "word", "cube", "sparse", "dict", "odd", "masked")
    }


@pytest.mark.parametrize("argument", BAD_FOR_STEPS)
@pytest.mark.parametrize("metric", [step_accuracy, sequence_accuracy])
def test_bad_argument_of_a_step_metric_is_refused_by_name(metric, argument):
    rng = np.random.default_rng(0)
    good = {"y_true": rng.integers(K, size=(N, T)), "y_pred": rng.integers(K, size=(N, T))}
    good["sample_weight"] = np.ones(N)
    wrong = []
    for kind, maker in BAD_FOR_STEPS[argument].items():
        try:
            metric(**{**good, argument: maker(good[argument], rng)})
        except (ValueError, TypeError) as error:
            if not re.search(rf"\b{argument}\b|padding_label", str(error)):
                wrong.append(f"{kind} was not named: {error}")
        else:
            wrong.append(f"{kind} was taken")
    assert not wrong, "\n".join(wrong)


BAD_FOR_LABELS = {
    "y_true": BAD_LABEL_MATRIX,
    "y_pred": {**BAD_LABEL_MATRIX, "nan": NO_NUMBERS["nan"]},
    "sample_weight": {**BAD_WEIGHT, **BAD_WEIGHT_OF_ENTRIES},
}


@pytest.mark.parametrize("argument", BAD_FOR_LABELS)
@pytest.mark.parametrize("metric", ["f1", "average_precision"])
def test_bad_argument_of_a_label_metric_is_refused_by_name(metric, argument):
    rng = np.random.default_rng(0)
    good = {"y_true": np.eye(N, K), "y_pred": np.eye(N, K), "sample_weight": np.ones((N, K))}
    makers = dict(BAD_FOR_LABELS[argument])
    if metric == "average_precision" and argument == "y_pred":  # a score may be any number
        for kind in ("two", "negative", "tiny", "nearly one"):
            del makers[kind]
    wrong = []
    for kind, maker in makers.items():
        try:
            multilabel_score(**{**good, argument: maker(good[argument], rng)}, metric=metric)
        except (ValueError, TypeError) as error:
            if not re.search(rf"\b{argument}\b", str(error)):
                wrong.append(f"{kind} was not named: {error}")
        else:
            wrong.append(f"{kind} was taken")
    assert not wrong, "\n".join(wrong)


def test_there_are_ten_thousand_bad_inputs():
    n_arguments = sum(len(list(cases(subject))) for subject in SUBJECTS.values())
    n_values = sum(
        len(BAD_PARAMETERS[parameter])
        for subject in SUBJECTS.values()
        for parameter in subject.make().get_params()
    )
    assert N_ROUNDS * n_arguments + n_values > 10_000
