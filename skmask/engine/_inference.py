"""Inference through kept functions that take the weights as arguments."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from skmask.engine._network import Network
from skmask.engine._program import note_trace
from skmask.engine._tensorflow import keras, note_use, tf

# Rows at once: bounds memory, and keeps what a chunk touches within the caches.
_CHUNK_ROWS = 4096

Forward = Callable[[list[Any], Any], Any]


def _make_forward(network: Network) -> Forward:
    """Return a compiled function `(weights, X) -> logits` for any number of rows."""
    model = network.build()

    def forward(weights: list[Any], X: Any) -> Any:
        note_trace()
        with keras.StatelessScope(list(zip(model.variables, weights, strict=True))):
            return tf.cast(model(X, training=False), tf.float32)

    signature = [
        [tf.TensorSpec(variable.shape, variable.dtype) for variable in model.variables],
        tf.TensorSpec(model.input_shape, model.inputs[0].dtype),
    ]
    return tf.function(forward, input_signature=signature, autograph=False).get_concrete_function()


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
        self._weights = [tf.constant(weight) for weight in weights]
        self._n_outputs = network.output_shape[-1]

    def __call__(self, X: Any) -> np.ndarray:
        """Return logits of shape (n_rows, n_outputs) for float32 rows, dense or CSR."""
        note_use()
        logits = np.empty((X.shape[0], self._n_outputs), np.float32)
        for start in range(0, X.shape[0], _CHUNK_ROWS):
            rows = X[start : start + _CHUNK_ROWS]
            if sparse.issparse(rows):
                rows = rows.toarray()
            logits[start : start + _CHUNK_ROWS] = self._forward(self._weights, tf.constant(rows))
        return logits
