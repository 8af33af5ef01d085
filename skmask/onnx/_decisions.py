"""From rows and mask to labels and probabilities, as ONNX nodes: the way of each estimator."""

from typing import Any

import numpy as np

from skmask.estimators import Fit, record_of
from skmask.networks import Network
from skmask.onnx._graph import Graph
from skmask.onnx._networks import logits_of, real_steps

__all__ = ["answers_of", "check_can_be_exported", "label_type", "takes_allowed"]


def takes_allowed(estimator: Any) -> bool:
    """Say whether an estimator was fitted with a mask that does not stand in columns of X."""
    fit = record_of(estimator)
    return bool(fit.values.get("is_restricted")) and fit["mask_columns"] is None


def check_can_be_exported(estimator: Any) -> None:
    """Raise for an estimator whose decision needs more than X and `allowed`."""
    fit = record_of(estimator)
    needs_costs = fit.values.get("costs_depend_on_row") and estimator.decision != "argmax"
    if needs_costs:
        raise ValueError(
            "costs must not differ by row for an export of CostSensitiveClassifier; got a fit with "
            "costs of shape (n_samples, n_classes, n_classes). Set decision='argmax', or compute "
            "the cheapest class from the probabilities."
        )
    label_type(estimator)


def label_type(estimator: Any) -> type:
    """Return np.int64 or str: the type of the labels in the graph."""
    fit = record_of(estimator)
    if fit.values.get("is_one_vs_rest") is False:
        return np.int64
    kinds = {np.asarray(fit["classes_"]).dtype.kind}
    if kinds <= set("iub"):
        return np.int64
    if kinds <= {"U"} or all(isinstance(label, str) for label in fit["classes_"].tolist()):
        return str
    raise TypeError(
        "y must hold whole numbers or strings for an export; got classes of type "
        f"{fit['classes_'].dtype}. Encode them with sklearn.preprocessing.LabelEncoder."
    )


def answers_of(g: Graph, estimator: Any, x: str, allowed: str | None, rank: int) -> tuple[str, str]:
    """Return the names of labels and of probabilities.

    Parameters
    ----------
    g : Graph
    estimator : one of the five, fitted
    x : str
        Rows, in the type of the graph.
    allowed : str or None
        Mask, bool, its columns in the order that the estimator documents.
    rank : int
        Number of axes of the mask.
    """
    fit = record_of(estimator)
    if "label_names_" in fit.values:
        return _of_labels(g, estimator, fit, x)
    if "mask_value" in fit.values:
        return _of_sequences(g, fit, x, allowed, rank)
    x, allowed = _split_off(g, fit, x, allowed)
    logits = _restricted(g, fit, _logits(g, fit, x), allowed)
    proba = g("Softmax", logits, axis=1)
    if "cost_matrix_" in fit.values and estimator.decision != "argmax":
        code = _cheapest(g, fit["cost_matrix_"], logits, proba)
    else:
        code = g("ArgMax", logits, axis=1, keepdims=0)
    return _decoded(g, estimator, fit["classes_"], code), proba


def _logits(g: Graph, fit: Fit, x: str) -> str:
    weights = fit.learnt_weights if isinstance(fit.network, Network) else []
    return logits_of(g, fit.network, weights, x, fit.signature)


def _decoded(g: Graph, estimator: Any, classes: np.ndarray, code: str) -> str:
    """Return the label of each class number."""
    labels = g.constant(np.asarray(classes.tolist(), label_type(estimator)))
    return g("Gather", labels, code, axis=0)


def _split_off(g: Graph, fit: Fit, x: str, allowed: str | None) -> tuple[str, str | None]:
    """Return features and mask, where the mask stands in columns of X."""
    columns = fit["mask_columns"]
    if columns is None:
        return x, allowed
    features = np.setdiff1d(np.arange(fit["n_features_in_"]), columns)
    mask = g("Gather", x, g.constant(columns, np.int64), axis=1)
    x = g("Gather", x, g.constant(features, np.int64), axis=1)
    return x, g("Greater", mask, g.number(0.5))


def _restricted(g: Graph, fit: Fit, logits: str, allowed: str | None, axis: int = 1) -> str:
    """Return logits with -inf where a class is not allowed."""
    if allowed is None:
        return logits
    order = g.constant(np.argsort(fit["announced"]), np.int64)
    return g("Where", g("Gather", allowed, order, axis=axis), logits, g.number(-np.inf))


def _cheapest(g: Graph, costs: np.ndarray, logits: str, proba: str) -> str:
    """Return the class of the lowest expected cost; of equal ones the most probable."""
    costs = costs / (np.abs(costs).max() or 1.0)
    saved = g.constant(costs.max(axis=1, keepdims=True) - costs, np.float64)
    savings = g("MatMul", g.cast(proba, np.float64), saved)
    is_out = g("Equal", logits, g.number(-np.inf))
    savings = g("Where", is_out, g.constant(-np.inf, np.float64), savings)
    is_best = g("Equal", savings, g.reduce("ReduceMax", savings, 1))
    return g("ArgMax", g("Where", is_best, logits, g.number(-np.inf)), axis=1, keepdims=0)


# Labels.


def _of_labels(g: Graph, estimator: Any, fit: Fit, x: str) -> tuple[str, str]:
    logits = g.cast(_logits(g, fit, x), np.float64)
    cutoffs = np.log(fit["thresholds_"]) - np.log1p(-fit["thresholds_"])
    above = g("Sub", logits, g.constant(cutoffs, np.float64))
    if estimator.calibrated:
        logits = g("Sub", logits, g.constant(np.log(fit["pos_weight_"]), np.float64))
    if fit["is_one_vs_rest"]:
        return _one_vs_rest(g, estimator, fit, above, logits)
    is_predicted = g("Greater", above, g.constant(0, np.float64))
    label = g.cast(is_predicted, np.int64)
    if estimator.min_labels:
        first = g("Where", is_predicted, g.constant(np.inf, np.float64), logits)
        n_labels = g.constant([estimator.min_labels], np.int64)
        _, numbers = g.outputs("TopK", 2, first, n_labels, axis=1)
        ones = g.filled([g.length(x, 0), n_labels], 1, np.int64)
        label = g("ScatterElements", label, numbers, ones, axis=1)
    return label, g.cast(g("Sigmoid", logits), g.dtype)


def _one_vs_rest(g: Graph, estimator: Any, fit: Fit, above: str, logits: str) -> tuple[str, str]:
    """Return classes, and probabilities that sum to 1."""
    classes = fit["classes_"]
    proba = g("Sigmoid", logits)
    if fit.signature.n_outputs > 1:
        # The softmax of log p: no row of tiny probabilities is divided by 0.
        positive = g("Log", g("Add", g.constant(1.0), g("Exp", g("Neg", g("Abs", logits)))))
        log_proba = g("Sub", g("Min", logits, g.constant(0.0)), positive)
        code = g("ArgMax", above, axis=1, keepdims=0)
        proba = g("Softmax", log_proba, axis=1)
    elif len(classes) == 2:
        code = g.cast(g("Greater", above, g.constant(0.0)), np.int64)
        code = g("Squeeze", code, g.constant([1], np.int64))
        proba = g("Concat", g("Sigmoid", g("Neg", logits)), proba, axis=1)
    else:
        code = g.filled([g.length(above, 0)], 0, np.int64)
        proba = g.filled([g.length(above, 0), g.constant([1], np.int64)], 1.0, np.float64)
    return _decoded(g, estimator, classes, code), g.cast(proba, g.dtype)


# Sequences.


def _of_sequences(g: Graph, fit: Fit, x: str, allowed: str | None, rank: int) -> tuple[str, str]:
    if fit["columns_are_steps"]:
        x = g.with_axis(x, 2)
    x = _with_nan_at_padding(g, x, fit["mask_value"])
    steps = fit.signature.steps
    logits = _logits(g, fit, x)
    if allowed is not None and steps is not None and rank == 2:
        allowed = g.with_axis(allowed, 1)
    axis = 1 if steps is None else 2
    logits = _restricted(g, fit, logits, allowed, axis)
    proba = g("Softmax", logits, axis=axis)
    code = g("ArgMax", logits, axis=axis, keepdims=0)
    kind = np.int64 if fit["classes_"].dtype.kind in "iub" else str
    label = g("Gather", g.constant(np.asarray(fit["classes_"].tolist(), kind)), code, axis=0)
    if steps != "each":
        return label, proba
    real = real_steps(g, x)
    padding = g.constant(np.asarray(fit["padding_label_"], kind))
    proba = g("Where", g.with_axis(real, 2), proba, g.number(np.nan))
    return g("Where", real, label, padding), proba


def _with_nan_at_padding(g: Graph, x: str, mask_value: float) -> str:
    """Return sequences with NaN at the steps that are a value throughout."""
    if np.isnan(mask_value):
        return x
    differs = g.cast(g("Not", g("Equal", x, g.number(mask_value))), np.float32)
    is_real = g("Greater", g.reduce("ReduceMax", differs, 2), g.constant(0.5, np.float32))
    return g("Where", is_real, x, g.number(np.nan))
