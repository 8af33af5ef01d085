"""From logits of labels to predictions: above thresholds, or sets of labels, and how many."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import expit, logit

from skmask.data._messages import quote
from skmask.decisions import BELOW_ALLOWED, f1_sets, with_at_least, with_at_most
from skmask.engine import is_lazy, read_rows
from skmask.estimators._multilabel_rows import label_mask
from skmask.estimators._record import Fit
from skmask.estimators._softmax_rows import check_mask_is_given

__all__ = [
    "above_thresholds",
    "check_can_be_calibrated",
    "check_n_labels",
    "few_at_a_time",
    "label_mask_to_predict",
    "labels_of_rows",
    "maximises_f1",
    "of_unweighted",
    "restricted_labels",
]

# Training rows that are predicted at a time, to see which labels are never predicted.
_ROWS_AT_ONCE = 4096


def few_at_a_time(X: Any) -> Iterator[tuple[slice, Any]]:
    """Yield all rows in their order and which they are, each block of a source read once."""
    blocks = read_rows(X) if is_lazy(X) else [(slice(0, X.shape[0]), X)]
    for rows, block in blocks:
        for start in range(0, block.shape[0], _ROWS_AT_ONCE):
            part = block[start : start + _ROWS_AT_ONCE]
            first = rows.start + start
            yield slice(first, first + part.shape[0]), part


def label_mask_to_predict(fit: Fit, allowed: Any, n_samples: int) -> np.ndarray | None:
    """Return the mask of rows to predict, bool that broadcasts to their logits, or None.

    Raises where a fit had a mask and there is none, and after a fit to one class per row.
    """
    if allowed is not None and fit["is_one_vs_rest"]:
        raise ValueError(
            "allowed must be None after a fit to one class per row; got a mask. Leave it out."
        )
    check_mask_is_given(fit, allowed)
    return label_mask(allowed, n_samples, fit["label_names_"])


def check_n_labels(min_labels: int, max_labels: int | None, names: np.ndarray) -> None:
    """Raise for numbers of labels of a row that contradict each other, or the labels."""
    if min_labels > len(names):
        raise ValueError(
            f"min_labels must not be above the number of labels, {len(names)}; got {min_labels}. "
            "Ask for fewer."
        )
    if max_labels is not None and max_labels < min_labels:
        raise ValueError(
            f"max_labels must not be below min_labels, {min_labels}; got {max_labels}. Raise it, "
            "or lower min_labels."
        )


def check_can_be_calibrated(
    loss: str, pos_weight: np.ndarray, names: np.ndarray, asked: str = "calibrated=True"
) -> None:
    """Raise where the odds of the unweighted problem do not follow from the logits.

    `asked` is the parameter that needs them, and its value.
    """
    name, value = asked.split("=")
    if loss != "weighted_bce":
        rule = "be False" if value == "True" else f"not be {value}"
        raise ValueError(
            f"{name} must {rule} unless loss='weighted_bce', whose odds are known; got "
            f"{value} with loss={loss!r}. Use sklearn.calibration, or fit with the other loss."
        )
    if not pos_weight.all():
        raise ValueError(
            f"pos_weight must be above 0 where {asked} takes its logarithm; got 0 for "
            f"{quote(names[pos_weight == 0])}. Raise it, or change {name}."
        )


def of_unweighted(fit: Fit, logits: np.ndarray) -> np.ndarray:
    """Return the logits of the unweighted problem, or raise where they do not follow."""
    check_can_be_calibrated(fit["loss_of_fit"], fit["pos_weight_"], fit["label_names_"])
    return logits - np.log(fit["pos_weight_"])


def maximises_f1(fit: Fit) -> bool:
    """Say whether each row gets the labels of its largest expected F1, whatever the thresholds."""
    return bool(fit.values.get("maximises_f1"))


def above_thresholds(fit: Fit, logits: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Return how far logits are above thresholds, 100 below 0 or more where not allowed."""
    above = logits - logit(fit["thresholds_"])
    if mask is None:
        return above
    return np.where(mask, above, np.minimum(np.nan_to_num(above), 0) - BELOW_ALLOWED)


def restricted_labels(values: np.ndarray, mask: np.ndarray | None, otherwise: float) -> np.ndarray:
    """Return values of labels, and another one where a label is not allowed."""
    return values if mask is None else np.where(mask, values, otherwise)


def labels_of_rows(
    fit: Fit,
    logits: np.ndarray,
    mask: np.ndarray | None,
    *,
    calibrated: bool,
    min_labels: int,
    max_labels: int | None,
) -> np.ndarray:
    """Return the labels of each row, bool of shape (n, n_labels).

    Parameters
    ----------
    fit : Fit
    logits : ndarray of float64 of shape (n, n_labels)
    mask : ndarray of bool that broadcasts to it, or None
    calibrated : bool
        Whether the labels of a row are ordered by their odds in the unweighted problem.
    min_labels, max_labels : int, or None for the latter
    """
    by_f1 = maximises_f1(fit)
    ordered = of_unweighted(fit, logits) if calibrated or by_f1 else logits
    if by_f1:
        predicted = f1_sets(restricted_labels(expit(ordered), mask, 0.0))
    else:
        predicted = above_thresholds(fit, logits, mask) > 0
    ordered = restricted_labels(ordered, mask, -np.inf)
    predicted = with_at_most(predicted, ordered, max_labels)
    return restricted_labels(with_at_least(predicted, ordered, min_labels), mask, False)
