"""Losses with the costs of errors in them."""

import keras
from keras import ops

from skmask.nn._costs import (
    check_cost_matrix,
    check_not_negative,
    cost_of_prediction,
    costs_of_rows,
)
from skmask.nn.losses._reduction import as_logits
from skmask.nn.losses._softmax import restricted_crossentropy, restricted_logits

__all__ = [
    "CostWeightedCrossentropy",
    "ExpectedCost",
    "cost_weighted_crossentropy",
    "expected_cost",
]


def expected_cost(
    y_true,
    logits,
    cost_matrix=None,
    costs=None,
    allowed=None,
    crossentropy=1.0,
    label_smoothing=0.0,
):
    """Cost to be expected of a decision drawn from the predicted probabilities.

    Alone it has no gradient where the network is sure and wrong, and flat valleys elsewhere; a
    share of cross-entropy keeps it trainable. For two classes the two agree at the threshold
    of the cheapest decision: there the costs pull neither way.

    Parameters
    ----------
    y_true : tensor of shape (n,) or (n, 1) of class numbers, or (n, n_classes) of probabilities
    logits : tensor of shape (n, n_classes)
        -inf counts as not allowed.
    cost_matrix : tensor of shape (n_classes, n_classes), default=None
        Rows are true classes, columns predicted ones. May be negative.
    costs : tensor of shape (n, n_classes), default=None
        In place of `cost_matrix`: what each prediction costs for this row.
    allowed : tensor of bool or 0/1, broadcastable to `logits`, default=None
        As in `restricted_crossentropy`.
    crossentropy : float, default=1.0
        Factor on the cross-entropy.
    label_smoothing : float, default=0.0
        As in `restricted_crossentropy`; the costs are those of the target as it is.

    Returns
    -------
    tensor of shape (n,)
        sum_j p_j C[y, j] + crossentropy * -log p_y.
    """
    logits = restricted_logits(logits, allowed)
    costs = costs_of_rows(y_true, logits, cost_matrix, costs)
    # Not ops.softmax, which warns of a single class.
    proba = ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))
    cost = ops.sum(proba * costs, axis=-1)
    smoothed = restricted_crossentropy(y_true, logits, label_smoothing=label_smoothing)
    return cost + crossentropy * smoothed


def cost_weighted_crossentropy(
    y_true, logits, cost_matrix=None, costs=None, allowed=None, label_smoothing=0.0
):
    """Cross-entropy times the cost of the class that the network would predict.

    With a zero diagonal, rows that are predicted rightly teach nothing more.

    Parameters
    ----------
    y_true, logits, cost_matrix, costs, allowed, label_smoothing
        As in `expected_cost`, but for the costs, which must not be negative.

    Returns
    -------
    tensor of shape (n,)
        -log p_y * C[y, argmax p]. No gradient flows through the argmax.
    """
    logits = restricted_logits(logits, allowed)
    weight = cost_of_prediction(y_true, logits, cost_matrix, costs)
    return weight * restricted_crossentropy(y_true, logits, label_smoothing=label_smoothing)


class _CostLoss(keras.losses.Loss):
    """A loss with a cost matrix, on probabilities or logits."""

    def __init__(self, cost_matrix, from_logits, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self.cost_matrix = check_cost_matrix(cost_matrix)
        self.from_logits = from_logits

    def _logits(self, y_pred):
        return as_logits(ops.convert_to_tensor(y_pred), self.from_logits)

    def get_config(self):
        return {
            **super().get_config(),
            "cost_matrix": self.cost_matrix,
            "from_logits": self.from_logits,
        }


@keras.saving.register_keras_serializable(package="skmask")
class ExpectedCost(_CostLoss):
    """Cost to be expected of the predicted probabilities, with a share of cross-entropy.

    Parameters
    ----------
    cost_matrix : array-like of shape (n_classes, n_classes)
        Cost of predicting the class of the column when the truth is that of the row.
    from_logits : bool, default=False
        Whether the model's outputs are logits, or probabilities.
    crossentropy : float, default=1.0
        Factor on the cross-entropy, which keeps the loss trainable. In the unit of the costs:
        with costs of thousands, give it their size.
    name : str, default="expected_cost"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`.

    Raises
    ------
    ValueError
        If `cost_matrix` is not square or not finite.

    See Also
    --------
    expected_cost : the formula, row by row.
    skmask.CostSensitiveClassifier : the same as a scikit-learn estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.losses import ExpectedCost
    >>> loss = ExpectedCost([[0, 1], [5, 0]], crossentropy=0.0)
    >>> np.allclose(loss(np.array([1, 0]), np.array([[0.5, 0.5], [0.0, 1.0]])), (2.5 + 1) / 2)
    True
    """

    def __init__(
        self, cost_matrix, from_logits=False, crossentropy=1.0, name="expected_cost", **kwargs
    ):
        super().__init__(cost_matrix, from_logits, name, **kwargs)
        self.crossentropy = crossentropy

    def call(self, y_true, y_pred):
        return expected_cost(
            y_true, self._logits(y_pred), self.cost_matrix, crossentropy=self.crossentropy
        )

    def get_config(self):
        return {**super().get_config(), "crossentropy": self.crossentropy}


@keras.saving.register_keras_serializable(package="skmask")
class CostWeightedCrossentropy(_CostLoss):
    """Cross-entropy times `cost_matrix[y, argmax p]`: expensive errors weigh more.

    Parameters
    ----------
    cost_matrix : array-like of shape (n_classes, n_classes)
        Weight of a row of the row's class that is predicted as the column's. The diagonal
        counts: 0 means that what is predicted rightly teaches nothing more. Not negative.
    from_logits : bool, default=False
        Whether the model's outputs are logits, or probabilities.
    name : str, default="cost_weighted_crossentropy"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`.

    Raises
    ------
    ValueError
        If `cost_matrix` is not square, not finite or negative somewhere.

    See Also
    --------
    cost_weighted_crossentropy : the formula, row by row.
    skmask.nn.metrics.CostWeightedAccuracy : the metric with the same weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.losses import CostWeightedCrossentropy
    >>> loss = CostWeightedCrossentropy([[1, 2], [8, 1]])
    >>> np.allclose(loss(np.array([1]), np.array([[0.75, 0.25]])), 8 * np.log(4))
    True
    """

    def __init__(self, cost_matrix, from_logits=False, name="cost_weighted_crossentropy", **kwargs):
        super().__init__(cost_matrix, from_logits, name, **kwargs)
        check_not_negative(self.cost_matrix)

    def call(self, y_true, y_pred):
        return cost_weighted_crossentropy(y_true, self._logits(y_pred), self.cost_matrix)
