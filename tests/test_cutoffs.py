"""Cut-offs of labels against a search over all of them."""

from itertools import product

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from skmask.decisions import (
    macro_f1_cutoffs,
    micro_f1_cutoffs,
    micro_macro_cutoffs,
    over_resamples,
    precision_cutoffs,
    recall_cutoffs,
)


def problem(seed, n=12, n_labels=3):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_labels)).round(1)  # some are equal
    y = (rng.random(size=logits.shape) < 0.4).astype(int)
    y[0] = 1
    return logits, y, rng.integers(1, 4, size=logits.shape).astype(float)


def possible(logits):
    return np.append(np.unique(logits) - 0.01, logits.max() + 1)


@pytest.mark.parametrize("seed", range(20))
def test_macro_f1_is_the_largest_of_each_label(seed):
    logits, y, weight = problem(seed)
    cutoffs = macro_f1_cutoffs(logits, y, weight)
    for label in range(3):
        of_label = y[:, label], logits[:, label], weight[:, label]
        found, *others = (
            f1_score(of_label[0], of_label[1] > cutoff, sample_weight=of_label[2], zero_division=0)
            for cutoff in [cutoffs[label], *possible(of_label[1])]
        )
        assert found == pytest.approx(max(others))


@pytest.mark.parametrize("seed", range(20))
def test_micro_f1_is_the_largest_of_one_cutoff(seed):
    logits, y, weight = problem(seed)
    cutoffs = micro_f1_cutoffs(logits, y, weight)
    assert np.ptp(cutoffs) == 0
    found, *others = (
        f1_score(y.ravel(), logits.ravel() > cutoff, sample_weight=weight.ravel(), zero_division=0)
        for cutoff in [cutoffs[0], *possible(logits)]
    )
    assert found == pytest.approx(max(others))


def micro_plus_macro(y, predicted):
    return sum(f1_score(y, predicted, average=kind, zero_division=0) for kind in ("micro", "macro"))


@pytest.mark.parametrize("seed", range(10))
def test_micro_macro_is_no_worse_than_one_cutoff_and_near_the_best_of_all(seed):
    logits, y, weight = problem(seed, n=8)
    weight[:] = 1
    found = micro_plus_macro(y, logits > micro_macro_cutoffs(logits, y, weight))
    one = micro_plus_macro(y, logits > micro_f1_cutoffs(logits, y, weight))
    best = max(
        micro_plus_macro(y, logits > np.array(cutoffs))
        for cutoffs in product(*map(possible, logits.T))
    )
    assert one - 1e-9 <= found <= best + 1e-9
    assert found >= 0.9 * best


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_recall_is_reached_and_no_larger_cutoff_reaches_it(seed, share):
    logits, y, weight = problem(seed)
    cutoffs = recall_cutoffs(logits, y, weight, share)
    for label in range(3):
        truth, values, of_row = y[:, label], logits[:, label], weight[:, label]
        enough = [
            cutoff
            for cutoff in possible(values)
            if recall_score(truth, values > cutoff, sample_weight=of_row) >= share - 1e-9
        ]
        np.testing.assert_array_equal(values > cutoffs[label], values > max(enough))


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_precision_is_reached_with_the_largest_recall(seed, share):
    logits, y, weight = problem(seed)
    cutoffs = precision_cutoffs(logits, y, weight, share)
    for label in range(3):
        truth, values = y[:, label], logits[:, label]
        settings = {"sample_weight": weight[:, label], "zero_division": 0}
        pairs = [
            (
                precision_score(truth, values > cutoff, **settings),
                recall_score(truth, values > cutoff, **settings),
            )
            for cutoff in [cutoffs[label], *possible(values)]
        ]
        enough = [pair for pair in pairs if pair[0] >= share - 1e-9]
        best = max(pair[1] for pair in enough) if enough else max(pair[0] for pair in pairs)
        assert pairs[0][1 if enough else 0] == pytest.approx(best)


def test_weights_are_repetitions():
    logits, y, weight = problem(0)
    weight[:] = weight[:, :1]
    times = weight[:, 0].astype(int)
    repeated = np.repeat(logits, times, axis=0), np.repeat(y, times, axis=0)
    for cutoffs_of in (macro_f1_cutoffs, micro_f1_cutoffs, micro_macro_cutoffs):
        found = cutoffs_of(logits, y, weight)
        expected = cutoffs_of(*repeated, np.ones(repeated[1].shape))
        np.testing.assert_allclose(found[~np.isnan(found)], expected[~np.isnan(expected)])


@pytest.mark.parametrize("cutoffs_of", [macro_f1_cutoffs, micro_macro_cutoffs])
def test_label_without_a_positive_that_counts_has_none(cutoffs_of):
    logits, y, weight = problem(1)
    weight[y[:, 1] == 1, 1] = 0
    found = over_resamples(cutoffs_of, logits, y, weight, 0)
    assert np.isnan(found).tolist() == [False, True, False]


def test_means_over_resamples_are_those_of_rows_drawn_with_replacement():
    logits, y, weight = problem(2, n=40)
    rng = np.random.default_rng(7)
    draws = [rng.integers(40, size=40) for _ in range(25)]
    expected = np.mean([macro_f1_cutoffs(logits[d], y[d], weight[d]) for d in draws], axis=0)
    found = over_resamples(macro_f1_cutoffs, logits, y, weight, 7)
    np.testing.assert_allclose(found, expected)


def test_large_tables_are_not_drawn_again():
    calls = []

    def cutoffs_of(logits, y, weight):
        calls.append(weight)
        return np.array([1.0])

    table = np.broadcast_to(np.float32(0), (1 << 14, 1 << 12))  # no memory
    assert over_resamples(cutoffs_of, table, table, table, 0).tolist() == [1.0]
    assert len(calls) == 1
