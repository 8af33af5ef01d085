"""BaseKerasClassifier: the one path from a user's arrays to fitted weights and predictions."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skmask._targets import check_classes, decode_labels, encode_labels
from skmask._validation import (
    Allowed,
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    check_allowed,
    check_class_weight,
    check_columns,
    check_labels_allowed,
    check_sample_weight,
    naming,
    quote,
)
from skmask.engine import (
    OPTIMIZERS,
    DivergenceError,
    Loss,
    Network,
    OptimizerRecipe,
    Predictor,
    State,
    Task,
    Watcher,
    custom_network,
    described_network,
    is_keras_callback,
    log_softmax,
    softmax,
    train,
    with_weights,
)
from skmask.nn.networks import ACTIVATIONS, mlp

__all__ = ["BaseKerasClassifier"]


History = dict[str, list[float]]

_SET_BY_FIT = (
    "classes_",
    "feature_names_in_",
    "history_",
    "n_features_in_",
    "n_iter_",
    "_architecture",
    "_derived",
    "_is_restricted",
    "_labels",
    "_mask_columns",
    "_state",
)


@dataclass(frozen=True)
class _Rows:
    """Checked training rows."""

    X: np.ndarray | sparse.csr_array
    codes: np.ndarray
    weight: np.ndarray
    allowed: Allowed | None
    mask_columns: np.ndarray | None

    def __getitem__(self, rows: np.ndarray) -> "_Rows":
        allowed = self.allowed
        if allowed is not None and allowed.shape[0] == len(self.codes):
            allowed = allowed[rows]
        return replace(
            self,
            X=self.X[rows],
            codes=self.codes[rows],
            weight=self.weight[rows],
            allowed=allowed,
        )

    def columns(self) -> dict[str, Any]:
        """Return what the engine is given row by row."""
        columns = {"X": self.X, "y": self.codes, "weight": self.weight.astype(np.float32)}
        if self.allowed is not None and self.allowed.shape[0] == len(self.codes):
            columns["allowed"] = self.allowed
        return columns

    def constants(self) -> dict[str, np.ndarray]:
        """Return what the engine is given once: a mask that holds for all rows."""
        if self.allowed is None or "allowed" in self.columns():
            return {}
        return {"allowed": self.allowed}


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


class BaseKerasClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator, ABC):
    """Everything that the classifiers share; a leaf adds its parameters, loss and decision."""

    _parameter_constraints: dict[str, list[Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "network": [callable, None],
        "classes": ["array-like", None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
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

    # With metadata routing on, a mask goes where it is needed without being asked for.
    __metadata_request__fit = {"allowed": True}
    __metadata_request__partial_fit = {"allowed": True}
    __metadata_request__predict = {"allowed": True}
    __metadata_request__predict_proba = {"allowed": True}
    __metadata_request__predict_log_proba = {"allowed": True}
    __metadata_request__decision_function = {"allowed": True}
    __metadata_request__score = {"allowed": True}

    history_: dict[str, list[float]]

    # A leaf that takes the mask out of X has a parameter of this name.
    allowed_columns: Any = None

    @abstractmethod
    def __init__(
        self,
        hidden_layer_sizes,
        activation,
        *,
        network,
        classes,
        class_weight,
        optimizer,
        learning_rate,
        batch_size,
        epochs,
        early_stopping,
        validation_fraction,
        n_iter_no_change,
        callbacks,
        warm_start,
        verbose,
        random_state,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.network = network
        self.classes = classes
        self.class_weight = class_weight
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    # Public methods.

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, allowed=None):
        """Fit the network to training data.

        Parameters
        ----------
        X : array-like or CSR of shape (n_samples, n_features)
            Cast to float32 once. Sparse rows are made dense batch by batch.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Only their proportions matter: their mean over the rows is set to 1, so that
            `learning_rate` keeps its meaning. Rows of weight 0 are left out. None: all 1.
        allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), or \
                array-like of shape (n_classes,), default=None
            True or 1: the class of this column is possible for this row. Columns are in the
            order of `classes`, or sorted where it is None; those of a DataFrame are class
            labels in any order. One row of shape (n_classes,) holds for all. None: all are.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            For bad input; nothing has been changed then.
        skmask.DivergenceError
            When the loss becomes NaN or infinite; the estimator is left unfitted.
        """
        self._validate_params()
        context = self._init_callback_context(max_subtasks=self.epochs)
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        with self._nothing_half_changed():
            rows, labels = self._check_training_rows(
                X, y, sample_weight, allowed, labels=None, reset=True
            )
            rows = replace(rows, weight=rows.weight / rows.weight.mean())
            tasks = _EpochTasks(self, context, X, y, sample_weight=sample_weight, allowed=allowed)
            tasks.begin()
            self._train(rows, labels, epochs=self.epochs, goes_on=goes_on, tasks=tasks)
            tasks.close()
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None, *, allowed=None):
        """Train one epoch on the rows given, from where the last call ended.

        Parameters
        ----------
        X : array-like or CSR of shape (n_samples, n_features)
            Part of the training data.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels, in the order of the columns of `allowed`. Needed in the first call
            unless the parameter `classes` gives them.
        sample_weight : array-like of shape (n_samples,), default=None
            Multiplies each row's loss. Not scaled, for the mean of all rows to come is not
            known. None: all 1.
        allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), or \
                array-like of shape (n_classes,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The estimator, trained further.
        """
        self._validate_params()
        goes_on = self.__sklearn_is_fitted__()
        with self._nothing_half_changed():
            labels = self._check_partial_classes(classes)
            rows, labels = self._check_training_rows(
                X, y, sample_weight, allowed, labels=labels, reset=not goes_on
            )
            self._train(rows, labels, epochs=1, goes_on=goes_on)
        return self

    def predict(self, X, *, allowed=None):
        """Predict class labels.

        Parameters
        ----------
        X : array-like or CSR of shape (n_samples, n_features)
            The rows.
        allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), \
                array-like of shape (n_classes,), or "all", default=None
            As in `fit`. "all" lifts the restriction on purpose.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, always of classes that are allowed.
        """
        return decode_labels(self._decide(self._scores(X, allowed)), self.classes_)

    def predict_proba(self, X, *, allowed=None):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like or CSR of shape (n_samples, n_features)
            The rows.
        allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), \
                array-like of shape (n_classes,), or "all", default=None
            As in `predict`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, n_classes)
            Columns follow `classes_`. Exactly 0 where a class is not allowed; rows sum to 1.
        """
        return self._scores(X, allowed, softmax)

    def predict_log_proba(self, X, *, allowed=None):
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        X : array-like or CSR of shape (n_samples, n_features)
            The rows.
        allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), \
                array-like of shape (n_classes,), or "all", default=None
            As in `predict`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, n_classes)
            Columns follow `classes_`. -inf where a class is not allowed.
        """
        return self._scores(X, allowed, log_softmax)

    def decision_function(self, X, *, allowed=None):
        """Return the network's scores.

        Parameters
        ----------
        X : array-like or CSR of shape (n_samples, n_features)
            The rows.
        allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), \
                array-like of shape (n_classes,), or "all", default=None
            As in `predict`.

        Returns
        -------
        ndarray of float32 of shape (n_samples, n_classes), or (n_samples,) for two classes
            Logits, -inf where a class is not allowed. For two classes that of the second less
            that of the first.
        """
        scores = self._scores(X, allowed)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def score(self, X, y, sample_weight=None, *, allowed=None):
        """Return the accuracy on the given rows.

        Parameters
        ----------
        X : array-like or CSR of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), \
                array-like of shape (n_classes,), or "all", default=None
            As in `predict`.

        Returns
        -------
        float
            Share of rows whose label is predicted.
        """
        return accuracy_score(y, self.predict(X, allowed=allowed), sample_weight=sample_weight)

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
    def _make_loss(self) -> Loss:
        """Return the loss of one row."""

    def _decide(self, scores: np.ndarray) -> np.ndarray:
        """Return class numbers for scores of shape (n_samples, n_classes)."""
        return scores.argmax(axis=1)

    # Checking what is given.

    def _check_training_rows(
        self, X: Any, y: Any, sample_weight: Any, allowed: Any, *, labels: Any, reset: bool
    ) -> tuple[_Rows, np.ndarray]:
        """Return the rows to train on and all labels in the user's order."""
        raw_X = X
        with naming("X and y"):
            check_consistent_length(X, y)
        with naming("X"):
            X, y = validate_data(
                self, X, y, accept_sparse="csr", dtype=np.float32, reset=reset, order="C"
            )
        with naming("y"):
            check_classification_targets(y)
        if labels is None:
            labels = check_classes(self.classes, y)
        codes = encode_labels(y, np.sort(labels))
        weight = check_sample_weight(sample_weight, X)
        weight *= check_class_weight(self.class_weight, codes, np.sort(labels), weight)[codes]
        columns = None
        if self.allowed_columns is not None:
            columns = check_columns(self.allowed_columns, raw_X, len(labels))
        X, allowed = _split_off_allowed(X, allowed, columns, labels)
        if allowed is not None:
            check_labels_allowed(codes, allowed, y)
        rows = _Rows(X, codes, weight, allowed, columns)
        if not weight.all():
            rows = rows[np.flatnonzero(weight)]
        if not len(rows.codes):
            raise ValueError(
                "sample_weight times class_weight must leave a row with a weight above 0; got "
                "0 for every row. Raise a weight."
            )
        return rows, labels

    def _check_partial_classes(self, classes: Any) -> np.ndarray:
        """Return all labels in the user's order, the same in every call."""
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight must be a dict or None in partial_fit, which does not see all "
                "rows; got 'balanced'. Compute it with sklearn.utils.class_weight."
            )
        given = self.classes if classes is None else classes
        if not self.__sklearn_is_fitted__():
            if given is None:
                raise ValueError(
                    "classes must be passed in the first call of partial_fit, or to the "
                    "estimator; got None. Pass all labels that will come."
                )
            return check_classes(given, np.empty(0))
        if classes is not None and not np.array_equal(
            check_classes(classes, np.empty(0)), self._labels
        ):
            raise ValueError(
                f"classes must be the same in every call of partial_fit, {quote(self._labels)}; "
                f"got {quote(np.asarray(classes))}. Pass them in the first call only."
            )
        return self._labels

    def _check_prediction_rows(self, X: Any, allowed: Any) -> tuple[Any, Allowed | None]:
        """Return the features and the mask of rows to predict."""
        with naming("X"):
            X = validate_data(
                self, X, accept_sparse="csr", dtype=np.float32, reset=False, order="C"
            )
        if self._is_restricted and allowed is None and self._mask_columns is None:
            raise ValueError(
                "allowed must be given for prediction after a fit with a mask; got None. Pass "
                "the mask of these rows, or allowed='all' to lift the restriction on purpose."
            )
        return _split_off_allowed(X, allowed, self._mask_columns, self._labels)

    # Training.

    def _train(
        self,
        rows: _Rows,
        labels: np.ndarray,
        *,
        epochs: int,
        goes_on: bool,
        tasks: "_EpochTasks | None" = None,
    ) -> None:
        """Train, and only then set what a fit sets. Without `tasks` it is a partial fit."""
        rng = check_random_state(self.random_state)
        seed = self._state.seed if goes_on else int(rng.randint(np.iinfo(np.int32).max))
        if goes_on:
            self._check_goes_on(labels, rows)
        network = self._make_network(rows.X.shape[1], len(labels))
        start = self._starting_state(network, seed, goes_on=goes_on, slots_go_on=tasks is None)
        validation = None
        if self.early_stopping and tasks is not None:
            rows, validation = self._hold_out(rows, seed)

        before: History = self.history_ if goes_on else {}

        def fitted(state: State, history: History) -> dict[str, Any]:
            return self._fitted_attributes(network, labels, rows, state, before, history)

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
                optimizer=OptimizerRecipe(self.optimizer, self.learning_rate),
                batch_size=self.batch_size,
                columns=rows.columns(),
                constants=rows.constants(),
                validation=None if validation is None else validation.columns(),
            ),
            start,
            epochs=epochs,
            patience=self.n_iter_no_change,
            callbacks=self._copied_callbacks(),
            watchers=watchers,
            # What Ctrl-C leaves of a training that goes on from a fit.
            checkpoint=keep if goes_on else None,
        )
        keep(state, history)

    def _fitted_attributes(
        self,
        network: Network,
        labels: np.ndarray,
        rows: _Rows,
        state: State,
        before: History,
        history: History,
    ) -> dict[str, Any]:
        """Return what a fit sets, besides what scikit-learn's validation does."""
        names = dict.fromkeys([*before, *history])
        whole = {name: before.get(name, []) + history.get(name, []) for name in names}
        derived = _Derived()
        derived.network = network
        return {
            "classes_": np.sort(labels),
            "history_": whole,
            "n_iter_": len(whole["loss"]),
            "_labels": labels,
            "_mask_columns": rows.mask_columns,
            "_is_restricted": rows.allowed is not None,
            "_architecture": self._settings(),
            "_state": state,
            "_derived": derived,
        }

    def _starting_state(
        self, network: Network, seed: int, *, goes_on: bool, slots_go_on: bool
    ) -> State:
        if not goes_on:
            return State(network.starting_weights(seed), None, seed)
        shapes = [weight.shape for weight in self._state.weights]
        if network.weight_shapes != shapes:
            raise ValueError(
                "hidden_layer_sizes and network must stay the same while training goes on "
                f"(warm_start, partial_fit); got weights of shapes {network.weight_shapes} "
                f"after {shapes}. Set them back, or clone the estimator."
            )
        return self._state if slots_go_on else replace(self._state, slots=None)

    def _check_goes_on(self, labels: np.ndarray, rows: _Rows) -> None:
        """Raise where a further call contradicts those before it."""
        if not np.array_equal(np.sort(labels), self.classes_):
            raise ValueError(
                f"y must have the classes of the fit that it goes on from, "
                f"{quote(self.classes_)}; got {quote(np.sort(labels))}. Pass classes= with all "
                "labels, or set warm_start=False."
            )
        if self._is_restricted and rows.allowed is None and rows.mask_columns is None:
            raise ValueError(
                "allowed must be given in every call once it was given in one; got None. Pass "
                "the mask of these rows."
            )

    def _hold_out(self, rows: _Rows, seed: int) -> tuple[_Rows, _Rows]:
        """Split off a stratified part for early stopping."""
        with naming("validation_fraction"):
            kept, held_out = train_test_split(
                np.arange(len(rows.codes)),
                test_size=self.validation_fraction,
                stratify=rows.codes,
                random_state=seed,
            )
        return rows[kept], rows[held_out]

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
        for name in _SET_BY_FIT:
            self.__dict__.pop(name, None)

    # The network.

    def _settings(self) -> tuple[Callable[..., Any] | None, tuple[int, ...], str]:
        """Return the parameters that decide the network."""
        return self.network, _layer_sizes(self.hidden_layer_sizes), self.activation

    def _make_network(self, n_features: int, n_outputs: int) -> Network:
        return _network_of(self._settings(), n_features, n_outputs)

    def _fitted_network(self) -> Network:
        """Return the network of the last fit, whatever the parameters are now."""
        if self._derived.network is None:
            n_mask_columns = 0 if self._mask_columns is None else len(self._mask_columns)
            n_features = self.n_features_in_ - n_mask_columns
            self._derived.network = _network_of(self._architecture, n_features, len(self.classes_))
        return self._derived.network

    # Prediction.

    def _scores(
        self, X: Any, allowed: Any, finish: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """Return logits of shape (n_samples, n_classes), -inf where a class is not allowed.

        Or, with `finish`, what it makes of them, row by row.
        """
        check_is_fitted(self)
        X, mask = self._check_prediction_rows(X, allowed)

        def finish_rows(logits: np.ndarray, rows: slice) -> np.ndarray:
            if mask is not None:
                logits = _restricted(logits, mask if mask.shape[0] != X.shape[0] else mask[rows])
            return logits if finish is None else finish(logits)

        return self._predictor()(X, finish_rows)

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


def _layer_sizes(sizes: Any) -> tuple[int, ...]:
    sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    for size in sizes:
        if not isinstance(size, Integral) or size < 1:
            raise InvalidParameterError(
                f"hidden_layer_sizes must hold whole numbers of 1 or more; got {sizes!r}. Use () "
                "for a network without a hidden layer."
            )
    return tuple(int(size) for size in sizes)


def _network_of(
    settings: tuple[Callable[..., Any] | None, tuple[int, ...], str],
    n_features: int,
    n_outputs: int,
) -> Network:
    network, sizes, activation = settings
    if network is None:
        return described_network(
            mlp, (n_features,), n_outputs, hidden_layer_sizes=sizes, activation=activation
        )
    made = custom_network(network, (n_features,), n_outputs)
    if made.output_shape != (None, n_outputs):
        raise ValueError(
            f"network must return logits of shape (None, n_outputs) = (None, {n_outputs}); got "
            f"{made.output_shape}. End it with keras.layers.Dense(n_outputs), without softmax."
        )
    return made


def _split_off_allowed(
    X: Any, allowed: Any, columns: np.ndarray | None, labels: np.ndarray
) -> tuple[Any, Allowed | None]:
    """Return the features and the mask, wherever the mask came from."""
    lifted = isinstance(allowed, str) and allowed == "all"
    if columns is not None:
        if allowed is not None and not lifted:
            raise ValueError(
                "allowed must not be given together with allowed_columns; got both. Drop one of "
                "them."
            )
        allowed = "all" if lifted else X[:, columns]
        X = X[:, np.setdiff1d(np.arange(X.shape[1]), columns)]
    if allowed is None or lifted:
        return X, None
    return X, check_allowed(allowed, n_samples=X.shape[0], classes=labels)


def _restricted(logits: np.ndarray, allowed: Allowed) -> np.ndarray:
    """Return logits with -inf where a class is not allowed."""
    return np.where(allowed.toarray() if sparse.issparse(allowed) else allowed, logits, -np.inf)
