"""Training rows, and the padded arrays that a program is fed with."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from skmask.engine._csr import Csr, csr_parts, most_stored
from skmask.engine._order import Windows
from skmask.engine._sources import bounds_of, is_lazy, read_rows, reader_of

Column: TypeAlias = Any  # np.ndarray | RowSource | sparse.csr_array, which has no stubs
Layout = tuple[tuple[str, str, tuple[int, ...]], ...]

# Rows, and numbers, made dense at a time where a column is sparse: what bounds the memory of
# an epoch. A batch is never cut.
_SLAB_ROWS = 4096
_SLAB_NUMBERS = 1 << 24
# The same for large dense columns, in bytes; tables of fewer bytes are held as a whole.
_LARGE = 1 << 26
_LAZY_ROWS = 65536
# Stored numbers held at a time, of columns that stay sparse.
_STORED_AT_ONCE = 1 << 26
# Bytes. TensorFlow copies an array that does not start at a multiple of it.
_ALIGNMENT = 64


def round_up_rows(n_rows: int) -> int:
    """Round a number of rows up to one of a few sizes, at most 1/32 more when large.

    A program is compiled for one size, and the folds of a cross-validation differ by a row.
    """
    size = max(256, 1 << (n_rows - 1).bit_length())
    if size > 65536:
        step = size >> 6
        size = -(-n_rows // step) * step
    return size


def layout_of(columns: Mapping[str, Any]) -> Layout:
    """Return the layout of columns: names, dtypes and the shapes of a row."""
    return tuple(
        (name, str(column.dtype), tuple(column.shape[1:]))
        for name, column in sorted(columns.items())
    )


class Table:
    """Named columns of equal length, with their rows padded on the way out.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_rows, ...), CSR of shape (n_rows, width) or \
            RowSource
    batch_size : int
        Rows of a batch; no more than `size` are used.
    stay_sparse : collection of str, default=()
        CSR columns that go out as :class:`~skmask.engine._csr.Csr`. The others are made dense.
    stays : bool, default=False
        Whether a large table is held as a whole, too, because it is read very often.
    """

    def __init__(
        self,
        columns: Mapping[str, Column],
        batch_size: int,
        stay_sparse: Collection[str] = (),
        *,
        stays: bool = False,
    ):
        self.columns = {
            name: _as_csr(column) if name in stay_sparse else column
            for name, column in columns.items()
        }
        self.n_rows = self.columns["X"].shape[0]
        self.bounds = bounds_of(self.columns["X"])
        self._dense = {name: c for name, c in self.columns.items() if name not in stay_sparse}
        n_stored = sum(self.columns[name].nnz for name in stay_sparse)
        is_small = stays or _bytes_of_row(self._dense) * self.n_rows <= _LARGE
        are_dense = not any(map(sparse.issparse, self._dense.values()))
        # Whether all rows are held, as arrays that a program takes.
        self.is_resident = (
            are_dense and is_small and self.bounds is None and n_stored <= _STORED_AT_ONCE
        )
        at_once = self.n_rows
        if not are_dense:
            width = sum(int(np.prod(column.shape[1:])) for column in self._dense.values())
            at_once = min(_SLAB_ROWS, _SLAB_NUMBERS // width)
        elif not is_small or self.bounds is not None:
            at_once = _rows_of_slab(self._dense, self.n_rows)
        if n_stored > _STORED_AT_ONCE:
            at_once = min(at_once, self.n_rows * _STORED_AT_ONCE // n_stored)
        self.size = round_up_rows(min(self.n_rows, max(at_once, batch_size)))
        self.batch_size = min(batch_size, self.size)
        self._stored = {
            name: round_up_rows(most_stored(self.columns[name], self.size)) for name in stay_sparse
        }

    def arrays(self, rows: np.ndarray | None = None) -> dict[str, Any]:
        """Return the rows asked for, or all, as arrays of `size` rows, zeros behind."""
        dense = {
            name: padded(_some(column, rows), self.size) for name, column in self._dense.items()
        }
        return {**dense, **self._sparse(rows)}

    def _sparse(self, rows: np.ndarray | None) -> dict[str, Csr]:
        """Return the rows asked for, or all, of the columns that stay sparse."""
        return {
            name: _padded_parts(_some(self.columns[name], rows), self.size, n_stored)
            for name, n_stored in self._stored.items()
        }

    def in_order(self) -> Any:
        """Return the order of the rows as they are, for `slabs`."""
        if self.bounds is None:
            return np.arange(self.n_rows)
        pairs = zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True)
        return (([(start, stop)], np.arange(start, stop)) for start, stop in pairs)

    def slabs(self, order: np.ndarray | Windows) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the rows in this order as arrays of whole batches, with their number.

        The arrays are written to again when the next ones are asked for.
        """
        windows = [([(0, self.n_rows)], order)] if isinstance(order, np.ndarray) else order
        step = self.size // self.batch_size * self.batch_size
        readers = {name: reader_of(column) for name, column in self._dense.items()}
        arrays = {
            name: _aligned_zeros((self.size, *column.shape[1:]), column.dtype)
            for name, column in self._dense.items()
        }
        taken = np.empty(0, np.intp)
        for spans, numbers in windows:
            for reader in readers.values():
                reader.hold(spans)
            while len(numbers):
                filled = len(taken)
                part, numbers = numbers[: step - filled], numbers[step - filled :]
                for name, reader in readers.items():
                    arrays[name][filled : filled + len(part)] = reader.take(part)
                taken = np.append(taken, part)
                if len(taken) == step:
                    yield {**arrays, **self._sparse(taken)}, step
                    taken = taken[:0]
        if len(taken):
            for array in arrays.values():
                array[len(taken) :] = 0
            yield {**arrays, **self._sparse(taken)}, len(taken)


def _as_csr(column: Column) -> Any:
    if is_lazy(column):
        return sparse.vstack([sparse.csr_array(rows) for _, rows in read_rows(column)], "csr")
    return sparse.csr_array(column)


def _padded_parts(matrix: Any, n_rows: int, n_stored: int) -> Csr:
    """Return the parts of a CSR matrix with empty rows, and zeros, behind."""
    sizes = (n_rows + 1, n_stored, n_stored)
    return Csr(*map(padded, csr_parts(matrix, n_rows), sizes))


def _bytes_of_row(columns: Mapping[str, Column]) -> int:
    return sum(
        math.prod(column.shape[1:]) * np.dtype(column.dtype).itemsize for column in columns.values()
    )


def _rows_of_slab(columns: Mapping[str, Column], n_rows: int) -> int:
    """Return how many rows of large columns are made ready at a time, a power of 2.

    At most an eighth of the rows, so that a slab is small beside them.
    """
    at_once = min(_LAZY_ROWS, _LARGE // _bytes_of_row(columns), n_rows >> 3)
    return 1 << (max(at_once, 256).bit_length() - 1)


def _some(column: Column, rows: np.ndarray | None) -> Column:
    """Return the rows asked for, or all, of a column that has no blocks."""
    if is_lazy(column):
        return column.reader().take(np.arange(column.shape[0]) if rows is None else rows)
    return column if rows is None else column[rows]


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
    """A table made ready for many epochs: held in memory whole, unless it is large or sparse.

    Parameters
    ----------
    table : Table
    constants : mapping of str to ndarray
        Inputs of the loss that are the same for all rows.
    """

    def __init__(self, table: Table, constants: Mapping[str, np.ndarray]):
        self.table = table
        self.resident = table.arrays() if table.is_resident else None
        self.constants = dict(constants)
