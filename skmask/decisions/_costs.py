"""The class of the lowest expected cost."""

import numpy as np

__all__ = ["cheapest"]


def cheapest(scores: np.ndarray, proba: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Return the decision of the lowest expected cost for each row.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        -inf where a class is not allowed: no decision lands there. Decides between decisions
        that cost the same.
    proba : ndarray of shape (n_samples, n_classes)
    costs : ndarray of shape (n_classes, n_classes) or (n_samples, n_classes, n_classes)
        C[i, j], the cost of predicting j when the truth is i.

    Returns
    -------
    ndarray of int of shape (n_samples,)
    """
    # The saving of a prediction over the most expensive one: the same order, and exactly the order
    # of the probabilities where all errors cost the same.
    costs = _below_one(costs)
    saved = costs.max(axis=-1, keepdims=True) - costs
    savings = (proba.astype(np.float64)[:, np.newaxis] @ saved)[:, 0]
    savings[scores == -np.inf] = -np.inf
    is_best = savings == savings.max(axis=1, keepdims=True)
    return np.where(is_best, scores, -np.inf).argmax(axis=1)


def _below_one(costs: np.ndarray) -> np.ndarray:
    """Return each matrix of costs times a power of 2, so that no product overflows."""
    largest = np.abs(costs).max(axis=(-2, -1), keepdims=True, initial=0)
    return np.ldexp(costs, -np.frexp(largest)[1])
