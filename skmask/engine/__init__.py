"""Training: what is trained, and the loop. TensorFlow is imported by the first fit."""

from skmask.engine._caches import clear_caches
from skmask.engine._job import (
    OPTIMIZERS,
    PENALTY,
    Job,
    Lbfgs,
    Loss,
    OwnNetwork,
    Steps,
    Watcher,
)
from skmask.engine._loop import train
from skmask.engine._sources import LazyRows, RowSource, is_lazy, read_rows, some_rows
from skmask.engine._state import DivergenceError, History, State, damaged

__all__ = [
    "OPTIMIZERS",
    "PENALTY",
    "DivergenceError",
    "History",
    "Job",
    "LazyRows",
    "Lbfgs",
    "Loss",
    "OwnNetwork",
    "RowSource",
    "State",
    "Steps",
    "Watcher",
    "clear_caches",
    "damaged",
    "is_lazy",
    "read_rows",
    "some_rows",
    "train",
]
