"""Programs, training and inference: Keras and TensorFlow, and nothing of scikit-learn."""

from skmask.engine._inference import Predictor, check_finite_outputs, log_softmax, softmax
from skmask.engine._machine import count_traces
from skmask.engine._network import (
    Network,
    custom_network,
    damaged,
    described_network,
    with_weights,
)
from skmask.engine._optimizer import OPTIMIZERS, Lbfgs, OptimizerRecipe, optimizer_recipe
from skmask.engine._program import Loss
from skmask.engine._template import as_function, frozen_template
from skmask.engine._tensorflow import note_use
from skmask.engine._training import DivergenceError, State, Task, Watcher, is_keras_callback, train

__all__ = [
    "OPTIMIZERS",
    "DivergenceError",
    "Lbfgs",
    "Loss",
    "Network",
    "OptimizerRecipe",
    "Predictor",
    "State",
    "Task",
    "Watcher",
    "as_function",
    "check_finite_outputs",
    "count_traces",
    "custom_network",
    "damaged",
    "described_network",
    "frozen_template",
    "is_keras_callback",
    "log_softmax",
    "note_use",
    "optimizer_recipe",
    "softmax",
    "train",
    "with_weights",
]
