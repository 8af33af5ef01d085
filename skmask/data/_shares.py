"""Targets that are shares of the classes, soft or one-hot, beside those of one label per row."""

from typing import Any

import numpy as np

from skmask.data._frames import named
from skmask.data._labels import check_classes
from skmask.data._messages import first_rows, quote
from skmask.data._numbers import real_array, scaled, scaled_product
from skmask.data._weights import check_class_weight

__all__ = [
    "check_shares",
    "check_shares_allowed",
    "has_shares",
    "labelled_parts",
    "most_probable",
    "most_probable_labels",
    "weighed_by_class",
]

_RULE = "y must hold a label for each row, or a share of each class"


def has_shares(y: Any) -> bool:
    """Say whether a target has a column for each class: two columns at least."""
    if hasattr(y, "shape"):
        return len(y.shape) == 2 and y.shape[1] > 1
    first = y[0] if isinstance(y, list | tuple) and y else None
    return isinstance(first, list | tuple | np.ndarray) and np.size(first) > 1


def check_shares(y: Any, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of each class in each row, and all labels as announced.

    Parameters
    ----------
    y : array-like or DataFrame of shape (n_samples, n_classes)
        0 or more; a row sums to 1 within 1e-6, or 1e-3 where the numbers are of float32 or
        float16. The columns of a DataFrame are class labels.
    labels : ndarray of shape (n_classes,) or None
        The labels in the order of the columns of an array. None: 0, 1, ... or those of the
        DataFrame, sorted.

    Returns
    -------
    shares : ndarray of float64 of shape (n_samples, n_classes)
        Columns in sorted class order; rows sum to 1.
    labels : ndarray of shape (n_classes,)
    """
    frame = named(y, "y")
    order: Any = slice(None)
    if frame is not None:
        if labels is None:
            labels = np.sort(check_classes(frame.names, np.empty(0), "y, by its columns,"))
        y = frame.by_name(np.sort(labels), "y")
    elif labels is not None:
        order = np.argsort(labels)
    shares = real_array(y, "y", _RULE)
    if labels is None:
        labels = np.arange(shares.shape[-1])
    if shares.ndim != 2 or shares.shape[1] != len(labels):
        raise ValueError(
            f"y must have shape (n_samples,), or (n_samples, n_classes) = (n, {len(labels)}) where "
            f"it holds shares; got {shares.shape}. Give one column for each of the classes "
            f"{quote(labels)}."
        )
    return _normalised(shares)[:, order], labels


def _normalised(shares: np.ndarray) -> np.ndarray:
    """Return shares as float64 in rows that sum to 1, if they do so within the tolerance."""
    is_rounded = shares.dtype.kind == "f" and shares.dtype.itemsize < np.dtype(float).itemsize
    shares = shares.astype(np.float64, copy=False)
    is_wrong = ~((shares >= 0) & (shares < np.inf))
    if is_wrong.any():
        rows = np.unique(np.nonzero(is_wrong)[0])
        raise ValueError(
            "y must hold finite shares of 0 or more where it has a column for each class; got "
            f"{quote(shares[is_wrong])} in {first_rows(rows)}. Correct these rows, or leave them "
            "out."
        )
    with np.errstate(over="ignore"):
        sums = shares.sum(axis=1)
    rows = np.flatnonzero(np.abs(sums - 1) > (1e-3 if is_rounded else 1e-6))
    if rows.size:
        raise ValueError(
            "y must have rows that sum to 1 where it has a column for each class; got sums of "
            f"{quote(sums[rows])} in {first_rows(rows)}. Divide each row by its sum, or give one "
            "label for each row."
        )
    return shares / sums[:, np.newaxis]


def check_shares_allowed(
    shares: np.ndarray, allowed: Any, classes_: np.ndarray, *, row_of: np.ndarray | None = None
) -> None:
    """Raise if a row has a share of a class that it does not allow.

    Parameters
    ----------
    shares : ndarray of shape (n_samples, n_classes)
    allowed : ndarray of bool or csr_array of shape (n_samples, n_classes) or (1, n_classes)
    classes_ : ndarray of shape (n_classes,)
        The labels of the columns.
    row_of : ndarray of int of shape (n_samples,), default=None
        Number of each row in messages. None: its own.
    """
    rows, codes, _ = labelled_parts(shares)
    mask_rows = rows if allowed.shape[0] == len(shares) else np.zeros_like(rows)
    is_wrong = ~np.asarray(allowed[mask_rows, codes]).ravel().astype(bool)
    if is_wrong.any():
        bad = np.unique(rows[is_wrong])
        raise ValueError(
            "y must have no share of a class that allowed does not leave its row; got shares of "
            f"{quote(classes_[np.unique(codes[is_wrong])])} in "
            f"{first_rows(bad if row_of is None else row_of[bad])}. Set them to 0 and divide "
            "the rows by their sums, or correct allowed."
        )


# Targets of both kinds: class numbers (n_samples,), or shares (n_samples, n_classes).


def labelled_parts(target: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return a target as parts of one label each.

    A row of shares is to a loss that is linear in them what a row for each class is, with the
    share as its weight.

    Returns
    -------
    rows : ndarray of int of shape (n_parts,), or slice
        The row of each part. All rows, once each, where the target is class numbers.
    codes : ndarray of int of shape (n_parts,)
    share : ndarray of float64 of shape (n_parts,)
    """
    if target.ndim == 1:
        return slice(None), target, np.ones(len(target))
    rows, codes = np.nonzero(target)
    return rows, codes, target[rows, codes]


def most_probable(target: np.ndarray) -> np.ndarray:
    """Return the number of the class with the largest share of each row, int32."""
    return target if target.ndim == 1 else target.argmax(axis=1).astype(np.int32)


def most_probable_labels(y: Any, labels: np.ndarray) -> Any:
    """Return the label with the largest share of each row; labels as they are.

    Parameters
    ----------
    y : array-like of labels, or of shares
    labels : ndarray of shape (n_classes,)
        The labels in the order of the columns of an array.
    """
    if not has_shares(y):
        return y
    shares, _ = check_shares(y, labels)
    return np.sort(labels)[most_probable(shares)]


def weighed_by_class(
    class_weight: Any, target: np.ndarray, classes_: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return target and weights with the weights of the classes taken into account.

    The weight w_k of a class multiplies its part of a row. With shares y the row then weighs
    sum_k w_k y_k times as much, and its shares are in proportion to w_k y_k.

    Parameters
    ----------
    class_weight : None, "balanced", or dict from labels to non-negative weights
    target : ndarray of int of shape (n_samples,), or of float of shape (n_samples, n_classes)
    classes_ : ndarray of shape (n_classes,)
    weight : ndarray of float64 of shape (n_samples,)

    Returns
    -------
    target : ndarray of the same shape
    weight : ndarray of float64 of shape (n_samples,)
        Below 1.
    exponent : int
        Power of 2 that was taken off the weights.
    """
    if class_weight is None:
        as_given, power = scaled(weight)
        return target, as_given, int(power)
    rows, codes, share = labelled_parts(target)
    by_class = check_class_weight(class_weight, codes, classes_, weight[rows] * share)
    if target.ndim == 1:
        return target, *scaled_product(weight, by_class[target])
    by_class, taken_off = scaled(by_class)
    parts = target * by_class
    factor = parts.sum(axis=1)
    counts = factor > 0
    target = np.where(counts[:, np.newaxis], parts, target)
    weight, exponent = scaled_product(weight, factor)
    return target / target.sum(axis=1, keepdims=True), weight, exponent + int(taken_off)
