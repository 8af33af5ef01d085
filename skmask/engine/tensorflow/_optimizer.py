"""Optimizers as the engine sees them: what is traced, and the learning rate, which is not."""

import json
from collections.abc import Hashable
from types import FunctionType
from typing import Any

import numpy as np

from skmask.engine.tensorflow._description import frozen, is_of_keras, is_plain
from skmask.engine.tensorflow._machine import standing_in, without_values
from skmask.engine.tensorflow._names import keras, tf

_RATE_OF_NAMES = 1e-3
# Where `exclude_from_weight_decay` notes names of variables.
_NOT_DECAYED = "_exclude_from_weight_decay_pattern"


# `keras.optimizers.get` does not know all of them.
_CLASSES = {name.lower(): each for name, each in vars(keras.optimizers).items()}


class OptimizerRecipe:
    """How to make an optimizer again and again from a name or a template.

    Parameters
    ----------
    optimizer : str or `keras.optimizers.Optimizer`
        An instance is only read: its config, a schedule that it follows, and the attributes
        that its config leaves out. Its state is not used.
    learning_rate : float, default=None
        A number wins over a template's own rate, also over a schedule. None: 1e-3 for a name,
        the template's own otherwise.
    """

    def __init__(self, optimizer: Any, learning_rate: float | None = None):
        check_optimizer(optimizer)
        self._inner: OptimizerRecipe | None = None
        self._config: dict[str, Any] = {}
        self._beside: dict[str, Any] = {}
        own_rate: Any = _RATE_OF_NAMES
        if isinstance(optimizer, str):
            self._class = _CLASSES[optimizer]
        else:
            self._class = type(optimizer)
            self._config = _config_of(optimizer)
            self._beside = _beside_config(optimizer, self._config)
            own_rate = _rate_of(optimizer)
            if hasattr(optimizer, "inner_optimizer"):  # one that scales the loss of another
                self._inner = OptimizerRecipe(optimizer.inner_optimizer, learning_rate)
                own_rate = self._inner._rate
        self._rate: Any = own_rate if learning_rate is None else float(learning_rate)
        self.learning_rate = self._rate if isinstance(self._rate, float) else None
        schedule = None if self.learning_rate is not None else self._rate
        settings = {name: value for name, value in self._config.items() if name != "name"}
        self.key: Hashable = (
            self._class,
            frozen(settings),
            frozen(self._beside),
            None if schedule is None else _key_of_schedule(schedule),
            None if self._inner is None else self._inner.key,
        )
        parts = [settings, self._beside, schedule]
        text = json.dumps(parts, sort_keys=True, default=lambda thing: type(thing).__name__)
        inner = "" if self._inner is None else f" {self._inner.name}"
        self.name: str = f"{self._class.__name__} {text}{inner}"

    def build(self) -> Any:
        """Return a new optimizer without variables."""
        if self._inner is not None:
            return self._class(self._inner.build(), **self._config)
        try:
            optimizer = self._class.from_config({**self._config, "learning_rate": self._rate})
        except Exception as error:
            raise TypeError(
                f"optimizer must be made anew from its config; got {self._class.__name__}, where "
                f"that fails: {error}. Let its get_config return the arguments of its __init__."
            ) from error
        vars(optimizer).update(self._beside)
        return optimizer

    def outline(self, model: Any) -> Any:
        """Return a new optimizer for a model, its variables without values where Keras allows it.

        Parameters
        ----------
        model : keras.Model
            Its variables need no values.
        """
        optimizer = self.build()
        try:
            with without_values(), tf.Graph().as_default(), standing_in(model.variables):
                optimizer.build(model.trainable_variables)
        except ValueError:  # an optimizer that makes a variable of a number, like Nadam
            optimizer = self.build()
            with standing_in(model.variables):
                optimizer.build(model.trainable_variables)
        return optimizer


def _without_rate(optimizer: Any) -> Any:
    """Return a shallow copy of an optimizer whose config can be taken, whatever its schedule."""
    copy = object.__new__(type(optimizer))
    vars(copy).update(vars(optimizer), _learning_rate=0.0)
    if hasattr(optimizer, "inner_optimizer"):
        vars(copy)["inner_optimizer"] = _without_rate(optimizer.inner_optimizer)
    return copy


def _config_of(optimizer: Any) -> dict[str, Any]:
    """Return the config of an optimizer without its learning rate and an inner optimizer."""
    config = _without_rate(optimizer).get_config()
    return {k: v for k, v in config.items() if k not in ("learning_rate", "inner_optimizer")}


def _beside_config(optimizer: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Return plain attributes that an optimizer computes with and its config leaves out."""
    known = {"built", "name", *config}

    def counts(name: str, value: Any) -> bool:
        is_public = name[0] != "_" and name not in known
        return name == _NOT_DECAYED or (is_public and is_plain(value))

    return {name: value for name, value in vars(optimizer).items() if counts(name, value)}


def _rate_of(optimizer: Any) -> Any:
    """Return the learning rate of an optimizer: a number or a schedule."""
    rate = optimizer._learning_rate
    return rate if callable(rate) else float(np.asarray(rate))


def _key_of_schedule(schedule: Any) -> Hashable:
    """Return a key for a schedule: by identity, unless all that it holds is plain."""
    if is_of_keras(schedule):
        return type(schedule), frozen(schedule.get_config())
    held = getattr(schedule, "__dict__", None)
    is_known = held is not None and not isinstance(schedule, FunctionType) and is_plain(held)
    return (type(schedule), frozen(held)) if is_known else frozen(schedule)


def check_optimizer(optimizer: Any) -> None:
    """Raise for what is neither a name nor an instance of an optimizer."""
    if not isinstance(optimizer, str | keras.optimizers.Optimizer):
        is_class = isinstance(optimizer, type)
        raise TypeError(
            "optimizer must be a name or an instance of keras.optimizers.Optimizer; got "
            f"{f'the class {optimizer.__name__}' if is_class else repr(optimizer)}. "
            f"{f'Write {optimizer.__name__}().' if is_class else 'Give one of these.'}"
        )
