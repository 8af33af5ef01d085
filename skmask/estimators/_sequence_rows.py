"""Reading of sequences, their labels and their masks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from skmask.data._features import check_features
from skmask.data._frames import as_list, named
from skmask.data._hold_out import rarest_label
from skmask.data._labels import check_labels
from skmask.data._masks import check_allowed, check_labels_allowed, is_of_labels
from skmask.data._messages import naming, quote
from skmask.data._numbers import scaled_product, unmasked
from skmask.data._sequences import (
    Steps,
    as_sequences,
    check_labels_fit,
    check_real_steps,
    entry_weights,
    is_label,
    label_matrix,
    names_agree,
    padded,
    shape_of,
    step_matrix,
)
from skmask.data._weights import check_class_weight
from skmask.estimators._reading import (
    Given,
    announced_labels,
    names_learnt,
    read_codes,
    scratch_of,
)
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._softmax_rows import (
    check_mask_goes_on,
    class_values,
    class_weight_for,
    rows_of_labels,
)

__all__ = [
    "Sequences",
    "is_by_step",
    "read_rows_by_sequence",
    "read_rows_by_step",
    "read_step_labels",
    "read_step_mask",
    "sequences_to_predict",
]

# Steps of X are padded to a multiple of this: a program is compiled for one number of them, and
# the longest sequences of two folds may differ by a step.
_STEPS_MULTIPLE = 8


@dataclass(frozen=True)
class Sequences:
    """Checked sequences.

    Parameters
    ----------
    X : ndarray of shape (n, n_packed_steps, n_features)
        Packed, NaN behind.
    steps : Steps
        Which steps are real where they stood.
    is_given : ndarray of bool of shape (n, n_steps)
        Where there was a step at all.
    values : dict
        Values about their features that a fit keeps.
    """

    X: np.ndarray
    steps: Steps
    is_given: np.ndarray
    values: Mapping[str, Any] = field(default_factory=dict)

    def of_output(self, n_steps: int | None) -> tuple[Steps, int]:
        """Return the steps of the output, and how many they are packed: those of X if None."""
        if n_steps is None:
            return self.steps, self.X.shape[1]
        return Steps(np.ones((len(self.X), n_steps), dtype=bool)), n_steps


def _read_sequences(
    estimator: Any,
    X: Any,
    before: Fit | None,
    *,
    dtype: Any,
    mask_value: float,
    may_be_empty: bool = False,
) -> Sequences:
    """Return sequences packed, as floats, with what a fit keeps of their features.

    Parameters
    ----------
    estimator : BaseEstimator
        Only read.
    X : padded array, or list of sequences
    before : Fit or None
        The fit whose features they must have.
    dtype : type or tuple of types
        The types that X may have.
    mask_value : float
    may_be_empty : bool, default=False
        Whether a sequence may be padding throughout.
    """
    may_be_nan = bool(np.isnan(mask_value))
    scratch, found = scratch_of(estimator, before), dict[str, Any]()
    check = partial(_checked_matrix, scratch, before, found, dtype=dtype, may_be_nan=may_be_nan)
    with naming("X"):
        are_named = names_agree(X)
        values, is_given = step_matrix(X, check)
        if are_named and not found["columns_are_steps"]:
            # scikit-learn's own check of names, and of their order.
            validate_data(scratch, as_list(X)[0], reset=before is None, skip_check_array=True)
    steps = check_real_steps(values, is_given, mask_value, may_be_empty=may_be_empty)
    n_steps = -(-max(steps.lengths.max(), 1) // _STEPS_MULTIPLE) * _STEPS_MULTIPLE
    found |= names_learnt(scratch)
    return Sequences(steps.pack(values, np.nan, n_steps), steps, is_given, found)


def _checked_matrix(
    scratch: Any,
    before: Fit | None,
    found: dict[str, Any],
    matrix: Any,
    is_by_step: bool,
    *,
    dtype: Any,
    may_be_nan: bool,
) -> np.ndarray:
    """Return all steps, or a row of X for each sequence of single features.

    Notes in `found` which of them it is, and how many features a step has.
    """
    matrix = check_features(matrix)
    settings = {
        "dtype": dtype,
        "order": "C",
        "ensure_all_finite": "allow-nan" if may_be_nan else True,
    }
    were_steps = not is_by_step if before is None else before["columns_are_steps"]
    if before is None or (were_steps and not is_by_step):
        checked = _validated(scratch, matrix, reset=before is None, **settings)
    else:
        checked = check_array(matrix, input_name="X", estimator=scratch, **settings)
    n_features = checked.shape[1] if is_by_step else 1
    wanted = n_features if before is None else before["n_step_features"]
    if n_features != wanted:
        raise ValueError(
            f"X must have the {wanted} features per step of the fit; got "
            f"{n_features}. Give each step the same features."
        )
    found.update(columns_are_steps=were_steps, n_step_features=n_features)
    return checked


def _validated(scratch: Any, matrix: Any, *, reset: bool, **settings: Any) -> np.ndarray:
    try:
        return validate_data(scratch, matrix, reset=reset, **settings)
    except ValueError as error:
        if "features as input" not in str(error):
            raise
        raise ValueError(
            f"{error} Sequences of another length go into an array of shape (n_samples, "
            "n_steps, 1), or a list."
        ) from error


def sequences_to_predict(estimator: Any, X: Any, fit: Fit) -> Sequences:
    """Return sequences packed, read as those of a fit were."""
    return _read_sequences(
        estimator,
        X,
        fit,
        dtype=np.dtype(fit.input_dtype),
        mask_value=fit["mask_value"],
        may_be_empty=fit.signature.steps == "each",
    )


def _sequences_to_fit(estimator: Any, given: Given) -> Sequences:
    return _read_sequences(
        estimator, given.X, given.before, dtype=given.dtype, mask_value=estimator.mask_value
    )


def read_rows_by_sequence(estimator: Any, given: Given) -> Rows:
    """Read sequences with one label each."""
    labels = announced_labels(estimator, given, are_needed=True)
    with naming("X and y"):
        check_consistent_length(given.X, given.y)
    y = check_labels(given.y)
    sequences = _sequences_to_fit(estimator, given)
    codes, labels = read_codes(estimator, y, labels)
    return rows_of_labels(estimator, given, sequences.X, y, codes, labels, dict(sequences.values))


def read_rows_by_step(estimator: Any, given: Given) -> Rows:
    """Read sequences with one label per step."""
    labels = announced_labels(estimator, given, are_needed=True)
    sequences = _sequences_to_fit(estimator, given)
    n_steps_out = None
    if estimator.architecture == "encoder_decoder":
        labelled = label_matrix(given.y)[0] if given.training is None else given.training.target
        n_steps_out = labelled.shape[1]
    y, steps, n_packed, counts = read_step_labels(sequences, given.y, n_steps_out)
    counts &= ~_is_padding_label(y, estimator.padding_label)
    if not counts.any():
        raise ValueError(
            f"y must have labels other than padding_label={estimator.padding_label!r}; got none "
            "at any real step. Correct y or padding_label."
        )
    codes, labels = read_codes(estimator, check_labels(y[counts]), labels)
    classes, row_of = np.sort(labels), counts.nonzero()[0]
    weight = entry_weights(given.metadata.get("sample_weight"), counts)
    by_class = check_class_weight(class_weight_for(estimator, given), codes, classes, weight)
    weight, exponent = scaled_product(weight, by_class[codes])
    mask = read_step_mask(given.metadata.get("allowed"), counts, labels)
    if mask is not None:
        check_labels_allowed(codes, mask.of_entries(counts), y[counts], row_of=row_of)
    check_mask_goes_on(given, mask)
    occurs = np.zeros((len(counts), len(classes)), dtype=bool)
    occurs[row_of[weight > 0], codes[weight > 0]] = True

    def packed(entries: np.ndarray, fill: Any) -> np.ndarray:
        values = np.full(steps.is_real.shape, fill, entries.dtype)
        values[:, : counts.shape[1]][counts] = entries
        return steps.pack(values, fill, n_packed)

    return Rows(
        sequences.X,
        packed(codes, 0 if mask is None else mask.possible_class()),
        packed(weight, 0),
        outputs=classes,
        strata=rarest_label(occurs, estimator.validation_fraction),
        columns={} if mask is None else {"allowed": mask.column(steps, n_packed)},
        exponent=exponent,
        values={**sequences.values, **class_values(labels, mask)},
    )


def read_step_labels(
    sequences: Sequences, y: Any, n_steps_out: int | None
) -> tuple[np.ndarray, Steps, int, np.ndarray]:
    """Return labels, the steps of the output, how many they are packed, and which have one."""
    y, has_label = label_matrix(y)
    with naming("X and y"):
        check_consistent_length(sequences.X, y)
    if n_steps_out is None:
        y, has_label = check_labels_fit(y, has_label, sequences.steps, sequences.is_given)
    elif y.shape[1] > n_steps_out:
        raise ValueError(
            f"y must have no more steps than the output, {n_steps_out}; got {y.shape[1]}. "
            "Cut the padding off."
        )
    steps, n_packed = sequences.of_output(n_steps_out)
    is_real = steps.is_real[:, : y.shape[1]]
    return y, steps, n_packed, is_real & has_label


def _is_padding_label(y: np.ndarray, label: Any) -> np.ndarray:
    if label is None:
        return np.zeros(y.shape, dtype=bool)
    if y.dtype.kind != "O" and isinstance(label, str) != (y.dtype.kind in "US"):
        raise ValueError(
            f"padding_label must be a label like those of y, of type {y.dtype}; got {label!r}. "
            "Give the label that marks padding."
        )
    return is_label(y, label)


@dataclass(frozen=True)
class StepMask:
    """Which classes are possible: shape (n or 1, n_steps or 1, n_classes)."""

    values: np.ndarray

    def of_entries(self, where: np.ndarray) -> np.ndarray:
        """Return the mask of each step that is True in `where`, (n_entries, n_classes)."""
        shape = (*where.shape, self.values.shape[2])
        return np.broadcast_to(self.values, shape)[where]

    def possible_class(self) -> np.ndarray:
        """Return a class that is possible at all steps without a mask of their own, (n or 1, 1)."""
        return (self.values.argmax(axis=2) * (self.values.shape[1] == 1))[:, :1]

    def column(self, steps: Steps, n_packed: int) -> np.ndarray:
        """Return the mask as the engine takes it, a row for each sequence."""
        n_samples = len(steps.is_real)
        if self.values.shape[1] == 1:
            return np.broadcast_to(self.values, (n_samples, *self.values.shape[1:]))
        # Validation rows may have fewer steps than the output.
        behind = (0, steps.is_real.shape[1] - self.values.shape[1])
        values = np.pad(self.values, [(0, 0), behind, (0, 0)], constant_values=True)
        return steps.pack(values, True, n_packed)


def read_step_mask(allowed: Any, where: np.ndarray, labels: np.ndarray) -> StepMask | None:
    """Return which classes are possible at the steps that are True in `where`; all elsewhere."""
    if allowed is None or (isinstance(allowed, str) and allowed == "all"):
        return None
    by_step = None
    if not is_of_labels(allowed):
        by_step = as_sequences(_by_class(allowed, labels), "allowed")
    if by_step is not None and by_step[0].ndim == 2:
        with naming("allowed"):
            allowed = padded(by_step)[0]
    if is_of_labels(allowed) or len(shape_of(allowed, "allowed")) != 3:
        mask = check_allowed(allowed, n_samples=len(where), classes=labels)
        mask = mask.toarray() if sparse.issparse(mask) else mask
        return StepMask(mask[:, np.newaxis])
    allowed = np.asarray(unmasked(allowed, "allowed"))
    shape = (*where.shape, len(labels))
    if allowed.shape != shape:
        raise ValueError(
            f"allowed must have shape (n_samples, n_steps, n_classes) = {shape}, or (n_samples, "
            f"n_classes) for masks that hold for whole sequences; got {allowed.shape}. Give a "
            f"mask for each step, with one column for each of the classes {quote(labels)}."
        )
    rows = where.nonzero()[0]
    values = np.ones(shape, dtype=bool)
    values[where] = check_allowed(allowed[where], n_samples=len(rows), classes=labels, row_of=rows)
    return StepMask(values)


def _by_class(allowed: Any, labels: np.ndarray) -> Any:
    """Return a list of DataFrames, a step a row, as arrays in the order of the labels."""
    if not isinstance(allowed, list | tuple):
        return allowed
    frames = [named(mask, "allowed") for mask in allowed]
    return [
        mask if frame is None else frame.by_name(labels, "allowed")
        for mask, frame in zip(allowed, frames, strict=True)
    ]


def is_by_step(X: Any, y: Any) -> bool:
    """Say whether y has a label for each step, not for each sequence."""
    if as_sequences(y, "y") is not None:
        return True
    shape = shape_of(y, "y")
    if len(shape) == 2 and shape[1] == 1:  # a column, unless X, too, has sequences of one step
        return as_sequences(X, "X") is not None or len(shape_of(X, "X")) > 2
    return len(shape) > 1
