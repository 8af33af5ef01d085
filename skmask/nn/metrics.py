"""Keras metrics: ratios that are pooled over all batches."""

import keras
from keras import ops

from skmask.nn._costs import check_cost_matrix, check_not_negative, cost_of_prediction
from skmask.nn._targets import class_numbers, known, valid_steps
from skmask.nn.layers import restrict_logits

__all__ = [
    "CostWeightedAccuracy",
    "LogitPrecision",
    "LogitRecall",
    "MaskedAccuracy",
    "logit_precision",
    "logit_recall",
    "masked_accuracy",
]


def logit_recall(y_true, logits, cutoff=0.0):
    """Count true positives among the positives.

    Parameters
    ----------
    y_true : tensor of shape (n, n_labels)
        0, 1, or NaN for unknown.
    logits : tensor of shape (n, n_labels)
    cutoff : float or tensor of shape (n_labels,), default=0.0
        A logit above it is a prediction.

    Returns
    -------
    hits, positives : tensors of shape (n, n_labels) of 0 and 1
        The recall is the sum of the one over the sum of the other.
    """
    y_true, _ = known(y_true, logits.dtype)
    return y_true * ops.cast(logits > ops.cast(cutoff, logits.dtype), logits.dtype), y_true


def logit_precision(y_true, logits, cutoff=0.0):
    """Count true positives among the predictions.

    Parameters
    ----------
    y_true, logits, cutoff
        As in `logit_recall`.

    Returns
    -------
    hits, predictions : tensors of shape (n, n_labels) of 0 and 1
        The precision is the sum of the one over the sum of the other.
    """
    y_true, is_known = known(y_true, logits.dtype)
    predicted = is_known * ops.cast(logits > ops.cast(cutoff, logits.dtype), logits.dtype)
    return y_true * predicted, predicted


def masked_accuracy(y_true, logits, mask=None, padding_label=None, allowed=None, labels=None):
    """Count right steps among those that count.

    Parameters
    ----------
    y_true, logits, mask, padding_label
        As in :func:`skmask.nn.losses.masked_crossentropy`.
    allowed : tensor of bool or 0/1, broadcastable to `logits`, default=None
        True: this class is possible for this step. None: all are.
    labels : tensor of class numbers of shape (n, n_steps), default=None
        What counts as right. None: the class of the largest share in `y_true`.

    Returns
    -------
    hits, valid : tensors of shape (n, n_steps) of 0 and 1
        The accuracy is the sum of the one over the sum of the other.
    """
    valid = ops.cast(valid_steps(y_true, logits, mask, padding_label), logits.dtype)
    if allowed is not None:
        logits = restrict_logits(logits, allowed)
    predicted = ops.argmax(logits, axis=-1)
    right = class_numbers(y_true if labels is None else labels, logits)
    return ops.cast(right == predicted, valid.dtype) * valid, valid


class _Ratio(keras.metrics.Metric):
    """A sum over another, both taken over all batches since the last reset."""

    def __init__(self, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self._numerator = self.add_variable((), initializer="zeros", name="numerator")
        self._denominator = self.add_variable((), initializer="zeros", name="denominator")

    def _add(self, values, counts, sample_weight):
        """Add values and counts of one shape, weighted by row or by entry."""
        values, counts = ops.cast(values, self.dtype), ops.cast(counts, self.dtype)
        if sample_weight is not None:
            weight = ops.cast(sample_weight, self.dtype)
            if len(weight.shape) < len(values.shape):
                weight = ops.expand_dims(weight, -1)
            values, counts = values * weight, counts * weight
        self._numerator.assign_add(ops.sum(values))
        self._denominator.assign_add(ops.sum(counts))

    def result(self):
        return ops.divide_no_nan(self._numerator, self._denominator)


@keras.saving.register_keras_serializable(package="skmask")
class CostWeightedAccuracy(_Ratio):
    """Share of right predictions, each row weighing `cost_matrix[y, argmax p]`.

    The metric beside :class:`skmask.nn.losses.CostWeightedCrossentropy`, with the same weights:
    a matrix with zeros on the diagonal gives 0, and one of ones the plain accuracy.

    Parameters
    ----------
    cost_matrix : array-like of shape (n_classes, n_classes)
        Weight of a row of the row's class that is predicted as the column's. Not negative.
    name : str, default="cost_weighted_accuracy"
    **kwargs
        `dtype`, as in `keras.metrics.Metric`.

    Raises
    ------
    ValueError
        If `cost_matrix` is not square, not finite or negative somewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.metrics import CostWeightedAccuracy
    >>> accuracy = CostWeightedAccuracy([[1, 1], [3, 1]])
    >>> proba = np.array([[0.9, 0.1], [0.9, 0.1]])
    >>> float(accuracy(np.array([0, 1]), proba))  # one right of weight 1, one wrong of weight 3
    0.25
    """

    def __init__(self, cost_matrix, name="cost_weighted_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.cost_matrix = check_cost_matrix(cost_matrix)
        check_not_negative(self.cost_matrix)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), self.dtype)
        weight = cost_of_prediction(y_true, y_pred, self.cost_matrix)
        is_right = class_numbers(y_true, y_pred) == ops.argmax(y_pred, axis=-1)
        self._add(ops.cast(is_right, self.dtype) * weight, weight, sample_weight)

    def get_config(self):
        return {**super().get_config(), "cost_matrix": self.cost_matrix}


@keras.saving.register_keras_serializable(package="skmask")
class MaskedAccuracy(_Ratio):
    """Share of the real steps whose class is predicted.

    Keras' own accuracy counts padding, and so flatters a model the more, the more padding there
    is. Padding is known as in :class:`skmask.nn.losses.MaskedCrossentropy`, and targets and
    `sample_weight` are of the same shapes. Works on logits and on probabilities.

    Parameters
    ----------
    padding_label : int, default=None
        The class number that marks padding, or the column of a one-hot target that does.
    name : str, default="masked_accuracy"
    **kwargs
        `dtype`, as in `keras.metrics.Metric`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.metrics import MaskedAccuracy
    >>> y, proba = np.array([[0, 1, -1]]), np.array([[[0.9, 0.1], [0.9, 0.1], [0.0, 1.0]]])
    >>> float(MaskedAccuracy(padding_label=-1)(y, proba))
    0.5
    """

    def __init__(self, padding_label=None, name="masked_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.padding_label = padding_label

    def update_state(self, y_true, y_pred, sample_weight=None):
        mask = getattr(y_pred, "_keras_mask", None)
        y_pred = ops.convert_to_tensor(y_pred)
        hits, valid = masked_accuracy(y_true, y_pred, mask, self.padding_label)
        self._add(hits, valid, sample_weight)

    def get_config(self):
        return {**super().get_config(), "padding_label": self.padding_label}


class _LogitRatio(_Ratio):
    """A ratio of counts of labels, at a threshold on the probability."""

    def __init__(self, threshold, name, **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 < threshold < 1:
            raise ValueError(
                f"threshold must be a probability between 0 and 1; got {threshold!r}. It is "
                "compared with the sigmoid of the logits."
            )
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        logits = ops.cast(y_pred, self.dtype)
        cutoff = -ops.log(1 / self.threshold - 1)
        values, counts = self._count(y_true, logits, cutoff)
        self._add(values, counts, sample_weight)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


@keras.saving.register_keras_serializable(package="skmask")
class LogitRecall(_LogitRatio):
    """Share of the positives that are predicted, on logits, over all labels.

    For models that return logits, which `keras.metrics.Recall` takes for probabilities. Targets
    may be NaN for unknown; `sample_weight` may be by row or by entry.

    Parameters
    ----------
    threshold : float, default=0.5
        Probability above which a label is predicted.
    name : str, default="recall"
    **kwargs
        `dtype`, as in `keras.metrics.Metric`.

    Raises
    ------
    ValueError
        If `threshold` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.metrics import LogitRecall
    >>> float(LogitRecall()(np.array([[1, 1, 0]]), np.array([[2.0, -2.0, 2.0]])))
    0.5
    """

    def __init__(self, threshold=0.5, name="recall", **kwargs):
        super().__init__(threshold, name, **kwargs)

    _count = staticmethod(logit_recall)


@keras.saving.register_keras_serializable(package="skmask")
class LogitPrecision(_LogitRatio):
    """Share of the predicted labels that are right, on logits, over all labels.

    Parameters
    ----------
    threshold : float, default=0.5
        Probability above which a label is predicted.
    name : str, default="precision"
    **kwargs
        `dtype`, as in `keras.metrics.Metric`.

    Raises
    ------
    ValueError
        If `threshold` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.metrics import LogitPrecision
    >>> float(LogitPrecision()(np.array([[1, 1, 0]]), np.array([[2.0, -2.0, 2.0]])))
    0.5
    """

    def __init__(self, threshold=0.5, name="precision", **kwargs):
        super().__init__(threshold, name, **kwargs)

    _count = staticmethod(logit_precision)
