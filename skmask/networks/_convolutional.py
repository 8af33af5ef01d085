"""Convolutional: blocks of convolutions over images, and dense layers behind them."""

from collections.abc import Hashable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from skmask.networks._base import (
    ACTIVATIONS,
    Network,
    Signature,
    Weight,
    Weights,
    check_count,
    layer_sizes,
)
from skmask.networks._mlp import MLP

__all__ = ["NORM_EPSILON", "Convolutional", "image_shape"]

POOLINGS = ("average", "max")
# What Keras adds to the variance in its layer normalisation.
NORM_EPSILON = 1e-3


class Convolutional(Network):
    """Convolutional network for images: blocks of convolution and pooling, then dense layers.

    A block is a convolution that keeps height and width (stride 1, padding with zeros), a
    normalisation, the activation, and a pooling. The numbers that the last block leaves go into
    a multi-layer perceptron.

    Images have shape (height, width), with one channel, or (height, width, channels). They
    should be scaled, to numbers from 0 to 1 for example.

    Parameters
    ----------
    filters : int or array-like of int, default=(16, 32)
        Channels that each block makes; one block for each.
    kernel_size : int, default=3
        Height and width of the window of each convolution.
    pool_size : int, default=2
        Height and width of the window of each pooling; what is left at the lower and the right
        edge is dropped. 1: no pooling.
    pooling : {"max", "average"}, default="max"
        What is taken of a window.
    normalization : "layer" or None, default="layer"
        "layer": the channels of each pixel are brought to a mean of 0 and a variance of 1, then
        scaled and shifted by numbers that are learnt, as in `keras.layers.LayerNormalization`.
        Rows of a batch do not depend on each other.
    hidden_layer_sizes : int or array-like of int, default=()
        Units of each dense layer behind the blocks, that of the logits not counted.
    activation : str, default="relu"
        Keras activation of the convolutions and of the dense layers.
    alpha : float, default=0.0
        L2 penalty on the kernels of all layers, as in :class:`MLP`.
    dropout : float, default=0.0
        Share of the inputs of each dense layer that is set to 0 in each training step.

    Examples
    --------
    >>> from skmask.networks import Convolutional, Signature
    >>> network = Convolutional((4, 8), hidden_layer_sizes=(10,))
    >>> [weight.shape for weight in network.weights(Signature((28, 28), 3)) if weight.is_penalised]
    [(3, 3, 1, 4), (3, 3, 4, 8), (392, 10), (10, 3)]
    """

    takes = "images"

    def __init__(
        self,
        filters=(16, 32),
        kernel_size=3,
        *,
        pool_size=2,
        pooling="max",
        normalization="layer",
        hidden_layer_sizes=(),
        activation="relu",
        alpha=0.0,
        dropout=0.0,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.pool_size = pool_size
        self.pooling = pooling
        self.normalization = normalization
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.dropout = dropout

    def settings(self) -> dict[str, Hashable]:
        if not isinstance(self.pooling, str) or self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {list(POOLINGS)}; got {self.pooling!r}.")
        return {
            "filters": self._checked_filters(),
            "kernel_size": check_count(self.kernel_size, "kernel_size"),
            "pool_size": check_count(self.pool_size, "pool_size"),
            "pooling": self.pooling,
            "normalization": self.normalization,
            **self._head().settings(),
        }

    def weights(self, signature: Signature) -> tuple[Weight, ...]:
        *sizes, (height, width, n_channels) = self._sizes(signature)
        blocks = [
            weight
            for before, channels in pairwise([*(size[-1] for size in sizes), n_channels])
            for weight in self._block(before, channels)
        ]
        n_inputs = height * width * n_channels
        return (*blocks, *self._head().weights(Signature((n_inputs,), signature.n_outputs)))

    def forward(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        activate = ACTIVATIONS[self.activation]
        images = X.reshape(len(X), *image_shape(signature.input_shape))
        n_weights = len(self._block(1, 1))
        n_blocks = len(self._checked_filters())
        for start in range(0, n_blocks * n_weights, n_weights):
            kernel, bias, *norm = weights[start : start + n_weights]
            pixels = _windows(images, len(kernel)) @ kernel.reshape(-1, len(bias))
            pixels += bias
            if norm:
                pixels = _normalised(pixels, *norm)
            pixels = activate(pixels).reshape(*images.shape[:-1], len(bias))
            images = _pooled(pixels, self.pool_size, self.pooling)
        flat = images.reshape(len(X), int(np.prod(images.shape[1:])))
        of_flat = Signature(flat.shape[1:], signature.n_outputs)
        return self._head().forward(weights[n_blocks * n_weights :], flat, of_flat)

    def numbers_per_row(self, signature: Signature) -> int:
        """Return the numbers of the largest array of windows, or of outputs, of a row."""
        area = int(self.kernel_size) ** 2
        of_blocks = [
            height * width * max(area * before, channels)
            for (height, width, before), (*_, channels) in pairwise(self._sizes(signature))
        ]
        return max(of_blocks + list(layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")))

    @property
    def penalty(self) -> float:
        return self._head().penalty

    def _head(self) -> MLP:
        """Return the dense layers behind the blocks."""
        return MLP(self.hidden_layer_sizes, self.activation, alpha=self.alpha, dropout=self.dropout)

    def _checked_filters(self) -> tuple[int, ...]:
        filters = layer_sizes(self.filters, "filters")
        if not filters:
            raise ValueError(
                "filters must name at least one block; got none. Give the channels of each block."
            )
        if self.normalization not in ("layer", None):
            raise ValueError(f"normalization must be 'layer' or None; got {self.normalization!r}.")
        if self.normalization and min(filters) < 2:
            raise ValueError(
                "filters must be 2 or more with normalization='layer', which makes 0 of a single "
                f"channel; got {filters}. Raise them, or set normalization=None."
            )
        return filters

    def _block(self, before: int, channels: int) -> tuple[Weight, ...]:
        """Return the weights of one block."""
        size = check_count(self.kernel_size, "kernel_size")
        kernel = Weight("kernel", (size, size, before, channels), True)
        names = ("bias", "gamma", "beta") if self.normalization else ("bias",)
        return (kernel, *(Weight(name, (channels,)) for name in names))

    def _sizes(self, signature: Signature) -> list[tuple[int, int, int]]:
        """Return height, width and channels of an image, before and after each block."""
        filters, pool = self._checked_filters(), check_count(self.pool_size, "pool_size")
        sizes = [image_shape(signature.input_shape)]
        for channels in filters:
            height, width, _ = sizes[-1]
            sizes.append((height // pool, width // pool, channels))
        if not min(sizes[-1]):
            least = pool ** len(filters)
            raise ValueError(
                f"X must have images of {least} x {least} pixels or more for {len(filters)} "
                f"poolings with pool_size={pool}; got {sizes[0][0]} x {sizes[0][1]}. Lower "
                "pool_size, or give fewer filters."
            )
        return sizes


def image_shape(shape: tuple[int | None, ...]) -> tuple[int, int, int]:
    """Return height, width and channels of the rows of this shape."""
    if len(shape) not in (2, 3) or None in shape:
        raise ValueError(
            "X must have rows of shape (height, width) or (height, width, channels) for "
            f"Convolutional; got {shape}. Reshape X, or use another network."
        )
    height, width, *channels = (int(length or 0) for length in shape)
    return height, width, channels[0] if channels else 1


def _windows(images: np.ndarray, size: int) -> np.ndarray:
    """Return the window around each pixel, zeros beyond the edges.

    Parameters
    ----------
    images : ndarray of shape (n, height, width, channels)
    size : int

    Returns
    -------
    ndarray of shape (n * height * width, size * size * channels)
    """
    around = (size - 1) // 2, size // 2
    padded = np.pad(images, ((0, 0), around, around, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    n_numbers = size * size * images.shape[-1]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, n_numbers)


def _normalised(pixels: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return the channels of each pixel, (n, channels), normalised, scaled and shifted."""
    # Means as products, because NumPy is slow along a short axis.
    mean = np.full((len(gamma), 1), 1 / len(gamma), pixels.dtype)
    pixels -= pixels @ mean
    variance = np.square(pixels) @ mean
    pixels /= np.sqrt(variance + np.asarray(NORM_EPSILON, pixels.dtype))
    pixels *= gamma
    pixels += beta
    return pixels


def _pooled(images: np.ndarray, size: int, pooling: str) -> np.ndarray:
    """Return the largest or the mean number of each window, channel by channel."""
    if size == 1:
        return images
    first, *others = _shifted(images, size)
    pooled = first.copy()
    for other in others:
        combine = np.maximum if pooling == "max" else np.add
        combine(pooled, other, out=pooled)
    return pooled if pooling == "max" else pooled / np.asarray(size**2, pooled.dtype)


def _shifted(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the first pixel of each window, then the second, and so on."""
    height, width = (length // size * size for length in images.shape[1:3])
    for i in range(size):
        for j in range(size):
            yield images[:, i:height:size, j:width:size]
