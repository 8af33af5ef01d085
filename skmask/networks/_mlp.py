"""MLP: the multi-layer perceptron."""

from collections.abc import Hashable
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from skmask.networks._base import (
    ACTIVATIONS,
    Network,
    Signature,
    Weight,
    Weights,
    check_share,
    layer_sizes,
)

__all__ = ["MLP"]


class MLP(Network):
    """Multi-layer perceptron.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; () for a linear model.
    activation : str, default="relu"
        Keras activation of the hidden layers.
    alpha : float, default=0.0
        L2 penalty: alpha / 2 times the sum of squares of the kernels, divided by the number of
        rows of a batch and the mean weight of rows, is added to the mean loss of the batch, as in
        :class:`~sklearn.neural_network.MLPClassifier`.
    dropout : float, default=0.0
        Share of each hidden layer's outputs set to 0 in each training step.

    Examples
    --------
    >>> from skmask.networks import MLP, Signature
    >>> [weight.shape for weight in MLP((8,)).weights(Signature((4,), 3))]
    [(4, 8), (8,), (8, 3), (3,)]
    """

    takes_sparse = True

    def __init__(self, hidden_layer_sizes=(100,), activation="relu", *, alpha=0.0, dropout=0.0):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.alpha = alpha
        self.dropout = dropout

    def settings(self) -> dict[str, Hashable]:
        if not isinstance(self.activation, str) or self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {sorted(ACTIVATIONS)}; got {self.activation!r}."
            )
        return {
            "hidden_layer_sizes": layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes"),
            "activation": self.activation,
            "dropout": check_share(self.dropout, "dropout"),
        }

    def weights(self, signature: Signature) -> tuple[Weight, ...]:
        hidden = layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        widths = (signature.n_features, *hidden, signature.n_outputs)
        return tuple(
            weight
            for before, width in pairwise(widths)
            for weight in (Weight("kernel", (before, width), True), Weight("bias", (width,)))
        )

    has_dense_head = True

    def forward(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        *_, kernel, bias = weights
        return _affine(kernel, bias, self._last_hidden(weights, X)).T

    def before_head(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        values = self._last_hidden(weights, X).T
        return values.toarray() if sparse.issparse(values) else values

    def _last_hidden(self, weights: Weights, X: Any) -> Any:
        """Return the inputs of the last layer, shape (n_units, n)."""
        activate = ACTIVATIONS[self.activation]
        *hidden, _, _ = weights
        # Units first, rows last: sums over the classes that follow are faster so.
        values = X.T
        for number in range(0, len(hidden), 2):
            values = _affine(hidden[number], hidden[number + 1], values)
            values = activate(values)
        return values

    @property
    def penalty(self) -> float:
        is_number = isinstance(self.alpha, Real) and not isinstance(self.alpha, bool)
        if not is_number or not 0 <= self.alpha < np.inf:
            raise ValueError(
                f"alpha must be a finite number of 0 or more; got {self.alpha!r}. Use 0 for no "
                "penalty."
            )
        return float(self.alpha)


def _affine(kernel: np.ndarray, bias: np.ndarray, values: Any) -> np.ndarray:
    """Return a dense layer's outputs, a new array of shape (n_units, n).

    Parameters
    ----------
    kernel : ndarray of shape (n_inputs, n_units)
    bias : ndarray of shape (n_units,)
    values : ndarray or sparse array of shape (n_inputs, n)
    """
    outputs = (values.T @ kernel).T if sparse.issparse(values) else kernel.T @ values
    outputs += bias[:, np.newaxis]
    return outputs
