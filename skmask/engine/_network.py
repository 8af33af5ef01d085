"""Networks as the engine sees them: a key, a way to build, seeded starting values."""

import json
import random
import re
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import numpy as np

from skmask.engine._machine import without_values
from skmask.engine._tensorflow import keras, note_use

Builder = Callable[[], Any]

_SEED_STATE = "seed_generator_state"
_building = threading.RLock()


@contextmanager
def _global_random_kept() -> Iterator[None]:
    """Keras draws a seed from `random` for each unseeded layer; give the stream back."""
    with _building:
        state = random.getstate()
        try:
            yield
        finally:
            random.setstate(state)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _neutral_names(model: Any) -> dict[str, str]:
    """Map names that Keras gave by itself (`dense_7`) to names that do not count up."""
    neutral: dict[str, str] = {}
    for thing in [model, *model._flatten_layers(include_self=False), *model.operations]:
        stem = _snake_case(type(thing).__name__)
        if re.fullmatch(rf"{re.escape(stem)}(_\d+)?", thing.name):
            neutral.setdefault(thing.name, f"{stem}#{len(neutral)}")
    return neutral


def _rename(config: Any, names: dict[str, str]) -> Any:
    if isinstance(config, dict):
        return {key: _rename(value, names) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_rename(value, names) for value in config]
    return names.get(config, config) if isinstance(config, str) else config


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
        text = json.dumps(_rename(config, _neutral_names(model)), sort_keys=True)
    except (NotImplementedError, TypeError, ValueError):
        return None
    if '"__lambda__"' in text:
        return None
    # Classes by identity: one redefined in a notebook has the old one's name and config.
    return text, tuple(type(layer) for layer in layers)


class Network:
    """A network that can be built, told from others and given starting weights.

    Parameters
    ----------
    build : callable returning a `keras.Model` from inputs to logits.
    key : hashable, default=None
        Equal keys promise equal graphs. None: the network is asked to describe itself,
        and where it cannot, it shares its programs with nobody.
    """

    def __init__(self, build: Builder, key: Hashable | None = None):
        self._build = build
        note_use()
        # In this scope variables stay unmade and so keep their initialisers; layers that
        # come with weights of their own (pretrained, shared) are seen with their values.
        with _global_random_kept(), without_values() as scope:
            model = build()
            self._starts = [self._start(variable, scope) for variable in model.variables]
        self.weight_names = [variable.name for variable in model.variables]
        self.weight_shapes = [tuple(variable.shape) for variable in model.variables]
        self.output_shape = model.output_shape
        self.dtype = "float64" if model.output.dtype == "float64" else "float32"
        if key is None:
            key = describe(model)
        self.is_shareable = key is not None
        self.key: Hashable = object() if key is None else key

    @staticmethod
    def _start(variable: Any, scope: Any) -> tuple[Any, tuple[int, ...], str]:
        shape, dtype = tuple(variable.shape), variable.dtype
        value = scope.get_current_value(variable)
        if value is None and variable._initializer is None:
            value = variable.value
        if value is not None:
            return np.array(value), shape, dtype
        if variable.name == _SEED_STATE:
            return None, shape, dtype
        return variable._initializer, shape, dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def build(self) -> Any:
        """Return a new `keras.Model`, its weights those of nobody in particular."""
        with _global_random_kept():
            return self._build()

    def outline(self) -> Any:
        """Return a new `keras.Model` whose variables have no values: what is traced."""
        with without_values():
            return self.build()

    def starting_weights(
        self, seed: int, known: Mapping[str, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return fresh values for `model.variables`, decided by `seed` but for those known.

        Parameters
        ----------
        seed : int
        known : mapping of str to ndarray, default=None
            Values of variables, by name.
        """
        note_use()
        rng = np.random.default_rng(seed)
        known = known or {}
        return [
            np.asarray(known[name], start[2]) if name in known else _starting_value(*start, rng)
            for name, start in zip(self.weight_names, self._starts, strict=True)
        ]


def _starting_value(
    start: Any, shape: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> np.ndarray:
    if isinstance(start, np.ndarray):
        return start.copy()
    if start is None:  # the state of a seed generator: its seed, and how often it was asked
        return np.array([rng.integers(2**31), 0], dtype=dtype)
    if isinstance(start, keras.initializers.Initializer):
        config = start.get_config()
        if "seed" in config and config["seed"] is None:
            config["seed"] = int(rng.integers(2**31))
            start = type(start).from_config(config)
    return np.array(start(shape, dtype=dtype))


def with_weights(network: Network, weights: list[np.ndarray]) -> Any:
    """Return a new `keras.Model` of this network with these weights."""
    model = network.build()
    for variable, value in zip(model.variables, weights, strict=True):
        variable.assign(value)
    return model


def custom_network(
    network: Callable[[Any, int], Any],
    input_shape: tuple[int | None, ...],
    n_outputs: int,
    policy: str = "float32",
) -> Network:
    """Return the network that a user's callable `(inputs, n_outputs) -> logits` makes."""
    return Network(partial(_model, network, input_shape, n_outputs, policy))


def described_network(
    network: Callable[..., Any],
    input_shape: tuple[int | None, ...],
    n_outputs: int,
    policy: str = "float32",
    **settings: Hashable,
) -> Network:
    """Return the network `network(inputs, n_outputs, **settings)`, without building it twice.

    For functions that depend on nothing but their arguments, and on Keras' dtype policy.
    """
    return _described_network(network, input_shape, n_outputs, policy, **settings)


@lru_cache(maxsize=64)
def _described_network(
    network: Callable[..., Any],
    input_shape: tuple[int | None, ...],
    n_outputs: int,
    policy: str,
    **settings: Hashable,
) -> Network:
    return Network(
        partial(_model, partial(network, **settings), input_shape, n_outputs, policy),
        key=(network, input_shape, n_outputs, policy, tuple(sorted(settings.items()))),
    )


def _model(
    network: Callable[..., Any], input_shape: tuple[int | None, ...], n_outputs: int, policy: str
) -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input(input_shape, dtype=policy)
    logits = network(inputs, n_outputs)
    keras.config.set_dtype_policy(before)
    if not keras.backend.is_keras_tensor(logits):
        raise TypeError(
            f"network must return a Keras tensor; got {logits!r}. Return the logits, made from "
            "`inputs`."
        )
    return keras.Model(inputs, logits)
