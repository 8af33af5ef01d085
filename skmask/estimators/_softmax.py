"""SoftmaxClassifier: one class per row, and the mask that says which are possible."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_is_fitted

from skmask.data._labels import accuracy, decode_labels
from skmask.data._numbers import scaled_product
from skmask.data._validation import (
    Allowed,
    StrOptions,
    check_allowed,
    check_class_weight,
    check_columns,
    check_labels_allowed,
    check_sample_weight,
)
from skmask.engine import log_softmax, softmax
from skmask.estimators._base import BaseKerasClassifier, Rows, type_of_results
from skmask.estimators._docs import documented

__all__ = ["SoftmaxClassifier", "class_attributes", "split_off_allowed"]

# How far below the lowest logit of the allowed classes the decision value of another class is.
_BELOW_ALLOWED = 100.0


def _decision_values(logits: np.ndarray) -> np.ndarray:
    """Return logits, and for classes that are not allowed 100 less than the lowest of the others.

    Parameters
    ----------
    logits : ndarray of shape (..., n_classes)
        -inf where a class is not allowed; each row has a class that is.

    Returns
    -------
    ndarray of the same shape
        Finite, so that rankings and calibrators can take it.
    """
    is_allowed = logits > -np.inf
    lowest = np.where(is_allowed, logits, np.inf).min(axis=-1, keepdims=True)
    # Logits so large that 100 less rounds to the same number still get one below.
    below = np.minimum(lowest - _BELOW_ALLOWED, np.nextafter(lowest, -np.inf))
    return np.where(is_allowed, logits, below)


class SoftmaxClassifier(BaseKerasClassifier):
    """What the classifiers share whose rows have one class each, of those allowed."""

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
        return decode_labels(self._scores(X, allowed).argmax(axis=1), self.classes_)

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
        return self._scores(X, allowed, softmax)

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
        return self._scores(X, allowed, log_softmax)

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
        scores = self._scores(X, allowed, _decision_values)
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

    # Checking what is given.

    def _read_rows(
        self,
        X: Any,
        y: Any,
        *,
        labels: Any,
        reset: bool,
        sample_weight: Any = None,
        allowed: Any = None,
        **metadata: Any,
    ) -> Rows:
        raw_X = X
        X, y, codes, labels = self._read_labels(X, y, labels, reset=reset)
        classes = np.sort(labels)
        weight = check_sample_weight(sample_weight, len(codes))
        by_class = check_class_weight(self.class_weight, codes, classes, weight)
        weight, exponent = scaled_product(weight, by_class[codes])
        columns = None
        if self.allowed_columns is not None:
            columns = check_columns(self.allowed_columns, raw_X, len(labels))
        X, mask = split_off_allowed(X, allowed, columns, labels)
        if mask is not None:
            check_labels_allowed(codes, mask, y)
        by_row, for_all = _as_inputs("allowed", mask, len(codes))
        return Rows(
            X,
            codes,
            weight,
            labels=classes,
            n_outputs=len(classes),
            strata=codes,
            columns=by_row,
            constants=for_all,
            exponent=exponent,
            attributes=class_attributes(labels, is_restricted=mask is not None, columns=columns),
        )

    def _check_goes_on(self, rows: Rows) -> None:
        super()._check_goes_on(rows)
        if self._is_restricted and not rows.attributes["_is_restricted"]:
            raise ValueError(
                "allowed must be given in every call once it was given in one; got None. Pass "
                "the mask of these rows."
            )

    def _check_partial_fit(self, y: Any, classes: Any) -> Any:
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight must be a dict or None in partial_fit, which does not see all "
                "rows; got 'balanced'. Compute it with sklearn.utils.class_weight."
            )
        return self._announced_labels(classes, are_needed=True)

    def _check_prediction_rows(self, X: Any, allowed: Any) -> tuple[Any, Allowed | None]:
        """Return the features and the mask of rows to predict."""
        X = self._check_X(X, reset=False)
        self._check_mask_is_given(allowed)
        return split_off_allowed(X, allowed, self._mask_columns, self._labels)

    def _types_to_read(self, *, reset: bool) -> Any:
        # A mask in columns of X is read as given: 1e-50 is no 0.
        reads_mask = not reset and self._mask_columns is not None
        return super()._types_to_read(reset=reset or reads_mask)

    def _check_mask_is_given(self, allowed: Any) -> None:
        if self._is_restricted and allowed is None and self._mask_columns is None:
            raise ValueError(
                "allowed must be given for prediction after a fit with a mask; got None. Pass "
                "the mask of these rows, or allowed='all' to lift the restriction on purpose."
            )

    def _scores(
        self, X: Any, allowed: Any, finish: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """Return logits of shape (n_samples, n_classes), -inf where a class is not allowed.

        Or, with `finish`, what it makes of them, row by row.
        """
        check_is_fitted(self)
        dtype = type_of_results(X)
        return self._scores_of(*self._check_prediction_rows(X, allowed), finish, dtype)

    def _scores_of(
        self,
        X: Any,
        mask: Any,
        finish: Callable[[np.ndarray], np.ndarray] | None,
        dtype: np.dtype,
    ) -> np.ndarray:
        """Return what `_scores` does for checked rows, and a mask that fits their logits."""

        def finish_rows(logits: np.ndarray, rows: slice) -> np.ndarray:
            logits = logits.astype(np.result_type(logits, dtype), copy=False)
            if mask is not None:
                logits = _restricted(logits, mask if mask.shape[0] != X.shape[0] else mask[rows])
            return logits if finish is None else finish(logits)

        return self._predictor()(X, finish_rows).astype(dtype, copy=False)


def class_attributes(
    labels: np.ndarray, *, is_restricted: bool, columns: np.ndarray | None = None
) -> dict[str, Any]:
    """Return what a fit sets of its classes, and of its mask, which may be `columns` of X."""
    return {
        "classes_": np.sort(labels),
        "_labels": labels,
        "_mask_columns": columns,
        "_is_restricted": is_restricted,
    }


def _as_inputs(
    name: str, values: Any, n_samples: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return an input of the loss among those that come row by row, or those for all rows."""
    if values is None:
        return {}, {}
    return ({name: values}, {}) if values.shape[0] == n_samples else ({}, {name: values})


def split_off_allowed(
    X: Any, allowed: Any, columns: np.ndarray | None, labels: np.ndarray
) -> tuple[Any, Allowed | None]:
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


def _restricted(logits: np.ndarray, allowed: Allowed) -> np.ndarray:
    """Return logits with -inf where a class is not allowed."""
    return np.where(allowed.toarray() if sparse.issparse(allowed) else allowed, logits, -np.inf)
