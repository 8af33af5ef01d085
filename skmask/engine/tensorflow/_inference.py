"""Inference through kept functions that take the weights as arguments."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from skmask.engine._table import aligned
from skmask.engine.tensorflow._graph import Graph
from skmask.engine.tensorflow._machine import Machine
from skmask.engine.tensorflow._names import failures_named, keras, note_use, tf

__all__ = ["forward_function"]


def _make_forward(graph: Graph) -> Any:
    """Return a compiled function of the weights and any number of rows, to logits."""
    model = graph.outline()

    def forward(weights: Any, X: Any) -> Any:
        values = list(zip(model.variables, weights, strict=True))
        with keras.StatelessScope(values, initialize_variables=False):
            return [tf.cast(model(X, training=False), graph.dtype)]

    shapes = [tf.TensorSpec(variable.shape, variable.dtype) for variable in model.variables]
    rows = tf.TensorSpec(model.input_shape, graph.input_dtype)
    with graph.settings():
        return Machine([]).function(forward, (shapes, rows), xla=False)


_kept_forward = lru_cache(maxsize=64)(_make_forward)


def forward_function(graph: Graph, weights: list[np.ndarray]) -> Callable[[Any], np.ndarray]:
    """Return a function of rows to logits, for any number of threads.

    Parameters
    ----------
    graph : Graph
    weights : list of ndarray, in the order of `model.variables`

    Returns
    -------
    callable of an ndarray or CSR of shape (n, ...), to an ndarray of the graph's dtype
        It raises a ValueError for rows that the network cannot compute.
    """
    note_use()
    forward = _kept_forward(graph) if graph.is_shareable else _make_forward(graph)
    held = [aligned(np.asarray(weight)) for weight in weights]

    def logits(X: Any) -> np.ndarray:
        note_use()
        if sparse.issparse(X):
            X = X.toarray()
        with failures_named():
            (found,) = forward(held, X.astype(graph.input_dtype, copy=False))
        return found

    return logits
