"""Networks that are the mean of members, each of which has a loss in training."""

from collections.abc import Mapping, Sequence
from typing import Any

from skmask.engine.tensorflow._names import keras, tf
from skmask.nn.layers import MemberMean

__all__ = ["by_member", "members_of"]


def members_of(model: Any, number: int = 0) -> Any:
    """Return the model of the members' logits, (B, n_members, n_outputs), or None.

    Parameters
    ----------
    model : keras.Model
        None is returned unless it ends in a `MemberMean`, or in a model that does.
    number : int, default=0
        Of the output.
    """
    _, node_index, tensor_index = history = model.outputs[number]._keras_history
    last, node = history.operation, history.operation._inbound_nodes[node_index]
    if type(last) is MemberMean:
        return keras.Model(_one_or_all(model.inputs), node.input_tensors[0])
    if not (isinstance(last, keras.Model) and getattr(last, "outputs", None)):
        return None
    inner = members_of(last, tensor_index)
    if inner is None:
        return None
    return keras.Model(_one_or_all(model.inputs), inner(_one_or_all(node.input_tensors)))


def _one_or_all(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)


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
