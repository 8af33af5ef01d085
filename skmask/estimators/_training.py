"""How a fit is put together: rows, network, loss and solver become a job, its result a record."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from skmask.data._blocks import rows_at_once
from skmask.data._hold_out import held_out_rows
from skmask.data._inputs import Inputs
from skmask.data._messages import quote
from skmask.engine import (
    PENALTY,
    DivergenceError,
    History,
    Job,
    Lbfgs,
    Loss,
    OwnNetwork,
    State,
    Steps,
    is_lazy,
    train,
)
from skmask.estimators._candidates import trains_by_candidates
from skmask.estimators._reading import Given
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._validation import Monitor, Validation, naming_validation
from skmask.estimators._watching import EpochTasks, Printer
from skmask.networks import MLP, Network, Signature

__all__ = ["Choice", "Parts", "Plan", "described_mlp", "own_network", "trained"]

# Validation rows that are enough to choose by, and how often others are held out to have them.
_ENOUGH_ROWS = 1000
_TURNS_AT_MOST = 10

# Settings of a network that leave its weights their shapes.
_NOT_IN_SHAPES = ("activation", "dropout", "kernel", "product_form")


@dataclass(frozen=True)
class Parts:
    """Network, loss and solver that an estimator names for a fit to its rows.

    Parameters
    ----------
    network : Network or OwnNetwork
    signature : Signature
    loss : Loss
    solver : Steps, Lbfgs or None, default=None
        None: steps of the parameter `optimizer`.
    dtype : str or None, default=None
        Type of weights and arithmetic. None: what the parameter `dtype` says.
    conclude : callable `(fit, held_out) -> dict`, default=None
        Returns further values of the fit, which follow from the trained network. `held_out` are
        the validation rows, passed or held out, or None.
    choice : Choice or None, default=None
        Other parts, of which validation rows choose those that are trained.
    """

    network: Network | OwnNetwork
    signature: Signature
    loss: Loss
    solver: Steps | Lbfgs | None = None
    dtype: str | None = None
    conclude: Callable[[Fit, Rows | None], Mapping[str, Any]] | None = None
    choice: "Choice | None" = None


@dataclass(frozen=True)
class Choice:
    """Parts to choose from, by the validation rows that were passed, or by rows held out.

    Parameters
    ----------
    among : sequence of Parts
        Those that come first win ties.
    loss : callable `(fit, rows) -> float`
        What a fit loses on validation rows.
    reason : tuple of str
        For messages: the parameter that wants rows held out, and how to do without.
    """

    among: Sequence[Parts]
    loss: Callable[[Fit, Rows], float]
    reason: tuple[str, str]


@dataclass(frozen=True)
class Plan:
    """How long to train, from where, and who watches.

    Parameters
    ----------
    epochs : int
    before : Fit or None
        The fit to go on from.
    reason_to_hold_out : tuple of str or None
        For messages: the parameter that wants rows held out, and how to do without.
    tasks : EpochTasks or None
        None in `partial_fit`.
    given : Given or None
        The arguments of the fit.
    validation : Validation or None
        Validation rows that were passed; none are held out then.
    """

    epochs: int
    before: Fit | None
    reason_to_hold_out: tuple[str, str] | None = None
    tasks: EpochTasks | None = None
    given: Given | None = None
    validation: Validation | None = None

    @property
    def is_partial(self) -> bool:
        """Whether this is `partial_fit`."""
        return self.tasks is None


def trained(estimator: Any, rows: Rows, parts_of: Callable[[Rows], Parts], plan: Plan) -> Fit:
    """Train a network on rows, and return the record of the fit.

    Parameters
    ----------
    estimator : estimator
        Its parameters are read. Ctrl-C sets its record to that of the last whole epoch, unless
        there is one from a fit that this one does not go on from.
    rows : Rows
    parts_of : callable `rows -> Parts`
    plan : Plan
    """
    before = plan.before
    seed = _seed(estimator, before)
    if before is not None:
        _check_same_labels(rows, before)
    parts = parts_of(rows)
    if parts.choice is not None:
        parts = _chosen(parts.choice, estimator, rows, plan, seed)
    rows, validation = _with_validation(estimator, rows, seed, plan)
    job, start, record = _prepared(estimator, rows, validation, parts, plan, seed)
    with _whole_epochs_kept(estimator, record, before) as checkpoint:
        state, history = train(
            job,
            start,
            epochs=plan.epochs,
            patience=_patience(estimator),
            score=record.monitor,
            callbacks=list(estimator.callbacks or ()),
            watchers=_watchers(estimator, plan, record),
            checkpoint=checkpoint,
            verbose=int(estimator.verbose),
        )
        return record(state, history)


def _chosen(choice: Choice, estimator: Any, rows: Rows, plan: Plan, seed: int) -> Parts:
    """Return the parts whose training, which nobody watches, loses least on validation rows.

    Few rows are held out several times, others each time.
    """
    reason = plan.reason_to_hold_out or choice.reason
    plan = replace(plan, reason_to_hold_out=reason)
    losses: list[list[float]] = []
    n_validated = 0
    while n_validated < _ENOUGH_ROWS and len(losses) < _TURNS_AT_MOST:
        turn = (seed + len(losses)) % np.iinfo(np.int32).max
        kept, validation = _with_validation(estimator, rows, turn, plan)
        held_out: Any = validation
        losses.append([])
        for parts in choice.among:
            fit = _fit_unwatched(estimator, kept, validation, parts, plan, turn)
            losses[-1].append(np.inf if fit is None else choice.loss(fit, held_out.rows))
        n_validated += _ENOUGH_ROWS if plan.validation is not None else len(held_out.rows)
    return choice.among[int(np.mean(losses, axis=0).argmin())]


def _fit_unwatched(
    estimator: Any,
    rows: Rows,
    validation: Validation | None,
    parts: Parts,
    plan: Plan,
    seed: int,
) -> Fit | None:
    """Return the fit to some rows, None where it diverges."""
    watched = validation if estimator.early_stopping else None
    job, start, record = _prepared(estimator, rows, watched, parts, plan, seed)
    patience = _patience(estimator)
    try:
        found = train(job, start, epochs=plan.epochs, patience=patience, score=record.monitor)
    except DivergenceError:
        return None
    return record(*found)


def _prepared(
    estimator: Any,
    rows: Rows,
    validation: Validation | None,
    parts: Parts,
    plan: Plan,
    seed: int,
) -> tuple[Job, State, "_Recorder"]:
    """Return what is trained, from where, and what makes the record."""
    before = plan.before
    dtype = parts.dtype or _dtype(estimator, rows, plan)
    total_weight = _total_weight(rows)
    if not plan.is_partial:
        rows = _with_weights_for_a_fit(estimator, rows, parts)
    job = _job(estimator, rows, validation, parts, dtype, total_weight)
    start = _start(job, parts, rows, plan, seed)
    monitor = None if validation is None else Monitor(estimator, validation)
    record = _Recorder(estimator, rows, validation, parts, dtype, job.graph, before, monitor)
    if monitor is not None:
        monitor.record = record
    return job, start, record


def _patience(estimator: Any) -> int | None:
    return int(estimator.n_iter_no_change) if estimator.early_stopping else None


# Networks.


def described_mlp(estimator: Any, rows: Rows | None = None) -> Network | OwnNetwork:
    """Return the network of an estimator that has the parameters of an MLP.

    Parameters
    ----------
    estimator : estimator
    rows : Rows, default=None
        Its rows, where it has the parameter `inputs`.
    """
    if estimator.network is not None:
        inputs = None if rows is None else rows.values.get("inputs")
        return own_network(estimator.network, inputs=inputs)
    return MLP(
        estimator.hidden_layer_sizes,
        estimator.activation,
        alpha=estimator.alpha,
        dropout=estimator.dropout,
    )


def own_network(
    network: Any, *, of_sequences: bool = False, inputs: Inputs | None = None
) -> Network | OwnNetwork:
    """Return a network given as a parameter, which later changes of the object do not reach."""
    if isinstance(network, Network):
        wanted = ("sequences",) if of_sequences else ("rows", "images")
        if network.takes not in wanted:
            raise ValueError(
                f"network must take {' or '.join(wanted)} here; got {network!r}, which takes "
                f"{network.takes}. Use another network, or the estimator that it is made for."
            )
        return clone(network)
    from skmask.engine import tensorflow

    return OwnNetwork(tensorflow.frozen_template(network), of_sequences, inputs)


# Steps of `trained`, in their order.


def _integer_seed(estimator: Any) -> int | None:
    """Return `random_state` where it is a number."""
    seed = estimator.random_state
    return int(seed) if isinstance(seed, Integral) else None


def _seed(estimator: Any, before: Fit | None) -> int:
    """Return the seed of starting weights and of the order of rows.

    A training that goes on keeps its seed, unless `random_state` became another number.
    """
    if before is not None and _integer_seed(estimator) in (None, before["seeded_by"]):
        return before.state.seed
    return int(check_random_state(estimator.random_state).randint(np.iinfo(np.int32).max))


def _check_same_labels(rows: Rows, before: Fit) -> None:
    if rows.outputs.tolist() != before["outputs"].tolist():
        raise ValueError(
            f"y must have the classes of the fit that it goes on from, "
            f"{quote(before['outputs'])}; got {quote(rows.outputs)}. Pass classes= with "
            "all labels, or set warm_start=False."
        )


def _with_validation(
    estimator: Any, rows: Rows, seed: int, plan: Plan
) -> tuple[Rows, Validation | None]:
    """Return the rows to train on, and those to validate on: as passed, or held out."""
    if plan.validation is not None or plan.reason_to_hold_out is None or plan.given is None:
        return rows, plan.validation
    rows, held_out = _parted(estimator, rows, seed, plan.reason_to_hold_out)
    return rows, Validation(held_out, plan.given, is_part=True)


def _parted(estimator: Any, rows: Rows, seed: int, reason: tuple[str, str]) -> tuple[Rows, Rows]:
    """Split off a stratified part. A class of one row stays in training."""
    kept, held_out = held_out_rows(
        rows.strata,
        estimator.validation_fraction,
        seed,
        labels=rows.outputs,
        cause=reason[0],
        cure=reason[1],
    )
    if is_lazy(rows.X):  # blocks are read in their order
        kept, held_out = np.sort(kept), np.sort(held_out)
    return rows[kept], rows[held_out]


def _dtype(estimator: Any, rows: Rows, plan: Plan) -> str:
    """Return the floating-point type of weights and arithmetic."""
    if estimator.dtype != "auto":
        return estimator.dtype
    if plan.before is not None:
        return plan.before.dtype
    is_one_batch = len(rows) <= estimator.batch_size and not plan.is_partial
    return "float64" if is_one_batch else "float32"


def _with_weights_for_a_fit(estimator: Any, rows: Rows, parts: Parts) -> Rows:
    """Scale the weights. One batch of a described network takes equal rows together."""
    is_described = isinstance(parts.network, Network)
    if is_described and len(rows) <= estimator.batch_size:
        rows = rows.with_equal_rows_together()
    return rows.with_mean_weight_one()


def _total_weight(rows: Rows) -> float:
    """Return the sum of the weights of rows as they were given; of entries, per row."""
    per_row = rows.weight.size / len(rows)
    return float(rows.in_units_given(rows.weight.sum())) / per_row


def _job(
    estimator: Any,
    rows: Rows,
    validation: Validation | None,
    parts: Parts,
    dtype: str,
    total_weight: float,
) -> Job:
    """Return the job of the engine."""
    from skmask.engine import tensorflow  # where the first fit imports it

    tensorflow.check_callbacks(list(estimator.callbacks or ()))
    batch_size = int(estimator.batch_size)
    solver = parts.solver
    if solver is None:
        optimizer = tensorflow.restored_optimizer(estimator.optimizer)
        solver = Steps(optimizer, estimator.learning_rate, batch_size)
    tables = [rows] if validation is None else [rows, validation.rows]
    constants = rows.engine_constants(dtype)
    if parts.network.penalty:
        # The engine divides by the rows of a batch, MLPClassifier by their weight.
        constants[PENALTY] = np.asarray(parts.network.penalty * len(rows) / total_weight, dtype)
    return Job(
        graph=tensorflow.graph_of(parts.network, parts.signature, dtype),
        loss=parts.loss,
        solver=solver,
        columns=rows.engine_columns(dtype),
        constants=constants,
        **_validation_inputs(validation, dtype),
        lengths=rows.lengths,
        by_candidates=trains_by_candidates(
            parts.network, parts.signature, parts.loss, solver, tables
        ),
        sparse_updates=bool(getattr(estimator, "sparse_updates", False)),
        window=_window(estimator, rows),
    )


def _window(estimator: Any, rows: Rows) -> int:
    """Return how many rows are shuffled together, where they come in blocks."""
    bytes_of_row = math.prod(rows.X.shape[1:]) * rows.X.dtype.itemsize
    return rows_at_once(getattr(estimator, "shuffle_buffer", None), bytes_of_row)


def _validation_inputs(validation: Validation | None, dtype: str) -> dict[str, Any]:
    """Return the parts of a job that are of validation rows."""
    if validation is None:
        return {}
    if validation.is_part:
        return {"validation": validation.rows.engine_columns(dtype)}
    with naming_validation():
        columns = validation.rows.engine_columns(dtype, "_val")
    return {
        "validation": columns,
        "validation_constants": validation.rows.engine_constants(dtype),
    }


def _start(job: Job, parts: Parts, rows: Rows, plan: Plan, seed: int) -> State:
    """Return the state that the training starts from."""
    from skmask.engine import tensorflow

    before = plan.before
    if before is None:
        return State(job.graph.starting_weights(seed, rows.known), None, seed)
    _check_same_shapes(job, parts, before)
    named = zip(job.graph.weight_names, before.state.weights, job.graph.weight_dtypes, strict=True)
    weights = [np.asarray(rows.known.get(name, weight), dtype) for name, weight, dtype in named]
    slots = before.state.slots
    if not plan.is_partial or before.state.slots_of != tensorflow.solver_name(job.solver):
        slots = None
    return replace(before.state, weights=weights, slots=slots, seed=seed)


def _check_same_shapes(job: Job, parts: Parts, before: Fit) -> None:
    """Raise where the weights of the fit before are not those of the network now."""
    shapes = [np.shape(weight) for weight in before.state.weights]
    if job.graph.weight_shapes == shapes:
        return
    changed = []
    if type(before.network) is type(parts.network):
        was, now = _settings(before.network), _settings(parts.network)
        changed = [name for name in now if now[name] != was[name] and name not in _NOT_IN_SHAPES]
    raise ValueError(
        f"{' and '.join(changed) or 'network'} must stay the same while training goes on "
        f"(warm_start, partial_fit); got weights of shapes {job.graph.weight_shapes} "
        f"after {shapes}. Set them back, or clone the estimator."
    )


def _settings(network: Network | OwnNetwork) -> dict[str, Any]:
    return dict(network.settings()) if isinstance(network, Network) else {}


def _watchers(estimator: Any, plan: Plan, record: "_Recorder") -> list[Any]:
    watchers: list[Any] = [Printer(plan.epochs)] if estimator.verbose else []
    if plan.tasks is not None and plan.tasks.are_wanted:
        plan.tasks.fitted = lambda state, history: {"_record": record(state, history)}
        watchers.append(plan.tasks)
    return watchers


@dataclass(frozen=True)
class _Recorder:
    """Makes the record of a state and a history of the training."""

    estimator: Any
    rows: Rows
    validation: Validation | None
    parts: Parts
    dtype: str
    graph: Any
    before: Fit | None
    monitor: Monitor | None

    def __call__(self, state: State, history: History) -> Fit:
        watched = {} if self.monitor is None else self.monitor.values(len(history["loss"]))
        history = _joined({} if self.before is None else self.before["history_"], history)
        fit = Fit(
            network=self.parts.network,
            signature=self.parts.signature,
            dtype=self.dtype,
            input_dtype=self.graph.input_dtype,
            state=state,
            values={
                **self.rows.values,
                "outputs": self.rows.outputs,
                "seeded_by": _integer_seed(self.estimator),
                "history_": history,
                "n_iter_": len(history["loss"]),
                **watched,
            },
            graph=self.graph,
        )
        if self.parts.conclude is None:
            return fit
        held_out = None if self.validation is None else self.validation.rows
        return replace(fit, values={**fit.values, **self.parts.conclude(fit, held_out)})


def _joined(before: History, history: History) -> History:
    """Return the history of all epochs, those of the calls before included."""
    names = dict.fromkeys([*before, *history])
    return {name: before.get(name, []) + history.get(name, []) for name in names}


@contextmanager
def _whole_epochs_kept(
    estimator: Any, record: _Recorder, before: Fit | None
) -> Iterator[Callable[[State, History], None]]:
    """Yield a checkpoint; on Ctrl-C set the record of the last one.

    A fit that replaces another one leaves that.
    """
    latest: list[tuple[State, History]] = []
    try:
        yield lambda *reached: latest.__setitem__(slice(None), [reached])
    except KeyboardInterrupt:
        if latest and (before is not None or not estimator.__sklearn_is_fitted__()):
            estimator._record = record(*latest[0])
        raise
