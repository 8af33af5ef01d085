"""Keras callbacks, driven once an epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skmask.engine._job import ReadState
from skmask.engine.tensorflow._graph import Graph
from skmask.engine.tensorflow._names import keras
from skmask.engine.tensorflow._optimizer import OptimizerRecipe

__all__ = ["KerasCallbacks", "check_callbacks", "release_models"]


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Raise for what is no instance of a Keras callback."""
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "callbacks must be instances of keras.callbacks.Callback; got "
                f"{callback!r}. Pass an instance, not a class or a function."
            )


def release_models(callbacks: Sequence[Any]) -> None:
    """Take the model from callbacks, which can be copied and stored without it."""
    for callback in callbacks:
        callback._model = None


class KerasCallbacks:
    """Keras callbacks, driven once an epoch, with a model and an optimizer of their own.

    Weights and learning rate that they set on these are copied into the program.
    """

    def __init__(
        self,
        solver: Any,
        graph: Graph,
        optimizer: OptimizerRecipe,
        callbacks: Sequence[Any],
        epochs: int,
        n_steps: int,
        verbose: int,
    ):
        self._solver = solver
        self._model = graph.build()
        with graph.settings():
            self._optimizer = optimizer.build()
            self._optimizer.build(self._model.trainable_variables)
            self._model.compile(optimizer=self._optimizer)
        self._model.stop_training = False
        self._list = keras.callbacks.CallbackList(
            list(callbacks), model=self._model, epochs=epochs, steps=n_steps, verbose=verbose
        )
        self._logs: dict[str, float] = {}
        self._call("on_train_begin")

    def begin_epoch(self, epoch: int) -> None:
        self._call("on_epoch_begin", epoch)

    def end_epoch(self, epoch: int, logs: dict[str, float], state: ReadState) -> bool:
        self._logs = dict(logs)
        self._call("on_epoch_end", epoch)
        return bool(self._model.stop_training)

    def end(self) -> None:
        self._call("on_train_end")

    def _call(self, event: str, *epoch: int) -> None:
        variables = [*self._model.variables, *self._optimizer.variables]
        values = [*self._solver.read_weights(), *self._solver.read_slots()]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        logs = dict(self._logs)
        if logs:
            logs["learning_rate"] = float(self._optimizer.learning_rate)
        getattr(self._list, event)(*epoch, logs)
        n_weights = len(self._model.variables)
        now = [np.asarray(variable) for variable in variables]
        self._solver.load(now[:n_weights], now[n_weights:])
