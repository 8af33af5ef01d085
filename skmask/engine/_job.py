"""Descriptions of a training: data, loss and solver. They need no TensorFlow."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy import sparse

from skmask.engine._state import History, State
from skmask.engine._table import Column

__all__ = [
    "OPTIMIZERS",
    "PENALTY",
    "Checkpoint",
    "Job",
    "Lbfgs",
    "Loss",
    "OwnNetwork",
    "ReadState",
    "Score",
    "Steps",
    "Watcher",
]

OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw",
    "ftrl", "lamb", "lion", "nadam", "rmsprop", "sgd",
)  # fmt: skip

# The constant that holds the factor of the L2 penalty.
PENALTY = "penalty"

# Below so many numbers of a dense batch, its products are faster than those of a sparse one.
_DENSE_BATCH = 1 << 18

# Candidates that a row may have at most, as a multiple of their mean, to lie in a rectangle.
_FULL = 1.25

Function = str | Callable[..., Any]


@dataclass(frozen=True)
class Loss:
    """A loss to minimise, and metrics to count beside it.

    Parameters
    ----------
    function : str, or callable `(y, logits, **inputs, **settings) -> losses`
        The name of a function of :mod:`skmask.nn.losses`, or a pure function of a module.
        Losses have the shape (B,) of a batch's rows, or further axes for labels or time steps;
        each counts with its entry of the column "weight", and not at all where that is 0.
    settings : tuple of (name, value)
        Hashable: they are traced.
    metrics : tuple of (name, str or callable `(y, logits, **inputs) -> (values, counts)`)
        Ratios, pooled over an epoch: the sum of the weighted values over that of the weighted
        counts, both of the losses' shape. A str is the name of a function of
        :mod:`skmask.nn.metrics`.
    of_metrics : tuple of str
        Inputs that only the metrics take.

    Columns and constants are inputs; a function gets those that it has a parameter for, and the
    loss has one for each but those of the metrics.
    """

    function: Function
    settings: tuple[tuple[str, Hashable], ...] = ()
    metrics: tuple[tuple[str, Function], ...] = ()
    of_metrics: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Return the names of the loss and the metrics in the history."""
        return ["loss", *(name for name, _ in self.metrics)]


@dataclass(frozen=True)
class Steps:
    """Train by steps of an optimizer on batches.

    Parameters
    ----------
    optimizer : str or `keras.optimizers.Optimizer`
        A name of `OPTIMIZERS`, or a template, which is only read.
    learning_rate : float or None
        None: 1e-3 for a name, the template's own otherwise.
    batch_size : int
    """

    optimizer: Any
    learning_rate: float | None = None
    batch_size: int = 32
    reads_often: ClassVar[bool] = False


@dataclass(frozen=True)
class Lbfgs:
    """Train by full-batch L-BFGS; epochs are iterations.

    Parameters
    ----------
    tolerance : float
        Largest entry of the gradient at which it stops.
    batch_size : int
        Not used in training; bounds a pass over held-out rows.
    """

    tolerance: float = 1e-6
    batch_size: int = 32
    name: ClassVar[str] = "lbfgs"
    reads_often: ClassVar[bool] = True


@dataclass(frozen=True)
class OwnNetwork:
    """A network of the user's own, computed by Keras.

    Parameters
    ----------
    network : callable `(inputs, n_outputs) -> logits`, or `keras.Model`
    takes_mask : bool, default=False
        Whether it takes sequences, cleaned, and their mask: `(inputs, n_outputs, mask)`.
    inputs : tuple of (str, tuple of int), default=None
        Names of its inputs, and the columns of X that each gets. None: it has one, X.
    """

    network: Any
    takes_mask: bool = False
    inputs: tuple[tuple[str, tuple[int, ...]], ...] | None = None
    is_portable: ClassVar[bool] = False
    penalty: ClassVar[float] = 0.0


@dataclass(frozen=True)
class Job:
    """A training: graph, loss, solver and data.

    Parameters
    ----------
    graph : skmask.engine.tensorflow.Graph
    loss : Loss
    solver : Steps or Lbfgs
    columns : mapping with "X", "y", "weight" and whatever else the loss takes, by row
    constants : mapping of what else the loss takes, the same for all rows; and `PENALTY`, where
        there is one
    validation : mapping like `columns`, or None
    validation_constants : mapping like `constants`, or None
        None: those of training.
    lengths : ndarray of shape (n_rows,) or None
        Work that each row takes: rows of similar length share a batch.
    by_candidates : bool, default=False
        Whether only the logits of the classes that the column "allowed" names are computed. For
        networks that end in a dense layer.
    sparse_updates : bool, default=False
        Whether a step then takes the weights of these classes only, whatever the optimizer is.
    window : int
        Rows that are shuffled together where X comes in blocks.
    """

    graph: Any
    loss: Loss
    solver: Steps | Lbfgs
    columns: Mapping[str, Column]
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    validation: Mapping[str, Column] | None = None
    validation_constants: Mapping[str, np.ndarray] | None = None
    lengths: np.ndarray | None = None
    by_candidates: bool = False
    sparse_updates: bool = False
    window: int = 0

    @property
    def stay_sparse(self) -> tuple[str, ...]:
        """Return the CSR columns that the graph takes as they are: X, unless it is narrow."""
        X = self.columns["X"]
        takes_them = self.graph.takes_sparse and isinstance(self.solver, Steps)
        is_wide = takes_them and self.solver.batch_size * X.shape[1] >= _DENSE_BATCH
        of_x = ("X",) if is_wide and sparse.issparse(X) else ()
        return (*of_x, "allowed") if self.by_candidates else of_x

    @property
    def width_of_candidates(self) -> int | None:
        """Return as many candidates as no row has more of; None where most rows have far less."""
        if not self.by_candidates:
            return None
        masks = [each["allowed"] for each in (self.columns, self.validation) if each is not None]
        longest = max(int(np.diff(mask.indptr).max()) for mask in masks)
        step = 1 << max(0, longest.bit_length() - 4)  # few widths, because each is compiled
        width = -(-longest // step) * step
        n_rows, n_stored = (sum(n) for n in zip(*((m.shape[0], m.nnz) for m in masks), strict=True))
        return width if width * n_rows <= _FULL * n_stored else None


ReadState = Callable[[], State]
Checkpoint = Callable[[State, History], None]
# The score of an epoch's logs and state, greater is better.
Score = Callable[[dict[str, float], ReadState], float]


class Watcher(Protocol):
    """Called before and after every epoch of a training."""

    def begin_epoch(self, epoch: int) -> None:
        """Note that an epoch, counted from 0, begins."""

    def end_epoch(self, epoch: int, logs: dict[str, float], state: ReadState) -> bool:
        """Note the results of an epoch, and add to its logs; return True to stop the training."""

    def end(self) -> None:
        """Note that the training is over."""
