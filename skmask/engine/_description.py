"""Keys: equal ones promise that the same graph is traced."""

import hashlib
import json
import re
from collections.abc import Hashable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from skmask.engine._tensorflow import keras, tf

_naming = import_module("keras.src.utils.naming")
_PLAIN = (str, bytes, bool, int, float, complex, np.generic, type(None))
_OURS = ("keras.", "skmask.")


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
    if isinstance(value, np.ndarray) or is_constant(value):
        array = np.ascontiguousarray(value)
        if not array.dtype.hasobject:
            return str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).digest()
    return _Same(value)


def is_constant(value: Any) -> bool:
    """Say whether this is a tensor with a value, not a variable."""
    return isinstance(value, tf.Tensor) and hasattr(value, "numpy")


def _is_of_keras(thing: Any) -> bool:
    """Say whether the class of a thing is one of Keras, or of this package."""
    return type(thing).__module__.startswith(_OURS)


def _automatic_names(config: Any) -> Iterator[tuple[str, str]]:
    """Yield each name that Keras gave by itself (`dense_7`), and what it counted (`dense`)."""
    if isinstance(config, dict):
        own = config.get("config")
        name = str(own.get("name")) if isinstance(own, dict) else ""
        stem = _naming.to_snake_case(str(config.get("class_name")))
        # Keras' Bidirectional puts a word before the name of its layer.
        if re.fullmatch(rf"((?:forward|backward)_)?{re.escape(stem)}(_\d+)?", name):
            yield name, re.sub(r"_\d+$", "", name)
    if isinstance(config, dict | list | tuple):
        for item in config.values() if isinstance(config, dict) else config:
            yield from _automatic_names(item)


def _neutral_names(config: Any) -> dict[str, str]:
    """Map names that Keras gave by itself to names that do not count up."""
    neutral: dict[str, str] = {}
    for name, stem in _automatic_names(config):
        neutral.setdefault(name, f"{stem}#{len(neutral)}")
    return neutral


def _rename(config: Any, names: dict[str, str]) -> Any:
    if isinstance(config, dict):
        return {key: _rename(value, names) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_rename(value, names) for value in config]
    return names.get(config, config) if isinstance(config, str) else config


def _beside_config(layer: Any) -> Hashable:
    """Return a key for what a layer computes with that need not be in its config.

    Constant tensors, like the mean of an adapted Normalization; and where the class is the
    user's, all that does not belong to Keras.
    """
    whole = not _is_of_keras(layer)
    return tuple(
        (name, frozen(value))
        for name, value in sorted(vars(layer).items())
        if is_constant(value)
        or isinstance(value, np.ndarray)
        or (whole and not name.startswith("_") and not _holds_keras(value))
    )


def _holds_keras(value: Any) -> bool:
    """Say whether a value is an object of Keras, a layer, or a collection that holds one."""
    if isinstance(value, dict | list | tuple):
        return any(map(_holds_keras, value.values() if isinstance(value, dict) else value))
    return isinstance(value, keras.layers.Layer) or _is_of_keras(value)


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
        text = json.dumps(_rename(config, _neutral_names(config)), sort_keys=True)
    except (NotImplementedError, TypeError, ValueError):
        return None
    if '"__lambda__"' in text:
        return None
    # Classes by identity: one redefined in a notebook has the old one's name and config.
    return text, tuple((type(layer), _beside_config(layer)) for layer in layers)
