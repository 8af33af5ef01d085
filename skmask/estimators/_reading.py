"""Reading of X and y, against the fit before where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, validate_data

from skmask.data._features import check_features, is_plain_array
from skmask.data._labels import check_classes, check_labels, encode_labels
from skmask.data._messages import naming, quote
from skmask.estimators._record import Fit
from skmask.estimators._row_shapes import check_row_shape, row_shape_of

__all__ = ["Given", "announced_labels", "read_codes", "read_features", "read_labels", "scratch_of"]

# The types that X is read in by a fit; a prediction reads it in that of the fit.
FLOATS = (np.float64, np.float32)


@dataclass(frozen=True)
class Given:
    """Arguments of a fit.

    Parameters
    ----------
    X, y : as they were passed
    before : Fit or None
        The fit that this one goes on from.
    is_partial : bool, default=False
        Whether this is `partial_fit`.
    classes : array-like or None
        The argument of `partial_fit`.
    metadata : mapping of str to anything
        The arguments beside X, y and classes.
    """

    X: Any
    y: Any
    before: Fit | None
    is_partial: bool = False
    classes: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def continued(self) -> Fit | None:
        """The fit that `partial_fit` goes on from; None in `fit` and in a first call."""
        return self.before if self.is_partial else None

    @property
    def dtype(self) -> Any:
        """The types that X may have."""
        return FLOATS if self.continued is None else np.dtype(self.continued.input_dtype)


def scratch_of(estimator: Any, before: Fit | None) -> Any:
    """Return a copy of an estimator that scikit-learn's validation may write to.

    Parameters
    ----------
    estimator : BaseEstimator
    before : Fit or None
        The fit whose features are expected.
    """
    scratch = object.__new__(type(estimator))
    vars(scratch).update(vars(estimator))
    vars(scratch).pop("_record", None)
    if before is not None:
        for name in ("n_features_in_", "feature_names_in_"):
            if name in before.values:
                setattr(scratch, name, before[name])
    return scratch


def names_learnt(scratch: Any) -> dict[str, Any]:
    """Return the number and the names of features that validation has set."""
    names = ("n_features_in_", "feature_names_in_")
    return {name: vars(scratch)[name] for name in names if name in vars(scratch)}


def read_features(
    estimator: Any, X: Any, before: Fit | None, dtype: Any
) -> tuple[Any, dict[str, Any]]:
    """Return X as an array of floats or CSR, and the number and names of its features.

    Parameters
    ----------
    estimator : BaseEstimator
        Only read.
    X : array-like of shape (n_samples, n_features), or (n_samples, ...) for images
    before : Fit or None
        The fit whose features X must have.
    dtype : type or tuple of types
        The types that X may have; others are cast to the first one.
    """
    if before is not None and "feature_names_in_" not in before.values:
        row_shape, wanted = row_shape_of(before), dtype
        if isinstance(wanted, np.dtype) and is_plain_array(X, row_shape):
            with np.errstate(over="ignore"):
                cast = X.astype(wanted, copy=False)
            if cast is X or is_plain_array(cast, row_shape):
                return cast, {"n_features_in_": before["n_features_in_"]}
    scratch = scratch_of(estimator, before)
    with naming("X"):
        X = check_features(X)
        check_row_shape(estimator, X, before)
        checked = validate_data(
            scratch,
            X,
            accept_sparse="csr",
            dtype=dtype,
            reset=before is None,
            order="C",
            allow_nd=True,
        )
    return checked, names_learnt(scratch)


def read_labels(estimator: Any, given: Given, labels: Any) -> tuple[np.ndarray, ...]:
    """Return y of one label per row, its class numbers, and all labels as announced.

    Parameters
    ----------
    estimator : object with the parameter `classes`
    given : Given
    labels : ndarray of shape (n_classes,) or None
        All labels, where they are known beforehand.
    """
    with naming("X and y"):
        check_consistent_length(given.X, given.y)
    y = check_labels(given.y)
    return y, *read_codes(estimator, y, labels)


def read_codes(estimator: Any, y: np.ndarray, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the class numbers of labels, and all labels as announced."""
    if labels is None:
        labels = check_classes(estimator.classes, y)
    return encode_labels(y, np.sort(labels)), labels


def announced_labels(estimator: Any, given: Given, *, are_needed: bool) -> Any:
    """Return all labels that were announced to `partial_fit`, the same in every call.

    None for a fit, and where they need not be announced.
    """
    if not given.is_partial:
        return None
    classes = given.classes
    if given.before is None:
        classes = estimator.classes if classes is None else classes
        if classes is None and are_needed:
            raise ValueError(
                "classes must be passed in the first call of partial_fit, or to the "
                "estimator; got None. Pass all labels that will come."
            )
        return None if classes is None else check_classes(classes, np.empty(0))
    before = given.before["announced"]
    again = before if classes is None else check_classes(classes, np.empty(0))
    if again.tolist() != before.tolist():
        raise ValueError(
            f"classes must be the same in every call of partial_fit, {quote(before)}; "
            f"got {quote(again)}. Pass them in the first call only."
        )
    return before
