"""Members that share the layers of a perceptron, as ONNX."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from skmask.networks import Signature, TabM
from skmask.onnx._graph import Tensor, log_sigmoid

__all__ = ["tabm"]


def tabm(
    network: TabM,
    weights: Sequence[np.ndarray],
    X: Tensor,
    signature: Signature,
    activations: Mapping[str, Callable[[Tensor], Tensor]],
) -> Tensor:
    """Return the logits of the mean of the members' probabilities.

    Parameters
    ----------
    network : TabM
    weights : sequence of ndarray
    X : Tensor of shape (n, n_features)
    signature : Signature
    activations : mapping of str to callable
    """
    names = [weight.name for weight in network.weights(signature)]
    *hidden, kernel, bias = weights
    values = X.with_axis(1)
    for name, weight in zip(names, hidden, strict=False):
        if name == "kernel":
            values = values @ weight
        elif name == "bias":
            values = activations[network.activation](values + weight)
        else:
            values = values * weight
    # Not transposed: ONNX Runtime 1.22 makes one operation of that and the product, which it cannot
    # compute in float64.
    by_member = values.with_axis(2) @ kernel
    logits = by_member.apply("Squeeze", X.graph.constant([2], np.int64)) + bias
    return _mean(logits, len(bias), signature.are_labels)


def _mean(logits: Tensor, n_members: int, are_labels: bool) -> Tensor:
    """Return the logits of a mean of probabilities, from logits (n, n_members, n_outputs)."""
    if are_labels:
        of_yes, of_no = log_sigmoid(logits), log_sigmoid(-logits)
        return _log_mean(of_yes, n_members) - _log_mean(of_no, n_members)
    return _log_mean(logits.apply("LogSoftmax", axis=-1), n_members)


def _log_mean(logarithms: Tensor, n_members: int) -> Tensor:
    """Return the logarithm of a mean over the second axis."""
    highest = logarithms.maximum(1)
    sums = (logarithms - highest).apply("Exp").sum(1)
    return (sums / n_members).apply("Log") + highest.sum(1)
