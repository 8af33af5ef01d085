"""Logits of networks that only Keras computes, by Keras' own way to ONNX."""

import logging
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from onnx import compose, helper
from onnx.reference import ReferenceEvaluator

from skmask.data._messages import shown
from skmask.engine import OwnNetwork
from skmask.onnx._graph import Tensor

__all__ = ["own_logits"]

# The newest operators that tf2onnx writes.
_NEWEST_OPSET = 18
_VARIABLE = "TF_CPP_MIN_LOG_LEVEL"


def own_logits(fit: Any, X: Tensor) -> Tensor:
    """Return the logits of a network, as Keras and tf2onnx write it.

    Parameters
    ----------
    fit : Fit
    X : Tensor of the type of the weights
    """
    if not isinstance(fit.network, OwnNetwork) or fit.network.takes_mask:
        raise ValueError(
            "network must be a built-in one, or one's own for rows of features, to be written as "
            f"ONNX; got {_named(fit.network)}, and tf2onnx writes neither masks of steps nor "
            "kernels of one's own. Use a built-in network, or a kernel by name."
        )
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


def _named(network: Any) -> str:
    if isinstance(network, OwnNetwork):
        return f"the network {shown(network.network)} for sequences"
    return f"the kernel {shown(network.kernel)}" if hasattr(network, "kernel") else shown(network)


def _exported(fit: Any, opset: int) -> Any:
    """Return the graph of the Keras model."""
    model, shape = fit.keras_model, fit.signature.input_shape
    spec = keras.InputSpec(shape=(None, *shape), dtype=fit.dtype, name="X")
    numbers = np.linspace(-1, 1, 3 * math.prod(shape))
    batches = [np.ones((1, *shape)), numbers.reshape(3, *shape)]
    batches = [batch.astype(fit.dtype) for batch in batches]
    expected = [np.asarray(model(batch, training=False)) for batch in batches]
    try:
        with tempfile.TemporaryDirectory() as folder, _surroundings_kept():
            path = str(Path(folder, "network.onnx"))
            model.export(
                path, format="onnx", verbose=False, input_signature=[spec], opset_version=opset
            )
            written = onnx.load(path)
        evaluator = ReferenceEvaluator(written)
        found = [evaluator.run(None, {"X": batch})[0] for batch in batches]
    except Exception as error:
        raise ValueError(
            "network must be made of layers that tf2onnx writes as operators of ONNX; got "
            f"{shown(fit.network.network)}, for which that fails. Use other layers, or a built-in "
            "network."
        ) from error
    if not all(map(_is_near, found, expected)):
        raise ValueError(
            "network must be one that tf2onnx writes as it is; got a network whose ONNX model "
            "returns other logits. Use other layers, or a built-in network."
        )
    return written.graph


def _is_near(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-3, atol=1e-3)


@contextmanager
def _surroundings_kept() -> Iterator[None]:
    """Take back what tf2onnx sets: how much TensorFlow writes, and a handler of all logs."""
    before = os.environ.get(_VARIABLE)
    handlers, logger = list(logging.root.handlers), logging.root
    logger.addFilter(_is_of_others)
    try:
        yield
    finally:
        logger.removeFilter(_is_of_others)
        for handler in [each for each in logger.handlers if each not in handlers]:
            logger.removeHandler(handler)
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before


def _is_of_others(record: logging.LogRecord) -> bool:
    return "tf2onnx" not in record.pathname
