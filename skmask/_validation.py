"""Checks of what users pass: each returns the cleaned value or says what is wrong.

The one home of private scikit-learn imports.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
)
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "check_allowed",
    "check_class_weight",
    "check_columns",
    "check_labels_allowed",
    "check_sample_weight",
    "first_rows",
    "naming",
    "quote",
]

Allowed: TypeAlias = Any  # np.ndarray | sparse.csr_array, which has no stubs

_N_SHOWN = 5


def quote(values: Any) -> str:
    """Return at most five values as a message shows them."""
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    more = f", ... ({len(values)} in all)" if len(values) > _N_SHOWN else ""
    return "[" + ", ".join(map(repr, values[:_N_SHOWN])) + more + "]"


def first_rows(rows: np.ndarray) -> str:
    """Return at most five row numbers as a message shows them."""
    shown = ", ".join(str(row) for row in rows[:_N_SHOWN])
    more = f" and {len(rows) - _N_SHOWN} more" if len(rows) > _N_SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Put the name of an argument before scikit-learn's messages that do not say it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if re.search(rf"\b({argument}|y)\b", str(error)):
            raise
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{argument}: {error}") from error


def check_allowed(allowed: Any, *, n_samples: int, classes: np.ndarray) -> Allowed:
    """Return a mask with its columns in sorted class order.

    Parameters
    ----------
    allowed : array-like of bool or 0/1 of shape (n_samples, n_classes) or (n_classes,), \
            DataFrame whose columns are class labels, or SciPy sparse matrix
    n_samples : int
    classes : ndarray of shape (n_classes,)
        The labels in the order of the columns of an array.

    Returns
    -------
    ndarray of bool of shape (n_samples, n_classes) or (1, n_classes), or csr_array of bool
    """
    if isinstance(allowed, str):
        raise TypeError(
            f"allowed must be a mask or the word 'all'; got {allowed!r}. Pass an array of bool "
            "of shape (n_samples, n_classes)."
        )
    order: Any = np.argsort(classes)
    if hasattr(allowed, "columns") and hasattr(allowed, "to_numpy"):
        order = _aligned_columns(allowed.columns, classes[order])
        allowed = allowed.to_numpy()
    mask = _as_bool(allowed)
    shapes = [(n_samples, len(classes)), (len(classes),)]
    if mask.shape not in (shapes[:1] if sparse.issparse(mask) else shapes):
        raise ValueError(
            f"allowed must have shape (n_samples, n_classes) = {shapes[0]}, or "
            f"({len(classes)},) for one mask that holds for all rows; got {mask.shape}. Give one "
            f"column for each of the classes {quote(classes)}."
        )
    mask = (mask if mask.ndim == 2 else mask[np.newaxis])[:, order]
    empty = np.flatnonzero(np.asarray(mask.sum(axis=1)) == 0)
    if empty.size:
        where = "for all rows" if mask.shape[0] != n_samples else f"in {first_rows(empty)}"
        raise ValueError(
            f"allowed must leave every row at least one class; got none {where}. Allow a class "
            "there, or leave the row out."
        )
    return mask


def _aligned_columns(columns: Any, classes_: np.ndarray) -> list[int]:
    """Return where each class stands among the columns of a DataFrame."""
    labels = list(columns)
    wanted = classes_.tolist()
    missing = [label for label in wanted if label not in labels]
    unknown = [label for label in labels if label not in wanted]
    repeated = sorted({repr(label) for label in labels if labels.count(label) > 1})
    if missing or unknown or repeated:
        found = [
            f"{word} {what if isinstance(what, str) else quote(what)}"
            for word, what in [
                ("missing", missing),
                ("unknown", unknown),
                ("repeated", ", ".join(repeated)),
            ]
            if what
        ]
        raise ValueError(
            f"allowed must have one column for each class, {quote(classes_)}, when it is a "
            f"DataFrame; got columns {quote(labels)}: {'; '.join(found)}. Rename or add columns, "
            "or pass classes= with all labels to the estimator."
        )
    return [labels.index(label) for label in wanted]


def _as_bool(allowed: Any) -> Allowed:
    if sparse.issparse(allowed):
        mask = sparse.csr_array(allowed)
        _check_zero_one(mask.data, np.repeat(np.arange(mask.shape[0]), np.diff(mask.indptr)))
        mask = mask.astype(bool)
        mask.eliminate_zeros()
        return mask
    try:
        mask = np.asarray(allowed)
        if mask.dtype.kind == "O":
            mask = mask.astype(float)
    except (TypeError, ValueError):
        mask = np.empty(0, dtype=object)
    if mask.dtype.kind not in "biuf":
        raise TypeError(
            "allowed must be a mask of True/False or 1/0 with rows of equal length; got "
            f"{type(allowed).__name__} with other things in it. Pass an array of bool of shape "
            "(n_samples, n_classes)."
        )
    if mask.dtype.kind != "b":
        row_numbers = np.arange(len(mask))[:, np.newaxis] if mask.ndim == 2 else None
        _check_zero_one(mask, row_numbers)
    return mask.astype(bool, copy=False)


def _check_zero_one(values: np.ndarray, row_numbers: np.ndarray | None) -> None:
    bad = (values != 0) & (values != 1)
    if not bad.any():
        return
    where = ""
    if row_numbers is not None:
        where = f" in {first_rows(np.unique(np.broadcast_to(row_numbers, bad.shape)[bad]))}"
    raise ValueError(
        f"allowed must hold only True/False or 1/0; got {quote(np.unique(values[bad]))}{where}. "
        "True and 1 mean that the class is possible for the row."
    )


def check_labels_allowed(codes: np.ndarray, allowed: Allowed, y: np.ndarray) -> None:
    """Raise if the class of a row is not among those it allows.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
    allowed : as `check_allowed` returns it
    y : ndarray of shape (n_samples,)
        The labels, for the message.
    """
    rows = np.arange(len(codes)) if allowed.shape[0] == len(codes) else np.zeros_like(codes)
    is_allowed = np.asarray(allowed[rows, codes]).ravel()
    if not is_allowed.all():
        bad = np.flatnonzero(~is_allowed.astype(bool))
        raise ValueError(
            f"y must be among the classes that allowed leaves its row; got {quote(y[bad])} in "
            f"{first_rows(bad)}. Correct y or allowed, or leave these rows out."
        )


def check_columns(columns: Any, X: Any, n_classes: int) -> np.ndarray:
    """Return the numbers of the columns of X that hold the mask.

    Parameters
    ----------
    columns : column names, numbers, slice, bool mask, or callable of X
    X : array-like of shape (n_samples, n_features)
    n_classes : int
        How many there must be.
    """
    if callable(columns):
        columns = columns(X)
    frame = X if hasattr(X, "shape") else np.asarray(X)
    try:
        numbers = np.asarray(_get_column_indices(frame, columns), dtype=int)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(
            f"allowed_columns must name columns of X; got {columns!r}: {error} Give names, "
            "numbers, a slice or a callable, as in ColumnTransformer."
        ) from error
    if len(numbers) != n_classes or len(set(numbers.tolist())) != n_classes:
        raise ValueError(
            f"allowed_columns must select one column for each of the {n_classes} classes; got "
            f"{len(numbers)}: {quote(numbers)}. Select as many columns, or pass classes= with "
            "all labels to the estimator."
        )
    if n_classes >= frame.shape[1]:
        raise ValueError(
            f"allowed_columns must leave at least one feature; got {n_classes} of the "
            f"{frame.shape[1]} columns of X. Add features to X."
        )
    return numbers


def check_sample_weight(sample_weight: Any, X: Any) -> np.ndarray:
    """Return non-negative weights of shape (n_samples,), float64, not all zero."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    with naming("sample_weight"):
        return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


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
        present = np.unique(codes)
        weights[present] = compute_class_weight(
            class_weight, classes=present, y=codes, sample_weight=sample_weight
        )
        return weights
    return _weights_by_label(class_weight, weights, classes_.tolist())


def _weights_by_label(
    class_weight: Mapping[Any, Any], weights: np.ndarray, labels: Sequence[Any]
) -> np.ndarray:
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ValueError(
            f"class_weight must name only known classes, {quote(labels)}; got {quote(unknown)}. "
            "Remove them, or pass classes= with all labels to the estimator."
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight must hold finite, non-negative numbers; got {weight!r} for class "
                f"{label!r}. Give a weight of 0 or more."
            )
        weights[labels.index(label)] = weight
    return weights
