"""Optimizers as the engine sees them: what is traced, and the learning rate, which is not."""

import json
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Any

from skmask.engine._machine import standing_in, without_values
from skmask.engine._tensorflow import keras, tf

OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw",
    "ftrl", "lamb", "lion", "nadam", "rmsprop", "sgd",
)  # fmt: skip


@dataclass(frozen=True)
class Lbfgs:
    """Full-batch L-BFGS in place of an optimizer that takes steps; epochs are iterations.

    Parameters
    ----------
    tolerance : float
        Largest entry of the gradient at which it stops.
    """

    tolerance: float = 1e-6


@cache
def _class_named(name: str) -> Any:
    return type(keras.optimizers.get(name))


class OptimizerRecipe:
    """How to make an optimizer again and again from a name or a template.

    Parameters
    ----------
    optimizer : str or `keras.optimizers.Optimizer`
        An instance is only read: its config says everything, its state is not used.
    learning_rate : float
        Used with a name. A template's own learning rate wins.
    """

    def __init__(self, optimizer: Any, learning_rate: float):
        if isinstance(optimizer, str):
            self._class = _class_named(optimizer)
            self._config: dict[str, Any] = {"learning_rate": learning_rate}
        else:
            self._class = type(optimizer)
            self._config = optimizer.get_config()
        rate = self._config["learning_rate"]
        self.learning_rate = float(rate) if isinstance(rate, int | float) else None
        static = {name: value for name, value in self._config.items() if name != "learning_rate"}
        if self.learning_rate is None:  # a schedule: traced with the rest
            static["learning_rate"] = rate
        settings = json.dumps(static, sort_keys=True, default=str)
        self.key: Hashable = (self._class, settings)
        self.name = f"{self._class.__name__} {settings}"

    def build(self) -> Any:
        """Return a new optimizer without variables."""
        return self._class.from_config(dict(self._config))

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


def optimizer_recipe(optimizer: Any, learning_rate: float) -> OptimizerRecipe | Lbfgs:
    """Return how to train: as `Lbfgs` says, or by steps of an optimizer.

    Parameters
    ----------
    optimizer : Lbfgs, str or `keras.optimizers.Optimizer`
    learning_rate : float
    """
    if isinstance(optimizer, Lbfgs):
        return optimizer
    return OptimizerRecipe(optimizer, learning_rate)
