"""Accuracy of sequences, by step or as a whole."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils.validation import check_consistent_length

from skmask.data._labels import (
    same_labels,
)
from skmask.data._messages import naming
from skmask.data._numbers import average
from skmask.data._sequences import as_sequences, entry_weights, is_label, label_matrix, padding_mark
from skmask.data._weights import check_sample_weight
from skmask.metrics._routing import RoutedScorer

__all__ = ["make_sequence_scorer", "sequence_accuracy", "step_accuracy"]


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
    return RoutedScorer(metrics[metric], "predict", True, metadata, kwargs)
