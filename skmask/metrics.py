"""Metric functions and scorers in scikit-learn's style."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object
from sklearn.utils.validation import check_consistent_length

from skmask._cost_curve import CostCurve, cost_curve
from skmask._label_metrics import make_multilabel_scorer, multilabel_score
from skmask.data._costs import check_cost_matrix, check_costs, costs_of_truth
from skmask.data._frames import row_labels, without_names
from skmask.data._labels import (
    all_labels,
    check_classes,
    check_labels,
    encode_labels,
    label_array,
    same_labels,
)
from skmask.data._messages import naming
from skmask.data._numbers import average, scaled
from skmask.data._sequences import as_sequences, entry_weights, is_label, label_matrix, padding_mark
from skmask.data._weights import check_sample_weight

__all__ = [
    "CostCurve",
    "cost_curve",
    "make_cost_scorer",
    "make_multilabel_scorer",
    "make_sequence_scorer",
    "mean_cost",
    "multilabel_score",
    "routed_scorer",
    "savings_score",
    "sequence_accuracy",
    "step_accuracy",
]

_ROUTED_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def _costs_of_decisions(
    y_true: Any, y_pred: Any, cost_matrix: Any, costs: Any, labels: Any, sample_weight: Any
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
    if labels is None:
        labels = row_labels(cost_matrix)
    if labels is None:
        labels = _labels_that_occur(true_labels, decisions, cost_matrix, costs)
    labels = check_classes(labels, true_labels, "labels")
    true = encode_labels(true_labels, np.sort(labels), "y_true")
    actions = np.sort(labels)
    if costs is None:
        actions, matrix = check_cost_matrix(cost_matrix, labels)
        by_decision = matrix[true]
    else:
        costs = check_costs(costs, n_samples=len(true), classes=labels, ndims=(2, 3))
        by_decision = costs_of_truth(costs, true)
    # As objects, whose order does not matter.
    taken = encode_labels(decisions, actions.astype(object), "y_pred")
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
    _, paid, weight = _costs_of_decisions(y_true, y_pred, cost_matrix, costs, labels, sample_weight)
    return float(average(paid, weight))


def savings_score(
    y_true: Any,
    y_pred: Any,
    cost_matrix: Any = None,
    *,
    costs: Any = None,
    labels: Any = None,
    sample_weight: Any = None,
) -> float:
    """Return the share of the cost that the predictions save over the best constant one.

    Parameters
    ----------
    y_true, y_pred, cost_matrix, costs, labels, sample_weight
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
        y_true, y_pred, cost_matrix, costs, labels, sample_weight
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


def _hits(y_true: Any, y_pred: Any, padding_label: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return which steps are right and which count, bool of shape (n_samples, n_steps)."""
    true, counts = label_matrix(y_true, "y_true")
    predicted, is_predicted = label_matrix(y_pred, "y_pred")
    with naming("y_true and y_pred"):
        check_consistent_length(true, predicted)
    is_short = (counts.sum(axis=1) > is_predicted.sum(axis=1)).any()
    if is_short or (as_sequences(y_true, "y_true") is None and true.shape != predicted.shape):
        raise ValueError(
            "y_pred must have a label for each step of y_true; got "
            f"{predicted.shape[1]} steps for {true.shape[1]}. Pad both alike, or pass y_true as a "
            "list of arrays."
        )
    n_steps = true.shape[1]
    predicted = predicted[:, :n_steps]
    padding_label = padding_mark(padding_label, true.dtype)
    counts = counts & ~is_label(true, padding_label) & ~is_label(predicted, padding_label)
    if not counts.any():
        raise ValueError(
            "y_true must have a step that is not padding; got none. Check "
            f"padding_label={padding_label!r}."
        )
    return same_labels(true, predicted), counts


def step_accuracy(
    y_true: Any, y_pred: Any, *, padding_label: Any = None, sample_weight: Any = None
) -> float:
    """Return the share of steps whose label is predicted, padding not counted.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples, n_steps), or list of arrays of shape \
            (n_steps_i,)
        Labels. The predictions for a sequence in a list may be longer than it is.
    padding_label : int or str, default=None
        A step does not count where either has this label, so that predictions of
        :class:`skmask.MaskedSequenceClassifier` say where padding is. None: -1, or "" for
        strings.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_steps), or list of arrays \
            of shape (n_steps_i,), default=None
        Weights of the sequences or of the steps. What stands at padding does not matter.

    Returns
    -------
    float
        Over all steps of all sequences: long sequences count for more.

    Raises
    ------
    ValueError
        If no step counts, and for lengths that do not agree.

    Examples
    --------
    >>> from skmask.metrics import step_accuracy
    >>> step_accuracy([[0, 1, -1], [1, -1, -1]], [[0, 0, 0], [1, 1, 1]])
    0.6666666666666666
    """
    hits, counts = _hits(y_true, y_pred, padding_label)
    return float(average(hits[counts], entry_weights(sample_weight, counts)))


def sequence_accuracy(
    y_true: Any, y_pred: Any, *, padding_label: Any = None, sample_weight: Any = None
) -> float:
    """Return the share of sequences of which every label is predicted, padding not counted.

    Parameters
    ----------
    y_true, y_pred, padding_label
        As in `step_accuracy`. A sequence that is padding throughout does not count.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the sequences.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        As in `step_accuracy`.

    Examples
    --------
    >>> from skmask.metrics import sequence_accuracy
    >>> sequence_accuracy([[0, 1, -1], [1, -1, -1]], [[0, 0, 0], [1, 1, 1]])
    0.5
    """
    hits, counts = _hits(y_true, y_pred, padding_label)
    is_right, counted = (hits | ~counts).all(axis=1), counts.any(axis=1)
    weight = check_sample_weight(sample_weight, len(counts))
    return float(average(is_right[counted], weight[counted]))


class _WithMetadata:
    """An estimator whose response methods are called with metadata that was given once."""

    def __init__(self, estimator: Any, metadata: dict[str, Any]):
        self._estimator = estimator
        self._metadata = metadata

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and not name.startswith("__sklearn"):
            raise AttributeError(name)
        attribute = getattr(self._estimator, name)
        if name not in _ROUTED_METHODS:
            return attribute

        @wraps(attribute)  # scikit-learn tells probabilities from labels by the name
        def respond(X: Any) -> Any:
            return attribute(X, **self._metadata)

        return respond


class _RoutedScorer:
    """A scorer that hands metadata to the response method of the estimator it scores."""

    def __init__(
        self, score_func, response_method, greater_is_better, metadata, kwargs, of_metric=()
    ):
        self._score_func = score_func
        self._response_method = response_method
        self._greater_is_better = greater_is_better
        self._metadata = tuple(metadata)
        self._kwargs = kwargs
        self._of_metric = tuple(of_metric)

    def __call__(self, estimator, X, y_true, sample_weight=None, **metadata):
        unknown = sorted(set(metadata) - set(self._metadata))
        if unknown:
            raise TypeError(
                f"metadata of this scorer must be among {list(self._metadata)}; got {unknown}. "
                "Name them in routed_scorer(..., metadata=...)."
            )
        given = {name: value for name, value in metadata.items() if value is not None}
        scorer = make_scorer(
            self._score_func,
            response_method=self._response_method,
            greater_is_better=self._greater_is_better,
            **self._kwargs,
            **{name: given[name] for name in self._of_metric if name in given},
        )
        for name in self._of_metric:
            if name in given and not _is_for_prediction(estimator, name, given[name]):
                del given[name]
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return scorer(_WithMetadata(estimator, given), X, y_true, **weights)

    def get_metadata_routing(self):
        """Return the metadata that this scorer requests."""
        request = MetadataRequest(owner=self)
        for name in self._metadata:
            request.score.add_request(param=name, alias=True)
        return request

    def __repr__(self):
        return (
            f"routed_scorer({self._score_func.__name__}, "
            f"response_method={self._response_method!r}, "
            f"greater_is_better={self._greater_is_better}, metadata={self._metadata})"
        )


def _is_for_prediction(estimator: Any, name: str, value: Any) -> bool:
    """Say whether metadata of a metric is something that the estimator predicts with, too."""
    if name == "costs" and np.asarray(without_names(value, "costs")).ndim == 2:
        return False  # what each prediction costs, for the truth that is known
    routing = get_routing_for_object(estimator)
    return name in routing.consumes("predict", [name])


def routed_scorer(
    score_func: Callable[..., float],
    *,
    response_method: str | Sequence[str] = "predict",
    greater_is_better: bool = True,
    metadata: Sequence[str] = ("allowed",),
    **kwargs: Any,
) -> Any:
    """Make a scorer that hands metadata to the estimator's response method.

    scikit-learn's own scorers give metadata to the metric only, never to `predict` or
    `predict_proba`, so that an estimator whose predictions depend on metadata cannot be scored
    by them [1]_. Use this one wherever `scoring` is taken, alone or in a dict of several, with
    `sklearn.set_config(enable_metadata_routing=True)`.

    Parameters
    ----------
    score_func : callable
        `score_func(y_true, y_pred, **kwargs)`, as for :func:`sklearn.metrics.make_scorer`.
    response_method : {"predict", "predict_proba", "decision_function"} or a sequence of them, \
            default="predict"
        Method whose output the metric gets. Of a sequence, the first that the estimator has.
    greater_is_better : bool, default=True
        False for a loss: the scorer then changes its sign.
    metadata : sequence of str, default=("allowed",)
        Metadata that is requested and passed on. With "sample_weight" among them, that goes to
        `score_func`.
    **kwargs : additional arguments
        Passed to `score_func`; `labels=` for metrics that need all classes in a fold that
        lacks one.

    Returns
    -------
    callable
        `scorer(estimator, X, y, *, sample_weight=None, **metadata) -> float`.

    Raises
    ------
    TypeError
        In a call with metadata that was not named.

    References
    ----------
    .. [1] scikit-learn issue 27977, "scorers can't pass metadata to predict".

    Examples
    --------
    >>> from sklearn.metrics import log_loss
    >>> from skmask import RestrictedClassClassifier
    >>> from skmask.datasets import make_restricted_classification
    >>> from skmask.metrics import routed_scorer
    >>> X, y, allowed = make_restricted_classification(random_state=0)
    >>> clf = RestrictedClassClassifier(epochs=5, random_state=0).fit(X, y, allowed=allowed)
    >>> scorer = routed_scorer(
    ...     log_loss, response_method="predict_proba", greater_is_better=False
    ... )
    >>> scorer(clf, X, y, allowed=allowed) == -log_loss(y, clf.predict_proba(X, allowed=allowed))
    True
    """
    return _RoutedScorer(score_func, response_method, greater_is_better, metadata, kwargs)


def make_cost_scorer(
    cost_matrix: Any = None,
    *,
    metric: str = "mean_cost",
    labels: Any = None,
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
    kwargs = {"cost_matrix": cost_matrix, "labels": labels}
    if not metadata:
        return make_scorer(score_func, greater_is_better=greater_is_better, **kwargs)
    return _RoutedScorer(
        score_func, "predict", greater_is_better, metadata, kwargs, of_metric=("costs",)
    )


def make_sequence_scorer(
    metric: str = "step_accuracy", *, padding_label: Any = None, metadata: Sequence[str] = ()
) -> Any:
    """Make a scorer of labels by step.

    Parameters
    ----------
    metric : {"step_accuracy", "sequence_accuracy"}, default="step_accuracy"
        Share of steps, or of whole sequences, that are predicted rightly.
    padding_label : int or str, default=None
        As in `step_accuracy`: the estimator's own, where it has one.
    metadata : sequence of str, default=()
        Metadata that is routed, as in `routed_scorer`: "allowed" goes to the estimator,
        "sample_weight" to the metric.

    Returns
    -------
    callable
        `scorer(estimator, X, y, **metadata) -> float`.

    Raises
    ------
    ValueError
        For an unknown metric.

    Examples
    --------
    >>> from skmask import MaskedSequenceClassifier
    >>> from skmask.datasets import make_padded_sequences
    >>> from skmask.metrics import make_sequence_scorer
    >>> X, y = make_padded_sequences(100, random_state=0)
    >>> clf = MaskedSequenceClassifier(8, padding_label="#", epochs=2, random_state=0).fit(X, y)
    >>> scorer = make_sequence_scorer("step_accuracy", padding_label="#")
    >>> scorer(clf, X, y) == clf.score(X, y)
    True
    """
    metrics = {"step_accuracy": step_accuracy, "sequence_accuracy": sequence_accuracy}
    if metric not in metrics:
        raise ValueError(f"metric must be one of {sorted(metrics)}; got {metric!r}.")
    kwargs = {"padding_label": padding_label}
    if not metadata:
        return make_scorer(metrics[metric], **kwargs)
    return _RoutedScorer(metrics[metric], "predict", True, metadata, kwargs)
