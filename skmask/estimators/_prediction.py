"""Logits of many rows: chunks of bounded memory, on all cores."""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from joblib import cpu_count
from scipy import sparse
from threadpoolctl import ThreadpoolController

from skmask.data._messages import first_rows
from skmask.engine import RowSource, is_lazy, read_rows

__all__ = ["Finish", "Predictor", "check_finite_outputs", "type_of_results"]

Finish = Callable[[np.ndarray, slice], np.ndarray]

# Rows at once, and numbers in the widest layer of a chunk: they bound the memory, and keep a chunk
# in the caches of a core.
_CHUNK_ROWS = 8192
_CHUNK_NUMBERS = 1 << 20


class Predictor:
    """A function of rows to logits, applied chunk by chunk, from any thread.

    Parameters
    ----------
    forward : callable of an ndarray or CSR of shape (n, ...), to an ndarray
    width : int
        Units of the widest layer.
    is_parallel : bool
        Whether chunks are computed on all cores at once. Otherwise `forward` uses them itself.
    n_numbers : int, default=None
        Numbers that `forward` holds at once for a row. None: `width` at each step of a row.
    takes_sparse : bool, default=False
        Whether `forward` never makes sparse rows dense: a row is as large as its stored numbers.
    """

    def __init__(
        self,
        forward: Callable[[Any], np.ndarray],
        width: int,
        *,
        is_parallel: bool,
        n_numbers: int | None = None,
        takes_sparse: bool = False,
    ):
        self._forward = forward
        self._width = width
        self._is_parallel = is_parallel
        self._n_numbers = n_numbers
        self._takes_sparse = takes_sparse

    def __call__(self, X: Any, finish: Finish | None = None) -> np.ndarray:
        """Return logits for rows of floats.

        Parameters
        ----------
        X : ndarray, RowSource or CSR of shape (n_rows, ...)
            At least one row.
        finish : callable `(logits, rows) -> array of the same shape`, default=None
            Applied to the logits of a slice of the rows, while they are in the caches.

        Returns
        -------
        ndarray of shape (n_rows, ...)

        Raises
        ------
        ValueError
            For rows that the network cannot compute, and those whose logits are not finite.
        """
        if is_lazy(X):
            return self._by_block(X, finish)
        n_rows = X.shape[0]
        step = min(_CHUNK_ROWS, 1 + _CHUNK_NUMBERS // self._numbers_of_a_row(X))
        if n_rows <= step:
            return self._finished(X, slice(0, n_rows), finish)
        starts = range(0, n_rows, step)
        n_threads = min(_n_cores(), len(starts) - 1) if self._is_parallel else 1
        if n_threads == 1:
            return self._in_chunks(X, starts, finish, map)
        with _one_thread_in_blas(), ThreadPoolExecutor(n_threads) as pool:
            return self._in_chunks(X, starts, finish, pool.map)

    def _numbers_of_a_row(self, X: Any) -> int:
        """Return the numbers that a row takes in the widest place."""
        n_rows, *shape = X.shape
        of_input = math.prod(shape)
        if self._takes_sparse and sparse.issparse(X):
            of_input = 1 + X.nnz // n_rows
        # A layer is as wide as its weights, at each of the steps.
        return max(of_input, self._n_numbers or math.prod(shape[:-1]) * self._width)

    def _by_block(self, X: RowSource, finish: Finish | None) -> np.ndarray:
        """Compute the rows of a source one block after the other."""
        results = np.empty(0)
        for rows, block in read_rows(X):
            found = self(block, finish and _from(rows.start, finish))
            if rows.start == 0:
                results = np.empty((X.shape[0], *found.shape[1:]), found.dtype)
            results[rows] = found
        return results

    def _in_chunks(
        self, X: Any, starts: range, finish: Finish | None, apply: Callable[..., Iterable[Any]]
    ) -> np.ndarray:
        """Compute the rows behind each start, the first ones to see what comes of them."""

        def compute(start: int) -> np.ndarray:
            rows = slice(start, min(start + starts.step, X.shape[0]))
            return self._finished(X[rows], rows, finish)

        def store(start: int) -> None:
            results[start : start + starts.step] = compute(start)

        first = compute(0)
        results = np.empty((X.shape[0], *first.shape[1:]), first.dtype)
        results[: starts.step] = first
        for _ in apply(store, starts[1:]):
            pass
        return results

    def _finished(self, X: Any, rows: slice, finish: Finish | None) -> np.ndarray:
        with np.errstate(all="ignore"):
            logits = self._forward(X)
            check_finite_outputs(logits, X, rows.start)
            return logits if finish is None else finish(logits, rows)


def _from(start: int, finish: Finish) -> Finish:
    """Return a function for rows that are counted from another one."""
    return lambda logits, rows: finish(logits, slice(rows.start + start, rows.stop + start))


def _n_cores() -> int:
    """Return the number of cores that this process may use: in a worker, those granted to it."""
    granted = os.environ.get("OMP_NUM_THREADS", "")
    return int(granted) if granted.isdigit() and int(granted) else cpu_count()


_n_limiting = 0
_limit: Any = None
_limits = threading.Lock()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def _one_thread_in_blas() -> Iterator[None]:
    """Let BLAS use one thread per call while several predictions may be at work.

    The limit is one for the process: the first call that enters sets it, and the last one that
    leaves restores what was before.
    """
    global _n_limiting, _limit
    with _limits:
        if _n_limiting == 0:
            _limit = _controller().limit(limits=1, user_api="blas")
        _n_limiting += 1
    try:
        yield
    finally:
        with _limits:
            _n_limiting -= 1
            if _n_limiting == 0:
                _limit.restore_original_limits()


def check_finite_outputs(outputs: np.ndarray, X: Any, start: int) -> None:
    """Raise for rows whose outputs are not finite; steps that are padding do not count.

    Parameters
    ----------
    outputs : ndarray of shape (n_rows, ..., n_outputs)
    X : ndarray or CSR of shape (n_rows, ...)
        A step of a sequence is padding when it is NaN throughout.
    start : int
        The number of the first of these rows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(outputs.sum()):
            return
    is_bad = ~np.isfinite(outputs).all(axis=-1)
    if len(X.shape) == 3 and is_bad.shape[1:] == X.shape[1:2]:
        is_bad &= ~np.isnan(X).all(axis=-1)
    rows = start + np.flatnonzero(is_bad.reshape(len(is_bad), -1).any(axis=1))
    if rows.size:
        raise ValueError(
            "X must be of a size that network can compute with; got outputs that are not finite "
            f"for {first_rows(rows)}. Scale X as for the fit."
        )


def type_of_results(X: Any) -> np.dtype:
    """Return the type that results have: float64, unless all numbers of X are of float32."""
    return np.dtype(np.float32 if _is_float32(X) else np.float64)


def _is_float32(X: Any) -> bool:
    if isinstance(X, list | tuple):
        return bool(X) and all(map(_is_float32, X))
    types = [X.dtype] if hasattr(X, "dtype") else list(getattr(X, "dtypes", ()))  # of a frame
    return bool(types) and all(str(each).lower() == "float32" for each in types)
