"""Kernels of prototypes that are functions of the user's, computed by Keras."""

from collections.abc import Callable
from typing import Any

import numpy as np

from skmask.engine.tensorflow._names import note_use
from skmask.engine.tensorflow._settings import keras_settings
from skmask.nn.layers import elementwise_kernel

__all__ = ["check_kernel", "own_kernel_values"]


def own_kernel_values(
    x: np.ndarray, prototypes: np.ndarray, kernel: Callable[..., Any]
) -> np.ndarray:
    """Return f(x_k, x_pk) of each row, prototype and feature, (n, n_prototypes, n_features)."""
    note_use()
    with keras_settings(str(prototypes.dtype)):
        return np.asarray(elementwise_kernel(x, prototypes, 1.0, kernel))


def check_kernel(kernel: Callable[..., Any], n_features: int) -> None:
    """Raise if a function does not work elementwise on two rows and three prototypes."""
    rule = "kernel must work elementwise, f(x, p) of the shape that x and p have together"
    cure = "Use the functions of keras.ops, and do not sum."
    shape = (2, 3, n_features)
    x, p = np.ones((2, n_features), np.float32), np.zeros((3, n_features), np.float32)
    try:
        values = elementwise_kernel(x, p, 1.0, kernel)
        found = np.asarray(values)
    except Exception as error:
        raise TypeError(f"{rule}; got an error in it. {cure}") from error
    if not hasattr(values, "dtype") or found.shape != shape or found.dtype.kind != "f":
        got = f"shape {found.shape} of {found.dtype}" if found.ndim else f"{values!r:.60}"
        raise ValueError(f"{rule}, {shape} here; got {got}. {cure}")
