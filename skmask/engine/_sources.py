"""Rows that are read when they are needed: of large arrays, and block by block from disk."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from scipy import sparse

__all__ = [
    "LazyRows",
    "RowReader",
    "RowSource",
    "bounds_of",
    "is_lazy",
    "read_rows",
    "reader_of",
    "some_rows",
]

Spans = Sequence[tuple[int, int]]

# Rows, and bytes, that are read at a time where they come in order. A block is never cut.
_ROWS_AT_ONCE = 65536
_BYTES_AT_ONCE = 1 << 26


class RowReader(Protocol):
    """One pass over the rows of a source."""

    def hold(self, spans: Spans) -> None:
        """Hold the rows of these spans in memory, (start, stop) each, and no others."""

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Return rows by number, all of them held."""


class RowSource(Protocol):
    """Rows that are read when they are needed.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    bounds : ndarray of int of shape (n_blocks + 1,) or None
        Where the blocks begin, and where the last one ends. None: any rows can be taken at any
        time.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    bounds: np.ndarray | None

    def reader(self) -> RowReader:
        """Return a reader, which is used by one thread."""


class LazyRows:
    """Rows of an array or of another source: some of them, or converted, when they are read.

    Parameters
    ----------
    values : ndarray, CSR or RowSource of shape (n, ...)
    numbers : ndarray of int of shape (n_rows,), default=None
        The rows, in rising order where `values` has blocks. None: all.
    convert : callable of an ndarray of rows to another one, default=None
    dtype : dtype, default=None
        That of converted rows.
    """

    def __init__(
        self,
        values: Any,
        numbers: np.ndarray | None = None,
        convert: Callable[[np.ndarray], np.ndarray] | None = None,
        dtype: Any = None,
    ):
        self._values = values
        self._numbers = numbers
        self._convert = convert
        n_rows = values.shape[0] if numbers is None else len(numbers)
        self.shape: tuple[int, ...] = (n_rows, *values.shape[1:])
        self.dtype = np.dtype(values.dtype if dtype is None else dtype)
        self.bounds = bounds_of(values)
        if self.bounds is not None and numbers is not None:
            self.bounds = np.unique(np.searchsorted(numbers, self.bounds))

    def __len__(self) -> int:
        return self.shape[0]

    def reader(self) -> RowReader:
        """Return a reader, which is used by one thread."""
        return _LazyReader(reader_of(self._values), self._numbers, self._convert)


class _LazyReader:
    def __init__(self, inner: RowReader, numbers: np.ndarray | None, convert: Any):
        self._inner = inner
        self._numbers = numbers
        self._convert = convert

    def hold(self, spans: Spans) -> None:
        numbers = self._numbers
        if numbers is not None:
            spans = [(int(numbers[start]), int(numbers[stop - 1]) + 1) for start, stop in spans]
        self._inner.hold(spans)

    def take(self, numbers: np.ndarray) -> np.ndarray:
        rows = self._inner.take(numbers if self._numbers is None else self._numbers[numbers])
        return rows if self._convert is None else self._convert(rows)


class _ArrayReader:
    """Reads rows of an array, dense or CSR."""

    def __init__(self, values: Any):
        self._values = values
        # Without a check of each number, which takes a copy on the way.
        self._is_plain = isinstance(values, np.ndarray) and values.flags.c_contiguous

    def hold(self, spans: Spans) -> None:
        pass

    def take(self, numbers: np.ndarray) -> np.ndarray:
        if self._is_plain:
            return np.take(self._values, numbers, axis=0, mode="clip")
        rows = self._values[numbers]
        return rows.toarray() if sparse.issparse(rows) else rows


def is_lazy(values: Any) -> bool:
    """Say whether rows are read when they are needed."""
    return hasattr(values, "reader")


def reader_of(values: Any) -> RowReader:
    """Return a reader of a source, or of an array."""
    return values.reader() if is_lazy(values) else _ArrayReader(values)


def bounds_of(values: Any) -> np.ndarray | None:
    """Return where the blocks of a source begin and end; None where it has none."""
    return getattr(values, "bounds", None)


def read_rows(values: Any) -> Iterable[tuple[slice, np.ndarray]]:
    """Yield all rows of a source in their order, one or more blocks at a time."""
    bytes_of_row = math.prod(values.shape[1:]) * values.dtype.itemsize
    at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(1, bytes_of_row)))
    bounds = bounds_of(values)
    if bounds is None:
        bounds = np.append(np.arange(0, values.shape[0], at_once), values.shape[0])
    reader = values.reader()
    for start, stop in _spans(bounds, at_once):
        reader.hold([(start, stop)])
        yield slice(start, stop), reader.take(np.arange(start, stop))


def _spans(bounds: np.ndarray, at_once: int) -> Iterator[tuple[int, int]]:
    """Yield where to begin and to end reading: at most so many rows, but a block at least."""
    start, n_rows = 0, int(bounds[-1])
    while start < n_rows:
        stop = int(bounds[np.searchsorted(bounds, start + at_once, "right") - 1])
        if stop <= start:
            stop = int(bounds[np.searchsorted(bounds, start, "right")])
        yield start, stop
        start = stop


def some_rows(values: Any, rows: slice) -> Any:
    """Return neighbouring rows of a source or of an array."""
    if not is_lazy(values):
        return values[rows]
    reader = values.reader()
    reader.hold([(rows.start, rows.stop)])
    return reader.take(np.arange(rows.start, rows.stop))
