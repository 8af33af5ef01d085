"""Cross-entropy over the allowed classes."""

import keras
from keras import ops

from skmask.nn._targets import class_shares, smoothed
from skmask.nn.layers import restrict_logits

__all__ = [
    "RestrictedCrossentropy",
    "restricted_crossentropy",
    "restricted_logits",
]


def restricted_crossentropy(y_true, logits, allowed=None, label_smoothing=0.0, mask_in_loss=1.0):
    """Cross-entropy of the softmax over the allowed classes only.

    Parameters
    ----------
    y_true : tensor of shape (n,) or (n, 1) of class numbers, or (n, n_classes) of probabilities
        Must be allowed: the loss of a class that is not possible is infinite.
    logits : tensor of shape (n, n_classes)
        -inf counts as not allowed.
    allowed : tensor of bool or 0/1, broadcastable to `logits`, default=None
        True: this class is possible for this row. None: what is not -inf is allowed.
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over the allowed classes.
    mask_in_loss : float, default=1.0
        Share of the restricted loss; the rest is that of the softmax over all classes.

    Returns
    -------
    tensor of shape (n,)
        log sum_{j allowed} exp(logits_j) - logits_y, or, with shares y_j of the classes, minus
        sum_j y_j logits_j; finite for logits of any size.
    """
    all_logits, logits = logits, restricted_logits(logits, allowed)
    share = class_shares(ops.convert_to_tensor(y_true), logits)
    share = smoothed(share, logits, label_smoothing)
    # Select before multiplying: 0 * -inf is NaN, and so would the gradient be.
    true_logits = ops.where(share > 0, logits, ops.zeros_like(logits))
    log_total = ops.logsumexp(logits, axis=-1)
    if mask_in_loss < 1:
        of_all = ops.logsumexp(all_logits, axis=-1)
        log_total = mask_in_loss * log_total + (1 - mask_in_loss) * of_all
    return log_total * ops.sum(share, axis=-1) - ops.sum(share * true_logits, axis=-1)


def restricted_logits(logits, allowed):
    """Return logits as a tensor, -inf where a mask, if there is one, allows no class."""
    logits = ops.convert_to_tensor(logits)
    return logits if allowed is None else restrict_logits(logits, allowed)


@keras.saving.register_keras_serializable(package="skmask")
class RestrictedCrossentropy(keras.losses.Loss):
    """Cross-entropy on logits of which some are -inf: classes that are not possible.

    For the output of :class:`skmask.nn.layers.RestrictLogits`, which Keras' own
    cross-entropies turn into NaN.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over the classes that are possible; 0 or more,
        below 1.
    name : str, default="restricted_crossentropy"
    **kwargs
        `reduction` and `dtype`, as in `keras.losses.Loss`.

    Raises
    ------
    ValueError
        If `label_smoothing` is not in its range.

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

    def __init__(self, label_smoothing=0.0, name="restricted_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"label_smoothing must be 0 or more and below 1; got {label_smoothing}. Use 0 for "
                "targets as they are."
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        return restricted_crossentropy(y_true, y_pred, label_smoothing=self.label_smoothing)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
