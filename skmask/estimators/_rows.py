"""Rows: checked training rows, as the engine takes them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from skmask.data._numbers import check_float32, scaled
from skmask.engine import LazyRows, is_lazy

__all__ = ["Rows"]

# Weights below 2 to this power may be summed.
_LARGEST_EXPONENT = 900

# Bytes of an array beyond which its rows are selected and cast when they are read.
_LARGE = 1 << 26

# Numbers of a sparse argument that are made dense to find equal rows.
_NUMBERS_TO_MERGE = 1 << 22


@dataclass(frozen=True)
class Rows:
    """Checked training rows, and values learnt from reading them.

    Parameters
    ----------
    X : ndarray, RowSource or CSR of shape (n_samples, ...)
    target : ndarray of shape (n_samples, ...)
        Class numbers, shares of the classes, or a 0 or 1 for each label.
    weight : ndarray of float64 of shape (n_samples,) or that of `target`
        0 for entries that do not count, below 1 for the rest.
    outputs : ndarray of shape (n_classes,)
        All labels, in one order: the same in every call while training goes on.
    strata : ndarray of int of shape (n_samples,)
        Strata that a hold-out keeps in proportion: numbers of `outputs`, or below 0.
    columns, constants : dict of str to ndarray
        Further inputs of the loss: row by row, and the same for all rows.
    known : dict of str to ndarray
        Values of weights of the network that are not learnt, by name.
    exponent : int
        The weights given are those here times 2 to this power: their sums overflow nothing.
    lengths : ndarray of shape (n_samples,) or None
        Work that each row takes, where rows of similar length are to share a batch.
    values : dict
        Values that the fit keeps, see :class:`Fit`.
    numbers : ndarray of int of shape (n_samples,) or None
        Which of the rows passed they are; None: all, in their order.
    """

    X: Any
    target: np.ndarray
    weight: np.ndarray
    outputs: np.ndarray
    strata: np.ndarray
    columns: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    exponent: int = 0
    lengths: np.ndarray | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, rows: np.ndarray) -> "Rows":
        return replace(
            self,
            X=_some_rows(self.X, rows),
            target=self.target[rows],
            weight=self.weight[rows],
            strata=self.strata[rows],
            columns={name: _some_rows(column, rows) for name, column in self.columns.items()},
            lengths=None if self.lengths is None else self.lengths[rows],
            numbers=rows if self.numbers is None else self.numbers[rows],
        )

    def with_values(self, **values: Any) -> "Rows":
        """Add to what the fit keeps."""
        return replace(self, values={**self.values, **values})

    def that_count(self) -> "Rows":
        """Drop rows whose weights are all zero."""
        counts = self.weight.reshape(len(self), -1).any(axis=1)
        if not counts.any():
            raise ValueError(
                "sample_weight must leave a row with a weight above 0, class_weight taken into "
                "account; got 0 for every row. Raise a weight."
            )
        return self if counts.all() else self[np.flatnonzero(counts)]

    def with_equal_rows_together(self) -> "Rows":
        """Merge equal rows, their weights summed, in an order that follows from their content.

        Sums over one batch are then the same to the last bit for a row that is repeated and for
        one that has a weight. Large and wide sparse rows are left as they are.
        """
        parts = [self.X, self.target, *self.columns.values()]
        if any(map(_is_read_later, parts)) or any(
            sparse.issparse(part) and math.prod(part.shape) > _NUMBERS_TO_MERGE for part in parts
        ):
            return self
        content = np.ascontiguousarray(np.hstack([_row_bytes(part) for part in parts]))
        keys = content.view(np.dtype((np.void, content.shape[1])))[:, 0]
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
        weight = np.zeros((len(first), *self.weight.shape[1:]))
        np.add.at(weight, group, self.weight)
        return replace(self[first], weight=weight)

    def with_mean_weight_one(self) -> "Rows":
        """Scale the weights so that those above 0 have a mean of 1."""
        weight = scaled(self.weight)[0]
        weight /= (weight if weight.all() else weight[weight > 0]).mean()
        return replace(self, weight=weight, exponent=0)

    def with_weights_as_given(self) -> "Rows":
        """Undo the scaling of the weights; raise where they are beyond float32."""
        with np.errstate(over="ignore", under="ignore"):
            weight = np.ldexp(self.weight, self.exponent)
        check_float32(
            weight,
            "sample_weight in partial_fit, class_weight taken into account,",
            "Weights are not scaled there: give others.",
        )
        return replace(self, weight=weight, exponent=0)

    def in_units_given(self, sums: np.ndarray) -> np.ndarray:
        """Return sums of weights as they are without the scaling, as far as float64 reaches."""
        return np.ldexp(sums, min(self.exponent, _LARGEST_EXPONENT))

    def engine_columns(self, dtype: str, suffix: str = "") -> dict[str, Any]:
        """Return the inputs of the engine that come row by row, real numbers in one type.

        `suffix` stands behind the name of X in messages.
        """
        columns = {"X": self.X, "y": self.target, "weight": self.weight, **self.columns}
        return {name: _in_type(values, dtype, name, suffix) for name, values in columns.items()}

    def engine_constants(self, dtype: str) -> dict[str, np.ndarray]:
        """Return the inputs of the engine for all rows, real numbers in one type."""
        return {name: _in_type(values, dtype, name) for name, values in self.constants.items()}


def _is_read_later(values: Any) -> bool:
    """Say whether rows are selected and cast when they are read, because they are many."""
    return is_lazy(values) or (isinstance(values, np.ndarray) and values.nbytes > _LARGE)


def _some_rows(values: Any, rows: np.ndarray) -> Any:
    return LazyRows(values, rows) if _is_read_later(values) else values[rows]


def _row_bytes(values: Any) -> np.ndarray:
    """Return the content of each row, whatever its type of float: uint8 of shape (n_rows, n)."""
    array = values.toarray() if sparse.issparse(values) else values
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)


def _in_type(values: Any, dtype: str, name: str, suffix: str = "") -> Any:
    """Return real numbers in a floating-point type; numbers of classes and masks as they are."""
    if values.dtype.kind != "f" or values.dtype == dtype:
        return values
    if _is_read_later(values):
        cast = partial(_cast, dtype=dtype, name=name, suffix=suffix)
        return LazyRows(values, convert=cast, dtype=dtype)
    return _cast(values, dtype, name, suffix)


def _cast(values: Any, dtype: str, name: str, suffix: str) -> Any:
    is_sparse = sparse.issparse(values)
    numbers = values.data if is_sparse else values
    with np.errstate(over="ignore", under="ignore"):
        cast = numbers.astype(dtype)
    if is_sparse:  # which shares its indices, as `astype` of SciPy does not
        parts = (cast, values.indices, values.indptr)
        cast = type(values)(parts, shape=values.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        may_overflow = name == "X" and not np.isfinite(cast.sum())
    if may_overflow:
        check_float32(numbers, f"X{suffix}", "Scale it.", may_vanish=True)
    return cast
