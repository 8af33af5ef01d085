"""Properties of layers that decide how far a batch may be changed for speed."""

import math
from collections.abc import Iterator
from typing import Any

from skmask.engine.tensorflow._names import keras
from skmask.nn import layers

# Layers that see the whole batch, or whose computation is unknown.
_NOT_BY_ROW = {
    "BatchNormalization", "CutMix", "FlaxLayer", "JaxLayer", "Lambda", "MelSpectrogram", "MixUp",
    "TFSMLayer", "TorchModuleWrapper",
}  # fmt: skip

_KNOWN_LAYERS = {
    layer
    for module in (keras.layers, layers)
    for name, layer in vars(module).items()
    if isinstance(layer, type) and issubclass(layer, keras.layers.Layer) and name not in _NOT_BY_ROW
}

# Functions of Keras tensors, `keras.ops.relu(x)` or `x + y`, that work on each number by itself.
_ELEMENTWISE = {
    "Abs", "Absolute", "Add", "Cast", "Celu", "Clip", "Divide", "Elu", "Equal", "Exp", "Expm1",
    "Gelu", "HardSigmoid", "HardSilu", "HardTanh", "Isnan", "LeakyRelu", "Log", "Log1p",
    "LogicalAnd", "LogicalNot", "LogicalOr", "LogSigmoid", "Maximum", "Minimum", "Mish",
    "Multiply", "Negative", "NotEqual", "Power", "Relu", "Relu6", "Selu", "Sigmoid", "Silu",
    "Softplus", "Softsign", "Sqrt", "Square", "Subtract", "Tanh", "TrueDivide",
}  # fmt: skip

# Those that work along an axis.
_ALONG_AN_AXIS = {"All", "Any", "Concatenate", "Max", "Mean", "Min", "Softmax", "Sum", "Take"}


def _operations(model: Any) -> Iterator[Any]:
    """Yield the layers and functions of a model and of the models and wrappers in it."""
    found: dict[int, Any] = {}
    for layer in model._flatten_layers():
        for operation in (layer, *getattr(layer, "operations", ())):
            found[id(operation)] = operation
    yield from found.values()


def numbers_per_row(model: Any) -> int:
    """Return how many numbers a row has in the largest of the outputs of a model's layers."""
    shapes = [
        tensor.shape[1:]
        for operation in _operations(model)
        for node in operation._inbound_nodes
        for tensor in node.output_tensors
    ]
    return max(math.prod(length or 1 for length in shape) for shape in shapes)


def is_by_row(model: Any) -> bool:
    """Say whether the output of each row is known to depend on that row only, in training too.

    Only then may rows that do not count stand in a batch. Everything unknown is taken for a
    function of the whole batch.
    """
    return all(_is_by_row(operation) for operation in _operations(model))


def _is_by_row(operation: Any) -> bool:
    kind = type(operation)
    if isinstance(operation, keras.Model):  # its layers are listed, too
        return kind in (keras.Model, keras.Sequential) or kind.__name__ == "Functional"
    if not isinstance(operation, keras.layers.Layer):
        return kind.__module__.startswith("keras.") and _is_function_by_row(operation)
    if kind not in _KNOWN_LAYERS and not kind.__module__.startswith("skmask."):
        return kind is keras.layers.InputLayer
    mixes = any(map(_may_be_that_of_rows, _axes(operation)))
    counts_rows = getattr(operation, "activity_regularizer", None) is not None
    own_function = any(
        not getattr(value, "__module__", "keras.").startswith("keras.")
        for name, value in vars(operation).items()
        if name.endswith("activation") and callable(value)
    )
    return not (mixes or counts_rows or own_function or getattr(operation, "stateful", False))


def _is_function_by_row(function: Any) -> bool:
    ranks = {len(t.shape) for node in function._inbound_nodes for t in node.input_tensors}
    if len(ranks) > 1:  # broadcasting may align rows with columns
        return False
    if type(function).__name__ in _ELEMENTWISE:
        return True
    axes = _axes(function)
    if type(function).__name__ == "Take" and any(
        len(node.input_tensors) > 1 for node in function._inbound_nodes
    ):  # which rows it takes depends on other rows
        return False
    return (
        type(function).__name__ in _ALONG_AN_AXIS
        and bool(axes)
        and not any(map(_may_be_that_of_rows, axes))
        and ranks != {1}
    )


def _axes(operation: Any) -> list[int]:
    """Return the axes that an operation says it works along."""
    axis = getattr(operation, "axis", None)
    if axis is None:
        return []
    return list(axis) if isinstance(axis, list | tuple) else [axis]


def _may_be_that_of_rows(axis: int) -> bool:
    """Say whether an axis, which counts from the end below 0, may be the first."""
    return axis == 0 or axis < -1


# What XLA takes in a loop on one core, several times slower than TensorFlow's own kernels; and
# indices: XLA takes one out of range for the nearest, TensorFlow says that it is wrong.
_NOT_FOR_XLA = ("Conv", "Pool", "Embedding")


def pays_under_xla(model: Any) -> bool:
    """Say whether XLA compiles a network faithfully, and to something faster."""
    names = [type(operation).__name__ for operation in _operations(model)]
    return not any(part in name for name in names for part in _NOT_FOR_XLA)
