"""Answers from logits of candidates: the allowed classes of all rows, one after the other."""

import numpy as np

__all__ = ["best_candidates", "candidate_softmax"]


def candidate_softmax(logits: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the softmax over the candidates of each row.

    Parameters
    ----------
    logits : ndarray of shape (n_candidates,)
    starts : ndarray of int of shape (n_rows,)
        Where the candidates of each row start; each row has one at least.
    """
    row_of = _row_of(logits, starts)
    values = np.exp(logits - np.maximum.reduceat(logits, starts)[row_of])
    values /= np.add.reduceat(values, starts)[row_of]
    return values


def best_candidates(logits: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the number of the first candidate of the highest logit, for each row.

    Parameters
    ----------
    logits, starts : ndarray
        As in `candidate_softmax`.

    Returns
    -------
    ndarray of int of shape (n_rows,)
        Counted over all rows.
    """
    highest = np.maximum.reduceat(logits, starts)[_row_of(logits, starts)]
    are_highest = np.flatnonzero(logits == highest)
    return are_highest[np.searchsorted(are_highest, starts)]


def _row_of(logits: np.ndarray, starts: np.ndarray) -> np.ndarray:
    counts = np.diff(starts, append=len(logits))
    return np.repeat(np.arange(len(starts)), counts)
