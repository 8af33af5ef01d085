"""What decisions cost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils.validation import check_consistent_length

from skmask.data._costs import check_cost_matrix, check_costs, costs_of_truth
from skmask.data._frames import row_labels, without_names
from skmask.data._labels import (
    all_labels,
    check_classes,
    check_labels,
    encode_labels,
    label_array,
)
from skmask.data._messages import naming
from skmask.data._numbers import average, scaled
from skmask.data._weights import check_sample_weight
from skmask.metrics._routing import RoutedScorer

__all__ = ["make_cost_scorer", "mean_cost", "savings_score"]


def _costs_of_decisions(
    y_true: Any,
    y_pred: Any,
    cost_matrix: Any,
    costs: Any,
    labels: Any,
    actions: Any,
    sample_weight: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the costs of all decisions for each row, those of the decisions taken, and weights."""
    true_labels, decisions = check_labels(y_true, "y_true"), _check_decisions(y_pred)
    with naming("y_true and y_pred"):
        check_consistent_length(true_labels, decisions)
    if (cost_matrix is None) == (costs is None):
        found = "neither" if costs is None else "both"
        raise ValueError(
            f"cost_matrix or costs must be given, one of them; got {found}. Pass what an error "
            "costs by class, or by row."
        )
    if actions is not None and costs is None:
        raise ValueError(
            "actions must be given with costs by row, and only then; got cost_matrix, whose "
            "columns say what they are. Leave actions out."
        )
    if labels is None:
        labels = np.unique(true_labels) if actions is not None else row_labels(cost_matrix)
    if labels is None:
        labels = _labels_that_occur(true_labels, decisions, cost_matrix, costs)
    labels = check_classes(labels, true_labels, "labels")
    true = encode_labels(true_labels, np.sort(labels), "y_true")
    decided_for = np.sort(labels)
    if costs is None:
        decided_for, matrix = check_cost_matrix(cost_matrix, labels)
        by_decision = matrix[true]
    else:
        of_actions = None if actions is None else label_array(actions)
        costs = check_costs(
            costs, n_samples=len(true), classes=labels, ndims=(2, 3), actions=of_actions
        )
        by_decision = costs_of_truth(costs, true)
        decided_for = decided_for if of_actions is None else of_actions
    # As objects, whose order does not matter.
    taken = encode_labels(decisions, decided_for.astype(object), "y_pred")
    weight = check_sample_weight(sample_weight, len(true))
    return by_decision, by_decision[np.arange(len(true)), taken], weight


def _check_decisions(y_pred: Any) -> np.ndarray:
    """Return one label or action for each row; actions may be of several kinds."""
    has_objects = isinstance(y_pred, np.ndarray) and y_pred.dtype.kind == "O"
    may_be_mixed = isinstance(y_pred, list | tuple) or has_objects
    if may_be_mixed and len({isinstance(each, str) for each in y_pred}) == 2:
        return label_array(y_pred)
    return check_labels(y_pred, "y_pred")


def _labels_that_occur(
    true_labels: np.ndarray, decisions: np.ndarray, cost_matrix: Any, costs: Any
) -> np.ndarray:
    """Return the labels in the rows, if they are as many as the costs have classes."""
    name, given = ("cost_matrix", cost_matrix) if costs is None else ("costs", costs)
    with naming(name):
        shape = np.asarray(without_names(given, name)).shape
    n_classes, where = shape[-1] if shape else 1, "y_true and y_pred"
    if costs is None and len(shape) == 2 and shape[0] != shape[1]:  # by action
        labels, n_classes, where = np.unique(true_labels), shape[0], "y_true"
    else:
        labels = all_labels(true_labels, decisions)
    if n_classes != len(labels):
        raise ValueError(
            f"labels must be given where not all classes occur; got {len(labels)} classes in "
            f"{where} and costs for {n_classes}. Pass labels= with all of them, in the order of "
            "the costs."
        )
    return labels


def mean_cost(
    y_true: Any,
    y_pred: Any,
    cost_matrix: Any = None,
    *,
    costs: Any = None,
    labels: Any = None,
    actions: Any = None,
    sample_weight: Any = None,
) -> float:
    """Return the mean cost of the predictions per row.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels; or, as predictions, actions.
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes) or \
            (n_classes, n_actions), default=None
        C[i, j], the cost of predicting class j, or of action j, when the truth is class i. A
        DataFrame is aligned by label on both axes; in libraries that have no names of rows
        (polars, pyarrow) one column more holds the true class of each row. Columns are actions as
        in :class:`skmask.CostSensitiveClassifier`; those of an array are numbered from 0.
    costs : array-like of shape (n_samples, n_classes) or (n_samples, n_classes, n_classes), \
            default=None
        In place of `cost_matrix`, costs that differ by row: of each prediction for this row,
        or by true and predicted class.
    labels : array-like of shape (n_classes,), default=None
        The order of classes in the costs. None: the labels in `y_true` and `y_pred`, sorted,
        or those of a DataFrame; with actions, those in `y_true`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    float
        In the unit of the costs; lower is better.

    Raises
    ------
    ValueError, TypeError
        For costs of the wrong shape, and for `labels` missing where a class does not occur.

    Examples
    --------
    >>> from skmask.metrics import mean_cost
    >>> mean_cost(["bad", "good", "good"], ["good", "good", "bad"], [[0, 5], [1, 0]])
    2.0
    """
    _, paid, weight = _costs_of_decisions(
        y_true, y_pred, cost_matrix, costs, labels, actions, sample_weight
    )
    return float(average(paid, weight))


def savings_score(
    y_true: Any,
    y_pred: Any,
    cost_matrix: Any = None,
    *,
    costs: Any = None,
    labels: Any = None,
    actions: Any = None,
    sample_weight: Any = None,
) -> float:
    """Return the share of the cost that the predictions save over the best constant one.

    Parameters
    ----------
    y_true, y_pred, cost_matrix, costs, labels, actions, sample_weight
        As in `mean_cost`.

    Returns
    -------
    float
        1 - cost / cost of always taking the one decision that is cheapest then [1]_. 1 where
        nothing is lost, 0 where nothing is won over that decision, negative where it is worse.

    Raises
    ------
    ValueError
        If the best constant decision earns something (profits are negative costs), and as in
        `mean_cost`.

    References
    ----------
    .. [1] A. Correa Bahnsen, D. Aouada and B. Ottersten, "Example-dependent cost-sensitive
       decision trees", Expert Systems with Applications 42(19), 2015.

    Examples
    --------
    >>> from skmask.metrics import savings_score
    >>> savings_score(["bad", "good", "good"], ["bad", "bad", "good"], [[0, 5], [1, 0]])
    0.5
    """
    by_decision, paid, weight = _costs_of_decisions(
        y_true, y_pred, cost_matrix, costs, labels, actions, sample_weight
    )
    # Both in one unit, in which nothing overflows.
    by_decision, exponent = scaled(by_decision)
    cost = average(np.ldexp(paid, -exponent), weight)
    constant = average(by_decision, weight).min()
    if constant < 0:
        raise ValueError(
            "savings_score must compare with a constant decision that costs something; got "
            f"{np.ldexp(constant, exponent)} for the best one. Use mean_cost, or add the same to "
            "all costs of a row."
        )
    if constant == 0:
        return 1.0 if cost == 0 else 0.0
    with np.errstate(over="ignore"):
        return float(1 - cost / constant)


def make_cost_scorer(
    cost_matrix: Any = None,
    *,
    metric: str = "mean_cost",
    labels: Any = None,
    actions: Any = None,
    metadata: Sequence[str] | None = None,
) -> Any:
    """Make a scorer that counts costs.

    With a cost matrix and no metadata it is one of scikit-learn's own scorers, which every tool
    takes, :class:`~sklearn.model_selection.TunedThresholdClassifierCV` among them. With
    metadata it hands on what is routed to it, with
    `sklearn.set_config(enable_metadata_routing=True)`.

    Parameters
    ----------
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes) or \
            (n_classes, n_actions), default=None
        As in `mean_cost`. None: the costs are routed, row by row.
    metric : {"mean_cost", "savings"}, default="mean_cost"
        The mean cost, with its sign changed so that greater is better, or `savings_score`.
    labels : array-like of shape (n_classes,), default=None
        The order of classes in the costs; needed where a fold may lack a class.
    actions : array-like of shape (n_actions,), default=None
        As in `mean_cost`, for costs that are routed.
    metadata : sequence of str, default=None
        Metadata that is routed: "costs" goes to the metric and, by true and predicted class, to an
        estimator whose `predict` takes it; "allowed" to the estimator; "sample_weight" to the
        metric. None: ("costs",) without `cost_matrix`, otherwise nothing.

    Returns
    -------
    callable
        `scorer(estimator, X, y, **metadata) -> float`.

    Raises
    ------
    ValueError
        For an unknown metric, and for costs given twice or not at all.

    See Also
    --------
    routed_scorer : scorers with other metrics.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skmask.metrics import make_cost_scorer
    >>> X, y = [[0], [1], [2]], [0, 1, 1]
    >>> make_cost_scorer([[0, 5], [1, 0]])(DummyClassifier().fit(X, y), X, y)
    -1.6666666666666667
    """
    metrics = {"mean_cost": (mean_cost, False), "savings": (savings_score, True)}
    if metric not in metrics:
        raise ValueError(f"metric must be one of {sorted(metrics)}; got {metric!r}.")
    score_func, greater_is_better = metrics[metric]
    if metadata is None:
        metadata = () if cost_matrix is not None else ("costs",)
    if ("costs" in metadata) == (cost_matrix is not None):
        raise ValueError(
            "cost_matrix must be given unless costs are routed, and not with them; got "
            f"cost_matrix={'None' if cost_matrix is None else 'a matrix'} and "
            f"metadata={tuple(metadata)}. Give one of the two."
        )
    kwargs = {"cost_matrix": cost_matrix, "labels": labels, "actions": actions}
    if not metadata:
        return make_scorer(score_func, greater_is_better=greater_is_better, **kwargs)
    return RoutedScorer(
        score_func, "predict", greater_is_better, metadata, kwargs, of_metric=("costs",)
    )
