"""CSR columns that stay sparse on their way into a program."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Csr", "csr_parts", "most_stored"]


class Csr(NamedTuple):
    """The arrays of a CSR column, as a program takes them.

    Parameters
    ----------
    starts : ndarray of int64 of shape (n_rows + 1,)
        Where the numbers of each row start, and where those of the last row end.
    columns : ndarray of int32 of shape (n_stored,)
    values : ndarray of shape (n_stored,)
    """

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def csr_parts(matrix: Any, n_rows: int) -> Csr:
    """Return the arrays of a CSR matrix, with empty rows behind up to `n_rows`."""
    n_stored = matrix.indptr[-1]
    starts = np.full(n_rows + 1, n_stored, np.int64)
    starts[: len(matrix.indptr)] = matrix.indptr
    columns = matrix.indices[:n_stored].astype(np.int32, copy=False)
    return Csr(starts, columns, matrix.data[:n_stored])


def most_stored(matrix: Any, n_rows: int) -> int:
    """Return how many numbers any `n_rows` different rows of a CSR matrix hold at most."""
    lengths = np.diff(matrix.indptr)
    if n_rows < len(lengths):
        lengths = np.partition(lengths, -n_rows)[-n_rows:]
    return int(lengths.sum(dtype=np.int64))
