"""Names of rows and columns: what carries them is aligned by them, never read by position."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.exceptions import DuplicateError

from skmask.data._messages import quote

__all__ = [
    "Named",
    "aligned",
    "as_list",
    "check_no_text",
    "named",
    "named_costs",
    "row_labels",
    "without_names",
]


@dataclass(frozen=True)
class Named:
    """Values of a DataFrame, or of a Series with an index.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_names) or (n_names,)
        Numbers of the dtype that they have, or objects.
    names : list
        Of the last axis.
    index : list or None
        Names of the rows of a DataFrame, in the libraries that have them.
    """

    values: np.ndarray
    names: list[Any]
    index: list[Any] | None = None

    def by_name(self, wanted: np.ndarray, argument: str, *, of: str = "class") -> np.ndarray:
        """Return the values with their last axis in the order wanted."""
        what = "column" if self.values.ndim == 2 else "entry"
        return self.values[..., aligned(self.names, wanted, argument, what, of=of)]


def named(values: Any, argument: str) -> Named | None:
    """Return the values and names of a DataFrame, or of a Series of pandas; None for the rest.

    A Series of a library that has no index carries no names.
    """
    frame = _native(values, argument)
    if isinstance(frame, nw.Series):
        index = _index(frame)
        return None if index is None else Named(frame.to_numpy(), index)
    if not isinstance(frame, nw.DataFrame):
        return None
    return Named(_values(frame, argument), list(frame.columns), _index(frame))


def named_costs(
    values: Any, wanted: np.ndarray, argument: str
) -> tuple[list[Any] | None, np.ndarray] | None:
    """Return the actions and the costs of a DataFrame whose rows are classes; None for the rest.

    Where a library has no names of rows, they are in a column more.

    Parameters
    ----------
    values : DataFrame, or anything else
    wanted : ndarray of shape (n_classes,)
        The classes in the order wanted.
    argument : str
        For messages.

    Returns
    -------
    actions : list, or None
        The names of the columns, where they are actions. None: the classes, in the order wanted.
    costs : ndarray of shape (n_classes, n_actions) or (n_classes, n_classes)
    """
    frame = _native(values, argument)
    if not isinstance(frame, nw.DataFrame):
        return None
    frame, index = _names_of_rows(frame, wanted.tolist())
    names = list(frame.columns)
    are_actions = _are_actions(names, wanted.tolist())
    if index is None and (are_actions or set(names) == set(wanted.tolist())):
        raise ValueError(
            f"{argument} must say of which class each row is; got a "
            f"{type(values).__name__}, which has no names of rows. Add a column with the "
            "true class of each row, or pass an array or a DataFrame of pandas."
        )
    if are_actions:
        rows = aligned(index or [], wanted, argument, "row")
        return names, _values(frame, argument)[rows]
    columns = aligned(names, wanted, argument, "column")
    rows = aligned(index or [], wanted, argument, "row")
    return None, _values(frame, argument)[np.ix_(rows, columns)]


def _names_of_rows(frame: Any, labels: list[Any]) -> tuple[Any, list[Any] | None]:
    """Return a table without the column that names its rows, and these names, if there are any."""
    index = _index(frame)
    if index is not None:
        return frame, index
    more = [name for name in frame.columns if name not in labels]
    if len(more) > 1:
        more = [name for name in more if not _is_number(frame.schema[name])]
    if len(more) != 1:
        return frame, None
    return frame.drop(more), frame.get_column(more[0]).to_list()


def _are_actions(names: list[Any], labels: list[Any]) -> bool:
    """Say whether the columns of costs are actions: none of them a class, or more than all."""
    if set(labels) <= set(names):
        return len(names) > len(labels)
    return bool(names) and not {_spelt(name) for name in names} & set(map(_spelt, labels))


def _spelt(name: Any) -> Any:
    """Return a name as it is compared: numbers, also those written as text, as numbers."""
    try:
        return float(name)
    except (TypeError, ValueError):
        return str(name)


def row_labels(values: Any) -> list[Any] | None:
    """Return the names of the rows of a DataFrame, from its one column of text if need be."""
    frame = nw.from_native(values, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return None
    index = _index(frame)
    if index is not None:
        return index
    text = [name for name, dtype in frame.schema.items() if not _is_number(dtype)]
    return frame.get_column(text[0]).to_list() if len(text) == 1 else None


def without_names(values: Any, argument: str) -> Any:
    """Return the values of a DataFrame or Series without its names; anything else unchanged."""
    frame = _native(values, argument, rows_may_be_named=True)
    if isinstance(frame, nw.DataFrame):
        return frame.to_numpy()
    return frame.to_numpy() if isinstance(frame, nw.Series) else values


def as_list(values: Any) -> Any:
    """Return a Series, or a 1-D array of objects, as a list; anything else unchanged."""
    if hasattr(values, "to_pylist"):  # of Arrow
        return values if hasattr(values, "column_names") else values.to_pylist()
    series = nw.from_native(values, allow_series=True, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        is_nested = series.dtype in (nw.Object, nw.List, nw.Array, nw.Unknown)
        return series.to_list() if is_nested else values
    is_objects = getattr(values, "ndim", None) == 1 and np.dtype(object) == values.dtype
    return list(values) if is_objects else values


def check_no_text(values: Any, argument: str) -> None:
    """Raise for a DataFrame with a column of text, dates or durations."""
    frame = _native(values, argument, rows_may_be_named=True)
    if isinstance(frame, nw.DataFrame):
        _check_dtypes(frame, argument)


def _native(values: Any, argument: str, *, rows_may_be_named: bool = False) -> Any:
    """Return a DataFrame or Series as narwhals has it, and anything else unchanged."""
    if isinstance(values, np.ndarray):
        return values
    try:
        frame = nw.from_native(values, allow_series=True, pass_through=True)
    except DuplicateError as error:
        names = getattr(values, "column_names", None) or list(values.columns)
        raise ValueError(
            f"{argument} must have each column once; got columns {quote(names)}: repeated "
            f"{quote(_repeated(names))[1:-1]}. Drop or rename columns."
        ) from error
    if isinstance(frame, nw.DataFrame | nw.Series):
        return frame
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(
            f"{argument} must be in memory; got {type(values).__name__}, which is still to be "
            "computed. Collect or compute it first."
        )
    kinds = {type(part): part for part in values} if isinstance(values, list | tuple) else {}
    if not rows_may_be_named and any(_has_names(part) for part in kinds.values()):
        raise TypeError(
            f"{argument} must be one DataFrame or array where it has names; got a "
            f"{type(values).__name__} of them. Put them together by name first."
        )
    if hasattr(values, "column_names") or hasattr(values, "__dataframe__"):
        raise TypeError(
            f"{argument} must be a DataFrame of a library that narwhals reads, or an array; got "
            f"{type(values).__name__}, whose names would be lost. Convert it."
        )
    return values


def _index(frame: Any) -> list[Any] | None:
    """Return the names of the rows, where the library has some."""
    index: Any = nw.maybe_get_index(frame)
    return None if index is None else index.tolist()


def _has_names(value: Any) -> bool:
    frame = nw.from_native(value, allow_series=True, pass_through=True)
    if isinstance(frame, nw.Series):
        return _index(frame) is not None
    return isinstance(frame, nw.DataFrame | nw.LazyFrame) or hasattr(value, "column_names")


def _values(frame: Any, argument: str) -> np.ndarray:
    """Return the numbers of a DataFrame, NaN where they are missing."""
    _check_dtypes(frame, argument)
    array = frame.to_numpy()
    if array.dtype.kind == "O" and all(_is_number(dtype) for dtype in frame.schema.values()):
        return frame.select(nw.all().cast(nw.Float64)).to_numpy()
    return array


def _is_number(dtype: Any) -> bool:
    return dtype.is_numeric() or dtype == nw.Boolean


def _check_dtypes(frame: Any, argument: str) -> None:
    """Raise for columns that are no numbers, whatever NumPy would make of them."""
    for name, dtype in frame.schema.items():
        if not _may_be_numbers(frame, name, dtype):
            raise TypeError(
                f"{argument} must be an array of numbers; got column {name!r} of {dtype}. Convert "
                "it, if it stands for numbers."
            )


def _may_be_numbers(frame: Any, name: Any, dtype: Any) -> bool:
    if dtype in (nw.Categorical, nw.Enum, nw.Object):
        kinds = {type(value) for value in frame.get_column(name).to_list()}
        return not any(issubclass(kind, str | bytes | date | timedelta) for kind in kinds)
    return _is_number(dtype) or dtype == nw.Unknown


def aligned(
    names: Sequence[Any], wanted: np.ndarray, argument: str, what: str, *, of: str = "class"
) -> list[int]:
    """Return where each name that is wanted stands on an axis.

    Parameters
    ----------
    names : sequence
    wanted : ndarray of shape (n_names,)
        Each must be there once, and no other.
    argument, what, of : str
        For the message: whose axis it is, one thing on it, and what that belongs to.
    """
    labels = wanted.tolist()
    numbers = {name: number for number, name in enumerate(names)}
    known = set(labels)
    missing = [label for label in labels if label not in numbers]
    unknown = [name for name in numbers if name not in known]
    repeated = _repeated(names)
    if missing or unknown or repeated:
        found = {
            "missing": quote(missing),
            "unknown": quote(unknown),
            "repeated": quote(repeated)[1:-1],
        }
        lists = "; ".join(f"{word} {which}" for word, which in found.items() if which.strip("[]"))
        raise ValueError(
            f"{argument} must have one {what} for each {of}, {quote(labels)}, when it is "
            f"labelled; got {_plural(what)} {quote(names)}: {lists}. "
            f"{_cure(list(names), labels, what, of)}"
        )
    return [numbers[label] for label in labels]


def _repeated(names: Sequence[Any]) -> list[Any]:
    return [name for name, times in Counter(names).items() if times > 1]


def _plural(what: str) -> str:
    return "entries" if what == "entry" else f"{what}s"


def _cure(names: list[Any], labels: list[Any], what: str, of: str) -> str:
    """Return advice for names that are not those wanted."""
    is_text = all(isinstance(name, str) for name in names)
    if is_text and not any(isinstance(label, str) for label in labels):
        return (
            "The names are strings there and numbers here: pass an array in the order of the "
            "numbers, or a DataFrame of pandas, which can have numbers as names."
        )
    more = " or pass classes= with all labels to the estimator." if of == "class" else ""
    return f"Rename or add {_plural(what)}{',' + more if more else '.'}"
