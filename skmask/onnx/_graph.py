"""Graph and Tensor: ONNX nodes, written as expressions."""

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

__all__ = ["Graph", "Tensor", "log_sigmoid", "stacked"]

# The first version of the operators in which all that is used here has its present meaning.
OLDEST_OPSET = 13
# From here on the axes of a reduction are an input, as those of ReduceSum are before.
_AXES_ARE_INPUTS = 18


class Graph:
    """Nodes and constants of a graph that grows.

    Parameters
    ----------
    prefix : str
        Start of the names of all values.
    opset : int
        Version of the ONNX operators.
    """

    def __init__(self, prefix: str, opset: int):
        if opset < OLDEST_OPSET:
            raise ValueError(f"target_opset must be {OLDEST_OPSET} or more; got {opset}. Raise it.")
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = prefix
        self._names: list[str] = []

    def body(self) -> "Graph":
        """Return a graph inside this one, whose constants and names are those of this one."""
        inner = Graph(self._prefix, self.opset)
        inner.constants, inner._names = self.constants, self._names
        return inner

    def new_name(self) -> str:
        """Return a name that no other value has."""
        self._names.append(f"{self._prefix}_{len(self._names)}")
        return self._names[-1]

    def constant(self, values: Any, dtype: Any = None) -> "Tensor":
        """Return a constant; strings are of dtype object."""
        array = np.asarray(values, dtype)
        name = self.new_name()
        if array.dtype.kind in "OUS":
            array = array.astype(object)
            data = [str(each).encode() for each in array.ravel()]
            proto = helper.make_tensor(name, TensorProto.STRING, array.shape, data)
        else:
            # Views of fitted arrays may have their axes swapped.
            proto = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        self.constants.append(proto)
        return Tensor(self, name, array.dtype)

    def value(self, name: str, dtype: Any) -> "Tensor":
        """Return the value of this name that another part of the model computes."""
        return Tensor(self, name, np.dtype(dtype))

    def outputs_of(
        self, kind: str, inputs: list[str], n_outputs: int, **settings: Any
    ) -> list[str]:
        """Add a node, and return the names of its outputs."""
        outputs = [self.new_name() for _ in range(n_outputs)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **settings))
        return outputs


class Tensor:
    """A value of a graph; operators add nodes to it.

    Numbers and arrays beside it become constants of its type.

    Parameters
    ----------
    graph : Graph
    name : str
    dtype : dtype
    """

    # So that `array - tensor` is an expression of tensors, not an array of them.
    __array_ufunc__ = None

    def __init__(self, graph: Graph, name: str, dtype: np.dtype):
        self.graph = graph
        self.name = name
        self.dtype = dtype

    def __add__(self, other: Any) -> "Tensor":
        return self.apply("Add", other)

    def __sub__(self, other: Any) -> "Tensor":
        return self.apply("Sub", other)

    def __rsub__(self, other: Any) -> "Tensor":
        return self._constant(other) - self

    def __mul__(self, other: Any) -> "Tensor":
        return self.apply("Mul", other)

    def __truediv__(self, other: Any) -> "Tensor":
        return self.apply("Div", other)

    def __matmul__(self, other: Any) -> "Tensor":
        return self.apply("MatMul", other)

    def __neg__(self) -> "Tensor":
        return self.apply("Neg")

    def __and__(self, other: Any) -> "Tensor":
        return self.apply("And", other)

    def __or__(self, other: Any) -> "Tensor":
        return self.apply("Or", other)

    def __invert__(self) -> "Tensor":
        return self.apply("Not")

    def __gt__(self, other: Any) -> "Tensor":
        return self.apply("Greater", other, dtype=bool)

    def equals(self, other: Any) -> "Tensor":
        """Return where two values are equal."""
        return self.apply("Equal", other, dtype=bool)

    def apply(self, kind: str, *others: Any, dtype: Any = None, **settings: Any) -> "Tensor":
        """Return the output of a node whose first input is this value.

        Parameters
        ----------
        kind : str
            Name of the ONNX operator.
        *others : Tensor, number or array
            The other inputs.
        dtype : dtype, default=None
            Of the output. None: that of this value.
        **settings : anything
            Attributes of the node.
        """
        inputs = [self.name, *(self._constant(other).name for other in others)]
        (name,) = self.graph.outputs_of(kind, inputs, 1, **settings)
        return Tensor(self.graph, name, np.dtype(self.dtype if dtype is None else dtype))

    def _constant(self, value: Any) -> "Tensor":
        return value if isinstance(value, Tensor) else self.graph.constant(value, self.dtype)

    def cast(self, dtype: Any) -> "Tensor":
        """Return the value in another type."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype:
            return self
        return self.apply("Cast", dtype=dtype, to=helper.np_dtype_to_tensor_dtype(dtype))

    def where(self, is_so: Any, other: Any) -> "Tensor":
        """Return this value where something is so, and another elsewhere."""
        condition = is_so if isinstance(is_so, Tensor) else self.graph.constant(is_so, bool)
        inputs = [condition.name, self.name, self._constant(other).name]
        (name,) = self.graph.outputs_of("Where", inputs, 1)
        return Tensor(self.graph, name, self.dtype)

    def take(self, numbers: Any, axis: int) -> "Tensor":
        """Return some columns, rows or steps."""
        return self.apply("Gather", self._integers(numbers), axis=axis)

    def labelled(self, labels: np.ndarray) -> "Tensor":
        """Return the label of each of these numbers."""
        table = self.graph.constant(labels)
        return table.apply("Gather", self)

    def with_axis(self, axis: int) -> "Tensor":
        """Return the value with an axis of length 1 more."""
        return self.apply("Unsqueeze", self._integers([axis]))

    def transposed(self, *axes: int) -> "Tensor":
        """Return the value with its axes in another order."""
        return self.apply("Transpose", perm=axes)

    def sum(self, axis: int) -> "Tensor":
        """Return the sums over an axis."""
        return self.apply("ReduceSum", self._integers([axis]), keepdims=0)

    def maximum(self, axis: int) -> "Tensor":
        """Return the largest values along an axis, which stays."""
        if self.graph.opset < _AXES_ARE_INPUTS:
            return self.apply("ReduceMax", axes=[axis], keepdims=1)
        return self.apply("ReduceMax", self._integers([axis]), keepdims=1)

    def argmax(self) -> "Tensor":
        """Return the number of the largest value along the last axis, the first of equal ones."""
        return self.apply("ArgMax", dtype=np.int64, axis=-1, keepdims=0)

    def all(self) -> "Tensor":
        """Return whether all values along the last axis are true; the axis stays."""
        return ~(~self).cast(np.float32).maximum(-1).cast(bool)

    def length(self, axis: int) -> "Tensor":
        """Return the length of an axis, as an array of one integer."""
        shape = self.apply("Shape", dtype=np.int64)
        return shape.take([axis], 0)

    def expanded(self, *lengths: Any) -> "Tensor":
        """Return the value repeated along its axes of length 1."""
        ones = [self._integers([n]) if isinstance(n, int) else n for n in lengths]
        return self.apply("Expand", stacked(ones, 0))

    def _integers(self, numbers: Any) -> "Tensor":
        return self.graph.constant(numbers, np.int64)


def stacked(values: list[Tensor], axis: int) -> Tensor:
    """Return values behind each other along an axis."""
    first, *others = values
    return first.apply("Concat", *others, axis=axis) if others else first


def log_sigmoid(x: Tensor) -> Tensor:
    """Return log(1 / (1 + exp(-x))), for x of any size."""
    return -((-x).apply("Max", 0) + ((-x.apply("Abs")).apply("Exp") + 1).apply("Log"))
