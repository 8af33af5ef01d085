"""PrototypeSums: sums of functions of the input and of prototypes."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from scipy import sparse

from skmask.networks._base import Network, Signature, Weight, Weights, check_count

__all__ = ["KERNELS", "PrototypeSums", "is_product_safe", "kernel_values"]

KERNELS = ("exponential", "laplacian", "linear", "rbf")

# The exponent of the exponential kernel is held at this: its square, and sums of many, are
# still far from what float32 cannot hold.
EXPONENT_AT_MOST = 30.0
# The distance of the RBF kernel is held at this, where it is 0 in all types.
DISTANCE_AT_MOST = 1e3
# Rows x prototypes x features held at once.
_NUMBERS_AT_ONCE = 1 << 18


def is_product_safe(prototypes: np.ndarray, scale: Any) -> bool:
    """Say whether exp((x - p) / c) may be taken as a product of exponentials.

    Parameters
    ----------
    prototypes : ndarray of shape (n_prototypes, n_features)
    scale : float or ndarray of shape (n_features,)
    """
    return bool((abs((prototypes - prototypes.mean(axis=0)) / scale) <= 15).all())


def kernel_values(
    x: np.ndarray, prototypes: np.ndarray, scale: np.ndarray, kernel: str
) -> np.ndarray:
    """Return f(x_k, x_pk) of each row, prototype and feature, (n, n_prototypes, n_features).

    The NumPy form of :func:`skmask.nn.layers.elementwise_kernel`.
    """
    x, prototypes = x[:, np.newaxis], prototypes[np.newaxis]
    if kernel == "linear":
        return x * (prototypes / scale)
    distance = (x - prototypes) / scale
    if kernel == "exponential":
        return np.exp(np.minimum(distance, EXPONENT_AT_MOST))
    if kernel == "laplacian":
        return np.exp(-np.abs(distance))
    return np.exp(-np.square(np.clip(distance, -DISTANCE_AT_MOST, DISTANCE_AT_MOST)))


class PrototypeSums(Network):
    """Sums over prototypes and features of weighted functions f(x_k, x_pk).

    Parameters
    ----------
    kernel : {"rbf", "laplacian", "exponential", "linear"} or callable, default="rbf"
        f, as in :class:`skmask.PrototypeClassifier`. A callable is computed by Keras.
    n_prototypes : int, default=1
        Of all classes together.
    product_form : bool, default=False
        Whether "exponential" is computed as a product, see
        :class:`skmask.nn.layers.PrototypeKernel`.

    Examples
    --------
    >>> from skmask.networks import PrototypeSums, Signature
    >>> [weight.name for weight in PrototypeSums(n_prototypes=6).weights(Signature((4,), 3))]
    ['a', 'b', 'prototypes', 'scale', 'alpha', 'membership']
    """

    takes = "prototypes"

    def __init__(self, kernel="rbf", *, n_prototypes=1, product_form=False):
        self.kernel = kernel
        self.n_prototypes = n_prototypes
        self.product_form = product_form

    def settings(self) -> dict[str, Hashable]:
        if not callable(self.kernel) and self.kernel not in KERNELS:
            raise ValueError(
                f"kernel must be one of {list(KERNELS)} or a callable; got {self.kernel!r}."
            )
        return {
            "kernel": self.kernel,
            "n_prototypes": check_count(self.n_prototypes, "n_prototypes"),
            "product_form": bool(self.product_form),
        }

    def weights(self, signature: Signature) -> tuple[Weight, ...]:
        n_features = signature.n_features
        by_feature = (self.n_prototypes, n_features)
        return (
            Weight("a", by_feature),
            Weight("b", (self.n_prototypes,)),
            Weight("prototypes", by_feature),
            Weight("scale", (n_features,)),
            Weight("alpha", ()),
            Weight("membership", (self.n_prototypes, signature.n_outputs)),
        )

    def forward(self, weights: Weights, X: Any, signature: Signature) -> np.ndarray:
        a, b, prototypes, scale, _, membership = weights
        if self.kernel == "linear":
            sums = X @ (a * (prototypes / scale)).T
        elif self.product_form and self.kernel == "exponential":
            centre = prototypes.mean(axis=0)
            of_x = np.exp(np.minimum((_dense(X) - centre) / scale, EXPONENT_AT_MOST / 2))
            sums = of_x @ (a * np.exp((centre - prototypes) / scale)).T
        else:
            sums = _sums_of_terms(a, prototypes, scale, self.kernel, X)
        return (sums + b) @ membership

    @property
    def is_portable(self) -> bool:
        return not callable(self.kernel)


def _sums_of_terms(
    a: np.ndarray, prototypes: np.ndarray, scale: np.ndarray, kernel: str, X: Any
) -> np.ndarray:
    """Return sum_k a_pk f(x_k, x_pk), (n, n_prototypes), in a bounded amount of memory."""
    sums = np.empty((X.shape[0], len(a)), a.dtype)
    step = max(1, _NUMBERS_AT_ONCE // max(1, a.size))
    for start in range(0, X.shape[0], step):
        rows = slice(start, start + step)
        terms = a * kernel_values(_dense(X[rows]), prototypes, scale, kernel)
        terms.sum(axis=-1, out=sums[rows])
    return sums


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X
