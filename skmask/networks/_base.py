"""Network: the base of descriptions of networks."""

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, TypeAlias

import numpy as np
from scipy.special import erf, expit
from sklearn.base import BaseEstimator

__all__ = [
    "ACTIVATIONS",
    "Network",
    "Signature",
    "Weight",
    "check_count",
    "check_share",
    "layer_sizes",
]

Weights: TypeAlias = Sequence[np.ndarray]

_LARGEST_INTEGER = 2**31 - 1


@dataclass(frozen=True)
class Signature:
    """Shapes at both ends of a network.

    Parameters
    ----------
    input_shape : tuple of int or None
        Shape of one row: (n_features,), (None, n_features) for sequences, or that of an image.
    n_outputs : int
        Logits per output: the number of classes or labels.
    steps : "each", int or None, default=None
        One output per row (None), per step of the input ("each"), or for this many steps.
    are_labels : bool, default=False
        Whether the outputs are labels, with a sigmoid each, instead of classes, with one softmax.
    """

    input_shape: tuple[int | None, ...]
    n_outputs: int
    steps: Any = None
    are_labels: bool = False

    @property
    def n_features(self) -> int:
        """Number of features of a row, or of a step; of an image, the length of its last axis."""
        return self.input_shape[-1] or 0

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of the logits of a batch, None for what is open."""
        if self.steps is None:
            return (None, self.n_outputs)
        return (None, None if self.steps == "each" else self.steps, self.n_outputs)


@dataclass(frozen=True)
class Weight:
    """One weight array of a network.

    Parameters
    ----------
    name : str
    shape : tuple of int
    is_penalised : bool, default=False
        Whether the L2 penalty of the network counts it.
    """

    name: str
    shape: tuple[int, ...]
    is_penalised: bool = False


class Network(BaseEstimator):
    """Base of all networks: parameters, shapes of weights, and the forward pass in NumPy.

    A subclass has an `__init__` that only assigns, and the three methods below. Its Keras graph
    is registered in :mod:`skmask.nn.networks`.
    """

    # Kind of input: "rows" of features; "images", rows of two axes or more; "sequences"; or
    # "prototypes" beside rows.
    takes: ClassVar[str] = "rows"
    # Whether `forward` and the first layers of the Keras graph take sparse rows as they are.
    # Otherwise a few rows at a time are made dense in training.
    takes_sparse: ClassVar[bool] = False

    # Whether the last layer is dense: its kernel and its bias are the last two weights, its layer
    # the last one of the Keras graph, and `before_head` returns its inputs.
    has_dense_head: ClassVar[bool] = False

    @abstractmethod
    def settings(self) -> dict[str, Hashable]:
        """Return the parameters that the graph depends on, checked, as plain values.

        Returns
        -------
        dict of str to hashable
            Equal settings promise equal graphs.

        Raises
        ------
        ValueError
            For a parameter that is not legal.
        """

    @abstractmethod
    def weights(self, signature: Signature) -> tuple[Weight, ...]:
        """Return the weight arrays, in the order in which `forward` takes them."""

    @abstractmethod
    def forward(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        """Return the logits of some rows.

        Parameters
        ----------
        weights : sequence of ndarray, as `weights` lists them
        X : ndarray of the dtype of the weights of shape (n, *signature.input_shape), or CSR
        signature : Signature

        Returns
        -------
        ndarray of shape (n, n_outputs) or (n, n_steps, n_outputs)
        """

    def before_head(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        """Return the inputs of the last layer, of a network that has a dense one.

        Parameters
        ----------
        weights, X, signature
            As in `forward`.

        Returns
        -------
        ndarray of shape (n, n_units)
        """
        raise NotImplementedError(f"{type(self).__name__} has no dense layer at its end.")

    def numbers_per_row(self, signature: Signature) -> int | None:
        """Return how many numbers `forward` holds at once for a row, or None.

        None: as many as the widest layer has units, at each of the steps.
        """
        return None

    @property
    def is_portable(self) -> bool:
        """Whether `forward` can compute this network. Otherwise Keras does."""
        return True

    @property
    def penalty(self) -> float:
        """Factor of the L2 penalty, half the sum of squares of the weights that it counts."""
        return 0.0


def layer_sizes(sizes: Any, argument: str) -> tuple[int, ...]:
    """Return the units of each layer, of which there may be none."""
    try:
        units = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    except TypeError:
        units = (None,)
    if not all(map(_is_size, units)):
        raise ValueError(
            f"{argument} must hold whole numbers of 1 or more, which a machine can hold; got "
            f"{_shown(sizes)}. Give the units of each layer."
        )
    return tuple(map(int, units))


def check_count(value: Any, argument: str) -> int:
    """Return a whole number of 1 or more."""
    if not _is_size(value):
        raise ValueError(
            f"{argument} must be a whole number of 1 or more, which a machine can hold; got "
            f"{_shown(value)}. Give another one."
        )
    return int(value)


def _is_size(value: Any) -> bool:
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    return is_whole and 1 <= int(value) <= _LARGEST_INTEGER


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write integers of more than 4300 digits
        return "an integer too long to be written"
    return text if len(text) <= 60 else text[:57] + "..."


def check_share(value: Any, argument: str) -> float:
    """Return a number from 0 up to, not including, 1."""
    is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    if not is_number or not 0 <= value < 1:
        raise ValueError(
            f"{argument} must be a number from 0 up to, not including, 1; got {_shown(value)}. "
            "Use 0 to leave it out."
        )
    return float(value)


# Activations by Keras' names, for arrays of any float type, which they may write to.


def _gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + erf(x / np.sqrt(np.asarray(2, x.dtype))))


def _hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(x / 6 + 0.5, 0, 1)


def _relu(x: np.ndarray) -> np.ndarray:
    # With an array of zeros, because NumPy is several times slower with a number.
    return np.maximum(x, np.zeros(x.shape[-1:], x.dtype), out=x)


def _selu(x: np.ndarray) -> np.ndarray:
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, np.asarray(0, x.dtype))


def _silu(x: np.ndarray) -> np.ndarray:
    return x * expit(x)


ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "celu": _elu,
    "elu": _elu,
    "exponential": np.exp,
    "gelu": _gelu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "linear": lambda x: x,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "relu": _relu,
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": _selu,
    "sigmoid": expit,
    "silu": _silu,
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "swish": _silu,
    "tanh": np.tanh,
}
