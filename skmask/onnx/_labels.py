"""Labels as ONNX holds them."""

from typing import Any

import numpy as np

from skmask.data._labels import with_label
from skmask.data._messages import quote

__all__ = ["is_by_label", "labels_of"]


def is_by_label(fit: Any) -> bool:
    """Say whether predictions are 0 or 1 for each label, not one label."""
    return "label_names_" in fit.values and not fit["is_one_vs_rest"]


def labels_of(fit: Any) -> np.ndarray:
    """Return the labels that are predicted, each in the place of its number.

    Parameters
    ----------
    fit : Fit

    Returns
    -------
    ndarray of int64, float64, bool, or object for strings
        The classes, or the actions of costs; where steps have labels, that of padding behind them.
        0 and 1 for a fit by label.
    """
    if is_by_label(fit):
        return np.arange(2)
    labels = fit.values.get("actions_", fit["classes_"])
    if fit.signature.steps is not None:
        where = np.arange(len(labels) + 1) == len(labels)
        labels = with_label(np.append(labels, labels[:1]), where, fit["padding_label_"])
    written = _as_written(labels)
    # NaN, which is not equal to itself, may stand at padding.
    if written is None or not np.array_equal(written[labels == labels], labels[labels == labels]):
        raise ValueError(
            "classes must be strings, bools, or numbers that int64 or float64 hold, to be written "
            f"as ONNX; got {quote(labels)}. Fit to codes of them, as LabelEncoder of scikit-learn "
            "makes them."
        )
    return written


def _as_written(labels: np.ndarray) -> np.ndarray | None:
    """Return labels in a type of ONNX; None where no type fits."""
    kind = labels.dtype.kind
    if kind == "O":
        if all(isinstance(label, str) for label in labels):
            return labels
        are_numbers = all(isinstance(label, int | float | np.number) for label in labels)
        return labels.astype(np.float64) if are_numbers else None
    by_kind: dict[str, Any] = {
        "i": np.int64,
        "u": np.int64,
        "f": np.float64,
        "b": bool,
        "U": object,
    }
    return labels.astype(by_kind[kind]) if kind in by_kind else None
