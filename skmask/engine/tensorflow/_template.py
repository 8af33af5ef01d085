"""Ready Keras models as networks: templates, which are copied and never changed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from skmask.engine.tensorflow._names import keras, note_use
from skmask.engine.tensorflow._settings import keras_settings

__all__ = ["as_function", "copied", "frozen_template", "takes"]


def frozen_template(network: Any) -> Any:
    """Return a copy of a Keras model, independent of later changes of the model.

    Anything else is returned as it is.
    """
    if not isinstance(network, keras.Model):
        return network
    note_use()
    with keras_settings("float32"):
        return copied(network)


def as_function(network: Any) -> Callable[..., Any]:
    """Return a function `(inputs, n_outputs, ...) -> logits` for a function or a Keras model."""
    if isinstance(network, keras.Model):
        return partial(_outputs, network)
    is_class = isinstance(network, type)
    if isinstance(network, keras.Layer) or (is_class and issubclass(network, keras.Layer)):
        name = f"the class {network.__name__}" if is_class else f"a {type(network).__name__} layer"
        raise TypeError(
            f"network must be a function `(inputs, n_outputs) -> logits` or a keras.Model; got "
            f"{name}. Call it in such a function, or put it into a model."
        )
    return network


def _outputs(template: Any, inputs: Any, n_outputs: int, mask: Any = None) -> Any:
    """Return the outputs of a copy of a template, its weights the starting weights."""
    given = [tuple(tensor.shape) for tensor in getattr(template, "inputs", None) or ()]
    if given and not (len(given) == 1 and takes(given[0], tuple(inputs.shape))):
        cure = "Build it for the features of X."
        if len(given) > 1:
            cure = "Say with the parameter inputs which columns of X each gets."
        raise ValueError(
            f"network must take inputs of shape {tuple(inputs.shape)}; got a model of inputs of "
            f"shape {', '.join(map(str, given))}. {cure}"
        )
    copy = copied(template)
    try:
        return copy(inputs)
    except Exception as error:
        raise ValueError(
            f"network must take inputs of shape {tuple(inputs.shape)}; got a model that fails on "
            "them. Build it for the features of X."
        ) from error


def takes(own: tuple[int | None, ...], shape: tuple[int | None, ...]) -> bool:
    """Say whether an input of one shape takes tensors of another, beside the number of rows."""
    pairs = zip(own[1:], shape[1:], strict=False)
    return len(own) == len(shape) and all(mine in (None, size) for mine, size in pairs)


def copied(template: Any) -> Any:
    """Return a new model of the same config and weights, not compiled."""
    # As if it had not been compiled: what it was compiled with need not be copied.
    shallow = object.__new__(type(template))
    vars(shallow).update(vars(template), compiled=False)
    try:
        if isinstance(template, keras.Sequential) or hasattr(template, "operations"):
            copy = keras.models.clone_model(shallow, recursive=True)
            copy.supports_masking = True  # it hands a mask to its layers, or Keras warns
        else:
            copy = type(template).from_config(template.get_config())
            if template.weights:
                copy.build_from_config(template.get_build_config())
        _copy_weights(template, copy)
    except Exception as error:
        raise TypeError(
            "network must be a Keras model that its config can make anew; got a "
            f"{type(template).__name__} for which that fails. Build it of layers, by "
            "keras.Sequential or keras.Model(inputs, outputs), or give a function."
        ) from error
    return copy


def _copy_weights(template: Any, copy: Any) -> None:
    """Set the weights of a copy, layer by layer, as Keras does that loads a model."""
    if not template.weights:
        return
    for old, new in zip(template._flatten_layers(), copy._flatten_layers(), strict=True):
        if old.built and new.built:
            stored: dict[str, Any] = {}
            old.save_own_variables(stored)
            if stored:
                new.load_own_variables(stored)
