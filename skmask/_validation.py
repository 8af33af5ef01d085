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
    validate_parameter_constraints,
)
from sklearn.utils._repr_html.fitted_attributes import AttrsDict
from sklearn.utils._repr_html.params import ParamsDict
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "AttrsDict",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "ParamsDict",
    "StrOptions",
    "aligned",
    "as_numbers",
    "check_allowed",
    "check_by_label",
    "check_class_weight",
    "check_columns",
    "check_cost_matrix",
    "check_costs",
    "check_entry_weight",
    "check_labels_allowed",
    "check_not_negative",
    "check_sample_weight",
    "costs_of_truth",
    "first_rows",
    "naming",
    "quote",
    "validate_parameter_constraints",
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


def check_allowed(
    allowed: Any, *, n_samples: int, classes: np.ndarray, row_of: np.ndarray | None = None
) -> Allowed:
    """Return a mask with its columns in sorted class order.

    Parameters
    ----------
    allowed : array-like of bool or 0/1 of shape (n_samples, n_classes) or (n_classes,), \
            DataFrame whose columns are class labels, or SciPy sparse matrix
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
            f"allowed must be a mask or the word 'all'; got {allowed!r}. Pass an array of bool "
            "of shape (n_samples, n_classes)."
        )
    order: Any = np.argsort(classes)
    if hasattr(allowed, "columns") and hasattr(allowed, "to_numpy"):
        order = aligned(allowed.columns, classes[order], "allowed", "column")
        allowed = allowed.to_numpy()
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


def aligned(index: Any, names: np.ndarray, argument: str, what: str) -> list[int]:
    """Return where each name stands on an axis of a DataFrame or Series.

    Parameters
    ----------
    index : Index of pandas
    names : ndarray of shape (n_names,)
        Each must be there once, and no other.
    argument, what : str
        For the message: whose axis it is, and one thing on it.
    """
    labels = list(index)
    wanted = names.tolist()
    missing = [label for label in wanted if label not in labels]
    unknown = [label for label in labels if label not in wanted]
    repeated = sorted({repr(label) for label in labels if labels.count(label) > 1})
    if missing or unknown or repeated:
        found = [
            f"{word} {which if isinstance(which, str) else quote(which)}"
            for word, which in [
                ("missing", missing),
                ("unknown", unknown),
                ("repeated", ", ".join(repeated)),
            ]
            if which
        ]
        raise ValueError(
            f"{argument} must have one {what} for each class, {quote(names)}, when it is "
            f"labelled; got {what}s {quote(labels)}: {'; '.join(found)}. Rename or add {what}s, "
            "or pass classes= with all labels to the estimator."
        )
    return [labels.index(label) for label in wanted]


def _called(rows: np.ndarray, row_of: np.ndarray | None) -> np.ndarray:
    """Return the numbers by which a message calls rows."""
    return rows if row_of is None else np.unique(row_of[rows])


def _as_bool(allowed: Any, row_of: np.ndarray | None) -> Allowed:
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
        row_numbers = None
        if mask.ndim == 2:
            row_numbers = (np.arange(len(mask)) if row_of is None else row_of)[:, np.newaxis]
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


def as_numbers(values: Any, argument: str, shape: str) -> np.ndarray:
    """Return an array of float64 of finite numbers.

    Parameters
    ----------
    values : array-like of numbers
    argument, shape : str
        For the message: whose values these are, and what shape they should have.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{argument} must be an array of numbers of shape {shape}; got "
            f"{type(values).__name__}: {error}. Pass numbers, in rows of equal length."
        ) from error
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        where = f" in {first_rows(np.unique(bad[:, 0]))}" if array.ndim else ""
        raise ValueError(
            f"{argument} must hold finite numbers; got "
            f"{quote(array[~np.isfinite(array)])}{where}. Replace what is NaN or infinite."
        )
    return array


def check_cost_matrix(cost_matrix: Any, classes: np.ndarray) -> np.ndarray:
    """Return costs with both axes in sorted class order, float64 (n_classes, n_classes).

    Parameters
    ----------
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes), or None
        Rows are true classes, columns predicted ones. None: each error costs 1.
    classes : ndarray of shape (n_classes,)
        The labels in the order of the axes of an array.
    """
    n_classes = len(classes)
    if cost_matrix is None:
        return 1 - np.eye(n_classes)
    rows = columns = np.argsort(classes)
    if hasattr(cost_matrix, "columns") and hasattr(cost_matrix, "to_numpy"):
        names = np.sort(classes)
        rows = np.asarray(aligned(cost_matrix.index, names, "cost_matrix", "row"))
        columns = np.asarray(aligned(cost_matrix.columns, names, "cost_matrix", "column"))
        cost_matrix = cost_matrix.to_numpy()
    shape = "(n_classes, n_classes)"
    matrix = as_numbers(cost_matrix, "cost_matrix", shape)
    if matrix.shape != (n_classes, n_classes):
        raise ValueError(
            f"cost_matrix must have shape {shape} = {(n_classes, n_classes)}; got "
            f"{matrix.shape}. Give a row and a column for each of the classes {quote(classes)}."
        )
    return matrix[np.ix_(rows, columns)]


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
    order = np.argsort(classes)
    if hasattr(costs, "columns") and hasattr(costs, "to_numpy"):
        order = np.asarray(aligned(costs.columns, np.sort(classes), "costs", "column"))
        costs = costs.to_numpy()
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


def check_entry_weight(sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return non-negative weights of the shape of the target, float64, not all zero."""
    array = as_numbers(sample_weight, "sample_weight", str(shape))
    if array.shape != shape:
        raise ValueError(
            f"sample_weight must have shape ({shape[0]},) or {shape}; got {array.shape}. Give a "
            "weight for each row, or one for each entry of y."
        )
    if (array < 0).any() or not array.any():
        found = quote(array[array < 0]) if (array < 0).any() else "0 everywhere"
        raise ValueError(
            f"sample_weight must not be negative, and not 0 everywhere; got {found}. Use 0 for "
            "what does not count."
        )
    return array


def check_sample_weight(sample_weight: Any, X: Any) -> np.ndarray:
    """Return non-negative weights of shape (n_samples,), float64, not all zero."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    with naming("sample_weight"):
        return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def check_by_label(
    values: Any, names: np.ndarray, argument: str, *, at_most: float = np.inf
) -> np.ndarray:
    """Return one finite number of 0 or more for each label, float64 of shape (n_labels,).

    Parameters
    ----------
    values : number, array-like of shape (n_labels,), Series or dict by label, or DataFrame of \
            one row with labels as columns
    names : ndarray of shape (n_labels,)
        The labels in the order of an array.
    argument : str
        For the message.
    at_most : float
        The highest legal value.
    """
    if isinstance(values, Mapping):
        order = aligned(list(values), names, argument, "key")
        values = np.asarray(list(values.values()), dtype=object)[order].tolist()
    elif hasattr(values, "columns"):
        order = aligned(values.columns, names, argument, "column")
        values = values.to_numpy()[:, order]
        values = values[0] if len(values) == 1 else values
    elif hasattr(values, "index") and hasattr(values, "to_numpy"):
        values = values.to_numpy()[aligned(values.index, names, argument, "entry")]
    array = as_numbers(values, argument, f"({len(names)},)")
    if array.ndim == 0:
        array = np.full(len(names), float(array))
    if array.shape != (len(names),):
        raise ValueError(
            f"{argument} must be one number, or one for each of the {len(names)} labels "
            f"{quote(names)}; got shape {array.shape}. Give as many numbers."
        )
    is_wrong = (array < 0) | (array > at_most)
    if is_wrong.any():
        rule = "0 or more" if at_most == np.inf else f"between 0 and {at_most:g}"
        raise ValueError(
            f"{argument} must be {rule}; got {quote(array[is_wrong])} for the labels "
            f"{quote(names[is_wrong])}. Correct these."
        )
    return array


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
