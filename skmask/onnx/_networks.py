"""Logits of the networks of skmask.networks, as ONNX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from skmask.networks import (
    DISTANCE_AT_MOST,
    EXPONENT_AT_MOST,
    MLP,
    Convolutional,
    EncoderDecoder,
    PrototypeSums,
    Recurrent,
    Signature,
    TabM,
)
from skmask.onnx._convolutional import blocks
from skmask.onnx._graph import Tensor
from skmask.onnx._members import tabm
from skmask.onnx._recurrent import encoder_decoder, recurrent

__all__ = ["ACTIVATIONS", "is_described", "logits_of"]


def is_described(network: Any) -> bool:
    """Say whether `logits_of` takes a network."""
    # A subclass may compute something else.
    kinds = MLP, TabM, PrototypeSums, Convolutional, Recurrent, EncoderDecoder
    return type(network) in kinds and network.is_portable


def logits_of(
    network: Any, weights: Sequence[np.ndarray], X: Tensor, signature: Signature
) -> Tensor:
    """Return the logits of rows, or of sequences with NaN at padding.

    Parameters
    ----------
    network : Network
        One that `is_described`.
    weights : sequence of ndarray
        As the network lists them.
    X : Tensor of the type of the weights
    signature : Signature
    """
    kinds = {MLP: _mlp, PrototypeSums: _prototype_sums}
    if type(network) in kinds:
        return kinds[type(network)](network, weights, X)
    if type(network) is TabM:
        return tabm(network, weights, X, signature, ACTIVATIONS)
    if type(network) is Convolutional:
        images, n_weights = blocks(network, weights, X, signature, ACTIVATIONS)
        return _mlp(network, weights[n_weights:], images.apply("Flatten", axis=1).cast(X.dtype))
    of_sequences = {Recurrent: recurrent, EncoderDecoder: encoder_decoder}
    return of_sequences[type(network)](network, weights, X, signature)


def _mlp(network: MLP | Convolutional, weights: Sequence[np.ndarray], X: Tensor) -> Tensor:
    activate = ACTIVATIONS[network.activation]
    *hidden, kernel, bias = weights
    values = X
    for number in range(0, len(hidden), 2):
        values = activate(values @ hidden[number] + hidden[number + 1])
    return values @ kernel + bias


def _prototype_sums(network: PrototypeSums, weights: Sequence[np.ndarray], X: Tensor) -> Tensor:
    a, b, prototypes, scale, _, membership = weights
    if network.kernel == "linear":
        sums = X @ (a * (prototypes / scale)).T
    elif network.product_form and network.kernel == "exponential":
        centre = prototypes.mean(axis=0)
        distance = (X - centre) / scale
        of_x = distance.apply("Min", EXPONENT_AT_MOST / 2).apply("Exp")
        sums = of_x @ (a * np.exp((centre - prototypes) / scale)).T
    else:
        distance = (X.with_axis(1) - prototypes) / scale
        sums = (_kernel_values(distance, network.kernel) * a).sum(-1)
    return (sums + b) @ membership


def _kernel_values(distance: Tensor, kernel: str) -> Tensor:
    if kernel == "exponential":
        return distance.apply("Min", EXPONENT_AT_MOST).apply("Exp")
    if kernel == "laplacian":
        return (-distance.apply("Abs")).apply("Exp")
    distance = distance.apply("Clip", -DISTANCE_AT_MOST, DISTANCE_AT_MOST)
    return (-(distance * distance)).apply("Exp")


# Activations by Keras' names, from operators that runtimes have for both types of floats.


def _sigmoid(x: Tensor) -> Tensor:
    return x.apply("Sigmoid")


def _gelu(x: Tensor) -> Tensor:
    # Runtimes have the error function of float32 only.
    erf = (x / np.sqrt(2)).cast(np.float32).apply("Erf").cast(x.dtype)
    return x * 0.5 * (erf + 1)


def _hard_sigmoid(x: Tensor) -> Tensor:
    return (x / 6 + 0.5).apply("Clip", 0, 1)


def _expm1_below_zero(x: Tensor) -> Tensor:
    return x.apply("Min", 0).apply("Exp") - 1


def _elu(x: Tensor) -> Tensor:
    return x.where(x > 0, _expm1_below_zero(x))


def _selu(x: Tensor) -> Tensor:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return x.where(x > 0, _expm1_below_zero(x) * alpha) * scale


def _softplus(x: Tensor) -> Tensor:
    return x.apply("Max", 0) + ((-x.apply("Abs")).apply("Exp") + 1).apply("Log")


def _silu(x: Tensor) -> Tensor:
    # Not x times a sigmoid, which ONNX Runtime fuses to an operator that it has for float32 only.
    return x / ((-x).apply("Exp") + 1)


ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "celu": _elu,
    "elu": _elu,
    "exponential": lambda x: x.apply("Exp"),
    "gelu": _gelu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "leaky_relu": lambda x: x.where(x > 0, x * 0.2),
    "linear": lambda x: x,
    "mish": lambda x: x * _softplus(x).apply("Tanh"),
    "relu": lambda x: x.apply("Relu"),
    "relu6": lambda x: x.apply("Clip", 0, 6),
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "softplus": _softplus,
    "softsign": lambda x: x / (x.apply("Abs") + 1),
    "swish": _silu,
    "tanh": lambda x: x.apply("Tanh"),
}
