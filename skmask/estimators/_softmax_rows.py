"""Reading of rows with one label, or shares of the classes, their weights and their mask."""

from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy import sparse

from skmask.data._blocks import Blocks, in_memory, is_on_disk
from skmask.data._features import check_columns
from skmask.data._masks import check_allowed, check_labels_allowed
from skmask.data._messages import naming, shown
from skmask.data._shares import check_shares_allowed, has_shares, most_probable, weighed_by_class
from skmask.data._weights import check_sample_weight
from skmask.engine import is_lazy
from skmask.estimators._blocks import allowed_in_blocks, check_target_allowed_in_blocks
from skmask.estimators._reading import (
    FLOATS,
    Given,
    announced_labels,
    read_features,
    read_inputs,
    read_labels,
    read_shares,
)
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows

__all__ = [
    "check_class_weight_in_parts",
    "check_mask_goes_on",
    "check_mask_is_given",
    "check_takes_mask",
    "class_values",
    "class_weight_for",
    "features_and_mask",
    "needs_mask",
    "read_label_rows",
    "read_softmax_rows",
    "rows_of_labels",
    "split_off_allowed",
    "with_mask",
]


def read_softmax_rows(estimator: Any, given: Given) -> Rows:
    """Read rows of features with a label or shares of the classes, their weights and their mask.

    Parameters
    ----------
    estimator, given
        As in `read_label_rows`.
    """
    return _read_rows(estimator, given, may_be_shares=True)


def read_label_rows(estimator: Any, given: Given) -> Rows:
    """Read rows of features with one label each, their weights and their mask.

    Parameters
    ----------
    estimator : SoftmaxClassifier
        Its parameters are read.
    given : Given
        With `sample_weight` and `allowed` among its metadata, or not.
    """
    return _read_rows(estimator, given, may_be_shares=False)


def _read_rows(estimator: Any, given: Given, *, may_be_shares: bool) -> Rows:
    check_class_weight_in_parts(estimator, given)
    labels = announced_labels(estimator, given, are_needed=True)
    read = read_shares if may_be_shares and has_shares(given.y) else read_labels
    y, target, labels = read(estimator, given, labels)
    has_mask = given.continued is not None and given.continued["mask_columns"] is not None
    dtype = FLOATS if has_mask else given.dtype
    X, features = read_features(estimator, given.X, given.before, dtype)
    return rows_of_labels(estimator, given, X, y, target, labels, features)


def rows_of_labels(
    estimator: Any,
    given: Given,
    X: Any,
    y: np.ndarray,
    target: np.ndarray,
    labels: np.ndarray,
    features: dict[str, Any],
) -> Rows:
    """Return rows of X with a label or shares of the classes, their weights and their mask.

    Parameters
    ----------
    estimator : SoftmaxClassifier
    given : Given
    X : ndarray, Blocks or CSR of shape (n_samples, ...)
        Checked; of features, with the mask in some of its columns where `allowed_columns` says so,
        or of sequences.
    y : ndarray of shape (n_samples, ...)
        As given, for messages.
    target : ndarray of int of shape (n_samples,), or of float of shape (n_samples, n_classes)
        Class numbers, or shares of the classes in sorted order.
    labels : ndarray of shape (n_classes,)
        As announced.
    features : dict
        Values about the features that the fit keeps.
    """
    classes = np.sort(labels)
    weight = check_sample_weight(given.metadata.get("sample_weight"), len(target))
    weighed, weight, exponent = weighed_by_class(
        class_weight_for(estimator, given), target, classes, weight
    )
    columns, inputs = _columns_of(estimator, given, len(labels))
    allowed = given.metadata.get("allowed")
    X, mask = features_and_mask(estimator, given.X, X, allowed, columns, labels)
    if mask is not None:
        _check_allowed(target, mask, y, classes)
    check_mask_goes_on(given, mask)
    by_row, for_all = _mask_inputs(mask, len(target))
    if getattr(estimator, "mask_in_input", False):
        is_lifted = isinstance(allowed, str)
        check_takes_mask(estimator, X, mask, is_lifted=is_lifted and given.training is not None)
        X, features = with_mask(X, mask, len(labels)), {**features, "mask_in_input": True}
    if weighed is not target:  # whose largest share is that of another class, it may be
        by_row = {**by_row, "labels": most_probable(target)}
    return Rows(
        X,
        weighed,
        weight,
        outputs=classes,
        strata=most_probable(target),
        columns=by_row,
        constants=for_all,
        exponent=int(exponent),
        values={**features, **inputs, **class_values(labels, mask, columns)},
    )


def _columns_of(
    estimator: Any, given: Given, n_classes: int
) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Return which columns of X hold the mask, and which each input of the network gets.

    For validation rows those of training.
    """
    if given.training is not None:
        return given.training.values["mask_columns"], {}
    columns = None
    if getattr(estimator, "allowed_columns", None) is not None:
        columns = check_columns(estimator.allowed_columns, given.X, n_classes)
    return columns, read_inputs(estimator, given, columns)


def _check_allowed(target: np.ndarray, mask: Any, y: np.ndarray, classes: np.ndarray) -> None:
    """Raise where a row has a class that its mask does not allow."""
    if is_lazy(mask):
        check_target_allowed_in_blocks(target, mask, y, classes)
    elif target.ndim == 1:
        check_labels_allowed(target, mask, y)
    else:
        check_shares_allowed(target, mask, classes)


def features_and_mask(
    estimator: Any,
    given: Any,
    X: Any,
    allowed: Any,
    columns: np.ndarray | None,
    labels: np.ndarray,
) -> tuple[Any, Any]:
    """Return the features and their mask: as passed, in columns of X, or by `allowed_rule`.

    Parameters
    ----------
    estimator : estimator
    given : anything
        X as it was passed, or blocks of it.
    X : ndarray, RowSource or CSR of shape (n_samples, ...)
        Checked.
    allowed : mask, "all" or None
    columns : ndarray of int or None
        Numbers of the columns of X that hold the mask.
    labels : ndarray of shape (n_classes,)
        As announced.
    """
    mask = _mask_by_rule(estimator, given, X, allowed)
    with nullcontext() if mask is allowed else naming("allowed_rule"):
        return split_off_allowed(X, mask, columns, labels)


def _mask_by_rule(estimator: Any, given: Any, X: Any, allowed: Any) -> Any:
    """Return the mask as passed, or the one that the parameter `allowed_rule` finds in X."""
    rule = getattr(estimator, "allowed_rule", None)
    if rule is None or (isinstance(allowed, str) and allowed == "all"):
        return allowed
    if allowed is not None:
        raise ValueError(
            "allowed must not be given together with allowed_rule; got both. Drop one of them."
        )
    if estimator.allowed_columns is not None:
        raise ValueError(
            "allowed_rule must be None where allowed_columns is given; got both. Drop one of them."
        )
    if is_lazy(X):
        raise ValueError(
            "allowed_rule must be None where X is read from disk in blocks; got a rule. Pass the "
            "mask as allowed: an array, a memory-mapped file or a Dask array."
        )
    mask = rule(X if isinstance(given, Blocks) else given)
    if mask is None or isinstance(mask, str):
        raise ValueError(
            f"allowed_rule must return a mask for the rows of X; got {shown(mask)}. Return an "
            "array of bool of shape (n_samples, n_classes)."
        )
    return mask


def check_takes_mask(estimator: Any, X: Any, mask: Any, *, is_lifted: bool) -> None:
    """Raise where a mask cannot be columns of the features.

    Parameters
    ----------
    estimator : estimator
    X : ndarray, RowSource or CSR of shape (n_samples, ...)
    mask : ndarray, RowSource, CSR or None
    is_lifted : bool
        Whether no mask means that all classes are allowed.
    """
    found = None
    if mask is None and not is_lifted:
        found = "no mask", "Pass allowed"
    elif len(X.shape) != 2:
        found = f"X of shape {X.shape}", "Take the mask apart in network"
    elif is_lazy(X) or is_lazy(mask):
        found = "X that is read from disk in blocks", "Write the mask into the file"
    elif getattr(estimator, "inputs", None) is not None:
        found = "inputs", "Name the columns of the mask in inputs"
    if found is not None:
        raise ValueError(
            "mask_in_input must be False without a mask, and where X is no table of features in "
            f"memory; got {found[0]}. {found[1]}, or set mask_in_input=False."
        )


def with_mask(X: Any, mask: Any, n_classes: int) -> Any:
    """Return features with a mask behind them, as columns of 0 and 1.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features)
    mask : ndarray or CSR of bool of shape (n_samples, n_classes) or (1, n_classes), or None
        None: all classes are allowed.
    n_classes : int
    """
    if mask is None:
        mask = np.ones((1, n_classes), bool)
    if not sparse.issparse(mask):
        mask = np.broadcast_to(mask, (X.shape[0], n_classes))
    if sparse.issparse(X) or sparse.issparse(mask):
        parts = [sparse.csr_array(X), sparse.csr_array(mask).astype(X.dtype)]
        return sparse.csr_array(sparse.hstack(parts, format="csr"))
    return np.hstack([X, mask.astype(X.dtype)])


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


def class_weight_for(estimator: Any, given: Given) -> Any:
    """Return `class_weight`; None for validation rows, as in scikit-learn and Keras."""
    return estimator.class_weight if given.training is None else None


def check_class_weight_in_parts(estimator: Any, given: Given) -> None:
    """Raise for balanced class weights in `partial_fit`."""
    if given.is_partial and estimator.class_weight == "balanced":
        raise ValueError(
            "class_weight must be a dict or None in partial_fit, which does not see all "
            "rows; got 'balanced'. Compute it with sklearn.utils.class_weight."
        )


def check_mask_goes_on(given: Given, mask: Any) -> None:
    """Raise where a training that goes on has lost its mask."""
    if given.training is not None:
        return  # `read_validation` compares the arguments
    before = given.before
    if before is not None and before.values.get("is_restricted") and mask is None:
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
