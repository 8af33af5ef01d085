"""The two ways to train a graph, and the programs that they keep from fit to fit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from skmask.engine._caches import Pool
from skmask.engine._job import PENALTY, Job, Lbfgs, Steps
from skmask.engine._loop import Progress, Solver
from skmask.engine._order import Order, order_of
from skmask.engine._state import State
from skmask.engine._table import Feed, layout_of
from skmask.engine.tensorflow._callbacks import KerasCallbacks
from skmask.engine.tensorflow._candidates import CandidateProgram
from skmask.engine.tensorflow._lbfgs import Objective, minimized
from skmask.engine.tensorflow._losses import check_consumes
from skmask.engine.tensorflow._names import note_use
from skmask.engine.tensorflow._optimizer import OptimizerRecipe
from skmask.engine.tensorflow._program import Program, Recipe

__all__ = ["keras_watcher", "lent_solver"]

# Each holds some megabytes, and with XLA ten idle threads.
programs = Pool(capacity=16)


class _StepSolver:
    """Steps of an optimizer, by a program that is lent."""

    def __init__(self, program: Program, optimizer: OptimizerRecipe, order: Order):
        self.optimizer = optimizer
        self._program = program
        self._order = order
        self.load = program.load
        self.read_weights = program.read_weights
        self.read_slots = program.read_slots
        self.evaluate = program.evaluate
        self.finish = program.finish

    def start(self, state: State) -> None:
        self._program.load(state.weights, state.slots, self.optimizer.learning_rate)

    def run(self, feed: Feed, progress: Progress) -> None:
        start = progress.start
        read_state = partial(self.state, progress)
        while numbers := progress.begin(self._program.epochs_at_once(feed)):
            orders = [self._order(start.seed, start.epoch + number) for number in numbers]
            progress.end(self._program.train(feed, orders), read_state)

    def state(self, progress: Progress) -> State:
        return State(
            self._program.read_weights(),
            self._program.read_slots(),
            progress.start.seed,
            progress.start.epoch + progress.n_done,
            self.optimizer.name,
        )


class _LbfgsSolver:
    """Full-batch L-BFGS, by an objective that is lent. An iteration counts as an epoch."""

    def __init__(self, objective: Objective, lbfgs: Lbfgs):
        self._objective = objective
        self._lbfgs = lbfgs
        self._weights: list[np.ndarray] = []

    def start(self, state: State) -> None:
        self.load(state.weights)

    def load(
        self, weights: Sequence[np.ndarray], slots: Sequence[np.ndarray] | None = None
    ) -> None:
        self._weights = list(weights)

    def read_weights(self) -> list[np.ndarray]:
        return self._weights

    def read_slots(self) -> None:
        return None

    def run(self, feed: Feed, progress: Progress) -> None:
        read_state = partial(self.state, progress)

        def watch(weights: list[np.ndarray], logs: dict[str, float]) -> bool:
            self._weights = weights
            ratios = {name: np.array([value]) for name, value in logs.items()}
            stops = progress.end(ratios, read_state)
            progress.begin()
            return stops

        if not progress.begin():
            return
        self._weights = minimized(
            self._objective,
            feed,
            self._weights,
            self._lbfgs,
            iterations=progress.epochs,
            watch=watch,
        )

    def evaluate(self, feed: Feed) -> dict[str, float]:
        return self._objective.evaluate(feed, self._weights)

    def finish(self) -> None:
        pass

    def state(self, progress: Progress) -> State:
        epoch = progress.start.epoch + progress.n_done
        return State(self._weights, None, progress.start.seed, epoch)


@contextmanager
def lent_solver(job: Job, feed: Feed) -> Iterator[Solver]:
    """Lend the solver of a job, whose program is kept for the next fit of the same shapes."""
    note_use()
    known = {"X", "y", "weight"}
    if any(job.graph.is_penalised):
        known.add(PENALTY)
    check_consumes(job.loss, {*job.columns, *job.constants} - known)
    with _LENDERS[type(job.solver)](job, job.solver, feed) as solver:
        yield solver


@contextmanager
def _lent_steps(job: Job, steps: Steps, feed: Feed) -> Iterator[Solver]:
    optimizer = OptimizerRecipe(steps.optimizer, steps.learning_rate)
    recipe = Recipe(
        graph=job.graph,
        loss=job.loss,
        optimizer=optimizer,
        batch_size=feed.table.batch_size,
        size=feed.table.size,
        columns=layout_of(job.columns),
        constants=tuple((name, v.shape) for name, v in sorted(job.constants.items())),
        stay_sparse=job.stay_sparse,
    )
    table = feed.table
    order = order_of(table.n_rows, job.lengths, table.batch_size, table.bounds, job.window)
    kind: Any = Program
    if job.by_candidates:
        kind = partial(
            CandidateProgram, sparse_updates=job.sparse_updates, width=job.width_of_candidates
        )
    way = job.by_candidates, job.sparse_updates, job.width_of_candidates
    key = None if recipe.key is None else (way, recipe.key)
    with programs.lend(key, lambda: kind(recipe)) as program:
        yield _StepSolver(program, optimizer, order)


@contextmanager
def _lent_lbfgs(job: Job, lbfgs: Lbfgs, feed: Feed) -> Iterator[Solver]:
    key = Objective.key(job.graph, job.loss, layout_of(job.columns), feed.table.size)
    with programs.lend(key, lambda: Objective(job.graph, job.loss)) as objective:
        yield _LbfgsSolver(objective, lbfgs)


_LENDERS: dict[type, Any] = {Steps: _lent_steps, Lbfgs: _lent_lbfgs}


def keras_watcher(
    solver: Any,
    job: Job,
    callbacks: Sequence[Any],
    epochs: int,
    n_steps: int,
    verbose: int,
) -> KerasCallbacks:
    """Return the watcher that drives Keras callbacks.

    Parameters
    ----------
    solver : Solver
    job : Job
    callbacks : sequence of keras.callbacks.Callback
    epochs, n_steps, verbose : int
        Handed to Keras' callback list.

    Raises
    ------
    TypeError
        Where the solver has no optimizer of Keras that callbacks could read.
    """
    optimizer = getattr(solver, "optimizer", None)
    if optimizer is None:
        raise TypeError(
            "callbacks must be used with an optimizer of Keras; got "
            f"{type(job.solver).__name__}, which is none. Leave them out, or train by steps."
        )
    return KerasCallbacks(solver, job.graph, optimizer, callbacks, epochs, n_steps, verbose)
