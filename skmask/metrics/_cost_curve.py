"""How decisions depend on one cost: part of `skmask.metrics`."""

from typing import Any, NamedTuple

import numpy as np

from skmask.data._costs import check_cost_matrix
from skmask.data._frames import row_labels
from skmask.data._labels import check_classes, label_array
from skmask.data._messages import quote, shown
from skmask.data._numbers import as_numbers

__all__ = ["CostCurve", "cost_curve"]


class CostCurve(NamedTuple):
    """Expected costs of decisions over a range of one cost; what `cost_curve` returns.

    Attributes
    ----------
    values : ndarray of shape (n_values,)
        What the one cost is.
    actions : ndarray of shape (n_decisions,)
        The decisions: classes in sorted order, or actions.
    costs : ndarray of shape (n_samples, n_values, n_decisions), or (n_values, n_decisions)
        The expected cost of each decision.
    decisions : ndarray of shape (n_samples, n_values), or (n_values,)
        The cheapest decision; of those that cost the same, the first.
    flips : ndarray of shape (n_samples,), or float
        The cost at which the decision changes: below it, the decision of the entry is the
        cheapest, above it another one. inf where it always is, -inf where it never is.
    """

    values: np.ndarray
    actions: np.ndarray
    costs: np.ndarray
    decisions: np.ndarray
    flips: Any


def cost_curve(
    proba: Any, cost_matrix: Any, entry: tuple[Any, Any], values: Any, *, labels: Any = None
) -> CostCurve:
    """Return the expected cost of each decision while one cost varies, and where it flips.

    For costs that are not known for sure: how far a cost may be off before decisions change.

    Parameters
    ----------
    proba : array-like of shape (n_samples, n_classes) or (n_classes,)
        Probabilities as `predict_proba` returns them, columns in the order of the sorted classes;
        or those of one row.
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes) or (n_classes, n_actions)
        As in `mean_cost`. The number in the entry that varies does not matter.
    entry : tuple of two labels
        The true class and the decision whose cost varies. Actions of an array are numbers.
    values : array-like of shape (n_values,)
        What it costs.
    labels : array-like of shape (n_classes,), default=None
        The order of classes in an array of costs. None: 0, 1, ... or the labels of a DataFrame.

    Returns
    -------
    CostCurve
        Of arrays, without the axis of the rows where `proba` is one row.

    Raises
    ------
    ValueError, TypeError
        For costs and probabilities of shapes that do not agree, numbers that are no
        probabilities, and an entry that is not in the matrix.

    Examples
    --------
    What may a bad applicant (class 1) that is accepted (0) cost, if one in four is bad?

    >>> from skmask.metrics import cost_curve
    >>> curve = cost_curve([0.75, 0.25], [[0, 1], [5, 0]], entry=(1, 0), values=[1, 2, 4, 8])
    >>> curve.decisions
    array([0, 0, 1, 1])
    >>> curve.flips
    3.0
    >>> bool((curve.costs[:, 0] == 0.25 * curve.values).all())
    True
    """
    rows = _check_proba(proba)
    if labels is None:
        labels = row_labels(cost_matrix)
    labels = np.arange(rows.shape[-1]) if labels is None else labels
    labels = check_classes(labels, np.empty(0), "labels")
    if len(labels) != rows.shape[-1]:
        raise ValueError(
            f"proba must have a column for each class, {quote(labels)}; got {rows.shape[-1]} "
            "columns. Give the probabilities of all classes, or pass labels=."
        )
    actions, matrix = check_cost_matrix(cost_matrix, labels)
    of_class, of_action = _check_entry(entry, np.sort(labels), actions)
    values = as_numbers(values, "values", "(n_values,)")
    if values.ndim != 1:
        raise ValueError(f"values must have shape (n_values,); got {values.shape}. Give a list.")
    share = rows[:, of_class]
    matrix = matrix.copy()
    matrix[of_class, of_action] = 0
    fixed = rows @ matrix
    costs = np.repeat(fixed[:, np.newaxis], len(values), axis=1)
    costs[..., of_action] += share[:, np.newaxis] * values
    decisions = actions[costs.argmin(axis=-1)]
    flips = _flips(fixed, share, of_action)
    if np.ndim(proba) == 1:
        return CostCurve(values, actions, costs[0], decisions[0], float(flips[0]))
    return CostCurve(values, actions, costs, decisions, flips)


def _flips(fixed: np.ndarray, share: np.ndarray, of_action: int) -> np.ndarray:
    """Return the cost at which another decision becomes cheaper, for each row.

    Parameters
    ----------
    fixed : ndarray of shape (n_samples, n_decisions)
        Expected costs, where the cost that varies is 0.
    share : ndarray of shape (n_samples,)
        The probability that it is to be paid.
    of_action : int
    """
    rest = np.delete(fixed, of_action, axis=1).min(axis=1, initial=np.inf)
    margin = rest - fixed[:, of_action]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(share > 0, margin / share, np.where(margin >= 0, np.inf, -np.inf))


def _check_proba(proba: Any) -> np.ndarray:
    """Return probabilities as float64 of shape (n_samples, n_classes)."""
    array = as_numbers(proba, "proba", "(n_samples, n_classes) or (n_classes,)")
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(
            f"proba must have shape (n_samples, n_classes) or (n_classes,); got {array.shape}. "
            "Pass what predict_proba returns, or a row of it."
        )
    array = np.atleast_2d(array)
    is_wrong = (array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > 1e-3)
    if is_wrong.any():
        raise ValueError(
            "proba must hold probabilities, 0 or more in rows that sum to 1; got "
            f"{quote(array[is_wrong][0])}. Pass what predict_proba returns."
        )
    return array


def _check_entry(entry: Any, classes: np.ndarray, actions: np.ndarray) -> tuple[int, int]:
    """Return the row and the column of the entry that varies."""
    of_class, of_action = classes.tolist(), actions.tolist()
    pair = label_array(entry).tolist() if isinstance(entry, list | tuple) else []
    if len(pair) != 2 or pair[0] not in of_class or pair[1] not in of_action:
        raise ValueError(
            f"entry must be a class, one of {quote(classes)}, and a decision, one of "
            f"{quote(actions)}; got {shown(entry)}. Name the cost that varies."
        )
    return of_class.index(pair[0]), of_action.index(pair[1])
