"""Thresholds of labels: numbers as given, or targets that are reached on rows held out."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from scipy.special import expit, logit

from skmask.data._messages import shown
from skmask.data._parameters import Interval
from skmask.data._weights import by_entry, check_by_label
from skmask.decisions import (
    macro_f1_cutoffs,
    micro_f1_cutoffs,
    micro_macro_cutoffs,
    over_resamples,
    precision_cutoffs,
    recall_cutoffs,
)
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows

__all__ = [
    "SAMPLE_F1",
    "TARGETS",
    "is_sample_f1",
    "is_tuned",
    "thresholds_as_given",
    "thresholds_for",
]

_F1_TARGETS = {
    "macro_f1": macro_f1_cutoffs,
    "micro_f1": micro_f1_cutoffs,
    "micro_macro": micro_macro_cutoffs,
    "tuned": micro_macro_cutoffs,
}
_RATES = {"precision": precision_cutoffs, "recall": recall_cutoffs}

# The word for labels of the largest expected F1 of each row, in the place of thresholds.
SAMPLE_F1 = "sample_f1"

# Words that `threshold` may be.
TARGETS = {*_F1_TARGETS, SAMPLE_F1}


def is_sample_f1(threshold: Any) -> bool:
    """Say whether a threshold is the word for sets of the largest expected F1."""
    return isinstance(threshold, str) and threshold == SAMPLE_F1


def is_tuned(threshold: Any) -> bool:
    """Say whether a threshold is a target that is reached on rows held out: word or rate."""
    is_word = isinstance(threshold, str) and not is_sample_f1(threshold)
    return is_word or _is_rate(threshold)


def _is_rate(threshold: Any) -> bool:
    return isinstance(threshold, Mapping) and len(threshold) == 1 and set(threshold) <= set(_RATES)


def thresholds_as_given(threshold: Any, names: np.ndarray) -> np.ndarray:
    """Return the threshold of each label: one half while they are to be tuned, or not used."""
    if not is_tuned(threshold) and not isinstance(threshold, str):
        return check_by_label(threshold, names, "threshold", at_most=1)
    if _is_rate(threshold):
        _check_rate(threshold)
    return np.full(len(names), 0.5)


def _check_rate(threshold: Mapping[str, Any]) -> None:
    ((name, rate),) = threshold.items()
    if not Interval(Real, 0, 1, closed="right").is_satisfied_by(rate):
        raise ValueError(
            f"threshold must ask for a {name} above 0, of at most 1; got {shown(rate)}. Give a "
            f"share, as in {{{name!r}: 0.9}}."
        )


def thresholds_for(threshold: Any, fit: Fit, rows: Rows | None) -> dict[str, Any]:
    """Return the thresholds that reach a target on some rows, as a value of the fit.

    Parameters
    ----------
    threshold : str, or dict with "recall" or "precision"
    fit : Fit
    rows : Rows or None
        Rows that the fit was not trained on. None: no value is changed.
    """
    if rows is None:
        return {}
    logits = fit.predictor(rows.X).astype(np.float64)
    weight = np.broadcast_to(by_entry(rows.weight), logits.shape)
    if _is_rate(threshold):
        ((name, rate),) = threshold.items()
        cutoffs = _RATES[name](logits, rows.target, weight, rate)
    else:
        cutoffs = over_resamples(
            _F1_TARGETS[threshold], logits, rows.target, weight, fit.state.seed
        )
    return {"thresholds_": expit(np.where(np.isnan(cutoffs), logit(0.5), cutoffs))}
