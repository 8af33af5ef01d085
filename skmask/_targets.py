"""Labels to class numbers and back, and label matrices."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import unique_labels

from skmask._validation import aligned, first_rows, quote

__all__ = ["check_classes", "decode_labels", "encode_label_matrix", "encode_labels"]


def check_classes(classes: object, y: np.ndarray) -> np.ndarray:
    """Return all labels, in the order given, or sorted from `y` where none were given.

    Parameters
    ----------
    classes : array-like of shape (n_classes,) or None
    y : ndarray of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    if classes is None:
        return unique_labels(y)
    labels = np.asarray(classes)
    if labels.ndim != 1:
        raise ValueError(
            f"classes must be a list of labels; got an array of shape {labels.shape}. Give one "
            "dimension."
        )
    repeated = [
        label for label, n in zip(*np.unique(labels, return_counts=True), strict=True) if n > 1
    ]
    if repeated or not labels.size:
        found = f"{quote(repeated)} more than once" if repeated else "none"
        raise ValueError(f"classes must list every label once; got {found}. Remove the repetition.")
    return labels


def encode_labels(y: np.ndarray, classes_: np.ndarray) -> np.ndarray:
    """Return the number of each label in the sorted `classes_`, int32 of shape (n_samples,)."""
    if y.dtype.kind in "OUS" and classes_.dtype.kind not in "OUS":
        known = np.zeros(len(y), dtype=bool)
    else:
        known = np.isin(y, classes_)
    if not known.all():
        rows = np.flatnonzero(~known)
        raise ValueError(
            f"y must hold only the labels listed in classes, {quote(classes_)}; got "
            f"{quote(np.unique(y[rows]))} in {first_rows(rows)}. Add the missing labels to "
            "classes, or correct y."
        )
    return np.searchsorted(classes_, y).astype(np.int32)


def decode_labels(codes: np.ndarray, classes_: np.ndarray) -> np.ndarray:
    """Return the label of each class number."""
    return classes_[codes]


def encode_label_matrix(
    Y: Any, labels: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 0 and 1 for each label of each row, where that is known, and the labels' names.

    Parameters
    ----------
    Y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels)
        0, 1, or NaN for unknown.
    labels : ndarray of shape (n_labels,) or None
        The names of the columns of an array; those of a DataFrame are brought in this order.

    Returns
    -------
    values : ndarray of int8 of shape (n_samples, n_labels)
        0 where unknown.
    is_known : ndarray of bool of shape (n_samples, n_labels)
    names : ndarray of shape (n_labels,)
    """
    if hasattr(Y, "columns") and hasattr(Y, "to_numpy"):
        names = np.asarray(list(Y.columns)) if labels is None else labels
        Y = Y.iloc[:, aligned(Y.columns, names, "y", "column")]
        labels = names
    if sparse.issparse(Y):
        Y = Y.toarray()
    try:
        if hasattr(Y, "iloc"):  # pandas' own mark of what is missing is no number
            Y = Y.to_numpy(dtype=np.float32, na_value=np.nan)
        matrix = np.asarray(Y, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "y must hold only 0, 1 and NaN when it has a column for each label; got "
            f"{type(Y).__name__}: {error}. Use sklearn.preprocessing.MultiLabelBinarizer."
        ) from error
    is_known = ~np.isnan(matrix)
    matrix = np.where(is_known, matrix, 0)
    is_wrong = (matrix != 0) & (matrix != 1)
    if is_wrong.any():
        rows = np.unique(np.nonzero(is_wrong)[0])
        raise ValueError(
            "y must hold only 0, 1 and NaN (unknown) when it has a column for each label; got "
            f"{quote(np.unique(matrix[is_wrong]))} in {first_rows(rows)}. Use "
            "sklearn.preprocessing.MultiLabelBinarizer."
        )
    names = np.arange(matrix.shape[1]) if labels is None else labels
    if len(names) != matrix.shape[1]:
        raise ValueError(
            f"y must have one column for each of the {len(names)} labels {quote(names)}; got "
            f"{matrix.shape[1]} columns. Correct y, or classes=."
        )
    return matrix.astype(np.int8), is_known, names
