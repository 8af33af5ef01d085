"""Inference through kept functions that take the weights as arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from skmask.engine._caches import Values
from skmask.engine._table import aligned
from skmask.engine.tensorflow._graph import Graph
from skmask.engine.tensorflow._machine import Machine
from skmask.engine.tensorflow._names import failures_named, keras, note_use, tf

__all__ = ["forward_function"]


class _Forward:
    """A compiled function of the weights and any number of rows, to logits.

    `run` is None once it is closed. A call at work holds the function that it runs, and with it
    the session.
    """

    def __init__(self, graph: Graph):
        model = graph.outline()

        def forward(weights: Any, X: Any) -> Any:
            values = list(zip(model.variables, weights, strict=True))
            with keras.StatelessScope(values, initialize_variables=False):
                return [tf.cast(model(X, training=False), graph.dtype)]

        shapes = [tf.TensorSpec(variable.shape, variable.dtype) for variable in model.variables]
        rows = tf.TensorSpec(model.input_shape, graph.input_dtype)
        with graph.settings():
            self.run: Any = Machine([]).function(forward, (shapes, rows), xla=False)

    def close(self) -> None:
        self.run = None


_kept = Values(capacity=64)


def _forward_of(graph: Graph) -> _Forward:
    if not graph.is_shareable:
        return _Forward(graph)
    return _kept.get(graph, lambda: _Forward(graph))


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
    forward = _forward_of(graph)
    held = [aligned(np.asarray(weight)) for weight in weights]

    def logits(X: Any) -> np.ndarray:
        nonlocal forward
        note_use()
        if sparse.issparse(X):
            X = X.toarray()
        run = forward.run
        while run is None:  # closed by `clear_caches`
            forward = _forward_of(graph)
            run = forward.run
        with failures_named():
            (found,) = run(held, X.astype(graph.input_dtype, copy=False))
        return found

    return logits
