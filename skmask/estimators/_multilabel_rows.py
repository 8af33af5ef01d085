"""Reading of label matrices and of classes as labels, and the factors on positives."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_consistent_length

from skmask.data._blocks import in_memory
from skmask.data._frames import as_list, without_names
from skmask.data._hold_out import rarest_label
from skmask.data._labels import check_classes, encode_label_matrix
from skmask.data._masks import check_allowed_labels, check_matrix_allowed
from skmask.data._messages import naming, quote
from skmask.data._numbers import check_float32, real_array, scaled, zero_or_one
from skmask.data._weights import by_entry, check_by_label, check_label_weight, check_sample_weight
from skmask.estimators._reading import Given, announced_labels, read_features, read_labels
from skmask.estimators._rows import Rows
from skmask.estimators._softmax_rows import check_mask_goes_on

__all__ = [
    "label_mask",
    "pos_weight_for",
    "read_labelled_rows",
]

_NO_MATRIX = (
    "y must be one class per row, or 0, 1 and NaN in a column for each label; got {}. Use "
    "sklearn.preprocessing.MultiLabelBinarizer."
)


def read_labelled_rows(estimator: Any, given: Given) -> Rows:
    """Read rows of features with a column for each label, or with one class each.

    Parameters
    ----------
    estimator : WeightedMultilabelClassifier
        Its parameters are read.
    given : Given
        With `sample_weight` and `allowed` among its metadata, or not.
    """
    is_matrix = _is_label_matrix(estimator, given)
    labels = announced_labels(estimator, given, are_needed=not is_matrix)
    rows = (_read_label_matrix if is_matrix else _read_classes)(estimator, given, labels)
    if given.before is not None and given.before["is_one_vs_rest"] == is_matrix:
        raise ValueError(
            "y must be of one kind in every call, a class per row or a column per label; got "
            "the other kind. Pass it as before."
        )
    return rows


def _is_label_matrix(estimator: Any, given: Given) -> bool:
    """Say whether a target has a column for each label, not one class per row.

    A single column is a label where it was one before; otherwise where it holds 0, 1 and
    NaN only and no more than one label is announced.
    """
    y = _as_table(given.y)
    n_columns = y.shape[1] if len(y.shape) == 2 else 0
    if n_columns != 1 or sparse.issparse(y):
        return len(y.shape) == 2
    classes = estimator.classes if given.classes is None else given.classes
    if given.before is not None:
        return not given.before["is_one_vs_rest"]
    return (classes is None or np.size(classes) == 1) and _holds_zero_or_one(y)


def _read_label_matrix(estimator: Any, given: Given, labels: Any) -> Rows:
    with naming("X and y"):
        check_consistent_length(given.X, given.y)
    X, features = read_features(estimator, given.X, given.before, given.dtype)
    if labels is None and estimator.classes is not None:
        labels = check_classes(estimator.classes, np.empty(0))
    target, is_known, names = encode_label_matrix(given.y, labels)
    is_new = given.continued is None and given.training is None
    if is_new and not is_known.any(axis=0).all():
        raise ValueError(
            "y must hold a known value for each label; got only NaN for "
            f"{quote(names[~is_known.any(axis=0)])}. Leave these columns out."
        )
    mask = label_mask(given.metadata.get("allowed"), len(target), names)
    check_mask_goes_on(given, mask)
    counts = is_known if mask is None else _counted(target, is_known, mask)
    weight = check_label_weight(given.metadata.get("sample_weight"), target.shape, names)
    weight, exponent = scaled(weight)
    if not counts.all():
        weight = by_entry(weight) * counts
    strata = rarest_label((target * by_entry(weight)) > 0, estimator.validation_fraction)
    values = {
        **features,
        "classes_": np.arange(len(names)),
        "label_names_": names,
        "announced": names,
        "is_one_vs_rest": False,
        "is_restricted": mask is not None,
    }
    return Rows(
        X, target, weight, outputs=names, strata=strata, exponent=int(exponent), values=values
    )


def label_mask(allowed: Any, n_samples: int, names: np.ndarray) -> np.ndarray | None:
    """Return a mask of labels, bool of shape (n_samples, n_labels) or (1, n_labels), or None.

    Parameters
    ----------
    allowed : mask as passed, "all" or None
    n_samples : int
    names : ndarray of shape (n_labels,)
    """
    if allowed is None or (isinstance(allowed, str) and allowed == "all"):
        return None
    return check_allowed_labels(in_memory(allowed), n_samples=n_samples, names=names)


def _counted(target: np.ndarray, is_known: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return which entries count: those that are known of labels that can be."""
    check_matrix_allowed(target, mask)
    counts = is_known & mask
    if not counts.any():
        raise ValueError(
            "allowed must leave a label that is known in some row; got none. Allow labels, or "
            "pass other rows."
        )
    return counts


def _read_classes(estimator: Any, given: Given, labels: Any) -> Rows:
    if given.metadata.get("allowed") is not None:
        raise ValueError(
            "allowed must be None where y is one class per row; got a mask. Use "
            "RestrictedClassClassifier, or pass y with a column for each label."
        )
    _, codes, labels = read_labels(estimator, given, labels)
    X, features = read_features(estimator, given.X, given.before, given.dtype)
    classes = np.sort(labels)
    positive = np.arange(len(classes)) if len(classes) > 2 else np.array([len(classes) - 1])
    target = (codes[:, np.newaxis] == positive).astype(np.int8)
    weight = check_sample_weight(given.metadata.get("sample_weight"), len(codes))
    weight, exponent = scaled(weight)
    values = {
        **features,
        "classes_": classes,
        "label_names_": classes[positive],
        "announced": labels,
        "is_one_vs_rest": True,
    }
    return Rows(
        X, target, weight, outputs=classes, strata=codes, exponent=int(exponent), values=values
    )


def pos_weight_for(
    pos_weight: Any, names: np.ndarray, negatives: np.ndarray, positives: np.ndarray
) -> np.ndarray:
    """Return the factors on the positives, from the weights of both kinds of entries."""
    if pos_weight is None:
        return np.ones(len(names))
    if isinstance(pos_weight, str):
        has_both = (negatives > 0) & (positives > 0)
        weights = np.where(has_both, negatives, 1) / np.where(has_both, positives, 1)
        return check_float32(
            weights,
            "sample_weight of negatives over that of positives, for pos_weight='balanced',",
            "Bring the weights closer, or pass pos_weight.",
        )
    weights = check_by_label(pos_weight, names, "pos_weight")
    return check_float32(weights, "pos_weight", "Give other factors.")


def _as_table(y: Any) -> Any:
    """Return a target as something that has a shape."""
    if y is None:
        raise ValueError(
            "y must be given: every fit and score requires y to be passed, but the target y is "
            "None. Pass a class per row, or a column for each label."
        )
    y = as_list(y)
    if isinstance(y, list | tuple) and any(isinstance(row, set | frozenset) for row in y):
        raise ValueError(_NO_MATRIX.format("sets"))
    y = without_names(y, "y")
    if not hasattr(y, "shape"):
        try:
            y = np.asarray(y)
        except ValueError as error:
            raise ValueError(_NO_MATRIX.format("rows of unequal length")) from error
    if len(y.shape) not in ((2,) if sparse.issparse(y) else (1, 2)):
        raise ValueError(_NO_MATRIX.format(f"shape {tuple(y.shape)}"))
    return y


def _holds_zero_or_one(y: Any) -> bool:
    """Say whether an array holds only 0, 1 and unknown entries."""
    try:
        values = real_array(y, "y", _NO_MATRIX, may_miss=True)
    except (TypeError, ValueError):
        return False
    return bool(zero_or_one(values, may_miss=True).all())
