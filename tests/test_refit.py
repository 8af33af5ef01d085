"""Predictions while another thread fits the same estimator anew."""

import threading
import time
from collections import defaultdict
from itertools import cycle

import numpy as np
import pytest

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)

N_REFITS = 8
N_READERS = 3


def of_classes(n_features, n_classes, prefix):
    """Rows of so many features, the same for each width, and labels with this prefix."""
    X = np.random.default_rng(n_features).normal(size=(40, n_features))
    return X, np.array([f"{prefix}{i % n_classes}" for i in range(40)])


def of_label_matrices(n_features, n_labels, prefix):
    X, _ = of_classes(n_features, n_labels, prefix)
    rng = np.random.default_rng(len(prefix))
    return X, (rng.random((40, n_labels)) < 0.5).astype(int)


def of_steps(n_features, n_classes, prefix):
    X, y = of_classes(n_features, n_classes, prefix)
    return np.repeat(X[:, np.newaxis], 3, axis=1), np.repeat(y[:, np.newaxis], 3, axis=1)


CASES = {
    "restricted": (RestrictedClassClassifier, of_classes),
    "cost_sensitive": (CostSensitiveClassifier, of_classes),
    "multilabel": (WeightedMultilabelClassifier, of_label_matrices),
    "sequence": (MaskedSequenceClassifier, of_steps),
    "prototype": (PrototypeClassifier, of_classes),
}


def make(kind):
    if kind is PrototypeClassifier:
        return kind(random_state=0)
    return kind(4, epochs=1, random_state=0)


def is_one_of(found, answers):
    return any(
        found.dtype == one.dtype and np.array_equal(found, one, equal_nan=one.dtype.kind == "f")
        for one in answers
    )


def is_about_features(error):
    return isinstance(error, ValueError) and "features" in str(error)


@pytest.mark.parametrize("name", CASES)
def test_prediction_during_a_refit_is_that_of_one_fit(name):
    kind, data = CASES[name]
    # As wide with other labels, fewer classes, and another width.
    fits = [data(3, 5, "first_"), data(3, 2, "b"), data(3, 5, "other"), data(6, 3, "wide_")]
    expected = defaultdict(list)  # by method and shape of the rows, the answer of each fit
    for X, y in fits:
        one = make(kind).fit(X, y)
        for method in ("predict", "predict_proba"):
            expected[method, X.shape].append(getattr(one, method)(X))

    clf = make(kind).fit(*fits[0])
    questions = [(method, X) for method in ("predict", "predict_proba") for X, _ in fits]
    is_done = threading.Event()
    mixtures, errors, n_answers = [], [], [0] * N_READERS

    def read(reader):
        for method, X in cycle(questions):
            if is_done.is_set():
                break
            try:
                found = getattr(clf, method)(X)
            except Exception as error:
                errors.append(error)
                continue
            n_answers[reader] += 1
            if not is_one_of(found, expected[method, X.shape]):
                mixtures.append((method, X.shape, found[:3]))

    readers = [threading.Thread(target=read, args=(number,)) for number in range(N_READERS)]
    for reader in readers:
        reader.start()
    try:
        for number in range(N_REFITS):
            clf.fit(*fits[number % len(fits)])
            time.sleep(0.02)  # let the readers meet every fit
    finally:
        is_done.set()
        for reader in readers:
            reader.join()
    assert mixtures == []
    assert [error for error in errors if not is_about_features(error)] == []
    assert min(n_answers) > 0
