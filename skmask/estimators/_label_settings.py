"""What a fit to labels keeps beside the network: factors on positives and thresholds."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import logit

from skmask.data._messages import quote
from skmask.data._weights import by_entry
from skmask.estimators._label_decisions import check_can_be_calibrated, check_n_labels
from skmask.estimators._multilabel_rows import pos_weight_for, read_labelled_rows
from skmask.estimators._reading import Given, opened_rows
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._thresholds import (
    SAMPLE_F1,
    is_sample_f1,
    is_tuned,
    thresholds_as_given,
    thresholds_for,
)

__all__ = [
    "chosen_thresholds",
    "warn_of_labels_never_predicted",
    "with_weights_and_thresholds",
]


def with_weights_and_thresholds(estimator: Any, rows: Rows, given: Given) -> Rows:
    """Add the factors on positives and the thresholds, as inputs of the loss and for the fit.

    Parameters
    ----------
    estimator : WeightedMultilabelClassifier
        Its parameters are read.
    rows : Rows
    given : Given
    """
    names = rows.values["label_names_"]
    check_n_labels(estimator.min_labels, estimator.max_labels, names)
    sums = _weight_of_both_kinds(rows, given)
    pos_weight = pos_weight_for(estimator.pos_weight, names, *sums)
    if estimator.calibrated:
        check_can_be_calibrated(estimator.loss, pos_weight, names)
    if is_sample_f1(estimator.threshold):
        _check_can_maximise_f1(rows.values["is_one_vs_rest"], estimator.loss, pos_weight, names)
    if given.continued is None and not sums[1].all():
        warnings.warn(
            f"y has no positive for the labels {quote(names[sums[1] == 0])}: they cannot be "
            "learnt, and their pos_weight is 1 where it is to be balanced.",
            stacklevel=5,
        )
    thresholds = thresholds_as_given(estimator.threshold, names)
    constants = {"pos_weight": pos_weight, "cutoff": logit(thresholds)}
    return replace(rows, constants=constants).with_values(
        pos_weight_=pos_weight,
        thresholds_=thresholds,
        maximises_f1=is_sample_f1(estimator.threshold),
        loss_of_fit=estimator.loss,
        weight_seen=sums,
    )


def _weight_of_both_kinds(rows: Rows, given: Given) -> np.ndarray:
    """Return the weight of the negatives and of the positives of each label, in all calls so far.

    Shape (2, n_labels).
    """
    weight = by_entry(rows.weight)
    sums = np.stack([(weight * (rows.target == value)).sum(axis=0) for value in (0, 1)])
    sums = rows.in_units_given(sums)
    return sums if given.continued is None else sums + given.continued["weight_seen"]


def chosen_thresholds(estimator: Any, threshold: Any, given: Given) -> dict[str, Any]:
    """Return the values of a fit that say how labels are chosen, for another threshold.

    Parameters
    ----------
    estimator : WeightedMultilabelClassifier
    threshold : as the parameter
    given : Given
        The fit before, and rows to reach a target on.
    """
    fit: Any = given.before
    names = fit["label_names_"]
    if is_sample_f1(threshold):
        _check_can_maximise_f1(fit["is_one_vs_rest"], fit["loss_of_fit"], fit["pos_weight_"], names)
    values = {
        "thresholds_": thresholds_as_given(threshold, names),
        "maximises_f1": is_sample_f1(threshold),
    }
    if not is_tuned(threshold):
        return values
    if given.X is None or given.y is None:
        raise ValueError(
            f"X and y must be given to reach threshold={threshold!r} on; got None. Pass "
            "rows that the network was not trained on."
        )
    X, y = opened_rows(estimator, given.X, given.y, given.before)
    rows = read_labelled_rows(estimator, replace(given, X=X, y=y))
    return {**values, **thresholds_for(threshold, fit, rows.that_count())}


def _check_can_maximise_f1(
    is_one_vs_rest: bool, loss: str, pos_weight: np.ndarray, names: np.ndarray
) -> None:
    """Raise where the expected F1 of a row cannot be known."""
    if is_one_vs_rest:
        raise ValueError(
            "threshold must not be 'sample_f1' where y is one class per row, which gets one class "
            "in any case; got it. Give a number, or a target."
        )
    check_can_be_calibrated(loss, pos_weight, names, f"threshold={SAMPLE_F1!r}")


def warn_of_labels_never_predicted(parts: Iterable[np.ndarray], fit: Fit) -> None:
    """Warn of labels that no part of the predictions for training rows holds."""
    names = fit["label_names_"]
    is_there = np.zeros(len(names), bool)
    for predicted in parts:
        is_there |= np.isin(names, predicted) if fit["is_one_vs_rest"] else predicted.any(axis=0)
    if not is_there.all():
        warnings.warn(
            f"The labels {quote(names[~is_there])} are never predicted on the training rows. Raise "
            "pos_weight, lower threshold or tune it, or train for longer.",
            stacklevel=4,
        )
