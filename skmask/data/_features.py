"""Features: X before scikit-learn reads it, and columns of it."""

from typing import Any

import numpy as np
from scipy import sparse

from skmask.data._blocks import Blocks
from skmask.data._frames import check_no_text
from skmask.data._messages import quote, shown
from skmask.data._numbers import check_sparse, unmasked
from skmask.data._sklearn import column_numbers

__all__ = ["check_columns", "check_features", "is_plain_array", "selected_columns"]

_NO_NUMBERS = (str, bytes, np.datetime64, np.timedelta64)


def is_plain_array(X: Any, row_shape: tuple[int | None, ...]) -> bool:
    """Say whether X is a finite array of floats, row by row, which needs no further reading.

    Parameters
    ----------
    X : anything
    row_shape : tuple of int
        The shape that its rows must have.
    """
    if type(X) is not np.ndarray or X.dtype.char not in "fd":
        return False
    if X.shape[1:] != row_shape or not len(X) or not X.flags.c_contiguous:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum, which is faster, may overflow where all numbers are finite.
        return bool(np.isfinite(X.sum()) or np.isfinite(X).all())


def check_features(X: Any) -> Any:
    """Return X as scikit-learn may read it: not text, dates or masked entries as numbers."""
    if type(X) is np.ndarray and X.dtype.kind in "biuf":
        return X
    check_no_text(X, "X")
    if sparse.issparse(X):
        return check_sparse(X, "X")
    X = unmasked(X, "X")
    if isinstance(X, list | tuple):
        try:
            X = np.asarray(X)
        except ValueError:
            return X  # ragged: scikit-learn says so
    kind = getattr(getattr(X, "dtype", None), "kind", None)
    kinds = {type(value) for value in X.ravel().tolist()} if _has_objects(X) else set()
    if kind in tuple("MmSTUV") or any(issubclass(each, _NO_NUMBERS) for each in kinds):
        raise TypeError(
            "X must hold numbers; got text, dates, durations or records. Convert them, if they "
            "stand for numbers."
        )
    return X


def _has_objects(X: Any) -> bool:
    return isinstance(X, np.ndarray) and X.dtype.kind == "O"


def selected_columns(columns: Any, X: Any, argument: str) -> tuple[np.ndarray, int]:
    """Return the numbers of columns of X, and how many X has.

    Parameters
    ----------
    columns : column names, numbers, slice, bool mask, or callable of X
    X : array-like of shape (n_samples, n_features)
    argument : str
        For the message.
    """
    if callable(columns):
        columns = columns(X)
    frame = X if hasattr(X, "shape") else np.asarray(X)
    if len(frame.shape) != 2:
        raise ValueError(
            f"{argument} must be None for an X whose rows have more than one axis; got X of "
            f"shape {tuple(frame.shape)}. Pass the mask as the argument allowed."
        )
    if isinstance(X, Blocks):
        columns, frame = X.numbered(columns), np.empty((0, X.shape[1]))
    if isinstance(columns, slice) and columns == slice(None):  # scikit-learn takes it for names
        return np.arange(frame.shape[1]), frame.shape[1]
    try:
        numbers = np.asarray(column_numbers(frame, columns), dtype=int)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{argument} must name columns of X; got {shown(columns)}: {error} Give names, "
            "numbers, a slice or a callable, as in ColumnTransformer."
        ) from error
    return numbers, frame.shape[1]


def check_columns(columns: Any, X: Any, n_classes: int) -> np.ndarray:
    """Return the numbers of the columns of X that hold the mask.

    Parameters
    ----------
    columns : column names, numbers, slice, bool mask, or callable of X
    X : array-like of shape (n_samples, n_features)
    n_classes : int
        How many there must be.
    """
    numbers, n_columns = selected_columns(columns, X, "allowed_columns")
    if len(numbers) != n_classes or len(set(numbers.tolist())) != n_classes:
        raise ValueError(
            f"allowed_columns must select one column for each of the {n_classes} classes; got "
            f"{len(numbers)}: {quote(numbers)}. Select as many columns, or pass classes= with "
            "all labels to the estimator."
        )
    if n_classes >= n_columns:
        raise ValueError(
            f"allowed_columns must leave at least one feature; got {n_classes} of the "
            f"{n_columns} columns of X. Add features to X."
        )
    return numbers
