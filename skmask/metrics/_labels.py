"""Scores of label matrices by the entries that are known, and their scorers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score
from sklearn.utils.validation import check_consistent_length

from skmask.data._frames import named
from skmask.data._labels import encode_label_matrix
from skmask.data._messages import naming, shown
from skmask.data._numbers import as_numbers, scaled
from skmask.data._weights import by_entry, check_label_weight
from skmask.metrics._routing import MetadataScorer

__all__ = ["make_multilabel_scorer", "multilabel_score"]

# Sums over the entries of a label, a row or all: of positives, predicted ones and those of both.
Ratio = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

_RATIOS: dict[str, Ratio] = {
    "f1": lambda true, predicted, both: (2 * both, true + predicted),
    "precision": lambda true, predicted, both: (both, predicted),
    "recall": lambda true, predicted, both: (both, true),
}
_METRICS = (*_RATIOS, "average_precision")
_AVERAGES = ("macro", "micro", "samples", "weighted")


def multilabel_score(
    y_true: Any,
    y_pred: Any,
    *,
    metric: str = "f1",
    average: str = "macro",
    sample_weight: Any = None,
    zero_division: float = 0.0,
) -> float:
    """Return F1, precision, recall or average precision of labels, by the known entries.

    Entries of `y_true` that are NaN are left out, label by label. Where there are none, the result
    is that of scikit-learn's function for the metric.

    Parameters
    ----------
    y_true : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0, 1, or NaN for unknown.
    y_pred : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        Predictions, 0 or 1. For "average_precision" scores: probabilities, for example.
    metric : {"f1", "precision", "recall", "average_precision"}, default="f1"
    average : {"macro", "micro", "samples", "weighted"}, default="macro"
        The mean over labels, over all entries, over rows, or over labels by the weight of their
        positives, as in scikit-learn. Labels, or rows, without a known entry are left out.
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
        By row, or by row and label: a row then counts by the mean of its known entries.
    zero_division : {0.0, 1.0, nan}, default=0.0
        Score of a label or row for which the metric is 0 / 0. NaN leaves it out of the mean.

    Returns
    -------
    float
        NaN where everything is left out.

    Raises
    ------
    ValueError, TypeError
        For an unknown metric or average, and for other bad input.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.metrics import multilabel_score
    >>> multilabel_score([[1, np.nan], [0, 1], [1, 0]], [[1, 1], [0, 1], [0, 0]], metric="recall")
    0.75
    """
    _check_choices(metric, average, zero_division)
    true, is_known, names = encode_label_matrix(y_true, None, "y_true")
    scores = _predictions(y_pred, names, are_scores=metric == "average_precision")
    with naming("y_true and y_pred"):
        check_consistent_length(true, scores)
    weight = scaled(by_entry(check_label_weight(sample_weight, true.shape, names)))[0]
    weight = weight * is_known
    groups, of_group = _grouped(true, weight, average)
    if metric == "average_precision":
        each = _average_precisions(true, scores, weight, average, zero_division)
    else:
        each = _ratios(_RATIOS[metric], true, scores, weight, average, zero_division)
    counts = groups & ~np.isnan(each)
    if not counts.any():
        return float("nan")
    each, of_group = each[counts], of_group[counts]
    return float(np.average(each, weights=of_group if of_group.any() else None))


def _check_choices(metric: Any, average: Any, zero_division: Any) -> None:
    for name, value, choices in (("metric", metric, _METRICS), ("average", average, _AVERAGES)):
        if not isinstance(value, str) or value not in choices:
            raise ValueError(
                f"{name} must be one of {list(choices)}; got {shown(value)}. Choose one of them."
            )
    is_legal = isinstance(zero_division, int | float) and (
        zero_division in (0, 1) or zero_division != zero_division
    )
    if not is_legal:
        raise ValueError(
            f"zero_division must be 0.0, 1.0 or NaN; got {shown(zero_division)}. Choose one of "
            "them."
        )


def _predictions(y_pred: Any, names: np.ndarray, *, are_scores: bool) -> np.ndarray:
    """Return predictions of 0 and 1, or scores, of shape (n_samples, n_labels)."""
    frame = named(y_pred, "y_pred")
    if frame is not None:
        y_pred = frame.by_name(names, "y_pred", of="label")
    if are_scores:
        predicted = as_numbers(y_pred, "y_pred", f"(n_samples, {len(names)})")
    else:
        predicted, is_there, _ = encode_label_matrix(y_pred, None, "y_pred")
        if not is_there.all():
            raise ValueError(
                "y_pred must hold a prediction for each entry; got NaN. Pass 0 or 1 everywhere."
            )
    if predicted.ndim != 2 or predicted.shape[1] != len(names):
        raise ValueError(
            f"y_pred must have one column for each of the {len(names)} labels of y_true; got shape "
            f"{predicted.shape}. Pass a column for each label."
        )
    return predicted


def _grouped(true: np.ndarray, weight: np.ndarray, average: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which labels, rows, or all entries count, and their weights in the mean."""
    if average == "micro":
        return np.array([weight.any()]), np.ones(1)
    if average == "samples":
        n_counted = np.maximum((weight > 0).sum(axis=1), 1)
        return np.any(weight > 0, axis=1), np.asarray(weight.sum(axis=1) / n_counted)
    of_label = np.ones(true.shape[1])
    if average == "weighted":
        of_label = np.asarray((weight * true).sum(axis=0))
    return np.asarray(np.any(weight > 0, axis=0)), of_label


def _ratios(
    ratio: Ratio,
    true: np.ndarray,
    predicted: np.ndarray,
    weight: np.ndarray,
    average: str,
    zero_division: float,
) -> np.ndarray:
    """Return the metric of each label, each row, or of all entries."""
    axis = {"micro": None, "samples": 1}.get(average, 0)
    parts = (true, predicted, true * predicted)
    hits, of = ratio(*(np.atleast_1d((weight * part).sum(axis=axis)) for part in parts))
    return np.where(of > 0, hits / np.where(of > 0, of, 1), zero_division)


def _average_precisions(
    true: np.ndarray, scores: np.ndarray, weight: np.ndarray, average: str, zero_division: float
) -> np.ndarray:
    """Return the average precision of each label, each row, or of all entries."""
    parts = [true, scores, weight]
    if average == "micro":
        parts = [part.reshape(1, -1) for part in parts]
    elif average != "samples":
        parts = [part.T for part in parts]
    each = zip(*parts, strict=True)
    return np.array([_average_precision(*part, zero_division=zero_division) for part in each])


def _average_precision(
    true: np.ndarray, scores: np.ndarray, weight: np.ndarray, *, zero_division: float
) -> float:
    counts = weight > 0
    if not true[counts].any():
        return zero_division
    return average_precision_score(true[counts], scores[counts], sample_weight=weight[counts])


class _LabelScorer(MetadataScorer):
    """A scorer of label matrices by the entries that are known."""

    def __init__(self, metric: str, average: str, zero_division: float, metadata: Sequence[str]):
        super().__init__(metadata, "make_multilabel_scorer")
        self._settings: dict[str, Any] = {
            "metric": metric,
            "average": average,
            "zero_division": zero_division,
        }

    def __call__(self, estimator, X, y_true, sample_weight=None, **metadata):
        given = self._given(metadata)
        respond = _scores_of if self._settings["metric"] == "average_precision" else _labels_of
        predicted = respond(estimator, X, given)
        y_true = _in_order_of(estimator, y_true)
        return multilabel_score(y_true, predicted, sample_weight=sample_weight, **self._settings)

    def __repr__(self):
        settings = ", ".join(f"{name}={value!r}" for name, value in self._settings.items())
        return f"make_multilabel_scorer({settings}, metadata={self._metadata})"


def _labels_of(estimator: Any, X: Any, metadata: dict[str, Any]) -> Any:
    return estimator.predict(X, **metadata)


def _scores_of(estimator: Any, X: Any, metadata: dict[str, Any]) -> Any:
    """Return probabilities, or decision values where there are none."""
    if not hasattr(estimator, "predict_proba"):
        return estimator.decision_function(X, **metadata)
    proba = estimator.predict_proba(X, **metadata)
    if not isinstance(proba, list):
        return proba
    # Some of scikit-learn's classifiers return the columns of each label: two, or one where it was
    # constant in training.
    labels = getattr(_predicting(estimator, "classes_"), "classes_", [[0, 1]] * len(proba))
    return np.column_stack([p @ (np.asarray(c) == 1) for p, c in zip(proba, labels, strict=True)])


def _predicting(estimator: Any, attribute: str) -> Any:
    """Return the estimator with an attribute, inside a pipeline, a search or a wrapper."""
    while not hasattr(estimator, attribute):
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
            continue
        names = ("best_estimator_", "estimator_", "estimator")
        inner = next((getattr(estimator, name) for name in names if hasattr(estimator, name)), None)
        if inner is None:
            return estimator
        estimator = inner
    return estimator


def _in_order_of(estimator: Any, y_true: Any) -> Any:
    """Return labels, those of a DataFrame in the order in which an estimator predicts them."""
    frame = named(y_true, "y_true")
    names = getattr(_predicting(estimator, "label_names_"), "label_names_", None)
    if frame is None or names is None:
        return y_true
    return frame.by_name(names, "y_true", of="label")


def make_multilabel_scorer(
    metric: str = "f1",
    average: str = "macro",
    *,
    zero_division: float = 0.0,
    metadata: Sequence[str] = ("allowed",),
) -> Any:
    """Make a scorer of label matrices, in which entries may be unknown.

    For `scoring=` of searches and cross-validation, and for `monitor=`. scikit-learn's own scorers
    refuse a `y` with NaN.

    Parameters
    ----------
    metric : {"f1", "precision", "recall", "average_precision"}, default="f1"
        As in `multilabel_score`. The first three score `predict`, the last one `predict_proba`, or
        `decision_function` where there is none.
    average, zero_division
        As in `multilabel_score`.
    metadata : sequence of str, default=("allowed",)
        Metadata that is requested and passed on, with
        `sklearn.set_config(enable_metadata_routing=True)`: "allowed" goes to the estimator, with
        "sample_weight" among them that goes to the metric.

    Returns
    -------
    callable
        `scorer(estimator, X, y, *, sample_weight=None, **metadata) -> float`.

    Raises
    ------
    ValueError
        For an unknown metric or average. None is no average: a search needs one number.

    Notes
    -----
    An integer `cv`, the default of 5 among them, makes scikit-learn look at the kind of `y`, which
    fails with "Input contains NaN" where entries are unknown. Pass a splitter:
    `cv=KFold(5, shuffle=True, random_state=0)`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import KFold, cross_val_score
    >>> from skmask import WeightedMultilabelClassifier
    >>> from skmask.metrics import make_multilabel_scorer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 4))
    >>> Y = np.where(rng.random(X.shape) < 0.1, np.nan, X > 0)
    >>> clf = WeightedMultilabelClassifier((), epochs=5, random_state=0)
    >>> scorer = make_multilabel_scorer("average_precision", "micro")
    >>> scores = cross_val_score(clf, X, Y, scoring=scorer, cv=KFold(3))
    >>> bool((scores > 0.5).all())
    True
    """
    _check_choices(metric, average, zero_division)
    return _LabelScorer(metric, average, zero_division, metadata)
