"""The training loop: epochs, early stopping, callbacks. There is no second one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skmask.engine._network import Network
from skmask.engine._optimizer import OptimizerRecipe
from skmask.engine._pool import Pool
from skmask.engine._program import Loss, Program, Recipe
from skmask.engine._quiet import keras
from skmask.engine._table import Column, Feed, Table, layout_of

_programs = Pool(capacity=32)

Report = Callable[[int, dict[str, float], Program], bool]


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
    """

    weights: list[np.ndarray]
    slots: list[np.ndarray] | None
    seed: int
    epoch: int = 0


@dataclass(frozen=True)
class Task:
    """What is trained, on what.

    Parameters
    ----------
    network : Network
    loss : Loss
    optimizer : OptimizerRecipe
    batch_size : int
    columns : mapping with "X", "y", "weight" and whatever else the loss takes, by row
    constants : mapping of what else the loss takes, the same for all rows
    validation : mapping like `columns`, or None
    """

    network: Network
    loss: Loss
    optimizer: OptimizerRecipe
    batch_size: int
    columns: Mapping[str, Column]
    constants: Mapping[str, np.ndarray]
    validation: Mapping[str, Column] | None = None


def train(
    task: Task,
    state: State,
    *,
    epochs: int,
    patience: int | None = None,
    callbacks: Sequence[Any] = (),
    report: Report | None = None,
) -> tuple[State, dict[str, list[float]]]:
    """Train for up to `epochs` epochs from a state; return the new state and a history.

    Parameters
    ----------
    task : Task
    state : State
        Left as it is.
    epochs : int
    patience : int, default=None
        With `task.validation`: stop after this many epochs without a lower validation loss,
        and return the weights that had the lowest.
    callbacks : sequence of `keras.callbacks.Callback`
        Called once an epoch. They may stop the training, set weights and learning rate.
    report : callable `(epoch, logs, program) -> stop`, default=None
        Called after each epoch.

    Raises
    ------
    DivergenceError
        When the loss of an epoch is not finite.
    """
    feed = Feed(Table(task.columns, task.batch_size), task.constants)
    held_out = None
    if task.validation is not None:
        held_out = Feed(Table(task.validation, task.batch_size), task.constants)
    recipe = Recipe(
        network=task.network,
        loss=task.loss,
        optimizer=task.optimizer,
        batch_size=feed.table.batch_size,
        size=feed.table.size,
        columns=layout_of(task.columns),
        constants=tuple((name, v.shape) for name, v in sorted(task.constants.items())),
    )
    with _programs.lend(recipe.key, lambda: Program(recipe)) as program:
        program.load(state.weights, state.slots, task.optimizer.learning_rate)
        history = _run(program, feed, held_out, state, epochs, patience, callbacks, report)
        n_epochs = len(history["loss"])
        trained = State(
            program.read_weights(), program.read_slots(), state.seed, state.epoch + n_epochs
        )
    return trained, history


def _run(
    program: Program,
    feed: Feed,
    held_out: Feed | None,
    state: State,
    epochs: int,
    patience: int | None,
    callbacks: Sequence[Any],
    report: Report | None,
) -> dict[str, list[float]]:
    """Run the epochs on a loaded program, which is left with the weights to keep."""
    total_weight = _total_weight(feed)
    best = _Best(program, held_out, patience) if held_out is not None else None
    keras_callbacks = _KerasCallbacks(program, callbacks, epochs) if callbacks else None
    is_watched = bool(best or keras_callbacks or report)
    at_once = 1 if is_watched else program.epochs_at_once(feed)
    history: dict[str, list[float]] = {"loss": []}
    for start in range(0, epochs, at_once):
        chunk = range(start, min(start + at_once, epochs))
        if keras_callbacks:
            keras_callbacks.begin_epoch(start)
        orders = [epoch_order(state.seed, state.epoch + e, feed.table.n_rows) for e in chunk]
        losses = program.train(feed, orders) / total_weight
        _check_finite(losses, state.epoch + start)
        history["loss"] += losses.tolist()
        if not is_watched:
            continue
        logs = {"loss": float(losses[0])}
        stop = best.update(logs) if best else False
        for name in logs.keys() - {"loss"}:
            history.setdefault(name, []).append(logs[name])
        if keras_callbacks:
            stop |= keras_callbacks.end_epoch(start, logs)
        if report:
            stop |= report(start, logs, program)
        if stop:
            break
    if best:
        best.restore()
    if keras_callbacks:
        keras_callbacks.end()
    return history


def is_keras_callback(thing: Any) -> bool:
    """Say whether this is something that `train` takes among its callbacks."""
    return isinstance(thing, keras.callbacks.Callback)


def epoch_order(seed: int, epoch: int, n_rows: int) -> np.ndarray:
    """Return the order of the rows in an epoch: a function of its arguments, not of a stream.

    So a training that is stopped, stored and taken up again goes on as if it had not been.
    """
    return np.random.default_rng([seed, epoch]).permutation(n_rows)


def _total_weight(feed: Feed) -> float:
    return float(feed.table.columns["weight"].sum(dtype=np.float64))


def _check_finite(losses: np.ndarray, first_epoch: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise DivergenceError(
            f"The loss must stay finite; got {losses[bad[0]]} in epoch "
            f"{first_epoch + bad[0] + 1}. Lower learning_rate, or scale X."
        )


class _Best:
    """The lowest validation loss so far, and the weights that had it."""

    def __init__(self, program: Program, held_out: Feed, patience: int | None):
        self._program = program
        self._held_out = held_out
        self._total_weight = _total_weight(held_out)
        self._patience = np.inf if patience is None else patience
        self._loss = np.inf
        self._weights: list[np.ndarray] | None = None
        self._n_since = 0

    def update(self, logs: dict[str, float]) -> bool:
        """Add `val_loss` to the logs; say whether patience has run out."""
        loss = self._program.sum_losses(self._held_out) / self._total_weight
        logs["val_loss"] = loss
        self._n_since += 1
        if loss < self._loss:
            self._loss, self._weights, self._n_since = loss, self._program.read_weights(), 0
        return self._n_since >= self._patience

    def restore(self) -> None:
        """Set the program's weights to the best."""
        if self._weights is not None:
            self._program.set_weights(self._weights)


class _KerasCallbacks:
    """Keras callbacks, driven once an epoch on the program's own model and optimizer."""

    def __init__(self, program: Program, callbacks: Sequence[Any], epochs: int):
        self._model = program.model
        self._model.compile(optimizer=program.optimizer)
        self._model.stop_training = False
        self._list = keras.callbacks.CallbackList(
            list(callbacks), model=self._model, epochs=epochs, verbose=0
        )
        self._list.on_train_begin()

    def begin_epoch(self, epoch: int) -> None:
        self._list.on_epoch_begin(epoch)

    def end_epoch(self, epoch: int, logs: dict[str, float]) -> bool:
        self._list.on_epoch_end(epoch, dict(logs))
        return bool(self._model.stop_training)

    def end(self) -> None:
        self._list.on_train_end()
