"""Networks of the user's own with named inputs: each gets its columns of X."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from skmask.engine.tensorflow._names import keras
from skmask.engine.tensorflow._template import as_function, copied, takes

__all__ = ["with_named_inputs"]

Columns = tuple[tuple[str, tuple[int, ...]], ...]


def with_named_inputs(network: Any, columns: Columns) -> Callable[..., Any]:
    """Return a function `(inputs, n_outputs) -> logits` that hands a network its inputs by name.

    Parameters
    ----------
    network : callable `(inputs, n_outputs) -> logits` of a dict of Keras tensors, or `keras.Model`
    columns : tuple of (name, numbers of columns)
    """
    is_model = isinstance(network, keras.Model)
    called = partial(_outputs_of_model, network) if is_model else as_function(network)

    def logits_of(inputs: Any, n_outputs: int) -> Any:
        tensors = {name: keras.ops.take(inputs, list(of), axis=-1) for name, of in columns}
        try:
            logits = called(dict(tensors), n_outputs)
        except KeyError as error:
            if not error.args or not isinstance(error.args[0], str) or error.args[0] in tensors:
                raise
            raise _other_names(tensors, f"a network that asks for {error.args[0]!r}") from error
        unused = _unused(tensors, inputs, logits)
        if unused:
            raise _other_names(tensors, f"a network that does not use {_listed(unused)}")
        return logits

    return logits_of


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _other_names(names: Mapping[str, Any], found: str) -> ValueError:
    return ValueError(
        f"inputs must name the inputs of network, all and no others; got [{_listed(names)}] for "
        f"{found}. Correct inputs or network."
    )


def _unused(tensors: Mapping[str, Any], inputs: Any, logits: Any) -> list[str]:
    """Return the names of the tensors that logits do not depend on; none without a graph."""
    try:
        used = set(map(id, keras.Function(inputs, logits).operations))
    except (ValueError, AttributeError, TypeError):
        return []  # the logits are no result of the inputs, which is checked later
    return [name for name, each in tensors.items() if id(each._keras_history[0]) not in used]


def _outputs_of_model(template: Any, tensors: Mapping[str, Any], n_outputs: int) -> Any:
    """Return the outputs of a copy of a template for inputs by name."""
    copy, given = copied(template), getattr(template, "inputs", None)
    if not given:
        raise TypeError(
            "network must be a functional model, keras.Model(inputs, outputs), or a function, "
            f"where inputs names its inputs; got a {type(template).__name__}. Make it one."
        )
    by_key = template.input if hasattr(template, "input") else given
    wanted = dict(by_key) if isinstance(by_key, dict) else {each.name: each for each in given}
    if set(wanted) != set(tensors):
        raise _other_names(tensors, f"a model with the inputs [{_listed(wanted)}]")
    cast = {name: _as_input(name, tensors[name], each) for name, each in wanted.items()}
    if isinstance(by_key, dict):
        return copy(cast)
    return copy(list(cast.values()) if len(cast) > 1 else next(iter(cast.values())))


def _as_input(name: str, tensor: Any, wanted: Any) -> Any:
    """Return a tensor as an input of a model takes it: whole numbers where it takes those."""
    shape = tuple(wanted.shape)
    if not takes(shape, tuple(tensor.shape)):
        raise ValueError(
            f"inputs[{name!r}] must select as many columns as this input of network takes; got "
            f"{tensor.shape[1]} for an input of shape {shape}. Correct inputs or network."
        )
    is_float = keras.backend.is_float_dtype(wanted.dtype)
    return tensor if is_float else keras.ops.cast(tensor, wanted.dtype)
