"""Generators: what they promise, and that a seed decides them."""

import numpy as np
import pytest

from skmask.datasets import (
    make_addition_sequences,
    make_cost_sensitive_classification,
    make_padded_sequences,
    make_restricted_classification,
    make_sparse_multilabel,
)


def test_restricted_classification_keeps_its_promises():
    X, y, allowed = make_restricted_classification(200, 7, 9, 3, random_state=0)
    assert X.shape == (200, 7)
    assert allowed.shape == (200, 9)
    assert allowed.dtype == bool
    assert (allowed.sum(axis=1) == 3).all()
    assert allowed[np.arange(200), y].all()
    assert set(y) == set(range(9))


def test_classes_are_as_far_apart_as_asked():
    X, y, _ = make_restricted_classification(20_000, 50, 4, 2, class_sep=6, random_state=0)
    centres = np.array([X[y == label].mean(axis=0) for label in range(4)])
    distances = np.linalg.norm(centres[:, np.newaxis] - centres, axis=2)[np.triu_indices(4, 1)]
    assert distances.mean() == pytest.approx(6, rel=0.15)


def test_a_seed_decides_the_data():
    for one, two in zip(
        make_restricted_classification(10, random_state=3),
        make_restricted_classification(10, random_state=3),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("n_allowed", [0, 6])
def test_impossible_number_of_allowed_classes(n_allowed):
    with pytest.raises(ValueError, match="n_allowed must be between 1 and n_classes=5; got"):
        make_restricted_classification(n_classes=5, n_allowed=n_allowed)


def test_cost_sensitive_classification_keeps_its_promises():
    X, y, costs = make_cost_sensitive_classification(200, 7, 4, ratio=5, random_state=0)
    assert X.shape == (200, 7)
    assert set(y) == set(range(4))
    np.testing.assert_array_equal(costs, np.triu(np.full((4, 4), 5), 1) + np.tril(np.ones(4), -1))
    again = make_cost_sensitive_classification(200, 7, 4, ratio=5, random_state=0)[0]
    np.testing.assert_array_equal(again, X)


def test_cost_sensitive_classification_needs_two_classes():
    with pytest.raises(ValueError, match="n_classes must be 2 or more; got 1"):
        make_cost_sensitive_classification(n_classes=1)


def test_sparse_multilabel_keeps_its_promises():
    X, Y = make_sparse_multilabel(20_000, 20, p_feature=0.2, random_state=0)
    assert X.shape == Y.shape == (20_000, 20)
    assert Y.sum(axis=1).mean() == pytest.approx(1, abs=0.05)
    assert (Y[X == 1] == 1).all()
    assert X[Y == 1].mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(make_sparse_multilabel(9, random_state=1)[1].shape, (9, 30))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_labels": 1}, "n_labels must be 2 or more; got 1"),
        ({"p_feature": 1.5}, "p_feature must be between 0 and 1; got 1.5"),
    ],
)
def test_impossible_sparse_multilabel(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_sparse_multilabel(**parameters)


def test_padded_sequences_keep_their_promises():
    X, y = make_padded_sequences(2000, 30, 5, mean_length=6, flip_y=0.2, random_state=0)
    is_padding = np.isnan(X).all(axis=2)
    np.testing.assert_array_equal(is_padding, y == "#")
    np.testing.assert_array_equal(np.isnan(X).any(axis=2), is_padding)
    lengths = (~is_padding).sum(axis=1)
    assert lengths.min() == 1
    assert lengths.mean() == pytest.approx(6, rel=0.05)
    assert (np.diff(is_padding.astype(int), axis=1) >= 0).all()  # padding is behind
    codes = X[~is_padding].argmax(axis=1)
    before = np.r_[0, codes[:-1]]
    before[np.r_[0, np.cumsum(lengths)[:-1]]] = 0
    letters = np.array(list("abcde"))[(codes + before) % 5]
    assert (letters == y[~is_padding]).mean() == pytest.approx(1 - 0.2 * 4 / 5, abs=0.02)
    _, y = make_padded_sequences(20, 30, 5, flip_y=0, padding="-", random_state=0)
    assert set(np.unique(y)) == {"-", *"abcde"}


def test_addition_is_right():
    for reverse in (True, False):
        X, y = make_addition_sequences(300, 2, reverse=reverse, random_state=0)
        assert X.shape == (300, 5, 11)
        assert y.shape == (300, 3)
        questions = set()
        for steps, answer in zip(X, y, strict=True):
            real = ~np.isnan(steps[:, 0])
            question = "".join(np.array(list("+0123456789"))[steps[real].argmax(axis=1)])
            question = question[::-1] if reverse else question
            a, b = map(int, question.split("+"))
            assert str(a + b) == "".join(answer).rstrip("#")
            questions.add((min(a, b), max(a, b)))
        assert len(questions) == 300


@pytest.mark.parametrize(
    ("make", "parameters", "message"),
    [
        (make_padded_sequences, {"n_chars": 1}, "n_chars must be between"),
        (make_padded_sequences, {"n_chars": 27}, "n_chars must be between"),
        (make_padded_sequences, {"mean_length": 0.5}, "mean_length must be 1 or more"),
        (make_padded_sequences, {"flip_y": 1.5}, "flip_y must be between"),
        (make_padded_sequences, {"padding": "a"}, "padding must be one character"),
        (make_padded_sequences, {"padding": "##"}, "padding must be one character"),
        (make_addition_sequences, {"n_digits": 1}, "n_samples must be at most half"),
    ],
)
def test_sequences_that_cannot_be(make, parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters)
