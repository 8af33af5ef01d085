"""Checks of what users pass: each returns the cleaned value or says what is wrong.

The one home of private scikit-learn imports.
"""

import sys
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.utils import _param_validation
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils._param_validation import (
    HasMethods,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._repr_html.fitted_attributes import AttrsDict
from sklearn.utils._repr_html.params import ParamsDict
from sklearn.utils.class_weight import compute_class_weight

from skmask.data._frames import aligned, as_list, check_no_text, named, named_matrix, without_names
from skmask.data._messages import first_rows, quote, shown
from skmask.data._numbers import (
    as_numbers,
    check_sparse,
    is_missing,
    is_real,
    real_array,
    scaled,
    unmasked,
    zero_or_one,
)

__all__ = [
    "AttrsDict",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "ParamsDict",
    "StrOptions",
    "check_allowed",
    "check_by_label",
    "check_class_weight",
    "check_columns",
    "check_cost_matrix",
    "check_costs",
    "check_entry_weight",
    "check_features",
    "check_labels_allowed",
    "check_not_negative",
    "check_sample_weight",
    "costs_of_truth",
    "is_of_labels",
    "validate_parameter_constraints",
]

Allowed: TypeAlias = Any  # np.ndarray | sparse.csr_array, which has no stubs

_LARGEST_INTEGER = 2**31 - 1
_NO_NUMBERS = (str, bytes, np.datetime64, np.timedelta64)


class Interval(_param_validation.Interval):
    """scikit-learn's, of numbers that a machine can hold: True is none, nor is 10**400."""

    def __init__(self, type, left, right, *, closed):
        if type is Integral and right is None:
            right, closed = _LARGEST_INTEGER, "both" if closed == "left" else closed
        super().__init__(type, left, right, closed=closed)

    def is_satisfied_by(self, val):
        """Say whether a value of a parameter is legal."""
        if isinstance(val, bool | np.bool_ | np.timedelta64):
            return False
        try:
            return super().is_satisfied_by(val) and bool(np.isfinite(float(val)))
        except OverflowError:
            return False


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


def check_allowed(
    allowed: Any, *, n_samples: int, classes: np.ndarray, row_of: np.ndarray | None = None
) -> Allowed:
    """Return a mask with its columns in sorted class order.

    Parameters
    ----------
    allowed : array-like of bool or 0/1 of shape (n_samples, n_classes) or (n_classes,), \
            DataFrame whose columns are class labels, Series whose index they are, list of sets \
            of labels, or SciPy sparse matrix
    n_samples : int
    classes : ndarray of shape (n_classes,)
        The labels in the order of the columns of an array.
    row_of : ndarray of int of shape (n_samples,), default=None
        What a message calls each of the rows. None: their own numbers.

    Returns
    -------
    ndarray of bool of shape (n_samples, n_classes) or (1, n_classes), or csr_array of bool
    """
    if isinstance(allowed, str):
        raise TypeError(
            f"allowed must be a mask or the word 'all'; got {shown(allowed)}. Pass an array of "
            "bool of shape (n_samples, n_classes)."
        )
    order: Any = np.argsort(classes)
    if is_of_labels(allowed):
        allowed = _mask_of_labels(as_list(allowed), classes)
    frame = named(allowed, "allowed")
    if frame is not None:
        allowed, order = frame.by_name(classes[order], "allowed"), slice(None)
    mask = _as_bool(allowed, row_of)
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
        where = (
            "for all rows"
            if mask.shape[0] != n_samples
            else f"in {first_rows(_called(empty, row_of))}"
        )
        raise ValueError(
            f"allowed must leave every row at least one class; got none {where}. Allow a class "
            "there, or leave the row out."
        )
    return mask


def is_of_labels(allowed: Any) -> bool:
    """Say whether something lists the labels of each row: as sets, or, of strings, as lists.

    Lists of numbers are rows of a mask, whatever the labels are.
    """
    rows = as_list(allowed)
    if not isinstance(rows, list | tuple):
        return False
    if any(isinstance(row, set | frozenset) for row in rows):
        return True
    are_lists = all(isinstance(row, list | tuple) for row in rows)
    return are_lists and any(isinstance(entry, str) for row in rows for entry in row)


def _mask_of_labels(rows: Sequence[Any], classes: np.ndarray) -> np.ndarray:
    """Return a mask that is True where a row lists the label of a column."""
    numbers = {label: number for number, label in enumerate(classes.tolist())}
    mask = np.zeros((len(rows), len(classes)), dtype=bool)
    for number, row in enumerate(rows):
        try:
            mask[number, [numbers[label] for label in row]] = True
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"allowed must list labels among the classes {quote(classes)} for each row; got "
                f"{shown(row)} in row {number}. Correct it, or pass a mask of True/False."
            ) from error
    return mask


def _called(rows: np.ndarray, row_of: np.ndarray | None) -> np.ndarray:
    """Return the numbers by which a message calls rows."""
    return rows if row_of is None else np.unique(row_of[rows])


def _as_bool(allowed: Any, row_of: np.ndarray | None) -> Allowed:
    rule = "allowed must be a mask of True/False or 1/0 with rows of equal length"
    if sparse.issparse(allowed):
        mask = sparse.csr_array(check_sparse(allowed, "allowed"))
        real_array(mask.data, "allowed", rule)
        _check_mask(mask.data, np.repeat(np.arange(mask.shape[0]), np.diff(mask.indptr)))
        mask = mask.astype(bool)
        mask.eliminate_zeros()
        return mask
    mask = real_array(allowed, "allowed", rule)
    row_numbers = None
    if mask.ndim == 2:
        row_numbers = (np.arange(len(mask)) if row_of is None else row_of)[:, np.newaxis]
    _check_mask(mask, row_numbers)
    return mask.astype(bool, copy=False)


def _check_mask(values: np.ndarray, row_numbers: np.ndarray | None) -> None:
    bad = ~zero_or_one(values)
    if not bad.any():
        return
    where = ""
    if row_numbers is not None:
        where = f" in {first_rows(np.unique(np.broadcast_to(row_numbers, bad.shape)[bad]))}"
    raise ValueError(
        f"allowed must hold only True/False or 1/0; got {quote(np.unique(values[bad]))}{where}. "
        "True and 1 mean that the class is possible for the row."
    )


def check_cost_matrix(cost_matrix: Any, classes: np.ndarray) -> np.ndarray:
    """Return costs with both axes in sorted class order, float64 (n_classes, n_classes).

    Parameters
    ----------
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes), or None
        Rows are true classes, columns predicted ones. A DataFrame of a library without names of
        rows has them in a column more. None: each error costs 1.
    classes : ndarray of shape (n_classes,)
        The labels in the order of the axes of an array.
    """
    n_classes = len(classes)
    if cost_matrix is None:
        return 1 - np.eye(n_classes)
    order = np.argsort(classes)
    by_name = named_matrix(cost_matrix, classes[order], "cost_matrix")
    shape = f"(n_classes, n_classes) = {(n_classes, n_classes)}"
    if by_name is not None:
        return as_numbers(by_name, "cost_matrix", shape)
    matrix = as_numbers(cost_matrix, "cost_matrix", shape)
    if matrix.shape != (n_classes, n_classes):
        raise ValueError(
            f"cost_matrix must have shape {shape}; got {matrix.shape}. Give a row and a column "
            f"for each of the classes {quote(classes)}."
        )
    return matrix[np.ix_(order, order)]


def check_costs(costs: Any, *, n_samples: int, classes: np.ndarray, ndims: tuple[int, ...]) -> Any:
    """Return costs that differ by row, with their classes in sorted order, float64.

    Parameters
    ----------
    costs : array-like or DataFrame of shape (n_samples, n_classes), or array-like of shape \
            (n_samples, n_classes, n_classes)
        What each prediction costs, for the class that a row has, or for each that it may have.
    n_samples : int
    classes : ndarray of shape (n_classes,)
        The labels in the order of the axes of an array.
    ndims : tuple of int
        How many dimensions are legal here.
    """
    n_classes = len(classes)
    order: Any = np.argsort(classes)
    frame = named(costs, "costs")
    if frame is not None:
        costs, order = frame.by_name(classes[order], "costs"), slice(None)
    names = {2: "(n_samples, n_classes)", 3: "(n_samples, n_classes, n_classes)"}
    shapes = " or ".join(
        f"{names[ndim]} = {(n_samples, *[n_classes] * (ndim - 1))}" for ndim in ndims
    )
    array = as_numbers(costs, "costs", shapes)
    if array.ndim not in ndims or array.shape != (n_samples, *[n_classes] * (array.ndim - 1)):
        raise ValueError(
            f"costs must have shape {shapes} here; got {array.shape}. The axes are rows, true "
            "classes where the costs depend on them, predicted classes."
        )
    return array[:, order] if array.ndim == 2 else array[:, order][:, :, order]


def costs_of_truth(costs: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return what each prediction costs for each row, given its class.

    Parameters
    ----------
    costs : ndarray of shape (n_samples, n_classes) or (n_samples, n_classes, n_classes)
        As `check_costs` returns it.
    codes : ndarray of int of shape (n_samples,)

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    return costs if costs.ndim == 2 else costs[np.arange(len(codes)), codes]


def check_not_negative(costs: np.ndarray, argument: str) -> None:
    """Raise for costs below 0, with a loss that they would turn into a gain."""
    if costs.min() < 0:
        rows = np.unique(np.argwhere(costs < 0)[:, 0])
        raise ValueError(
            f"{argument} must not hold negative costs with loss='weighted_crossentropy'; got "
            f"{quote(costs[costs < 0])} in {first_rows(rows)}. Use loss='expected_cost', or "
            "raise all costs of a true class alike."
        )


def check_labels_allowed(
    codes: np.ndarray, allowed: Allowed, y: np.ndarray, *, row_of: np.ndarray | None = None
) -> None:
    """Raise if the class of a row is not among those it allows.

    Parameters
    ----------
    codes : ndarray of int of shape (n_samples,)
    allowed : as `check_allowed` returns it
    y : ndarray of shape (n_samples,)
        The labels, for the message.
    row_of : ndarray of int of shape (n_samples,), default=None
        What the message calls each of the rows. None: their own numbers.
    """
    rows = np.arange(len(codes)) if allowed.shape[0] == len(codes) else np.zeros_like(codes)
    is_allowed = np.asarray(allowed[rows, codes]).ravel()
    if not is_allowed.all():
        bad = np.flatnonzero(~is_allowed.astype(bool))
        raise ValueError(
            f"y must be among the classes that allowed leaves its row; got {quote(y[bad])} in "
            f"{first_rows(_called(bad, row_of))}. Correct y or allowed, or leave these rows out."
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
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"allowed_columns must name columns of X; got {shown(columns)}: {error} Give names, "
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


def check_entry_weight(
    sample_weight: Any, shape: tuple[int, ...], names: np.ndarray | None = None
) -> np.ndarray:
    """Return weights of 0 or more of the shape of the target, float64, not all zero.

    Parameters
    ----------
    sample_weight : array-like or DataFrame
    shape : tuple of int
    names : ndarray or None
        What the columns of a DataFrame are aligned by. None: they mean nothing.
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
        What the names are of.
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
        if not is_real(weight) or is_missing(weight) or not 0 <= weight <= sys.float_info.max:
            raise ValueError(
                f"class_weight must hold finite, non-negative numbers; got {shown(weight)} for "
                f"class {label!r}. Give a weight of 0 or more."
            )
        weights[labels.index(label)] = weight
    return weights
