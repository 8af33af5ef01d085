"""BaseKerasClassifier: parameters that all share, fit and partial fit, and the record of a fit."""

import pickle
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from inspect import signature
from numbers import Integral, Real
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted

from skmask.data._parameters import Interval
from skmask.data._sklearn import HasMethods, StrOptions, validate_parameter_constraints
from skmask.engine import OPTIMIZERS, DivergenceError, History
from skmask.estimators._html import DocumentedHtml
from skmask.estimators._reading import Given, opened_rows
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._training import Parts, Plan, trained
from skmask.estimators._validation import (
    check_monitor,
    read_validation,
    split_off_validation,
)
from skmask.estimators._watching import EpochTasks
from skmask.networks import ACTIVATIONS, Network

__all__ = ["OF_BLOCKS", "OF_MLP", "BaseKerasClassifier"]

# Constraints of the parameters that describe the built-in MLP.
OF_MLP: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "dropout": [Interval(Real, 0, 1, closed="left")],
}

# Constraint of the parameter of those that read X block by block.
OF_BLOCKS: dict[str, list[Any]] = {
    "shuffle_buffer": [Interval(Integral, 1, None, closed="left"), None],
}


# Parameters that may be objects of Keras.
_OF_KERAS = {"callbacks", "optimizer"}


class BaseKerasClassifier(
    DocumentedHtml, CallbackSupportMixin, ClassifierMixin, BaseEstimator, ABC
):
    """Base of the estimators: it trains what a leaf reads and names, and keeps the record.

    A leaf has a docstring, constraints, an `__init__`, public methods, and two hooks: `_read`,
    which makes rows of what a fit is given, and `_parts`, which names network and loss. All that
    a fit learns is one :class:`Fit`, set in one assignment; fitted attributes are read from it.
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "network": [callable, Network, None],
        "classes": ["array-like", None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), HasMethods(["get_config", "apply"]), dict],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "monitor": [str, callable],
        "callbacks": [list, tuple, None],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
    }

    classes_: Any
    history_: History
    n_iter_: int

    @abstractmethod
    def __init__(self, **parameters):
        # Names, order and defaults are those of the signature of the leaf.
        for name, value in parameters.items():
            setattr(self, name, value)

    # Hooks of a leaf.

    @abstractmethod
    def _read(self, given: Given) -> Rows:
        """Check the arguments of a fit and return its rows."""

    @abstractmethod
    def _parts(self, rows: Rows) -> Parts:
        """Name the network and the loss for a fit to these rows."""

    # Training.

    def _fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int | None = None,
        reason_to_hold_out: tuple[str, str] | None = None,
        **metadata: Any,
    ) -> Any:
        """Fit to rows, for the parameter `epochs` unless a number is given.

        Metadata whose names end in "_val" are of validation rows.
        """
        self._validate_params()
        check_monitor(self.monitor)
        metadata, own = split_off_validation(metadata)
        epochs = int(self.epochs if epochs is None else epochs)
        if self.early_stopping:
            reason_to_hold_out = "early_stopping", "set early_stopping=False"
        tasks = EpochTasks(self, epochs, X, y, metadata)
        before = self._record if self.warm_start else None
        with self._unfitted_by_divergence():
            X, y = opened_rows(self, X, y, before)
            given = Given(X, y, before, metadata=metadata)
            rows = self._read(given).that_count()
            validation = read_validation(self, rows, metadata, own)
            tasks.begin()
            plan = Plan(epochs, before, reason_to_hold_out, tasks, given, validation)
            self._record = trained(self, rows, self._parts, plan)
        tasks.close()
        return self

    def _partial_fit(self, X: Any, y: Any, classes: Any, **metadata: Any) -> Any:
        """Train one epoch on rows, from where the last call ended."""
        self._validate_params()
        before = self._record
        X, y = opened_rows(self, X, y, before)
        given = Given(X, y, before, is_partial=True, classes=classes, metadata=metadata)
        with self._unfitted_by_divergence():
            rows = self._read(given).that_count().with_weights_as_given()
            self._record = trained(self, rows, self._parts, Plan(1, before))
        return self

    @contextmanager
    def _unfitted_by_divergence(self) -> Iterator[None]:
        try:
            yield
        except DivergenceError:
            self._record = None
            raise

    def _check_read_now(self, *names: str) -> None:
        """Check parameters that are read at prediction, as a fit checks them."""
        constraints = {name: self._parameter_constraints[name] for name in names}
        values = {name: getattr(self, name) for name in names}
        validate_parameter_constraints(constraints, values, caller_name=type(self).__name__)

    # The record of the last fit.

    @property
    def _record(self) -> Fit | None:
        return self.__dict__.get("_record")

    @_record.setter
    def _record(self, fit: Fit | None) -> None:
        if fit is None:
            self.__dict__.pop("_record", None)
        else:
            self.__dict__["_record"] = fit

    def _fitted(self) -> Fit:
        """Return the record: read it once, because another thread may replace it."""
        while (fit := self._record) is None:
            check_is_fitted(self)
        return fit

    @property
    def model_(self):
        """A `keras.Model` from features to logits: the user's to keep, a copy of the weights."""
        return self._fitted().keras_model

    def __getattr__(self, name: str) -> Any:
        later = self.__dict__.get("_stored_parameters", {})
        if name in later:
            setattr(self, name, _unpickled(*later[name]))
            self._stored_parameters = {key: later[key] for key in later if key != name}
            return self.__dict__[name]
        fit = self.__dict__.get("_record")
        if fit is not None and name.endswith("_") and name in fit.values:
            return fit.values[name]
        if fit is None and name == "model_":
            check_is_fitted(self)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # Storing and copying. Neither must need Keras where only predictions are asked for.

    def __reduce_ex__(self, protocol: Any) -> Any:
        state = self.__getstate__()
        if "fitted" not in state:
            return super().__reduce_ex__(protocol)
        later = dict(self.__dict__.get("_stored_parameters", {}))
        for name in _OF_KERAS & vars(self).keys():
            if not isinstance(vars(self)[name], str | None):
                with suppress(Exception):  # it cannot be pickled: as __getstate__ has it
                    later[name] = pickle.dumps(vars(self)[name]), state[name]
        state = {name: value for name, value in state.items() if name not in later}
        return _restored, (type(self), {**state, "_stored_parameters": later})

    def __getstate__(self) -> dict[str, Any]:
        """Return parameters and the record as plain values.

        Parameters of a fitted estimator that are Keras objects are left out (`callbacks`), or
        plain values, too (`optimizer`). Pickles hold them as bytes, read when they are needed.
        """
        state = dict(super().__getstate__())
        fit = state.pop("_record", None)
        if fit is None:
            return state
        state.pop("_stored_parameters", None)
        if not isinstance(state.get("optimizer"), str | dict | None):
            from skmask.engine import tensorflow

            state["optimizer"] = tensorflow.stored_optimizer(state["optimizer"])
        if "callbacks" in state:
            state["callbacks"] = None
        return {**state, "fitted": fit.stored()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        stored = state.pop("fitted", None)
        fit = None if stored is None else Fit.from_stored(stored)
        later = state.get("_stored_parameters", {})
        for name, parameter in signature(type(self).__init__).parameters.items():
            if name != "self" and name not in later:  # it may have come after the file
                state.setdefault(name, parameter.default)
        super().__setstate__(state)
        self._record = fit

    def __copy__(self) -> Any:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = object.__new__(type(self))
        memo[id(self)] = copied
        for name, value in self.__dict__.items():  # the record is never changed
            copied.__dict__[name] = value if name == "_record" else deepcopy(value, memo)
        return copied

    # scikit-learn's protocols.

    def __sklearn_is_fitted__(self) -> bool:
        return self._record is not None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        network = getattr(self, "network", None)
        of_images = isinstance(network, Network) and network.takes == "images"
        # A network of one's own may take rows of any number of axes.
        tags.input_tags.three_d_array = of_images or callable(network)
        tags.input_tags.two_d_array = not of_images
        tags.input_tags.sparse = not of_images
        return tags


def _unpickled(pickled: bytes, plain: Any) -> Any:
    """Return an object of Keras, or its plain form where Keras is not installed."""
    try:
        return pickle.loads(pickled)
    except ImportError:
        return plain


def _restored(kind: type, state: dict[str, Any]) -> Any:
    """Return the estimator that a pickle holds."""
    estimator: Any = object.__new__(kind)
    estimator.__setstate__(state)
    return estimator
