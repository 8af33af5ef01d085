"""Sequences of unequal length: lists and padded arrays, and which of their steps are real."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from skmask.data._frames import as_list, check_no_text, named, without_names
from skmask.data._labels import label_table, same_labels
from skmask.data._messages import first_rows, naming, quote
from skmask.data._numbers import is_missing, real_array, unmasked
from skmask.data._weights import check_entry_weight, check_sample_weight

__all__ = [
    "Steps",
    "as_sequences",
    "check_labels_fit",
    "check_real_steps",
    "entry_weights",
    "is_label",
    "label_matrix",
    "names_agree",
    "padded",
    "padding_mark",
    "shape_of",
    "step_matrix",
]


@dataclass(frozen=True)
class Steps:
    """Which steps of padded sequences are real.

    Packing moves the real steps of a sequence to its front. Left, right and inner padding then
    give the same arrays, and further padding changes nothing.

    Parameters
    ----------
    is_real : ndarray of bool of shape (n, n_steps)
    """

    is_real: np.ndarray

    @cached_property
    def lengths(self) -> np.ndarray:
        """How many steps of each sequence are real, (n,)."""
        return self.is_real.sum(axis=1)

    def _in_front(self, n_steps: int) -> np.ndarray:
        return np.arange(n_steps) < self.lengths[:, np.newaxis]

    def pack(self, values: np.ndarray, fill: Any, n_steps: int) -> np.ndarray:
        """Return values with those of real steps in front, (n, n_steps, ...).

        Parameters
        ----------
        values : ndarray of shape (n, n_steps, ...)
        fill : number, or ndarray of shape (n, 1)
            Values behind them.
        n_steps : int
            As many as the longest sequence has, or more.
        """
        packed = np.full((len(values), n_steps, *values.shape[2:]), fill, values.dtype)
        packed[self._in_front(n_steps)] = values[self.is_real]
        return packed

    def unpack(self, packed: np.ndarray, fill: Any) -> np.ndarray:
        """Undo `pack`: return values at their original steps, and `fill` at padding."""
        values = np.full((*self.is_real.shape, *packed.shape[2:]), fill, packed.dtype)
        values[self.is_real] = packed[self._in_front(packed.shape[1])]
        return values


def as_sequences(values: Any, argument: str) -> list[np.ndarray] | None:
    """Return sequences as a list of arrays, one entry per step; None for anything else.

    Arrays in a list are sequences even if their lengths agree, and so are all that are in a
    Series or an array of objects; lists in a list only if their lengths differ.
    """
    entries = as_list(values)
    is_array_of_objects = entries is not values
    if not isinstance(entries, list | tuple) or not entries:
        return None
    if all(getattr(entry, "ndim", 0) >= 1 for entry in entries):
        return [_as_sequence(entry, argument) for entry in entries]
    if not all(isinstance(entry, list | tuple) or np.ndim(entry) >= 1 for entry in entries):
        return None
    if is_array_of_objects or len({*map(len, entries)}) > 1:
        return [_as_sequence(entry, argument) for entry in entries]
    return None


def _as_sequence(entry: Any, argument: str) -> np.ndarray:
    with naming(argument):
        return np.asarray(without_names(unmasked(entry, argument), argument))


def shape_of(values: Any, argument: str) -> tuple[int, ...]:
    """Return the shape of an array-like."""
    if hasattr(values, "shape"):
        return values.shape
    with naming(argument):
        return np.asarray(values).shape


def joined(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Return all entries in one array; integers stay what they are among empty sequences."""
    some = [sequence for sequence in sequences if len(sequence)] or list(sequences)
    integers = [sequence for sequence in some if sequence.dtype.kind in "iu" and sequence.size]
    if any(each.max() > 2**53 or each.min() < -(2**53) for each in integers):
        some = [_as_integers(sequence) for sequence in some]  # float64 would round them
    kinds = {sequence.dtype.kind for sequence in some}
    if "u" in kinds and "i" in kinds:
        some = [sequence.astype(object) for sequence in some]
    return np.concatenate(some)


def _as_integers(values: np.ndarray) -> np.ndarray:
    """Return floats as integers, where they are whole numbers that int64 can hold."""
    if values.dtype.kind == "f" and (np.abs(values) < 2**63).all() and (values % 1 == 0).all():
        return values.astype(np.int64)
    return values


def padded(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences in one array with zeros behind, and where something was given.

    Parameters
    ----------
    sequences : sequence of ndarray of shape (n_steps_i, ...)

    Returns
    -------
    values : ndarray of shape (n, n_steps, ...)
    is_given : ndarray of bool of shape (n, n_steps)
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    is_given = np.arange(lengths.max()) < lengths[:, np.newaxis]
    entries = joined(sequences)
    values = np.zeros((*is_given.shape, *entries.shape[1:]), entries.dtype)
    values[is_given] = entries
    return values, is_given


def step_matrix(X: Any, check: Callable[[Any, bool], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences as one array, and where steps were given.

    Parameters
    ----------
    X : array-like of shape (n, n_steps) or (n, n_steps, n_features), or list of array-likes of \
            shape (n_steps_i, n_features) or (n_steps_i,)
    check : callable `(matrix, is_by_step) -> ndarray`
        Returns a matrix checked: of all steps of all sequences, or, with False, X itself, a row
        for a sequence and a column for a step.

    Returns
    -------
    values : ndarray of shape (n, n_steps, n_features)
    is_given : ndarray of bool of shape (n, n_steps)
    """
    sequences = as_sequences(X, "X")
    if sequences is not None:
        matrices = [_as_matrix(sequence) for sequence in sequences]
        _check_agree(matrices, sequences)
        values, is_given = padded(matrices)
        entries = check(values[is_given], True)
        values = np.zeros(values.shape, entries.dtype)
        values[is_given] = entries
        return values, is_given
    n_axes = len(shape_of(X, "X"))
    if n_axes > 3:
        raise ValueError(
            "X must have shape (n_samples, n_steps, n_features) or (n_samples, n_steps), or be "
            f"a list of arrays of shape (n_steps, n_features); got {n_axes} axes. Put what a "
            "step has in one axis."
        )
    if n_axes < 3:
        matrix = check(X, False)
        return matrix[..., np.newaxis], np.ones(matrix.shape, dtype=bool)
    array = np.asarray(unmasked(X, "X"))
    n_samples, n_steps, n_features = array.shape
    if not n_steps:
        raise ValueError(f"X must have at least one step; got shape {array.shape}.")
    values = check(array.reshape(-1, n_features), True).reshape(array.shape)
    return values, np.ones((n_samples, n_steps), dtype=bool)


def names_agree(X: Any) -> bool:
    """Say whether X is a list of DataFrames; raise where they have not all the same columns."""
    sequences = as_list(X)
    frames = [named(each, "X") for each in sequences] if isinstance(sequences, list) else []
    tables = [None if frame is None or frame.values.ndim == 1 else frame for frame in frames]
    names = [None if table is None else table.names for table in tables]
    wrong = np.flatnonzero([each != names[0] for each in names])
    if wrong.size:
        raise ValueError(
            "X must have the same columns in each sequence, in one order; got "
            f"{quote(names[wrong[0]] or [])} in {first_rows(wrong)}, and {quote(names[0] or [])} "
            "in row 0. Reorder them."
        )
    return bool(names) and names[0] is not None


def _as_matrix(sequence: np.ndarray) -> np.ndarray:
    return sequence[:, np.newaxis] if sequence.ndim == 1 else sequence


def _check_agree(matrices: list[np.ndarray], sequences: list[np.ndarray]) -> None:
    """Raise where sequences differ in what a step has."""
    axes = np.array([sequence.ndim for sequence in sequences])
    shapes = [matrix.shape[1:] for matrix in matrices]
    wrong = np.array([shape != shapes[0] for shape in shapes]) | (axes > 2) | (axes != axes[0])
    if wrong.any():
        rows = np.flatnonzero(wrong)
        raise ValueError(
            "X must be a list of arrays of shape (n_steps, n_features) with as many features in "
            f"each; got shape {sequences[rows[0]].shape} in {first_rows(rows)}, and "
            f"{sequences[0].shape} in row 0. Give each step the same features."
        )


def check_real_steps(
    values: np.ndarray, is_given: np.ndarray, mask_value: float, *, may_be_empty: bool
) -> Steps:
    """Return which steps are real: all features of the others are `mask_value`.

    Parameters
    ----------
    values : ndarray of float32 or float64 of shape (n, n_steps, n_features)
    is_given : ndarray of bool of shape (n, n_steps)
    mask_value : float
    may_be_empty : bool
        Whether a sequence may have no real step.
    """
    is_nan = np.isnan(values)
    is_value = is_nan if np.isnan(mask_value) else values == values.dtype.type(mask_value)
    steps = Steps(is_given & ~is_value.all(axis=2))
    is_part = (is_nan.any(axis=2) & steps.is_real).nonzero()
    if len(is_part[0]):
        row, step = is_part[0][0], is_part[1][0]
        raise ValueError(
            "X must hold a number in each feature of a real step, and NaN in all features of "
            f"padding; got a step with NaN in {is_nan[row, step].sum()} of {values.shape[2]} "
            f"features, step {step} of row {row}, in {first_rows(np.unique(is_part[0]))}. Fill "
            "in the missing values."
        )
    empty = np.flatnonzero(steps.lengths == 0)
    if empty.size and not may_be_empty:
        raise ValueError(
            f"X must have a real step in each sequence; got padding throughout in "
            f"{first_rows(empty)}. Leave these rows out, or change mask_value={mask_value}."
        )
    return steps


def padding_mark(padding_label: Any, dtype: np.dtype) -> Any:
    """Return the label that stands at padding: -1, or "" among strings, where none was given."""
    if padding_label is None:
        return "" if dtype.kind in "OUS" else -1
    return padding_label


def is_label(labels: np.ndarray, label: Any) -> np.ndarray:
    """Return where a label stands, which may be NaN."""
    if label != label:
        return labels != labels
    if not isinstance(label, str) and abs(label) >= 2**53:  # which float64 may not tell apart
        return same_labels(labels, np.asarray(label, object))
    return labels == label


def label_matrix(y: Any, argument: str = "y") -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of all steps in one array, and where one was given.

    Parameters
    ----------
    y : array-like of shape (n_samples, n_steps) or list of array-likes of shape (n_steps_i,)
    argument : str
        For the message.

    Returns
    -------
    labels : ndarray of shape (n_samples, n_steps)
    is_given : ndarray of bool of shape (n_samples, n_steps)
    """
    if sparse.issparse(y):
        raise TypeError(
            f"{argument} must be dense when it has labels by step; got a sparse matrix. Pass its "
            "toarray()."
        )
    sequences = as_sequences(y, argument)
    found = [label_table(y, argument)] if sequences is None else sequences
    found = [_with_nan(labels) for labels in found]
    n_axes = 2 if sequences is None else 1
    wrong = np.flatnonzero([labels.ndim != n_axes for labels in found])
    if wrong.size:
        raise ValueError(
            f"{argument} must have shape (n_samples, n_steps), or be a list of arrays of shape "
            f"(n_steps,), one label for each step; got shape {found[wrong[0]].shape}. Give class "
            "labels, not one-hot rows."
        )
    if sequences is None:
        return found[0], np.ones(found[0].shape, dtype=bool)
    return padded(sequences)


def _with_nan(labels: np.ndarray) -> np.ndarray:
    """Return labels with NaN for all that is missing: pandas' own mark compares with nothing."""
    if labels.dtype.kind != "O":
        return labels
    found = labels.copy()
    found[np.vectorize(is_missing, otypes=[bool])(labels)] = np.nan
    return found


def check_labels_fit(
    labels: np.ndarray, has_label: np.ndarray, steps: Steps, is_given: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels for each step of X, and where one was given.

    Parameters
    ----------
    labels, has_label : ndarrays of shape (n_samples, n_labels)
        As `label_matrix` returns them. At padding behind the last real step they may be missing.
    steps : Steps
    is_given : ndarray of bool of shape (n_samples, n_steps)
        Where X, which may be a list, has steps.
    """
    n_steps, n_labels = is_given.shape[1], has_label.sum(axis=1)
    numbers = np.arange(1, n_steps + 1)
    needed, possible = (numbers * steps.is_real).max(axis=1), (numbers * is_given).max(axis=1)
    wrong = np.flatnonzero((n_labels < needed) | (n_labels > possible))
    if wrong.size:
        row = wrong[0]
        raise ValueError(
            "y must have one label for each step of its sequence; padding at the end may go "
            f"without. Got {n_labels[row]} labels for {possible[row]} steps, of which the last "
            f"real one is number {needed[row]}, in row {row} ({len(wrong)} such rows in all). Make "
            "their lengths agree."
        )
    return _of_width(labels, n_steps), _of_width(has_label, n_steps)


def _of_width(values: np.ndarray, width: int) -> np.ndarray:
    """Return an array of so many columns, zeros in those that are new."""
    new = np.zeros((len(values), width), values.dtype)
    new[:, : values.shape[1]] = values[:, :width]
    return new


def entry_weights(sample_weight: Any, counts: np.ndarray) -> np.ndarray:
    """Return the weight of each step that counts, (n_entries,).

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or (n_samples, n_steps), list of array-likes \
            of shape (n_steps_i,), or None
        Values at steps that do not count are ignored.
    counts : ndarray of bool of shape (n_samples, n_steps)
    """
    by_step = as_sequences(sample_weight, "sample_weight")
    if by_step is not None:
        sample_weight = _weight_matrix(by_step, counts)
    check_no_text(sample_weight, "sample_weight")
    weight = without_names(sample_weight, "sample_weight")
    if len(shape_of(weight, "sample_weight")) < 2:
        return check_sample_weight(weight, len(counts))[counts.nonzero()[0]]
    rule = f"sample_weight must be an array of numbers of shape {counts.shape}"
    weight = real_array(weight, "sample_weight", rule, may_miss=True)
    if weight.shape == counts.shape:
        weight = np.where(counts, weight, 0)
    return check_entry_weight(weight, counts.shape)[counts]


def _weight_matrix(weights: list[np.ndarray], counts: np.ndarray) -> np.ndarray:
    """Return the weights in a list as an array of the shape of `counts`."""
    with naming("sample_weight"):
        values, is_given = padded(weights)
    n_samples, n_steps = counts.shape
    fits = values.ndim == 2 and len(values) == n_samples and values.shape[1] <= n_steps
    if not fits or (counts & ~_of_width(is_given, n_steps)).any():
        raise ValueError(
            "sample_weight must have a weight for each step that has a label, of "
            f"{n_samples} sequences of up to {n_steps} steps; got arrays of other lengths. Make "
            "them agree with y."
        )
    return _of_width(values, n_steps)
