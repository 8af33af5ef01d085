"""Labels to class numbers and back, and label matrices."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skmask.data._frames import named, without_names
from skmask.data._messages import first_rows, naming, quote
from skmask.data._numbers import (
    average,
    check_sparse,
    is_missing,
    is_real,
    real_array,
    unmasked,
    zero_or_one,
)
from skmask.data._weights import check_sample_weight

__all__ = [
    "accuracy",
    "all_labels",
    "check_classes",
    "check_labels",
    "check_same_kind",
    "class_numbers",
    "decode_labels",
    "encode_label_matrix",
    "encode_labels",
    "label_array",
    "label_table",
    "same_labels",
    "with_label",
]

# Bounds the memory of looking labels up.
_LABELS_AT_ONCE = 1 << 20

_MATRIX = "{} must hold only 0, 1 and NaN (unknown) when it has a column for each label"


def label_array(labels: Iterable[Any]) -> np.ndarray:
    """Return labels as an array of one axis that holds them as they are.

    NumPy makes strings of numbers among strings, rows of tuples, and one number of two integers
    that float64 does not tell apart: these are kept.
    """
    labels = list(labels)
    try:
        array = np.asarray(labels)
        if array.ndim == 1 and array.tolist() == labels:
            return array
    except (ValueError, OverflowError):
        pass  # no array of one axis
    try:
        array = np.empty(len(labels), _type_that_holds(labels))
        array[:] = labels
    except ValueError as error:
        raise ValueError(f"labels must be single values; got {quote(labels)}.") from error
    return array


def _type_that_holds(labels: list[Any]) -> type:
    """Return a type of NumPy that keeps labels apart."""
    if labels and all(isinstance(label, Integral) for label in labels):
        lowest, highest = int(min(labels)), int(max(labels))
        for dtype in (np.int64, np.uint64):
            if np.iinfo(dtype).min <= lowest and highest <= np.iinfo(dtype).max:
                return dtype
    return object


def label_table(y: Any, argument: str) -> np.ndarray:
    """Return labels of any number of axes as an array that holds them as they are."""
    with naming(argument):
        table = np.asarray(without_names(unmasked(y, argument), argument))
    if table.dtype.kind == "f" and isinstance(y, list | tuple) and np.nanmax(table) >= 2**53:
        return label_array(np.asarray(y, object).ravel().tolist()).reshape(table.shape)
    return table


def same_labels(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return where labels are equal, compared exactly whatever their dtypes are."""
    if one.dtype.kind != other.dtype.kind:
        one, other = one.astype(object), other.astype(object)
    return np.asarray(one == other, dtype=bool)


def with_label(labels: np.ndarray, where: np.ndarray, label: Any) -> np.ndarray:
    """Replace labels where a mask says so, without converting any label."""
    mark = label_array([label])
    is_text = [array.dtype.kind in "SU" for array in (labels, mark)]
    dtype = np.dtype(object)
    if labels.dtype.kind != "O" and is_text[0] == is_text[1]:
        dtype = np.result_type(labels, mark)
    if dtype.kind == "f" and labels.dtype.kind in "iu" and mark.dtype.kind in "iu":
        fits = not labels.size or labels.max() <= np.iinfo(np.int64).max
        dtype = np.dtype(np.int64 if fits else object)
    found = labels.astype(dtype)
    found[where] = label
    return found


def all_labels(*ys: np.ndarray) -> np.ndarray:
    """Return the labels that occur in any of some arrays, sorted."""
    if len({y.dtype.kind for y in ys}) == 1:
        return np.unique(np.concatenate(ys))
    return np.sort(label_array({label for y in ys for label in np.unique(y).tolist()}))


def check_labels(y: Any, argument: str = "y", *, are_classes: bool = False) -> np.ndarray:
    """Return one label for each row, of shape (n_samples,).

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    argument : str
        For messages.
    are_classes : bool
        Whether many labels for few rows are classes for sure: scikit-learn warns of a regression
        otherwise.
    """
    with naming(argument):
        if isinstance(y, list | tuple) and all(isinstance(label, Integral) for label in y):
            y = label_array(y)
        labels = column_or_1d(unmasked(without_names(y, argument), argument), warn=True)
        if labels.dtype.kind == "O":
            missing = np.flatnonzero([is_missing(label) for label in labels.tolist()])
            if missing.size:
                raise ValueError(
                    f"Input {argument} contains NaN, or another missing value, in "
                    f"{first_rows(missing)}. Leave these rows out."
                )
            if all(map(is_real, labels.tolist())):
                labels = label_array(labels.tolist())
        assert_all_finite(labels, input_name=argument)
        are_plain = are_classes and labels.dtype.kind in "biuUS"
        check_classification_targets(np.repeat(np.unique(labels), 2) if are_plain else labels)
    return labels


def accuracy(y: Any, predicted: np.ndarray, sample_weight: Any = None) -> float:
    """Return the weighted share of rows whose label is predicted."""
    labels = check_labels(y, are_classes=True)
    with naming("X and y"):
        check_consistent_length(predicted, labels)
    check_same_kind(labels, predicted)
    weight = check_sample_weight(sample_weight, len(labels))
    return float(average(same_labels(labels, predicted), weight))


def check_same_kind(labels: np.ndarray, like: np.ndarray) -> None:
    """Raise where one array holds text and the other one numbers."""
    are_text = [{isinstance(label, str) for label in np.unique(y).tolist()} for y in (labels, like)]
    if are_text[0] and are_text[1] and not are_text[0] & are_text[1]:
        raise ValueError(
            f"y must hold labels like those of the fit, {quote(np.unique(like))}; got "
            f"{quote(np.unique(labels))}. Convert them."
        )


def check_classes(classes: Any, y: np.ndarray, argument: str = "classes") -> np.ndarray:
    """Return all labels, in the order given, or sorted from `y` where none were given.

    Parameters
    ----------
    classes : array-like of shape (n_classes,) or None
    y : ndarray of shape (n_samples,)
    argument : str
        For the message.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    if classes is None:
        return np.unique(y)
    with naming(argument):
        labels = _as_labels(unmasked(classes, argument))
    if labels.ndim != 1:
        raise ValueError(
            f"{argument} must be a list of labels; got an array of shape {labels.shape}. Give one "
            "dimension."
        )
    may_miss = labels.dtype.kind not in "biuSU"
    missing = [label for label in labels.tolist() if is_missing(label)] if may_miss else []
    if missing:
        raise ValueError(
            f"{argument} must hold labels, of which none is missing; got {quote(missing)}. Leave "
            "them out."
        )
    try:
        names, times = np.unique(labels, return_counts=True)
    except TypeError as error:
        raise TypeError(
            f"{argument} must hold labels that can be sorted; got {quote(labels)}. Give them one "
            "type."
        ) from error
    if (times > 1).any() or not labels.size:
        found = f"{quote(names[times > 1])} more than once" if labels.size else "none"
        raise ValueError(
            f"{argument} must list every label once; got {found}. Remove the repetition."
        )
    return labels


def _as_labels(classes: Any) -> np.ndarray:
    is_flat = isinstance(classes, list | tuple) and not any(
        isinstance(label, list | tuple | np.ndarray) for label in classes
    )
    return label_array(classes) if is_flat else np.array(classes)


def class_numbers(y: np.ndarray, classes_: np.ndarray) -> np.ndarray:
    """Return the number of each label in the sorted `classes_`, -1 if none, int32 (n_samples,)."""
    if y.dtype.kind == classes_.dtype.kind != "O":
        found = np.empty(y.shape, np.int32)
        for start in range(0, len(y), _LABELS_AT_ONCE):
            part = y[start : start + _LABELS_AT_ONCE]
            numbers = np.searchsorted(classes_, part).clip(max=len(classes_) - 1)
            found[start : start + len(part)] = np.where(classes_[numbers] == part, numbers, -1)
        return found
    # Python compares numbers of different kinds exactly.
    number_of = {label: number for number, label in enumerate(classes_.tolist())}
    return np.array([number_of.get(label, -1) for label in y.tolist()], np.int32)


def encode_labels(y: np.ndarray, classes_: np.ndarray, argument: str = "y") -> np.ndarray:
    """Return the number of each label in the sorted `classes_`, int32 of shape (n_samples,)."""
    numbers = class_numbers(y, classes_)
    rows = np.flatnonzero(numbers < 0)
    if rows.size:
        raise ValueError(
            f"{argument} must hold only the labels listed in classes, {quote(classes_)}; got "
            f"{quote(dict.fromkeys(y[rows].tolist()))} in {first_rows(rows)}. Add the missing "
            f"labels to classes, or correct {argument}."
        )
    return numbers


def decode_labels(codes: np.ndarray, classes_: np.ndarray) -> np.ndarray:
    """Return the label of each class number."""
    return classes_[codes]


def encode_label_matrix(
    Y: Any, labels: np.ndarray | None, argument: str = "y"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 0 and 1 for each label of each row, where that is known, and the labels' names.

    Parameters
    ----------
    Y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0, 1, or NaN for unknown; None, masked entries and the missing values of DataFrames are
        unknown, too.
    labels : ndarray of shape (n_labels,) or None
        The names of the columns of an array; those of a DataFrame are brought in this order.
    argument : str
        For messages.

    Returns
    -------
    values : ndarray of int8 of shape (n_samples, n_labels)
        0 where unknown.
    is_known : ndarray of bool of shape (n_samples, n_labels)
    names : ndarray of shape (n_labels,)
    """
    frame = named(Y, argument)
    if frame is not None:
        labels = label_array(frame.names) if labels is None else labels
        Y = frame.by_name(labels, argument, of="label")
    if sparse.issparse(Y):
        Y = check_sparse(Y, argument).toarray()
    rule = _MATRIX.format(argument)
    matrix = real_array(without_names(Y, argument), argument, rule, may_miss=True)
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise ValueError(
            f"{argument} must have a column for each label; got shape {matrix.shape}. Give one "
            "label or more."
        )
    is_wrong = ~zero_or_one(matrix, may_miss=True)
    if is_wrong.any():
        rows = np.unique(np.nonzero(is_wrong)[0])
        raise ValueError(
            f"{rule}; got {quote(np.unique(matrix[is_wrong]))} in {first_rows(rows)}. Use "
            "sklearn.preprocessing.MultiLabelBinarizer."
        )
    names = np.arange(matrix.shape[1]) if labels is None else labels
    if len(names) != matrix.shape[1]:
        raise ValueError(
            f"{argument} must have one column for each of the {len(names)} labels "
            f"{quote(names)}; got {matrix.shape[1]} columns. Correct {argument}, or classes=."
        )
    return (matrix == 1).astype(np.int8), matrix == matrix, names
