"""Networks that are the mean of members, each of which has a loss in training."""

from collections.abc import Mapping
from typing import Any

from skmask.engine.tensorflow._names import keras, tf
from skmask.nn.layers import MemberMean

__all__ = ["by_member", "members_of"]


def members_of(model: Any) -> Any:
    """Return the model of the members' logits, (B, n_members, n_outputs), or None.

    Parameters
    ----------
    model : keras.Model
        None is returned unless it ends in a `MemberMean`.
    """
    last = model.output._keras_history.operation
    return keras.Model(model.inputs[0], last.input) if type(last) is MemberMean else None


def by_member(batch: Mapping[str, Any], logits: Any, valid: Any) -> tuple[dict[str, Any], Any, Any]:
    """Return a batch in which each row stands once for each member, logits and `valid` alike.

    Parameters
    ----------
    batch : mapping of tensors of shape (B, ...)
    logits : tensor of shape (B, n_members, n_outputs)
    valid : tensor of shape (B,)
    """
    n_members, n_outputs = logits.shape[1:]

    def repeated(values: Any) -> Any:
        return tf.repeat(values, n_members, axis=0)

    others = {name: repeated(values) for name, values in batch.items() if name != "X"}
    return others, tf.reshape(logits, (-1, n_outputs)), repeated(valid)
