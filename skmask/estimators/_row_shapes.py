"""Shapes of the rows of X: how many axes a network takes, and that they are those of the fit."""

from typing import Any

import numpy as np
from scipy import sparse

from skmask.data._messages import shown
from skmask.estimators._record import Fit

__all__ = ["check_row_shape"]

Shape = tuple[int | None, ...]


def check_row_shape(estimator: Any, X: Any, before: Fit | None) -> None:
    """Raise where the rows of X have axes that the network, or the fit before, does not take.

    A matrix where there should be one is left to scikit-learn, and so is what has no shape.

    Parameters
    ----------
    estimator : estimator
        Its parameter `network` is read.
    X : array-like
    before : Fit or None
        The fit whose shape of rows X must have.
    """
    shape = _shape(X)
    if shape is None:
        _check_one_size(X)
        return
    if sparse.issparse(X) and len(shape) != 2:
        raise ValueError(
            f"X must have two axes where it is sparse; got shape {shape}. Make it dense."
        )
    if before is None:
        _check_axes(estimator, shape)
    else:
        _check_as_in_fit(shape[1:], before.row_shape)


def _shape(X: Any) -> tuple[int, ...] | None:
    """Return the shape of an array-like of one axis or more, None where it has none."""
    try:
        shape = tuple(X.shape) if hasattr(X, "shape") else np.asarray(X).shape
    except ValueError:  # rows of unequal length
        return None
    return shape or None


def _check_one_size(X: Any) -> None:
    """Raise where X is a list of images of different sizes; other ragged rows are left."""
    shapes = [_shape(image) for image in X] if isinstance(X, list | tuple) else []
    number, other = next(
        ((n, shape) for n, shape in enumerate(shapes) if shape != shapes[0]), (0, None)
    )
    if other is not None and len(other) > 1:
        raise ValueError(
            f"X must hold images of one size; got {shapes[0]} in row 0 and {other} in row "
            f"{number}. Resize or pad them."
        )


def _check_axes(estimator: Any, shape: Shape) -> None:
    """Raise where the network of an estimator does not take rows of so many axes."""
    network = getattr(estimator, "network", None)
    taken = "rows" if network is None else getattr(network, "takes", None)
    if taken == "images" and len(shape) < 3:
        raise ValueError(
            "X must have shape (n_samples, height, width) or (n_samples, height, width, channels) "
            f"for network={shown(network)}; got {shape}. Reshape it, a single image to "
            "X[np.newaxis]."
        )
    if taken == "rows" and len(shape) > 2:
        of_network = "the built-in network" if network is None else f"network={shown(network)}"
        cure = "network=skmask.networks.Convolutional(), or "
        raise ValueError(
            f"X must have shape (n_samples, n_features) for {of_network}; got {shape}. Pass "
            f"{cure if hasattr(estimator, 'network') else ''}X.reshape(len(X), -1)."
        )
    if len(shape) > 2 and 0 in shape[1:]:
        raise ValueError(
            f"X must have at least one number in each row; got shape {shape}. Pass other rows."
        )


def _check_as_in_fit(found: Shape, expected: Shape) -> None:
    if len(found) < 2 and len(expected) < 2:
        return
    if found != expected:
        raise ValueError(
            f"X must have rows of shape {expected}, as in fit; got {found}. "
            f"{_cure(found, expected)}"
        )


def _cure(found: Shape, expected: Shape) -> str:
    """Return what to do about rows of another shape."""
    if (*found, 1) == expected:
        return "Add the axis of the channels: X[..., np.newaxis]."
    if found == (*expected, 1):
        return "Leave out the axis of the channels: X[..., 0]."
    if found == expected[1:]:
        return "Make a single row an array of one: X[np.newaxis]."
    return "Resize or reshape the rows, or fit again."
