"""SoftmaxClassifier: one class per row, of those that its mask allows."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.callback import with_callbacks

from skmask.data._labels import accuracy, decode_labels
from skmask.data._shares import most_probable_labels
from skmask.data._sklearn import StrOptions
from skmask.decisions import decision_values, log_softmax, restricted, softmax
from skmask.engine import Loss, is_lazy, read_rows, some_rows
from skmask.estimators._base import BaseKerasClassifier
from skmask.estimators._docs import documented
from skmask.estimators._prediction import type_of_results
from skmask.estimators._reading import FLOATS, opened_rows, read_features
from skmask.estimators._record import Fit
from skmask.estimators._softmax_rows import (
    check_mask_is_given,
    check_takes_mask,
    features_and_mask,
    read_softmax_rows,
    with_mask,
)

__all__ = ["Finish", "SoftmaxClassifier", "scores_of", "smoothed_loss"]

Finish = Callable[[np.ndarray], np.ndarray]


class SoftmaxClassifier(BaseKerasClassifier):
    """Public methods of the classifiers whose rows have one class each, of those allowed."""

    _parameter_constraints = {
        **BaseKerasClassifier._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    # With metadata routing on, a mask goes where it is needed without being asked for.
    __metadata_request__fit = {"allowed": True, "allowed_val": True}
    __metadata_request__partial_fit = {"allowed": True}
    __metadata_request__predict = {"allowed": True}
    __metadata_request__predict_proba = {"allowed": True}
    __metadata_request__predict_log_proba = {"allowed": True}
    __metadata_request__decision_function = {"allowed": True}
    __metadata_request__score = {"allowed": True}

    # A leaf that takes the mask out of X has parameters of these names.
    allowed_columns: Any = None
    allowed_rule: Any = None

    # Public methods.

    @with_callbacks
    @documented
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        allowed=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        allowed_val=None,
    ):
        """Fit the network to training data.

        Parameters
        ----------
        {x_fit}
        {y_or_shares}
        {weight}
        {allowed}
        {validation}
        {allowed_val}

        {fit_returns}
        """
        return self._fit(
            X,
            y,
            sample_weight=sample_weight,
            allowed=allowed,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            allowed_val=allowed_val,
        )

    @documented
    def partial_fit(self, X, y, classes=None, sample_weight=None, *, allowed=None):
        """Train one epoch on the rows given, from where the last call ended.

        Parameters
        ----------
        {x_part}
        {y_or_shares}
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
        {y_to_score}
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        {allowed_to_predict}

        Returns
        -------
        float
            Share of rows whose label is predicted.
        """
        fit = self._fitted()
        X, y = opened_rows(self, X, y, fit)
        y = most_probable_labels(y, fit["announced"])
        return accuracy(y, self.predict(X, allowed=allowed), sample_weight)

    # A leaf with another kind of input overrides these two.

    _read = read_softmax_rows

    def _scores(self, fit: Fit, X: Any, allowed: Any, finish: Finish | None = None) -> np.ndarray:
        """Return logits of shape (n_samples, n_classes), -inf where a class is not allowed.

        Or, with `finish`, its values for them, row by row.
        """
        dtype = type_of_results(X)
        return scores_of(fit, *self._read_to_predict(fit, X, allowed), finish, dtype)

    def _read_to_predict(self, fit: Fit, X: Any, allowed: Any) -> tuple[Any, Any]:
        """Return checked rows, and their mask where there is one."""
        X, _ = opened_rows(self, X, before=fit)
        given = X
        # A mask in columns of X is read as given: 1e-50 is no 0.
        has_mask = fit["mask_columns"] is not None
        X, _ = read_features(self, X, fit, FLOATS if has_mask else np.dtype(fit.input_dtype))
        if self.allowed_rule is None:
            check_mask_is_given(fit, allowed)
        columns, labels = fit["mask_columns"], fit["announced"]
        X, mask = features_and_mask(self, given, X, allowed, columns, labels)
        if fit.values.get("mask_in_input"):
            check_takes_mask(self, X, mask, is_lifted=mask is None)
            X = with_mask(X, mask, len(labels))
        return X, mask


# Losses and prediction.


def smoothed_loss(function: str, label_smoothing: float, mask_in_loss: float = 1.0) -> Loss:
    """Return a loss of rows with a label or shares of the classes, and the accuracy beside it.

    Parameters
    ----------
    function : str
        Name of a function of `skmask.nn.losses` that smoothes labels.
    label_smoothing : float
    mask_in_loss : float, default=1.0
        Below 1 of a function that has this parameter only.
    """
    settings: tuple[tuple[str, float], ...] = (("label_smoothing", float(label_smoothing)),)
    if mask_in_loss < 1:
        settings += (("mask_in_loss", float(mask_in_loss)),)
    return Loss(
        function,
        settings=settings,
        metrics=(("accuracy", "masked_accuracy"),),
        of_metrics=("labels",),
    )


def scores_of(fit: Fit, X: Any, mask: Any, finish: Finish | None, dtype: np.dtype) -> np.ndarray:
    """Return the logits of checked rows, -inf where a class is not allowed.

    Parameters
    ----------
    fit : Fit
    X : ndarray, RowSource or CSR of shape (n_samples, ...)
    mask : ndarray, RowSource or CSR that broadcasts to the logits, or None
    finish : callable of logits to an array of their shape, or None
    dtype : dtype
        Of the results.
    """
    if is_lazy(mask):  # each block of it is read once
        parts = (
            scores_of(fit, some_rows(X, rows), block, finish, dtype)
            for rows, block in read_rows(mask)
        )
        return np.concatenate(list(parts))

    def finish_rows(logits: np.ndarray, rows: slice) -> np.ndarray:
        logits = logits.astype(np.result_type(logits, dtype), copy=False)
        if mask is not None:
            of_rows = mask if mask.shape[0] != X.shape[0] else some_rows(mask, rows)
            logits = restricted(logits, of_rows)
        return logits if finish is None else finish(logits)

    return fit.predictor(X, finish_rows).astype(dtype, copy=False)
