"""Inference through kept functions that take the weights as arguments."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from skmask.engine._network import Network
from skmask.engine._program import note_trace
from skmask.engine._tensorflow import keras, note_use, tf

# Rows at once, and numbers in a chunk's input or output: what bounds the memory.
_CHUNK_ROWS = 16_384
_CHUNK_NUMBERS = 1 << 23


def _make_forward(network: Network) -> Any:
    """Return a compiled function of the weights and any number of rows, to logits."""
    model = network.build()

    @tf.function(
        input_signature=[
            *(tf.TensorSpec(variable.shape, variable.dtype) for variable in model.variables),
            tf.TensorSpec(model.input_shape, model.inputs[0].dtype),
        ],
        autograph=False,
    )
    def forward(*inputs: Any) -> Any:
        note_trace()
        *weights, X = inputs
        with keras.StatelessScope(list(zip(model.variables, weights, strict=True))):
            return tf.cast(model(X, training=False), tf.float32)

    return forward.get_concrete_function()


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
        n_rows, n_features = X.shape
        step = min(_CHUNK_ROWS, 1 + _CHUNK_NUMBERS // max(n_features, self._n_outputs))
        if n_rows <= step:
            return self._logits(X)
        logits = np.empty((n_rows, self._n_outputs), np.float32)
        for start in range(0, n_rows, step):
            logits[start : start + step] = self._logits(X[start : start + step])
        return logits

    def _logits(self, rows: Any) -> np.ndarray:
        if sparse.issparse(rows):
            rows = rows.toarray()
        # The function's own call checks each argument's shape anew, which takes ten times as
        # long as a row.
        (logits,) = tf.raw_ops.StatefulPartitionedCall(
            args=[*self._weights, tf.constant(rows)], Tout=[tf.float32], f=self._forward
        )
        return np.array(logits)
