"""Where a training stands, and what it reports: arrays, numbers and strings only."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

__all__ = ["DivergenceError", "History", "State", "damaged"]

History: TypeAlias = dict[str, list[float]]


class DivergenceError(FloatingPointError):
    """The loss became NaN or infinite during training."""


@dataclass(frozen=True)
class State:
    """Where a training stands: enough to go on exactly as if it had not stopped.

    Parameters
    ----------
    weights : list of ndarray, in the order of `model.variables`
    slots : list of ndarray, in the order of `optimizer.variables`; None before training
    seed : int, decides the order of rows in every epoch
    epoch : int, how many epochs have been run
    slots_of : str, the optimizer that the slots belong to
    """

    weights: list[np.ndarray]
    slots: list[np.ndarray] | None
    seed: int
    epoch: int = 0
    slots_of: str = ""


def damaged(found: str) -> ValueError:
    """Return the error for a stored model in which one part contradicts another."""
    return ValueError(
        f"The stored model must be as `fit` left it; got {found}. It is damaged: take another "
        "copy, or fit anew."
    )
