"""Inference through kept functions that take the weights as arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from skmask.engine._machine import note_trace
from skmask.engine._network import Network
from skmask.engine._tensorflow import failures_named, keras, note_use, tf

# Rows at once, and numbers in a chunk's widest layer: what bounds the memory.
_CHUNK_ROWS = 16_384
_CHUNK_NUMBERS = 1 << 23

Finish = Callable[[np.ndarray, slice], np.ndarray]


@dataclass(frozen=True)
class _Forward:
    """A compiled function of the weights and any number of rows, to logits.

    Parameters
    ----------
    function : concrete function
    captured : list of tensors that it takes behind the rows: constants of the network
    model : the `keras.Model` that it was traced from, which keeps what it captured alive
    """

    function: Any
    captured: list[Any]
    model: Any


def _make_forward(network: Network) -> _Forward:
    # Variables stay unmade: their values are arguments.
    with network.settings(), keras.StatelessScope(initialize_variables=False):
        model = network.build()
    signature = [tf.TensorSpec(variable.shape, variable.dtype) for variable in model.variables]

    @tf.function(
        input_signature=[*signature, tf.TensorSpec(model.input_shape, network.input_dtype)],
        autograph=False,
    )
    def forward(*inputs: Any) -> Any:
        note_trace()
        *weights, X = inputs
        values = list(zip(model.variables, weights, strict=True))
        with keras.StatelessScope(values, initialize_variables=False):
            return tf.cast(model(X, training=False), network.dtype)

    with network.settings():
        concrete = forward.get_concrete_function()
    return _Forward(concrete, concrete.captured_inputs, model)


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
        self._dtypes = tf.as_dtype(network.input_dtype), tf.as_dtype(network.dtype)
        self._weights = [tf.constant(weight) for weight in weights]
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
        numbers = max(int(np.prod(shape)), int(np.prod(shape[:-1])) * self._width)
        step = min(_CHUNK_ROWS, 1 + _CHUNK_NUMBERS // numbers)
        results = np.empty(0, self._dtypes[1].as_numpy_dtype)
        for start in range(0, n_rows, step):
            rows = slice(start, start + step)
            with failures_named():
                found = self._logits(X[rows])
            check_finite_outputs(found, X, start)
            if finish is not None:
                found = finish(found, rows)
            if not start:
                results = np.empty((n_rows, *found.shape[1:]), found.dtype)
            results[rows] = found
        return results

    def _logits(self, X: Any) -> np.ndarray:
        if sparse.issparse(X):
            X = X.toarray()
        in_dtype, out_dtype = self._dtypes
        X = tf.constant(X.astype(in_dtype.as_numpy_dtype, copy=False))
        # The function's own call checks each argument's shape anew, which takes ten times as
        # long as a row.
        (logits,) = tf.raw_ops.StatefulPartitionedCall(
            args=[*self._weights, X, *self._forward.captured],
            Tout=[out_dtype],
            f=self._forward.function,
        )
        return np.asarray(logits)


def check_finite_outputs(outputs: np.ndarray, X: Any, start: int) -> None:
    """Raise for rows whose outputs are not finite; steps that are padding do not count.

    Parameters
    ----------
    outputs : ndarray of shape (n_rows, ..., n_outputs)
        Of the rows from `start` on.
    X : ndarray or CSR of shape (n_samples, ...)
        A step of a sequence is padding when it is NaN throughout.
    start : int
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(outputs.sum()):
            return
    is_bad = ~np.isfinite(outputs).all(axis=-1)
    if len(X.shape) == 3 and is_bad.shape[1:] == X.shape[1:2]:
        is_bad &= ~np.isnan(X[start : start + len(is_bad)]).all(axis=-1)
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
