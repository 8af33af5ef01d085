"""How far a training knows the mask: the parameter `mask_in_loss`."""

from typing import Any

import numpy as np

from skmask.decisions import log_softmax
from skmask.engine import is_lazy, some_rows
from skmask.estimators._candidates import candidate_proba, names_candidates
from skmask.estimators._reading import Given
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._softmax import scores_of

__all__ = ["REASON_TO_HOLD_OUT", "SHARES", "restricted_log_loss", "share_of_mask"]

# The values among which "auto" chooses; the first one wins ties.
SHARES = (1.0, 0.5, 0.0)

_ROWS_AT_ONCE = 65536

REASON_TO_HOLD_OUT = "mask_in_loss='auto'", "set mask_in_loss to a number"


def share_of_mask(estimator: Any, given: Given, rows: Rows) -> Any:
    """Return the share of the restricted loss in training, or "auto" where it is to be found.

    Parameters
    ----------
    estimator : RestrictedClassClassifier
        Its parameter `mask_in_loss` is read.
    given : Given
        A training that goes on keeps the share that the one before has found.
    rows : Rows
    """
    if not rows.values["is_restricted"]:
        return 1.0
    if estimator.mask_in_loss != "auto" or given.training is not None:
        return estimator.mask_in_loss
    if given.before is not None and given.before.values.get("is_restricted"):
        return given.before.values.get("mask_in_loss_", 1.0)
    if given.is_partial:
        raise ValueError(
            "mask_in_loss must be a number in partial_fit, which holds no rows out; got 'auto'. "
            "Use 1, or the mask_in_loss_ of a fit."
        )
    return "auto"


def _log_likelihood(fit: Fit, rows: Rows) -> np.ndarray:
    """Return the log-likelihood of each row, over its allowed classes."""
    mask = rows.columns.get("allowed", rows.constants.get("allowed"))
    X = rows.X if not is_lazy(rows.X) else some_rows(rows.X, slice(0, len(rows)))
    mask = mask if not is_lazy(mask) else some_rows(mask, slice(0, len(rows)))
    log_proba = scores_of(fit, X, mask, log_softmax, np.dtype(float))
    if rows.target.ndim == 1:
        return log_proba[np.arange(len(rows)), rows.target]
    return (rows.target * np.where(rows.target > 0, log_proba, 0)).sum(axis=1)


def restricted_log_loss(fit: Fit, rows: Rows) -> float:
    """Return the mean negative log-likelihood of rows, over their allowed classes.

    Parameters
    ----------
    fit : Fit
    rows : Rows
        With labels, or shares of the classes.
    """
    mask = rows.columns.get("allowed", rows.constants.get("allowed"))
    is_label = rows.target.ndim == 1
    if is_label and names_candidates(rows.X, mask):
        proba = candidate_proba(fit, rows.X, mask, np.dtype(float))
        found = np.asarray(proba[np.arange(len(rows)), rows.target]).ravel()
        by_row = np.log(np.maximum(found, np.finfo(float).tiny))
    else:
        starts = range(0, len(rows), _ROWS_AT_ONCE)
        parts = (rows[np.arange(k, min(k + _ROWS_AT_ONCE, len(rows)))] for k in starts)
        by_row = np.concatenate([_log_likelihood(fit, part) for part in parts])
    return -float(np.average(by_row, weights=rows.weight))
