"""In which order an epoch takes the rows: functions of their arguments, not of a stream."""

from collections.abc import Callable
from functools import partial

import numpy as np

__all__ = ["Order", "epoch_order", "order_by_length", "order_of"]

Order = Callable[[int, int], np.ndarray]


def order_of(n_rows: int, lengths: np.ndarray | None, batch_size: int) -> Order:
    """Return the function `(seed, epoch)` that says in which order rows are taken.

    Parameters
    ----------
    n_rows : int
    lengths : ndarray of shape (n_rows,) or None
        Work that each row takes: rows of similar length share a batch.
    batch_size : int
    """
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
