"""Inference through kept functions that take the weights as arguments."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from skmask.engine._machine import Machine
from skmask.engine._network import Network
from skmask.engine._table import aligned
from skmask.engine._tensorflow import failures_named, keras, note_use, tf

# Rows at once, and numbers in a chunk's widest layer: what bounds the memory.
_CHUNK_ROWS = 16_384
_CHUNK_NUMBERS = 1 << 23

Finish = Callable[[np.ndarray, slice], np.ndarray]


def _make_forward(network: Network) -> Any:
    """Return a compiled function of the weights and any number of rows, to logits."""
    model = network.outline()

    def forward(weights: Any, X: Any) -> Any:
        values = list(zip(model.variables, weights, strict=True))
        with keras.StatelessScope(values, initialize_variables=False):
            return [tf.cast(model(X, training=False), network.dtype)]

    shapes = [tf.TensorSpec(variable.shape, variable.dtype) for variable in model.variables]
    rows = tf.TensorSpec(model.input_shape, network.input_dtype)
    with network.settings():
        return Machine([]).function(forward, (shapes, rows), xla=False)


_kept_forward = lru_cache(maxsize=64)(_make_forward)


class Predictor:
    """A network with its weights, ready to map rows to logits from any thread.

    Parameters
    ----------
    network : Network
    weights : list of ndarray, in the order of `model.variables`
    """

    def __init__(self, network: Network, weights: list[np.ndarray]):
        note_use()
        make = _kept_forward if network.is_shareable else _make_forward
        self._forward = make(network)
        self._dtypes = network.input_dtype, network.dtype
        self._weights = [aligned(np.asarray(weight)) for weight in weights]
        self._width = max((shape[-1] for shape in network.weight_shapes if shape), default=1)

    def __call__(self, X: Any, finish: Finish | None = None) -> np.ndarray:
        """Return logits for rows of floats.

        Parameters
        ----------
        X : ndarray or CSR of shape (n_rows, n_features), or ndarray of shape (n_rows, ...)
        finish : callable `(logits, rows) -> array of the same shape`, default=None
            What to make of the logits of a slice of the rows, while they are in the caches.

        Returns
        -------
        ndarray of the network's dtype of shape (n_rows, ...)
            What the network makes of them, one row at least.

        Raises
        ------
        ValueError
            For rows that the network cannot compute, and those whose logits are not finite.
        """
        note_use()
        n_rows, *shape = X.shape
        # A layer is as wide as its weights, at each of the steps.
        numbers = max(math.prod(shape), math.prod(shape[:-1]) * self._width)
        step = min(_CHUNK_ROWS, 1 + _CHUNK_NUMBERS // numbers)
        if n_rows <= step:
            return self._finished(X, slice(0, n_rows), finish)
        first = self._finished(X[:step], slice(0, step), finish)
        results = np.empty((n_rows, *first.shape[1:]), first.dtype)
        results[:step] = first
        for start in range(step, n_rows, step):
            rows = slice(start, start + step)
            results[rows] = self._finished(X[rows], rows, finish)
        return results

    def _finished(self, X: Any, rows: slice, finish: Finish | None) -> np.ndarray:
        with failures_named():
            logits = self._logits(X)
        check_finite_outputs(logits, X, rows.start)
        return logits if finish is None else finish(logits, rows)

    def _logits(self, X: Any) -> np.ndarray:
        if sparse.issparse(X):
            X = X.toarray()
        (logits,) = self._forward(self._weights, X.astype(self._dtypes[0], copy=False))
        return logits


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
        if np.isfinite(outputs.sum()):
            return
    is_bad = ~np.isfinite(outputs).all(axis=-1)
    if len(X.shape) == 3 and is_bad.shape[1:] == X.shape[1:2]:
        is_bad &= ~np.isnan(X).all(axis=-1)
    rows = start + np.flatnonzero(is_bad.reshape(len(is_bad), -1).any(axis=1))
    if rows.size:
        first = ", ".join(map(str, rows[:5]))
        more = f" and {rows.size - 5} more" if rows.size > 5 else ""
        raise ValueError(
            "X must be of a size that network can compute with; got outputs that are not finite "
            f"for row{'s' if rows.size > 1 else ''} {first}{more}. Scale X as for the fit."
        )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of each row: 0 where a logit is -inf. On all cores."""
    return np.asarray(tf.raw_ops.Softmax(logits=logits))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax of each row: -inf where a logit is."""
    return np.asarray(tf.raw_ops.LogSoftmax(logits=logits))
