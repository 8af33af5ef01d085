"""Fit: the frozen record of a fit, which predictions read and which is stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from skmask._version import __version__
from skmask.data._messages import quote
from skmask.engine import OwnNetwork, State, damaged
from skmask.estimators._prediction import Predictor
from skmask.networks import Network, Signature

__all__ = ["Fit", "record_of"]

# Raised with each change of what is stored.
_FORMAT = 2


@dataclass(frozen=True)
class Fit:
    """All that a fit has learnt, replaced as a whole by the next one.

    Parameters
    ----------
    network : Network or OwnNetwork
    signature : Signature
    dtype : str
        Of weights and arithmetic.
    input_dtype : str
        In which rows are read.
    state : State
    values : mapping of str to anything
        Fitted attributes, with their trailing underscore, and without one what else an estimator
        keeps. Arrays, numbers, strings, and dicts, lists and tuples of them.
    graph : skmask.engine.tensorflow.Graph, default=None
        That of the training, as long as it is in memory.
    """

    network: Network | OwnNetwork
    signature: Signature
    dtype: str
    input_dtype: str
    state: State
    values: Mapping[str, Any]
    graph: Any = field(default=None, compare=False, repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def row_shape(self) -> tuple[int | None, ...]:
        """Shape of the rows of X, columns of a mask included."""
        shape = self.signature.input_shape
        return shape if len(shape) > 1 else (self["n_features_in_"],)

    @cached_property
    def predictor(self) -> Predictor:
        """Function of rows to logits."""
        width = max((np.shape(w)[-1] for w in self.state.weights if np.ndim(w)), default=1)
        if isinstance(self.network, Network) and self.network.is_portable:
            return Predictor(
                self._forward(self.network),
                width,
                is_parallel=True,
                n_numbers=self.network.numbers_per_row(self.signature),
                takes_sparse=self.network.takes_sparse,
            )
        from skmask.engine import tensorflow  # only for networks that NumPy cannot compute

        self._check_labels()
        forward = tensorflow.forward_function(self.keras_graph, self.state.weights)
        is_image = len(self.signature.input_shape) > 1 and None not in self.signature.input_shape
        n_numbers = self.keras_graph.n_numbers if is_image else None
        return Predictor(forward, width, is_parallel=False, n_numbers=n_numbers)

    def _forward(self, network: Network) -> Callable[[Any], np.ndarray]:
        weights, dtype = self.learnt_weights, np.dtype(self.dtype)
        return lambda X: network.forward(weights, X.astype(dtype, copy=False), self.signature)

    @cached_property
    def learnt_weights(self) -> list[np.ndarray]:
        """The weights of a described network, as it lists them: without states of generators.

        Raises a ValueError where the parts of a stored record contradict each other.
        """
        weights = [w for w in map(np.asarray, self.state.weights) if w.dtype.kind not in "iu"]
        self._check(weights)
        return weights

    @cached_property
    def kernel_by_class(self) -> np.ndarray:
        """The kernel of the last layer, shape (n_outputs, n_units), a row for each class."""
        return np.ascontiguousarray(self.learnt_weights[-2].T)

    def named_weights(self) -> dict[str, np.ndarray]:
        """Return the weights of a described network by name."""
        listed = self.network.weights(self.signature)  # type: ignore[union-attr]
        return {
            weight.name: value for weight, value in zip(listed, self.learnt_weights, strict=True)
        }

    @cached_property
    def keras_graph(self) -> Any:
        """The Keras graph of the network, that of the training where there is one."""
        if self.graph is not None:
            return self.graph
        if isinstance(self.network, Network):
            _ = self.learnt_weights  # which are checked
        from skmask.engine import tensorflow

        graph = tensorflow.graph_of(self.network, self.signature, self.dtype)
        graph.check_stored(self.state.weights)
        return graph

    @cached_property
    def keras_model(self) -> Any:
        """A `keras.Model` with a copy of the weights."""
        from skmask.engine import tensorflow

        return tensorflow.with_weights(self.keras_graph, self.state.weights)

    def _check(self, weights: list[np.ndarray]) -> None:
        if self.dtype not in ("float32", "float64"):
            raise damaged(f"the type {self.dtype!r}")
        self._check_labels()
        try:
            listed = self.network.weights(self.signature)  # type: ignore[union-attr]
            shapes = [weight.shape for weight in listed]
        except Exception as error:
            raise damaged(f"what makes no network, {quote([self.network])}") from error
        found = [weight.shape for weight in weights]
        if found != shapes:
            raise damaged(f"weights of shapes {found} for a network of {shapes}")
        types = {str(weight.dtype) for weight in weights}
        if types - {self.dtype}:
            raise damaged(f"weights of types {sorted(types)} for a network of {self.dtype}")
        if not all(np.isfinite(weight).all() for weight in weights):
            raise damaged("weights that are not finite")

    def _check_labels(self) -> None:
        labels = self.values.get("label_names_", self.values.get("classes_", ()))
        if len(labels) != self.signature.n_outputs:
            raise damaged(f"{len(labels)} labels for {self.signature.n_outputs} outputs")

    # Storing.

    def stored(self) -> dict[str, Any]:
        """Return the record as plain values, arrays and the network."""
        own = isinstance(self.network, OwnNetwork)
        state = self.state
        return {
            "format": _FORMAT,
            "skmask_version": __version__,
            "network": self.network.network if own else self.network,
            "takes_mask": self.network.takes_mask if own else None,
            "input_shape": self.signature.input_shape,
            "n_outputs": self.signature.n_outputs,
            "steps": self.signature.steps,
            "are_labels": self.signature.are_labels,
            "dtype": self.dtype,
            "input_dtype": self.input_dtype,
            "weights": list(state.weights),
            "slots": None if state.slots is None else list(state.slots),
            "seed": state.seed,
            "epoch": state.epoch,
            "slots_of": state.slots_of,
            "values": dict(self.values),
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> "Fit":
        """Return the record that was stored, of this format or an older one."""
        _check_format(stored)
        try:
            network = stored["network"]
            if stored["takes_mask"] is not None:
                inputs = stored["values"].get("inputs")
                network = OwnNetwork(network, stored["takes_mask"], inputs)
            parts = ("weights", "slots", "seed", "epoch", "slots_of")
            return cls(
                network=network,
                signature=Signature(
                    tuple(stored["input_shape"]),
                    stored["n_outputs"],
                    stored["steps"],
                    stored.get("are_labels", False),  # which format 1 does not have
                ),
                dtype=stored["dtype"],
                input_dtype=stored["input_dtype"],
                state=State(**{part: stored[part] for part in parts}),
                values=dict(stored["values"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(f"a record without its parts: {error}") from error


def _check_format(stored: Mapping[str, Any]) -> None:
    """Raise for a record of a newer format than this version writes."""
    found = stored.get("format")
    if not isinstance(found, int) or found > _FORMAT:
        raise ValueError(
            f"The stored model must be of format {_FORMAT} or older; got format {found!r}, "
            f"written by skmask {stored.get('skmask_version')}. Update skmask, or store the model "
            "again with this version."
        )


def record_of(estimator: Any) -> Fit:
    """Return the record of the last fit of an estimator.

    Raises
    ------
    NotFittedError
        If there is none.
    """
    return estimator._fitted()
