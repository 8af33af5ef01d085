"""TabM: members that share the layers of one multi-layer perceptron."""

from collections.abc import Hashable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import log_expit, log_softmax

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

__all__ = ["TabM", "mean_of_members"]

ADAPTERS = ("all", "first")


class TabM(Network):
    """Multi-layer perceptrons that share their kernels and answer together, for tables [1]_.

    Each of `n_members` members multiplies the inputs of a shared layer by numbers of its own, and
    has a last layer of its own. A fit minimises the mean of the members' losses, not the loss of
    their mean; a prediction is the mean of their probabilities. The members cost as much time as
    that many networks, and hardly more weights than one.

    Scale the features, with :class:`~sklearn.preprocessing.StandardScaler` for example, and give
    the estimator the settings of the notes below.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64, 64)
        Units of each shared layer.
    activation : str, default="relu"
        Keras activation of the shared layers.
    n_members : int, default=32
        Number of members.
    adapters : {"all", "first"}, default="all"
        "all": each member scales the inputs and the outputs of each shared layer and adds biases
        of its own. "first": it scales the features only, which is "TabM-mini" in the paper.
    alpha : float, default=0.0
        L2 penalty on the kernels, as in :class:`MLP`. Each member's last layer is a kernel of its
        own, which only one of `n_members` losses pulls the other way.
    dropout : float, default=0.1
        Share of each shared layer's outputs set to 0 in each training step, for each member anew.

    See Also
    --------
    MLP : one network.
    skmask.nn.layers.MemberMean : the last layer, for a network of one's own with members.

    Notes
    -----
    Recommended: `optimizer="adamw"`, `learning_rate=2e-3`, `batch_size=64`, `epochs=200`,
    `early_stopping=True`, `n_iter_no_change=16`. Give wider layers, (128, 128) or more, to
    tables of ten thousand rows or more. Boosted trees do better on many rows of many classes.

    A shared layer with the kernel W turns the inputs x of member k into::

        activation(((x * r_k) @ W) * s_k + b_k)

    The first r are random signs, further ones and all s start at 1.

    With p_k the probabilities of member k, the logits of classes are log(mean_k p_k): over the
    classes that a mask allows, the probability of a class is sum_k p_k(class) /
    sum_k p_k(allowed). The logits of labels are log(mean_k p_k / (1 - mean_k p_k)).

    A member whose probabilities of the allowed classes are small counts less under that mask.

    The loss and the metrics of the training rows in `history_` are means over the members, those
    of validation rows are of the prediction. Train a `model_` further in Keras, and it is the
    loss of the mean that falls.

    References
    ----------
    .. [1] Y. Gorishniy, A. Kotelnikov and A. Babenko, "TabM: advancing tabular deep learning with
       parameter-efficient ensembling", ICLR 2025.

    Examples
    --------
    >>> from skmask.networks import Signature, TabM
    >>> network = TabM((8,), n_members=4)
    >>> [(weight.name, weight.shape) for weight in network.weights(Signature((5,), 3))][:3]
    [('input_scale', (4, 5)), ('kernel', (5, 8)), ('output_scale', (4, 8))]
    """

    def __init__(
        self,
        hidden_layer_sizes=(64, 64),
        activation="relu",
        *,
        n_members=32,
        adapters="all",
        alpha=0.0,
        dropout=0.1,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.n_members = n_members
        self.adapters = adapters
        self.alpha = alpha
        self.dropout = dropout

    def settings(self) -> dict[str, Hashable]:
        if not isinstance(self.adapters, str) or self.adapters not in ADAPTERS:
            raise ValueError(f"adapters must be one of {list(ADAPTERS)}; got {self.adapters!r}.")
        return {
            **self._as_mlp().settings(),
            "n_members": check_count(self.n_members, "n_members"),
            "adapters": self.adapters,
        }

    def weights(self, signature: Signature) -> tuple[Weight, ...]:
        n_members = check_count(self.n_members, "n_members")
        widths = (signature.n_features, *self._hidden())
        layers = [
            weight
            for number, (before, width) in enumerate(pairwise(widths))
            for weight in self._layer(before, width, is_first=number == 0)
        ]
        return (
            *(layers or [Weight("input_scale", (n_members, widths[0]))]),
            Weight("kernel", (n_members, widths[-1], signature.n_outputs), True),
            Weight("bias", (n_members, signature.n_outputs)),
        )

    def forward(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        logits = self.member_logits(weights, X, signature)
        return mean_of_members(logits, are_labels=signature.are_labels)

    def member_logits(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        """Return the logits of each member, shape (n, n_members, n_outputs).

        Parameters
        ----------
        weights, X, signature
            As in `forward`.
        """
        activate = ACTIVATIONS[self.activation]
        names = [weight.name for weight in self.weights(signature)]
        *hidden, kernel, bias = weights
        values = (X.toarray() if sparse.issparse(X) else X)[:, np.newaxis]
        for name, weight in zip(names, hidden, strict=False):
            values = _applied(name, weight, values)
            if name == "bias":
                values = activate(values)
        return np.matmul(values.transpose(1, 0, 2), kernel).transpose(1, 0, 2) + bias

    def numbers_per_row(self, signature: Signature) -> int:
        """Return the numbers of all members in the widest layer of a row."""
        widths = (signature.n_features, *self._hidden(), signature.n_outputs)
        return check_count(self.n_members, "n_members") * max(widths)

    @property
    def penalty(self) -> float:
        return self._as_mlp().penalty

    def _as_mlp(self) -> MLP:
        """Return the network that the members share."""
        return MLP(self.hidden_layer_sizes, self.activation, alpha=self.alpha, dropout=self.dropout)

    def _hidden(self) -> tuple[int, ...]:
        return layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")

    def _layer(self, before: int, width: int, *, is_first: bool) -> list[Weight]:
        """Return the weights of a shared layer."""
        of_inputs = Weight("input_scale", (self.n_members, before))
        kernel = Weight("kernel", (before, width), True)
        if self.adapters == "first":
            return [*([of_inputs] if is_first else []), kernel, Weight("bias", (width,))]
        by_member = (self.n_members, width)
        return [of_inputs, kernel, Weight("output_scale", by_member), Weight("bias", by_member)]


def _applied(name: str, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Apply one weight to the values of all members, (n, n_members, n_units)."""
    if name == "input_scale":
        return values * weight
    if name == "kernel":
        n_rows, n_members, _ = values.shape
        flat = values.reshape(n_rows * n_members, len(weight)) @ weight
        return flat.reshape(n_rows, n_members, weight.shape[1])
    # The product is a new array.
    return np.multiply(values, weight, out=values) if name == "output_scale" else values + weight


def mean_of_members(logits: np.ndarray, *, are_labels: bool) -> np.ndarray:
    """Return the logits of the mean of the members' probabilities.

    Parameters
    ----------
    logits : ndarray of shape (n, n_members, n_outputs)
    are_labels : bool
        Whether each output has a probability of its own, by a sigmoid, instead of one softmax
        over all.

    Returns
    -------
    ndarray of shape (n, n_outputs)
    """
    if are_labels:
        return _log_mean(log_expit(logits)) - _log_mean(log_expit(-logits))
    return _log_mean(log_softmax(logits, axis=-1))


def _log_mean(logarithms: np.ndarray) -> np.ndarray:
    """Return the logarithm of a mean over the second axis."""
    highest = logarithms.max(axis=1, keepdims=True)
    return np.log(np.exp(logarithms - highest).mean(axis=1)) + highest[:, 0]
