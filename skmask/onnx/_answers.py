"""From rows to labels and probabilities: the graph of a fitted classifier."""

from importlib import import_module
from typing import Any

import numpy as np

from skmask.onnx._decisions import (
    of_classes,
    of_labels,
    of_steps,
    raw_of_classes,
    raw_of_labels,
)
from skmask.onnx._graph import Graph, Tensor
from skmask.onnx._labels import is_by_label
from skmask.onnx._networks import is_described, logits_of

__all__ = ["answers", "shapes"]


def shapes(fit: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the shapes of labels and probabilities, None for lengths that are open."""
    by_label = is_by_label(fit)
    n_columns = len(fit["label_names_" if by_label else "classes_"])
    steps = fit.signature.steps
    if steps is None:
        return (None, n_columns) if by_label else (None,), (None, n_columns)
    steps = None if steps == "each" else steps
    return (None, steps), (None, steps, n_columns)


def answers(
    estimator: Any, fit: Any, X: Tensor, n_axes: int, allowed: Any, *, are_raw: bool = False
) -> tuple[Any, Any]:
    """Return the labels and the probabilities of rows.

    Parameters
    ----------
    estimator : skmask estimator
        Parameters that are read at prediction are read.
    fit : Fit
        Its last one.
    X : Tensor
    n_axes : int
        Of X.
    allowed : Tensor of bool, ndarray of bool, "all", or None
        The mask, its columns in the order that was announced, or without it in columns of X.
    are_raw : bool, default=False
        Return the values of `decision_function` in the place of probabilities, by row; for two
        classes a column for each, one the other's negative.

    Returns
    -------
    labels : Tensor
    proba : Tensor
        Of float32 if X is, and of float64 otherwise.
    """
    of_results = np.dtype(np.float32 if X.dtype == np.float32 else np.float64)
    columns = fit.values.get("mask_columns")
    if columns is not None:
        X, in_columns = _parted(X, columns, fit["n_features_in_"])
        allowed = allowed if isinstance(allowed, str) else in_columns
    mask = _mask(fit, X.graph, allowed)
    if fit.values.get("mask_in_input"):
        X = _with_mask(X, mask, len(fit["announced"]))
    if None in fit.signature.input_shape:
        labels, proba = _of_sequences(estimator, fit, X, n_axes, mask, of_results)
    elif "thresholds_" in fit.values:
        # A fit by label decides in float64, whatever the type of X.
        logits = _logits(fit, X).cast(np.float64)
        labels, proba = of_labels(estimator, fit, logits, mask)
        proba = raw_of_labels(fit, logits, mask) if are_raw else proba
    else:
        scores = _logits(fit, X).cast(_wider(fit.dtype, of_results))
        labels, proba = of_classes(estimator, fit, scores, mask)
        proba = raw_of_classes(fit, scores, mask) if are_raw else proba
    return labels, proba.cast(of_results)


def _parted(X: Tensor, columns: np.ndarray, n_columns: int) -> tuple[Tensor, Tensor]:
    """Return the features and the mask, which are columns of X."""
    is_mask = np.isin(np.arange(n_columns), columns)
    mask = ~X.take(columns, 1).equals(0)
    return X.take(np.flatnonzero(~is_mask), 1), mask


def _mask(fit: Any, graph: Graph, allowed: Any) -> Tensor | None:
    """Return the mask in the order of the logits."""
    if allowed is None or isinstance(allowed, str):
        return None
    if isinstance(allowed, np.ndarray):
        allowed = graph.constant(allowed, bool)
    if is_by_label(fit):
        return allowed  # in the order of the labels already
    return allowed.take(np.argsort(fit["announced"]), -1)


def _with_mask(X: Tensor, mask: Tensor | None, n_classes: int) -> Tensor:
    """Return features with the mask behind them, as columns of 0 and 1."""
    if mask is None:
        mask = X.graph.constant(np.ones(n_classes), bool)
    return X.apply("Concat", mask.cast(X.dtype).expanded(X.length(0), n_classes), axis=1)


def _logits(fit: Any, X: Tensor) -> Tensor:
    X = X.cast(fit.dtype)
    if is_described(fit.network):
        return logits_of(fit.network, fit.learnt_weights, X, fit.signature)
    return import_module("skmask.onnx._own").own_logits(fit, X)


def _wider(dtype: str, of_results: np.dtype) -> np.dtype:
    return np.result_type(dtype, of_results)


def _of_sequences(
    estimator: Any, fit: Any, X: Tensor, n_axes: int, mask: Tensor | None, of_results: np.dtype
) -> tuple[Tensor, Tensor]:
    steps = X.with_axis(2) if n_axes == 2 else X
    steps = steps.cast(fit.input_dtype)
    is_padding = steps.apply("IsNaN", dtype=bool).all()
    if not np.isnan(fit["mask_value"]):
        is_padding = is_padding | steps.equals(fit["mask_value"]).all()
    real = ~is_padding
    scores = _logits(fit, steps.where(real, np.nan)).cast(_wider(fit.dtype, of_results))
    if fit.signature.steps is None:
        return of_classes(estimator, fit, scores, mask)
    return of_steps(fit, scores, mask, real if fit.signature.steps == "each" else None)
