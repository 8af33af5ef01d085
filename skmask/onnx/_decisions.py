"""From logits to labels and probabilities, as ONNX: as in skmask.decisions."""

from typing import Any

import numpy as np
from scipy.special import logit

from skmask.data._costs import classes_of_actions
from skmask.decisions import BELOW_ALLOWED, savings
from skmask.estimators._cost_rows import actions_of, decision_of
from skmask.estimators._label_decisions import check_n_labels, maximises_f1
from skmask.onnx._graph import Tensor, log_sigmoid, stacked
from skmask.onnx._labels import labels_of

__all__ = ["of_classes", "of_labels", "of_steps", "raw_of_classes", "raw_of_labels"]

Answers = tuple[Tensor, Tensor]


def of_classes(estimator: Any, fit: Any, scores: Tensor, mask: Tensor | None) -> Answers:
    """Return the label and the probabilities of each row.

    Parameters
    ----------
    estimator : SoftmaxClassifier
        Whose parameter `decision`, if it has one, says how labels are chosen.
    fit : Fit
    scores : Tensor
        Logits, of shape (n, n_classes).
    mask : Tensor of bool, or None
        Which classes are allowed, in the order of the logits.
    """
    scores, proba = _restricted(scores, mask)
    decision = decision_of(estimator, fit) if hasattr(estimator, "decision") else "argmax"
    best = scores.argmax() if decision == "argmax" else _cheapest(scores, proba, mask, fit)
    return best.labelled(labels_of(fit)), proba


def of_steps(fit: Any, scores: Tensor, mask: Tensor | None, real: Tensor | None) -> Answers:
    """Return the labels and the probabilities of each step, `padding_label_` and NaN at padding.

    Parameters
    ----------
    fit : Fit
    scores : Tensor
        Logits, of shape (n, n_steps, n_classes).
    mask : Tensor of bool, or None
        Which classes are allowed.
    real : Tensor of bool of shape (n, n_steps, 1), or None
        Which steps are no padding. None: all.
    """
    scores, proba = _restricted(scores, mask)
    best, labels = scores.argmax(), labels_of(fit)
    if real is None:
        return best.labelled(labels), proba
    is_real = real.apply("Squeeze", scores.graph.constant([2], np.int64))
    best = best.where(is_real, len(fit["classes_"]))
    return best.labelled(labels), proba.where(real, np.nan)


def _restricted(scores: Tensor, mask: Tensor | None) -> Answers:
    """Return logits, -inf where a class is not allowed, and their softmax, exactly 0 there."""
    if mask is None:
        return scores, scores.apply("Softmax", axis=-1)
    scores = scores.where(mask, -np.inf)
    # Runtimes may bound the exponent, and leave a number above 0.
    return scores, scores.apply("Softmax", axis=-1).where(mask, 0)


def raw_of_classes(fit: Any, scores: Tensor, mask: Tensor | None) -> Tensor:
    """Return the values of `decision_function`, a column for each class."""
    if mask is not None:
        lowest = -(-scores).where(mask, -np.inf).maximum(1)
        scores = scores.where(mask, lowest - BELOW_ALLOWED)
    if len(fit["classes_"]) != 2:
        return scores
    return scores @ np.array([[1, -1], [-1, 1]])


def _costs_of_all(fit: Any) -> np.ndarray:
    if fit["costs_depend_on_row"]:
        raise ValueError(
            "costs must be the same for all rows to be written as ONNX; got a fit with costs of "
            "shape (n_samples, n_classes, n_classes). "
            f"{'Set decision=argmax, or choose' if actions_of(fit) is None else 'Choose'} by the "
            "probabilities and the costs of the rows."
        )
    return fit["cost_matrix_"]


def _cheapest(scores: Tensor, proba: Tensor, mask: Tensor | None, fit: Any) -> Tensor:
    """Return the number of the decision of the lowest expected cost, of those that are allowed."""
    expected = proba.cast(np.float64) @ savings(_costs_of_all(fit))
    actions = actions_of(fit)
    if actions is not None:  # of those that cost the same, the first
        scores = expected * 0
        class_of = classes_of_actions(actions, fit["classes_"])
        mask = None if mask is None else mask.take(class_of.clip(0), -1) | (class_of < 0)
    if mask is not None:
        expected = expected.where(mask, -np.inf)
    is_best = expected.equals(expected.maximum(1))
    return scores.where(is_best, -np.inf).argmax()


def of_labels(estimator: Any, fit: Any, logits: Tensor, mask: Tensor | None) -> Answers:
    """Return 0 or 1 and the probability of each label, or of each class of one against the rest.

    Parameters
    ----------
    estimator : WeightedMultilabelClassifier
        Its `min_labels`, `max_labels` and `calibrated` are read.
    fit : Fit
    logits : Tensor of float64 of shape (n, n_labels)
    mask : Tensor of bool, or None
        Which labels are allowed.
    """
    n_labels = len(fit["label_names_"])
    estimator._check_read_now("calibrated", "min_labels", "max_labels")
    check_n_labels(estimator.min_labels, estimator.max_labels, fit["label_names_"])
    _check_has_thresholds(fit)
    # What is taken off does not depend on the logits.
    calibrated = logits + estimator._calibrated(fit, np.zeros(n_labels))
    if fit["is_one_vs_rest"]:
        above = logits - logit(fit["thresholds_"])
        return _of_one_against_rest(labels_of(fit), above, calibrated)
    predicted = raw_of_labels(fit, logits, mask) > 0
    proba, ordered = calibrated.apply("Sigmoid"), calibrated
    if mask is not None:
        proba, ordered = proba.where(mask, 0), calibrated.where(mask, -np.inf)
    if estimator.max_labels is not None:
        predicted = _with_at_most(predicted, ordered, min(estimator.max_labels, n_labels))
    if estimator.min_labels:
        predicted = _with_at_least(predicted, ordered, estimator.min_labels)
        predicted = predicted if mask is None else predicted & mask
    return predicted.cast(np.int64), proba


def _check_has_thresholds(fit: Any) -> None:
    if maximises_f1(fit):
        raise ValueError(
            "threshold must be a number, or a target on rows held out, to be written as ONNX; got "
            "'sample_f1', which counts the labels of each row. Choose another one with "
            "set_threshold, or take the probabilities of the estimator."
        )


def raw_of_labels(fit: Any, logits: Tensor, mask: Tensor | None) -> Tensor:
    """Return the values of `decision_function`, a column for each label or class."""
    above = logits - logit(fit["thresholds_"])
    if mask is not None:
        above = above.where(mask, above.apply("Min", 0) - BELOW_ALLOWED)
    is_of_two = fit["is_one_vs_rest"] and len(fit["classes_"]) == 2
    return above @ np.array([[-1, 1]]) if is_of_two else above


def _of_one_against_rest(classes: np.ndarray, above: Tensor, calibrated: Tensor) -> Answers:
    if len(classes) > 2:
        return above.argmax().labelled(classes), log_sigmoid(calibrated).apply("Softmax", axis=-1)
    is_second = (above > 0).cast(np.int64) * (len(classes) - 1)
    best = is_second.apply("Squeeze", above.graph.constant([1], np.int64))
    if len(classes) == 1:
        return best.labelled(classes), calibrated * 0 + 1
    proba = stacked([(-calibrated).apply("Sigmoid"), calibrated.apply("Sigmoid")], 1)
    return best.labelled(classes), proba


def _with_at_most(predicted: Tensor, ordered: Tensor, n_labels: int) -> Tensor:
    """Keep the most probable of the labels of each row, as many as it may have."""
    first = _first_labels(ordered.where(predicted, -np.inf), n_labels)
    none = predicted.cast(np.int64) * 0
    return none.apply("ScatterElements", first, first * 0 + 1, axis=1).cast(bool) & predicted


def _with_at_least(predicted: Tensor, ordered: Tensor, n_labels: int) -> Tensor:
    """Add to each row its most probable labels until it has as many as it must."""
    # Those that are predicted come first; of equal ones the first.
    order = ordered.graph.constant(np.inf, ordered.dtype).where(predicted, ordered)
    first = _first_labels(order, n_labels)
    labels = predicted.cast(np.int64)
    return labels.apply("ScatterElements", first, first * 0 + 1, axis=1).cast(bool)


def _first_labels(ordered: Tensor, n_labels: int) -> Tensor:
    """Return the numbers of the labels of each row with the largest values."""
    graph = ordered.graph
    k = graph.constant([n_labels], np.int64)
    _, best = graph.outputs_of("TopK", [ordered.name, k.name], 2, axis=1)
    return graph.value(best, np.int64)
