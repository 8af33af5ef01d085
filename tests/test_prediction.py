"""Rows that a network cannot compute, stored models that are damaged, forked processes."""

import pickle
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest
import skops.io
from sklearn.base import clone

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.engine.tensorflow import count_traces

FEW = {"epochs": 2, "random_state": 0}
ESTIMATORS = {
    "restricted": lambda: RestrictedClassClassifier((8,), **FEW),
    "linear": lambda: RestrictedClassClassifier((), **FEW),
    "costs": lambda: CostSensitiveClassifier((8,), **FEW),
    "multilabel": lambda: WeightedMultilabelClassifier((8,), **FEW),
    "tagger": lambda: MaskedSequenceClassifier(4, **FEW),
    "decoder": lambda: MaskedSequenceClassifier(4, architecture="encoder_decoder", **FEW),
    "prototypes": lambda: PrototypeClassifier(max_iter=9, tol=9.0, random_state=0),
    "prototypes by steps": lambda: PrototypeClassifier(solver="adam", kernel="linear", **FEW),
}


def rows_for(name):
    rng = np.random.default_rng(0)
    if name in ("tagger", "decoder"):
        X = rng.normal(size=(20, 30, 2))
        X[3, 4:] = np.nan
        return X, rng.integers(3, size=(20, 30))
    X = rng.normal(size=(40, 5))
    target = rng.integers(2, size=(40, 3)) if name == "multilabel" else rng.integers(3, size=40)
    return X, target


@pytest.fixture(scope="module")
def fitted():
    return {
        name: (make().fit(*rows_for(name)), rows_for(name)[0]) for name, make in ESTIMATORS.items()
    }


# Rows that cannot be computed.


@pytest.mark.parametrize("name", ["restricted", "costs", "multilabel"])
def test_rows_whose_outputs_are_not_finite_are_named(fitted, name):
    clf, X = fitted[name]
    large = X.astype(np.float32)
    large[[2, 7, 11]] = 3e38
    large[11, 1:] = 0
    with np.errstate(over="ignore", invalid="ignore"):
        kernel, bias, *others = clf._record.state.weights
        logits = large @ kernel + bias
        if others:
            logits = np.maximum(logits, 0) @ others[0] + others[1]
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    assert {2, 7} <= {*bad} <= {2, 7, 11}
    expected = f"X must be .* network .* not finite for rows {', '.join(map(str, bad))}\\."
    for method in (clf.predict, clf.predict_proba, clf.decision_function):
        with pytest.raises(ValueError, match=expected):
            method(large)
    assert len(clf.predict(np.delete(large, bad, axis=0))) == 40 - len(bad)


def test_many_rows_whose_outputs_are_not_finite_are_counted_whatever_the_chunk(fitted):
    clf, _ = fitted["restricted"]
    X = np.zeros((40_000, 5), np.float32)
    X[30_000:30_009] = 3e38
    expected = "rows 30000, 30001, 30002, 30003, 30004 and 4 more"
    with pytest.raises(ValueError, match=expected):
        clf.predict(X)


def test_contributions_that_are_not_finite_are_named(fitted):
    clf, X = fitted["prototypes by steps"]
    large = X.astype(np.float32)
    large[5] = 3e38
    with np.errstate(over="ignore"):
        values = large[:, None] * (clf.prototypes_ / clf.scale_.astype(np.float32))
    assert np.flatnonzero(np.isinf(values).any(axis=(1, 2))).tolist() == [5]
    with pytest.raises(ValueError, match=r"not finite for row 5\."):
        clf.contributions(large)


def test_padding_whose_outputs_are_not_finite_does_not_count(rng):
    X, y = rng.normal(size=(20, 32, 2)), rng.integers(3, size=(20, 32))

    def network(inputs, n_outputs, mask):
        # Infinite at padding, where inputs are 0.
        logits = keras.layers.Dense(n_outputs)(inputs)
        return logits + 0.1 * keras.ops.log(keras.ops.sum(keras.ops.abs(inputs), -1, True))

    clf = MaskedSequenceClassifier(network=network, **FEW).fit(X, y)
    X[3, 4:] = np.nan
    assert np.isfinite(clf.predict_proba(X)[3, :4]).all()
    X[5, 2] = 0
    with pytest.raises(ValueError, match=r"not finite for row 5\."):
        clf.predict(X)


def embedding(inputs, n_outputs):
    ids = keras.ops.cast(inputs, "int32")
    hidden = keras.layers.Flatten()(keras.layers.Embedding(4, 3)(ids))
    return keras.layers.Dense(n_outputs)(hidden)


def test_index_beyond_an_embedding_is_an_error_of_ours(rng):
    X, y = rng.integers(4, size=(30, 2)), rng.integers(2, size=30)
    clf = RestrictedClassClassifier(network=embedding, **FEW).fit(X, y)
    expected = clf.predict_proba(X)
    with pytest.raises(ValueError, match=r"X must hold what network can compute") as caught:
        clf.predict(np.full((2, 2), 9))
    assert not any(word in str(caught.value) for word in ("Gather", "node", "indices["))
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


# Damaged models.


def with_record(clf, **changes):
    clf._record = replace(clf._record, graph=None, **changes)


def with_weights(change):
    def damage(clf):
        state = clf._record.state
        weights = change([weight.copy() for weight in state.weights])
        with_record(clf, state=replace(state, weights=weights))

    return damage


def with_architecture(**changes):
    def damage(clf):
        record = clf._record
        signature, network = record.signature, clone(record.network)
        for name, value in changes.items():
            if name in network.get_params():
                setattr(network, name, value)
        shape = (*signature.input_shape[:-1], changes.get("n_features", signature.input_shape[-1]))
        n_outputs = changes.get("n_outputs", signature.n_outputs)
        signature = replace(signature, input_shape=shape, n_outputs=n_outputs)
        dtype = changes.get("dtype", record.dtype)
        with_record(clf, network=network, signature=signature, dtype=dtype)

    return damage


def with_nan(weights):
    weights[0].flat[0] = np.nan
    return weights


def with_another_class(clf):
    values = dict(clf._record.values)
    for name in ("classes_", "label_names_"):
        if name in values:
            values[name] = np.arange(len(values[name]) + 1)
    with_record(clf, values=values)


HUGE = 10**9
DAMAGES = {
    "not a number": with_weights(with_nan),
    "a weight less": with_weights(lambda weights: weights[:-1]),
    "no weight": with_weights(lambda weights: []),
    "weights in another order": with_weights(lambda weights: weights[::-1]),
    "another type": with_weights(lambda weights: [w.astype("float16") for w in weights]),
    "objects": with_weights(lambda weights: [w.astype(object) for w in weights]),
    "a large input": with_architecture(n_features=HUGE),
    "a huge input": with_architecture(n_features=10**30),
    "a negative input": with_architecture(n_features=-3),
    "large layers": with_architecture(
        hidden_layer_sizes=(HUGE, HUGE), units=(HUGE,), n_prototypes=HUGE
    ),
    "as large as there are weights": with_architecture(
        hidden_layer_sizes=(60, 60), units=(60, 60), n_prototypes=40, n_features=40
    ),
    "text for numbers": with_architecture(
        hidden_layer_sizes=("a",), units=("a",), n_prototypes="a", n_features="a"
    ),
    "many outputs": with_architecture(n_outputs=HUGE),
    "another class": with_another_class,
    "another policy": with_architecture(dtype="float12"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_damaged_model_is_refused(fitted, name, damage):
    clf, X = fitted[name]
    stored = pickle.loads(pickle.dumps(clf))
    DAMAGES[damage](stored)
    stored = pickle.loads(pickle.dumps(stored))
    n_traces = count_traces()
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"^The stored model must be as `fit` left it.* damaged"
        ):
            stored.predict(X)
    with pytest.raises(ValueError, match="damaged"):
        _ = stored.model_
    if hasattr(stored, "contributions"):
        with pytest.raises(ValueError, match="damaged"):
            stored.contributions(X)
    assert count_traces() == n_traces


def test_damaged_model_is_refused_by_skops(fitted):
    clf, X = fitted["restricted"]
    stored = pickle.loads(pickle.dumps(clf))
    with_architecture(n_features=HUGE)(stored)
    file = skops.io.dumps(stored)
    again = skops.io.loads(file, trusted=skops.io.get_untrusted_types(data=file))
    with pytest.raises(ValueError, match="damaged"):
        again.predict(X)


def test_stored_model_is_checked_once(fitted, monkeypatch):
    clf, X = fitted["restricted"]
    again = pickle.loads(pickle.dumps(clf))
    again.predict(X)
    monkeypatch.setattr(type(again._record), "_check", None)
    again.predict(X)


# Forked processes.


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_forked_child_predicts_and_says_what_to_do_where_tensorflow_is_needed():
    code = """
import os
import numpy as np
import keras
from skmask import PrototypeClassifier, RestrictedClassClassifier
X = np.random.default_rng(0).normal(size=(50, 4))
y = X[:, 0] > 0
clf = PrototypeClassifier(random_state=0).fit(X, y)
seen = PrototypeClassifier(random_state=0).fit(X, y)
expected = {name: getattr(seen, name)(X) for name in ("predict", "predict_proba", "contributions")}
nets = [None, lambda inputs, n: keras.layers.Dense(n)(inputs)]
other = [RestrictedClassClassifier((4,), network=net, epochs=1) for net in nets]
other[0].fit(X, y)
child = os.fork()
if child == 0:
    for one in (clf, seen):
        for method in ("predict", "predict_proba", "contributions"):
            if not np.array_equal(getattr(one, method)(X), expected[method]):
                print("another prediction", flush=True)
        for work in (
            lambda: clf.model_,
            lambda: one.fit(X, y),
            lambda: other[0].model_,
            lambda: other[0].partial_fit(X, y),
            lambda: other[1].fit(X, y),
        ):
            try:
                work()
            except RuntimeError as error:
                print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 10
    assert all("must not be used in a process forked after TensorFlow" in line for line in lines)
    assert all("loky" in line for line in lines)
