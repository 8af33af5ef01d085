"""Thousands of bad inputs: each a ValueError or TypeError that names the argument."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skmask import RestrictedClassClassifier

N_ROUNDS = 8


class Odd:
    """Nothing that an array can be made of."""


def spoilt(array, rng, value):
    """Put a value into a random cell."""
    array = np.array(array, dtype=object if isinstance(value, str | Odd) else float)
    array[tuple(rng.integers(size) for size in array.shape)] = value
    return array


def cut(array, rng):
    """Drop some of the rows."""
    return array[: rng.integers(1, len(array))]


BAD_X = {
    "nan": lambda X, rng: spoilt(X, rng, np.nan),
    "inf": lambda X, rng: spoilt(X, rng, np.inf),
    "-inf": lambda X, rng: spoilt(X, rng, -np.inf),
    "beyond float32": lambda X, rng: spoilt(X, rng, 1e300),
    "text": lambda X, rng: spoilt(X, rng, "ninety"),
    "object": lambda X, rng: spoilt(X, rng, Odd()),
    "complex": lambda X, rng: X + 1j,
    "one row": lambda X, rng: X[rng.integers(len(X))],
    "cube": lambda X, rng: X[:, :, np.newaxis],
    "scalar": lambda X, rng: rng.normal(),
    "none": lambda X, rng: None,
    "word": lambda X, rng: "X",
    "no rows": lambda X, rng: X[:0],
    "no columns": lambda X, rng: X[:, :0],
    "ragged": lambda X, rng: [[1.0] * int(n) for n in rng.permutation(len(X)) + 1],
    "frame with text": lambda X, rng: pd.DataFrame(X).astype(str) + "?",
    "sparse nan": lambda X, rng: sparse.csr_array(spoilt(X, rng, np.nan)),
    "sparse row": lambda X, rng: sparse.coo_array(X[0]),
    "odd": lambda X, rng: Odd(),
}
BAD_X_TO_PREDICT = {
    "narrow": lambda X, rng: X[:, : rng.integers(1, X.shape[1])],
    "wide": lambda X, rng: np.c_[X, X[:, : rng.integers(1, X.shape[1])]],
    "named": lambda X, rng: pd.DataFrame(X[:, 1:], columns=list("abcd")),
}
BAD_Y = {
    "short": lambda y, rng: cut(y, rng),
    "none": lambda y, rng: None,
    "nan": lambda y, rng: spoilt(y, rng, np.nan),
    "inf": lambda y, rng: spoilt(y, rng, np.inf),
    "continuous": lambda y, rng: y + rng.uniform(0.1, 0.9, size=len(y)),
    "matrix": lambda y, rng: np.c_[y, y],
    "mixed": lambda y, rng: spoilt(y, rng, "a"),
    "odd": lambda y, rng: spoilt(y, rng, Odd()),
    "scalar": lambda y, rng: 3,
    "word": lambda y, rng: "y",
    "empty": lambda y, rng: y[:0],
    "unknown label": lambda y, rng: spoilt(y, rng, 17),
    "dict": lambda y, rng: {"y": y},
    "frame": lambda y, rng: pd.DataFrame({"a": y, "b": y}),
}
BAD_WEIGHT = {
    "short": lambda w, rng: cut(w, rng),
    "nan": lambda w, rng: spoilt(w, rng, np.nan),
    "inf": lambda w, rng: spoilt(w, rng, np.inf),
    "negative": lambda w, rng: spoilt(w, rng, -1),
    "zero": lambda w, rng: w * 0,
    "text": lambda w, rng: spoilt(w, rng, "heavy"),
    "matrix": lambda w, rng: np.c_[w, w],
}
BAD_MASK = {
    "short": lambda A, rng: cut(A, rng),
    "narrow": lambda A, rng: A[:, : rng.integers(1, 4)],
    "wide": lambda A, rng: np.c_[A, A],
    "nan": lambda A, rng: spoilt(A, rng, np.nan),
    "inf": lambda A, rng: spoilt(A, rng, np.inf),
    "fraction": lambda A, rng: spoilt(A, rng, rng.uniform(0.01, 0.99)),
    "two": lambda A, rng: spoilt(A, rng, rng.integers(2, 100)),
    "text": lambda A, rng: spoilt(A, rng, "yes"),
    "odd": lambda A, rng: spoilt(A, rng, Odd()),
    "complex": lambda A, rng: A + 0j,
    "empty row": lambda A, rng: np.where(np.arange(60)[:, np.newaxis] == rng.integers(60), 0, A),
    "nothing": lambda A, rng: A & False,
    "word": lambda A, rng: "every",
    "number": lambda A, rng: 1,
    "cube": lambda A, rng: A[:, :, np.newaxis],
    "dict": lambda A, rng: {"allowed": A},
    "sparse short": lambda A, rng: sparse.csr_array(cut(A, rng)),
    "sparse two": lambda A, rng: sparse.csr_array(spoilt(A, rng, 2)),
    "sparse nan": lambda A, rng: sparse.coo_array(spoilt(A, rng, np.nan)),
    "sparse empty row": lambda A, rng: sparse.csr_array(
        np.where(np.arange(60)[:, np.newaxis] == rng.integers(60), 0, A)
    ),
    "frame of other labels": lambda A, rng: pd.DataFrame(A, columns=list("abcd")),
    "frame lacking one": lambda A, rng: pd.DataFrame(A).drop(columns=int(rng.integers(4))),
    "frame with nan": lambda A, rng: pd.DataFrame(spoilt(A, rng, np.nan)),
    "ragged": lambda A, rng: [[True] * int(n) for n in rng.permutation(60) + 1],
}
BAD_PARAMETERS = {
    "hidden_layer_sizes": [0, -3, (0,), (5, -1), (2.5,), "ten", None, (None,), [[3]]],
    "activation": ["rely", "", None, 3, "softmaxx", abs],
    "network": ["mlp", 3, []],
    "classes": [[0, 1], [0, 0, 1, 2, 3], [], 3, "abcd", [[0, 1, 2, 3]], list("abcd")],
    "class_weight": ["even", {9: 1}, {0: -1}, {0: np.nan}, {0: "a"}, 3, [1, 2, 3, 4], {0: None}],
    "optimizer": ["adan", "", None, 3, print],
    "learning_rate": [0, -1e-3, np.nan, "fast", None],
    "batch_size": [0, -1, 2.5, "all", None],
    "epochs": [0, -1, 2.5, "many", None],
    "early_stopping": ["yes", None, 2],
    "validation_fraction": [0, 1, -0.1, 1.5, "some", None],
    "n_iter_no_change": [0, -1, 2.5, None],
    "callbacks": [3, print, [print], ["EarlyStopping"], [None]],
    "warm_start": ["yes", None, 2],
    "verbose": ["loud", -1, None],
    "random_state": [-1, "seed", 2.5],
    "allowed_columns": [[0], slice(0, 2), ["a", "b"], [0, 1, 2, 99], 7, lambda X: None],
}


def cases():
    """Yield (id, argument, bad value maker, methods)."""
    everywhere = ("fit", "partial_fit", "predict", "predict_proba", "decision_function", "score")
    training, prediction = everywhere[:2], everywhere[2:]
    for argument, makers, methods in [
        ("X", BAD_X, everywhere),
        ("X", BAD_X_TO_PREDICT, prediction),
        ("y", BAD_Y, training),
        ("sample_weight", BAD_WEIGHT, training),
        ("allowed", BAD_MASK, everywhere),
    ]:
        for (name, maker), method in itertools.product(makers.items(), methods):
            yield argument, name, maker, method


CASES = list(cases())


def check_refused(clf, method, arguments, argument, expected_state):
    """See that a call is refused, in terms of the argument, with nothing changed."""
    X, y = arguments.pop("X"), arguments.pop("y")
    positional = (X, y) if method in ("fit", "partial_fit", "score") else (X,)
    with np.errstate(all="ignore"), pytest.raises((ValueError, TypeError)) as caught:
        getattr(clf, method)(*positional, **arguments)
    message = str(caught.value)
    assert re.search(rf"\b{argument}\b", message), message
    assert not re.search(r"tensorflow|tf\.|tensor|Node:|XLA", message, re.I), message
    assert vars(clf) == expected_state


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:X has feature names:UserWarning")
def test_bad_input_is_refused_in_terms_of_the_argument(data):
    X, y, allowed = data
    clf = RestrictedClassClassifier((4,), classes=[0, 1, 2, 3], epochs=1, random_state=0)
    clf.fit(X, y, allowed=allowed)
    expected = clf.predict_proba(X, allowed=allowed)
    state = dict(vars(clf))
    rng = np.random.default_rng(0)
    n_cases = 0
    for _, (argument, _, maker, method) in itertools.product(range(N_ROUNDS), CASES):
        arguments = {"X": X, "y": y, "allowed": allowed}
        if argument == "sample_weight":
            arguments["sample_weight"] = np.ones(60)
        arguments[argument] = maker(arguments[argument], rng)
        check_refused(clf, method, arguments, argument, state)
        n_cases += 1
    assert n_cases > 2000
    np.testing.assert_array_equal(clf.predict_proba(X, allowed=allowed), expected)


@pytest.mark.parametrize("parameter", BAD_PARAMETERS)
def test_bad_parameter_is_refused_by_name(data, parameter):
    X, y, _ = data
    clf = RestrictedClassClassifier((4,), epochs=1, early_stopping=True, random_state=0)
    for value in BAD_PARAMETERS[parameter]:
        clf.set_params(**{parameter: value})
        check_refused(clf, "fit", {"X": X, "y": y}, parameter, dict(vars(clf)))
