"""Losses of label matrices, in which positives are rare."""

import keras
from keras import ops

from skmask.nn._targets import known
from skmask.nn.losses._reduction import by_entry, reduced

__all__ = [
    "AsymmetricLoss",
    "FocalLoss",
    "WeightedBinaryCrossentropy",
    "asymmetric_loss",
    "check_pos_weight",
    "focal_loss",
    "weighted_binary_crossentropy",
]


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
    """Binary cross-entropy with less weight on entries that are predicted well already [1]_.

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


class _LabelLoss(keras.losses.Loss):
    """A loss of each label of each row: the mean is taken over the labels that are known."""

    def __init__(self, pos_weight, name, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pos_weight = check_pos_weight(pos_weight)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the loss; `sample_weight` has shape (n,) or (n, n_labels)."""
        losses = self.call(y_true, ops.cast(y_pred, self.dtype))
        _, counts = known(y_true, self.dtype)
        weight = counts if sample_weight is None else counts * by_entry(sample_weight, losses)
        return reduced(losses, weight, counts, self.reduction)

    def get_config(self):
        return {**super().get_config(), "pos_weight": self.pos_weight}


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
