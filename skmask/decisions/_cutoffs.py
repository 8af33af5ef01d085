"""Cut-offs of labels, and the least number of labels of a row."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = [
    "macro_f1_cutoffs",
    "micro_f1_cutoffs",
    "micro_macro_cutoffs",
    "over_resamples",
    "precision_cutoffs",
    "recall_cutoffs",
    "with_at_least",
]

# Tuned cut-offs stay where the sigmoid of a float64 is neither 0 nor 1.
_CUTOFF_AT_MOST = 30.0
# Resamples of the rows, and numbers in all of them together.
_RESAMPLES_AT_MOST = 25
_NUMBERS_AT_MOST = 1 << 26

Cutoffs = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Sweep:
    """Sums over the entries above each of the cut-offs that entries leave between them.

    Parameters
    ----------
    cutoffs : ndarray of shape (n_cutoffs,)
        Decreasing, half-way between two logits, the last one below all.
    hits : ndarray of shape (n_cutoffs,)
        Weight of the positives above.
    predicted : ndarray of shape (n_cutoffs,)
        Weight of all entries above.
    """

    cutoffs: np.ndarray
    hits: np.ndarray
    predicted: np.ndarray

    @property
    def positives(self) -> float:
        """Weight of all positives."""
        return float(self.hits[-1]) if len(self.hits) else 0.0

    def f1(self) -> np.ndarray:
        """Return the F1 of each cut-off; there must be a positive."""
        return 2 * self.hits / (self.predicted + self.positives)


def _sweep(logits: np.ndarray, y: np.ndarray, weight: np.ndarray) -> _Sweep:
    """Return the sweep over entries, those of weight 0 left out; arrays of shape (n,)."""
    counts = weight > 0
    order = np.argsort(-logits[counts], kind="stable")
    logits, y, weight = (values[counts][order] for values in (logits, y, weight))
    below = np.append(logits[1:], logits[-1:] - 1)
    can_cut = logits != below  # equal logits are on one side
    can_cut[-1:] = True
    sums = np.cumsum(weight * y), np.cumsum(weight)
    cutoffs = np.clip((logits + below) / 2, -_CUTOFF_AT_MOST, _CUTOFF_AT_MOST)
    return _Sweep(cutoffs[can_cut], *(values[can_cut] for values in sums))


def _sweeps(logits: np.ndarray, y: np.ndarray, weight: np.ndarray) -> list[_Sweep]:
    return list(map(_sweep, logits.T, y.T, weight.T))


def _best_of_each(sweeps: list[_Sweep], best: Callable[[_Sweep], np.intp]) -> np.ndarray:
    """Return the cut-off of each label whose number `best` returns, NaN without a positive."""
    return np.array([sweep.cutoffs[best(sweep)] if sweep.positives else np.nan for sweep in sweeps])


def macro_f1_cutoffs(logits: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the cut-off of the largest F1 of each label.

    Parameters
    ----------
    logits, y, weight : ndarray of shape (n, n_labels)
        `y` is 0 or 1; entries of weight 0 do not count.

    Returns
    -------
    ndarray of shape (n_labels,)
        NaN for a label without a positive that counts.
    """
    return _best_of_each(_sweeps(logits, y, weight), lambda sweep: sweep.f1().argmax())


def micro_f1_cutoffs(logits: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return one cut-off for all labels, of the largest F1 of all entries together.

    Parameters and results are those of :func:`macro_f1_cutoffs`; NaN where no positive counts.
    """
    pooled = macro_f1_cutoffs(*(values.reshape(-1, 1) for values in (logits, y, weight)))
    return np.repeat(pooled, logits.shape[1])


def micro_macro_cutoffs(logits: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return cut-offs for a large micro-F1 and a large macro-F1 at once.

    From the most frequent label down, each label gets the cut-off of the largest sum of micro-F1
    and macro-F1, the other labels where they are: at first at the one of `micro_f1_cutoffs`.
    Parameters and results are those of :func:`macro_f1_cutoffs`.
    """
    cutoffs = micro_f1_cutoffs(logits, y, weight)
    sweeps = _sweeps(logits, y, weight)
    positives = np.array([sweep.positives for sweep in sweeps])
    above = weight * (logits > cutoffs)
    hits, predicted = (above * y).sum(axis=0), above.sum(axis=0)
    for label in np.argsort(-positives, kind="stable"):
        sweep = sweeps[label]
        if not sweep.positives:
            cutoffs[label] = np.nan
            continue
        all_hits = hits.sum() - hits[label] + sweep.hits
        all_predicted = predicted.sum() - predicted[label] + sweep.predicted
        micro = 2 * all_hits / (all_predicted + positives.sum())
        best = (micro + sweep.f1() / len(sweeps)).argmax()
        cutoffs[label] = sweep.cutoffs[best]
        hits[label], predicted[label] = sweep.hits[best], sweep.predicted[best]
    return cutoffs


def recall_cutoffs(
    logits: np.ndarray, y: np.ndarray, weight: np.ndarray, recall: float
) -> np.ndarray:
    """Return the largest cut-off of each label at which its recall is at least `recall`.

    Further parameters and results are those of :func:`macro_f1_cutoffs`.
    """

    def first_enough(sweep: _Sweep) -> np.intp:
        return (sweep.hits >= recall * sweep.positives * (1 - 1e-12)).argmax()

    return _best_of_each(_sweeps(logits, y, weight), first_enough)


def precision_cutoffs(
    logits: np.ndarray, y: np.ndarray, weight: np.ndarray, precision: float
) -> np.ndarray:
    """Return the cut-off of each label of the largest recall at a precision of `precision`.

    Where no cut-off has that precision, that of the largest one. Further parameters and results
    are those of :func:`macro_f1_cutoffs`.
    """

    def most_hits(sweep: _Sweep) -> np.intp:
        found = sweep.hits / sweep.predicted
        is_enough = found >= precision * (1 - 1e-12)
        return (np.where(is_enough, sweep.hits, 0) if is_enough.any() else found).argmax()

    return _best_of_each(_sweeps(logits, y, weight), most_hits)


def over_resamples(
    cutoffs_of: Cutoffs, logits: np.ndarray, y: np.ndarray, weight: np.ndarray, seed: int
) -> np.ndarray:
    """Return the mean cut-offs over bootstrap resamples of the rows.

    The best cut-off of a few rows is a matter of chance; means vary less, and cost less of what
    is tuned on other rows [1]_.

    Parameters
    ----------
    cutoffs_of : callable `(logits, y, weight) -> cut-offs`
    logits, y, weight : ndarray of shape (n, n_labels)
    seed : int

    Returns
    -------
    ndarray of shape (n_labels,)
        Over the resamples that have a positive of the label; NaN where none counts at all.

    References
    ----------
    .. [1] L. Breiman, "Bagging predictors", Machine Learning 24, 1996.
    """
    n_resamples = min(_RESAMPLES_AT_MOST, _NUMBERS_AT_MOST // max(1, logits.size))
    cutoffs = cutoffs_of(logits, y, weight)
    if n_resamples < 2:
        return cutoffs
    rng = np.random.default_rng(seed)
    sums, counts = np.zeros(len(cutoffs)), np.zeros(len(cutoffs))
    for _ in range(n_resamples):
        times = np.bincount(rng.integers(len(logits), size=len(logits)), minlength=len(logits))
        found = cutoffs_of(logits, y, weight * times[:, np.newaxis])
        sums += np.nan_to_num(found)
        counts += ~np.isnan(found)
    return np.where(counts > 0, sums / np.maximum(counts, 1), cutoffs)


def with_at_least(predicted: np.ndarray, proba: np.ndarray, min_labels: int) -> np.ndarray:
    """Add to each row its most probable labels until it has as many as it must."""
    if min_labels == 0:
        return predicted
    # Those that are predicted come first, then by probability.
    order = np.argsort(-np.where(predicted, np.inf, proba), axis=1, kind="stable")
    predicted = predicted.copy()
    np.put_along_axis(predicted, order[:, :min_labels], True, axis=1)
    return predicted
