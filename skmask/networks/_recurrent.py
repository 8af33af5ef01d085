"""Recurrent networks: a label for each step or sequence, and encoder and decoder."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
from scipy.special import expit

from skmask.networks._base import Network, Signature, Weight, Weights, layer_sizes

__all__ = ["CELLS", "EncoderDecoder", "Recurrent"]

# Gates of each cell, in Keras' order: input, forget, candidate, output; update, reset, candidate.
_N_GATES = {"gru": 3, "lstm": 4}
CELLS = tuple(sorted(_N_GATES))


class _Cells(Network):
    """Parameters and layers that the recurrent networks share."""

    takes = "sequences"

    def __init__(self, units=64, cell="lstm", *, bidirectional=False):
        self.units = units
        self.cell = cell
        self.bidirectional = bidirectional

    def settings(self) -> dict[str, Hashable]:
        units = layer_sizes(self.units, "units")
        if not units:
            raise ValueError(
                "units must name at least one layer; got none. Give the units of each layer."
            )
        if self.cell not in CELLS:
            raise ValueError(f"cell must be one of {list(CELLS)}; got {self.cell!r}.")
        return {"units": units, "cell": self.cell, "bidirectional": bool(self.bidirectional)}

    def _layers(self, n_features: int, units: tuple[int, ...]) -> Iterator[Weight]:
        """Yield the weights of a stack of layers, both directions of each."""
        n_gates = _N_GATES[self.cell]
        for size in units:
            width = n_gates * size
            bias = (width,) if self.cell == "lstm" else (2, width)
            for _ in range(1 + bool(self.bidirectional)):
                yield Weight("kernel", (n_features, width))
                yield Weight("recurrent_kernel", (size, width))
                yield Weight("bias", bias)
            n_features = size * (1 + bool(self.bidirectional))

    def _stack(
        self, weights: Weights, share: Callable[[np.ndarray], np.ndarray], real: np.ndarray
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Run a stack of layers.

        Parameters
        ----------
        weights : sequence of ndarray
        share : callable `kernel -> (n_steps, n, width)`
            The product of the inputs of the first layer and a kernel.
        real : ndarray of bool of shape (n_steps, n)

        Returns
        -------
        states : ndarray of shape (n_steps, n, units)
            Of the last layer.
        last : list of ndarray of shape (n, units)
            Its last state, in each direction.
        """
        n_directions = 1 + bool(self.bidirectional)
        states, last = np.empty(0), []
        for start in range(0, len(weights), 3 * n_directions):
            by_direction = [
                self._run(share, weights[start + 3 * k : start + 3 * k + 3], real, reverse=k == 1)
                for k in range(n_directions)
            ]
            states = np.concatenate([states for states, _ in by_direction], axis=-1)
            last = [state for _, state in by_direction]
            share = _product_with(states)
        return states, last

    def _run(
        self,
        share: Callable[[np.ndarray], np.ndarray],
        weights: Weights,
        real: np.ndarray,
        *,
        reverse: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the states after each step, and the last one, of one direction of a layer."""
        kernel, recurrent_kernel, bias = weights
        of_input, of_state = (bias, np.zeros_like(bias)) if bias.ndim == 1 else bias
        inputs = share(kernel) + of_input
        advance = _lstm if self.cell == "lstm" else _gru
        n_steps, n_rows = real.shape
        h = c = np.zeros((n_rows, len(recurrent_kernel)), inputs.dtype)
        states = np.empty((n_steps, *h.shape), h.dtype)
        for t in reversed(range(n_steps)) if reverse else range(n_steps):
            new_h, new_c = advance(inputs[t], h @ recurrent_kernel + of_state, h, c)
            is_real = real[t][:, np.newaxis]
            h, c = np.where(is_real, new_h, h), np.where(is_real, new_c, c)
            states[t] = h
        return states, h


def _product_with(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function of a kernel that is its product with the values of each step."""
    return lambda kernel: values @ kernel


def _lstm(
    inputs: np.ndarray, product: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the state and the cell after a step."""
    i, f, g, o = np.split(inputs + product, 4, axis=-1)
    c = expit(f) * c + expit(i) * np.tanh(g)
    return expit(o) * np.tanh(c), c


def _gru(
    inputs: np.ndarray, product: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the state after a step, and a cell that is not used."""
    (z, r, g), (of_z, of_r, of_g) = np.split(inputs, 3, axis=-1), np.split(product, 3, axis=-1)
    z = expit(z + of_z)
    return z * h + (1 - z) * np.tanh(g + expit(r + of_r) * of_g), c


def _real_steps(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of sequences, 0 at padding, and which are real, steps first.

    Steps behind the last real one of all sequences are left out.
    """
    real = ~np.isnan(X).all(axis=2)
    n_steps = max(1, int((real * np.arange(1, X.shape[1] + 1)).max(initial=1)))
    real = real[:, :n_steps].T
    return np.where(real[..., np.newaxis], X[:, :n_steps].transpose(1, 0, 2), 0), real


class Recurrent(_Cells):
    """Stack of recurrent layers, and a dense layer at each step or behind the last one.

    Parameters
    ----------
    units : int or array-like of int, default=64
        Size of the state of each layer, in each direction.
    cell : {"lstm", "gru"}, default="lstm"
    bidirectional : bool, default=False
        Go over each sequence in both directions.

    Examples
    --------
    >>> from skmask.networks import Recurrent, Signature
    >>> [weight.shape for weight in Recurrent(4).weights(Signature((None, 2), 3, "each"))]
    [(2, 16), (4, 16), (16,), (4, 3), (3,)]
    """

    def weights(self, signature: Signature) -> tuple[Weight, ...]:
        units = layer_sizes(self.units, "units")
        n_last = units[-1] * (1 + bool(self.bidirectional))
        return (
            *self._layers(signature.n_features, units),
            *_dense(n_last, signature.n_outputs),
        )

    def forward(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        *layers, kernel, bias = weights
        steps, real = _real_steps(X)
        states, last = self._stack(layers, _product_with(steps), real)
        if signature.steps is None:
            return np.concatenate(last, axis=-1) @ kernel + bias
        logits = np.zeros((len(X), X.shape[1], len(bias)), bias.dtype)
        logits[:, : len(states)] = (states @ kernel + bias).transpose(1, 0, 2)
        return logits


class EncoderDecoder(_Cells):
    """Recurrent encoder, whose last state is the input of each step of a recurrent decoder.

    Parameters
    ----------
    units : int or array-like of int, default=64
        Size of the state of each layer, in the encoder and in the decoder.
    cell : {"lstm", "gru"}, default="lstm"
    bidirectional : bool, default=False
        Go over each sequence in both directions.

    Examples
    --------
    >>> from skmask.networks import EncoderDecoder, Signature
    >>> len(EncoderDecoder((4, 4), "gru").weights(Signature((None, 2), 3, 5)))
    14
    """

    def weights(self, signature: Signature) -> tuple[Weight, ...]:
        units = layer_sizes(self.units, "units")
        n_last = units[-1] * (1 + bool(self.bidirectional))
        return (
            *self._layers(signature.n_features, units),
            *self._layers(n_last, units),
            *_dense(n_last, signature.n_outputs),
        )

    def forward(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        *layers, kernel, bias = weights
        n_encoder = len(layers) // 2
        steps, real = _real_steps(X)
        _, last = self._stack(layers[:n_encoder], _product_with(steps), real)
        code = np.concatenate(last, axis=-1)
        shape = signature.steps, len(X)

        def repeated(kernel: np.ndarray) -> np.ndarray:
            return np.broadcast_to(code @ kernel, (*shape, kernel.shape[1]))

        states, _ = self._stack(layers[n_encoder:], repeated, np.ones(shape, dtype=bool))
        return (states @ kernel + bias).transpose(1, 0, 2)


def _dense(n_inputs: int, n_outputs: int) -> tuple[Weight, Weight]:
    return Weight("kernel", (n_inputs, n_outputs)), Weight("bias", (n_outputs,))
