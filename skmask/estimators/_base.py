"""BaseKerasClassifier: the one path from a user's arrays to fitted weights and predictions."""

import math
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
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skmask.data._hold_out import held_out_rows
from skmask.data._labels import check_classes, check_labels, encode_labels
from skmask.data._messages import naming, quote, shown
from skmask.data._numbers import check_float32, scaled
from skmask.data._validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    check_features,
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
    as_function,
    custom_network,
    damaged,
    described_network,
    frozen_template,
    is_keras_callback,
    note_use,
    optimizer_recipe,
    train,
    with_weights,
)
from skmask.estimators._html import DocumentedHtml
from skmask.nn.networks import ACTIVATIONS, mlp

__all__ = ["BaseKerasClassifier", "Rows", "checked_network", "layer_sizes", "type_of_results"]

History = dict[str, list[float]]

# Weights below 2 to this power may be summed.
_LARGEST_EXPONENT = 900

# Settings of a network that leave its weights their shapes.
_NOT_IN_SHAPES = ("activation", "kernel", "product_form")

# Numbers of a sparse argument that are made dense to find equal rows.
_NUMBERS_TO_MERGE = 1 << 22

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
    weight : ndarray of float64 of shape (n_samples,) or that of `target`
        0 for what does not count, below 1 for the rest.
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
    exponent : int
        The weights given are those here times 2 to this power: their sums overflow nothing.
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
    exponent: int = 0
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

    def with_equal_rows_together(self) -> "Rows":
        """Put equal rows together, their weights summed, in an order that follows from them.

        Sums over one batch are then the same to the last bit for a row that is repeated and for
        one that has a weight. Wide sparse rows are left as they are.
        """
        parts = [self.X, self.target, *self.columns.values()]
        if any(
            sparse.issparse(part) and math.prod(part.shape) > _NUMBERS_TO_MERGE for part in parts
        ):
            return self
        content = np.ascontiguousarray(np.hstack([_row_bytes(part) for part in parts]))
        keys = content.view(np.dtype((np.void, content.shape[1])))[:, 0]
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
        weight = np.zeros((len(first), *self.weight.shape[1:]))
        np.add.at(weight, group, self.weight)
        return replace(self[first], weight=weight)

    def with_mean_weight_one(self) -> "Rows":
        """Scale the weights so that those of what counts have a mean of 1."""
        weight = scaled(self.weight)[0]
        return replace(self, weight=weight / weight[weight > 0].mean(), exponent=0)

    def with_weights_as_given(self) -> "Rows":
        """Undo the scaling of the weights; raise where they are beyond float32."""
        with np.errstate(over="ignore", under="ignore"):
            weight = np.ldexp(self.weight, self.exponent)
        check_float32(
            weight,
            "sample_weight in partial_fit, class_weight taken into account,",
            "Weights are not scaled there: give others.",
        )
        return replace(self, weight=weight, exponent=0)

    def in_units_given(self, sums: np.ndarray) -> np.ndarray:
        """Return sums of weights as they are without the scaling, as far as float64 reaches."""
        return np.ldexp(sums, min(self.exponent, _LARGEST_EXPONENT))

    def engine_columns(self, dtype: str) -> dict[str, Any]:
        """Return what the engine is given row by row, real numbers in one type."""
        columns = {"X": self.X, "y": self.target, "weight": self.weight, **self.columns}
        return {name: _in_type(values, dtype, name) for name, values in columns.items()}

    def engine_constants(self, dtype: str) -> dict[str, np.ndarray]:
        """Return what the engine is given for all rows, real numbers in one type."""
        return {name: _in_type(values, dtype, name) for name, values in self.constants.items()}


def _row_bytes(values: Any) -> np.ndarray:
    """Return what tells rows apart, whatever their type of float: uint8 of shape (n_rows, n)."""
    array = values.toarray() if sparse.issparse(values) else values
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)


def _in_type(values: Any, dtype: str, name: str) -> Any:
    """Return real numbers in a floating-point type; numbers of classes and masks as they are."""
    if values.dtype.kind != "f" or values.dtype == dtype:
        return values
    with np.errstate(over="ignore", under="ignore"):
        cast = values.astype(dtype)
    numbers = values.data if sparse.issparse(values) else values
    with np.errstate(over="ignore", invalid="ignore"):
        may_overflow = name == "X" and not np.isfinite(cast.sum())
    if may_overflow:
        check_float32(numbers, "X", "Scale it.", may_vanish=True)
    return cast


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
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, tuple, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
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
        note_use()
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
        y = check_labels(y)
        return self._check_X(X, reset=reset), y, *self._read_codes(y, labels)

    def _read_codes(self, y: np.ndarray, labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the class numbers of labels, and all labels as announced."""
        if labels is None:
            labels = check_classes(self.classes, y)
        return encode_labels(y, np.sort(labels)), labels

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        dtype = self._types_to_read(reset=reset)
        reset = reset and not self._goes_on()
        with naming("X"):
            X = check_features(X)
            return validate_data(self, X, accept_sparse="csr", dtype=dtype, reset=reset, order="C")

    def _goes_on(self) -> bool:
        """Say whether `fit` goes on from the fit before, to features of the same names."""
        return self.warm_start and self.__sklearn_is_fitted__()

    def _types_to_read(self, *, reset: bool) -> Any:
        """Return the types that X is read in: that of the fit, once there is one."""
        if reset:
            return (np.float64, np.float32)
        return np.dtype(self._fitted_network().input_dtype)

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
        again = self._labels if classes is None else check_classes(classes, np.empty(0))
        if again.tolist() != self._labels.tolist():
            raise ValueError(
                f"classes must be the same in every call of partial_fit, {quote(self._labels)}; "
                f"got {quote(again)}. Pass them in the first call only."
            )
        return self._labels

    # Training.

    def _fit(
        self, X: Any, y: Any, *, hold_out: bool = False, epochs: int | None = None, **metadata: Any
    ) -> Any:
        """Fit for `epochs`; with `hold_out`, or `early_stopping`, to a part of the rows."""
        self._validate_params()
        epochs = int(self.epochs if epochs is None else epochs)
        context = self._init_callback_context(max_subtasks=epochs)
        goes_on = self._goes_on()
        with self._nothing_half_changed():
            rows = self._read_rows(X, y, labels=None, reset=True, **metadata)
            rows = rows.that_count()
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
            rows = rows.that_count().with_weights_as_given()
            self._train(rows, epochs=1, goes_on=goes_on)
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
        seed = self._seed(goes_on=goes_on)
        held_out = None
        if goes_on:
            self._check_goes_on(rows)
        if holds_out:
            rows, held_out = self._hold_out(rows, seed)
        dtype = self._type_of_fit(rows, goes_on=goes_on, is_partial=tasks is None)
        if tasks is not None:
            rows = self._with_weights_for_a_fit(rows)
        architecture = self._settings(rows), tuple(rows.X.shape[1:]), rows.n_outputs, dtype
        network = self._make_network(*architecture)
        optimizer = optimizer_recipe(self.optimizer, self.learning_rate)
        if goes_on:
            start = self._state_to_go_on_from(network, architecture[0], rows, seed)
            if tasks is not None or start.slots_of != optimizer.name:
                start = replace(start, slots=None)
        else:
            start = State(network.starting_weights(seed, rows.weights), None, seed)
        before: History = self.history_ if goes_on else {}

        def fitted(state: State, history: History) -> dict[str, Any]:
            derived = _Derived()
            derived.network = network
            return {
                "_architecture": architecture,
                "_derived": derived,
                "_ordered_labels": rows.labels,
                "_seeded_by": self._integer_seed(),
                "_state": state,
                **_joined(before, history),
                **rows.attributes,
                **self._attributes_from(network, state, held_out),
            }

        watchers: list[Watcher] = [_Printer(epochs)] if self.verbose else []
        if tasks is not None and tasks.are_wanted:
            tasks.fitted = fitted
            watchers.append(tasks)
        latest: list[tuple[State, History]] = []
        task = Task(
            network=network,
            loss=self._make_loss(),
            optimizer=optimizer,
            batch_size=int(self.batch_size),
            columns=rows.engine_columns(dtype),
            constants=rows.engine_constants(dtype),
            validation=None if held_out is None else held_out.engine_columns(dtype),
            lengths=rows.lengths,
        )
        try:
            state, history = train(
                task,
                start,
                epochs=epochs,
                patience=int(self.n_iter_no_change) if self.early_stopping else None,
                callbacks=self._checked_callbacks(),
                watchers=watchers,
                checkpoint=lambda *reached: latest.__setitem__(slice(None), [reached]),
                verbose=int(self.verbose),
            )
            found = fitted(state, history)
        except KeyboardInterrupt:
            # A fit that replaces another one leaves that; else whole epochs are kept.
            if latest and (goes_on or not self.__sklearn_is_fitted__()):
                self.__dict__.update(fitted(*latest[0]))
            raise
        self.__dict__.update(found)

    def _with_weights_for_a_fit(self, rows: Rows) -> Rows:
        """Scale the weights. One batch of a built-in network takes equal rows together."""
        is_built_in = getattr(self, "network", None) is None
        if is_built_in and len(rows) <= self.batch_size:
            rows = rows.with_equal_rows_together()
        return rows.with_mean_weight_one()

    def _integer_seed(self) -> int | None:
        """Return `random_state` where it is a number."""
        return int(self.random_state) if isinstance(self.random_state, Integral) else None

    def _seed(self, *, goes_on: bool) -> int:
        """Return what decides the order of rows, and of a fit from scratch its weights.

        A training that goes on keeps its seed, unless `random_state` became another number.
        """
        if goes_on and self._integer_seed() in (None, self._seeded_by):
            return self._state.seed
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _type_of_fit(self, rows: Rows, *, goes_on: bool, is_partial: bool) -> str:
        """Return the floating-point type of weights and arithmetic."""
        if self.dtype != "auto":
            return self.dtype
        if goes_on:
            return self._architecture[-1]
        is_one_batch = len(rows) <= self.batch_size and not is_partial
        return "float64" if is_one_batch else "float32"

    def _attributes_from(
        self, network: Network, state: State, held_out: Rows | None
    ) -> dict[str, Any]:
        """Return attributes that follow from the trained network."""
        return {}

    def _state_to_go_on_from(self, network: Network, settings: Any, rows: Rows, seed: int) -> State:
        """Return the state of the last fit, with what may change while training goes on."""
        shapes = [weight.shape for weight in self._state.weights]
        if network.weight_shapes != shapes:
            before = self._architecture[0]
            changed = [
                name
                for name, value in settings.items()
                if value != before.get(name) and name not in _NOT_IN_SHAPES
            ]
            raise ValueError(
                f"{' and '.join(changed) or 'network'} must stay the same while training goes on "
                f"(warm_start, partial_fit); got weights of shapes {network.weight_shapes} "
                f"after {shapes}. Set them back, or clone the estimator."
            )
        named = zip(network.weight_names, self._state.weights, network.weight_dtypes, strict=True)
        weights = [
            np.asarray(rows.weights.get(name, weight), dtype) for name, weight, dtype in named
        ]
        return replace(self._state, weights=weights, seed=seed)

    def _check_goes_on(self, rows: Rows) -> None:
        """Raise where a further call contradicts those before it."""
        if rows.labels.tolist() != self._ordered_labels.tolist():
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

    def _checked_callbacks(self) -> list[Any]:
        callbacks = list(self.callbacks or ())
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
            if isinstance(error, KeyboardInterrupt) and self._is_another_fit_than(before):
                raise  # at the last whole epoch
            self.__dict__.clear()
            self.__dict__.update(before)
            if isinstance(error, DivergenceError):
                self._forget()
            raise

    def _is_another_fit_than(self, before: dict[str, Any]) -> bool:
        return vars(self).get("_state") is not before.get("_state")

    def _forget(self) -> None:
        """Remove what a fit has set."""
        for name in vars(self).keys() - self.get_params(deep=False):
            if not name.startswith(_NOT_SET_BY_FIT):
                del self.__dict__[name]

    # The network.

    def _settings(self, rows: Rows) -> Any:
        """Return the parameters that decide the network, checked: what `_make_network` takes."""
        return {
            "network": frozen_template(self.network),
            "hidden_layer_sizes": layer_sizes(self.hidden_layer_sizes, "hidden_layer_sizes"),
            "activation": self.activation,
        }

    def _make_network(
        self, settings: Any, input_shape: tuple[int | None, ...], n_outputs: int, dtype: str
    ) -> Network:
        of_mlp = dict(settings)
        network = of_mlp.pop("network")
        if network is None:
            return described_network(mlp, input_shape, n_outputs, policy=dtype, **of_mlp)
        return checked_network(network, input_shape, n_outputs, dtype, (None, n_outputs))

    def _fitted_network(self) -> Network:
        """Return the network of the last fit, whatever the parameters are now."""
        if self._derived.network is None:
            self._derived.network = self._stored_network()
        return self._derived.network

    def _stored_network(self) -> Network:
        """Return the network of a fit that was stored, if all that was stored fits together."""
        settings, input_shape, n_outputs, dtype = self._architecture
        weights = self._state.weights
        if dtype not in ("float32", "float64"):
            raise damaged(f"the type {dtype!r}")
        if len(self._output_labels()) != n_outputs:
            raise damaged(f"{len(self._output_labels())} labels for {n_outputs} outputs")
        if settings.get("network") is not None:
            network = self._make_network(*self._architecture)
        else:
            # A built-in network has a weight for each unit and each feature at least, so that
            # what a file claims is bounded by what it holds.
            n_weights = sum(np.size(weight) for weight in weights)
            numbers = _numbers_in([settings, input_shape[-1]])
            if any(number > n_weights for number in numbers):
                raise damaged(f"a network of sizes {numbers} for {n_weights} weights")
            try:
                network = self._make_network(*self._architecture)
            except Exception as error:
                raise damaged(f"what makes no network, {quote([settings])}") from error
        network.check_stored(weights)
        return network

    def _output_labels(self) -> np.ndarray:
        """Return what the outputs of the network stand for."""
        return self.classes_

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


def type_of_results(X: Any) -> np.dtype:
    """Return the type that results have: float64, unless all numbers of X are of float32."""
    return np.dtype(np.float32 if _is_float32(X) else np.float64)


def _is_float32(X: Any) -> bool:
    if isinstance(X, list | tuple):
        return bool(X) and all(map(_is_float32, X))
    types = [X.dtype] if hasattr(X, "dtype") else list(getattr(X, "dtypes", ()))  # of a frame
    return bool(types) and all(str(each).lower() == "float32" for each in types)


def _numbers_in(value: Any) -> list[int]:
    """Return the whole numbers in settings."""
    if isinstance(value, dict | list | tuple):
        items = value.values() if isinstance(value, dict) else value
        return [number for item in items for number in _numbers_in(item)]
    return [int(value)] if isinstance(value, Integral) else []


def layer_sizes(sizes: Any, argument: str) -> tuple[int, ...]:
    """Return the units of each layer, of which there may be none."""
    try:
        units = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    except TypeError:
        units = (None,)
    is_legal = Interval(Integral, 1, None, closed="left").is_satisfied_by
    if not all(map(is_legal, units)):
        raise InvalidParameterError(
            f"{argument} must hold whole numbers of 1 or more, which a machine can hold; got "
            f"{shown(sizes)}. Give the units of each layer."
        )
    return tuple(map(int, units))


def checked_network(
    network: Callable[..., Any],
    input_shape: tuple[int | None, ...],
    n_outputs: int,
    policy: str,
    output_shape: tuple[int | None, ...],
) -> Network:
    """Return the network that a user's function or model makes, if its outputs fit."""
    made = custom_network(as_function(network), input_shape, n_outputs, policy)
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
