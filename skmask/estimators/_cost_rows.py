"""Reading of rows with costs: those of all rows, or of each, and what the loss takes of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any

import numpy as np

from skmask.data._blocks import in_memory, is_on_disk
from skmask.data._costs import (
    are_classes,
    check_cost_matrix,
    check_costs,
    check_not_negative,
    costs_of_truth,
)
from skmask.data._numbers import scaled
from skmask.data._shares import labelled_parts
from skmask.engine import LazyRows, is_lazy, read_rows
from skmask.estimators._blocks import costs_in_blocks
from skmask.estimators._reading import Given
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._softmax_rows import read_softmax_rows

__all__ = ["actions_of", "decision_of", "read_cost_rows"]

# What "auto" decides by: outputs of these losses are no probabilities, they have the costs in them.
_AUTO = {"weighted_crossentropy": "argmax"}


def decision_of(estimator: Any, fit: Fit) -> str:
    """Return how a classifier decides now, "min_expected_cost" or "argmax".

    Parameters
    ----------
    estimator : CostSensitiveClassifier
        Its parameter `decision` is read and checked.
    fit : Fit
    """
    estimator._check_read_now("decision")
    if estimator.decision == "argmax" and actions_of(fit) is not None:
        raise ValueError(
            "decision must be by cost where cost_matrix has a column for each action; got "
            "'argmax'. Set decision='auto'."
        )
    if estimator.decision != "auto":
        return estimator.decision
    return _AUTO.get(fit.values.get("loss", estimator.loss), "min_expected_cost")


def actions_of(fit: Fit) -> np.ndarray | None:
    """Return the actions that a fit decides for; None where they are the classes."""
    actions = fit.values.get("actions_")
    return None if actions is None or are_classes(actions, fit["classes_"]) else actions


# Reading.


def read_cost_rows(estimator: Any, given: Given) -> Rows:
    """Read rows with a label or shares of the classes, their weights, masks and costs.

    Parameters
    ----------
    estimator : CostSensitiveClassifier
        Its parameters are read.
    given : Given
        With `costs` among its metadata, or not.
    """
    rows = read_softmax_rows(estimator, given)
    labels, costs = rows.values["announced"], given.metadata.get("costs")
    if given.training is not None:
        return _with_costs_of_validation(estimator, rows, given.training, costs)
    actions, matrix = check_cost_matrix(estimator.cost_matrix, labels)
    rows = rows.with_values(actions_=actions, loss=estimator.loss)
    if not are_classes(actions, rows.values["classes_"]):
        return _with_costs_of_actions(estimator, rows, given, matrix)
    by_row, parts, means, depend_on_row = _read_costs(rows, costs)
    seen, did_depend = _costs_before(given)
    if means is not None:
        means[:, -1] = rows.in_units_given(means[:, -1])
        seen = means if seen is None else _pooled(seen, means)
    if seen is not None and estimator.cost_matrix is None:
        matrix = np.where(seen[:, -1:] > 0, seen[:, :-1], matrix)
    rows = rows.with_values(
        cost_matrix_=matrix, costs_seen=seen, costs_depend_on_row=depend_on_row or did_depend
    )
    return _with_costs_for_the_loss(estimator, rows, matrix, by_row, parts)


def _read_costs(rows: Rows, costs: Any) -> tuple[Any, "_OfOneLabel | None", Any, bool]:
    """Read costs that differ by row.

    Returns
    -------
    by_row : ndarray or LazyRows of shape (n_samples, n_classes), or None
        The cost of each prediction.
    parts : _OfOneLabel, or None
        The same of parts of rows that have one label each; None for costs on disk.
    means : ndarray of shape (n_classes, n_classes + 1), or None
        As `_mean_costs` returns it.
    depend_on_row : bool
        Whether a decision needs the costs of its row.
    """
    labels = rows.values["announced"]
    if costs is None:
        return None, None, None, False
    if is_lazy(rows.X) and is_on_disk(costs):
        _check_one_label(rows.target)
        by_row: Any = costs_in_blocks(costs, n_samples=len(rows), classes=labels)
        on_disk = _on_disk(by_row, rows.target)
        means = reduce(_pooled, (_mean_costs(part, rows.weight[of]) for of, part in on_disk))
        return by_row, None, means, False
    costs = check_costs(in_memory(costs), n_samples=len(rows), classes=labels, ndims=(2, 3))
    numbers, codes, share = labelled_parts(rows.target)
    parts = _OfOneLabel(costs_of_truth(costs[numbers], codes), codes, share)
    means = _mean_costs(parts, rows.weight[numbers])
    return costs_of_truth(costs, rows.target), parts, means, costs.ndim == 3


def _costs_before(given: Given) -> tuple[Any, bool]:
    """Return the mean costs of the calls before, and whether they differed by row and class."""
    if given.continued is None:
        return None, False
    return given.continued["costs_seen"], bool(given.continued["costs_depend_on_row"])


def _with_costs_of_actions(estimator: Any, rows: Rows, given: Given, matrix: np.ndarray) -> Rows:
    """Return rows with the costs of actions, which only the decision counts."""
    if estimator.loss != "crossentropy":
        raise ValueError(
            "loss must be 'crossentropy' where cost_matrix has a column for each action, because "
            f"the others need the costs of classes; got {estimator.loss!r}. Set "
            "loss='crossentropy', or give cost_matrix a column for each class alone."
        )
    costs = given.metadata.get("costs")
    seen, depend_on_row = _costs_before(given)
    if costs is not None:
        costs = check_costs(
            in_memory(costs),
            n_samples=len(rows),
            classes=rows.values["announced"],
            ndims=(2, 3),
            actions=rows.values["actions_"],
        )
        depend_on_row |= costs.ndim == 3
    return rows.with_values(cost_matrix_=matrix, costs_seen=seen, costs_depend_on_row=depend_on_row)


def _with_costs_for_the_loss(
    estimator: Any, rows: Rows, matrix: np.ndarray, by_row: Any, parts: "_OfOneLabel | None"
) -> Rows:
    name = "cost_matrix" if by_row is None else "costs"
    costs: Any = matrix if by_row is None else by_row
    if by_row is None:
        parts = _OfOneLabel(matrix, np.arange(len(matrix)), np.ones(len(matrix)))
    if estimator.loss == "weighted_crossentropy":
        for rows_of, block in read_rows(costs) if is_lazy(costs) else [(slice(0), costs)]:
            check_not_negative(block, name, rows_of.start or 0)
    if estimator.loss == "crossentropy":
        return rows
    if parts is None:
        unit = _mean_error_on_disk(costs, rows.target)
        in_unit = partial(_in_unit, unit=unit, argument=name)
        costs = LazyRows(costs, convert=in_unit, dtype=float)
    else:
        unit = parts.mean_error()
        costs = _in_unit(costs, unit, name)
    rows = rows.with_values(cost_unit=unit)
    if by_row is None:
        return replace(rows, constants={**rows.constants, name: costs})
    return replace(rows, columns={**rows.columns, name: costs})


def _with_costs_of_validation(estimator: Any, rows: Rows, training: Rows, costs: Any) -> Rows:
    """Return validation rows with the costs that their loss takes, in the unit of training."""
    if costs is None:
        if "cost_matrix" not in training.constants:
            return rows
        matrix = training.constants["cost_matrix"]
        return replace(rows, constants={**rows.constants, "cost_matrix": matrix})
    labels, actions = training.values["announced"], training.values["actions_"]
    if are_classes(actions, training.values["classes_"]):
        actions = None
    costs = check_costs(costs, n_samples=len(rows), classes=labels, ndims=(2, 3), actions=actions)
    if "costs" not in training.columns:
        return rows
    by_row = costs_of_truth(costs, rows.target)
    if estimator.loss == "weighted_crossentropy":
        check_not_negative(by_row, "costs")
    by_row = _in_unit(by_row, training.values["cost_unit"], "costs")
    return replace(rows, columns={**rows.columns, "costs": by_row})


# Units and means of costs.


@dataclass(frozen=True)
class _OfOneLabel:
    """Costs of parts of rows that have one label each.

    Parameters
    ----------
    costs : ndarray of shape (n_parts, n_classes)
        What each prediction costs.
    codes : ndarray of int of shape (n_parts,)
        The class of each part.
    share : ndarray of shape (n_parts,)
        Of its row.
    """

    costs: np.ndarray
    codes: np.ndarray
    share: np.ndarray

    def mean_error(self) -> tuple[float, int]:
        """Return the mean size of the costs of errors, or of all, and a power of 2 to multiply."""
        costs, exponent = scaled(self.costs)
        counts = np.arange(costs.shape[1]) != self.codes[:, np.newaxis]
        if not costs[counts].any():
            counts = np.ones_like(counts)
        mean = np.average(np.abs(costs), weights=counts * self.share[:, np.newaxis])
        return float(mean or 1.0), int(exponent)


def _in_unit(costs: np.ndarray, unit: tuple[float, int], argument: str) -> np.ndarray:
    """Return costs in a unit of their own: the mean size of those of errors, or of all.

    Parameters
    ----------
    costs : ndarray of shape (n, n_classes)
    unit : tuple of float and int
        As `_OfOneLabel.mean_error` returns it.
    argument : str
        For the message.
    """
    mean, exponent = unit
    with np.errstate(over="ignore"):
        costs = np.ldexp(costs, -exponent) / mean
    if np.abs(costs).max() > np.finfo(np.float32).max:
        raise ValueError(
            f"{argument} must hold costs whose sizes float32 can tell apart; got some that are "
            f"{np.abs(costs).max():.0e} times the mean cost of an error. Bring them closer."
        )
    return costs


def _mean_costs(parts: _OfOneLabel, weight: np.ndarray) -> np.ndarray:
    """Return the mean costs of the rows of each class, and in the last column their weight."""
    costs, exponent = scaled(parts.costs)
    weight = weight * parts.share
    sums = np.zeros((costs.shape[1], costs.shape[1] + 1))
    np.add.at(sums, parts.codes, weight[:, np.newaxis] * np.c_[costs, np.ones(len(costs))])
    total = sums[:, -1:]
    means = np.ldexp(sums[:, :-1] / np.where(total > 0, total, 1), exponent)
    return np.hstack([means, total])


def _check_one_label(target: np.ndarray) -> None:
    """Raise for shares of the classes, where costs by row are on disk."""
    if target.ndim != 1:
        raise ValueError(
            "costs must be in memory where y holds shares of the classes; got costs on disk. Read "
            "them, with numpy.asarray, or give one label for each row."
        )


def _on_disk(costs: Any, codes: np.ndarray) -> Iterator[tuple[slice, _OfOneLabel]]:
    """Yield costs by row block by block, with the rows of each block."""
    for rows, block in read_rows(costs):
        yield rows, _OfOneLabel(block, codes[rows], np.ones(len(block)))


def _mean_error_on_disk(costs: Any, codes: np.ndarray) -> tuple[float, int]:
    """Return what `_OfOneLabel.mean_error` does, of costs by row on disk."""
    sums = np.zeros(4)
    largest = max(np.abs(block).max(initial=0) for _, block in read_rows(costs))
    exponent = int(np.frexp(largest)[1])
    for _, parts in _on_disk(costs, codes):
        sizes = np.ldexp(np.abs(parts.costs), -exponent)
        of_errors = sizes[np.arange(sizes.shape[1]) != parts.codes[:, np.newaxis]]
        sums += of_errors.sum(), of_errors.size, sizes.sum(), sizes.size
    mean = sums[0] / sums[1] if sums[0] else sums[2] / sums[3]
    return float(mean or 1.0), exponent


def _pooled(seen: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Combine the mean costs of two sets of rows, in the form of `_mean_costs`."""
    total = seen[:, -1:] + means[:, -1:]
    share = means[:, -1:] / np.where(total > 0, total, 1)
    return np.hstack([seen[:, :-1] * (1 - share) + means[:, :-1] * share, total])
