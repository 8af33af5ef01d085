"""Labels to class numbers and back."""

import numpy as np
from sklearn.utils.multiclass import unique_labels

from skmask._validation import first_rows, quote

__all__ = ["check_classes", "decode_labels", "encode_labels"]


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
