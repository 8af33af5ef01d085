"""One compiled training program: a network, its optimizer, and epochs over tensors."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skmask.engine._job import PENALTY, Loss
from skmask.engine._table import Feed, Layout
from skmask.engine.tensorflow._adam import with_fused_steps
from skmask.engine.tensorflow._graph import Graph
from skmask.engine.tensorflow._layers import is_by_row, pays_under_xla
from skmask.engine.tensorflow._losses import counted_rows, loss_sums, penalty_of, without_penalty
from skmask.engine.tensorflow._machine import Machine, first_value, without_values
from skmask.engine.tensorflow._members import by_member, members_of
from skmask.engine.tensorflow._names import failures_named, tf
from skmask.engine.tensorflow._optimizer import OptimizerRecipe
from skmask.engine.tensorflow._rows import rows_of

# XLA takes about half a second more to compile and saves about 90 us a step.
_XLA_FROM_STEPS = 16
# Orders handed over in one call: bounds both their memory and the wait for Ctrl-C.
_ROWS_PER_CALL = 65536
_EPOCHS_AT_MOST = 64


@dataclass(frozen=True)
class Recipe:
    """All that is traced into a program. Two recipes with one `key` make the same program.

    The key is None where the programs of the network are not shared.
    """

    graph: Graph
    loss: Loss
    optimizer: OptimizerRecipe
    batch_size: int
    size: int
    columns: Layout
    constants: tuple[tuple[str, tuple[int, ...]], ...]
    stay_sparse: tuple[str, ...] = ()

    @property
    def key(self) -> Hashable | None:
        if not self.graph.is_shareable:
            return None
        return (
            self.graph.key,
            self.loss,
            self.optimizer.key,
            self.batch_size,
            self.size,
            self.columns,
            self.constants,
            self.stay_sparse,
        )


class Program:
    """Trains one network on tables of one layout.

    Belongs to one fit at a time: between `load` and `read_weights` its variables are that
    fit's.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._dtype = tf.as_dtype(recipe.graph.dtype)
        self._model = self._outline(recipe.graph)
        with recipe.graph.settings(), without_values():
            self._members = members_of(self._model)
        with recipe.graph.settings():
            self._optimizer = recipe.optimizer.outline(self._model)
            if "X" in recipe.stay_sparse:
                self._optimizer = with_fused_steps(self._optimizer)
            slots = self._optimizer.variables
            self._fresh_slots = [_compact(first_value(slot)) for slot in slots]
        self._n_weights = len(self._model.variables)
        self._is_penalised = recipe.graph.is_penalised
        self._rates = [k for k, slot in enumerate(slots) if slot.name == "learning_rate"]
        self._is_by_row = is_by_row(self._model)
        self._uses_xla = self._pays_under_xla()
        self._machine = Machine([*self._model.variables, *slots], rewrites=not self._uses_xla)
        self._read_weights = self._machine.reader(slice(self._n_weights))
        self._read_slots = self._machine.reader(slice(self._n_weights, None))

    # What a program of another kind does in its own way.

    @property
    def _loss(self) -> Loss:
        """The loss that is traced."""
        return self.recipe.loss

    def _outline(self, graph: Graph) -> Any:
        """Return the model whose variables are trained."""
        return graph.outline(sparse="X" in self.recipe.stay_sparse)

    def _pays_under_xla(self) -> bool:
        return not self.recipe.stay_sparse and self._may_use_xla()  # which has no sparse products

    def _may_use_xla(self) -> bool:
        n_steps = self.recipe.size // self.recipe.batch_size
        return n_steps >= _XLA_FROM_STEPS and self._is_by_row and pays_under_xla(self._model)

    def _gathered(self, data: Any, rows: Any) -> dict[str, Any]:
        """Return the columns of the rows of a batch."""
        return rows_of(data, rows, self._model.input_shape[-1])

    def _logits(self, batch: Any, *, training: bool) -> Any:
        model = self._members if training and self._members is not None else self._model
        return model(batch["X"], training=training)

    def _apply(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        """Take a step of the optimizer."""
        self._optimizer.apply(gradients, variables)

    def close(self) -> None:
        """Free what was compiled. The program is unusable afterwards."""
        self._machine.close()

    # The state of a fit: arrays in, arrays out.

    def load(
        self,
        weights: Sequence[np.ndarray],
        slots: Sequence[np.ndarray] | None = None,
        learning_rate: float | None = None,
    ) -> None:
        """Set every variable. Without `slots` the optimizer starts afresh."""
        slots = list(self._fresh_slots if slots is None else slots)
        if learning_rate is not None:
            for k in self._rates:
                slots[k] = np.asarray(learning_rate, slots[k].dtype)
        self._machine.load([*weights, *slots])

    def read_weights(self) -> list[np.ndarray]:
        """Return the values of the model's variables."""
        return self._read_weights()

    def read_slots(self) -> list[np.ndarray]:
        """Return the values of the optimizer's variables."""
        return self._read_slots()

    def finish(self) -> None:
        """Do what Keras' optimizers do at the end of a training: set averages of weights."""
        if _averages_weights(self._optimizer):
            self._execute("_finalize", ())

    # Running it.

    def epochs_at_once(self, feed: Feed) -> int:
        """Return how many epochs over this feed are run in one call."""
        if feed.resident is None:
            return 1
        return int(np.clip(_ROWS_PER_CALL // feed.table.size, 1, _EPOCHS_AT_MOST))

    def train(self, feed: Feed, orders: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Train an epoch for each of up to `epochs_at_once` orders of the rows.

        Returns the loss and the metrics of each epoch, shape (n_epochs,), by name.
        """
        return self._pooled(self._over_feed("_train_epochs", feed, orders))

    def evaluate(self, feed: Feed) -> dict[str, float]:
        """Return the loss and the metrics over all rows, nothing trained."""
        sums = self._over_feed("_evaluate", feed, [feed.table.in_order()])
        return {name: float(values[0]) for name, values in self._pooled(sums).items()}

    def _pooled(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Return ratios for sums of shape (n_epochs, n_ratios, 2), 0 where nothing counts."""
        numerators, denominators = sums[..., 0], sums[..., 1]
        # Written so that NaN and infinity stay what they are.
        ratios = numerators / np.where(denominators == 0, 1, denominators)
        return dict(zip(self.recipe.loss.names, ratios.T, strict=True))

    def _over_feed(self, name: str, feed: Feed, orders: Sequence[np.ndarray]) -> np.ndarray:
        if feed.resident is not None:
            return self._call(name, feed, feed.resident, orders)
        (order,) = orders
        sums = [
            self._call(name, feed, arrays, [np.arange(n_rows)])
            for arrays, n_rows in feed.table.slabs(order)
        ]
        return np.sum(sums, axis=0)

    def _call(self, name: str, feed: Feed, data: Any, orders: Sequence[np.ndarray]) -> np.ndarray:
        length = -(-feed.table.size // self.recipe.batch_size) * self.recipe.batch_size
        padded = np.zeros((self.epochs_at_once(feed), length), np.int32)
        for row, order in zip(padded, orders, strict=False):
            row[: len(order)] = order
        counts = np.array([len(orders[0]), len(orders)], np.int32)
        inputs = (data, feed.constants, padded, counts)
        with failures_named():
            try:
                (sums,) = self._execute(name, inputs)
            except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
                if not self._uses_xla:
                    raise
                self._uses_xla = False  # a layer that XLA has no kernel for
                (sums,) = self._execute(name, inputs)
        return sums[: len(orders)]

    def _execute(self, name: str, inputs: tuple[Any, ...]) -> list[np.ndarray]:
        return self._machine.call(
            getattr(self, name),
            inputs,
            xla=self._uses_xla and bool(inputs),
            settings=self.recipe.graph.settings,
        )

    # Traced functions.

    def _train_epochs(self, data: Any, constants: Any, orders: Any, counts: Any) -> Any:
        def train_batch(rows: Any, valid: Any) -> Any:
            with tf.GradientTape() as tape:
                objective, sums = self._batch(data, constants, rows, valid, training=True)
                for penalty in self._model.losses:
                    objective += tf.cast(penalty, objective.dtype)
                scaled = self._optimizer.scale_loss(objective)
            variables = self._model.trainable_variables
            gradients = tape.gradient(scaled, [variable.value for variable in variables])
            self._apply(gradients, variables)
            return sums

        return self._each_batch(train_batch, orders, counts)

    def _evaluate(self, data: Any, constants: Any, orders: Any, counts: Any) -> Any:
        def evaluate_batch(rows: Any, valid: Any) -> Any:
            return self._batch(data, constants, rows, valid, training=False)[1]

        return self._each_batch(evaluate_batch, orders, counts)

    def _finalize(self) -> Any:
        self._optimizer.finalize_variable_values(self._model.trainable_variables)
        return tf.constant(0)

    def _batch(
        self, data: Any, constants: Any, rows: Any, valid: Any, *, training: bool
    ) -> tuple[Any, Any]:
        """Return the objective of a batch, and its sums, over the rows that count."""
        batch = self._gathered(data, rows)
        logits = tf.cast(self._logits(batch, training=training), self._dtype)
        n_rows = counted_rows(batch["weight"], valid)
        if training and self._members is not None:
            batch, logits, valid = by_member(batch, logits, valid)
        inputs = {**batch, **without_penalty(constants)}
        objective, sums = loss_sums(self._loss, inputs, logits, valid)
        if PENALTY in constants and training:
            objective += penalty_of(self._model, self._is_penalised, constants, n_rows)
        return objective, sums

    def _each_batch(self, do: Callable[[Any, Any], Any], orders: Any, counts: Any) -> Any:
        """Sum `do(rows, valid)` over the batches of each epoch."""
        size = self.recipe.batch_size
        n_rows, n_epochs = counts[0], counts[1]
        n_steps = (n_rows + size - 1) // size

        def rows_of(epoch: Any, start: Any) -> tuple[Any, Any]:
            if not self._is_by_row:  # the last batch may be shorter, not padded
                rows = orders[epoch, start : tf.minimum(start + size, n_rows)]
                return rows, tf.ones_like(rows, self._dtype)
            rows = tf.slice(orders, [epoch, start], [1, size])[0]
            return rows, tf.cast(start + tf.range(size) < n_rows, self._dtype)

        # Two loops, because XLA compiles one over all steps anew for every number of rows.
        def epoch(number: Any, sums: Any) -> Any:
            def step(number_of_step: Any, total: Any) -> Any:
                return number_of_step + 1, total + do(*rows_of(number, number_of_step * size))

            _, total = _while(n_steps, step, tf.zeros(n_sums, tf.float64))
            return number + 1, tf.tensor_scatter_nd_update(sums, [[number]], [total])

        n_sums = [len(self.recipe.loss.names), 2]
        _, sums = _while(n_epochs, epoch, tf.zeros([orders.shape[0], *n_sums], tf.float64))
        return sums


def _while(n_times: Any, body: Callable[[Any, Any], Any], start: Any) -> Any:
    """Carry a value through `body(i, value)` for i below `n_times`, one after the other."""
    return tf.while_loop(
        lambda i, _: i < n_times, body, [tf.constant(0), start], parallel_iterations=1
    )


def _compact(values: np.ndarray) -> np.ndarray:
    """Return an array that holds a number once where all its numbers are equal."""
    if values.size < 2 or not (values == values.flat[0]).all():
        return values
    return np.broadcast_to(values.flat[0], values.shape)


def _averages_weights(optimizer: Any) -> bool:
    inner = getattr(optimizer, "inner_optimizer", None)
    return bool(optimizer.use_ema) or (inner is not None and _averages_weights(inner))
