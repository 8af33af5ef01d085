"""Reading of rows with one label each, their weights and their mask."""

from typing import Any

import numpy as np

from skmask.data._blocks import Blocks, in_memory, is_on_disk
from skmask.data._features import check_columns
from skmask.data._masks import check_allowed, check_labels_allowed
from skmask.data._numbers import scaled, scaled_product
from skmask.data._weights import check_class_weight, check_sample_weight
from skmask.engine import is_lazy
from skmask.estimators._blocks import allowed_in_blocks, check_labels_allowed_in_blocks
from skmask.estimators._reading import FLOATS, Given, announced_labels, read_features, read_labels
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows

__all__ = [
    "check_class_weight_in_parts",
    "check_mask_goes_on",
    "check_mask_is_given",
    "class_values",
    "needs_mask",
    "read_softmax_rows",
    "rows_of_labels",
    "split_off_allowed",
]


def read_softmax_rows(estimator: Any, given: Given) -> Rows:
    """Read rows of features with one label each, their weights and their mask.

    Parameters
    ----------
    estimator : SoftmaxClassifier
        Its parameters are read.
    given : Given
        With `sample_weight` and `allowed` among its metadata, or not.
    """
    check_class_weight_in_parts(estimator, given)
    labels = announced_labels(estimator, given, are_needed=True)
    y, codes, labels = read_labels(estimator, given, labels)
    has_mask = given.continued is not None and given.continued["mask_columns"] is not None
    dtype = FLOATS if has_mask else given.dtype
    X, features = read_features(estimator, given.X, given.before, dtype)
    return rows_of_labels(estimator, given, X, y, codes, labels, features)


def rows_of_labels(
    estimator: Any,
    given: Given,
    X: Any,
    y: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    features: dict[str, Any],
) -> Rows:
    """Return rows of X with one label each, with their weights and their mask.

    Parameters
    ----------
    estimator : SoftmaxClassifier
    given : Given
    X : ndarray, Blocks or CSR of shape (n_samples, ...)
        Checked; of features, with the mask in some of its columns where `allowed_columns` says so,
        or of sequences.
    y : ndarray of shape (n_samples,)
    codes : ndarray of int of shape (n_samples,)
    labels : ndarray of shape (n_classes,)
        As announced.
    features : dict
        Values about the features that the fit keeps.
    """
    classes = np.sort(labels)
    weight = check_sample_weight(given.metadata.get("sample_weight"), len(codes))
    exponent: Any
    if estimator.class_weight is None:
        weight, exponent = scaled(weight)
    else:
        by_class = check_class_weight(estimator.class_weight, codes, classes, weight)
        weight, exponent = scaled_product(weight, by_class[codes])
    columns = None
    if getattr(estimator, "allowed_columns", None) is not None:
        frame = X if isinstance(given.X, Blocks) else given.X
        columns = check_columns(estimator.allowed_columns, frame, len(labels))
    X, mask = split_off_allowed(X, given.metadata.get("allowed"), columns, labels)
    if is_lazy(mask):
        check_labels_allowed_in_blocks(codes, mask, y)
    elif mask is not None:
        check_labels_allowed(codes, mask, y)
    check_mask_goes_on(given, mask)
    by_row, for_all = _mask_inputs(mask, len(codes))
    return Rows(
        X,
        codes,
        weight,
        outputs=classes,
        strata=codes,
        columns=by_row,
        constants=for_all,
        exponent=int(exponent),
        values={**features, **class_values(labels, mask, columns)},
    )


def class_values(
    labels: np.ndarray, mask: Any, columns: np.ndarray | None = None
) -> dict[str, Any]:
    """Return the values that a fit keeps of its classes, and of its mask."""
    return {
        "classes_": np.sort(labels),
        "announced": labels,
        "mask_columns": columns,
        "is_restricted": mask is not None,
    }


def check_class_weight_in_parts(estimator: Any, given: Given) -> None:
    """Raise for balanced class weights in `partial_fit`."""
    if given.is_partial and estimator.class_weight == "balanced":
        raise ValueError(
            "class_weight must be a dict or None in partial_fit, which does not see all "
            "rows; got 'balanced'. Compute it with sklearn.utils.class_weight."
        )


def check_mask_goes_on(given: Given, mask: Any) -> None:
    """Raise where a training that goes on has lost its mask."""
    if given.before is not None and given.before["is_restricted"] and mask is None:
        raise ValueError(
            "allowed must be given in every call once it was given in one; got None. Pass "
            "the mask of these rows."
        )


def needs_mask(fit: Fit) -> bool:
    """Say whether predictions need a mask beside X."""
    return bool(fit.values.get("is_restricted")) and fit.values.get("mask_columns") is None


def check_mask_is_given(fit: Fit, allowed: Any) -> None:
    """Raise where a fit had a mask and a prediction has none."""
    if allowed is None and needs_mask(fit):
        raise ValueError(
            "allowed must be given for prediction after a fit with a mask; got None. Pass "
            "the mask of these rows, or allowed='all' to lift the restriction on purpose."
        )


def _mask_inputs(mask: Any, n_samples: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the mask among the inputs of the loss by row, or among those for all rows."""
    if mask is None:
        return {}, {}
    return ({"allowed": mask}, {}) if mask.shape[0] == n_samples else ({}, {"allowed": mask})


def split_off_allowed(
    X: Any, allowed: Any, columns: np.ndarray | None, labels: np.ndarray
) -> tuple[Any, Any]:
    """Return the features and the mask, wherever the mask came from."""
    lifted = isinstance(allowed, str) and allowed == "all"
    if columns is not None:
        if allowed is not None and not lifted:
            raise ValueError(
                "allowed must not be given together with allowed_columns; got both. Drop one of "
                "them."
            )
        if is_lazy(X):
            raise ValueError(
                "allowed_columns must be None where X is read from disk in blocks; got columns. "
                "Pass the mask as allowed: an array, a memory-mapped file or a Dask array."
            )
        allowed = "all" if lifted else X[:, columns]
        X = X[:, np.setdiff1d(np.arange(X.shape[1]), columns)]
    if allowed is None or lifted:
        return X, None
    if is_lazy(X) and is_on_disk(allowed):
        return X, allowed_in_blocks(allowed, n_samples=X.shape[0], classes=labels)
    return X, check_allowed(in_memory(allowed), n_samples=X.shape[0], classes=labels)
