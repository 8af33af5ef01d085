"""The decision of the lowest expected cost."""

import numpy as np

__all__ = ["cheapest", "savings"]


def cheapest(
    scores: np.ndarray, proba: np.ndarray, costs: np.ndarray, class_of: np.ndarray | None = None
) -> np.ndarray:
    """Return the decision of the lowest expected cost for each row.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        -inf where a class is not allowed: no decision lands there. Decides between classes
        that cost the same.
    proba : ndarray of shape (n_samples, n_classes)
    costs : ndarray of shape (n_classes, n_decisions) or (n_samples, n_classes, n_decisions)
        C[i, j], the cost of deciding for j when the truth is i.
    class_of : ndarray of int of shape (n_decisions,), default=None
        The class that each decision names, -1 for none; of those that cost the same the first is
        taken. None: the decisions are the classes.

    Returns
    -------
    ndarray of int of shape (n_samples,)
    """
    if class_of is not None:
        is_impossible = (class_of >= 0) & (scores[:, class_of] == -np.inf)
        scores = np.where(is_impossible, -np.inf, 0.0)
    expected = (proba.astype(np.float64)[:, np.newaxis] @ savings(costs))[:, 0]
    expected[scores == -np.inf] = -np.inf
    is_best = expected == expected.max(axis=1, keepdims=True)
    return np.where(is_best, scores, -np.inf).argmax(axis=1)


def savings(costs: np.ndarray) -> np.ndarray:
    """Return the saving of each decision over the most expensive one, for each true class.

    Largest expected savings are lowest expected costs, and exactly the largest probabilities where
    all errors cost the same. Each matrix is scaled by a power of 2, so that no product overflows.
    """
    largest = np.abs(costs).max(axis=(-2, -1), keepdims=True, initial=0)
    costs = np.ldexp(costs, -np.frexp(largest)[1])
    return costs.max(axis=-1, keepdims=True) - costs
