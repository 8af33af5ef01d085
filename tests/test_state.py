"""A fitted estimator is arrays, numbers and strings: copied, stored, rebuilt elsewhere."""

import copy
import io
import pickle
import subprocess
import sys

import joblib
import keras
import numpy as np
import pytest
import skops.io

import skmask
from skmask import RestrictedClassClassifier

OF_MLP = [
    "skmask.estimators._restricted.RestrictedClassClassifier",
    "skmask.networks._mlp.MLP",
]


def by_skops(clf):
    return skops.io.loads(skops.io.dumps(clf), trusted=skmask.TRUSTED_TYPES)


def by_joblib(clf):
    buffer = io.BytesIO()
    joblib.dump(clf, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


ROUND_TRIPS = {
    "pickle": lambda clf: pickle.loads(pickle.dumps(clf)),
    "deepcopy": copy.deepcopy,
    "joblib": by_joblib,
    "skops": by_skops,
}


@pytest.fixture(params=ROUND_TRIPS)
def round_trip(request):
    return ROUND_TRIPS[request.param]


@pytest.fixture(scope="module")
def strings(data):
    """A classifier with string labels, weights and a class that training lacks."""
    X, y, allowed = data
    labels = np.array(["a", "b", "c", "d", "e"])
    allowed = np.c_[allowed, np.ones(60, bool)]
    clf = RestrictedClassClassifier(
        (8,), classes=labels, class_weight={"a": 2.0}, epochs=3, random_state=0
    )
    return clf.fit(X, labels[y], allowed=allowed), X, allowed


def test_predictions_are_the_same_bits_after_a_round_trip(strings, round_trip):
    clf, X, allowed = strings
    again = round_trip(clf)
    np.testing.assert_array_equal(
        again.predict_proba(X, allowed=allowed), clf.predict_proba(X, allowed=allowed)
    )
    np.testing.assert_array_equal(
        again.predict(X, allowed=allowed), clf.predict(X, allowed=allowed)
    )
    assert repr(again.get_params()) == repr(clf.get_params())
    assert again.history_ == clf.history_


def test_partial_fit_goes_on_after_a_round_trip(data, round_trip):
    X, y, allowed = data
    clf = RestrictedClassClassifier((8,), classes=[0, 1, 2, 3], batch_size=8, random_state=0)
    clf.partial_fit(X[:30], y[:30], allowed=allowed[:30])
    again = round_trip(clf)
    for each in (clf, again):
        each.partial_fit(X[30:], y[30:], allowed=allowed[30:])
        each.partial_fit(X, y, allowed=allowed)
    np.testing.assert_array_equal(
        again.predict_proba(X, allowed=allowed), clf.predict_proba(X, allowed=allowed)
    )
    for one, two in zip(clf._record.state.slots, again._record.state.slots, strict=True):
        np.testing.assert_array_equal(one, two)


def test_only_names_of_the_package_are_to_be_trusted(strings):
    stored = skops.io.dumps(strings[0])
    assert sorted(skops.io.get_untrusted_types(data=stored)) == OF_MLP


def test_a_process_that_never_saw_the_package_predicts_the_same_bits(strings, tmp_path):
    clf, X, allowed = strings
    skops.io.dump(clf, tmp_path / "clf.skops")
    np.savez(tmp_path / "rows.npz", X=X, allowed=allowed)
    code = f"""
import numpy as np, skops.io, sys
assert "skmask" not in sys.modules
clf = skops.io.load("clf.skops", trusted={skmask.TRUSTED_TYPES})
rows = np.load("rows.npz")
np.save("proba.npy", clf.predict_proba(rows["X"], allowed=rows["allowed"]))
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(
        np.load(tmp_path / "proba.npy"), clf.predict_proba(X, allowed=allowed)
    )


def build_network(inputs, n_outputs):
    hidden = keras.layers.Dense(6, activation="tanh")(inputs)
    return keras.layers.Dense(n_outputs)(keras.layers.BatchNormalization()(hidden))


@pytest.mark.parametrize("round_trip", ["pickle", "joblib", "deepcopy"])
def test_network_of_ones_own_is_rebuilt(data, round_trip):
    X, y, _ = data
    clf = RestrictedClassClassifier(network=build_network, epochs=2, random_state=0).fit(X, y)
    again = ROUND_TRIPS[round_trip](clf)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_allclose(
        keras.ops.softmax(again.model_(X.astype("float32"))), clf.predict_proba(X), atol=1e-6
    )


def test_model_is_a_copy(data):
    X, y, _ = data
    clf = RestrictedClassClassifier((8,), epochs=1, random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    assert clf.model_ is clf.model_
    clf.model_.set_weights([np.zeros_like(weight) for weight in clf.model_.get_weights()])
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_parameters_set_after_the_fit_do_not_change_predictions(data):
    X, y, _ = data
    clf = RestrictedClassClassifier((8,), epochs=1, random_state=0).fit(X, y)
    before = clf.predict_proba(X)
    clf.set_params(hidden_layer_sizes=(3,), activation="tanh", network=build_network)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), before)


def test_columns_set_after_the_fit_do_not_change_predictions(data):
    X, y, allowed = data
    both = np.c_[X, allowed]
    clf = RestrictedClassClassifier((8,), epochs=1, allowed_columns=slice(5, 9), random_state=0)
    before = clf.fit(both, y).predict_proba(both)
    again = pickle.loads(pickle.dumps(clf.set_params(allowed_columns=None)))
    np.testing.assert_array_equal(again.predict_proba(both), before)


def test_function_for_a_network_is_stored_by_name(data):
    X, y, _ = data
    clf = RestrictedClassClassifier(network=build_network, epochs=1, random_state=0).fit(X, y)
    stored = skops.io.dumps(clf)
    untrusted = skops.io.get_untrusted_types(data=stored)
    assert sorted(untrusted) == sorted([OF_MLP[0], f"{__name__}.build_network"])
    again = skops.io.loads(stored, trusted=untrusted)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def damaged(stored, n, rng):
    """Yield files cut off, or with a byte changed, at n places in all."""
    for place in rng.integers(len(stored), size=n // 2):
        yield stored[:place]
    for place in rng.integers(len(stored), size=n - n // 2):
        changed = bytearray(stored)
        changed[place] ^= int(rng.integers(1, 256))
        yield bytes(changed)


@pytest.mark.filterwarnings("ignore::UserWarning:zipfile")
def test_damaged_file_is_an_error_or_predicts_the_same(strings, rng):
    clf, X, allowed = strings
    expected = clf.predict_proba(X, allowed=allowed)
    n_errors = 0
    for stored in damaged(skops.io.dumps(clf), 200, rng):
        try:
            again = skops.io.loads(stored, trusted=skmask.TRUSTED_TYPES)
            found = again.predict_proba(X, allowed=allowed)
        except Exception:
            n_errors += 1
        else:
            np.testing.assert_array_equal(found, expected)
    assert n_errors > 100
