"""Training on the logits of candidates: the classes that a sparse mask allows for each row."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from skmask.engine._job import Loss
from skmask.engine.tensorflow._candidate_layouts import InRectangle, OneByOne
from skmask.engine.tensorflow._graph import Graph
from skmask.engine.tensorflow._machine import released, without_values
from skmask.engine.tensorflow._names import keras, tf
from skmask.engine.tensorflow._optimizer import OptimizerRecipe
from skmask.engine.tensorflow._program import Program, Recipe
from skmask.engine.tensorflow._stored import restored_optimizer

__all__ = ["CandidateProgram", "check_sparse_updates", "has_symmetric_steps"]

# Optimizers whose step for a kernel is that of its transpose, transposed.
_SYMMETRIC = {
    "Adadelta", "Adagrad", "Adam", "Adamax", "AdamW",
    "Ftrl", "Lamb", "Lion", "Nadam", "RMSprop", "SGD",
}  # fmt: skip


# Those whose step for a number depends on that number's gradient and slots alone.
_BY_NUMBER = {"adadelta", "adagrad", "adam", "adamax", "lion", "rmsprop", "sgd"}


def check_sparse_updates(optimizer: Any) -> None:
    """Raise for an optimizer that cannot step on some rows of a kernel.

    Parameters
    ----------
    optimizer : str, keras.optimizers.Optimizer, or dict of a stored one
    """
    optimizer = OptimizerRecipe(restored_optimizer(optimizer)).build()
    name = type(optimizer).__name__
    if name.lower() not in _BY_NUMBER or not _is_plain(optimizer):
        raise ValueError(
            f"sparse_updates must be False for this optimizer; got True with {name}. Use one of "
            f"{sorted(_BY_NUMBER)}, without weight decay, clipping, averages and accumulation."
        )


def has_symmetric_steps(optimizer: Any) -> bool:
    """Say whether an optimizer steps alike on a kernel and on its transpose.

    Parameters
    ----------
    optimizer : str or keras.optimizers.Optimizer
    """
    if isinstance(optimizer, str):
        return optimizer in {name.lower() for name in _SYMMETRIC}
    return any(type(optimizer) is getattr(keras.optimizers, name) for name in _SYMMETRIC)


def _is_plain(optimizer: Any) -> bool:
    """Say whether a step is that of each number's gradient and slots, and of nothing else."""
    others = (
        "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema",
        "gradient_accumulation_steps", "loss_scale_factor",
    )  # fmt: skip
    return not any(getattr(optimizer, name, None) for name in others)


def _steps_on_gradient_only(optimizer: Any) -> bool:
    """Say whether the step on the rows of a gradient is the step on all rows."""
    is_sgd = type(optimizer) is keras.optimizers.SGD
    return is_sgd and not optimizer.momentum and _is_plain(optimizer)


class _LogitsByClass(keras.layers.Layer):
    """The last layer, with the weights of a class next to each other: a row of the kernel."""

    def __init__(self, units: int, name: str):
        super().__init__(name=name)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(self.units, input_shape[-1]), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), name="bias")

    def call(self, inputs: Any) -> Any:
        return keras.ops.matmul(inputs, keras.ops.transpose(self.kernel)) + self.bias


class CandidateProgram(Program):
    """A program whose network ends in a dense layer, of which it computes candidates only.

    The step of the optimizer, which takes all of the kernel, is compiled by XLA into one pass;
    where it only subtracts a multiple of the gradient from the weights, it takes the rows of the
    gradient, and all of the program is compiled where candidates lie in a rectangle.

    Parameters
    ----------
    recipe : Recipe
    sparse_updates : bool, default=False
        Whether each step takes the weights and slots of the candidates of its batch only.
    width : int or None, default=None
        Of the rectangle of candidates. None: they lie one after the other.
    """

    def __init__(self, recipe: Recipe, *, sparse_updates: bool = False, width: int | None = None):
        self._compiled: list[Any] = []
        self._sparse_updates = sparse_updates
        self._layout: Any = OneByOne() if width is None else InRectangle(width)
        super().__init__(recipe)
        self._is_by_row = self._uses_xla  # elsewhere a short batch is short
        self._is_turned = [variable is self._last.kernel for variable in self._model.variables]
        of_kernel = {id(slot) for slot in self._slots_of(self._last.kernel)}
        self._are_turned = [id(slot) in of_kernel for slot in self._optimizer.variables]

    def _slots_of(self, variable: Any) -> list[Any]:
        """Return the variables of the optimizer that hold a number for each of a weight's."""
        name, shape = variable.path.replace("/", "_") + "_", variable.shape
        return [
            slot
            for slot in self._optimizer.variables
            if slot.name.startswith(name) and slot.shape == shape
        ]

    def _outline(self, graph: Graph) -> Any:
        model = super()._outline(graph)
        last = model.layers[-1]
        with graph.settings(), without_values():
            self._hidden = keras.Model(model.inputs, last.input)
            self._last = _LogitsByClass(last.units, last.name)
            return keras.Model(model.inputs, self._last(last.input))

    # Outside of the program kernels have the classes last.

    def load(
        self,
        weights: Sequence[np.ndarray],
        slots: Sequence[np.ndarray] | None = None,
        learning_rate: float | None = None,
    ) -> None:
        if slots is not None:
            slots = _turned(slots, self._are_turned)
        super().load(_turned(weights, self._is_turned), slots, learning_rate)

    def read_weights(self) -> list[np.ndarray]:
        return _turned(super().read_weights(), self._is_turned)

    def read_slots(self) -> list[np.ndarray]:
        return _turned(super().read_slots(), self._are_turned)

    # What is traced.

    @property
    def _loss(self) -> Loss:
        return self._layout.loss(tuple(name for name, _ in self.recipe.loss.metrics))

    def _pays_under_xla(self) -> bool:
        is_rectangle = isinstance(self._layout, InRectangle) and "X" not in self.recipe.stay_sparse
        steps_on_rows = is_rectangle and _steps_on_gradient_only(self._optimizer)
        return steps_on_rows and self._may_use_xla()

    def _gathered(self, data: Any, rows: Any) -> dict[str, Any]:
        others = {name: column for name, column in data.items() if name != "allowed"}
        candidates = self._layout.gathered(data["allowed"], rows)
        return {**super()._gathered(others, rows), **candidates}

    def _logits(self, batch: Any, *, training: bool) -> Any:
        hidden = self._hidden(batch["X"], training=training)
        return self._layout.logits(self._last.kernel.value, self._last.bias.value, hidden, batch)

    def _apply(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        if _steps_on_gradient_only(self._optimizer):
            super()._apply(gradients, variables)
            return
        if self._sparse_updates and isinstance(gradients[-2], tf.IndexedSlices):
            self._apply_to_rows(gradients, variables)
            return

        def step(*gradients: Any) -> None:
            self._optimizer.apply(gradients, variables)

        compiled: Any = tf.function(step, jit_compile=True, autograph=False)
        compiled(*map(tf.convert_to_tensor, gradients))
        self._compiled.append(compiled)

    def _apply_to_rows(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        """Take a step on the candidates' weights of the last layer, and on all of the others."""
        rate = self._optimizer.learning_rate
        for gradient, variable in zip(gradients[-2:], variables[-2:], strict=True):
            rows, number = tf.unique(gradient.indices)
            total = tf.math.unsorted_segment_sum(gradient.values, number, tf.size(rows))
            with _rows_only([variable, *self._slots_of(variable)], rows):
                # That of the class, which takes a part of a variable.
                type(self._optimizer).update_step(self._optimizer, total, variable, rate)
        if len(variables) == 2:
            self._optimizer.iterations.assign_add(1)
        else:
            self._optimizer.apply([*map(tf.convert_to_tensor, gradients[:-2])], variables[:-2])

    def _execute(self, name: str, inputs: tuple[Any, ...]) -> list[np.ndarray]:
        results = super()._execute(name, inputs)
        while self._compiled:
            released(self._compiled.pop())
        return results


class _Rows:
    """Some rows of a variable, which an optimizer reads and writes in its place."""

    def __init__(self, variable: Any, rows: Any):
        self._variable, self._rows = variable, rows
        self._unique_id = variable._unique_id
        self.dtype = variable.dtype
        self._now = tf.gather(variable, rows)

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
        return self._now

    def assign(self, value: Any) -> None:
        self._now = value

    def assign_add(self, value: Any) -> None:
        self._now += value

    def assign_sub(self, value: Any) -> None:
        self._now -= value

    def write(self) -> None:
        """Write the rows to the variable."""
        self._variable.scatter_update(tf.IndexedSlices(self._now, self._rows))


@contextmanager
def _rows_only(variables: Sequence[Any], rows: Any) -> Iterator[None]:
    """Let Keras variables be some rows of what they are, and write these at the end."""
    before = [variable._value for variable in variables]
    parts = [_Rows(value, rows) for value in before]
    for variable, part in zip(variables, parts, strict=True):
        variable._value = part
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable._value = value
    for part in parts:
        part.write()


def _turned(arrays: Sequence[np.ndarray], which: Sequence[bool]) -> list[np.ndarray]:
    """Return arrays, some of them transposed."""
    return [
        np.transpose(array) if is_turned else array
        for array, is_turned in zip(arrays, which, strict=True)
    ]
