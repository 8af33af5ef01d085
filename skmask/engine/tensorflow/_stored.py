"""Optimizers as plain values, and the names that tell their states apart."""

from typing import Any

from skmask.engine._job import Lbfgs, Steps
from skmask.engine.tensorflow._names import keras
from skmask.engine.tensorflow._optimizer import OptimizerRecipe

__all__ = ["restored_optimizer", "solver_name", "stored_optimizer"]


def stored_optimizer(optimizer: Any) -> Any:
    """Return an optimizer as the dict that Keras makes of it; as it is where Keras cannot."""
    try:
        stored = keras.saving.serialize_keras_object(optimizer)
        restored_optimizer(stored)
    except Exception:
        return optimizer
    return stored


def restored_optimizer(optimizer: Any) -> Any:
    """Return the optimizer that a dict describes; anything else as it is."""
    if not isinstance(optimizer, dict):
        return optimizer
    try:
        return keras.optimizers.deserialize(optimizer)
    except Exception as error:
        raise ValueError(
            "optimizer must be a dict that keras.optimizers.serialize makes, where it is a dict; "
            f"got {optimizer!r:.200}. Give a name or an instance."
        ) from error


def solver_name(solver: Steps | Lbfgs) -> str:
    """Return a name that is equal where the states of two solvers can be exchanged."""
    if isinstance(solver, Steps):
        return OptimizerRecipe(solver.optimizer, solver.learning_rate).name
    return solver.name
