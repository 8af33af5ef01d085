"""Logits of networks that only Keras computes, by Keras' own way to ONNX."""

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from onnx import compose, helper

from skmask.onnx._graph import Graph, Tensor, stacked

__all__ = ["own_logits", "packed", "taken"]

# The newest operators that tf2onnx writes.
_NEWEST_OPSET = 18


def own_logits(fit: Any, X: Tensor) -> Tensor:
    """Return the logits of a network, as Keras and tf2onnx write it.

    Parameters
    ----------
    fit : Fit
    X : Tensor of the type of the weights
    """
    if find_spec("tf2onnx") is None:
        raise ImportError(
            "tf2onnx must be installed to write a network of one's own as ONNX; got none. "
            'Install it with `pip install "skmask[onnx]"`.'
        )
    graph = X.graph
    if graph.opset > _NEWEST_OPSET:
        raise ValueError(
            f"target_opset must be {_NEWEST_OPSET} or less for a network of one's own, which "
            f"tf2onnx writes; got {graph.opset}. Set it, or use skmask.onnx.to_onnx."
        )
    network = compose.add_prefix_graph(_exported(fit, graph.opset), f"{graph.new_name()}_")
    (given,), (result,) = network.input, network.output
    graph.nodes.append(helper.make_node("Identity", [X.name], [given.name]))
    graph.nodes.extend(network.node)
    graph.constants.extend(network.initializer)
    return graph.value(result.name, X.dtype)


def _exported(fit: Any, opset: int) -> Any:
    """Return the graph of the Keras model."""
    spec = keras.InputSpec(shape=(None, *fit.signature.input_shape), dtype=fit.dtype, name="X")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "network.onnx"))
        fit.keras_model.export(
            path, format="onnx", verbose=False, input_signature=[spec], opset_version=opset
        )
        return onnx.load(path).graph


def packed(X: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return sequences with their real steps first, and where each step of X went.

    Parameters
    ----------
    X : Tensor of shape (n, n_steps, n_features)
    real : Tensor of bool of shape (n, n_steps, 1)
    """
    order = _sorted(real.cast(np.float32), largest=1)
    return taken(X, order), _sorted(order, largest=0)


def _sorted(values: Tensor, *, largest: int) -> Tensor:
    """Return the order of values along the steps, of equal ones the first first."""
    graph: Graph = values.graph
    inputs = [values.name, values.length(1).name]
    _, order = graph.outputs_of("TopK", inputs, 2, axis=1, largest=largest)
    return graph.value(order, np.int64)


def taken(values: Tensor, order: Tensor) -> Tensor:
    """Return the steps of each sequence in an order of its own."""
    shape = stacked([order.length(0), order.length(1), values.length(2)], 0)
    return values.apply("GatherElements", order.apply("Expand", shape), axis=1)
