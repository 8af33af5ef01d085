"""Costs of decisions: a matrix for all rows, or costs that differ by row."""

from typing import Any

import numpy as np

from skmask.data._frames import named, named_costs
from skmask.data._labels import label_array
from skmask.data._messages import first_rows, quote
from skmask.data._numbers import as_numbers

__all__ = [
    "are_classes",
    "check_cost_matrix",
    "check_costs",
    "check_not_negative",
    "classes_of_actions",
    "costs_of_truth",
]

_WHAT = {"classes": "predicted classes", "actions": "actions"}


def check_cost_matrix(cost_matrix: Any, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the decisions that have costs, and the costs, float64 (n_classes, n_decisions).

    Parameters
    ----------
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes) or \
            (n_classes, n_actions), or None
        Rows are true classes, columns predicted ones or actions. A DataFrame of a library without
        names of rows has them in a column more. None: each error costs 1.
    classes : ndarray of shape (n_classes,)
        The labels in the order of the axes of an array.

    Returns
    -------
    actions : ndarray of shape (n_decisions,)
        The classes in sorted order; or the names of actions, 0, 1, ... for an array, in the order
        of the columns.
    costs : ndarray of float64 of shape (n_classes, n_decisions)
        Rows in sorted class order.
    """
    order, n_classes = np.argsort(classes), len(classes)
    if cost_matrix is None:
        return classes[order], 1 - np.eye(n_classes)
    by_name = named_costs(cost_matrix, classes[order], "cost_matrix")
    names, values = (None, cost_matrix) if by_name is None else by_name
    shape = f"(n_classes, n_actions), or (n_classes, n_classes) = {(n_classes, n_classes)}"
    matrix = as_numbers(values, "cost_matrix", shape)
    if matrix.ndim != 2 or len(matrix) != n_classes or not matrix.shape[1]:
        raise ValueError(
            f"cost_matrix must have shape {shape}; got {matrix.shape}. Give a row for each of the "
            f"classes {quote(classes)}, and a column for each class or action."
        )
    if names is not None:
        return label_array(names), matrix
    if by_name is not None:
        return classes[order], matrix
    if matrix.shape[1] != n_classes:
        return np.arange(matrix.shape[1]), matrix[order]
    return classes[order], matrix[np.ix_(order, order)]


def are_classes(actions: np.ndarray, classes_: np.ndarray) -> bool:
    """Say whether decisions are the classes, each in its place."""
    return actions.tolist() == classes_.tolist()


def classes_of_actions(actions: np.ndarray, classes_: np.ndarray) -> np.ndarray:
    """Return the number of the class that each action names, -1 for none.

    Actions name classes where each class is among them.

    Parameters
    ----------
    actions : ndarray of shape (n_actions,)
    classes_ : ndarray of shape (n_classes,)
    """
    number_of = {label: number for number, label in enumerate(classes_.tolist())}
    names = actions.tolist()
    if not number_of.keys() <= set(names):
        return np.full(len(actions), -1)
    return np.array([number_of.get(name, -1) for name in names])


def check_costs(
    costs: Any,
    *,
    n_samples: int,
    classes: np.ndarray,
    ndims: tuple[int, ...],
    actions: np.ndarray | None = None,
) -> Any:
    """Return costs that differ by row, with their classes in sorted order, float64.

    Parameters
    ----------
    costs : array-like or DataFrame of shape (n_samples, n_decisions), or array-like of shape \
            (n_samples, n_classes, n_decisions)
        Cost of each decision, for the true class of a row, or for each class it may have.
    n_samples : int
    classes : ndarray of shape (n_classes,)
        The labels in the order of the axes of an array.
    ndims : tuple of int
        How many dimensions are legal here.
    actions : ndarray of shape (n_decisions,), default=None
        The decisions, in the order of the last axis. None: the classes.
    """
    order: Any = np.argsort(classes)
    what = "classes" if actions is None else "actions"
    in_order = (classes[order], order) if actions is None else (actions, slice(None))
    decisions, of_columns = in_order
    frame = named(costs, "costs")
    if frame is not None:
        of = "class" if actions is None else "action"
        costs, of_columns = frame.by_name(decisions, "costs", of=of), slice(None)
    lengths = {2: (n_samples, len(decisions)), 3: (n_samples, len(classes), len(decisions))}
    names = {2: f"(n_samples, n_{what})", 3: f"(n_samples, n_classes, n_{what})"}
    shapes = " or ".join(f"{names[ndim]} = {lengths[ndim]}" for ndim in ndims)
    array = as_numbers(costs, "costs", shapes)
    if array.ndim not in ndims or array.shape != lengths[array.ndim]:
        raise ValueError(
            f"costs must have shape {shapes} here; got {array.shape}. The axes are rows, true "
            f"classes where the costs depend on them, {_WHAT[what]}."
        )
    return array[:, of_columns] if array.ndim == 2 else array[:, order][:, :, of_columns]


def costs_of_truth(costs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the cost of each decision for each row, given its class or shares of classes.

    Parameters
    ----------
    costs : ndarray of shape (n_samples, n_decisions) or (n_samples, n_classes, n_decisions)
        As `check_costs` returns it.
    target : ndarray of int of shape (n_samples,), or of float of shape (n_samples, n_classes)
        The class of each row, or the share of each class, of which the mean cost is taken.

    Returns
    -------
    ndarray of shape (n_samples, n_decisions)
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
