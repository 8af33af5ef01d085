"""The one training loop: progress, early stopping, watchers."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np

from skmask.engine._job import Checkpoint, Job, ReadState, Score, Watcher
from skmask.engine._state import DivergenceError, History, State
from skmask.engine._table import Column, Feed, Table

__all__ = ["Progress", "Solver", "train"]


class Solver(Protocol):
    """A way to train a graph, its variables set: by steps of an optimizer, or by L-BFGS."""

    def start(self, state: State) -> None:
        """Set all variables to a state, and the learning rate to that of the job."""

    def load(self, weights: Sequence[np.ndarray], slots: Sequence[np.ndarray] | None) -> None:
        """Set the variables of the graph and of the optimizer; fresh slots where None."""

    def read_weights(self) -> list[np.ndarray]:
        """Return the values of the variables of the graph."""

    def read_slots(self) -> list[np.ndarray] | None:
        """Return the values of the variables of the optimizer, if it has any."""

    def run(self, feed: Feed, progress: "Progress") -> None:
        """Train until `progress` reports the end."""

    def evaluate(self, feed: Feed) -> dict[str, float]:
        """Return the loss and the metrics over all rows, nothing trained."""

    def finish(self) -> None:
        """Do what is done once, at the end of a training."""

    def state(self, progress: "Progress") -> State:
        """Return where the training stands."""


class Progress:
    """Counts the epochs of a training, keeps its history, and tells watchers.

    Parameters
    ----------
    start : State
        Where the training goes on from.
    epochs : int
        At most so many are run.
    watchers : sequence of Watcher
    checkpoint : callable `(state, history)` or None
        Called whenever the watchers were told.
    """

    def __init__(
        self,
        start: State,
        epochs: int,
        watchers: Sequence[Watcher],
        checkpoint: Checkpoint | None = None,
    ):
        self.start = start
        self.history: History = {"loss": []}
        self.epochs = epochs
        self._watchers = watchers
        self._checkpoint = checkpoint
        self._is_over = False

    @property
    def n_done(self) -> int:
        """Number of epochs that were run."""
        return len(self.history["loss"])

    def begin(self, at_most: int = 1) -> range:
        """Begin a call; return the numbers of its epochs, from 0, none where all is over.

        Several epochs go in one call only where nothing watches.
        """
        if self._is_over:
            return range(0)
        n_epochs = 1 if self._watchers else at_most
        numbers = range(self.n_done, min(self.n_done + n_epochs, self.epochs))
        if numbers:
            for watcher in self._watchers:
                watcher.begin_epoch(numbers[0])
        return numbers

    def end(self, ratios: dict[str, np.ndarray], read_state: ReadState) -> bool:
        """Note the results of a call; return True if the training is to stop.

        Parameters
        ----------
        ratios : dict of str to ndarray of shape (n_epochs,)
            The loss and what else was counted.
        read_state : callable
            Returns the state that was reached.
        """
        number = self.n_done
        _check_finite(ratios["loss"], self.start.epoch + number)
        for name, values in ratios.items():
            self.history.setdefault(name, []).extend(map(float, values))
        logs = {name: float(values[-1]) for name, values in ratios.items()}
        stops = [watcher.end_epoch(number, logs, read_state) for watcher in self._watchers]
        for name in [name for name in logs if name not in ratios]:
            self.history.setdefault(name, []).append(logs[name])
        if self._checkpoint:
            copied = {name: list(values) for name, values in self.history.items()}
            self._checkpoint(read_state(), copied)
        self._is_over = any(stops) or self.n_done >= self.epochs
        return self._is_over


def train(
    job: Job,
    state: State,
    *,
    epochs: int,
    patience: int | None = None,
    score: Score | None = None,
    callbacks: Sequence[Any] = (),
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoint | None = None,
    verbose: int = 0,
) -> tuple[State, History]:
    """Train for up to `epochs` epochs from a state; return the new state and a history.

    Parameters
    ----------
    job : Job
    state : State
        Left as it is.
    epochs : int
        For L-BFGS iterations.
    patience : int or None
        Stop after this many epochs without a higher score, with the weights of the epoch that
        had the highest. Without it validation is only reported.
    score : callable `(logs, read_state) -> float`, default=None
        Called after each validation, with its results among the logs. None: minus the
        validation loss.
    callbacks : sequence of keras.callbacks.Callback
        Their Keras model is taken from them at the end.
    watchers : sequence of Watcher
        Called after callbacks and validation.
    checkpoint : callable `(state, history)`, default=None
        Called when one or more epochs are done.
    verbose : int
        Handed to Keras' callback list.

    Raises
    ------
    DivergenceError
        When the loss is NaN or infinite; the message says in which epoch.
    """
    from skmask.engine import tensorflow  # imported by the first training only

    feed = _feed(job, job.columns, job.constants)
    with tensorflow.lent_solver(job, feed) as solver, ExitStack() as at_end:
        solver.start(state)
        watching = list(watchers)
        if callbacks:
            n_steps = -(-feed.table.n_rows // feed.table.batch_size)
            at_end.callback(tensorflow.release_models, callbacks)
            watching.insert(
                0, tensorflow.keras_watcher(solver, job, callbacks, epochs, n_steps, verbose)
            )
        if job.validation is not None:
            constants = job.validation_constants
            constants = job.constants if constants is None else constants
            held_out = _feed(job, job.validation, constants)
            watching.insert(0, _Validation(solver, held_out, patience, score))
        progress = Progress(state, epochs, watching, checkpoint)
        solver.run(feed, progress)
        solver.finish()
        for watcher in watching:
            watcher.end()
        return solver.state(progress), progress.history


def _feed(job: Job, columns: Mapping[str, Column], constants: Mapping[str, np.ndarray]) -> Feed:
    solver = job.solver
    table = Table(columns, solver.batch_size, job.stay_sparse, stays=solver.reads_often)
    return Feed(table, constants)


def _check_finite(losses: np.ndarray, first_epoch: int) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise DivergenceError(
            f"The loss must stay finite; got {losses[bad[0]]} in epoch "
            f"{first_epoch + bad[0] + 1}. Lower learning_rate, or scale X."
        )


class _Validation:
    """Reports on validation rows and, with patience, ends with the weights of the best score."""

    def __init__(self, solver: Solver, held_out: Feed, patience: int | None, score: Score | None):
        self._solver = solver
        self._held_out = held_out
        self._patience = patience
        self._score = score
        self._best = -np.inf
        self._weights: list[np.ndarray] | None = None
        self._n_since = 0

    def begin_epoch(self, epoch: int) -> None:
        pass

    def end_epoch(self, epoch: int, logs: dict[str, float], state: ReadState) -> bool:
        found = self._solver.evaluate(self._held_out)
        logs |= {f"val_{name}": value for name, value in found.items()}
        score = -found["loss"] if self._score is None else self._score(logs, state)
        if self._patience is None:
            return False
        self._n_since += 1
        if score > self._best:
            self._best, self._weights = score, self._solver.read_weights()
            self._n_since = 0
        return self._n_since >= self._patience

    def end(self) -> None:
        if self._weights is not None:
            self._solver.load(self._weights, self._solver.read_slots())
