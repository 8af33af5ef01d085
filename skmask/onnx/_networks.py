"""Logits of the networks of `skmask.networks`, as ONNX nodes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from skmask.networks import MLP, EncoderDecoder, PrototypeSums, Recurrent, Signature
from skmask.onnx._graph import Graph

__all__ = ["logits_of", "real_steps"]

_EXPONENT_AT_MOST = 30.0


def logits_of(g: Graph, network: Any, weights: list[np.ndarray], x: str, signature: Any) -> str:
    """Return the logits of rows.

    Parameters
    ----------
    g : Graph
    network : Network
    weights : list of ndarray
        As `network.weights(signature)` lists them.
    x : str
        Rows of the type of the graph; sequences with NaN at padding.
    signature : Signature
    """
    for kind, build in _BUILDERS.items():
        if isinstance(network, kind):
            return build(g, network, weights, x, signature)
    raise TypeError(
        "network must be MLP, Recurrent, EncoderDecoder or PrototypeSums to be exported; got "
        f"{network!r}. Export model_ with an exporter of Keras, and add the mask and the "
        "decision behind it."
    )


def _dense(g: Graph, x: str, kernel: np.ndarray, bias: np.ndarray) -> str:
    return g("Add", g("MatMul", x, g.number(kernel)), g.number(bias))


# Activations by Keras' names.


def _gelu(g: Graph, x: str) -> str:
    half = g("Mul", g.number(0.5), x)
    inner = g("Erf", g("Div", x, g.number(np.sqrt(2))))
    return g("Mul", half, g("Add", g.number(1), inner))


def _hard_sigmoid(g: Graph, x: str) -> str:
    shifted = g("Add", g("Div", x, g.number(6)), g.number(0.5))
    return g("Clip", shifted, g.number(0), g.number(1))


def _elu(g: Graph, x: str, alpha: float = 1.0, scale: float = 1.0) -> str:
    negative = g("Sub", g("Exp", g("Min", x, g.number(0))), g.number(1))
    is_positive = g("Greater", x, g.number(0))
    return g(
        "Where",
        is_positive,
        g("Mul", x, g.number(scale)),
        g("Mul", negative, g.number(alpha * scale)),
    )


def _softplus(g: Graph, x: str) -> str:
    small = g("Exp", g("Neg", g("Abs", x)))
    return g("Add", g("Max", x, g.number(0)), g("Log", g("Add", g.number(1), small)))


def _silu(g: Graph, x: str) -> str:
    return g("Mul", x, g("Sigmoid", x))


_ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "celu": _elu,
    "elu": _elu,
    "exponential": lambda g, x: g("Exp", x),
    "gelu": _gelu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda g, x: g("Mul", x, _hard_sigmoid(g, x)),
    "leaky_relu": lambda g, x: g(
        "Where", g("Greater", x, g.number(0)), x, g("Mul", x, g.number(0.2))
    ),
    "linear": lambda g, x: x,
    "mish": lambda g, x: g("Mul", x, g("Tanh", _softplus(g, x))),
    "relu": lambda g, x: g("Max", x, g.number(0)),
    "relu6": lambda g, x: g("Clip", x, g.number(0), g.number(6)),
    "selu": lambda g, x: _elu(g, x, 1.6732632423543772, 1.0507009873554805),
    "sigmoid": lambda g, x: g("Sigmoid", x),
    "silu": _silu,
    "softplus": _softplus,
    "softsign": lambda g, x: g("Div", x, g("Add", g.number(1), g("Abs", x))),
    "swish": _silu,
    "tanh": lambda g, x: g("Tanh", x),
}


def _mlp(g: Graph, network: MLP, weights: list[np.ndarray], x: str, _: Signature) -> str:
    *hidden, kernel, bias = weights
    for number in range(0, len(hidden), 2):
        x = _ACTIVATIONS[network.activation](g, _dense(g, x, *hidden[number : number + 2]))
    return _dense(g, x, kernel, bias)


def _prototypes(
    g: Graph, network: PrototypeSums, weights: list[np.ndarray], x: str, _: Signature
) -> str:
    a, b, prototypes, scale, _alpha, membership = weights
    if callable(network.kernel):
        raise TypeError(
            f"kernel must be one of the named ones to be exported; got {network.kernel!r}. Use "
            "the name of a kernel."
        )
    if network.kernel == "linear":
        sums = g("MatMul", x, g.number((a * (prototypes / scale)).T))
    elif network.product_form:
        centre = prototypes.mean(axis=0)
        shifted = g("Div", g("Sub", x, g.number(centre)), g.number(scale))
        of_x = g("Exp", g("Min", shifted, g.number(_EXPONENT_AT_MOST / 2)))
        sums = g("MatMul", of_x, g.number((a * np.exp((centre - prototypes) / scale)).T))
    else:
        distance = g("Div", g("Sub", g.with_axis(x, 1), g.number(prototypes)), g.number(scale))
        terms = g("Mul", g("Exp", _exponent(g, network.kernel, distance)), g.number(a))
        sums = g.reduce("ReduceSum", terms, 2, keepdims=False)
    return g("MatMul", g("Add", sums, g.number(b)), g.number(membership))


def _exponent(g: Graph, kernel: Any, distance: str) -> str:
    if kernel == "exponential":
        return g("Min", distance, g.number(_EXPONENT_AT_MOST))
    if kernel == "laplacian":
        return g("Neg", g("Abs", distance))
    clipped = g("Clip", distance, g.number(-1e3), g.number(1e3))
    return g("Neg", g("Mul", clipped, clipped))


# Sequences. Steps come first, as in the NumPy form; padding keeps the state.


def real_steps(g: Graph, x: str) -> str:
    """Return which steps are real, bool of shape (n, n_steps): padding is NaN throughout."""
    is_number = g.cast(g("Not", g("IsNaN", x)), np.float32)
    return g("Greater", g.reduce("ReduceMax", is_number, 2, keepdims=False), g.constant(0.5, "f4"))


def _direction(
    g: Graph, cell: str, share: str, weights: list[np.ndarray], real: str, *, reverse: bool
) -> tuple[str, str]:
    """Return the states after each step, (n_steps, n, units), and the last one, (n, units).

    Parameters
    ----------
    g : Graph
    cell : {"lstm", "gru"}
    share : str
        Product of inputs and kernel, (n_steps, n, n_gates * units).
    weights : list of ndarray
        Kernel, recurrent kernel and bias.
    real : str
        Bool of shape (n_steps, n, 1).
    reverse : bool
    """
    _, recurrent, bias = weights
    of_input, of_state = (bias, np.zeros_like(bias)) if bias.ndim == 1 else bias
    units = len(recurrent)
    start = g.filled([g.length(share, 1), g.constant([units], np.int64)], 0, g.dtype)
    body = _step(g, cell, g.number(recurrent), g.number(of_state), units)
    h, _c, states = g.outputs(
        "Scan",
        3,
        start,
        start,
        g("Add", share, g.number(of_input)),
        real,
        body=body,
        num_scan_inputs=2,
        scan_input_directions=[int(reverse)] * 2,
        scan_output_directions=[int(reverse)],
    )
    return states, h


def _step(g: Graph, cell: str, recurrent: str, bias: str, units: int) -> Any:
    """Return the graph of one step: states and inputs to states and the output."""
    step = Graph(g.opset, str(g.dtype))
    h, c, x, real = (g.name() for _ in range(4))
    step.name = g.name  # type: ignore[method-assign]  # names of the whole graph
    product = step("Add", step("MatMul", h, recurrent), bias)
    new_h, new_c = (_lstm if cell == "lstm" else _gru)(step, x, product, h, c)
    new_h, new_c = step("Where", real, new_h, h), step("Where", real, new_c, c)
    kind = helper.np_dtype_to_tensor_dtype(g.dtype)

    def info(name: str, elements: int, width: int) -> Any:
        return helper.make_tensor_value_info(name, elements, [None, width])

    inputs = [info(h, kind, units), info(c, kind, units)]
    n_gates = 4 if cell == "lstm" else 3
    inputs += [info(x, kind, n_gates * units), info(real, TensorProto.BOOL, 1)]
    output = step("Identity", new_h)
    outputs = [info(name, kind, units) for name in (new_h, new_c, output)]
    return helper.make_graph(step.nodes, "step", inputs, outputs, step.constants)


def _lstm(g: Graph, x: str, product: str, h: str, c: str) -> tuple[str, str]:
    i, f, candidate, o = g.outputs("Split", 4, g("Add", x, product), **_split(g, 4))
    kept = g("Mul", g("Sigmoid", f), c)
    c = g("Add", kept, g("Mul", g("Sigmoid", i), g("Tanh", candidate)))
    return g("Mul", g("Sigmoid", o), g("Tanh", c)), c


def _gru(g: Graph, x: str, product: str, h: str, c: str) -> tuple[str, str]:
    of_x = g.outputs("Split", 3, x, **_split(g, 3))
    of_h = g.outputs("Split", 3, product, **_split(g, 3))
    z, r = (g("Sigmoid", g("Add", one, two)) for one, two in zip(of_x[:2], of_h[:2], strict=True))
    candidate = g("Tanh", g("Add", of_x[2], g("Mul", r, of_h[2])))
    rest = g("Mul", g("Sub", g.number(1), z), candidate)
    return g("Add", g("Mul", z, h), rest), g("Identity", c)


def _split(g: Graph, n_parts: int) -> dict[str, int]:
    # From version 18 on an attribute says how many parts, before there is none.
    return {"axis": 1, **({"num_outputs": n_parts} if g.opset >= 18 else {})}


def _stack(
    g: Graph,
    network: Any,
    weights: list[np.ndarray],
    share: Callable[[np.ndarray], str],
    real: str,
) -> tuple[str, str]:
    """Return the states of the last layer and its last state, both directions side by side."""
    n_directions = 1 + bool(network.bidirectional)
    states, last = "", ""
    for start in range(0, len(weights), 3 * n_directions):
        found = []
        for k in range(n_directions):
            of_layer = weights[start + 3 * k : start + 3 * k + 3]
            found.append(
                _direction(g, network.cell, share(of_layer[0]), of_layer, real, reverse=k == 1)
            )
        states = g("Concat", *[each[0] for each in found], axis=2)
        last = g("Concat", *[each[1] for each in found], axis=1)
        share = _product_with(g, states)
    return states, last


def _product_with(g: Graph, values: str) -> Callable[[np.ndarray], str]:
    return lambda kernel: g("MatMul", values, g.number(kernel))


def _clean_steps(g: Graph, x: str) -> tuple[str, str]:
    """Return steps, 0 at padding, and which are real, (n_steps, n, 1), steps first."""
    real = g.with_axis(real_steps(g, x), 2)
    clean = g("Where", real, x, g.number(0))
    return tuple(g("Transpose", each, perm=[1, 0, 2]) for each in (clean, real))  # type: ignore


def _recurrent(
    g: Graph, network: Recurrent, weights: list[np.ndarray], x: str, signature: Signature
) -> str:
    *layers, kernel, bias = weights
    steps, real = _clean_steps(g, x)
    states, last = _stack(g, network, layers, _product_with(g, steps), real)
    if signature.steps is None:
        return _dense(g, last, kernel, bias)
    return g("Transpose", _dense(g, states, kernel, bias), perm=[1, 0, 2])


def _encoder_decoder(
    g: Graph, network: EncoderDecoder, weights: list[np.ndarray], x: str, signature: Signature
) -> str:
    *layers, kernel, bias = weights
    n_encoder = len(layers) // 2
    steps, real = _clean_steps(g, x)
    _, code = _stack(g, network, layers[:n_encoder], _product_with(g, steps), real)
    n_rows, n_steps = g.length(x, 0), g.constant([signature.steps], np.int64)
    all_real = g.filled([n_steps, n_rows, g.constant([1], np.int64)], True, np.bool_)

    def repeated(kernel: np.ndarray) -> str:
        product = g.with_axis(g("MatMul", code, g.number(kernel)), 0)
        shape = g("Concat", n_steps, n_rows, g.constant([kernel.shape[1]], np.int64), axis=0)
        return g("Expand", product, shape)

    states, _ = _stack(g, network, layers[n_encoder:], repeated, all_real)
    return g("Transpose", _dense(g, states, kernel, bias), perm=[1, 0, 2])


_BUILDERS: dict[type, Callable[..., str]] = {
    MLP: _mlp,
    Recurrent: _recurrent,
    EncoderDecoder: _encoder_decoder,
    PrototypeSums: _prototypes,
}
