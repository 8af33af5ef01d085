"""A loss over all rows at once, and its gradient, for SciPy's L-BFGS."""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from scipy.optimize import minimize

from skmask.engine._job import PENALTY, Lbfgs, Loss
from skmask.engine._table import Feed, Layout
from skmask.engine.tensorflow._graph import Graph
from skmask.engine.tensorflow._losses import loss_sums, penalty_of, without_penalty
from skmask.engine.tensorflow._machine import Machine
from skmask.engine.tensorflow._names import tf

# Rows whose gradient is taken at a time.
_ROWS_AT_ONCE = 256
# Steps and gradients that L-BFGS looks back on: with 60 it takes half as many iterations as
# with 20.
_NUMBERS_REMEMBERED = 1 << 25


class Objective:
    """The mean loss of a network, and its gradient, in one compiled function.

    Parameters
    ----------
    graph : Graph
    loss : Loss
    """

    def __init__(self, graph: Graph, loss: Loss):
        self._loss = loss
        self._graph = graph
        self._dtype = tf.as_dtype(graph.dtype)
        self._model = graph.outline()
        trainable = {id(variable) for variable in self._model.trainable_variables}
        self.is_trainable = [id(variable) in trainable for variable in self._model.variables]
        self._machine = Machine(self._model.variables, rewrites=False)

    @staticmethod
    def key(graph: Graph, loss: Loss, columns: Layout, size: int) -> Hashable | None:
        """Return a key that two objectives share only if they are the same program."""
        return ("objective", graph.key, loss, columns, size) if graph.is_shareable else None

    def close(self) -> None:
        """Free what was compiled. The objective is unusable afterwards."""
        self._machine.close()

    def load(self, weights: list[np.ndarray]) -> None:
        """Set every variable."""
        self._machine.load(weights)

    def evaluate(self, feed: Feed, weights: list[np.ndarray]) -> dict[str, float]:
        """Return the loss, without penalties, and the metrics over all rows."""
        self.load(weights)
        sums = np.zeros((len(self._loss.names), 2))
        for data, n_rows in _slabs(feed):
            inputs = (data, feed.constants, np.asarray(n_rows, np.int32))
            sums += self._call(self._sums, inputs)[0]
        ratios = sums[:, 0] / np.where(sums[:, 1] == 0, 1, sums[:, 1])
        return dict(zip(self._loss.names, map(float, ratios), strict=True))

    def at(
        self, data: Any, constants: Any, n_rows: int, trained: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return sums of losses and weights, their gradient, the penalty and its gradient.

        Parameters
        ----------
        data, constants : mappings of ndarrays
        n_rows : int
            How many rows of `data` count.
        trained : list of ndarray, the values of the trainable variables

        Returns
        -------
        sums : ndarray of shape (2,)
        gradient : ndarray of shape (n_trained,)
        penalty : ndarray of shape ()
        of_penalty : ndarray of shape (n_trained,)
        """
        inputs = (trained, data, constants, np.asarray(n_rows, np.int32))
        sums, gradient, penalty, of_penalty = self._call(self._value_and_gradient, inputs)
        return sums, gradient, penalty, of_penalty

    def _call(self, traced: Callable[..., Any], inputs: tuple[Any, ...]) -> list[np.ndarray]:
        return self._machine.call(traced, inputs, xla=True, settings=self._graph.settings)

    # Traced functions.

    def _value_and_gradient(self, values: Any, data: Any, constants: Any, n_rows: Any) -> Any:
        variables = self._model.trainable_variables
        for variable, value in zip(variables, values, strict=True):
            variable.value.assign(value)

        def add_batch(batch: Any, valid: Any, sums: Any, gradients: Any) -> Any:
            with tf.GradientTape() as tape:
                logits = self._model(batch["X"], training=True)
                _, added = loss_sums(self._loss, {**batch, **inputs}, logits, valid)
                total = added[0, 0]
            found = tape.gradient(total, [variable.value for variable in variables])
            return sums + added[0], [g + f for g, f in zip(gradients, found, strict=True)]

        inputs = without_penalty(constants)
        start = tf.zeros(2, tf.float64), [tf.zeros_like(value) for value in values]
        sums, gradients = self._each_batch(add_batch, data, n_rows, start)
        with tf.GradientTape() as tape:
            penalty = tf.add_n([tf.zeros((), self._dtype), *self._model.losses])
            if PENALTY in constants:
                one = tf.ones((), self._dtype)  # `_totals` has divided by the rows
                penalty += penalty_of(self._model, self._graph.is_penalised, constants, one)
        of_penalty = tape.gradient(
            penalty,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [sums, _flat(gradients), penalty, _flat(of_penalty)]

    def _sums(self, data: Any, constants: Any, n_rows: Any) -> Any:
        def add_batch(batch: Any, valid: Any, sums: Any) -> Any:
            logits = self._model(batch["X"], training=False)
            inputs = {**batch, **without_penalty(constants)}
            return (sums + loss_sums(self._loss, inputs, logits, valid)[1],)

        start = (tf.zeros((len(self._loss.names), 2), tf.float64),)
        return self._each_batch(add_batch, data, n_rows, start)[0]

    def _each_batch(
        self, add: Callable[..., Any], data: Any, n_rows: Any, start: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Carry values through `add(batch, valid, *values)` over the rows that count."""
        size = next(iter(data.values())).shape[0]
        step = min(_ROWS_AT_ONCE, size)

        def body(first: Any, *values: Any) -> Any:
            numbers = first + tf.range(step)
            valid = tf.cast(numbers < n_rows, self._dtype)
            # Beyond the last row again the last row: of an empty one the loss may be NaN.
            rows = tf.minimum(numbers, n_rows - 1)
            batch = {name: tf.gather(column, rows) for name, column in data.items()}
            return first + step, *add(batch, valid, *values)

        _, *values = tf.while_loop(
            lambda first, *_: first < n_rows, body, (tf.constant(0), *start), parallel_iterations=1
        )
        return tuple(values)


def _totals(
    objective: Objective, feed: Feed, trained: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Return the results of `Objective.at`, summed over all rows."""
    constants = feed.constants
    if PENALTY in constants:
        weight = feed.table.columns["weight"]
        n_rows = np.count_nonzero((weight > 0).reshape(len(weight), -1).any(axis=1))
        factor = constants[PENALTY]
        constants = {**constants, PENALTY: np.asarray(factor / max(n_rows, 1), factor.dtype)}
    sums, gradient = np.zeros(2), np.zeros(sum(weight.size for weight in trained))
    penalty, of_penalty = np.zeros(()), np.zeros_like(gradient)
    for data, n_rows in _slabs(feed):
        added, found, penalty, of_penalty = objective.at(data, constants, n_rows, trained)
        sums += added
        gradient += found
    return sums, gradient, float(penalty), of_penalty


class _Vector:
    """The weights that are trained as one vector, which is what SciPy minimises over.

    Parameters
    ----------
    weights : list of ndarray
    is_trainable : list of bool
    """

    def __init__(self, weights: list[np.ndarray], is_trainable: list[bool]):
        self._weights = weights
        self._is_trainable = is_trainable
        trained = [w for w, of in zip(weights, is_trainable, strict=True) if of]
        self.start = np.concatenate([weight.ravel() for weight in trained])
        self._shapes = [weight.shape for weight in trained]
        self._ends = np.cumsum([weight.size for weight in trained])

    def parts(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return the weights that are trained, as views of a vector."""
        pieces = np.split(flat, self._ends[:-1])
        return [piece.reshape(shape) for piece, shape in zip(pieces, self._shapes, strict=True)]

    def whole(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return all weights, those that are trained as copies."""
        trained = iter(self.parts(flat))
        pairs = zip(self._weights, self._is_trainable, strict=True)
        return [next(trained).copy() if of else weight for weight, of in pairs]


def minimized(
    objective: Objective,
    feed: Feed,
    weights: list[np.ndarray],
    lbfgs: Lbfgs,
    *,
    iterations: int,
    watch: Callable[[list[np.ndarray], dict[str, float]], bool],
) -> list[np.ndarray]:
    """Return weights at which the gradient of the objective vanishes, or the last ones.

    Parameters
    ----------
    objective : Objective
    feed : Feed
    weights : list of ndarray of float64, in the order of `model.variables`
    lbfgs : Lbfgs
    iterations : int
        At most.
    watch : callable `(weights, logs) -> stop`
        Called after each iteration, and once if there was none, with the loss, the penalty
        included, and the largest entry of its gradient.
    """
    objective.load(weights)
    vector = _Vector(weights, objective.is_trainable)
    latest: dict[str, float] = {}

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        total, gradient, penalty, of_penalty = _totals(objective, feed, vector.parts(flat))
        loss = float(total[0] / total[1]) + penalty
        gradient = gradient / total[1] + of_penalty
        latest.update(loss=loss, gradient_norm=float(np.abs(gradient).max()))
        return loss, gradient

    def after_iteration(intermediate_result: Any) -> None:
        if watch(vector.whole(intermediate_result.x), dict(latest)):
            raise StopIteration

    result = minimize(
        value_and_gradient,
        vector.start,
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        options={
            "maxiter": iterations,
            "maxfun": 20 * iterations,
            "gtol": lbfgs.tolerance,
            "ftol": 0,
            "maxcor": int(np.clip(_NUMBERS_REMEMBERED // vector.start.size, 10, 60)),
        },
    )
    if result.nit == 0:  # the gradient is zero from the start
        watch(vector.whole(result.x), dict(latest))
    return vector.whole(result.x)


def _slabs(feed: Feed) -> Any:
    """Yield all rows as arrays, with their number: at once where they are in memory."""
    if feed.resident is not None:
        return [(feed.resident, feed.table.n_rows)]
    return feed.table.slabs(feed.table.in_order())


def _flat(tensors: Any) -> Any:
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
