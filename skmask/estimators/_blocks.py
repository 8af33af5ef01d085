"""Masks and costs on disk, read block by block beside X."""

from functools import partial
from typing import Any

import numpy as np

from skmask.data._blocks import Blocks, as_blocks
from skmask.data._costs import check_costs
from skmask.data._masks import check_allowed, check_labels_allowed
from skmask.engine import LazyRows, read_rows

__all__ = ["allowed_in_blocks", "check_labels_allowed_in_blocks", "costs_in_blocks"]


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
    return LazyRows(blocks, convert=partial(_sorted_mask, order=np.argsort(classes)), dtype=bool)


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
            where = f" of those from row {rows.start} on. "
            raise ValueError(str(error).replace(". ", where, 1)) from error
    return LazyRows(blocks, convert=partial(_sorted_costs, order=np.argsort(classes)), dtype=float)


def _sorted_costs(costs: np.ndarray, order: np.ndarray) -> np.ndarray:
    return costs.astype(np.float64, copy=False)[:, order]


def _of_shape(values: Any, argument: str, shape: tuple[int, int]) -> Blocks:
    blocks = as_blocks(values, None).named(argument).as_they_are()
    if blocks.shape != shape:
        raise ValueError(
            f"{argument} must have shape (n_samples, n_classes) = {shape}; got {blocks.shape}. "
            "Give one row for each row of X, and one column for each class."
        )
    return blocks


def _sorted_mask(mask: np.ndarray, order: np.ndarray) -> np.ndarray:
    return mask.astype(bool, copy=False)[:, order]


def check_labels_allowed_in_blocks(codes: np.ndarray, allowed: LazyRows, y: np.ndarray) -> None:
    """Raise if the class of a row is not among those it allows."""
    for rows, mask in read_rows(allowed):
        numbers = np.arange(rows.start, rows.stop)
        check_labels_allowed(codes[rows], mask, y[rows], row_of=numbers)
