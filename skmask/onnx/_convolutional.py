"""Blocks of convolutional networks, as ONNX."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from skmask.networks import NORM_EPSILON, Convolutional, Signature, layer_sizes
from skmask.onnx._graph import Tensor

__all__ = ["blocks"]

_POOLINGS = {"average": "AveragePool", "max": "MaxPool"}


def blocks(
    network: Convolutional,
    weights: Sequence[np.ndarray],
    X: Tensor,
    signature: Signature,
    activations: Mapping[str, Callable[[Tensor], Tensor]],
) -> tuple[Tensor, int]:
    """Return what the last block makes of images, channels last, and the number of its weights.

    In float32, because runtimes have convolutions of that type only.

    Parameters
    ----------
    network : Convolutional
    weights : sequence of ndarray
        Of the whole network.
    X : Tensor of shape (n, *signature.input_shape)
    signature : Signature
    activations : mapping of str to callable
    """
    has_channels = len(signature.input_shape) == 3
    images = X.cast(np.float32)
    images = images.transposed(0, 3, 1, 2) if has_channels else images.with_axis(1)
    n_each = 4 if network.normalization else 2
    n_weights = n_each * len(layer_sizes(network.filters, "filters"))
    for start in range(0, n_weights, n_each):
        kernel, bias, *norm = weights[start : start + n_each]
        images = _convolved(images, kernel, bias)
        if norm:
            images = _normalised(images, *norm)
        images = activations[network.activation](images)
        if network.pool_size > 1:
            window = [int(network.pool_size)] * 2
            kind = _POOLINGS[network.pooling]
            images = images.apply(kind, kernel_shape=window, strides=window)
    return images.transposed(0, 2, 3, 1), n_weights


def _convolved(images: Tensor, kernel: np.ndarray, bias: np.ndarray) -> Tensor:
    """Return a convolution of images, channels first, which keeps height and width."""
    size = len(kernel)
    before, after = (size - 1) // 2, size // 2
    pads = [before, before, after, after]
    return images.apply("Conv", kernel.transpose(3, 2, 0, 1), bias, pads=pads)


def _normalised(images: Tensor, gamma: np.ndarray, beta: np.ndarray) -> Tensor:
    """Return images whose channels, the second axis, are normalised, scaled and shifted."""
    n_channels = len(gamma)
    images = images - images.sum(1).with_axis(1) / n_channels
    variance = (images * images).sum(1).with_axis(1) / n_channels
    images = images / (variance + NORM_EPSILON).apply("Sqrt")
    return images * gamma[:, np.newaxis, np.newaxis] + beta[:, np.newaxis, np.newaxis]
