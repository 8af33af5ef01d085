"""Masks: which classes are possible for a row."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from skmask.data._frames import as_list, named
from skmask.data._messages import first_rows, quote, shown
from skmask.data._numbers import check_sparse, real_array, zero_or_one

__all__ = [
    "check_allowed",
    "check_allowed_labels",
    "check_labels_allowed",
    "check_matrix_allowed",
    "is_of_labels",
]

# Words for the columns of a mask that say where their names come from.
_OF_Y = {"labels": "labels of y"}

Allowed: TypeAlias = Any  # np.ndarray | sparse.csr_array, which has no stubs


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
        Number of each row in messages. None: its own.

    Returns
    -------
    ndarray of bool of shape (n_samples, n_classes) or (1, n_classes), or csr_array of bool
    """
    mask = _read_mask(allowed, n_samples, classes, np.argsort(classes), "classes", row_of)
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


def check_allowed_labels(allowed: Any, *, n_samples: int, names: np.ndarray) -> np.ndarray:
    """Return a mask of labels, of which a row may allow none, its columns in the order of names.

    Parameters
    ----------
    allowed : as for `check_allowed`, with a column for each label
    n_samples : int
    names : ndarray of shape (n_labels,)

    Returns
    -------
    ndarray of bool of shape (n_samples, n_labels) or (1, n_labels)
    """
    mask = _read_mask(allowed, n_samples, names, np.arange(len(names)), "labels")
    return mask.toarray() if sparse.issparse(mask) else mask


def _read_mask(
    allowed: Any,
    n_samples: int,
    classes: np.ndarray,
    order: Any,
    kind: str,
    row_of: np.ndarray | None = None,
) -> Allowed:
    """Return a mask of shape (n_samples, n_classes) or (1, n_classes), its columns in an order.

    `kind` is the word for the columns in messages.
    """
    if isinstance(allowed, str):
        raise TypeError(
            f"allowed must be a mask or the word 'all'; got {shown(allowed)}. Pass an array of "
            f"bool of shape (n_samples, n_{kind})."
        )
    if is_of_labels(allowed):
        allowed = _mask_of_labels(as_list(allowed), classes)
    frame = named(allowed, "allowed")
    if frame is not None:
        of = "label" if kind == "labels" else "class"
        allowed, order = frame.by_name(classes[order], "allowed", of=of), slice(None)
    mask = _as_bool(allowed, row_of)
    shapes = [(n_samples, len(classes)), (len(classes),)]
    if mask.shape not in (shapes[:1] if sparse.issparse(mask) else shapes):
        raise ValueError(
            f"allowed must have shape (n_samples, n_{kind}) = {shapes[0]}, or "
            f"({len(classes)},) for one mask that holds for all rows; got {mask.shape}. Give one "
            f"column for each of the {_OF_Y.get(kind, kind)} {quote(classes)}."
        )
    return _in_order(mask if mask.ndim == 2 else mask[np.newaxis], order)


def _in_order(mask: Allowed, order: Any) -> Allowed:
    """Return a mask with its columns in another order."""
    if not sparse.issparse(mask):
        return mask[:, order]
    if (order != np.arange(mask.shape[1])).any():
        mask = mask[:, order]
        mask.sort_indices()
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
        mask = _each_entry_once(check_sparse(allowed, "allowed"), row_of)
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


def _each_entry_once(allowed: Any, row_of: np.ndarray | None) -> Any:
    """Return a mask as a CSR array of its own, the columns of each row in order."""
    mask = sparse.csr_array(allowed, copy=True)
    if mask.ndim != 2:
        return mask
    if allowed.format == "coo":  # of which SciPy adds the entries that stand for one place
        n_given = np.bincount(allowed.coords[0], minlength=mask.shape[0])
    else:
        n_given = np.diff(mask.indptr)
        mask.sum_duplicates()
    repeated = np.flatnonzero(np.diff(mask.indptr) != n_given)
    if repeated.size:
        raise ValueError(
            "allowed must hold each class of a row once; got several entries for one class in "
            f"{first_rows(_called(repeated, row_of))}. Call its sum_duplicates(), if they mean "
            "the same."
        )
    return mask


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
        Number of each row in messages. None: its own.
    """
    rows = np.arange(len(codes)) if allowed.shape[0] == len(codes) else np.zeros_like(codes)
    is_allowed = np.asarray(allowed[rows, codes]).ravel()
    if not is_allowed.all():
        bad = np.flatnonzero(~is_allowed.astype(bool))
        raise ValueError(
            f"y must be among the classes that allowed leaves its row; got {quote(y[bad])} in "
            f"{first_rows(_called(bad, row_of))}. Correct y or allowed, or leave these rows out."
        )


def check_matrix_allowed(target: np.ndarray, allowed: np.ndarray) -> None:
    """Raise if a row has a label that it does not allow.

    Parameters
    ----------
    target : ndarray of int of shape (n_samples, n_labels)
        1 for the labels of a row.
    allowed : as `check_allowed_labels` returns it
    """
    bad = np.flatnonzero(((target == 1) & ~allowed).any(axis=1))
    if bad.size:
        raise ValueError(
            "y must be 0 or NaN where allowed says that the label cannot be; got 1 in "
            f"{first_rows(bad)}. Correct y or allowed, or leave these rows out."
        )
