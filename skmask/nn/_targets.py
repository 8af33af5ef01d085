"""Targets as losses and metrics take them: which class, which share, which entries count."""

from keras import ops

__all__ = [
    "class_numbers",
    "class_shares",
    "is_by_number",
    "known",
    "smoothed",
    "valid_steps",
]


def class_numbers(y_true, logits):
    """Return the class of each row, or step, of the logits, whatever kind the target is of."""
    y_true = ops.convert_to_tensor(y_true)
    label = y_true if is_by_number(y_true, logits) else ops.argmax(y_true, axis=-1)
    return ops.cast(ops.reshape(label, ops.shape(logits)[:-1]), "int32")


def class_shares(y_true, logits):
    """Return the target as shares of the classes, shape and dtype of the logits."""
    if not is_by_number(y_true, logits):
        return ops.cast(y_true, logits.dtype)
    if len(y_true.shape) == len(logits.shape):
        y_true = ops.squeeze(y_true, axis=-1)
    numbers = ops.arange(logits.shape[-1], dtype="int32")
    is_true = numbers == ops.expand_dims(ops.cast(y_true, "int32"), -1)
    return ops.cast(is_true, logits.dtype)


def smoothed(shares, logits, label_smoothing):
    """Return shares of which a part is spread evenly over the classes whose logit is not -inf."""
    if not label_smoothing:
        return shares
    is_allowed = ops.cast(logits > float("-inf"), shares.dtype)
    even = ops.divide_no_nan(is_allowed, ops.sum(is_allowed, axis=-1, keepdims=True))
    return (1 - label_smoothing) * shares + label_smoothing * even


def is_by_number(y_true, logits):
    """Say whether the target is class numbers, not shares of the classes."""
    n_classes = logits.shape[-1]
    has_shares = len(y_true.shape) == len(logits.shape) and y_true.shape[-1] == n_classes
    return not has_shares or n_classes == 1


def known(y_true, dtype):
    """Return the target with NaN replaced by 0, and 1 where it was not NaN."""
    y_true = ops.cast(y_true, dtype)
    is_unknown = ops.isnan(y_true)
    return ops.where(is_unknown, ops.zeros_like(y_true), y_true), 1 - ops.cast(is_unknown, dtype)


def valid_steps(y_true, logits, mask=None, padding_label=None):
    """Return which steps count, bool of shape (n, n_steps); as in `masked_crossentropy`."""
    valid = ops.ones_like(logits[..., 0], dtype="bool")
    if mask is not None:
        valid = ops.logical_and(valid, ops.cast(mask, "bool"))
    if padding_label is not None:
        label = class_numbers(y_true, logits)
        valid = ops.logical_and(valid, label != ops.cast(padding_label, label.dtype))
    return valid
