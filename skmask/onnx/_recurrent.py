"""Logits of recurrent networks, as ONNX Scan: a state stays as it is at padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper

from skmask.networks import EncoderDecoder, Recurrent, Signature
from skmask.onnx._graph import Graph, Tensor, stacked

__all__ = ["encoder_decoder", "recurrent"]

Weights = Sequence[np.ndarray]


def recurrent(network: Recurrent, weights: Weights, X: Tensor, signature: Signature) -> Tensor:
    """Return the logits of each step, (n, n_steps, n_outputs), or of each sequence."""
    *layers, kernel, bias = weights
    steps, real = _steps_first(X)
    states, last = _stack(network, layers, steps, real)
    if signature.steps is None:
        return last @ kernel + bias
    return (states @ kernel + bias).transposed(1, 0, 2)


def encoder_decoder(
    network: EncoderDecoder, weights: Weights, X: Tensor, signature: Signature
) -> Tensor:
    """Return the logits of each step of the output, (n, n_steps, n_outputs)."""
    *layers, kernel, bias = weights
    n_encoder = len(layers) // 2
    _, code = _stack(network, layers[:n_encoder], *_steps_first(X))
    repeated = code.with_axis(0).expanded(signature.steps, 1, 1)
    states, _ = _stack(network, layers[n_encoder:], repeated, None)
    return (states @ kernel + bias).transposed(1, 0, 2)


def _steps_first(X: Tensor) -> tuple[Tensor, Tensor]:
    """Return the steps, 0 at padding, and which of them are real, (n_steps, n, 1)."""
    steps = X.transposed(1, 0, 2)
    real = ~steps.apply("IsNaN", dtype=bool).all()
    return steps.where(real, 0), real


def _stack(
    network: Any, weights: Weights, values: Tensor, real: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the states of the last layer, (n_steps, n, units), and its last one, (n, units)."""
    n_directions = 1 + bool(network.bidirectional)
    last: list[Tensor] = []
    for start in range(0, len(weights), 3 * n_directions):
        by_direction = [
            _layer(
                network.cell,
                weights[start + 3 * k : start + 3 * k + 3],
                values,
                real,
                is_back=k == 1,
            )
            for k in range(n_directions)
        ]
        values = stacked([states for states, _ in by_direction], -1)
        last = [state for _, state in by_direction]
    return values, stacked(last, -1)


def _layer(
    cell: str, weights: Weights, values: Tensor, real: Tensor | None, *, is_back: bool
) -> tuple[Tensor, Tensor]:
    """Return the states after each step, and the last one, of one direction of a layer."""
    kernel, recurrent_kernel, bias = weights
    of_input, of_state = (bias, None) if bias.ndim == 1 else bias
    inputs = values @ kernel + of_input
    graph, n_units = inputs.graph, len(recurrent_kernel)
    start = graph.constant(np.zeros((1, n_units)), inputs.dtype)
    # Its shape comes from the rows: Expand repeats it for each.
    start = start.expanded(inputs.length(1), n_units)
    scanned = [inputs] if real is None else [inputs, real]
    body = _body(graph, cell, recurrent_kernel, of_state, scanned)
    last, _, states = graph.outputs_of(
        "Scan",
        [start.name, start.name, *(value.name for value in scanned)],
        3,
        body=body,
        num_scan_inputs=len(scanned),
        scan_input_directions=[int(is_back)] * len(scanned),
        scan_output_directions=[int(is_back)],
    )
    return graph.value(states, inputs.dtype), graph.value(last, inputs.dtype)


def _body(
    graph: Graph,
    cell: str,
    recurrent_kernel: np.ndarray,
    of_state: np.ndarray | None,
    scanned: list[Tensor],
) -> Any:
    """Return the graph of one step: from h, c and the inputs to h, c and the output h."""
    inner = graph.body()
    dtype = scanned[0].dtype
    h, c, inputs = (inner.value(inner.new_name(), dtype) for _ in range(3))
    given = [h, c, inputs]
    product = h @ recurrent_kernel
    if of_state is not None:
        product = product + of_state
    advance = _lstm if cell == "lstm" else _gru
    new_h, new_c = advance(inputs, product, h, c)
    if len(scanned) == 2:
        is_real = inner.value(inner.new_name(), bool)
        given.append(is_real)
        new_h, new_c = new_h.where(is_real, h), new_c.where(is_real, c)
    # Each output has a node of its own.
    outputs = [value.apply("Identity") for value in (new_h, new_c, new_h)]
    infos = [
        [
            helper.make_tensor_value_info(
                value.name, helper.np_dtype_to_tensor_dtype(value.dtype), None
            )
            for value in values
        ]
        for values in (given, outputs)
    ]
    return helper.make_graph(inner.nodes, f"{cell}_step", *infos)


def _split(value: Tensor, n_parts: int) -> list[Tensor]:
    """Return the gates, equal parts of the last axis."""
    graph = value.graph
    # The number of parts is an attribute only from operators 18 on.
    settings = {"num_outputs": n_parts} if graph.opset >= 18 else {}
    names = graph.outputs_of("Split", [value.name], n_parts, axis=-1, **settings)
    return [graph.value(name, value.dtype) for name in names]


def _lstm(inputs: Tensor, product: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state and the cell after a step."""
    i, f, g, o = _split(inputs + product, 4)
    c = f.apply("Sigmoid") * c + i.apply("Sigmoid") * g.apply("Tanh")
    return o.apply("Sigmoid") * c.apply("Tanh"), c


def _gru(inputs: Tensor, product: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state after a step, and a cell that is not used."""
    (z, r, g), (of_z, of_r, of_g) = _split(inputs, 3), _split(product, 3)
    z = (z + of_z).apply("Sigmoid")
    new = (g + (r + of_r).apply("Sigmoid") * of_g).apply("Tanh")
    return z * h + (1 - z) * new, c
