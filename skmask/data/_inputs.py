"""Columns of X for each named input of a network."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skmask.data._features import selected_columns
from skmask.data._messages import first_rows, quote, shown

__all__ = ["Inputs", "check_inputs"]

# Names, and the numbers of the columns of each.
Inputs = tuple[tuple[str, tuple[int, ...]], ...]


def check_inputs(inputs: Mapping[str, Any], X: Any, taken: np.ndarray | None = None) -> Inputs:
    """Return the numbers of the features that each input of a network gets.

    Parameters
    ----------
    inputs : dict of str to column names, numbers, slice, bool mask, or callable of X
        Inputs may share columns; columns that no input gets are not used.
    X : array-like of shape (n_samples, n_columns)
    taken : ndarray of int, default=None
        Numbers of columns that hold the mask, and are not counted among the features.
    """
    wrong = [name for name in inputs if not isinstance(name, str)]
    if wrong or not inputs:
        found = f"{quote(wrong)} among the names" if wrong else "none"
        raise ValueError(
            f"inputs must be a dict from names of inputs to columns of X; got {found}. Name each "
            "input of network by a string."
        )
    if len(np.shape(X)) != 2:
        raise ValueError(
            f"inputs must say which columns each input gets of an X of rows of features; got X of "
            f"shape {np.shape(X)}. Set inputs=None, or flatten X."
        )
    taken = np.empty(0, int) if taken is None else taken
    return tuple((name, _numbers(name, columns, X, taken)) for name, columns in inputs.items())


def _numbers(name: str, columns: Any, X: Any, taken: np.ndarray) -> tuple[int, ...]:
    """Return the numbers of the features, the columns without those taken, of one input."""
    numbers, n_columns = selected_columns(columns, X, f"inputs[{name!r}]")
    if not numbers.size:
        raise ValueError(
            f"inputs[{name!r}] must select a column of X; got {shown(columns)}, which selects "
            "none. Name a column, or leave the input out of inputs and of network."
        )
    both = np.intersect1d(numbers, taken)
    if both.size:
        raise ValueError(
            f"inputs[{name!r}] must select features; got "
            f"{first_rows(both).replace('row', 'column')}, in allowed_columns as well. Leave them "
            "out of one of the two."
        )
    features = np.setdiff1d(np.arange(n_columns), taken)
    return tuple(np.searchsorted(features, numbers).tolist())
