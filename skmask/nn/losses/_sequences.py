"""Cross-entropy of padded sequences."""

import keras
from keras import ops

from skmask.nn._targets import valid_steps
from skmask.nn.losses._reduction import as_logits, by_entry, reduced
from skmask.nn.losses._softmax import restricted_crossentropy

__all__ = [
    "MaskedCrossentropy",
    "masked_crossentropy",
]


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
        weight = valid if sample_weight is None else valid * by_entry(sample_weight, losses)
        return reduced(losses, weight, valid, self.reduction)

    def get_config(self):
        own = {"padding_label": self.padding_label, "from_logits": self.from_logits}
        return {**super().get_config(), **own}
