"""Keras metrics: ratios that are pooled over all batches."""

import keras
from keras import ops

from skmask.nn.losses import (
    check_cost_matrix,
    check_not_negative,
    class_numbers,
    cost_of_prediction,
)

__all__ = ["CostWeightedAccuracy"]


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
