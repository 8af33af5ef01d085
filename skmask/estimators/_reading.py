"""Reading of X and y, against the fit before where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length, validate_data

from skmask.data._blocks import Blocks, opened, rows_at_once
from skmask.data._features import check_features, is_plain_array
from skmask.data._inputs import check_inputs
from skmask.data._labels import check_classes, check_labels, encode_labels
from skmask.data._messages import naming, quote
from skmask.data._shares import check_shares
from skmask.estimators._record import Fit
from skmask.estimators._row_shapes import check_row_shape
from skmask.estimators._rows import Rows
from skmask.networks import Network

__all__ = [
    "Given",
    "announced_labels",
    "opened_rows",
    "read_codes",
    "read_features",
    "read_inputs",
    "read_labels",
    "read_shares",
    "scratch_of",
]

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
    training : Rows or None
        For validation rows: the training rows, read before. `before` holds what was learnt from
        reading them.
    """

    X: Any
    y: Any
    before: Fit | None
    is_partial: bool = False
    classes: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    training: Rows | None = None

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


def opened_rows(
    estimator: Any, X: Any, y: Any = None, before: Fit | None = None, argument: str = "X"
) -> tuple[Any, Any]:
    """Return X as blocks where it is on disk and the estimator has a buffer for them, and y.

    Of a data set that comes after a fit, the columns that the fit has names of. `argument` is the
    name of X in messages.
    """
    if not hasattr(estimator, "shuffle_buffer"):
        return X, y
    names = None if before is None else before.values.get("feature_names_in_")
    names = None if names is None else names.tolist()
    return opened(X, y, estimator.shuffle_buffer, names, argument)


def read_features(
    estimator: Any, X: Any, before: Fit | None, dtype: Any
) -> tuple[Any, dict[str, Any]]:
    """Return X as an array of floats or CSR, and the number and names of its features.

    Parameters
    ----------
    estimator : BaseEstimator
        Only read.
    X : array-like or Blocks of shape (n_samples, n_features), or (n_samples, ...) for images
        Blocks that are more than what is shuffled together are returned as they are.
    before : Fit or None
        The fit whose features X must have.
    dtype : type or tuple of types
        The types that X may have; others are cast to the first one.
    """
    if isinstance(X, Blocks):
        return _read_blocks(estimator, X, before, dtype)
    if before is not None and "feature_names_in_" not in before.values:
        row_shape, wanted = before.row_shape, dtype
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


def _read_blocks(
    estimator: Any, X: Blocks, before: Fit | None, dtype: Any
) -> tuple[Any, dict[str, Any]]:
    check_row_shape(estimator, X, before)
    names = None if before is None else before.values.get("feature_names_in_")
    if not isinstance(dtype, tuple):
        X = X.with_dtype(dtype)
    scratch = scratch_of(estimator, before)
    if X.names is None or names is None:  # else it was opened by these names
        with naming("X"):  # their number, by scikit-learn's own words
            validate_data(scratch, np.zeros((1, X.shape[1])), reset=before is None)
    features = names_learnt(scratch)
    if X.names is not None and before is None:
        features["feature_names_in_"] = np.array(X.names, dtype=object)
    bytes_of_row = X.shape[1] * X.dtype.itemsize
    is_small = len(X) <= rows_at_once(estimator.shuffle_buffer, bytes_of_row)
    return (X.whole() if is_small else X), features


def read_inputs(
    estimator: Any, given: Given, mask_columns: np.ndarray | None = None
) -> dict[str, Any]:
    """Return the columns of X that each input of the network gets, for the values of the fit.

    Parameters
    ----------
    estimator : object with the parameters `network` and `inputs`, or without `inputs`
    given : Given
    mask_columns : ndarray of int or None
        Numbers of columns that are no features.
    """
    inputs = getattr(estimator, "inputs", None)
    if inputs is not None and not _takes_inputs(estimator.network):
        raise ValueError(
            "network must be a function `(inputs, n_outputs) -> logits` of inputs by name, or "
            f"a keras.Model, where inputs is given; got {estimator.network!r}. Give "
            "one, or set inputs=None."
        )
    found = None if inputs is None else check_inputs(inputs, given.X, mask_columns)
    if given.before is not None and given.before.values.get("inputs") != found:
        raise ValueError(
            "inputs must select the same columns while training goes on (warm_start, "
            f"partial_fit), {given.before.values.get('inputs')}; got {found}. Set it back, or "
            "clone the estimator."
        )
    return {} if found is None else {"inputs": found}


def _takes_inputs(network: Any) -> bool:
    return network is not None and not isinstance(network, Network)


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
    are_known = labels is not None or estimator.classes is not None
    y = check_labels(given.y, are_classes=are_known)
    return y, *read_codes(estimator, y, labels)


def read_shares(estimator: Any, given: Given, labels: Any) -> tuple[np.ndarray, ...]:
    """Return y of a share for each class, twice, and all labels as announced.

    Parameters
    ----------
    estimator, given, labels
        As in `read_labels`.
    """
    with naming("X and y"):
        check_consistent_length(given.X, given.y)
    if labels is None and estimator.classes is not None:
        labels = check_classes(estimator.classes, np.empty(0))
    shares, labels = check_shares(given.y, labels)
    return shares, shares, labels


def read_codes(estimator: Any, y: np.ndarray, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the class numbers of labels, and all labels as announced."""
    if labels is None:
        labels = check_classes(estimator.classes, y)
    return encode_labels(y, np.sort(labels)), labels


def announced_labels(estimator: Any, given: Given, *, are_needed: bool) -> Any:
    """Return all labels that were announced to `partial_fit`, the same in every call.

    For validation rows those of training. None for a fit, and where they need not be announced.
    """
    if given.training is not None:
        return given.training.values["announced"]
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
