"""Training on the logits of candidates: the classes that a sparse mask allows for each row."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skmask.engine._job import Loss
from skmask.engine.tensorflow._graph import Graph
from skmask.engine.tensorflow._machine import released, without_values
from skmask.engine.tensorflow._names import keras, tf
from skmask.engine.tensorflow._program import Program, Recipe
from skmask.engine.tensorflow._rows import stored_of

__all__ = ["CandidateProgram", "has_symmetric_steps"]

# Optimizers whose step for a kernel is that of its transpose, transposed.
_SYMMETRIC = {
    "Adadelta", "Adagrad", "Adam", "Adamax", "AdamW",
    "Ftrl", "Lamb", "Lion", "Nadam", "RMSprop", "SGD",
}  # fmt: skip


def has_symmetric_steps(optimizer: Any) -> bool:
    """Say whether an optimizer steps alike on a kernel and on its transpose.

    Parameters
    ----------
    optimizer : str or keras.optimizers.Optimizer
    """
    if isinstance(optimizer, str):
        return optimizer in {name.lower() for name in _SYMMETRIC}
    return any(type(optimizer) is getattr(keras.optimizers, name) for name in _SYMMETRIC)


def _touches_gradient_only(optimizer: Any) -> bool:
    """Say whether a step leaves a number alone whose gradient is 0, and has no other state.

    Then a step on the rows of the gradient is the step on all rows.
    """
    others = (
        "momentum", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema",
        "gradient_accumulation_steps", "loss_scale_factor",
    )  # fmt: skip
    return type(optimizer) is keras.optimizers.SGD and not any(
        getattr(optimizer, name, None) for name in others
    )


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

    def of_candidates(self, hidden: Any, row_of: Any, classes: Any) -> Any:
        """Return the logits of candidates, shape (n_candidates,).

        Parameters
        ----------
        hidden : tensor of shape (n_rows, n_units)
        row_of, classes : tensors of int of shape (n_candidates,)
            The row and the class of each.
        """
        kernel, bias = self.kernel.value, self.bias.value
        products = tf.gather(kernel, classes) * tf.gather(hidden, row_of)
        return tf.reduce_sum(products, axis=-1) + tf.gather(bias, classes)


class CandidateProgram(Program):
    """A program whose network ends in a dense layer, of which it computes candidates only.

    Nothing in it has a shape that depends on the number of candidates, so nothing is padded and
    nothing is compiled anew for another number. The step of the optimizer, which takes all of the
    kernel, is compiled by XLA into one pass; where it only subtracts a multiple of the gradient
    from the weights, it takes the rows of the gradient.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: Recipe):
        self._compiled: list[Any] = []
        super().__init__(recipe)
        self._is_by_row = False  # a short batch is short
        self._is_turned = [variable is self._last.kernel for variable in self._model.variables]
        of_kernel = self._last.kernel.path.replace("/", "_") + "_"
        shape = self._last.kernel.shape
        self._are_turned = [
            slot.name.startswith(of_kernel) and slot.shape == shape
            for slot in self._optimizer.variables
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
        metrics = tuple((name, candidate_hits) for name, _ in self.recipe.loss.metrics)
        return Loss(candidate_crossentropy, metrics=metrics)

    def _pays_under_xla(self) -> bool:
        return False

    def _gathered(self, data: Any, rows: Any) -> dict[str, Any]:
        others = {name: column for name, column in data.items() if name != "allowed"}
        row_of, places = stored_of(data["allowed"], rows)
        classes = tf.gather(data["allowed"].columns, places)
        return {**super()._gathered(others, rows), "row_of": row_of, "classes": classes}

    def _logits(self, batch: Any, *, training: bool) -> Any:
        hidden = self._hidden(batch["X"], training=training)
        return self._last.of_candidates(hidden, batch["row_of"], batch["classes"])

    def _apply(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        if _touches_gradient_only(self._optimizer):
            super()._apply(gradients, variables)
            return

        def step(*gradients: Any) -> None:
            self._optimizer.apply(gradients, variables)

        compiled: Any = tf.function(step, jit_compile=True, autograph=False)
        compiled(*map(tf.convert_to_tensor, gradients))
        self._compiled.append(compiled)

    def _execute(self, name: str, inputs: tuple[Any, ...]) -> list[np.ndarray]:
        results = super()._execute(name, inputs)
        while self._compiled:
            released(self._compiled.pop())
        return results


def _turned(arrays: Sequence[np.ndarray], which: Sequence[bool]) -> list[np.ndarray]:
    """Return arrays, some of them transposed."""
    return [
        np.transpose(array) if is_turned else array
        for array, is_turned in zip(arrays, which, strict=True)
    ]


def candidate_crossentropy(y: Any, logits: Any, row_of: Any, classes: Any) -> Any:
    """Cross-entropy of the softmax over the candidates of each row.

    Parameters
    ----------
    y : tensor of int of shape (n_rows,)
        Numbers of classes that are among the candidates of their row.
    logits, row_of, classes : tensors of shape (n_candidates,)
        Of all rows one after the other; each row has at least one.

    Returns
    -------
    tensor of shape (n_rows,)
    """
    highest = tf.stop_gradient(tf.math.segment_max(logits, row_of))
    total = tf.math.segment_sum(tf.exp(logits - tf.gather(highest, row_of)), row_of)
    of_label = tf.where(classes == tf.gather(y, row_of), logits, tf.zeros_like(logits))
    return highest + tf.math.log(total) - tf.math.segment_sum(of_label, row_of)


def candidate_hits(y: Any, logits: Any, row_of: Any, classes: Any) -> tuple[Any, Any]:
    """Return 1 for rows whose best candidate is their class, 0 for others, and 1 for all.

    Parameters
    ----------
    y, logits, row_of, classes : tensors
        As in `candidate_crossentropy`.
    """
    highest = tf.gather(tf.math.segment_max(logits, row_of), row_of)
    best = tf.where(logits == highest, classes, classes.dtype.max)
    is_right = tf.cast(tf.math.segment_min(best, row_of) == y, logits.dtype)
    return is_right, tf.ones_like(is_right)
