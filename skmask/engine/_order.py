"""In which order an epoch takes the rows: functions of their arguments, not of a stream."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

__all__ = ["Order", "Windows", "epoch_order", "order_by_length", "order_of", "windowed_order"]

# For each window the spans of its blocks, (start, stop), and the numbers of its rows in order.
Windows = Iterable[tuple[list[tuple[int, int]], np.ndarray]]
Order = Callable[[int, int], Any]  # an ndarray, or Windows


def order_of(
    n_rows: int,
    lengths: np.ndarray | None,
    batch_size: int,
    bounds: np.ndarray | None = None,
    window: int = 0,
) -> Order:
    """Return the function `(seed, epoch)` that says in which order rows are taken.

    Parameters
    ----------
    n_rows : int
    lengths : ndarray of shape (n_rows,) or None
        Work that each row takes: rows of similar length share a batch.
    batch_size : int
    bounds : ndarray of int of shape (n_blocks + 1,), default=None
        Where the blocks of rows begin, and where the last one ends, if they come in blocks.
    window : int, default=0
        As in `windowed_order`.
    """
    if bounds is not None:
        return partial(windowed_order, bounds=bounds, window=window)
    if lengths is None:
        return partial(epoch_order, n_rows=n_rows)
    return partial(order_by_length, lengths=lengths, batch_size=batch_size)


def epoch_order(seed: int, epoch: int, n_rows: int) -> np.ndarray:
    """Return the order of the rows in an epoch: a function of its arguments, not of a stream.

    So a training that is stopped, stored and taken up again goes on as if it had not been.
    """
    return np.random.default_rng([seed, epoch]).permutation(n_rows)


def order_by_length(seed: int, epoch: int, lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """Return an order in which the rows of a batch are of similar length, batches at random.

    Batches are as many and as large as in `epoch_order`, the short one last. Rows of one length
    come in random order, and which lengths make up the short batch is left to chance.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    n_whole, n_left = divmod(len(order), batch_size)
    start = rng.integers(n_whole + 1) * batch_size
    left_over = order[start : start + n_left]
    whole = np.delete(order, slice(start, start + n_left)).reshape(n_whole, batch_size)
    return np.concatenate([rng.permutation(whole).ravel(), left_over])


def windowed_order(
    seed: int, epoch: int, bounds: np.ndarray, window: int
) -> Iterator[tuple[list[tuple[int, int]], np.ndarray]]:
    """Yield the blocks of each window of an epoch, and the order of the rows in it.

    Blocks come in random order; rows are shuffled within a window. A window that holds all rows
    has the order of `epoch_order`.

    Parameters
    ----------
    seed, epoch : int
    bounds : ndarray of int of shape (n_blocks + 1,)
    window : int
        The most rows of a window; a larger block is a window of its own.
    """
    rng = np.random.default_rng([seed, epoch])
    n_blocks = len(bounds) - 1
    blocks = np.arange(n_blocks) if bounds[-1] <= window else rng.permutation(n_blocks)
    for group in _grouped(blocks, np.diff(bounds), window):
        spans = [(int(bounds[block]), int(bounds[block + 1])) for block in group]
        numbers = np.concatenate([np.arange(start, stop) for start, stop in spans])
        yield spans, numbers[rng.permutation(len(numbers))]


def _grouped(blocks: np.ndarray, sizes: np.ndarray, window: int) -> Iterator[list[int]]:
    """Yield blocks, one after the other, in groups of at most so many rows."""
    group: list[int] = []
    n_rows = 0
    for block in blocks.tolist():
        if group and n_rows + sizes[block] > window:
            yield group
            group, n_rows = [], 0
        group.append(block)
        n_rows += sizes[block]
    yield group
