"""Real numbers, from whatever holds them. Text, dates and complex numbers are none."""

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from skmask.data._messages import first_rows, quote, shown

__all__ = [
    "as_numbers",
    "average",
    "check_float32",
    "check_sparse",
    "is_missing",
    "is_real",
    "real_array",
    "scaled",
    "scaled_product",
    "unmasked",
    "zero_or_one",
]

_KINDS = {
    "c": "complex numbers",
    "M": "dates",
    "m": "durations",
    "S": "bytes",
    "T": "text",
    "U": "text",
    "V": "records",
}
_FLOAT32 = np.finfo(np.float32)


def is_real(value: Any) -> bool:
    """Say whether an object is one real number; NaN is."""
    if isinstance(value, np.timedelta64):  # which NumPy counts among the integers
        return False
    return isinstance(value, Real | Decimal | np.bool_)


def is_missing(value: Any) -> bool:
    """Say whether an object stands for a value that is not there."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating | Decimal) and value != value


def unmasked(values: Any, argument: str) -> Any:
    """Return values of which none is masked, as they are; NumPy would read under the mask."""
    parts = values if isinstance(values, list | tuple) else [values]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise ValueError(
            f"{argument} must hold no masked entries; got a masked array. Fill them, or leave "
            "their rows out."
        )
    return values


def real_array(values: Any, argument: str, rule: str, *, may_miss: bool = False) -> np.ndarray:
    """Return numbers as an array of their own dtype, or of float64 where they were objects.

    Parameters
    ----------
    values : array-like
    argument, rule : str
        For the message: whose values these are, and what they must be.
    may_miss : bool
        Whether None, the missing value of pandas and masked entries are legal: they become NaN.
    """
    if sparse.issparse(values):
        raise TypeError(f"{rule}; got a sparse matrix. Pass its toarray().")
    if may_miss and isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(object), np.nan)
    try:
        array = np.asarray(unmasked(values, argument))
    except (TypeError, ValueError, OverflowError) as error:
        if str(error).startswith(argument):
            raise
        raise TypeError(
            f"{rule}; got {type(values).__name__} of which no array can be made: {error}. Pass "
            "numbers, in rows of equal length."
        ) from error
    if array.dtype.kind == "O":
        array = _from_objects(array, rule, may_miss=may_miss)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{rule}; got {_KINDS.get(array.dtype.kind, 'other things')}. Convert them, if they "
            "stand for numbers."
        )
    return array


def _from_objects(array: np.ndarray, rule: str, *, may_miss: bool) -> np.ndarray:
    """Return objects that are all real numbers as float64."""
    objects = array.ravel().tolist()
    if may_miss:
        objects = [np.nan if is_missing(value) else value for value in objects]
    wrong = [number for number, value in enumerate(objects) if not is_real(value)]
    if wrong:
        first = objects[wrong[0]]
        where = f" in row {np.unravel_index(wrong[0], array.shape)[0]}" if array.ndim else ""
        what = f"{type(first).__name__} {shown(first)}" if array.ndim else type(first).__name__
        raise TypeError(f"{rule}; got {what}{where}. Pass numbers, in rows of equal length.")
    return np.array([_as_float(value) for value in objects], float).reshape(array.shape)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except ValueError:  # a signalling NaN of decimal
        return np.nan


def as_numbers(values: Any, argument: str, shape: str) -> np.ndarray:
    """Return an array of float64 of finite numbers. It may share memory with `values`.

    Parameters
    ----------
    values : array-like of numbers
    argument, shape : str
        For the message: whose values these are, and what shape they should have.
    """
    rule = f"{argument} must be an array of numbers of shape {shape}"
    with np.errstate(over="ignore"):
        array = real_array(values, argument, rule).astype(np.float64, copy=False)
    is_finite = np.isfinite(array)
    if not is_finite.all():
        where = f" in {first_rows(np.unique(np.argwhere(~is_finite)[:, 0]))}" if array.ndim else ""
        raise ValueError(
            f"{argument} must hold finite numbers; got {quote(np.atleast_1d(array[~is_finite]))}"
            f"{where}. Replace what is NaN, infinite or too large for float64."
        )
    return array


def zero_or_one(array: np.ndarray, *, may_miss: bool = False) -> np.ndarray:
    """Return where an array of numbers holds exactly 0 or 1, or NaN."""
    if array.dtype.kind == "b":
        return np.ones(array.shape, dtype=bool)
    is_fine = (array == 0) | (array == 1)
    return is_fine | (array != array) if may_miss else is_fine


def check_float32(
    values: np.ndarray, argument: str, cure: str, *, may_vanish: bool = False
) -> np.ndarray:
    """Return numbers that float32 can hold, those that it takes for 0 included if they may be."""
    sizes = np.abs(values)
    is_wrong = sizes > _FLOAT32.max
    if not may_vanish:
        is_wrong |= (sizes < _FLOAT32.tiny) & (sizes > 0)
    if is_wrong.any():
        raise ValueError(
            f"{argument} must be 0 or of a size from {_FLOAT32.tiny:.1e} to {_FLOAT32.max:.1e}, "
            f"which float32 can hold; got {quote(np.atleast_1d(values)[np.atleast_1d(is_wrong)])}"
            f". {cure}"
        )
    return values


def check_sparse(matrix: Any, argument: str) -> Any:
    """Return a sparse matrix whose indices agree with its shape: compiled code trusts them."""
    try:
        if matrix.format in ("csr", "csc", "bsr"):
            parts = matrix.data, matrix.indices, matrix.indptr
            # A copy of everything but the numbers, because the check may replace an index.
            type(matrix)(parts, shape=matrix.shape, copy=False).check_format(full_check=True)
        elif matrix.format == "coo":
            type(matrix)((matrix.data, matrix.coords), shape=matrix.shape, copy=False)
        elif matrix.format == "lil":
            _check_lists(matrix)
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"{argument} must be a sparse matrix in good order; got indices that do not agree "
            f"with its shape {matrix.shape}: {error}. Make it anew."
        ) from error
    return matrix


def _check_lists(matrix: Any) -> None:
    """Raise where a LIL matrix has columns that it has not."""
    n_rows, n_columns = matrix.shape
    lengths = [(len(row), len(data)) for row, data in zip(matrix.rows, matrix.data, strict=True)]
    columns = [column for row in matrix.rows for column in row]
    if len(lengths) != n_rows or any(row != data for row, data in lengths):
        raise ValueError("rows and data differ in length")
    if columns and (min(columns) < 0 or max(columns) >= n_columns):
        raise ValueError("column index out of range")


# Sizes that no product overflows. Powers of two leave all digits as they are.


def scaled(values: np.ndarray, axis: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return values whose largest size is below 1, and the exponents of 2 that were taken off."""
    # Without an array of sizes, which would be as large as the values.
    over = {"axis": axis, "keepdims": axis is not None, "initial": 0}
    largest = np.maximum(values.max(**over), np.abs(values.min(**over)))
    exponent = np.frexp(largest)[1]
    return np.ldexp(values, -exponent), exponent


def scaled_product(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the product of numbers of 0 or more, the largest below 1, and the exponent of 2."""
    (mantissas, exponents), (factors, more) = np.frexp(one), np.frexp(other)
    product, exponents = mantissas * factors, exponents + more
    if not product.any():
        return product, 0
    largest = int(exponents[product > 0].max())
    return np.ldexp(product, exponents - largest), largest


def average(values: np.ndarray, weight: np.ndarray) -> Any:
    """Return the weighted mean over the first axis, which no sum on the way overflows."""
    values, exponent = scaled(values)
    return np.ldexp(np.average(values, axis=0, weights=scaled(weight)[0]), exponent)
