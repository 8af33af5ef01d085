"""Cut-offs of labels, and the least number of labels of a row."""

import numpy as np

__all__ = ["best_cutoff", "with_at_least"]

# Tuned cut-offs stay where the sigmoid of a float64 is neither 0 nor 1.
_CUTOFF_AT_MOST = 30.0


def best_cutoff(logits: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Return the cutoff above which predictions have the largest F1.

    Parameters
    ----------
    logits, y, weight : ndarray of shape (n,)
        `y` is 0 or 1; entries of weight 0 do not count.

    Returns
    -------
    float
        Half-way between two logits; 0 where no positive counts.
    """
    counts = weight > 0
    order = np.argsort(-logits[counts], kind="stable")
    logits, y, weight = (values[counts][order] for values in (logits, y, weight))
    hits, predicted = np.cumsum(weight * y), np.cumsum(weight)
    if not hits.size or hits[-1] == 0:
        return 0.0
    f1 = 2 * hits / (predicted + hits[-1])
    f1[:-1][logits[:-1] == logits[1:]] = -1  # a cutoff cannot part what is equal
    best = int(f1.argmax())
    below = logits[best + 1] if best + 1 < len(logits) else logits[best] - 1
    return float(np.clip((logits[best] + below) / 2, -_CUTOFF_AT_MOST, _CUTOFF_AT_MOST))


def with_at_least(predicted: np.ndarray, proba: np.ndarray, min_labels: int) -> np.ndarray:
    """Add to each row its most probable labels until it has as many as it must."""
    if min_labels == 0:
        return predicted
    # Those that are predicted come first, then by probability.
    order = np.argsort(-np.where(predicted, np.inf, proba), axis=1, kind="stable")
    predicted = predicted.copy()
    np.put_along_axis(predicted, order[:, :min_labels], True, axis=1)
    return predicted
