"""Masks and costs on disk, read block by block beside X."""

from functools import partial
from typing import Any

import numpy as np

from skmask.data._blocks import Blocks, as_blocks, is_data_set
from skmask.data._costs import check_costs
from skmask.data._masks import check_allowed, check_labels_allowed
from skmask.data._shares import check_shares_allowed
from skmask.engine import LazyRows, read_rows

__all__ = ["allowed_in_blocks", "check_target_allowed_in_blocks", "costs_in_blocks"]


def allowed_in_blocks(allowed: Any, *, n_samples: int, classes: np.ndarray) -> LazyRows:
    """Return a mask on disk, read once to check it, with its columns in sorted class order.

    Parameters
    ----------
    allowed : np.memmap or dask.array.Array of shape (n_samples, n_classes)
    n_samples : int
    classes : ndarray of shape (n_classes,)
        The labels in the order of the columns.
    """
    blocks = _of_shape(allowed, "allowed", (n_samples, len(classes)))
    for rows, block in read_rows(blocks):
        numbers = np.arange(rows.start, rows.stop)
        check_allowed(block, n_samples=len(block), classes=classes, row_of=numbers)
    return LazyRows(
        blocks, convert=partial(_sorted, order=np.argsort(classes), dtype=bool), dtype=bool
    )


def costs_in_blocks(costs: Any, *, n_samples: int, classes: np.ndarray) -> LazyRows:
    """Return costs by row on disk, read once to check them, with classes in sorted order.

    Parameters
    ----------
    costs : np.memmap or dask.array.Array of shape (n_samples, n_classes)
    n_samples : int
    classes : ndarray of shape (n_classes,)
        The labels in the order of the columns.
    """
    blocks = _of_shape(costs, "costs", (n_samples, len(classes)))
    for rows, block in read_rows(blocks):
        try:
            check_costs(block, n_samples=len(block), classes=classes, ndims=(2,))
        except ValueError as error:
            where = f" of those from row {rows.start} on. " if rows.start else ". "
            raise ValueError(str(error).replace(". ", where, 1)) from error
    return LazyRows(
        blocks, convert=partial(_sorted, order=np.argsort(classes), dtype=float), dtype=float
    )


def _of_shape(values: Any, argument: str, shape: tuple[int, int]) -> Blocks:
    if is_data_set(values):
        raise TypeError(
            f"{argument} must be an array, a memory-mapped file, a Dask array or a table; got a "
            "data set of Arrow. Call its to_table(), whose columns are aligned by name."
        )
    blocks = as_blocks(values, None, argument=argument).as_they_are()
    if blocks.shape != shape:
        raise ValueError(
            f"{argument} must have shape (n_samples, n_classes) = {shape}; got {blocks.shape}. "
            "Give one row for each row of X, and one column for each class."
        )
    return blocks


def _sorted(values: np.ndarray, order: np.ndarray, dtype: Any) -> np.ndarray:
    return values.astype(dtype, copy=False)[:, order]


def check_target_allowed_in_blocks(
    target: np.ndarray, allowed: LazyRows, y: np.ndarray, classes_: np.ndarray
) -> None:
    """Raise if the class of a row, or a share of it, is not among those it allows."""
    for rows, mask in read_rows(allowed):
        numbers = np.arange(rows.start, rows.stop)
        if target.ndim == 1:
            check_labels_allowed(target[rows], mask, y[rows], row_of=numbers)
        else:
            check_shares_allowed(target[rows], mask, classes_, row_of=numbers)
