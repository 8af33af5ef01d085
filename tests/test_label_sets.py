"""Sets of labels against all of them: expected F1 of a row, and how many labels it gets."""

from itertools import product

import numpy as np
import pytest

from skmask.decisions import _label_sets, f1_sets, with_at_least, with_at_most


def expected_f1_of(chosen, proba):
    """Sum over all outcomes of independent labels."""
    total = 0.0
    for truth in product([0, 1], repeat=len(proba)):
        truth = np.array(truth)
        chance = np.prod(np.where(truth, proba, 1 - proba))
        size = chosen.sum() + truth.sum()
        total += chance * (2 * (chosen & truth).sum() / size if size else 1.0)
    return total


@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_set_has_the_largest_expected_f1_of_all_sets(seed, scale):
    proba = np.random.default_rng(seed).random((3, 5)) * scale
    for found, of_row in zip(f1_sets(proba), proba, strict=True):
        values = [expected_f1_of(np.array(each), of_row) for each in product([0, 1], repeat=5)]
        assert expected_f1_of(found.astype(int), of_row) == pytest.approx(max(values))


@pytest.mark.parametrize("scale", [0.02, 0.3, 1.0])
def test_sizes_that_are_left_out_are_not_the_best(scale):
    proba = np.random.default_rng(0).random((200, 12)) ** 3 * scale
    ranked = -np.sort(-proba, axis=1)
    of_all = _label_sets.expected_f1(ranked, 12)
    largest = _label_sets.largest_size(ranked)
    assert of_all.argmax(axis=1).max() <= largest
    np.testing.assert_allclose(_label_sets.expected_f1(ranked, largest), of_all[:, : largest + 1])


def test_rows_without_a_possible_label_get_none():
    assert not f1_sets(np.zeros((3, 4))).any()


def test_certain_labels_are_the_set():
    truth = np.random.default_rng(0).random((20, 6)) < 0.4
    truth[0] = False
    np.testing.assert_array_equal(f1_sets(truth.astype(float)), truth)


def test_rows_are_taken_in_parts_of_bounded_memory(monkeypatch):
    proba = np.random.default_rng(0).random((50, 7))
    expected = f1_sets(proba)
    monkeypatch.setattr(_label_sets, "_NUMBERS_AT_ONCE", 200)
    np.testing.assert_array_equal(f1_sets(proba), expected)


def test_many_labels_have_sums_that_stay_exact():
    proba = np.full((2, 300), 0.02)
    proba[:, :3] = 0.99
    assert f1_sets(proba).sum(axis=1).tolist() == [3, 3]


@pytest.mark.parametrize("n_labels", [1, 2, 3, 5, 9, None])
def test_most_probable_ones_of_what_is_predicted_are_kept(n_labels):
    rng = np.random.default_rng(0)
    proba = rng.random((30, 5))
    predicted = rng.random((30, 5)) < 0.6
    found = with_at_most(predicted, proba, n_labels)
    for kept, before, of_row in zip(found, predicted, proba, strict=True):
        ranked = sorted(np.flatnonzero(before), key=lambda label: -of_row[label])
        assert set(np.flatnonzero(kept)) == set(ranked[:n_labels])


def test_first_of_equal_labels_is_kept():
    found = with_at_most(np.ones((1, 4), bool), np.full((1, 4), 0.3), 2)
    assert found.tolist() == [[True, True, False, False]]


def test_neither_writes_to_what_is_predicted():
    predicted = np.ones((2, 3), bool)
    predicted.flags.writeable = False
    with_at_most(predicted, np.ones((2, 3)), 1)
    with_at_least(predicted, np.ones((2, 3)), 1)
    assert predicted.all()
