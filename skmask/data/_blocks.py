"""X on disk: memory-mapped files, Dask arrays and data sets of Arrow, read block by block."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from skmask.data._messages import first_rows, quote

__all__ = [
    "Blocks", "as_blocks", "in_memory", "is_data_set", "is_on_disk", "opened", "rows_at_once",
]  # fmt: skip

# Bytes of rows that are shuffled together, unless their number is given.
_BUFFER_BYTES = 1 << 28
# Blocks of a file without blocks of its own, in a buffer of rows.
_BLOCKS_AT_ONCE = 16


class Blocks(ABC):
    """Rows that come in blocks, each of them checked whenever it is read.

    Parameters
    ----------
    n_features : int
    dtype : dtype
        Their own. They are cast to float32 where it holds their numbers, otherwise to float64.
    bounds : ndarray of int of shape (n_blocks + 1,)
        Where the blocks begin, and where the last one ends.
    names : list of str or None
        Of the columns.
    """

    _is_checked = True

    def __init__(self, n_features: int, dtype: Any, bounds: np.ndarray, names: Any = None):
        self.bounds = np.unique(bounds)
        self.shape = (int(self.bounds[-1]), n_features)
        self._own_dtype = np.dtype(dtype)
        self.dtype = np.dtype(np.float32 if dtype in (np.float16, np.float32) else float)
        self.names: list[str] | None = names

    # Of the argument that they are, in messages.
    argument = "X"

    def __len__(self) -> int:
        return self.shape[0]

    def with_dtype(self, dtype: Any) -> "Blocks":
        """Return the same rows, cast to another type."""
        other = copy(self)
        other.dtype = np.dtype(dtype)
        return other

    def as_they_are(self) -> "Blocks":
        """Return the same rows in their own type, unchecked: for those who check them."""
        other = self.with_dtype(self._own_dtype)
        other._is_checked = False
        return other

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return a block, checked: floats of shape (stop - start, n_features)."""
        rows = self._read(start, stop)
        return self._checked(rows, start, stop) if self._is_checked else rows

    def numbered(self, columns: Any) -> Any:
        """Return columns that are called by their names as numbers, others as they are."""
        is_one = isinstance(columns, str)
        called = [columns] if is_one else columns
        if not isinstance(called, list | tuple) or not set(called) <= {*(self.names or ())}:
            return columns
        return [self.names.index(name) for name in called]  # type: ignore[union-attr]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.whole(), dtype)

    def part(self, numbers: np.ndarray) -> "Blocks":
        """Return the rows of these numbers, which rise."""
        return _PartOfBlocks(self, numbers)

    def whole(self) -> np.ndarray:
        """Return all rows."""
        reader = self.reader()
        reader.hold([(0, len(self))])
        return reader.take(np.arange(len(self)))

    def reader(self) -> Any:
        """Return a reader, as the engine wants it."""
        return _BufferReader(self)

    @abstractmethod
    def _read(self, start: int, stop: int) -> np.ndarray:
        """Return the numbers of a block as they are."""

    def _checked(self, rows: np.ndarray, start: int, stop: int) -> np.ndarray:
        where = f"the block that begins with row {start}"
        if rows.dtype.kind not in "biuf":
            raise TypeError(
                f"{self.argument} must hold numbers; got {rows.dtype} in {where}. Convert them."
            )
        if rows.shape != (stop - start, self.shape[1]):
            raise ValueError(
                f"{self.argument} must have {stop - start} rows of {self.shape[1]} columns in "
                f"{where}, as it announces; got shape {rows.shape}. Make the file or the array "
                "anew."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            rows = rows.astype(self.dtype, copy=False)
            if math.isfinite(rows.sum()):  # which may overflow where all numbers are finite
                return rows
        is_bad = ~np.isfinite(rows).all(axis=1)
        if is_bad.any():
            found, numbers = rows[is_bad], start + np.flatnonzero(is_bad)
            raise ValueError(
                f"{self.argument} must hold finite numbers, which {self.dtype} can hold; got "
                f"{quote(found[~np.isfinite(found)])} in {first_rows(numbers)}. Replace them, or "
                "leave these rows out."
            )
        return rows


class _PartOfBlocks(Blocks):
    """Some rows of blocks, in their order."""

    def __init__(self, blocks: Blocks, numbers: np.ndarray):
        self.argument = blocks.argument
        self._blocks = blocks
        self._numbers = numbers
        bounds = np.searchsorted(numbers, blocks.bounds)
        super().__init__(blocks.shape[1], blocks._own_dtype, bounds, blocks.names)

    def _read(self, start: int, stop: int) -> np.ndarray:
        numbers = self._numbers[start:stop]
        block = int(np.searchsorted(self._blocks.bounds, numbers[0], "right"))
        first, end = self._blocks.bounds[block - 1 : block + 1].tolist()
        return self._blocks.read(first, end)[numbers - first]


class _BufferReader:
    """Holds the rows of some blocks in one array."""

    def __init__(self, blocks: Blocks):
        self._blocks = blocks
        self._bounds = blocks.bounds
        # What is added to the number of a row of a block to find it in the array.
        self._shifts = np.zeros(len(self._bounds), np.int64)
        self._rows = np.empty((0, blocks.shape[1]), blocks.dtype)

    def hold(self, spans: Sequence[tuple[int, int]]) -> None:
        bounds = self._bounds
        blocks = np.unique(
            [
                block
                for start, stop in spans
                for block in range(
                    int(np.searchsorted(bounds, start, "right")) - 1,
                    int(np.searchsorted(bounds, stop, "left")),
                )
            ]
        )
        self._rows = np.empty((0, *self._rows.shape[1:]), self._rows.dtype)  # before others come
        n_rows = int(np.diff(bounds)[blocks].sum())
        rows = np.empty((n_rows, *self._rows.shape[1:]), self._rows.dtype)
        end = 0
        for block in blocks.tolist():
            start, stop = int(bounds[block]), int(bounds[block + 1])
            rows[end : end + stop - start] = self._blocks.read(start, stop)
            self._shifts[block] = end - start
            end += stop - start
        self._rows = rows

    def take(self, numbers: np.ndarray) -> np.ndarray:
        block = np.searchsorted(self._bounds, numbers, "right") - 1
        return np.take(self._rows, numbers + self._shifts[block], axis=0, mode="clip")


class _FileRows(Blocks):
    """Rows of a memory-mapped file, which need no buffer: its pages are one."""

    def __init__(self, values: np.memmap, n_rows: int, argument: str):
        self.argument = argument
        self._values = np.asarray(values)
        self._file = values
        step = max(1, n_rows // _BLOCKS_AT_ONCE)
        bounds = np.append(np.arange(0, len(values), step), len(values))
        super().__init__(values.shape[1], values.dtype, bounds)

    def reader(self) -> Any:
        return _FileReader(self)

    def whole(self) -> np.ndarray:
        return self.read(0, len(self))

    def _read(self, start: int, stop: int) -> np.ndarray:
        _check_size(self._file, self.argument)
        return self._values[start:stop]


class _FileReader:
    def __init__(self, rows: _FileRows):
        self._rows = rows

    def hold(self, spans: Sequence[tuple[int, int]]) -> None:
        for start, stop in spans:
            self._rows.read(start, stop)

    def take(self, numbers: np.ndarray) -> np.ndarray:
        rows = np.take(self._rows._values, numbers, axis=0, mode="clip")
        return rows.astype(self._rows.dtype, copy=False)


def _check_size(values: np.memmap, argument: str) -> None:
    """Raise where a file became too short: reading it would end the process."""
    whole: Any = values
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    if whole.filename is None:
        return
    try:
        found = os.path.getsize(whole.filename)
    except OSError:  # a file that was unlinked stays mapped
        return
    announced = whole.offset + whole.nbytes
    if found < announced:
        raise ValueError(
            f"{argument} must be a file of at least {announced} bytes; got {found}: "
            f"{whole.filename} ends early. Write it anew."
        )


class _DaskRows(Blocks):
    """Rows of a Dask array, in its chunks."""

    def __init__(self, values: Any, argument: str):
        self._values = values
        self.argument = argument
        if any(map(math.isnan, values.shape)):
            raise ValueError(
                f"{argument} must have chunks of known sizes; got a Dask array of unknown ones. "
                "Call its compute_chunk_sizes() first."
            )
        bounds = np.append(0, np.cumsum(values.chunks[0]))
        super().__init__(values.shape[1], values.dtype, bounds)

    def _read(self, start: int, stop: int) -> np.ndarray:
        rows = np.asarray(self._values[start:stop].compute())
        if rows.dtype != self._values.dtype:
            raise ValueError(
                f"{self.argument} must be of {self._values.dtype} in all blocks, as it announces; "
                f"got {rows.dtype} in the block that begins with row {start}. Cast it by astype."
            )
        return rows


class _ArrowRows(Blocks):
    """Rows of a data set of Arrow, in the row groups of Parquet, or file by file."""

    def __init__(self, dataset: Any, names: Sequence[str], argument: str):
        self.argument = argument
        self._dataset = dataset
        if not names:
            raise ValueError(f"{argument} must have a column of numbers; got none. Add one.")
        types = [_type_of_column(dataset.schema, name) for name in names]
        with _Reading("at its files"):
            sized = [(piece, n) for piece in _pieces(dataset) if (n := _n_rows(piece))]
        self._pieces = [piece for piece, _ in sized]
        bounds = np.append(0, np.cumsum([n for _, n in sized], dtype=np.int64))
        super().__init__(len(names), np.result_type(*types), bounds, list(names))

    def _read(self, start: int, stop: int) -> np.ndarray:
        piece = self._pieces[int(np.searchsorted(self.bounds, start))]
        with _Reading(f"in the block that begins with row {start}", self.argument):
            table = piece.to_table(schema=self._dataset.schema, columns=self.names)
        rows = np.empty((table.num_rows, self.shape[1]), self.dtype)
        for number, column in enumerate(table.columns):
            if column.null_count:
                missing = start + np.flatnonzero(column.is_null().to_numpy())
                name = self.names[number]  # type: ignore[index]
                raise ValueError(
                    f"{self.argument} must hold numbers; got nothing in column {name!r} in "
                    f"{first_rows(missing)}. Fill them, or leave these rows out."
                )
            rows[:, number] = column.to_numpy()
        return rows


class _Reading:
    """Puts our words before the errors of Arrow."""

    def __init__(self, where: str, argument: str = "X"):
        self._where = where
        self._argument = argument

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, OSError | ValueError | TypeError | NotImplementedError):
            raise ValueError(
                f"{self._argument} must be a data set that can be read; got an error "
                f"{self._where}: {error} Write its files anew."
            ) from error


def _pieces(dataset: Any) -> list[Any]:
    """Return the parts of a data set that are read at a time."""
    return [
        piece
        for fragment in dataset.get_fragments()
        for piece in (
            fragment.split_by_row_group() if hasattr(fragment, "split_by_row_group") else [fragment]
        )
    ]


def _n_rows(piece: Any) -> int:
    groups = getattr(piece, "row_groups", None)  # which `count_rows` takes no notice of
    return piece.count_rows() if groups is None else sum(group.num_rows for group in groups)


def _type_of_column(schema: Any, name: str) -> Any:
    """Return the type of numbers of a column of a data set."""
    if schema.get_field_index(name) < 0:
        raise ValueError(
            f"X must have each of its columns once; got a data set in which {name!r} is missing or "
            f"repeated, among {quote(schema.names)}. Add it, or rename columns."
        )
    found = schema.field(name).type
    try:
        dtype = np.dtype(found.to_pandas_dtype())
    except (NotImplementedError, TypeError):
        dtype = np.dtype(object)
    if dtype.kind not in "biuf":
        raise TypeError(
            f"X must hold numbers; got column {name!r} of {found}. Convert it, leave it out, or "
            "pass its name as y if it holds the labels."
        )
    return dtype


# Recognising it. Neither Dask nor pyarrow is imported for that.


def _comes_from(values: Any, package: str, attribute: str) -> bool:
    return type(values).__module__.split(".")[0] == package and hasattr(values, attribute)


def _is_dask(values: Any) -> bool:
    return _comes_from(values, "dask", "chunks")


def is_data_set(values: Any) -> bool:
    """Say whether this is a data set of Arrow."""
    return _comes_from(values, "pyarrow", "get_fragments")


def _is_of_joblib(values: np.memmap) -> bool:
    """Say whether joblib has made this file of an array in memory, for its workers."""
    return "joblib_memmapping_folder" in str(values.filename)


def is_on_disk(values: Any) -> bool:
    """Say whether this is a table of numbers that may be larger than memory."""
    if isinstance(values, np.memmap):
        is_table = values.ndim == 2 and values.flags.c_contiguous and len(values) > 0
        return is_table and values.dtype.kind in "biuf" and not _is_of_joblib(values)
    return (_is_dask(values) and values.ndim == 2) or is_data_set(values)


def as_blocks(values: Any, buffer: int | None, names: Any = None, argument: str = "X") -> Blocks:
    """Return what is on disk as blocks.

    Parameters
    ----------
    values : np.memmap, dask.array.Array or pyarrow.dataset.Dataset
    buffer : int or None
        Rows that are shuffled together.
    names : list of str, default=None
        The columns of a data set that are read. None: all.
    argument : str, default="X"
        For messages.
    """
    if isinstance(values, np.memmap):
        n_rows = rows_at_once(buffer, values.shape[1] * values.dtype.itemsize)
        return _FileRows(values, n_rows, argument)
    if _is_dask(values):
        return _DaskRows(values, argument)
    names = list(values.schema.names) if names is None else names
    return _ArrowRows(values, names, argument)


def rows_at_once(buffer: int | None, bytes_of_row: int) -> int:
    """Return how many rows are shuffled together: as many as were asked for, or as fit."""
    return max(1, _BUFFER_BYTES // bytes_of_row) if buffer is None else int(buffer)


def opened(
    X: Any, y: Any, buffer: int | None, names: Any = None, argument: str = "X"
) -> tuple[Any, Any]:
    """Return X as blocks where it is on disk, and y in memory; others as they are.

    Parameters
    ----------
    X : anything
    y : anything
        The name of a column of X, where X is a data set.
    buffer : int or None
        Rows that are shuffled together.
    names : list of str, default=None
        The columns of a data set that are read. None: all but the one of y.
    argument : str, default="X"
        For messages.
    """
    if is_data_set(X) and isinstance(y, str):
        names = [name for name in X.schema.names if name != y] if names is None else names
        y = _labels_of(X, y)
    if is_on_disk(X):
        X = as_blocks(X, buffer, names, argument)
        if not len(X):
            raise ValueError(f"{argument} must hold a row at least; got 0 rows. Add some.")
    return X, in_memory(y)


def in_memory(values: Any) -> Any:
    """Return a Dask array as one of NumPy, others as they are."""
    return np.asarray(values.compute()) if _is_dask(values) else values


def _labels_of(dataset: Any, name: str) -> np.ndarray:
    """Return a column of a data set."""
    if dataset.schema.get_field_index(name) < 0:
        raise ValueError(
            f"y must be labels, or the name of a column of X; got {name!r}, which is not among "
            f"{quote(dataset.schema.names)}. Correct it."
        )
    with _Reading(f"in the column {name!r}"):
        return dataset.to_table(columns=[name]).column(0).to_numpy()
