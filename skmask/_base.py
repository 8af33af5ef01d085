"""BaseKerasClassifier: the one path from a user's arrays to fitted weights and predictions."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skmask._hold_out import held_out_rows
from skmask._html import DocumentedHtml
from skmask._targets import check_classes, encode_labels
from skmask._validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    naming,
    quote,
    validate_parameter_constraints,
)
from skmask.engine import (
    OPTIMIZERS,
    DivergenceError,
    Loss,
    Network,
    Predictor,
    State,
    Task,
    Watcher,
    custom_network,
    described_network,
    is_keras_callback,
    optimizer_recipe,
    train,
    with_weights,
)
from skmask.nn.networks import ACTIVATIONS, mlp

__all__ = ["BaseKerasClassifier", "Rows", "checked_network", "layer_sizes"]

History = dict[str, list[float]]

# Attributes that scikit-learn sets, with its metadata requests and its callbacks.
_NOT_SET_BY_FIT = ("_metadata_request", "_skl_", "_callback_", "_parent_callback_")


@dataclass(frozen=True)
class Rows:
    """Checked training rows as the engine takes them, and what was learnt in reading them.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, ...)
    target : ndarray of shape (n_samples, ...)
        Class numbers, or a 0 or 1 for each label.
    weight : ndarray of shape (n_samples,) or that of `target`
        0 for what does not count.
    labels : ndarray
        All labels in the order of the outputs: the same while training goes on.
    n_outputs : int
        Of the network.
    strata : ndarray of int of shape (n_samples,)
        What a hold-out keeps in proportion: numbers of `labels`, or below 0.
    columns, constants : dict of str to ndarray
        What else the loss takes: row by row, and the same for all rows.
    weights : dict of str to ndarray
        Variables of the network that are known beforehand, by name.
    lengths : ndarray of shape (n_samples,) or None
        Work that each row takes, where rows of similar length are to share a batch.
    attributes : dict
        What the fit sets on the estimator.
    """

    X: np.ndarray | sparse.csr_array
    target: np.ndarray
    weight: np.ndarray
    labels: np.ndarray
    n_outputs: int
    strata: np.ndarray
    columns: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    lengths: np.ndarray | None = None
    attributes: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, rows: np.ndarray) -> "Rows":
        return replace(
            self,
            X=self.X[rows],
            target=self.target[rows],
            weight=self.weight[rows],
            strata=self.strata[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
            lengths=None if self.lengths is None else self.lengths[rows],
        )

    def that_count(self) -> "Rows":
        """Return the rows of which at least some part has a weight."""
        counts = self.weight.reshape(len(self), -1).any(axis=1)
        if not counts.any():
            raise ValueError(
                "sample_weight must leave a row with a weight above 0, class_weight taken into "
                "account; got 0 for every row. Raise a weight."
            )
        return self if counts.all() else self[np.flatnonzero(counts)]

    def with_mean_weight_one(self) -> "Rows":
        """Scale the weights so that those of what counts have a mean of 1."""
        return replace(self, weight=self.weight / self.weight[self.weight > 0].mean())

    def engine_columns(self) -> dict[str, Any]:
        """Return what the engine is given row by row."""
        weight = self.weight.astype(np.float32)
        return {"X": self.X, "y": self.target, "weight": weight, **self.columns}


class _Derived:
    """What is rebuilt from parameters and arrays when needed: never pickled, never copied."""

    def __init__(self) -> None:
        self.network: Network | None = None
        self.predictor: tuple[State, Predictor] | None = None
        self.model: tuple[State, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Derived":
        return _Derived()


class BaseKerasClassifier(
    DocumentedHtml, CallbackSupportMixin, ClassifierMixin, BaseEstimator, ABC
):
    """The one way from rows to a fitted network and its outputs, whatever the outputs mean."""

    _parameter_constraints: dict[str, list[Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "network": [callable, None],
        "classes": ["array-like", None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), HasMethods(["get_config", "apply"])],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, tuple, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    history_: History

    @abstractmethod
    def __init__(self, **parameters):
        # What there is, in which order and with which defaults: that is the leaf's signature.
        for name, value in parameters.items():
            setattr(self, name, value)

    @property
    def model_(self):
        """A `keras.Model` from features to logits: the user's to keep, a copy of the weights."""
        check_is_fitted(self)
        kept = self._derived.model
        if kept is None or kept[0] is not self._state:
            kept = self._state, with_weights(self._fitted_network(), self._state.weights)
            self._derived.model = kept
        return kept[1]

    # What a leaf says.

    @abstractmethod
    def _read_rows(self, X: Any, y: Any, *, labels: Any, reset: bool, **metadata: Any) -> Rows:
        """Check what a fit is given; `labels` are all that were announced, or None."""

    @abstractmethod
    def _check_partial_fit(self, y: Any, classes: Any) -> Any:
        """Refuse what needs all rows at once; return all labels that were announced, or None."""

    @abstractmethod
    def _make_loss(self) -> Loss:
        """Return the loss."""

    # Checking what is given.

    def _read_labels(
        self, X: Any, y: Any, labels: Any, *, reset: bool
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Return X, y of one label per row, its class numbers and all labels as announced."""
        with naming("X and y"):
            check_consistent_length(X, y)
        with naming("X"):
            X, y = validate_data(
                self, X, y, accept_sparse="csr", dtype=np.float32, reset=reset, order="C"
            )
        return X, y, *self._read_codes(y, labels)

    def _read_codes(self, y: np.ndarray, labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the class numbers of labels, and all labels as announced."""
        with naming("y"):
            check_classification_targets(y)
        if labels is None:
            labels = check_classes(self.classes, y)
        return encode_labels(y, np.sort(labels)), labels

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        with naming("X"):
            return validate_data(
                self, X, accept_sparse="csr", dtype=np.float32, reset=reset, order="C"
            )

    def _check_read_now(self, *names: str) -> None:
        """Check parameters that are read at prediction, as a fit checks them."""
        constraints = {name: self._parameter_constraints[name] for name in names}
        values = {name: getattr(self, name) for name in names}
        validate_parameter_constraints(constraints, values, caller_name=type(self).__name__)

    def _announced_labels(self, classes: Any, *, are_needed: bool) -> Any:
        """Return all labels that were announced to partial_fit, the same in every call."""
        given = self.classes if classes is None else classes
        if not self.__sklearn_is_fitted__():
            if given is None and are_needed:
                raise ValueError(
                    "classes must be passed in the first call of partial_fit, or to the "
                    "estimator; got None. Pass all labels that will come."
                )
            return None if given is None else check_classes(given, np.empty(0))
        if classes is not None and not np.array_equal(
            check_classes(classes, np.empty(0)), self._labels
        ):
            raise ValueError(
                f"classes must be the same in every call of partial_fit, {quote(self._labels)}; "
                f"got {quote(np.asarray(classes))}. Pass them in the first call only."
            )
        return self._labels

    # Training.

    def _fit(
        self, X: Any, y: Any, *, hold_out: bool = False, epochs: int | None = None, **metadata: Any
    ) -> Any:
        """Fit for `epochs`; with `hold_out`, or `early_stopping`, to a part of the rows."""
        self._validate_params()
        epochs = self.epochs if epochs is None else epochs
        context = self._init_callback_context(max_subtasks=epochs)
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        with self._nothing_half_changed():
            rows = self._read_rows(X, y, labels=None, reset=True, **metadata)
            rows = rows.that_count().with_mean_weight_one()
            tasks = _EpochTasks(self, context, X, y, **metadata)
            tasks.begin()
            self._train(
                rows,
                epochs=epochs,
                goes_on=goes_on,
                holds_out=hold_out or self.early_stopping,
                tasks=tasks,
            )
            tasks.close()
        return self

    def _partial_fit(self, X: Any, y: Any, classes: Any, **metadata: Any) -> Any:
        """Train one epoch on the rows given, from where the last call ended."""
        self._validate_params()
        labels = self._check_partial_fit(y, classes)
        goes_on = self.__sklearn_is_fitted__()
        with self._nothing_half_changed():
            rows = self._read_rows(X, y, labels=labels, reset=not goes_on, **metadata)
            self._train(rows.that_count(), epochs=1, goes_on=goes_on)
        return self

    def _train(
        self,
        rows: Rows,
        *,
        epochs: int,
        goes_on: bool,
        holds_out: bool = False,
        tasks: "_EpochTasks | None" = None,
    ) -> None:
        """Train, and only then set what a fit sets. Without `tasks` it is a partial fit."""
        rng = check_random_state(self.random_state)
        seed = self._state.seed if goes_on else int(rng.randint(np.iinfo(np.int32).max))
        if goes_on:
            self._check_goes_on(rows)
        policy = "float32"
        architecture = self._settings(rows), tuple(rows.X.shape[1:]), rows.n_outputs, policy
        network = self._make_network(*architecture)
        if goes_on:
            start = self._state_to_go_on_from(network, slots_go_on=tasks is None)
        else:
            start = State(network.starting_weights(seed, rows.weights), None, seed)
        held_out = None
        if holds_out:
            rows, held_out = self._hold_out(rows, seed)

        before: History = self.history_ if goes_on else {}

        def fitted(state: State, history: History) -> dict[str, Any]:
            derived = _Derived()
            derived.network = network
            return {
                "_architecture": architecture,
                "_derived": derived,
                "_ordered_labels": rows.labels,
                "_state": state,
                **_joined(before, history),
                **rows.attributes,
                **self._attributes_from(network, state, held_out),
            }

        def keep(state: State, history: History) -> None:
            self.__dict__.update(fitted(state, history))

        watchers: list[Watcher] = [_Printer(epochs)] if self.verbose else []
        if tasks is not None and tasks.are_wanted:
            tasks.fitted = fitted
            watchers.append(tasks)
        state, history = train(
            Task(
                network=network,
                loss=self._make_loss(),
                optimizer=optimizer_recipe(self.optimizer, self.learning_rate),
                batch_size=self.batch_size,
                columns=rows.engine_columns(),
                constants=rows.constants,
                validation=None if held_out is None else held_out.engine_columns(),
                lengths=rows.lengths,
            ),
            start,
            epochs=epochs,
            patience=self.n_iter_no_change if self.early_stopping else None,
            callbacks=self._copied_callbacks(),
            watchers=watchers,
            # What Ctrl-C leaves of a training that goes on from a fit.
            checkpoint=keep if goes_on else None,
        )
        keep(state, history)

    def _attributes_from(
        self, network: Network, state: State, held_out: Rows | None
    ) -> dict[str, Any]:
        """Return attributes that follow from the trained network."""
        return {}

    def _state_to_go_on_from(self, network: Network, *, slots_go_on: bool) -> State:
        shapes = [weight.shape for weight in self._state.weights]
        if network.weight_shapes != shapes:
            raise ValueError(
                "hidden_layer_sizes and network must stay the same while training goes on "
                f"(warm_start, partial_fit); got weights of shapes {network.weight_shapes} "
                f"after {shapes}. Set them back, or clone the estimator."
            )
        return self._state if slots_go_on else replace(self._state, slots=None)

    def _check_goes_on(self, rows: Rows) -> None:
        """Raise where a further call contradicts those before it."""
        if not np.array_equal(rows.labels, self._ordered_labels):
            raise ValueError(
                f"y must have the classes of the fit that it goes on from, "
                f"{quote(self._ordered_labels)}; got {quote(rows.labels)}. Pass classes= with "
                "all labels, or set warm_start=False."
            )

    def _hold_out(self, rows: Rows, seed: int) -> tuple[Rows, Rows]:
        """Split off a stratified part. A class of one row stays in training."""
        cause, cure = self._reason_to_hold_out()
        kept, held_out = held_out_rows(
            rows.strata,
            self.validation_fraction,
            seed,
            labels=rows.labels,
            cause=cause,
            cure=cure,
        )
        return rows[kept], rows[held_out]

    def _reason_to_hold_out(self) -> tuple[str, str]:
        """Return the parameter that wants rows held out, and how to do without."""
        return "early_stopping", "set early_stopping=False"

    def _copied_callbacks(self) -> list[Any]:
        callbacks = copy.deepcopy(list(self.callbacks or ()))
        for callback in callbacks:
            if not is_keras_callback(callback):
                raise TypeError(
                    "callbacks must be instances of keras.callbacks.Callback; got "
                    f"{callback!r}. Pass an instance, not a class or a function."
                )
        return callbacks

    @contextmanager
    def _nothing_half_changed(self) -> Iterator[None]:
        """Leave the estimator as it was when a fit fails, and unfitted when it diverges."""
        before = dict(vars(self))
        try:
            yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and self._went_on_from(before):
                raise  # at the last whole epoch
            self.__dict__.clear()
            self.__dict__.update(before)
            if isinstance(error, DivergenceError):
                self._forget()
            raise

    def _went_on_from(self, before: dict[str, Any]) -> bool:
        """Say whether a checkpoint was kept since."""
        return "_state" in before and self._state is not before["_state"]

    def _forget(self) -> None:
        """Remove what a fit has set."""
        for name in vars(self).keys() - self.get_params(deep=False):
            if not name.startswith(_NOT_SET_BY_FIT):
                del self.__dict__[name]

    # The network.

    def _settings(self, rows: Rows) -> Any:
        """Return the parameters that decide the network, checked: what `_make_network` takes."""
        sizes = layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        return self.network, sizes, self.activation

    def _make_network(
        self, settings: Any, input_shape: tuple[int | None, ...], n_outputs: int, policy: str
    ) -> Network:
        """Return the network, under a Keras dtype policy."""
        network, sizes, activation = settings
        if network is not None:
            return checked_network(network, input_shape, n_outputs, policy, (None, n_outputs))
        return described_network(
            mlp, input_shape, n_outputs, policy, hidden_layer_sizes=sizes, activation=activation
        )

    def _fitted_network(self) -> Network:
        """Return the network of the last fit, whatever the parameters are now."""
        if self._derived.network is None:
            self._derived.network = self._make_network(*self._architecture)
        return self._derived.network

    # Prediction.

    def _predictor(self) -> Predictor:
        kept = self._derived.predictor
        if kept is None or kept[0] is not self._state:
            kept = self._state, Predictor(self._fitted_network(), self._state.weights)
            self._derived.predictor = kept
        return kept[1]

    # What scikit-learn asks.

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_state")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class _Printer:
    """Prints a line per epoch."""

    def __init__(self, epochs: int):
        self._epochs = epochs

    def begin_epoch(self, epoch: int) -> None:
        pass

    def end_epoch(self, epoch: int, logs: dict[str, float], state: Callable[[], State]) -> bool:
        values = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
        print(f"Epoch {epoch + 1}/{self._epochs} - {values}")
        return False

    def end(self) -> None:
        pass


class _EpochTasks:
    """Tells scikit-learn's callbacks of a fit and its epochs."""

    fitted: Callable[[State, History], dict[str, Any]]

    def __init__(self, estimator: Any, context: Any, X: Any, y: Any, **metadata: Any):
        given = {name: value for name, value in metadata.items() if value is not None}
        self._told = {"estimator": estimator, "X": X, "y": y, "metadata": given}
        self._context = context
        self._epoch: Any = None
        self._history: History = {}
        self.are_wanted = bool(getattr(estimator, "_skl_callbacks", ()))

    def begin(self) -> None:
        """Tell that the fit begins."""
        self._context.call_on_fit_task_begin(**self._told)

    def begin_epoch(self, epoch: int) -> None:
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._told)

    def end_epoch(self, epoch: int, logs: dict[str, float], state: Callable[[], State]) -> bool:
        for name, value in logs.items():
            self._history.setdefault(name, []).append(value)
        return self._epoch.call_on_fit_task_end(
            **self._told, reconstruction_attributes=lambda: self.fitted(state(), self._history)
        )

    def end(self) -> None:
        pass

    def close(self) -> None:
        """Tell that the fit is over."""
        self._context.call_on_fit_task_end(**self._told)


def layer_sizes(sizes: Any, argument: str) -> tuple[int, ...]:
    """Return the units of each layer, of which there may be none."""
    sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    for size in sizes:
        if not isinstance(size, Integral) or size < 1:
            raise InvalidParameterError(
                f"{argument} must hold whole numbers of 1 or more; got {sizes!r}. Give the units "
                "of each layer."
            )
    return tuple(int(size) for size in sizes)


def checked_network(
    network: Callable[..., Any],
    input_shape: tuple[int | None, ...],
    n_outputs: int,
    policy: str,
    output_shape: tuple[int | None, ...],
) -> Network:
    """Return the network that a user's callable makes, if its outputs have the right shape."""
    made = custom_network(network, input_shape, n_outputs, policy)
    if made.output_shape != output_shape:
        raise ValueError(
            f"network must return logits of shape {output_shape}; got "
            f"{made.output_shape}. End it with keras.layers.Dense(n_outputs), where n_outputs is "
            f"{n_outputs} here, without softmax."
        )
    return made


def _joined(before: History, history: History) -> dict[str, Any]:
    """Return the attributes that tell of all epochs, those of the calls before included."""
    names = dict.fromkeys([*before, *history])
    whole = {name: before.get(name, []) + history.get(name, []) for name in names}
    return {"history_": whole, "n_iter_": len(whole["loss"])}
