"""Keras losses: pure functions, and a serialisable class around each."""

import keras
from keras import ops

from skmask.nn.layers import restrict_logits

__all__ = [
    "CostWeightedCrossentropy",
    "ExpectedCost",
    "RestrictedCrossentropy",
    "cost_weighted_crossentropy",
    "expected_cost",
    "restricted_crossentropy",
]


def restricted_crossentropy(y_true, logits, allowed=None):
    """Cross-entropy of the softmax over the allowed classes only.

    Parameters
    ----------
    y_true : tensor of shape (n,) or (n, 1) of class numbers, or (n, n_classes) of probabilities
        Must be allowed: the loss of a class that is not possible is infinite.
    logits : tensor of shape (n, n_classes)
        -inf counts as not allowed.
    allowed : tensor of bool or 0/1, broadcastable to `logits`, default=None
        True: this class is possible for this row. None: what is not -inf is allowed.

    Returns
    -------
    tensor of shape (n,)
        log sum_{j allowed} exp(logits_j) - logits_y, finite for logits of any size.
    """
    logits = ops.convert_to_tensor(logits)
    if allowed is not None:
        logits = restrict_logits(logits, allowed)
    share = _class_share(ops.convert_to_tensor(y_true), logits)
    # Select before multiplying: 0 * -inf is NaN, and so would the gradient be.
    true_logits = ops.where(share > 0, logits, ops.zeros_like(logits))
    log_total = ops.logsumexp(logits, axis=-1)
    return log_total * ops.sum(share, axis=-1) - ops.sum(share * true_logits, axis=-1)


def expected_cost(y_true, logits, cost_matrix=None, costs=None, allowed=None, crossentropy=1.0):
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

    Returns
    -------
    tensor of shape (n,)
        sum_j p_j C[y, j] + crossentropy * -log p_y.
    """
    logits = ops.convert_to_tensor(logits)
    if allowed is not None:
        logits = restrict_logits(logits, allowed)
    costs = _costs_of_rows(y_true, logits, cost_matrix, costs)
    # Not ops.softmax, which warns of a single class.
    proba = ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))
    cost = ops.sum(proba * costs, axis=-1)
    return cost + crossentropy * restricted_crossentropy(y_true, logits)


def cost_weighted_crossentropy(y_true, logits, cost_matrix=None, costs=None, allowed=None):
    """Cross-entropy times the cost of the class that the network would predict.

    With a zero diagonal, rows that are predicted rightly teach nothing more.

    Parameters
    ----------
    y_true, logits, cost_matrix, costs, allowed
        As in `expected_cost`, but for the costs, which must not be negative.

    Returns
    -------
    tensor of shape (n,)
        -log p_y * C[y, argmax p]. No gradient flows through the argmax.
    """
    logits = ops.convert_to_tensor(logits)
    if allowed is not None:
        logits = restrict_logits(logits, allowed)
    weight = cost_of_prediction(y_true, logits, cost_matrix, costs)
    return weight * restricted_crossentropy(y_true, logits)


def cost_of_prediction(y_true, logits, cost_matrix=None, costs=None):
    """Return C[y, argmax of the logits] of each row, shape (n,)."""
    costs = _costs_of_rows(y_true, logits, cost_matrix, costs)
    predicted = ops.expand_dims(ops.argmax(logits, axis=-1), -1)
    return ops.squeeze(ops.take_along_axis(costs, predicted, axis=-1), axis=-1)


def _costs_of_rows(y_true, logits, cost_matrix, costs):
    """Return what each prediction costs for each row, shape and dtype of the logits."""
    if costs is not None:
        return ops.cast(costs, logits.dtype)
    cost_matrix = ops.cast(cost_matrix, logits.dtype)
    y_true = ops.convert_to_tensor(y_true)
    if _is_by_number(y_true, logits):
        return ops.take(cost_matrix, class_numbers(y_true, logits), axis=0)
    return ops.matmul(ops.cast(y_true, logits.dtype), cost_matrix)


def class_numbers(y_true, logits):
    """Return the class of each row, shape (n,), whatever kind the target is of."""
    y_true = ops.convert_to_tensor(y_true)
    if _is_by_number(y_true, logits):
        return ops.cast(ops.reshape(y_true, (-1,)), "int32")
    return ops.argmax(y_true, axis=-1)


def _is_by_number(y_true, logits):
    """Say whether the target is class numbers, not shares of the classes."""
    n_classes = logits.shape[-1]
    has_shares = len(y_true.shape) == len(logits.shape) and y_true.shape[-1] == n_classes
    return not has_shares or n_classes == 1


def _class_share(y_true, logits):
    """Return the target as shares of the classes, shape and dtype of the logits."""
    if not _is_by_number(y_true, logits):
        return ops.cast(y_true, logits.dtype)
    if len(y_true.shape) == len(logits.shape):
        y_true = ops.squeeze(y_true, axis=-1)
    is_true = ops.arange(logits.shape[-1]) == ops.expand_dims(ops.cast(y_true, "int32"), -1)
    return ops.cast(is_true, logits.dtype)


@keras.saving.register_keras_serializable(package="skmask")
class RestrictedCrossentropy(keras.losses.Loss):
    """Cross-entropy on logits of which some are -inf: classes that are not possible.

    For the output of :class:`skmask.nn.layers.RestrictLogits`, which Keras' own
    cross-entropies turn into NaN.

    Parameters
    ----------
    name : str, default="restricted_crossentropy"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`.

    See Also
    --------
    restricted_crossentropy : the formula, row by row.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.losses import RestrictedCrossentropy
    >>> logits = np.array([[1.0, 1.0, -np.inf], [3.0, -np.inf, -np.inf]], "float32")
    >>> loss = RestrictedCrossentropy(reduction="none")(np.array([0, 0]), logits)
    >>> np.allclose(loss, [np.log(2), 0])
    True
    """

    def __init__(self, name="restricted_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return restricted_crossentropy(y_true, y_pred)


class _CostLoss(keras.losses.Loss):
    """A loss with a cost matrix, on probabilities or logits."""

    def __init__(self, cost_matrix, from_logits, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self.cost_matrix = check_cost_matrix(cost_matrix)
        self.from_logits = from_logits

    def _logits(self, y_pred):
        y_pred = ops.convert_to_tensor(y_pred)
        if self.from_logits:
            return y_pred
        return ops.log(ops.maximum(y_pred, keras.config.epsilon()))

    def get_config(self):
        return {
            **super().get_config(),
            "cost_matrix": self.cost_matrix,
            "from_logits": self.from_logits,
        }


def check_cost_matrix(cost_matrix):
    """Return a square matrix of finite costs as a list of lists."""
    rows = ops.convert_to_numpy(ops.convert_to_tensor(cost_matrix, "float32")).tolist()
    if not isinstance(rows, list) or any(
        not isinstance(row, list) or len(row) != len(rows) for row in rows
    ):
        raise ValueError(
            "cost_matrix must be square, (n_classes, n_classes); got shape "
            f"{ops.shape(ops.convert_to_tensor(cost_matrix))}. Rows are true classes, columns "
            "predicted ones."
        )
    if any(abs(cost) == float("inf") or cost != cost for row in rows for cost in row):
        raise ValueError(
            f"cost_matrix must hold finite numbers; got {rows}. Use a large cost for what must "
            "not happen."
        )
    return rows


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
    """Cross-entropy times `cost_matrix[y, argmax p]`: dear errors weigh more.

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


def check_not_negative(cost_matrix):
    """Raise for weights that would turn a loss into a gain."""
    lowest = min(min(row) for row in cost_matrix)
    if lowest < 0:
        raise ValueError(
            "cost_matrix must not hold negative costs where they weigh a cross-entropy; got "
            f"{lowest}. Use ExpectedCost, or raise all costs of a row alike."
        )
