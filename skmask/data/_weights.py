"""Weights of rows, entries and classes, and numbers given by label."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from skmask.data._frames import aligned, check_no_text, named, without_names
from skmask.data._messages import naming, quote, shown
from skmask.data._numbers import as_numbers, is_missing, is_real, scaled

__all__ = [
    "by_entry",
    "check_by_label",
    "check_class_weight",
    "check_entry_weight",
    "check_label_weight",
    "check_sample_weight",
]


def check_entry_weight(
    sample_weight: Any, shape: tuple[int, ...], names: np.ndarray | None = None
) -> np.ndarray:
    """Return weights of 0 or more of the shape of the target, float64, not all zero.

    Parameters
    ----------
    sample_weight : array-like or DataFrame
    shape : tuple of int
    names : ndarray or None
        Labels that the columns of a DataFrame are aligned with. None: names are ignored.
    """
    check_no_text(sample_weight, "sample_weight")
    if names is None:
        sample_weight = without_names(sample_weight, "sample_weight")
    else:
        frame = named(sample_weight, "sample_weight")
        if frame is not None:
            sample_weight = frame.by_name(names, "sample_weight", of="label")
    weight = as_numbers(sample_weight, "sample_weight", str(shape))
    if weight.shape != shape:
        raise ValueError(
            f"sample_weight must have shape ({shape[0]},) or {shape}; got {weight.shape}. Give a "
            "weight for each row, or one for each entry of y."
        )
    return _check_weight(weight)


def check_label_weight(sample_weight: Any, shape: tuple[int, ...], names: np.ndarray) -> np.ndarray:
    """Return weights by row, or by row and label."""
    with naming("sample_weight"):
        n_axes = np.asarray(without_names(sample_weight, "sample_weight")).ndim
    if n_axes == 2:
        return check_entry_weight(sample_weight, shape, names)
    return check_sample_weight(sample_weight, shape[0])


def by_entry(weight: np.ndarray) -> np.ndarray:
    """Return weights by row or by entry with an axis for the labels."""
    return weight if weight.ndim == 2 else weight[:, np.newaxis]


def check_sample_weight(sample_weight: Any, n_samples: int) -> np.ndarray:
    """Return weights of 0 or more of shape (n_samples,), float64, not all zero."""
    if sample_weight is None:
        return np.ones(n_samples)
    weight = without_names(sample_weight, "sample_weight")
    weight = as_numbers(weight, "sample_weight", f"({n_samples},)")
    if weight.ndim == 0:
        weight = np.full(n_samples, float(weight))
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), a weight for each row; got "
            f"{weight.shape}. Give as many numbers as X has rows."
        )
    return _check_weight(weight)


def _check_weight(weight: np.ndarray) -> np.ndarray:
    if (weight < 0).any() or not weight.any():
        found = quote(weight[weight < 0]) if (weight < 0).any() else "0 everywhere"
        raise ValueError(
            f"sample_weight must not be negative, and not zero everywhere; got {found}. Use 0 for "
            "what does not count."
        )
    return weight


def check_by_label(
    values: Any,
    names: np.ndarray,
    argument: str,
    *,
    at_least: float = 0,
    at_most: float = np.inf,
    of: str = "label",
) -> np.ndarray:
    """Return one finite number for each label, a new array of float64 of shape (n_labels,).

    Parameters
    ----------
    values : number, array-like of shape (n_labels,), Series or dict by label, or DataFrame of \
            one row with labels as columns
    names : ndarray of shape (n_labels,)
        The labels in the order of an array.
    argument : str
        For the message.
    at_least, at_most : float
        The legal values.
    of : str
        Kind of thing that the names belong to.
    """
    if isinstance(values, Mapping):
        order = aligned(list(values), names, argument, "key", of=of)
        found = list(values.values())
        values = [found[number] for number in order]
    else:
        frame = named(values, argument)
        if frame is not None:
            values = frame.by_name(names, argument, of=of)
            values = values[0] if values.ndim == 2 and len(values) == 1 else values
    array = as_numbers(values, argument, f"({len(names)},)")
    if array.ndim == 0:
        array = np.full(len(names), float(array))
    if array.shape != (len(names),):
        raise ValueError(
            f"{argument} must be one number, or one for each of the {len(names)} {of}s "
            f"{quote(names)}; got shape {array.shape}. Give as many numbers."
        )
    is_wrong = (array < at_least) | (array > at_most)
    if is_wrong.any():
        rule = "0 or more" if at_most == np.inf else f"between 0 and {at_most:g}"
        raise ValueError(
            f"{argument} must be {rule}; got {quote(array[is_wrong])} for the {of}s "
            f"{quote(names[is_wrong])}. Correct these."
        )
    return array.copy()


def check_class_weight(
    class_weight: Any, codes: np.ndarray, classes_: np.ndarray, sample_weight: np.ndarray
) -> np.ndarray:
    """Return the weight of each class, float64 of shape (n_classes,).

    Parameters
    ----------
    class_weight : None, "balanced", or dict from labels to non-negative weights
        Labels that a dict leaves out weigh 1.
    codes : ndarray of int of shape (n_samples,)
    classes_ : ndarray of shape (n_classes,)
    sample_weight : ndarray of shape (n_samples,)
        Counted in "balanced".
    """
    weights = np.ones(len(classes_))
    if class_weight is None:
        return weights
    if isinstance(class_weight, str):
        codes, sample_weight = codes[sample_weight > 0], sample_weight[sample_weight > 0]
        present = np.unique(codes)
        weights[present] = compute_class_weight(
            class_weight, classes=present, y=codes, sample_weight=scaled(sample_weight)[0]
        )
        return weights
    return _weights_by_label(class_weight, weights, classes_)


def _weights_by_label(
    class_weight: Mapping[Any, Any], weights: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    number_of = {label: number for number, label in enumerate(labels.tolist())}
    unknown = [label for label in class_weight if label not in number_of]
    if unknown:
        raise ValueError(
            f"class_weight must name only known classes, {quote(labels)}; got {quote(unknown)}. "
            "Remove them, or pass classes= with all labels to the estimator."
        )
    for label, weight in class_weight.items():
        if not is_real(weight) or is_missing(weight) or not 0 <= weight <= sys.float_info.max:
            raise ValueError(
                f"class_weight must hold finite, non-negative numbers; got {shown(weight)} for "
                f"class {label!r}. Give a weight of 0 or more."
            )
        weights[number_of[label]] = weight
    return weights
