"""The training loop: epochs, early stopping, callbacks. There is no second one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from skmask.engine._network import Network
from skmask.engine._objective import Objective, minimized
from skmask.engine._optimizer import Lbfgs, OptimizerRecipe
from skmask.engine._pool import Pool
from skmask.engine._program import Loss, Program, Recipe
from skmask.engine._table import Column, Feed, Table, layout_of
from skmask.engine._tensorflow import keras, note_use

# Each holds some megabytes, and with XLA ten idle threads.
_programs = Pool(capacity=16)

History = dict[str, list[float]]


class DivergenceError(FloatingPointError):
    """The loss became NaN or infinite during training."""


@dataclass
class State:
    """Where a training stands: enough to go on exactly as if it had not stopped.

    Parameters
    ----------
    weights : list of ndarray, in the order of `model.variables`
    slots : list of ndarray, in the order of `optimizer.variables`; None before training
    seed : int, decides the order of rows in every epoch
    epoch : int, how many epochs have been run
    slots_of : str, the optimizer that the slots belong to
    """

    weights: list[np.ndarray]
    slots: list[np.ndarray] | None
    seed: int
    epoch: int = 0
    slots_of: str = ""


@dataclass(frozen=True)
class Task:
    """What is trained, on what.

    Parameters
    ----------
    network : Network
    loss : Loss
    optimizer : OptimizerRecipe or Lbfgs
    batch_size : int
    columns : mapping with "X", "y", "weight" and whatever else the loss takes, by row
    constants : mapping of what else the loss takes, the same for all rows
    validation : mapping like `columns`, or None
    lengths : ndarray of shape (n_rows,) or None
        Work that each row takes: rows of similar length share a batch.
    """

    network: Network
    loss: Loss
    optimizer: OptimizerRecipe | Lbfgs
    batch_size: int
    columns: Mapping[str, Column]
    constants: Mapping[str, np.ndarray]
    validation: Mapping[str, Column] | None = None
    lengths: np.ndarray | None = None


ReadState = Callable[[], State]
Checkpoint = Callable[[State, History], None]


class Watcher(Protocol):
    """Somebody who is called before and after every epoch of a training."""

    def begin_epoch(self, epoch: int) -> None:
        """Note that an epoch, counted from 0, begins."""

    def end_epoch(self, epoch: int, logs: dict[str, float], state: ReadState) -> bool:
        """Note what came of an epoch, and add to its logs; return True to stop the training."""

    def end(self) -> None:
        """Note that the training is over."""


def train(
    task: Task,
    state: State,
    *,
    epochs: int,
    patience: int | None = None,
    callbacks: Sequence[Any] = (),
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoint | None = None,
    verbose: int = 0,
) -> tuple[State, History]:
    """Train for up to `epochs` epochs from a state; return the new state and a history.

    Parameters
    ----------
    task : Task
    state : State
        Left as it is.
    epochs : int
    patience : int, default=None
        With `task.validation`: stop after this many epochs without a lower validation loss,
        and return the weights that had the lowest. None: the validation is only reported.
    callbacks : sequence of `keras.callbacks.Callback`
        Called once an epoch. They may stop the training, set weights and learning rate.
    watchers : sequence of Watcher
        Called after them.
    checkpoint : callable `(state, history)`, default=None
        Called now and then between two epochs with what would be returned then.
    verbose : int, default=0
        What the callbacks are told.

    Raises
    ------
    DivergenceError
        When the loss of an epoch is not finite.
    """
    note_use()
    task.loss.check_consumes({*task.columns, *task.constants} - {"X", "y", "weight"})
    feed = Feed(Table(task.columns, task.batch_size), task.constants)
    if isinstance(task.optimizer, Lbfgs):
        return _minimize(task, task.optimizer, feed, state, epochs, watchers, checkpoint)
    recipe = Recipe(
        network=task.network,
        loss=task.loss,
        optimizer=task.optimizer,
        batch_size=feed.table.batch_size,
        size=feed.table.size,
        columns=layout_of(task.columns),
        constants=tuple((name, v.shape) for name, v in sorted(task.constants.items())),
    )
    with _programs.lend(recipe.key, lambda: Program(recipe)) as program, ExitStack() as at_end:
        program.load(state.weights, state.slots, task.optimizer.learning_rate)
        watching: list[Watcher] = list(watchers)
        if callbacks:
            n_steps = -(-feed.table.n_rows // feed.table.batch_size)
            at_end.callback(_take_models_from, callbacks)
            driver = _KerasCallbacks(program, callbacks, epochs, n_steps, verbose)
            watching.insert(0, driver)
        if task.validation is not None:
            held_out = Feed(Table(task.validation, task.batch_size), task.constants)
            watching.insert(0, _Validation(program, held_out, patience))
        history: History = {"loss": []}
        for _ in _run(program, feed, _order_of(task, feed), state, epochs, watching, history):
            if checkpoint:
                checkpoint(_state_now(program, state, history), _copied(history))
        program.finish()
        for watcher in watching:
            watcher.end()
        return _state_now(program, state, history), history


def _order_of(task: Task, feed: Feed) -> Callable[[int, int], np.ndarray]:
    """Return the function `(seed, epoch)` that says in which order rows are taken."""
    if task.lengths is None:
        return partial(epoch_order, n_rows=feed.table.n_rows)
    return partial(order_by_length, lengths=task.lengths, batch_size=feed.table.batch_size)


def _minimize(
    task: Task,
    lbfgs: Lbfgs,
    feed: Feed,
    state: State,
    epochs: int,
    watchers: Sequence[Watcher],
    checkpoint: Checkpoint | None,
) -> tuple[State, History]:
    """Take `epochs` iterations of L-BFGS at most; watchers see each as an epoch."""
    history: History = {"loss": [], "gradient_norm": []}

    def watch(weights: list[np.ndarray], logs: dict[str, float]) -> bool:
        _check_finite(np.array([logs["loss"]]), state.epoch + len(history["loss"]))
        for name, value in logs.items():
            history[name].append(value)
        number = len(history["loss"]) - 1
        now = State(weights, None, state.seed, state.epoch + number + 1)
        stop = [watcher.end_epoch(number, logs, lambda: now) for watcher in watchers]
        if checkpoint:
            checkpoint(now, _copied(history))
        for watcher in watchers:
            if number + 1 < epochs and not any(stop):
                watcher.begin_epoch(number + 1)
        return any(stop)

    for watcher in watchers:
        watcher.begin_epoch(0)
    key = Objective.key(task.network, task.loss, layout_of(task.columns), feed.table.size)
    with _programs.lend(key, lambda: Objective(task.network, task.loss)) as objective:
        weights = minimized(objective, feed, state.weights, lbfgs, iterations=epochs, watch=watch)
    for watcher in watchers:
        watcher.end()
    return State(weights, None, state.seed, state.epoch + len(history["loss"])), history


def _state_now(program: Program, start: State, history: History) -> State:
    epoch = start.epoch + len(history["loss"])
    slots_of = program.recipe.optimizer.name
    return State(program.read_weights(), program.read_slots(), start.seed, epoch, slots_of)


def _copied(history: History) -> History:
    return {name: list(values) for name, values in history.items()}


def _run(
    program: Program,
    feed: Feed,
    order: Callable[[int, int], np.ndarray],
    state: State,
    epochs: int,
    watchers: Sequence[Watcher],
    history: History,
) -> Iterator[None]:
    """Run the epochs on a loaded program, filling in the history; yield between calls."""
    at_once = 1 if watchers else program.epochs_at_once(feed)
    for start in range(0, epochs, at_once):
        for watcher in watchers:
            watcher.begin_epoch(start)
        orders = [
            order(state.seed, state.epoch + epoch)
            for epoch in range(start, min(start + at_once, epochs))
        ]
        ratios = program.train(feed, orders)
        _check_finite(ratios["loss"], state.epoch + start)
        for name, values in ratios.items():
            history.setdefault(name, []).extend(values.tolist())
        logs = {name: float(values[-1]) for name, values in ratios.items()}
        read_state = partial(_state_now, program, state, history)
        stop = False
        for watcher in watchers:
            stop |= watcher.end_epoch(start, logs, read_state)
        for name in [name for name in logs if name not in ratios]:
            history.setdefault(name, []).append(logs[name])
        yield
        if stop:
            break


def is_keras_callback(thing: Any) -> bool:
    """Say whether this is something that `train` takes among its callbacks."""
    return isinstance(thing, keras.callbacks.Callback)


def epoch_order(seed: int, epoch: int, n_rows: int) -> np.ndarray:
    """Return the order of the rows in an epoch: a function of its arguments, not of a stream.

    So a training that is stopped, stored and taken up again goes on as if it had not been.
    """
    return np.random.default_rng([seed, epoch]).permutation(n_rows)


def order_by_length(seed: int, epoch: int, lengths: np.ndarray, batch_size: int) -> np.ndarray:
    """Return an order in which the rows of a batch are of similar length, batches at random.

    Batches are as many and as large as in `epoch_order`, the short one last. Rows of one length
    come in random order, and which lengths make up the short batch is left to chance.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    order = order[np.argsort(lengths[order], kind="stable")]
    n_whole, n_left = divmod(len(order), batch_size)
    start = rng.integers(n_whole + 1) * batch_size
    left_over = order[start : start + n_left]
    whole = np.delete(order, slice(start, start + n_left)).reshape(n_whole, batch_size)
    return np.concatenate([rng.permutation(whole).ravel(), left_over])


def _check_finite(losses: np.ndarray, first_epoch: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise DivergenceError(
            f"The loss must stay finite; got {losses[bad[0]]} in epoch "
            f"{first_epoch + bad[0] + 1}. Lower learning_rate, or scale X."
        )


class _Validation:
    """Reports on rows held out and, with patience, ends with the weights of the lowest loss."""

    def __init__(self, program: Program, held_out: Feed, patience: int | None):
        self._program = program
        self._held_out = held_out
        self._patience = patience
        self._loss = np.inf
        self._weights: list[np.ndarray] | None = None
        self._n_since = 0

    def begin_epoch(self, epoch: int) -> None:
        pass

    def end_epoch(self, epoch: int, logs: dict[str, float], state: ReadState) -> bool:
        found = self._program.evaluate(self._held_out)
        logs |= {f"val_{name}": value for name, value in found.items()}
        if self._patience is None:
            return False
        self._n_since += 1
        if found["loss"] < self._loss:
            self._loss, self._weights, self._n_since = (
                found["loss"],
                self._program.read_weights(),
                0,
            )
        return self._n_since >= self._patience

    def end(self) -> None:
        if self._weights is not None:
            self._program.load(self._weights, self._program.read_slots())


def _take_models_from(callbacks: Sequence[Any]) -> None:
    """Take the model from callbacks, which can be copied and stored without it."""
    for callback in callbacks:
        callback._model = None


class _KerasCallbacks:
    """Keras callbacks, driven once an epoch, with a model and an optimizer of their own.

    What they set on these, weights and learning rate above all, is carried into the program.
    """

    def __init__(
        self,
        program: Program,
        callbacks: Sequence[Any],
        epochs: int,
        n_steps: int,
        verbose: int,
    ):
        self._program = program
        self._model = program.recipe.network.build()
        with program.recipe.network.settings():
            self._optimizer = program.recipe.optimizer.build()
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
        values = [*self._program.read_weights(), *self._program.read_slots()]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        logs = dict(self._logs)
        if logs:
            logs["learning_rate"] = float(self._optimizer.learning_rate)
        getattr(self._list, event)(*epoch, logs)
        n_weights = len(self._model.variables)
        now = [np.asarray(variable) for variable in variables]
        self._program.load(now[:n_weights], now[n_weights:])
