"""WeightedMultilabelClassifier: many labels, of which each row has few."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, logit, softmax
from sklearn.callback import with_callbacks
from sklearn.utils.validation import check_consistent_length

from skmask.data._labels import accuracy, decode_labels, encode_label_matrix
from skmask.data._messages import naming, quote
from skmask.data._numbers import average, scaled
from skmask.data._parameters import Interval
from skmask.data._sklearn import StrOptions, validate_parameter_constraints
from skmask.decisions import with_at_least
from skmask.engine import Loss, some_rows
from skmask.estimators._base import OF_BLOCKS, OF_MLP, BaseKerasClassifier
from skmask.estimators._docs import documented
from skmask.estimators._multilabel_rows import (
    by_entry,
    pos_weight_for,
    read_labelled_rows,
    read_weight,
)
from skmask.estimators._reading import Given, opened_rows, read_features, read_inputs
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._thresholds import (
    TARGETS,
    is_tuned,
    thresholds_as_given,
    thresholds_for,
)
from skmask.estimators._training import Parts, described_mlp
from skmask.networks import Signature

__all__ = ["WeightedMultilabelClassifier"]

# Training rows that are predicted at a time, to see which labels are never predicted.
_ROWS_AT_ONCE = 4096

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
    `pos_weight` nor in the metrics. A `y` of one class per row is taken as one label against
    the rest for each class, and `predict` gives classes.

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
            {{"tuned", "micro_macro", "macro_f1", "micro_f1"}}, {{"recall": float}} or \
            {{"precision": float}}, default=0.5
        Probability, before it is calibrated, above which a label is predicted. A word is a target
        on `X_val`, or on `validation_fraction` of the rows, which are held out of training then:
        "macro_f1", for each label the largest F1; "micro_f1", one for all labels, of the largest
        F1 of all entries; "micro_macro" and "tuned", both at once (after [4]_), so that rare labels
        do not cost the frequent ones. A recall is reached with as few predictions as possible, a
        precision with as many, label by label. 0.5 for a label without a positive there. See
        Notes.
    min_labels : int, default=0
        How many labels a row gets at least; the most probable ones are added. Read and checked
        at prediction: it can be changed after `fit`.
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
        The thresholds used.
    history_ : dict of str to list of float
        Per epoch, over the training rows: "loss", the mean over the known labels, "recall" and
        "precision", of all labels together at the threshold (0.5 while it is to be tuned);
        where there are validation rows, the same with "val_".
    {fitted}

    See Also
    --------
    skmask.nn.losses.WeightedBinaryCrossentropy : the loss, for a Keras model of one's own.
    skmask.nn.metrics.LogitRecall : the metric.

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

    For one class per row of more than two, `predict_proba` divides the probabilities of a row
    by their sum, and `predict` takes the class that is farthest above its threshold.

    References
    ----------
    .. [1] TensorFlow, `tf.nn.weighted_cross_entropy_with_logits`.
    .. [2] T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.
    .. [3] T. Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021.
    .. [4] Y.-J. Lin and C.-J. Lin, "On the thresholding strategy for infrequent labels in
       multi-label classification", CIKM 2023.

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
        "calibrated": ["boolean"],
    }

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
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the network to training data.

        Warns of labels without a positive, and of labels that are never predicted on the
        training rows.

        Parameters
        ----------
        {x_fit}
        {label_matrix}
        {entry_weight}
        {label_validation}

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
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
        )
        fit = self._fitted()
        X, _ = opened_rows(self, X, before=fit)
        X, _ = read_features(self, X, fit, np.dtype(fit.input_dtype))
        starts = range(0, X.shape[0], _ROWS_AT_ONCE)
        blocks = (some_rows(X, slice(k, min(k + _ROWS_AT_ONCE, X.shape[0]))) for k in starts)
        logits = (fit.predictor(block).astype(np.float64) for block in blocks)
        parts = (self._decided(fit, each) for each in logits)
        _warn_of_labels_never_predicted(parts, fit)
        return self

    @documented
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on the rows given, from where the last call ended.

        Parameters
        ----------
        {x_part}
        {label_matrix}
        classes : array-like of shape (n_labels,) or (n_classes,), default=None
            As the parameter `classes`. Needed in the first call for a `y` of one class per row,
            unless the parameter gives them.
        {entry_weight_part}

        {part_returns}
        """
        return self._partial_fit(X, y, classes, sample_weight=sample_weight)

    @documented
    def predict(self, X):
        """Predict labels: those above their thresholds, and as many as `min_labels` says.

        Parameters
        ----------
        {x}

        Returns
        -------
        ndarray of int of shape (n_samples, n_labels), or of classes of shape (n_samples,)
            0 or 1 for each label; after a fit to one class per row, classes.
        """
        fit = self._fitted()
        self._check_read_now("calibrated", "min_labels")
        return self._predicted(fit, X)

    def _predicted(self, fit: Fit, X: Any) -> np.ndarray:
        return self._decided(fit, _logits(self, fit, X))

    def _decided(self, fit: Fit, logits: np.ndarray) -> np.ndarray:
        check_min_labels(self.min_labels, fit["label_names_"])
        above = logits - logit(fit["thresholds_"])
        if fit["is_one_vs_rest"]:
            best = above.argmax(axis=1) if above.shape[1] > 1 else np.where(above[:, 0] > 0, -1, 0)
            return decode_labels(best, fit["classes_"])
        return with_at_least(above > 0, self._calibrated(fit, logits), self.min_labels).astype(int)

    @documented
    def predict_proba(self, X):
        """Predict the probability of each label.

        Parameters
        ----------
        {x}

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_labels) or (n_samples, n_classes)
            Columns follow `label_names_`; they do not sum to 1. After a fit to one class per
            row they follow `classes_`, and do.
        """
        fit, logits = self._calibrated_logits(X)
        if not fit["is_one_vs_rest"]:
            return expit(logits)
        if logits.shape[1] == 1:
            return _of_two(expit(-logits), expit(logits), len(fit["classes_"]))
        return softmax(log_expit(logits), axis=1)

    @documented
    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each label.

        Parameters
        ----------
        {x}

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_labels) or (n_samples, n_classes)
            Of `predict_proba`.
        """
        fit, logits = self._calibrated_logits(X)
        if not fit["is_one_vs_rest"]:
            return log_expit(logits)
        if logits.shape[1] == 1:
            return _of_two(log_expit(-logits), log_expit(logits), len(fit["classes_"]))
        log_proba = log_expit(logits)
        return log_proba - np.logaddexp.reduce(log_proba, axis=1, keepdims=True)

    @documented
    def decision_function(self, X):
        """Return how far each logit is above the threshold of its label.

        Parameters
        ----------
        {x}

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_labels), (n_samples, n_classes), or \
                (n_samples,) for two classes
            Above 0 where `predict` says 1, `min_labels` aside.
        """
        fit = self._fitted()
        above = _logits(self, fit, X) - logit(fit["thresholds_"])
        return above[:, 0] if fit["is_one_vs_rest"] and above.shape[1] == 1 else above

    @documented
    def score(self, X, y, sample_weight=None):
        """Return the share of rows whose labels are all predicted rightly.

        Parameters
        ----------
        {x}
        {label_matrix}
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Weights of the rows, or of their entries: those of weight 0 are left out, as unknown
            ones are, and a row counts by the mean of the others.

        Returns
        -------
        float
            Subset accuracy over the known labels, rows without one left out; for one class per
            row, accuracy.

        Raises
        ------
        ValueError
            If no label is known, and for other bad input.
        """
        fit = self._fitted()
        self._check_read_now("calibrated", "min_labels")
        predicted = self._predicted(fit, X)
        if fit["is_one_vs_rest"]:
            return accuracy(y, predicted, sample_weight)
        y, is_known, names = encode_label_matrix(y, fit["label_names_"])
        with naming("X and y"):
            check_consistent_length(predicted, y)
        weight = by_entry(read_weight(sample_weight, y.shape, names))
        counts = is_known & (weight > 0)
        if not counts.any():
            raise ValueError(
                "y must hold a known label with a weight above 0; got none. Pass rows of which "
                "something is known."
            )
        n_counted = np.maximum(counts.sum(axis=1), 1)
        by_row = np.where(counts, scaled(weight)[0], 0).sum(axis=1) / n_counted
        return float(average(((y == predicted) | ~counts).all(axis=1), by_row))

    @documented
    def set_threshold(self, threshold, X=None, y=None, sample_weight=None):
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
        values = {"thresholds_": thresholds_as_given(threshold, fit["label_names_"])}
        if is_tuned(threshold):
            if X is None or y is None:
                raise ValueError(
                    f"X and y must be given to reach threshold={threshold!r} on; got None. Pass "
                    "rows that the network was not trained on."
                )
            metadata = {"sample_weight": sample_weight}
            rows = read_labelled_rows(self, Given(X, y, fit, is_partial=True, metadata=metadata))
            values = thresholds_for(threshold, fit, rows.that_count())
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
        return self._with_weights_and_thresholds(rows, given)

    def _with_weights_and_thresholds(self, rows: Rows, given: Given) -> Rows:
        names = rows.values["label_names_"]
        check_min_labels(self.min_labels, names)
        weight = by_entry(rows.weight)
        sums = np.stack([(weight * (rows.target == value)).sum(axis=0) for value in (0, 1)])
        sums = rows.in_units_given(sums)
        if given.continued is not None:
            sums = sums + given.continued["weight_seen"]
        pos_weight = pos_weight_for(self.pos_weight, names, *sums)
        if self.calibrated:
            _check_can_be_calibrated(self.loss, pos_weight, names)
        if given.continued is None and not sums[1].all():
            warnings.warn(
                f"y has no positive for the labels {quote(names[sums[1] == 0])}: they cannot be "
                "learnt, and their pos_weight is 1 where it is to be balanced.",
                stacklevel=5,
            )
        thresholds = thresholds_as_given(self.threshold, names)
        constants = {"pos_weight": pos_weight, "cutoff": logit(thresholds)}
        return replace(rows, constants=constants).with_values(
            pos_weight_=pos_weight,
            thresholds_=thresholds,
            loss_of_fit=self.loss,
            weight_seen=sums,
        )

    def _parts(self, rows: Rows) -> Parts:
        metrics = ("recall", "logit_recall"), ("precision", "logit_precision")
        return Parts(
            described_mlp(self, rows),
            Signature(rows.X.shape[1:], rows.target.shape[1], are_labels=True),
            Loss(_LOSSES[self.loss], metrics=metrics, of_metrics=("cutoff",)),
            conclude=partial(thresholds_for, self.threshold) if is_tuned(self.threshold) else None,
        )

    # Prediction.

    def _calibrated_logits(self, X: Any) -> tuple[Fit, np.ndarray]:
        fit = self._fitted()
        self._check_read_now("calibrated")
        return fit, self._calibrated(fit, _logits(self, fit, X))

    def _calibrated(self, fit: Fit, logits: np.ndarray) -> np.ndarray:
        if not self.calibrated:
            return logits
        _check_can_be_calibrated(fit["loss_of_fit"], fit["pos_weight_"], fit["label_names_"])
        return logits - np.log(fit["pos_weight_"])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags


# After training.


def _warn_of_labels_never_predicted(parts: Iterable[np.ndarray], fit: Fit) -> None:
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


def _logits(estimator: Any, fit: Fit, X: Any) -> np.ndarray:
    """Return the logits of rows as they were passed, in float64."""
    X, _ = opened_rows(estimator, X, before=fit)
    X, _ = read_features(estimator, X, fit, np.dtype(fit.input_dtype))
    return fit.predictor(X).astype(np.float64)


def check_min_labels(min_labels: int, names: np.ndarray) -> None:
    """Raise where `min_labels` is more than the number of labels."""
    if min_labels > len(names):
        raise ValueError(
            f"min_labels must not be above the number of labels, {len(names)}; got {min_labels}. "
            "Ask for fewer."
        )


def _check_can_be_calibrated(loss: str, pos_weight: np.ndarray, names: np.ndarray) -> None:
    """Raise where the odds of the unweighted problem do not follow from the logits."""
    if loss != "weighted_bce":
        raise ValueError(
            "calibrated must be False unless loss='weighted_bce', whose odds are known; got "
            f"True with loss={loss!r}. Use sklearn.calibration, or fit with the other loss."
        )
    if not pos_weight.all():
        raise ValueError(
            "pos_weight must be above 0 where calibrated=True takes its logarithm; got 0 for "
            f"{quote(names[pos_weight == 0])}. Raise it, or set calibrated=False."
        )


def _of_two(first: np.ndarray, second: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the columns of two classes, or of the only one."""
    return np.hstack([first, second]) if n_classes == 2 else np.ones_like(first)
