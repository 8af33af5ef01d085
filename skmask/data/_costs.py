"""Costs of errors: a matrix for all rows, or costs that differ by row."""

from typing import Any

import numpy as np

from skmask.data._frames import named, named_matrix
from skmask.data._messages import first_rows, quote
from skmask.data._numbers import as_numbers

__all__ = ["check_cost_matrix", "check_costs", "check_not_negative", "costs_of_truth"]


def check_cost_matrix(cost_matrix: Any, classes: np.ndarray) -> np.ndarray:
    """Return costs with both axes in sorted class order, float64 (n_classes, n_classes).

    Parameters
    ----------
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes), or None
        Rows are true classes, columns predicted ones. A DataFrame of a library without names of
        rows has them in a column more. None: each error costs 1.
    classes : ndarray of shape (n_classes,)
        The labels in the order of the axes of an array.
    """
    n_classes = len(classes)
    if cost_matrix is None:
        return 1 - np.eye(n_classes)
    order = np.argsort(classes)
    by_name = named_matrix(cost_matrix, classes[order], "cost_matrix")
    shape = f"(n_classes, n_classes) = {(n_classes, n_classes)}"
    if by_name is not None:
        return as_numbers(by_name, "cost_matrix", shape)
    matrix = as_numbers(cost_matrix, "cost_matrix", shape)
    if matrix.shape != (n_classes, n_classes):
        raise ValueError(
            f"cost_matrix must have shape {shape}; got {matrix.shape}. Give a row and a column "
            f"for each of the classes {quote(classes)}."
        )
    return matrix[np.ix_(order, order)]


def check_costs(costs: Any, *, n_samples: int, classes: np.ndarray, ndims: tuple[int, ...]) -> Any:
    """Return costs that differ by row, with their classes in sorted order, float64.

    Parameters
    ----------
    costs : array-like or DataFrame of shape (n_samples, n_classes), or array-like of shape \
            (n_samples, n_classes, n_classes)
        Cost of each prediction, for the true class of a row, or for each class it may have.
    n_samples : int
    classes : ndarray of shape (n_classes,)
        The labels in the order of the axes of an array.
    ndims : tuple of int
        How many dimensions are legal here.
    """
    n_classes = len(classes)
    order: Any = np.argsort(classes)
    frame = named(costs, "costs")
    if frame is not None:
        costs, order = frame.by_name(classes[order], "costs"), slice(None)
    names = {2: "(n_samples, n_classes)", 3: "(n_samples, n_classes, n_classes)"}
    shapes = " or ".join(
        f"{names[ndim]} = {(n_samples, *[n_classes] * (ndim - 1))}" for ndim in ndims
    )
    array = as_numbers(costs, "costs", shapes)
    if array.ndim not in ndims or array.shape != (n_samples, *[n_classes] * (array.ndim - 1)):
        raise ValueError(
            f"costs must have shape {shapes} here; got {array.shape}. The axes are rows, true "
            "classes where the costs depend on them, predicted classes."
        )
    return array[:, order] if array.ndim == 2 else array[:, order][:, :, order]


def costs_of_truth(costs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the cost of each prediction for each row, given its class or shares of classes.

    Parameters
    ----------
    costs : ndarray of shape (n_samples, n_classes) or (n_samples, n_classes, n_classes)
        As `check_costs` returns it.
    target : ndarray of int of shape (n_samples,), or of float of shape (n_samples, n_classes)
        The class of each row, or the share of each class, of which the mean cost is taken.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    if costs.ndim == 2:
        return costs
    if target.ndim == 2:
        return np.einsum("nk,nkj->nj", target, costs)
    return costs[np.arange(len(target)), target]


def check_not_negative(costs: np.ndarray, argument: str, start: int = 0) -> None:
    """Raise for costs below 0, with a loss that they would turn into a gain.

    Parameters
    ----------
    costs : ndarray of two axes
    argument : str
        For the message.
    start : int, default=0
        Number of the first row.
    """
    if costs.min() < 0:
        rows = start + np.unique(np.argwhere(costs < 0)[:, 0])
        raise ValueError(
            f"{argument} must not hold negative costs with loss='weighted_crossentropy'; got "
            f"{quote(costs[costs < 0])} in {first_rows(rows)}. Use loss='expected_cost', or "
            "raise all costs of a true class alike."
        )
