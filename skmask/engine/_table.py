"""Training rows, and the padded arrays that a program is fed with."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from skmask.engine._csr import Csr, csr_parts, most_stored

Column: TypeAlias = Any  # np.ndarray | sparse.csr_array, which has no stubs
Layout = tuple[tuple[str, str, tuple[int, ...]], ...]

# Rows, and numbers, made dense at a time where a column is sparse: what bounds the memory of
# an epoch. A batch is never cut.
_SLAB_ROWS = 4096
_SLAB_NUMBERS = 1 << 24
# Stored numbers held at a time, of columns that stay sparse.
_STORED_AT_ONCE = 1 << 26
# Bytes. TensorFlow copies an array that does not start at a multiple of it.
_ALIGNMENT = 64


def round_up_rows(n_rows: int) -> int:
    """Round a number of rows up to one of a few sizes, at most a quarter more when large.

    A program is compiled for one size, and the folds of a cross-validation differ by a row.
    """
    size = max(256, 1 << (n_rows - 1).bit_length())
    if size > 65536:
        step = size >> 3
        size = -(-n_rows // step) * step
    return size


def layout_of(columns: Mapping[str, Any]) -> Layout:
    """Return the layout of columns: names, dtypes and the shapes of a row."""
    return tuple(
        (name, str(column.dtype), tuple(column.shape[1:]))
        for name, column in sorted(columns.items())
    )


class Table:
    """Named columns of equal length, dense or CSR, with their rows padded on the way out.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_rows, ...) or CSR of shape (n_rows, width)
    batch_size : int
        Rows of a batch; no more than `size` are used.
    stay_sparse : collection of str, default=()
        CSR columns that go out as :class:`~skmask.engine._csr.Csr`. The others are made dense.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        batch_size: int,
        stay_sparse: Collection[str] = (),
    ):
        self.columns = {
            name: sparse.csr_array(column) if name in stay_sparse else column
            for name, column in columns.items()
        }
        self.n_rows = self.columns["X"].shape[0]
        dense = {name: c for name, c in self.columns.items() if name not in stay_sparse}
        self.is_dense = not any(map(sparse.issparse, dense.values()))
        at_once = self.n_rows
        if not self.is_dense:
            width = sum(int(np.prod(column.shape[1:])) for column in dense.values())
            slab = max(min(_SLAB_ROWS, _SLAB_NUMBERS // width), batch_size)
            at_once = min(self.n_rows, slab)
        n_stored = sum(self.columns[name].nnz for name in stay_sparse)
        if n_stored > _STORED_AT_ONCE:
            self.is_dense = False
            at_once = min(at_once, max(self.n_rows * _STORED_AT_ONCE // n_stored, batch_size))
        self.size = round_up_rows(at_once)
        self.batch_size = min(batch_size, self.size)
        self._stored = {
            name: round_up_rows(most_stored(self.columns[name], self.size)) for name in stay_sparse
        }

    def arrays(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """Return the rows asked for, or all, as arrays of `size` rows, zeros behind."""
        return {
            name: self._array(name, column if rows is None else column[rows])
            for name, column in self.columns.items()
        }

    def _array(self, name: str, column: Column) -> Any:
        if name not in self._stored:
            return padded(column, self.size)
        sizes = (self.size + 1, self._stored[name], self._stored[name])
        return Csr(*map(padded, csr_parts(column, self.size), sizes))

    def slabs(self, order: np.ndarray) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the rows in this order as arrays of whole batches, with their number."""
        step = self.size // self.batch_size * self.batch_size
        for start in range(0, len(order), step):
            rows = order[start : start + step]
            yield self.arrays(rows), len(rows)


def padded(column: Column, size: int) -> np.ndarray:
    """Return a column as an array of `size` rows that a session takes without copying it."""
    if sparse.issparse(column):
        column = column.toarray()
    if len(column) == size:
        return aligned(column)
    larger = _aligned_zeros((size, *column.shape[1:]), column.dtype)
    larger[: len(column)] = column
    return larger


def aligned(array: np.ndarray) -> np.ndarray:
    """Return an array that a session takes without copying it: itself, or a copy."""
    if array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0:
        return array
    copy = _aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


def _aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    n_bytes = math.prod(shape) * dtype.itemsize
    memory = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


class Feed:
    """A table made ready for many epochs: held in memory whole, unless a column is sparse.

    Parameters
    ----------
    table : Table
    constants : mapping of str to ndarray
        Inputs of the loss that are the same for all rows.
    """

    def __init__(self, table: Table, constants: Mapping[str, np.ndarray]):
        self.table = table
        self.resident = table.arrays() if table.is_dense else None
        self.constants = dict(constants)
