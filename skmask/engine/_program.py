"""One compiled training program: a Keras model, its optimizer, and epochs over tensors."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skmask.engine._network import Network
from skmask.engine._optimizer import OptimizerRecipe
from skmask.engine._table import Feed, Layout
from skmask.engine._tensorflow import keras, tf, without_chatter

# XLA takes about half a second more to compile and saves about 90 us a step.
_XLA_FROM_STEPS = 16
# Orders handed over in one call: bounds both their memory and the wait for Ctrl-C.
_ROWS_PER_CALL = 65536
_EPOCHS_AT_MOST = 64

_n_traces = 0


def count_traces() -> int:
    """Return how many times a function of the engine was traced in this process."""
    return _n_traces


def note_trace() -> None:
    """Count one more trace: a call in a function's body runs only while it is traced."""
    global _n_traces
    _n_traces += 1


@dataclass(frozen=True)
class Loss:
    """A loss of one row, `function(y, logits, **columns, **constants, **settings)`.

    `function` is module-level and pure; `settings` are traced, columns and constants are
    inputs.
    """

    function: Callable[..., Any]
    settings: tuple[tuple[str, Hashable], ...] = ()

    def __call__(self, batch: Mapping[str, Any], logits: Any) -> Any:
        inputs = {name: column for name, column in batch.items() if name not in ("X", "weight")}
        return self.function(inputs.pop("y"), logits, **inputs, **dict(self.settings))


@dataclass(frozen=True)
class Recipe:
    """All that is traced into a program. Two recipes with one `key` make the same program.

    The key is None where the network shares its programs with nobody.
    """

    network: Network
    loss: Loss
    optimizer: OptimizerRecipe
    batch_size: int
    size: int
    columns: Layout
    constants: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def key(self) -> Hashable | None:
        if not self.network.is_shareable:
            return None
        return (
            self.network.key,
            self.loss,
            self.optimizer.key,
            self.batch_size,
            self.size,
            self.columns,
            self.constants,
        )


class Program:
    """Trains one network on tables of one layout.

    Belongs to one fit at a time: between `load` and `read` its variables are that fit's.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.model = recipe.network.build()
        self.optimizer = recipe.optimizer.build()
        self.optimizer.build(self.model.trainable_variables)
        self._fresh_slots = [tf.constant(slot) for slot in _read(self.optimizer.variables)]
        self._uses_batch_statistics = any(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in self.model._flatten_layers()
        )
        self.model.supports_masking |= self._uses_batch_statistics  # or Keras warns of it
        self._compile(xla=recipe.size // recipe.batch_size >= _XLA_FROM_STEPS)

    def _compile(self, *, xla: bool) -> None:
        self._uses_xla = xla
        self._functions = {
            traced.__name__: _compiled(traced, xla=xla)
            for traced in (self._train_epochs, self._sum_losses)
        }
        self._concrete: dict[tuple[str, tuple[int, ...]], Any] = {}

    # The state of a fit: arrays in, arrays out.

    def load(
        self,
        weights: list[np.ndarray],
        slots: list[np.ndarray] | None = None,
        learning_rate: float | None = None,
    ) -> None:
        """Set every variable. Without `slots` the optimizer starts afresh."""
        self.set_weights(weights)
        _assign(self.optimizer.variables, self._fresh_slots if slots is None else slots)
        if learning_rate is not None:
            self.optimizer.learning_rate = learning_rate

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Set the model's variables, leaving the optimizer as it is."""
        _assign(self.model.variables, weights)

    def read_weights(self) -> list[np.ndarray]:
        """Return the values of `model.variables`."""
        return _read(self.model.variables)

    def read_slots(self) -> list[np.ndarray]:
        """Return the values of the optimizer's variables."""
        return _read(self.optimizer.variables)

    # Running it.

    def epochs_at_once(self, feed: Feed) -> int:
        """Return how many epochs over this feed are run in one call."""
        if feed.resident is None:
            return 1
        return int(np.clip(_ROWS_PER_CALL // feed.table.size, 1, _EPOCHS_AT_MOST))

    def train(self, feed: Feed, orders: Sequence[np.ndarray]) -> np.ndarray:
        """Train an epoch for each of up to `epochs_at_once` orders of the rows.

        Returns the sum of the weighted losses of each epoch, shape (n_epochs,).
        """
        return self._over_feed("_train_epochs", feed, orders)

    def sum_losses(self, feed: Feed) -> float:
        """Return the sum of the weighted losses over all rows, nothing trained."""
        return float(self._over_feed("_sum_losses", feed, [np.arange(feed.table.n_rows)])[0])

    def _over_feed(self, name: str, feed: Feed, orders: Sequence[np.ndarray]) -> np.ndarray:
        if feed.resident is not None:
            return self._call(name, feed, feed.resident, orders)
        (order,) = orders
        sums = [
            self._call(name, feed, tensors, [np.arange(n_rows)])
            for tensors, n_rows in feed.table.slabs(order)
        ]
        return np.sum(sums, axis=0)

    def _call(self, name: str, feed: Feed, data: Any, orders: Sequence[np.ndarray]) -> np.ndarray:
        length = -(-feed.table.size // self.recipe.batch_size) * self.recipe.batch_size
        padded = np.zeros((self.epochs_at_once(feed), length), np.int32)
        for row, order in zip(padded, orders, strict=False):
            row[: len(order)] = order
        counts = tf.constant([len(orders[0]), len(orders)], tf.int32)
        inputs = (data, feed.constants, tf.constant(padded), counts)
        shape = (feed.table.size, *padded.shape)
        try:
            sums = self._execute(name, shape, inputs)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            if not self._uses_xla:
                raise
            self._compile(xla=False)  # a layer that XLA has no kernel for
            sums = self._execute(name, shape, inputs)
        return sums[: len(orders)]

    def _execute(self, name: str, shape: tuple[int, ...], inputs: tuple[Any, ...]) -> np.ndarray:
        """Call a function traced for a table and orders of this shape.

        Not by its own call, which takes some milliseconds to look at every argument and every
        variable again.
        """
        concrete = self._concrete.get((name, shape))
        if concrete is None:
            concrete = self._functions[name].get_concrete_function(*inputs)
            with without_chatter():  # XLA announces its first compilation
                sums = self._execute_traced(concrete, inputs)
            self._concrete[name, shape] = concrete
            return sums
        return self._execute_traced(concrete, inputs)

    def _execute_traced(self, concrete: Any, inputs: tuple[Any, ...]) -> np.ndarray:
        (sums,) = tf.raw_ops.StatefulPartitionedCall(
            args=[*tf.nest.flatten(inputs), *concrete.captured_inputs],
            Tout=[tf.float64],
            f=concrete,
        )
        return np.array(sums)

    # What is traced.

    def _train_epochs(self, data: Any, constants: Any, orders: Any, counts: Any) -> Any:
        note_trace()

        def train_batch(rows: Any, valid: Any) -> Any:
            with tf.GradientTape() as tape:
                total = self._batch_loss(data, constants, rows, valid, training=True)
                objective = total / tf.reduce_sum(valid)
                for penalty in self.model.losses:
                    objective += tf.cast(penalty, tf.float32)
            variables = self.model.trainable_variables
            gradients = tape.gradient(objective, [variable.value for variable in variables])
            self.optimizer.apply(gradients, variables)
            return total

        return self._each_batch(train_batch, orders, counts)

    def _sum_losses(self, data: Any, constants: Any, orders: Any, counts: Any) -> Any:
        note_trace()

        def evaluate_batch(rows: Any, valid: Any) -> Any:
            return self._batch_loss(data, constants, rows, valid, training=False)

        return self._each_batch(evaluate_batch, orders, counts)

    def _batch_loss(
        self, data: Any, constants: Any, rows: Any, valid: Any, *, training: bool
    ) -> Any:
        """Return the sum of the weighted losses of the rows that are not padding."""
        batch = {name: tf.gather(column, rows) for name, column in data.items()}
        logits = self.model(batch["X"], training=training, **self._padding_mask(valid))
        losses = self.recipe.loss({**batch, **constants}, tf.cast(logits, tf.float32))
        return tf.reduce_sum(losses * batch["weight"] * valid)

    def _padding_mask(self, valid: Any) -> dict[str, Any]:
        """Keep the padding rows out of the statistics that a layer takes of its batch."""
        return {"mask": tf.cast(valid, tf.bool)} if self._uses_batch_statistics else {}

    def _each_batch(self, do: Callable[[Any, Any], Any], orders: Any, counts: Any) -> Any:
        """Sum `do(rows, valid)` over the batches of each epoch."""
        size = self.recipe.batch_size
        n_rows, n_epochs = counts[0], counts[1]
        n_steps = (n_rows + size - 1) // size

        # Two loops, for XLA compiles one over all steps anew for every number of rows.
        def epoch(number: Any, sums: Any) -> Any:
            def step(number_of_step: Any, total: Any) -> Any:
                start = number_of_step * size
                rows = tf.slice(orders, [number, start], [1, size])[0]
                valid = tf.cast(start + tf.range(size) < n_rows, tf.float32)
                return number_of_step + 1, total + tf.cast(do(rows, valid), tf.float64)

            _, total = _while(n_steps, step, tf.constant(0.0, tf.float64))
            return number + 1, tf.tensor_scatter_nd_update(sums, [[number]], [total])

        _, sums = _while(n_epochs, epoch, tf.zeros(orders.shape[0], tf.float64))
        return sums


def _compiled(function: Callable[..., Any], *, xla: bool) -> Any:
    """Return a function whose concrete functions may be called by `StatefulPartitionedCall`.

    That looks for XLA's mark on the calls inside of a function, not on the function itself.
    """
    if not xla:
        return tf.function(function, autograph=False)
    inner = tf.function(function, jit_compile=True, autograph=False)
    return tf.function(lambda *inputs: inner(*inputs), autograph=False)


def _while(n_times: Any, body: Callable[[Any, Any], Any], start: Any) -> Any:
    """Carry a value through `body(i, value)` for i below `n_times`, one after the other."""
    return tf.while_loop(
        lambda i, _: i < n_times, body, [tf.constant(0), start], parallel_iterations=1
    )


def _assign(variables: list[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        tensor = tf.convert_to_tensor(value, dtype=variable.dtype)
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=tensor)


def _read(variables: list[Any]) -> list[np.ndarray]:
    return [
        np.array(tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.dtype))
        for variable in variables
    ]
