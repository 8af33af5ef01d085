"""WeightedMultilabelClassifier: many labels, of which each row has few."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, softmax
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_consistent_length

from skmask.data._labels import accuracy, decode_labels, encode_label_matrix
from skmask.data._messages import naming
from skmask.data._numbers import average, scaled
from skmask.data._parameters import Interval
from skmask.data._sklearn import StrOptions, validate_parameter_constraints
from skmask.data._weights import by_entry, check_label_weight
from skmask.engine import Loss
from skmask.estimators._base import OF_BLOCKS, OF_MLP, BaseKerasClassifier
from skmask.estimators._docs import documented
from skmask.estimators._label_decisions import (
    above_thresholds,
    check_n_labels,
    few_at_a_time,
    label_mask_to_predict,
    labels_of_rows,
    of_unweighted,
    restricted_labels,
)
from skmask.estimators._label_settings import (
    chosen_thresholds,
    warn_of_labels_never_predicted,
    with_weights_and_thresholds,
)
from skmask.estimators._multilabel_rows import read_labelled_rows
from skmask.estimators._reading import Given, opened_rows, read_features, read_inputs
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._thresholds import TARGETS, is_tuned, thresholds_for
from skmask.estimators._training import Parts, described_mlp
from skmask.networks import Signature

__all__ = ["WeightedMultilabelClassifier"]

# Losses by their names in the package.
_LOSSES = {
    "weighted_bce": "weighted_binary_crossentropy",
    "focal": "focal_loss",
    "asymmetric": "asymmetric_loss",
}


@documented
class WeightedMultilabelClassifier(BaseKerasClassifier):
    """Neural network classifier for many labels, of which each row has few.

    For problems like tags, defects or diagnoses: thirty labels, about one of them on each row.
    A plain network learns to say "none" and is right for 97% of the entries. Here a missed
    positive costs more than a false alarm (`pos_weight`), the threshold of each label can be
    tuned on rows held out of training, and a row can be given a label at least (`min_labels`).

    Unknown labels are NaN in `y`: they count neither in the loss nor in
    `pos_weight` nor in the metrics. Labels that are known to be impossible for a row
    (`allowed`) do not count there either; their probability is exactly 0, and they are never
    predicted. A model fitted with such a mask does not predict without one. A `y` of one class per
    row is taken as one label against the rest for each class, and `predict` gives classes.

    Parameters
    ----------
    {hidden}
    {network}
    {inputs}
    classes : array-like of shape (n_labels,) or (n_classes,), default=None
        Names of the columns of `y`, in their order; those of a DataFrame are brought in this
        order. For a `y` of one class per row, all classes. None: the columns of a DataFrame, or
        numbers; for one class per row, the labels of `y`.
    {optimizer}
    {training}
    {shuffle_buffer}
    pos_weight : "balanced", float, array-like of shape (n_labels,), Series, dict, one-row \
            DataFrame, or None, default="balanced"
        Factor on the loss of a label's positives. "balanced": the weight of the label's
        negatives in the training rows over that of its positives, unknown ones left out; in
        `partial_fit`, of all rows so far. Series, dict and DataFrame are aligned by label.
        None: 1.
    loss : {"weighted_bce", "focal", "asymmetric"}, default="weighted_bce"
        See Notes.
    threshold : float, array-like of shape (n_labels,), Series, dict, one-row DataFrame, \
            {{"tuned", "micro_macro", "macro_f1", "micro_f1", "sample_f1"}}, \
            {{"recall": float}} or {{"precision": float}}, default=0.5
        Probability, before it is calibrated, above which a label is predicted. A word is a target
        on `X_val`, or on `validation_fraction` of the rows, which are held out of training then:
        "macro_f1", for each label the largest F1; "micro_f1", one for all labels, of the largest
        F1 of all entries; "micro_macro" and "tuned", both at once (after [4]_), so that rare labels
        do not cost the frequent ones. A recall is reached with as few predictions as possible, a
        precision with as many, label by label. 0.5 for a label without a positive there.
        "sample_f1" needs no rows held out: each row gets the labels of its largest expected F1.
        See Notes.
    min_labels : int, default=0
        How many labels a row gets at least; the most probable ones are added. Read and checked
        at prediction: it can be changed after `fit`. A row that allows fewer gets those.
    max_labels : int, default=None
        How many labels a row gets at most, not below `min_labels`; the most probable ones are
        kept. Read and checked at prediction: it can be changed after `fit`. None: all.
    calibrated : bool, default=False
        Take log `pos_weight` off the logits for `predict_proba` and `predict_log_proba`, so that
        they are the probabilities of the unweighted problem, while `predict` favours recall as
        before. With "weighted_bce" only. Read and checked at prediction: it can be changed
        after `fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,) or (n_classes,)
        Numbers of the labels, as in scikit-learn's own multilabel classifiers; for one class
        per row, the classes, sorted.
    label_names_ : ndarray of shape (n_labels,)
        Label of each output: names of the columns of `y`, or classes; for two classes
        the second.
    pos_weight_ : ndarray of float64 of shape (n_labels,)
        The factors used.
    thresholds_ : ndarray of float64 of shape (n_labels,)
        The thresholds used; 0.5 for "sample_f1".
    history_ : dict of str to list of float
        Per epoch, over the training rows: "loss", the mean over the known labels, "recall" and
        "precision", of all labels together at the threshold (0.5 while it is to be tuned);
        where there are validation rows, the same with "val_".
    {fitted}

    See Also
    --------
    skmask.nn.losses.WeightedBinaryCrossentropy : the loss, for a Keras model of one's own.
    skmask.nn.metrics.LogitRecall : the metric.
    skmask.metrics.make_multilabel_scorer : scorers for searches, where entries are unknown or a
        mask is needed; with unknown entries `cv` must be a splitter, as `KFold(5)`.

    Notes
    -----
    With p the sigmoid of a label's logit and w its `pos_weight`, the loss of an entry is, for
    "weighted_bce" [1]_::

        -w y log p - (1 - y) log (1 - p)

    so that the odds that the model says are w times the true odds. "focal" [2]_ puts the factors
    (1 - p)^2 and p^2 on the two terms; "asymmetric" [3]_ (1 - p) and q^4, with
    q = max(p - 0.05, 0) in the place of p in the second. As published these have no
    `pos_weight`: pass None for that.

    The thresholds of the F1 targets are means of those of up to 25 bootstrap resamples of the
    rows held out. `set_threshold` chooses again without training.

    "sample_f1" takes labels to be independent given the row, each with its probability p in the
    unweighted problem (logits less log `pos_weight`, which needs "weighted_bce"). The set of labels
    with the largest expected F1 of the row then holds the most probable ones, and is found exactly
    [5]_, in time that grows with the square of the number of labels; a row that probably has no
    label gets none. It aims at the mean over rows of their F1, not at rare labels.
    A right empty set counts as an F1 of 1: score it with
    `make_multilabel_scorer("f1", "samples", zero_division=1.0)`.

    For one class per row of more than two, `predict_proba` divides the probabilities of a row
    by their sum, and `predict` takes the class that is farthest above its threshold.

    References
    ----------
    .. [1] TensorFlow, `tf.nn.weighted_cross_entropy_with_logits`.
    .. [2] T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.
    .. [3] T. Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021.
    .. [4] Y.-J. Lin and C.-J. Lin, "On the thresholding strategy for infrequent labels in
       multi-label classification", CIKM 2023.
    .. [5] N. Ye, K. M. A. Chai, W. S. Lee and H. L. Chieu, "Optimizing F-measures: a tale of two
       approaches", ICML 2012.

    Examples
    --------
    >>> from skmask import WeightedMultilabelClassifier
    >>> from skmask.datasets import make_sparse_multilabel
    >>> X, Y = make_sparse_multilabel(2000, random_state=0)
    >>> clf = WeightedMultilabelClassifier(epochs=5, min_labels=1, random_state=0).fit(X, Y)
    >>> predicted = clf.predict(X)
    >>> predicted.shape == Y.shape, int(predicted.sum(axis=1).min()) >= 1
    (True, True)
    """

    _parameter_constraints = {
        **OF_MLP,
        **OF_BLOCKS,
        **BaseKerasClassifier._parameter_constraints,
        "inputs": [dict, None],
        "pos_weight": [
            StrOptions({"balanced"}),
            Interval(Real, 0, None, closed="left"),
            "array-like",
            dict,
            None,
        ],
        "loss": [StrOptions(set(_LOSSES))],
        "threshold": [
            StrOptions(TARGETS),
            Interval(Real, 0, 1, closed="both"),
            "array-like",
            dict,
        ],
        "min_labels": [Interval(Integral, 0, None, closed="left")],
        "max_labels": [Interval(Integral, 1, None, closed="left"), None],
        "calibrated": ["boolean"],
    }

    # With metadata routing on, a mask goes where it is needed without being asked for.
    __metadata_request__fit = {"allowed": True, "allowed_val": True}
    __metadata_request__partial_fit = {"allowed": True}
    __metadata_request__predict = {"allowed": True}
    __metadata_request__predict_proba = {"allowed": True}
    __metadata_request__predict_log_proba = {"allowed": True}
    __metadata_request__decision_function = {"allowed": True}
    __metadata_request__score = {"allowed": True}

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        alpha=0.0,
        dropout=0.0,
        network=None,
        inputs=None,
        classes=None,
        optimizer="adam",
        learning_rate=None,
        batch_size=32,
        epochs=100,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        monitor="loss",
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
        dtype="auto",
        shuffle_buffer=None,
        pos_weight="balanced",
        loss="weighted_bce",
        threshold=0.5,
        min_labels=0,
        max_labels=None,
        calibrated=False,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            alpha=alpha,
            dropout=dropout,
            network=network,
            inputs=inputs,
            classes=classes,
            optimizer=optimizer,
            learning_rate=learning_rate,
            batch_size=batch_size,
            epochs=epochs,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            monitor=monitor,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
            dtype=dtype,
            shuffle_buffer=shuffle_buffer,
            pos_weight=pos_weight,
            loss=loss,
            threshold=threshold,
            min_labels=min_labels,
            max_labels=max_labels,
            calibrated=calibrated,
        )

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

        Warns of labels without a positive, and of labels that are never predicted on the
        training rows.

        Parameters
        ----------
        {x_fit}
        {label_matrix}
        {entry_weight}
        {label_allowed}
        {label_validation}
        {allowed_val}

        {fit_returns}
        """
        reason = None
        if is_tuned(self.threshold):
            reason = f"threshold={self.threshold!r}", "give threshold as a number"
        self._fit(
            X,
            y,
            reason_to_hold_out=reason,
            sample_weight=sample_weight,
            allowed=allowed,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            allowed_val=allowed_val,
        )
        fit = self._fitted()
        warn_of_labels_never_predicted(self._predicted_in_parts(fit, X, allowed), fit)
        return self

    def _predicted_in_parts(self, fit: Fit, X: Any, allowed: Any) -> Iterator[np.ndarray]:
        """Yield predictions for some rows at a time."""
        X, _ = opened_rows(self, X, before=fit)
        X, _ = read_features(self, X, fit, np.dtype(fit.input_dtype))
        mask = label_mask_to_predict(fit, allowed, X.shape[0])
        for rows, part in few_at_a_time(X):
            of_rows = mask if mask is None or len(mask) != X.shape[0] else mask[rows]
            yield self._decided(fit, fit.predictor(part).astype(np.float64), of_rows)

    @documented
    def partial_fit(self, X, y, classes=None, sample_weight=None, *, allowed=None):
        """Train one epoch on the rows given, from where the last call ended.

        Parameters
        ----------
        {x_part}
        {label_matrix}
        classes : array-like of shape (n_labels,) or (n_classes,), default=None
            As the parameter `classes`. Needed in the first call for a `y` of one class per row,
            unless the parameter gives them.
        {entry_weight_part}
        {label_allowed}

        {part_returns}
        """
        return self._partial_fit(X, y, classes, sample_weight=sample_weight, allowed=allowed)

    @documented
    def predict(self, X, *, allowed=None):
        """Predict labels: those above their thresholds, `min_labels` to `max_labels` of them.

        Parameters
        ----------
        {x}
        {label_allowed_to_predict}

        Returns
        -------
        ndarray of int of shape (n_samples, n_labels), or of classes of shape (n_samples,)
            0 or 1 for each label; after a fit to one class per row, classes.
        """
        fit = self._fitted()
        self._check_read_now("calibrated", "min_labels", "max_labels")
        return self._decided(fit, *_read_to_predict(self, fit, X, allowed))

    def _decided(self, fit: Fit, logits: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        check_n_labels(self.min_labels, self.max_labels, fit["label_names_"])
        if fit["is_one_vs_rest"]:
            above = above_thresholds(fit, logits, None)
            best = above.argmax(axis=1) if above.shape[1] > 1 else np.where(above[:, 0] > 0, -1, 0)
            return decode_labels(best, fit["classes_"])
        found = labels_of_rows(
            fit,
            logits,
            mask,
            calibrated=self.calibrated,
            min_labels=self.min_labels,
            max_labels=self.max_labels,
        )
        return found.astype(int)

    @documented
    def predict_proba(self, X, *, allowed=None):
        """Predict the probability of each label.

        Parameters
        ----------
        {x}
        {label_allowed_to_predict}

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_labels) or (n_samples, n_classes)
            Columns follow `label_names_`; they do not sum to 1. Exactly 0 where a label is not
            allowed. After a fit to one class per row they follow `classes_`, and do.
        """
        fit, logits, mask = self._calibrated_logits(X, allowed)
        if not fit["is_one_vs_rest"]:
            return restricted_labels(expit(logits), mask, 0.0)
        if logits.shape[1] == 1:
            return _of_two(expit(-logits), expit(logits), len(fit["classes_"]))
        return softmax(log_expit(logits), axis=1)

    @documented
    def predict_log_proba(self, X, *, allowed=None):
        """Predict the logarithm of the probability of each label.

        Parameters
        ----------
        {x}
        {label_allowed_to_predict}

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_labels) or (n_samples, n_classes)
            Of `predict_proba`: -inf where a label is not allowed.
        """
        fit, logits, mask = self._calibrated_logits(X, allowed)
        if not fit["is_one_vs_rest"]:
            return restricted_labels(log_expit(logits), mask, -np.inf)
        if logits.shape[1] == 1:
            return _of_two(log_expit(-logits), log_expit(logits), len(fit["classes_"]))
        log_proba = log_expit(logits)
        return log_proba - np.logaddexp.reduce(log_proba, axis=1, keepdims=True)

    @documented
    def decision_function(self, X, *, allowed=None):
        """Return how far each logit is above the threshold of its label.

        Parameters
        ----------
        {x}
        {label_allowed_to_predict}

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_labels), (n_samples, n_classes), or \
                (n_samples,) for two classes
            Above 0 where `predict` says 1, `min_labels`, `max_labels` and "sample_f1" aside. A
            label that is not allowed has 100 less than 0, or than its own value if that is lower.
        """
        fit = self._fitted()
        above = above_thresholds(fit, *_read_to_predict(self, fit, X, allowed))
        return above[:, 0] if fit["is_one_vs_rest"] and above.shape[1] == 1 else above

    @documented
    def score(self, X, y, sample_weight=None, *, allowed=None):
        """Return the share of rows whose labels are all predicted rightly.

        Parameters
        ----------
        {x}
        {label_matrix}
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Weights of the rows, or of their entries: those of weight 0 are left out, as unknown
            ones are, and a row counts by the mean of the others.
        {label_allowed_to_predict}

        Returns
        -------
        float
            Subset accuracy over the known labels that are allowed, or that `y` has all the same,
            rows without one left out; for one class per row, accuracy.

        Raises
        ------
        ValueError
            If no label is known, and for other bad input.
        """
        fit = self._fitted()
        self._check_read_now("calibrated", "min_labels", "max_labels")
        X, y = opened_rows(self, X, y, fit)
        logits, mask = _read_to_predict(self, fit, X, allowed)
        predicted = self._decided(fit, logits, mask)
        if fit["is_one_vs_rest"]:
            return accuracy(y, predicted, sample_weight)
        y, is_known, names = encode_label_matrix(y, fit["label_names_"])
        with naming("X and y"):
            check_consistent_length(predicted, y)
        weight = by_entry(check_label_weight(sample_weight, y.shape, names))
        counts = is_known & (weight > 0)
        if mask is not None:
            counts &= mask | (y == 1)
        if not counts.any():
            raise ValueError(
                "y must hold a known label with a weight above 0, allowed for its row; got none. "
                "Pass rows of which something is known."
            )
        n_counted = np.maximum(counts.sum(axis=1), 1)
        by_row = np.where(counts, scaled(weight)[0], 0).sum(axis=1) / n_counted
        return float(average(((y == predicted) | ~counts).all(axis=1), by_row))

    @documented
    def set_threshold(self, threshold, X=None, y=None, sample_weight=None, *, allowed=None):
        """Choose the thresholds of labels again, without training.

        The parameter `threshold` stays as it is: the next `fit` reads that.

        Parameters
        ----------
        threshold : float, array-like, Series, dict, DataFrame or str
            As the parameter.
        X : array-like of shape (n_samples, n_features), default=None
            Rows to reach a target on, which the network was not trained on.
        y : array-like of shape (n_samples, n_labels) or (n_samples,), default=None
            Their labels.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Their weights.
        allowed : mask as in `fit`, default=None
            Their mask.

        Returns
        -------
        self : object
            With new `thresholds_`.
        """
        fit = self._fitted()
        constraints = self._parameter_constraints["threshold"]
        validate_parameter_constraints(
            {"threshold": constraints}, {"threshold": threshold}, caller_name="set_threshold"
        )
        metadata = {"sample_weight": sample_weight, "allowed": allowed}
        given = Given(X, y, fit, is_partial=True, metadata=metadata)
        values = chosen_thresholds(self, threshold, given)
        self._record = replace(fit, values={**fit.values, **values})
        return self

    # Reading what is given.

    def _read(self, given: Given) -> Rows:
        if given.is_partial and is_tuned(self.threshold):
            raise ValueError(
                "threshold must be given in partial_fit, which holds no rows out; got "
                f"{self.threshold!r}. Give a number, or one for each label, and choose with "
                "set_threshold."
            )
        rows = read_labelled_rows(self, given)
        if given.training is not None:
            return replace(rows, constants=given.training.constants)
        rows = rows.with_values(**read_inputs(self, given))
        return with_weights_and_thresholds(self, rows, given)

    def _parts(self, rows: Rows) -> Parts:
        metrics = ("recall", "logit_recall"), ("precision", "logit_precision")
        return Parts(
            described_mlp(self, rows),
            Signature(rows.X.shape[1:], rows.target.shape[1], are_labels=True),
            Loss(_LOSSES[self.loss], metrics=metrics, of_metrics=("cutoff",)),
            conclude=partial(thresholds_for, self.threshold) if is_tuned(self.threshold) else None,
        )

    # Prediction.

    def _calibrated_logits(self, X: Any, allowed: Any) -> tuple[Fit, np.ndarray, Any]:
        fit = self._fitted()
        self._check_read_now("calibrated")
        logits, mask = _read_to_predict(self, fit, X, allowed)
        return fit, self._calibrated(fit, logits), mask

    def _calibrated(self, fit: Fit, logits: np.ndarray) -> np.ndarray:
        return of_unweighted(fit, logits) if self.calibrated else logits

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags


def _read_to_predict(
    estimator: Any, fit: Fit, X: Any, allowed: Any
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the logits of rows as they were passed, in float64, and their mask or None."""
    X, _ = opened_rows(estimator, X, before=fit)
    X, _ = read_features(estimator, X, fit, np.dtype(fit.input_dtype))
    mask = label_mask_to_predict(fit, allowed, X.shape[0])
    return fit.predictor(X).astype(np.float64), mask


def _of_two(first: np.ndarray, second: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the columns of two classes, or of the only one."""
    return np.hstack([first, second]) if n_classes == 2 else np.ones_like(first)
