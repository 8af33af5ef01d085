"""Keys: equal ones promise that the same graph is traced."""

import hashlib
import json
import re
from collections.abc import Hashable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from skmask.engine.tensorflow._names import keras, tf

_naming = import_module("keras.src.utils.naming")
_PLAIN = (str, bytes, bool, int, float, complex, np.generic, type(None))


class _Same:
    """A key that only the same object has; it keeps the object, or its address would be reused."""

    def __init__(self, thing: Any):
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._thing is other._thing

    def __hash__(self) -> int:
        return id(self._thing)


def frozen(value: Any) -> Hashable:
    """Return a key for a value: by content for plain values and arrays, otherwise by identity."""
    if isinstance(value, _PLAIN):
        return type(value).__name__, value
    if isinstance(value, dict):
        return "dict", tuple((frozen(key), frozen(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "list", tuple(frozen(item) for item in value)
    if isinstance(value, np.ndarray) or _is_constant(value):
        array = np.ascontiguousarray(value)
        content = array.tolist() if array.dtype.hasobject else array.tobytes()
        return str(array.dtype), array.shape, hashlib.sha256(repr(content).encode()).digest()
    return _Same(value)


def _is_constant(value: Any) -> bool:
    """Say whether this is a tensor with a value, not a variable."""
    return isinstance(value, tf.Tensor) and hasattr(value, "numpy")


def is_plain(value: Any) -> bool:
    """Say whether a value is plain data: its content alone decides what it does."""
    if isinstance(value, dict | list | tuple):
        return all(map(is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, (*_PLAIN, np.ndarray)) or _is_constant(value)


def _holds_keras(value: Any) -> bool:
    """Say whether a value is an object of Keras, a layer, or a collection that holds one."""
    if isinstance(value, dict | list | tuple):
        return any(map(_holds_keras, value.values() if isinstance(value, dict) else value))
    return isinstance(value, keras.layers.Layer) or is_of_keras(value)


def is_of_keras(thing: Any) -> bool:
    """Say whether the class of a thing is one of Keras, or of this package."""
    return type(thing).__module__.startswith(("keras.", "skmask."))


def _beside_config(layer: Any) -> Hashable:
    """Return a key for what a layer computes with that need not be in its config.

    Constants, like the mean of an adapted Normalization or the bins of a Discretization; and
    where the class is the user's, all that does not belong to Keras.
    """
    values = {name: value for name, value in vars(layer).items() if name[0] != "_"}
    for name in ("name", "input_names", "output_names"):
        values.pop(name, None)
    if hasattr(layer, "get_vocabulary"):
        values["vocabulary"] = layer.get_vocabulary()

    def counts(name: str, value: Any) -> bool:
        if is_plain(value):
            return True
        is_method = callable(value) and hasattr(type(layer), name)  # wrapped by Keras
        return not (is_of_keras(layer) or _holds_keras(value) or is_method)

    return tuple(
        (name, frozen(values[name])) for name in sorted(values) if counts(name, values[name])
    )


def _stems(model: Any, config: Any) -> set[str]:
    """Return the names that Keras gives by default to the parts of a model."""
    things = [model, *model._flatten_layers(include_self=False), *model.operations]
    names = {"KerasTensor", *(type(thing).__name__ for thing in things), *_class_names(config)}
    return {_naming.to_snake_case(name) for name in names}


def _class_names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        config = list(config.values())
    if isinstance(config, list | tuple):
        for item in config:
            yield from _class_names(item)


def _neutral(config: Any, stems: set[str], names: dict[str, str], is_name: bool = False) -> Any:
    """Return a config in which names that count up (`dense_7`) have numbers by occurrence."""
    if isinstance(config, dict):
        return {key: _neutral(item, stems, names, key == "name") for key, item in config.items()}
    if isinstance(config, list | tuple):
        # A reference to an output of a layer: its name and two numbers.
        is_reference = [type(item) for item in config] == [str, int, int]
        return [_neutral(item, stems, names, is_reference) for item in config]
    if not is_name or not isinstance(config, str):
        return config
    # Bidirectional puts a word before the name of its layer, a graph made anew one behind it.
    stem = re.sub(r"(_\d+)?(CLONE)?$", "", re.sub("^(forward|backward)_", "", config))
    return names.setdefault(config, f"{stem}#{len(names)}") if stem in stems else config


def describe(model: Any) -> Hashable | None:
    """Return a key that two models share only if the same graph is traced from both.

    None means that the model cannot describe itself: a layer without a config, or a
    lambda, whose config leaves out the values it closes over.
    """
    layers = [model, *model._flatten_layers(include_self=False)]
    if any(isinstance(layer, keras.layers.Lambda) for layer in layers):
        return None
    try:
        config = keras.saving.serialize_keras_object(model)
        text = json.dumps(_neutral(config, _stems(model, config), {}), sort_keys=True)
    except (NotImplementedError, TypeError, ValueError):
        return None
    if '"__lambda__"' in text:
        return None
    # Classes by identity: one redefined in a notebook has the old one's name and config.
    return text, tuple((type(layer), _beside_config(layer)) for layer in layers)
