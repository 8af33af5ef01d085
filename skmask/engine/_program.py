"""One compiled training program: a Keras model, its optimizer, and epochs over tensors."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
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
    """What is minimised, and what else is counted while it is.

    Parameters
    ----------
    function : callable `(y, logits, **inputs, **settings) -> losses`
        Module-level and pure. Losses have the shape (B,) of a batch's rows, or further axes
        for labels or time steps; each counts with its entry of the column "weight", and not
        at all where that is 0.
    settings : tuple of (name, value)
        Hashable: they are traced.
    metrics : tuple of (name, callable `(y, logits, **inputs) -> (values, counts)`)
        Ratios, pooled over an epoch: the sum of the weighted values over that of the weighted
        counts, both of the losses' shape.

    Columns and constants are inputs; a function gets those that it has a parameter for.
    """

    function: Callable[..., Any]
    settings: tuple[tuple[str, Hashable], ...] = ()
    metrics: tuple[tuple[str, Callable[..., Any]], ...] = ()

    @property
    def names(self) -> list[str]:
        """Return what the history calls the loss and the metrics."""
        return ["loss", *(name for name, _ in self.metrics)]

    def sums(self, batch: Mapping[str, Any], logits: Any, valid: Any) -> tuple[Any, Any]:
        """Return the sum of the losses, and all sums that an epoch adds up.

        The latter is a tensor of shape (1 + n_metrics, 2): numerators and denominators, that
        of the loss first.
        """
        inputs = {name: value for name, value in batch.items() if name not in ("X", "weight")}
        losses = _called(self.function, inputs, logits, **dict(self.settings))
        weight = batch["weight"] * _with_axes(valid, batch["weight"])
        weight = tf.broadcast_to(_with_axes(weight, losses), tf.shape(losses))
        total = tf.reduce_sum(losses * weight)
        ratios = [(total, tf.reduce_sum(weight))]
        for _, function in self.metrics:
            values, counts = _called(function, inputs, logits)
            ratios.append((tf.reduce_sum(values * weight), tf.reduce_sum(counts * weight)))
        n_counted = tf.reduce_sum(tf.cast(weight > 0, weight.dtype))
        objective = tf.math.divide_no_nan(total, n_counted)
        return objective, tf.cast(tf.convert_to_tensor(ratios), tf.float64)


def _called(function: Callable[..., Any], inputs: Mapping[str, Any], logits: Any, **kw: Any) -> Any:
    wanted = signature(function).parameters
    given = {name: value for name, value in inputs.items() if name in wanted and name != "y"}
    return function(inputs["y"], logits, **given, **kw)


def _with_axes(values: Any, like: Any) -> Any:
    """Return values with axes of length 1 behind, as many as it takes to multiply them."""
    return tf.reshape(values, [*values.shape, *[1] * (like.shape.rank - values.shape.rank)])


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
        with recipe.network.settings():
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
            traced.__name__: compiled(traced, xla=xla)
            for traced in (self._train_epochs, self._evaluate)
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
        assign(self.optimizer.variables, self._fresh_slots if slots is None else slots)
        if learning_rate is not None:
            self.optimizer.learning_rate = learning_rate

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Set the model's variables, leaving the optimizer as it is."""
        assign(self.model.variables, weights)

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

    def train(self, feed: Feed, orders: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Train an epoch for each of up to `epochs_at_once` orders of the rows.

        Returns the loss and the metrics of each epoch, shape (n_epochs,), by name.
        """
        return self._pooled(self._over_feed("_train_epochs", feed, orders))

    def evaluate(self, feed: Feed) -> dict[str, float]:
        """Return the loss and the metrics over all rows, nothing trained."""
        sums = self._over_feed("_evaluate", feed, [np.arange(feed.table.n_rows)])
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
            with self.recipe.network.settings():
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
                objective, sums = self._batch(data, constants, rows, valid, training=True)
                for penalty in self.model.losses:
                    objective += tf.cast(penalty, tf.float32)
            variables = self.model.trainable_variables
            gradients = tape.gradient(objective, [variable.value for variable in variables])
            self.optimizer.apply(gradients, variables)
            return sums

        return self._each_batch(train_batch, orders, counts)

    def _evaluate(self, data: Any, constants: Any, orders: Any, counts: Any) -> Any:
        note_trace()

        def evaluate_batch(rows: Any, valid: Any) -> Any:
            return self._batch(data, constants, rows, valid, training=False)[1]

        return self._each_batch(evaluate_batch, orders, counts)

    def _batch(
        self, data: Any, constants: Any, rows: Any, valid: Any, *, training: bool
    ) -> tuple[Any, Any]:
        """Return what a batch's step minimises, and its sums, of the rows that are not padding."""
        batch = {name: tf.gather(column, rows) for name, column in data.items()}
        logits = self.model(batch["X"], training=training, **self._padding_mask(valid))
        return self.recipe.loss.sums({**batch, **constants}, tf.cast(logits, tf.float32), valid)

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
                return number_of_step + 1, total + do(rows, valid)

            _, total = _while(n_steps, step, tf.zeros(n_sums, tf.float64))
            return number + 1, tf.tensor_scatter_nd_update(sums, [[number]], [total])

        n_sums = [len(self.recipe.loss.names), 2]
        _, sums = _while(n_epochs, epoch, tf.zeros([orders.shape[0], *n_sums], tf.float64))
        return sums


def compiled(function: Callable[..., Any], *, xla: bool) -> Any:
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


def assign(variables: list[Any], values: Sequence[Any]) -> None:
    """Set variables, without what Keras checks of each."""
    for variable, value in zip(variables, values, strict=True):
        tensor = tf.convert_to_tensor(value, dtype=variable.dtype)
        tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=tensor)


def _read(variables: list[Any]) -> list[np.ndarray]:
    return [
        np.array(tf.raw_ops.ReadVariableOp(resource=variable.value.handle, dtype=variable.dtype))
        for variable in variables
    ]
