"""All of the engine that touches Keras and TensorFlow."""

from skmask.engine.tensorflow._callbacks import check_callbacks, release_models
from skmask.engine.tensorflow._candidates import check_sparse_updates, has_symmetric_steps
from skmask.engine.tensorflow._graph import Graph, custom_network, graph_of, with_weights
from skmask.engine.tensorflow._inference import forward_function
from skmask.engine.tensorflow._kernels import check_kernel, own_kernel_values
from skmask.engine.tensorflow._machine import count_traces
from skmask.engine.tensorflow._names import note_use
from skmask.engine.tensorflow._optimizer import OptimizerRecipe
from skmask.engine.tensorflow._solvers import keras_watcher, lent_solver
from skmask.engine.tensorflow._stored import restored_optimizer, solver_name, stored_optimizer
from skmask.engine.tensorflow._template import as_function, frozen_template

__all__ = [
    "Graph",
    "OptimizerRecipe",
    "as_function",
    "check_callbacks",
    "check_kernel",
    "check_sparse_updates",
    "count_traces",
    "custom_network",
    "forward_function",
    "frozen_template",
    "graph_of",
    "has_symmetric_steps",
    "keras_watcher",
    "lent_solver",
    "note_use",
    "own_kernel_values",
    "release_models",
    "restored_optimizer",
    "solver_name",
    "stored_optimizer",
    "with_weights",
]
