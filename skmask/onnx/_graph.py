"""Graph: nodes and constants of an ONNX graph, written down operation by operation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["Graph"]

# Versions from which on an operator takes its axes as an input.
_AXES_AS_INPUT = {"ReduceMax": 18, "ReduceMin": 18, "ReduceSum": 13}


class Graph:
    """Nodes and constants, with names of their own.

    Parameters
    ----------
    opset : int
        Version of ONNX's operators.
    dtype : str
        "float32" or "float64": type of the network's arithmetic.
    """

    def __init__(self, opset: int, dtype: str):
        self.opset = opset
        self.dtype = np.dtype(dtype)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.prefix = "skmask"
        self._n_names = 0

    def name(self) -> str:
        """Return a name that no other value has."""
        self._n_names += 1
        return f"{self.prefix}_{self._n_names}"

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant; return its name."""
        array = np.asarray(value, dtype)
        if array.dtype.kind == "U":
            array = array.astype(object)
        name = self.name()
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def number(self, value: Any) -> str:
        """Add a constant of the network's type; return its name."""
        return self.constant(value, self.dtype)

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output; return its name."""
        (output,) = self.outputs(kind, 1, *inputs, **attributes)
        return output

    def outputs(self, kind: str, n_outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node; return the names of its outputs."""
        names = [self.name() for _ in range(n_outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, self.name(), **attributes))
        return names

    def cast(self, value: str, dtype: Any) -> str:
        """Return a value in another type."""
        return self("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reduce(self, kind: str, value: str, axis: int, *, keepdims: bool = True) -> str:
        """Return a maximum or a sum over an axis."""
        if self.opset >= _AXES_AS_INPUT[kind]:
            return self(kind, value, self.constant([axis], np.int64), keepdims=int(keepdims))
        return self(kind, value, axes=[axis], keepdims=int(keepdims))

    def with_axis(self, value: str, axis: int) -> str:
        """Return a value with a new axis of length 1."""
        return self("Unsqueeze", value, self.constant([axis], np.int64))

    def length(self, value: str, axis: int) -> str:
        """Return the length of an axis, shape (1,)."""
        return self("Gather", self("Shape", value), self.constant([axis], np.int64))

    def filled(self, shape: Sequence[str], value: Any, dtype: Any) -> str:
        """Return an array of one value, its shape put together from lengths of shape (1,)."""
        tensor = numpy_helper.from_array(np.asarray([value], dtype))
        return self("ConstantOfShape", self("Concat", *shape, axis=0), value=tensor)
