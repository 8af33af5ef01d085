"""Candidates: logits of the classes that a sparse mask allows for each row, and of no others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from skmask.decisions import best_candidates, candidate_softmax
from skmask.engine import Lbfgs, Loss, OwnNetwork, Steps
from skmask.estimators._prediction import Predictor, check_finite_outputs
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.networks import Network, Signature

__all__ = ["candidate_codes", "candidate_proba", "names_candidates", "trains_by_candidates"]

# The loss that has a form for candidates, where labels are not smoothed.
_LOSS = "restricted_crossentropy"
_SETTINGS = (("label_smoothing", 0.0),)

# Below this number of classes, or above this share of allowed ones, all logits are faster.
_CLASSES_AT_LEAST = 512
_SHARE_AT_MOST = 1 / 16

# Numbers of the kernel that are gathered at a time: they stay in the caches of a core.
_NUMBERS_AT_ONCE = 1 << 18


def trains_by_candidates(
    network: Network | OwnNetwork,
    signature: Signature,
    loss: Loss,
    solver: Steps | Lbfgs,
    tables: Sequence[Rows],
) -> bool:
    """Say whether a training computes the logits of allowed classes only.

    It gives the same weights as a training on all logits, to rounding. `tables` are the rows to
    train on, and those to validate on.
    """
    is_plain = (loss.function, loss.settings) == (_LOSS, _SETTINGS)
    if not (is_plain and _has_dense_head(network) and all(map(_have_candidates, tables))):
        return False
    is_linear = len(network.weights(signature)) == 2  # type: ignore[union-attr]
    if is_linear and any(sparse.issparse(rows.X) for rows in tables):
        return False  # the last layer takes the sparse rows themselves
    from skmask.engine import tensorflow

    return isinstance(solver, Steps) and tensorflow.has_symmetric_steps(solver.optimizer)


def _have_candidates(rows: Rows) -> bool:
    mask = rows.columns.get("allowed")
    is_plain = rows.target.ndim == 1 and not rows.constants
    return is_plain and names_candidates(rows.X, mask) and _are_few(mask)


def _has_dense_head(network: Network | OwnNetwork) -> bool:
    if not (isinstance(network, Network) and network.is_portable and network.has_dense_head):
        return False
    return _definer(network, "before_head") is _definer(network, "forward")


def _definer(network: Network, method: str) -> type:
    """Return the class that a method of a network comes from."""
    return next(kind for kind in type(network).mro() if method in vars(kind))


def _are_few(mask: Any) -> bool:
    """Say whether a sparse mask allows so few classes that no others are worth a logit."""
    return mask.nnz <= _SHARE_AT_MOST * mask.shape[0] * mask.shape[1]


def names_candidates(X: Any, mask: Any) -> bool:
    """Say whether a checked mask is a sparse one for each row, over many classes."""
    if not sparse.issparse(mask) or mask.shape[0] != X.shape[0]:
        return False
    return mask.shape[1] >= _CLASSES_AT_LEAST


def candidate_codes(fit: Fit, X: Any, mask: Any) -> np.ndarray:
    """Return the number of the most probable class of each row, among those that a mask allows."""
    return mask.indices[best_candidates(candidate_logits(fit, X, mask), mask.indptr[:-1])]


def candidate_proba(fit: Fit, X: Any, mask: Any, dtype: np.dtype) -> Any:
    """Return the probabilities of the classes that a mask allows, a csr_array of its entries."""
    logits = candidate_logits(fit, X, mask)
    logits = logits.astype(np.result_type(logits, dtype), copy=False)
    proba = candidate_softmax(logits, mask.indptr[:-1]).astype(dtype, copy=False)
    return sparse.csr_array((proba, mask.indices, mask.indptr), shape=mask.shape)


def candidate_logits(fit: Fit, X: Any, mask: Any) -> np.ndarray:
    """Return the logits of the classes that a mask allows, in the order of its entries.

    Parameters
    ----------
    fit : Fit
    X : ndarray or CSR of shape (n_samples, ...)
        Checked.
    mask : csr_array of bool of shape (n_samples, n_classes)

    Returns
    -------
    ndarray of shape (n_allowed,)
    """
    logits = np.empty(mask.nnz, fit.dtype)
    if _has_dense_head(fit.network) and _are_few(mask):
        _fill_from_hidden(logits, fit, X, mask)
    else:
        _fill_from_all(logits, fit, X, mask)
    return logits


def _fill_from_all(logits: np.ndarray, fit: Fit, X: Any, mask: Any) -> None:
    """Pick the logits of candidates out of those of all classes, chunk by chunk."""

    def pick(found: np.ndarray, rows: slice) -> np.ndarray:
        part = slice(mask.indptr[rows.start], mask.indptr[rows.stop])
        logits[part] = found[_rows_of(mask, rows), mask.indices[part]]
        return found[:, :0]

    fit.predictor(X, pick)


def _fill_from_hidden(logits: np.ndarray, fit: Fit, X: Any, mask: Any) -> None:
    """Compute the logits of candidates from the inputs of the last layer, chunk by chunk."""
    weights, network = fit.learnt_weights, fit.network
    kernel, bias = fit.kernel_by_class, weights[-1]

    def before_head(rows: Any) -> np.ndarray:
        rows = rows.astype(fit.dtype, copy=False)
        return network.before_head(weights, rows, fit.signature)  # type: ignore[union-attr]

    def multiply(hidden: np.ndarray, rows: slice) -> np.ndarray:
        start, stop = mask.indptr[rows.start], mask.indptr[rows.stop]
        starts = mask.indptr[rows] - start
        part = logits[start:stop]
        _multiply(hidden, starts, mask.indices[start:stop], kernel, part)
        part += np.take(bias, mask.indices[start:stop], mode="clip")
        totals = np.add.reduceat(part, starts)
        check_finite_outputs(totals[:, np.newaxis], hidden, rows.start)
        return hidden[:, :0]

    widths = [np.shape(weight)[-1] for weight in weights[:-2]]
    width = max(*widths, kernel.shape[1] * mask.nnz // mask.shape[0], 1)
    Predictor(before_head, width, is_parallel=True)(X, multiply)


def _multiply(
    hidden: np.ndarray,
    starts: np.ndarray,
    classes: np.ndarray,
    kernel: np.ndarray,
    products: np.ndarray,
) -> None:
    """Multiply each row with its candidates' rows of a kernel.

    Rows with the same number of candidates are one product of matrices.

    Parameters
    ----------
    hidden : ndarray of shape (n, n_units)
    starts : ndarray of int of shape (n,)
        Where the candidates of each row start.
    classes : ndarray of int of shape (n_candidates,)
    kernel : ndarray of shape (n_classes, n_units)
    products : ndarray of shape (n_candidates,)
        Written to.
    """
    counts = np.diff(starts, append=len(classes))
    for count in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == count)
        step = max(1, _NUMBERS_AT_ONCE // (count * kernel.shape[1]))
        for some in (rows[first : first + step] for first in range(0, len(rows), step)):
            where = starts[some, np.newaxis] + np.arange(count)
            # "clip" spares NumPy a check and a copy: the classes were checked.
            gathered = np.take(kernel, classes[where], axis=0, mode="clip")
            products[where] = np.matmul(gathered, hidden[some, :, np.newaxis])[..., 0]


def _rows_of(mask: Any, rows: slice) -> np.ndarray:
    """Return the row of each entry of a mask in a slice of its rows, counted from its start."""
    counts = np.diff(mask.indptr[rows.start : rows.stop + 1])
    return np.repeat(np.arange(len(counts)), counts)
