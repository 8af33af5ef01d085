"""Which rows the classes are compared with, and how far apart rows are."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skmask.data._frames import named, without_names
from skmask.data._labels import class_numbers, label_array, label_table
from skmask.data._messages import naming, quote
from skmask.data._numbers import as_numbers, check_float32, unmasked
from skmask.data._weights import check_by_label

__all__ = [
    "WAYS",
    "check_prototype_rows",
    "check_row_numbers",
    "check_scale",
    "chosen_rows",
    "dense",
    "given_prototypes",
]


# Which rows to take: functions of the rows of one class, scaled, and their weights.


def _medoid(X: np.ndarray, weight: np.ndarray) -> int:
    """Return the row with the smallest weighted sum of distances to the others."""
    from sklearn.metrics import pairwise_distances_chunked

    sums = [block @ weight for block in pairwise_distances_chunked(X)]
    return int(np.concatenate(sums).argmin())


def _medoids(X: np.ndarray, weight: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the medoids of `n` clusters, by turns of assigning and choosing."""
    if n == 1:
        return np.array([_medoid(X, weight)])
    from sklearn.metrics import pairwise_distances_argmin

    rows = _nearest_to_means(X, weight, n, seed)
    for _ in range(100):
        cluster = pairwise_distances_argmin(X, X[rows])
        cluster[rows] = np.arange(n)  # also where rows are equal
        members = [np.flatnonzero(cluster == number) for number in range(n)]
        better = np.array([m[_medoid(X[m], weight[m])] for m in members])
        if np.array_equal(better, rows):
            break
        rows = better
    return rows


def _nearest_to_means(X: np.ndarray, weight: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the rows nearest to the means of `n` clusters, all different."""
    from sklearn.cluster import KMeans  # takes half a second to import
    from sklearn.metrics import pairwise_distances_argmin

    with warnings.catch_warnings():  # fewer different rows than clusters: the rest is filled up
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(n, n_init=3, random_state=seed).fit(X, sample_weight=weight)
    rows = list(dict.fromkeys(pairwise_distances_argmin(means.cluster_centers_, X).tolist()))
    rest = np.setdiff1d(np.arange(len(X)), rows)
    return np.array([*rows, *rest[: n - len(rows)]])


def _at_random(X: np.ndarray, weight: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return rows drawn without replacement, in proportion to their weights."""
    rng = np.random.default_rng(seed)
    return rng.choice(len(X), size=n, replace=False, p=weight / weight.sum())


WAYS: dict[str, Callable[..., np.ndarray]] = {
    "kmeans": _nearest_to_means,
    "medoid": _medoids,
    "random": _at_random,
}


def chosen_rows(
    X: Any,
    codes: np.ndarray,
    weight: np.ndarray,
    scale: np.ndarray,
    labels: np.ndarray,
    *,
    way: str,
    n_prototypes: int,
    seed: int,
) -> np.ndarray:
    """Return the numbers of the rows that are chosen, class by class.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features)
    codes : ndarray of int of shape (n_samples,)
    weight : ndarray of shape (n_samples,)
    scale : ndarray of shape (n_features,)
    labels : ndarray of shape (n_classes,)
        For messages.
    way : str, one of `WAYS`
    n_prototypes : int
        Of each class.
    seed : int
    """
    chosen = []
    for code, label in enumerate(labels):
        members = np.flatnonzero((codes == code) & (weight > 0))
        if len(members) < n_prototypes:
            raise ValueError(
                f"n_prototypes must not be above the number of rows of a class; got "
                f"{n_prototypes} and {len(members)} rows with a weight above 0 for the "
                f"class {quote([label])[1:-1]}. Ask for fewer, or add rows."
            )
        scaled = dense(X[members]) / scale
        chosen.append(members[WAYS[way](scaled, weight[members], n_prototypes, seed)])
    return np.concatenate(chosen)


def check_scale(scale: Any, X: Any, weight: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Return c, float64 of shape (n_features,).

    Parameters
    ----------
    scale : "std", number, array-like of shape (n_features,), Series or dict by feature
    X : ndarray or CSR of shape (n_samples, n_features)
    weight : ndarray of shape (n_samples,)
    names : ndarray of shape (n_features,)
        Names or numbers of the features.
    """
    if isinstance(scale, str):
        std = _weighted_std(X, weight)
        return np.where(std >= np.finfo(np.float32).tiny, std, 1.0)
    scale = check_by_label(scale, names, "scale", at_least=-np.inf, of="feature")
    if (scale <= 0).any():
        raise ValueError(
            f"scale must be above 0; got {quote(scale[scale <= 0])}. Use 1 for features that "
            "need no scale."
        )
    return check_float32(scale, "scale", "Scale X.")


def given_prototypes(prototypes: Any, names: np.ndarray) -> np.ndarray:
    """Return the parameter as an array; columns of a DataFrame are those of X."""
    with naming("prototypes"):
        frame = named(prototypes, "prototypes")
        if frame is not None and frame.values.ndim == 2:
            return frame.by_name(names, "prototypes", of="feature")
        given = np.asarray(unmasked(without_names(prototypes, "prototypes"), "prototypes"))
    is_objects = given.ndim == 1 and given.dtype.kind == "O"
    return label_array(given.tolist()) if is_objects else given


def check_prototype_rows(
    given: np.ndarray, prototype_labels: Any, labels: np.ndarray, n_features: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to compare with, float64, and their class numbers.

    Parameters
    ----------
    given : ndarray of shape (n_prototypes, n_features)
    prototype_labels : array-like of shape (n_prototypes,)
    labels : ndarray of shape (n_classes,)
        Sorted.
    n_features : int
        That they must have.
    """
    prototypes = as_numbers(given, "prototypes", f"(n, {n_features})")
    if prototypes.shape[1] != n_features or not len(prototypes):
        raise ValueError(
            f"prototypes must be rows of the {n_features} features of X; got shape "
            f"{prototypes.shape}. Give rows of the same features, or numbers of rows of X."
        )
    if prototype_labels is None:
        raise ValueError(
            "prototype_labels must be given to fit when the parameter prototypes holds rows; "
            "got None. Give the class of each."
        )
    found = label_table(prototype_labels, "prototype_labels")
    if found.shape != (len(prototypes),):
        raise ValueError(
            f"prototype_labels must have shape ({len(prototypes)},), one class for each row "
            f"in prototypes; got {found.shape}. Give the class of each."
        )
    with naming("prototype_labels"):
        codes = class_numbers(found, labels)
    if (codes < 0).any():
        raise ValueError(
            f"prototype_labels must be among the classes {quote(labels)}; got "
            f"{quote(found[codes < 0])}. Correct them, or pass classes= with all labels."
        )
    check_float32(prototypes, "prototypes", "Scale them, and X.", may_vanish=True)
    return prototypes, codes


def check_row_numbers(numbers: np.ndarray, n_rows: int) -> np.ndarray:
    """Return numbers of rows, checked."""
    if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "iu":
        raise ValueError(
            "prototypes must be numbers of rows of X, of shape (n_prototypes_total,), or rows; "
            f"got an array of {numbers.dtype} of shape {numbers.shape}. Or use 'medoid'."
        )
    is_wrong = (numbers < 0) | (numbers >= n_rows)
    if is_wrong.any():
        raise ValueError(
            f"prototypes must be numbers of rows of X, from 0 to {n_rows - 1}; got "
            f"{quote(numbers[is_wrong])}. Correct them."
        )
    names, times = np.unique(numbers, return_counts=True)
    if (times > 1).any():
        raise ValueError(
            f"prototypes must name each row once; got {quote(names[times > 1])} more than once. "
            "Remove the repetition."
        )
    return numbers.astype(np.intp)


def dense(X: Any) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


def _weighted_std(X: Any, weight: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column in float64, 0 if it is only rounding error."""
    share, X = weight / weight.sum(), X.astype(np.float64)
    mean = share @ X
    if sparse.issparse(X):
        variance = share @ X.multiply(X).tocsr() - mean**2
    else:
        variance = share @ np.square(X - mean)
    rounding = len(weight) * np.finfo(np.float64).eps
    is_constant = variance <= rounding * mean**2
    return np.where(is_constant, 0, np.sqrt(np.maximum(variance, 0)))
