"""Means of losses over the entries that count."""

import keras
from keras import ops

__all__ = [
    "as_logits",
    "by_entry",
    "reduced",
]


def as_logits(y_pred, from_logits):
    """Return the outputs of a model, logits or probabilities, as logits."""
    return y_pred if from_logits else ops.log(ops.maximum(y_pred, keras.config.epsilon()))


def by_entry(sample_weight, losses):
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
