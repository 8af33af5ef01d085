"""Sets of labels: those of the largest expected F1 of a row, and no more of them than wanted."""

import numpy as np

__all__ = ["f1_sets", "with_at_most"]

# Numbers that the counts of the labels of some rows take at a time.
_NUMBERS_AT_ONCE = 1 << 22


def with_at_most(predicted: np.ndarray, proba: np.ndarray, max_labels: int | None) -> np.ndarray:
    """Keep the most probable of the labels of each row, as many as it may have.

    Parameters
    ----------
    predicted : ndarray of bool of shape (n, n_labels)
    proba : ndarray of shape (n, n_labels)
        Numbers that order the labels of a row; of equal ones the first is kept.
    max_labels : int or None
        None: all are kept.
    """
    if max_labels is None:
        return predicted
    order = np.argsort(-np.where(predicted, proba, -np.inf), axis=1, kind="stable")
    kept = np.zeros_like(predicted)
    np.put_along_axis(kept, order[:, :max_labels], True, axis=1)
    return predicted & kept


def f1_sets(proba: np.ndarray) -> np.ndarray:
    """Return for each row the set of labels whose expected F1 is the largest.

    Labels are taken to be independent given the row. The best set then holds the most probable
    ones, and its size is found by an exact algorithm of quadratic time [1]_. The F1 of no
    prediction is 1 where the row has no label, and 0 otherwise.

    Parameters
    ----------
    proba : ndarray of float64 of shape (n, n_labels)
        The probability of each label.

    Returns
    -------
    ndarray of bool of shape (n, n_labels)

    References
    ----------
    .. [1] N. Ye, K. M. A. Chai, W. S. Lee and H. L. Chieu, "Optimizing F-measures: a tale of two
       approaches", ICML 2012.
    """
    n_rows, n_labels = proba.shape
    order = np.argsort(-proba, axis=1, kind="stable")
    ranked = np.take_along_axis(proba, order, axis=1)
    step = 1 + _NUMBERS_AT_ONCE // (1 + 2 * n_labels * (1 + largest_size(ranked)))
    sizes = [_best_sizes(ranked[k : k + step]) for k in range(0, n_rows, step)]
    is_taken = np.arange(n_labels) < np.concatenate(sizes)[:, np.newaxis]
    predicted = np.zeros(proba.shape, dtype=bool)
    np.put_along_axis(predicted, order, is_taken, axis=1)
    return predicted


def _best_sizes(ranked: np.ndarray) -> np.ndarray:
    return expected_f1(ranked, largest_size(ranked)).argmax(axis=1)


def largest_size(ranked: np.ndarray) -> int:
    """Return a size beyond which no first labels of a row have the largest expected F1.

    Parameters
    ----------
    ranked : ndarray of float64 of shape (n, n_labels)
        Probabilities of independent labels, the largest of each row first.

    Notes
    -----
    The expected F1 of the first k labels is the sum of 2 p E[1 / (k + 1 + j)] over them, with j
    the number of right labels beside the one of probability p. It is 2 P / (k + 1) at most, with P
    the sum of their p, and, since 1 / x is convex, 2 P / (k + 1 + T) at least, T the sum of all p.
    """
    sums, sizes = ranked.cumsum(axis=1), np.arange(1, ranked.shape[1] + 1)
    at_least = (2 * sums / (sizes + 1 + sums[:, -1:])).max(axis=1, keepdims=True)
    can_be = (2 * sums / (sizes + 1) > at_least * (1 - 1e-12)).any(axis=0)
    return int(sizes[can_be].max(initial=0))


def expected_f1(ranked: np.ndarray, n_sizes: int) -> np.ndarray:
    """Return the expected F1 of the first 0, 1, ..., n_sizes labels of each row.

    Parameters
    ----------
    ranked : ndarray of float64 of shape (n, n_labels)
        Probabilities of independent labels.
    n_sizes : int

    Returns
    -------
    ndarray of float64 of shape (n, n_sizes + 1)

    Notes
    -----
    With k labels predicted, of which i are right, and j right ones among the others, the F1 is
    2 i / (k + i + j). `shares` holds E[1 / (a + j)] for a = 1, 2, ..., over the number j of right
    labels behind the first k; a label p before them makes it (1 - p) shares[a] + p shares[a + 1].
    """
    n_rows, n_labels = ranked.shape
    counts = _counts(ranked[:, :n_sizes])
    found = np.empty((n_rows, n_sizes + 1))
    found[:, 0] = np.prod(1 - ranked, axis=1)
    n_shares = n_labels + n_sizes
    shares = np.broadcast_to(1 / np.arange(1, n_shares + 1), (n_rows, n_shares))
    for k in range(n_labels, 0, -1):
        right = np.arange(1, k + 1)
        if k <= n_sizes:
            found[:, k] = (2 * right * counts[k][:, 1:] * shares[:, k + right - 1]).sum(axis=1)
        p = ranked[:, k - 1, np.newaxis]
        shares = (1 - p) * shares[:, :-1] + p * shares[:, 1:]
    return found


def _counts(ranked: np.ndarray) -> list[np.ndarray]:
    """Return the probabilities that 0, 1, ..., k of the first k labels are right, for each k."""
    counts = [np.ones((len(ranked), 1))]
    for p in ranked.T:
        p = p[:, np.newaxis]
        last = counts[-1]
        longer = np.zeros((len(last), last.shape[1] + 1))
        longer[:, :-1] = (1 - p) * last
        longer[:, 1:] += p * last
        counts.append(longer)
    return counts
