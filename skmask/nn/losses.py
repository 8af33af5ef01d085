"""Keras losses: pure functions, and a serialisable class around each."""

import keras
from keras import ops

from skmask.nn.layers import restrict_logits

__all__ = [
    "AsymmetricLoss",
    "CostWeightedCrossentropy",
    "ExpectedCost",
    "FocalLoss",
    "MaskedCrossentropy",
    "RestrictedCrossentropy",
    "WeightedBinaryCrossentropy",
    "asymmetric_loss",
    "cost_weighted_crossentropy",
    "expected_cost",
    "focal_loss",
    "masked_crossentropy",
    "restricted_crossentropy",
    "weighted_binary_crossentropy",
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
    logits = _restricted(logits, allowed)
    share = _class_share(ops.convert_to_tensor(y_true), logits)
    # Select before multiplying: 0 * -inf is NaN, and so would the gradient be.
    true_logits = ops.where(share > 0, logits, ops.zeros_like(logits))
    log_total = ops.logsumexp(logits, axis=-1)
    return log_total * ops.sum(share, axis=-1) - ops.sum(share * true_logits, axis=-1)


def _restricted(logits, allowed):
    """Return logits as a tensor, -inf where a mask, if there is one, allows no class."""
    logits = ops.convert_to_tensor(logits)
    return logits if allowed is None else restrict_logits(logits, allowed)


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
    logits = _restricted(logits, allowed)
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
    logits = _restricted(logits, allowed)
    weight = cost_of_prediction(y_true, logits, cost_matrix, costs)
    return weight * restricted_crossentropy(y_true, logits)


def cost_of_prediction(y_true, logits, cost_matrix=None, costs=None):
    """Return C[y, argmax of the logits] of each row, shape (n,)."""
    costs = _costs_of_rows(y_true, logits, cost_matrix, costs)
    predicted = ops.expand_dims(ops.argmax(logits, axis=-1), -1)
    return ops.squeeze(ops.take_along_axis(costs, predicted, axis=-1), axis=-1)


def _costs_of_rows(y_true, logits, cost_matrix, costs):
    """Return the cost of each prediction for each row, shape and dtype of the logits."""
    if costs is not None:
        return ops.cast(costs, logits.dtype)
    cost_matrix = ops.cast(cost_matrix, logits.dtype)
    y_true = ops.convert_to_tensor(y_true)
    if _is_by_number(y_true, logits):
        return ops.take(cost_matrix, class_numbers(y_true, logits), axis=0)
    return ops.matmul(ops.cast(y_true, logits.dtype), cost_matrix)


def class_numbers(y_true, logits):
    """Return the class of each row, or step, of the logits, whatever kind the target is of."""
    y_true = ops.convert_to_tensor(y_true)
    label = y_true if _is_by_number(y_true, logits) else ops.argmax(y_true, axis=-1)
    return ops.cast(ops.reshape(label, ops.shape(logits)[:-1]), "int32")


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
    numbers = ops.arange(logits.shape[-1], dtype="int32")
    is_true = numbers == ops.expand_dims(ops.cast(y_true, "int32"), -1)
    return ops.cast(is_true, logits.dtype)


def weighted_binary_crossentropy(y_true, logits, pos_weight=1.0):
    """Binary cross-entropy of each label, with a factor on the positive term.

    TensorFlow's `weighted_cross_entropy_with_logits`, stable for large logits, on any backend.

    Parameters
    ----------
    y_true : tensor of shape (n, n_labels)
        0, 1, or NaN for unknown.
    logits : tensor of shape (n, n_labels)
    pos_weight : float or tensor of shape (n_labels,), default=1.0
        Above 1 a missed positive costs more than a false alarm.

    Returns
    -------
    tensor of shape (n, n_labels)
        -w y log p - (1 - y) log (1 - p) with p the sigmoid of the logit; 0 where unknown.
    """
    return _by_label(y_true, logits, pos_weight, ops.log_sigmoid, _log_one_minus)


def focal_loss(y_true, logits, pos_weight=1.0, gamma=2.0):
    """Binary cross-entropy that cares less for what is predicted well already [1]_.

    Parameters
    ----------
    y_true, logits, pos_weight
        As in `weighted_binary_crossentropy`.
    gamma : float, default=2.0
        0 is plain cross-entropy.

    Returns
    -------
    tensor of shape (n, n_labels)
        -w y (1 - p)^gamma log p - (1 - y) p^gamma log (1 - p); 0 where unknown.

    References
    ----------
    .. [1] T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.
    """
    return asymmetric_loss(y_true, logits, pos_weight, gamma, gamma, 0.0)


def asymmetric_loss(y_true, logits, pos_weight=1.0, gamma_neg=4.0, gamma_pos=1.0, clip=0.05):
    """Focal loss that forgives easy negatives more than easy positives [1]_.

    Parameters
    ----------
    y_true, logits, pos_weight
        As in `weighted_binary_crossentropy`. The published loss has no `pos_weight`.
    gamma_neg, gamma_pos : float, default=4.0 and 1.0
        Focusing of negatives and of positives.
    clip : float, default=0.05
        Negatives of a probability below this have no loss. With it, `gamma_neg` is 0, or 1 or
        more.

    Returns
    -------
    tensor of shape (n, n_labels)
        -w y (1 - p)^gamma_pos log p - (1 - y) q^gamma_neg log (1 - q) with q = max(p - clip, 0);
        0 where unknown.

    References
    ----------
    .. [1] T. Ridnik et al., "Asymmetric loss for multi-label classification", ICCV 2021.
    """

    def positive(x):
        return ops.exp(gamma_pos * _log_one_minus(x)) * ops.log_sigmoid(x)

    def negative(x):
        if not clip:
            return ops.exp(gamma_neg * ops.log_sigmoid(x)) * _log_one_minus(x)
        rest = ops.minimum(ops.sigmoid(-x) + clip, 1.0)  # 1 - q
        factor = ops.power(1.0 - rest, gamma_neg) if gamma_neg else 1.0
        return factor * ops.log(rest)

    return _by_label(y_true, logits, pos_weight, positive, negative)


def masked_crossentropy(y_true, logits, mask=None, padding_label=None):
    """Cross-entropy of each time step, and which steps count.

    Parameters
    ----------
    y_true : tensor of shape (n, n_steps) of class numbers, or (n, n_steps, n_classes) of \
            probabilities
    logits : tensor of shape (n, n_steps, n_classes)
        Values at steps that do not count are ignored, NaN included.
    mask : tensor of bool or 0/1 of shape (n, n_steps), default=None
        True: the step is not padding. None: all are steps.
    padding_label : int, default=None
        The class number that marks padding, or the column of a one-hot target that does.

    Returns
    -------
    losses : tensor of shape (n, n_steps)
        0 where a step does not count.
    valid : tensor of shape (n, n_steps)
        1 where a step counts, otherwise 0. The mean is sum(losses) / sum(valid).
    """
    logits, y_true = ops.convert_to_tensor(logits), ops.convert_to_tensor(y_true)
    valid = valid_steps(y_true, logits, mask, padding_label)
    # Before the loss: a gradient through what was NaN would be NaN.
    logits = ops.where(ops.expand_dims(valid, -1), logits, ops.zeros_like(logits))
    valid = ops.cast(valid, logits.dtype)
    return restricted_crossentropy(y_true, logits) * valid, valid


def valid_steps(y_true, logits, mask=None, padding_label=None):
    """Return which steps count, bool of shape (n, n_steps); as in `masked_crossentropy`."""
    valid = ops.ones_like(logits[..., 0], dtype="bool")
    if mask is not None:
        valid = ops.logical_and(valid, ops.cast(mask, "bool"))
    if padding_label is not None:
        label = class_numbers(y_true, logits)
        valid = ops.logical_and(valid, label != ops.cast(padding_label, label.dtype))
    return valid


def _log_one_minus(logits):
    """Return log (1 - p)."""
    return ops.log_sigmoid(-logits)


def _by_label(y_true, logits, pos_weight, positive, negative):
    """Return -w y positive(logits) - (1 - y) negative(logits), 0 where y is NaN."""
    logits = ops.convert_to_tensor(logits)
    y_true, is_known = known(y_true, logits.dtype)
    pos_weight = ops.cast(pos_weight, logits.dtype)
    losses = -pos_weight * y_true * positive(logits) - (1 - y_true) * negative(logits)
    return is_known * losses


def known(y_true, dtype):
    """Return the target with NaN replaced by 0, and 1 where it was not NaN."""
    y_true = ops.cast(y_true, dtype)
    is_unknown = ops.isnan(y_true)
    return ops.where(is_unknown, ops.zeros_like(y_true), y_true), 1 - ops.cast(is_unknown, dtype)


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


@keras.saving.register_keras_serializable(package="skmask")
class MaskedCrossentropy(keras.losses.Loss):
    """Cross-entropy of sequences that were padded to one length: the mean over real steps.

    Keras' own losses count padding as soon as a layer has lost the mask, as an encoder-decoder
    does, and a mean over batches weighs a step of a short batch more. Here padding is known by
    the mask that comes with the predictions (`keras.layers.Masking`, `Embedding`), by the label
    that marks it, or both.

    Targets of shape (n, n_steps) are class numbers, or (n, n_steps, n_classes) one-hot;
    `sample_weight` may be by sequence, (n,), or by step, (n, n_steps).

    Parameters
    ----------
    padding_label : int, default=None
        The class number that marks padding, or the column of a one-hot target that does. It
        need not be a class: -1 will do.
    from_logits : bool, default=False
        Whether the model's outputs are logits, or probabilities.
    name : str, default="masked_crossentropy"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`. A mean is over the real steps.

    See Also
    --------
    masked_crossentropy : the formula, step by step.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.losses import MaskedCrossentropy
    >>> y, proba = np.array([[0, 1, -1]]), np.array([[[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]])
    >>> np.allclose(MaskedCrossentropy(padding_label=-1)(y, proba), np.log(2))
    True
    """

    def __init__(self, padding_label=None, from_logits=False, name="masked_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.padding_label = padding_label
        self.from_logits = from_logits

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the loss; `sample_weight` has shape (n,) or (n, n_steps)."""
        mask = getattr(y_pred, "_keras_mask", None)
        logits = as_logits(ops.cast(y_pred, self.dtype), self.from_logits)
        losses, valid = masked_crossentropy(y_true, logits, mask, self.padding_label)
        weight = valid if sample_weight is None else valid * _by_entry(sample_weight, losses)
        return reduced(losses, weight, valid, self.reduction)

    def get_config(self):
        own = {"padding_label": self.padding_label, "from_logits": self.from_logits}
        return {**super().get_config(), **own}


def as_logits(y_pred, from_logits):
    """Return the outputs of a model, logits or probabilities, as logits."""
    return y_pred if from_logits else ops.log(ops.maximum(y_pred, keras.config.epsilon()))


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


def check_not_negative(cost_matrix):
    """Raise for weights that would turn a loss into a gain."""
    lowest = min(min(row) for row in cost_matrix)
    if lowest < 0:
        raise ValueError(
            "cost_matrix must not hold negative costs where they weigh a cross-entropy; got "
            f"{lowest}. Use ExpectedCost, or raise all costs of a row alike."
        )


class _LabelLoss(keras.losses.Loss):
    """A loss of each label of each row: the mean is taken over the labels that are known."""

    def __init__(self, pos_weight, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pos_weight = check_pos_weight(pos_weight)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the loss; `sample_weight` has shape (n,) or (n, n_labels)."""
        losses = self.call(y_true, ops.cast(y_pred, self.dtype))
        _, counts = known(y_true, self.dtype)
        weight = counts if sample_weight is None else counts * _by_entry(sample_weight, losses)
        return reduced(losses, weight, counts, self.reduction)

    def get_config(self):
        return {**super().get_config(), "pos_weight": self.pos_weight}


def _by_entry(sample_weight, losses):
    """Return weights by row or by entry as weights by entry."""
    weight = ops.cast(sample_weight, losses.dtype)
    return weight if len(weight.shape) == len(losses.shape) else ops.expand_dims(weight, -1)


def reduced(losses, weight, counts, reduction):
    """Reduce losses as Keras does, over the entries that count.

    Parameters
    ----------
    losses, weight, counts : tensors of one shape
        Weight is 0 where counts are; counts are 1 for an entry that counts, otherwise 0.
    reduction : {"sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None}
    """
    losses = losses * weight
    if reduction in (None, "none"):
        return losses
    total = ops.sum(losses)
    if reduction == "sum":
        return total
    by = weight if reduction == "mean_with_sample_weight" else counts
    return ops.divide_no_nan(total, ops.sum(by))


def check_pos_weight(pos_weight):
    """Return factors on positive terms as a float or a list of floats."""
    tensor = ops.convert_to_tensor(pos_weight, "float32")
    weights = ops.convert_to_numpy(tensor).tolist()
    each = weights if isinstance(weights, list) else [weights]
    if len(tensor.shape) > 1 or not all(0 <= weight < float("inf") for weight in each):
        raise ValueError(
            "pos_weight must be a finite number of 0 or more, or one for each label; got "
            f"{weights}. Give negatives / positives of each label to balance them."
        )
    return weights


@keras.saving.register_keras_serializable(package="skmask")
class WeightedBinaryCrossentropy(_LabelLoss):
    """Binary cross-entropy of each label on logits, with a factor on the positive term.

    For rare labels, which a plain loss answers with "none". Targets of shape (n, n_labels) may
    be NaN for unknown; `sample_weight` may be by row, (n,), or by entry, (n, n_labels).

    Parameters
    ----------
    pos_weight : float or array-like of shape (n_labels,), default=1.0
        Negatives / positives of a label balance it.
    name : str, default="weighted_binary_crossentropy"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`. A mean is over the known labels.

    Raises
    ------
    ValueError
        If `pos_weight` is negative, not finite or has more than one axis.

    See Also
    --------
    weighted_binary_crossentropy : the formula, entry by entry.
    skmask.WeightedMultilabelClassifier : the same as a scikit-learn estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.losses import WeightedBinaryCrossentropy
    >>> loss = WeightedBinaryCrossentropy(pos_weight=3.0)
    >>> logits = np.zeros((1, 3), "float32")
    >>> np.allclose(loss(np.array([[1, 0, np.nan]]), logits), np.log(2) * (3 + 1) / 2)
    True
    """

    def __init__(self, pos_weight=1.0, name="weighted_binary_crossentropy", **kwargs):
        super().__init__(pos_weight, name, **kwargs)

    def call(self, y_true, y_pred):
        return weighted_binary_crossentropy(y_true, y_pred, self.pos_weight)


@keras.saving.register_keras_serializable(package="skmask")
class FocalLoss(_LabelLoss):
    """Focal loss of each label on logits.

    Parameters
    ----------
    gamma : float, default=2.0
        Focusing; 0 is `WeightedBinaryCrossentropy`.
    pos_weight : float or array-like of shape (n_labels,), default=1.0
        As in `WeightedBinaryCrossentropy`, and so are targets and weights.
    name : str, default="focal_loss"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`.

    Raises
    ------
    ValueError
        As in `WeightedBinaryCrossentropy`.

    See Also
    --------
    focal_loss : the formula, entry by entry.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.losses import FocalLoss
    >>> loss = FocalLoss()(np.array([[1, 0]]), np.zeros((1, 2), "float32"))
    >>> np.allclose(loss, np.log(2) / 4)
    True
    """

    def __init__(self, gamma=2.0, pos_weight=1.0, name="focal_loss", **kwargs):
        super().__init__(pos_weight, name, **kwargs)
        self.gamma = gamma

    def call(self, y_true, y_pred):
        return focal_loss(y_true, y_pred, self.pos_weight, self.gamma)

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable(package="skmask")
class AsymmetricLoss(_LabelLoss):
    """Asymmetric loss (ASL) of each label on logits, with the published defaults.

    Parameters
    ----------
    gamma_neg, gamma_pos : float, default=4.0 and 1.0
        Focusing of negatives and of positives.
    clip : float, default=0.05
        Negatives of a probability below this have no loss. With it, `gamma_neg` is 0, or 1 or
        more.
    pos_weight : float or array-like of shape (n_labels,), default=1.0
        As in `WeightedBinaryCrossentropy`, and so are targets and weights.
    name : str, default="asymmetric_loss"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`.

    Raises
    ------
    ValueError
        As in `WeightedBinaryCrossentropy`.

    See Also
    --------
    asymmetric_loss : the formula, entry by entry.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.losses import AsymmetricLoss
    >>> loss = AsymmetricLoss()(np.array([[0]]), np.array([[-3.0]]))  # p = 0.047 < clip
    >>> float(loss) == 0
    True
    """

    def __init__(
        self,
        gamma_neg=4.0,
        gamma_pos=1.0,
        clip=0.05,
        pos_weight=1.0,
        name="asymmetric_loss",
        **kwargs,
    ):
        super().__init__(pos_weight, name, **kwargs)
        self.gamma_neg = gamma_neg
        self.gamma_pos = gamma_pos
        self.clip = clip

    def call(self, y_true, y_pred):
        return asymmetric_loss(
            y_true, y_pred, self.pos_weight, self.gamma_neg, self.gamma_pos, self.clip
        )

    def get_config(self):
        own = {"gamma_neg": self.gamma_neg, "gamma_pos": self.gamma_pos, "clip": self.clip}
        return {**super().get_config(), **own}
