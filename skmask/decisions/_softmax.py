"""Softmax over the allowed classes."""

from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["BELOW_ALLOWED", "decision_values", "log_softmax", "restricted", "softmax"]

# How far below the lowest logit of the allowed classes the decision value of another class is.
BELOW_ALLOWED = 100.0

# From this many rows on a copy with classes first pays: sums over few classes are slow in NumPy.
_MANY_ROWS = 64


def restricted(logits: np.ndarray, allowed: Any) -> np.ndarray:
    """Return logits with -inf where a class is not allowed.

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes)
    allowed : ndarray of bool that broadcasts to it, or CSR
    """
    return np.where(allowed.toarray() if sparse.issparse(allowed) else allowed, logits, -np.inf)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis: exactly 0 where a logit is -inf."""
    shifted, axis = _shifted(logits)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=axis, keepdims=True)
    return _classes_last(shifted, axis, logits.shape)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis: -inf where a logit is."""
    shifted, axis = _shifted(logits)
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return _classes_last(shifted, axis, logits.shape)


def _shifted(logits: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a copy of logits less the largest of each row, and the axis of its classes."""
    n_classes = logits.shape[-1]
    if logits.size < _MANY_ROWS * n_classes:
        return logits - logits.max(axis=-1, keepdims=True), -1
    by_class = logits.reshape(-1, n_classes).T
    return np.subtract(by_class, by_class.max(axis=0), order="C"), 0


def _classes_last(values: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return values with their classes on the last axis again."""
    return values if axis == -1 else values.T.reshape(shape)


def decision_values(logits: np.ndarray) -> np.ndarray:
    """Return logits, and for classes that are not allowed 100 less than the lowest of the others.

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes)
        -inf where a class is not allowed; each row has a class that is.

    Returns
    -------
    ndarray of the same shape
        Finite, so that rankings and calibrators can take it.
    """
    is_allowed = logits > -np.inf
    lowest = np.where(is_allowed, logits, np.inf).min(axis=-1, keepdims=True)
    # Logits so large that 100 less rounds to the same number still get one below.
    below = np.minimum(lowest - BELOW_ALLOWED, np.nextafter(lowest, -np.inf))
    return np.where(is_allowed, logits, below)
