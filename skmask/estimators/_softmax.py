"""SoftmaxClassifier: one class per row, of those that its mask allows."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.callback import with_callbacks

from skmask.data._features import check_columns
from skmask.data._labels import accuracy, decode_labels
from skmask.data._masks import check_allowed, check_labels_allowed
from skmask.data._numbers import scaled_product
from skmask.data._sklearn import StrOptions
from skmask.data._weights import check_class_weight, check_sample_weight
from skmask.decisions import decision_values, log_softmax, restricted, softmax
from skmask.estimators._base import BaseKerasClassifier
from skmask.estimators._docs import documented
from skmask.estimators._prediction import type_of_results
from skmask.estimators._reading import FLOATS, Given, announced_labels, read_features, read_labels
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows

__all__ = [
    "Finish",
    "SoftmaxClassifier",
    "check_class_weight_in_parts",
    "check_mask_goes_on",
    "check_mask_is_given",
    "mask_inputs",
    "read_softmax_rows",
    "scores_of",
    "split_off_allowed",
]

Finish = Callable[[np.ndarray], np.ndarray]


class SoftmaxClassifier(BaseKerasClassifier):
    """Public methods of the classifiers whose rows have one class each, of those allowed."""

    _parameter_constraints = {
        **BaseKerasClassifier._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    # With metadata routing on, a mask goes where it is needed without being asked for.
    __metadata_request__fit = {"allowed": True}
    __metadata_request__partial_fit = {"allowed": True}
    __metadata_request__predict = {"allowed": True}
    __metadata_request__predict_proba = {"allowed": True}
    __metadata_request__predict_log_proba = {"allowed": True}
    __metadata_request__decision_function = {"allowed": True}
    __metadata_request__score = {"allowed": True}

    # A leaf that takes the mask out of X has a parameter of this name.
    allowed_columns: Any = None

    # Public methods.

    @with_callbacks
    @documented
    def fit(self, X, y, sample_weight=None, *, allowed=None):
        """Fit the network to training data.

        Parameters
        ----------
        {x_fit}
        {y}
        {weight}
        {allowed}

        {fit_returns}
        """
        return self._fit(X, y, sample_weight=sample_weight, allowed=allowed)

    @documented
    def partial_fit(self, X, y, classes=None, sample_weight=None, *, allowed=None):
        """Train one epoch on the rows given, from where the last call ended.

        Parameters
        ----------
        {x_part}
        {y}
        {classes_part}
        {weight_part}
        {allowed}

        {part_returns}
        """
        return self._partial_fit(X, y, classes, sample_weight=sample_weight, allowed=allowed)

    @documented
    def predict(self, X, *, allowed=None):
        """Predict class labels.

        Parameters
        ----------
        {x}
        {allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, always of classes that are allowed.
        """
        fit = self._fitted()
        return decode_labels(self._scores(fit, X, allowed).argmax(axis=1), fit["classes_"])

    @documented
    def predict_proba(self, X, *, allowed=None):
        """Predict class probabilities.

        Parameters
        ----------
        {x}
        {allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns follow `classes_`. Exactly 0 where a class is not allowed; rows sum to 1.
        """
        return self._scores(self._fitted(), X, allowed, softmax)

    @documented
    def predict_log_proba(self, X, *, allowed=None):
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        {x}
        {allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns follow `classes_`. -inf where a class is not allowed.
        """
        return self._scores(self._fitted(), X, allowed, log_softmax)

    @documented
    def decision_function(self, X, *, allowed=None):
        """Return the network's scores.

        Parameters
        ----------
        {x}
        {allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Logits. A class that is not allowed has 100 less than the lowest logit of the
            allowed classes of its row. For two classes, the value of the second minus that of
            the first.
        """
        scores = self._scores(self._fitted(), X, allowed, decision_values)
        return scores[..., 1] - scores[..., 0] if scores.shape[-1] == 2 else scores

    @documented
    def score(self, X, y, sample_weight=None, *, allowed=None):
        """Return the accuracy on the given rows.

        Parameters
        ----------
        {x}
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        {allowed_to_predict}

        Returns
        -------
        float
            Share of rows whose label is predicted.
        """
        return accuracy(y, self.predict(X, allowed=allowed), sample_weight)

    # A leaf with another kind of input overrides these two.

    def _read(self, given: Given) -> Rows:
        return read_softmax_rows(self, given)

    def _scores(self, fit: Fit, X: Any, allowed: Any, finish: Finish | None = None) -> np.ndarray:
        """Return logits of shape (n_samples, n_classes), -inf where a class is not allowed.

        Or, with `finish`, its values for them, row by row.
        """
        dtype = type_of_results(X)
        # A mask in columns of X is read as given: 1e-50 is no 0.
        has_mask = fit["mask_columns"] is not None
        X, _ = read_features(self, X, fit, FLOATS if has_mask else np.dtype(fit.input_dtype))
        check_mask_is_given(fit, allowed)
        X, mask = split_off_allowed(X, allowed, fit["mask_columns"], fit["announced"])
        return scores_of(fit, X, mask, finish, dtype)


# Reading.


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
    columns = None
    has_mask = given.continued is not None and given.continued["mask_columns"] is not None
    dtype = FLOATS if has_mask else given.dtype
    X, features = read_features(estimator, given.X, given.before, dtype)
    classes = np.sort(labels)
    weight = check_sample_weight(given.metadata.get("sample_weight"), len(codes))
    by_class = check_class_weight(estimator.class_weight, codes, classes, weight)
    weight, exponent = scaled_product(weight, by_class[codes])
    if getattr(estimator, "allowed_columns", None) is not None:
        columns = check_columns(estimator.allowed_columns, given.X, len(labels))
    X, mask = split_off_allowed(X, given.metadata.get("allowed"), columns, labels)
    if mask is not None:
        check_labels_allowed(codes, mask, y)
    check_mask_goes_on(given, mask)
    by_row, for_all = mask_inputs(mask, len(codes))
    return Rows(
        X,
        codes,
        weight,
        outputs=classes,
        strata=codes,
        columns=by_row,
        constants=for_all,
        exponent=exponent,
        values={
            **features,
            "classes_": classes,
            "announced": labels,
            "mask_columns": columns,
            "is_restricted": mask is not None,
        },
    )


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


def check_mask_is_given(fit: Fit, allowed: Any) -> None:
    """Raise where a fit had a mask and a prediction has none."""
    if fit["is_restricted"] and allowed is None and fit["mask_columns"] is None:
        raise ValueError(
            "allowed must be given for prediction after a fit with a mask; got None. Pass "
            "the mask of these rows, or allowed='all' to lift the restriction on purpose."
        )


def mask_inputs(mask: Any, n_samples: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
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
        allowed = "all" if lifted else X[:, columns]
        X = X[:, np.setdiff1d(np.arange(X.shape[1]), columns)]
    if allowed is None or lifted:
        return X, None
    return X, check_allowed(allowed, n_samples=X.shape[0], classes=labels)


# Prediction.


def scores_of(fit: Fit, X: Any, mask: Any, finish: Finish | None, dtype: np.dtype) -> np.ndarray:
    """Return the logits of checked rows, -inf where a class is not allowed.

    Parameters
    ----------
    fit : Fit
    X : ndarray or CSR of shape (n_samples, ...)
    mask : ndarray or CSR that broadcasts to the logits, or None
    finish : callable of logits to an array of their shape, or None
    dtype : dtype
        Of the results.
    """

    def finish_rows(logits: np.ndarray, rows: slice) -> np.ndarray:
        logits = logits.astype(np.result_type(logits, dtype), copy=False)
        if mask is not None:
            logits = restricted(logits, mask if mask.shape[0] != X.shape[0] else mask[rows])
        return logits if finish is None else finish(logits)

    return fit.predictor(X, finish_rows).astype(dtype, copy=False)
