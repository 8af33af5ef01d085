"""Keras' settings, its random seeds and its state: those of a fit, and nothing left behind."""

import random
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.common import global_state

from skmask import RestrictedClassClassifier
from skmask.engine.tensorflow import custom_network, graph_of, with_weights
from skmask.engine.tensorflow._settings import keras_settings
from skmask.networks import MLP, Signature
from skmask.nn.networks import mlp

STATE = ("uninitialized_variables", "stateless_scope", "dtype_policy", "global_seed_generator")


def state_of_keras():
    kept = {name: global_state.get_global_attribute(name) for name in STATE}
    return kept, list(kept["uninitialized_variables"] or ())


def unseeded(inputs, n_outputs):
    """A network whose layers and initialisers all draw a seed."""
    hidden = keras.layers.Dropout(0.5)(keras.layers.GaussianNoise(0.1)(inputs))
    hidden = keras.layers.Dense(4, kernel_initializer="lecun_normal")(hidden)
    return keras.layers.Dense(n_outputs)(hidden)


# Random seeds.


def test_random_stream_is_not_touched_while_networks_are_built():
    stream = random.Random(5)
    random.seed(5)
    found, done = [], threading.Event()

    def draw():
        while not done.is_set():
            found.append(random.random())

    thread = threading.Thread(target=draw)
    thread.start()
    for seed in range(30):
        network = custom_network(unseeded, (3,), 2)
        with_weights(network, network.starting_weights(seed))
    done.set()
    thread.join()
    assert len(found) > 100
    assert found == [stream.random() for _ in found]
    assert random.getstate() == stream.getstate()


def test_draws_of_the_users_own_function_are_theirs():
    def network(inputs, n_outputs):
        drawn.append(random.random())
        return unseeded(inputs, n_outputs)

    drawn = []
    random.seed(7)
    custom_network(network, (3,), 2).build()
    stream = random.Random(7)
    assert drawn == [stream.random() for _ in drawn]


def test_keras_draws_from_the_users_stream_elsewhere():
    random.seed(11)
    found = [keras.layers.Dropout(0.5).seed_generator.state.numpy()[0] for _ in range(3)]
    stream = random.Random(11)
    assert found == [stream.randint(1, int(1e9)) for _ in range(3)]


def test_initialiser_of_ones_own_without_a_seed_follows_random_state():
    def noise(shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype)

    def network(inputs, n_outputs):
        return keras.layers.Dense(n_outputs, kernel_initializer=noise)(inputs)

    made = custom_network(network, (3,), 2)
    one, same, other = (made.starting_weights(seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# What is left behind.


class Fails(keras.initializers.Initializer):
    def __init__(self, error):
        self.error = error

    def __call__(self, shape, dtype=None):
        raise self.error


OUT_OF_MEMORY = [MemoryError("mine"), tf.errors.ResourceExhaustedError(None, None, "mine")]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_other_shapes_fit_after_one_ran_out_of_memory(data, error):
    X, y, _ = data

    def network(inputs, n_outputs):
        layer = keras.layers.Dense(5, kernel_initializer=Fails(error))
        return keras.layers.Dense(n_outputs)(layer(inputs))

    before = state_of_keras()
    with pytest.raises(type(error), match="mine"):
        RestrictedClassClassifier(network=network, epochs=1).fit(X, y)
    assert state_of_keras() == before
    for size in (31, 32, 33):
        clf = RestrictedClassClassifier((size,), epochs=1, random_state=0).fit(X, y)
        assert np.isfinite(clf.predict_proba(X)).all()
        assert len(clf.model_.get_weights()) == 4
    assert state_of_keras() == before
    assert keras.layers.Dense(2)(np.ones((1, 3), "float32")).shape == (1, 2)


def fails_in_the_function(inputs, n_outputs):
    keras.layers.Dense(4)(inputs)
    raise KeyError("mine")


def fails_in_a_layer(inputs, n_outputs):
    class Layer(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight((3, 3))
            raise KeyError("mine")

    return Layer()(inputs)


def fails_in_the_policy(inputs, n_outputs):
    keras.config.set_dtype_policy("float64")
    keras.random.normal((2,))
    raise KeyError("mine")


@pytest.mark.parametrize(
    "network", [fails_in_the_function, fails_in_a_layer, fails_in_the_policy, None]
)
def test_state_of_keras_is_as_before_after(network):
    before = state_of_keras()
    if network is None:
        made = graph_of(MLP((9,)), Signature((7,), 3), "float64")
        with_weights(made, made.starting_weights(0))
    else:
        with pytest.raises(KeyError, match="mine"):
            custom_network(network, (3,), 2)
    assert state_of_keras() == before


def test_seeds_that_keras_draws_itself_work_after_a_network_was_built():
    def run():
        custom_network(lambda inputs, n: inputs * keras.random.normal((3,)), (3,), 3)
        shapes.append(keras.random.normal((2,)).shape)

    shapes = []
    thread = threading.Thread(target=run)  # whose global generator is not there yet
    thread.start()
    thread.join()
    assert shapes == [(2,)]


# Policy and float type.


def test_settings_of_a_network_are_seen_in_its_thread_only():
    seen = []

    def look():
        seen.append((keras.config.floatx(), keras.config.dtype_policy().name))

    with keras_settings("mixed_bfloat16"), keras_settings("float64"):
        look()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        inner = keras.ops.ones(2).dtype
    look()
    assert inner == "float64"
    assert seen == [("float64", "float64"), ("float32", "float32"), ("float32", "float32")]


@pytest.mark.parametrize(
    ("policy", "weights", "outputs"),
    [
        ("float32", "float32", "float32"),
        ("mixed_float16", "float32", "float16"),
        ("mixed_bfloat16", "float32", "bfloat16"),
        ("float64", "float64", "float64"),
    ],
)
def test_network_is_built_under_its_policy(policy, weights, outputs):
    for made in (
        graph_of(MLP((9,)), Signature((7,), 3), policy),
        custom_network(mlp, (7,), 3, policy),
    ):
        model = made.build()
        assert {variable.dtype for variable in model.variables} == {weights}
        assert (model.input.dtype, model.output.dtype) == (weights, outputs)
        assert made.dtype == ("float64" if policy == "float64" else "float32")
    assert keras.config.dtype_policy().name == "float32"


FITS = """
import pickle, sys
import keras, numpy as np
from skmask import *
from tests.test_settings import regularised

setting = sys.argv[1]
floatx, _, policy = setting.partition(" ")
if floatx:
    keras.config.set_floatx(floatx)
if policy:
    keras.config.set_dtype_policy(policy)
rng = np.random.default_rng(0)
X, y, Y = rng.normal(size=(40, 5)), rng.integers(3, size=40), rng.integers(2, size=(40, 3))
S, steps = rng.normal(size=(12, 7, 2)), rng.integers(3, size=(12, 7))
S[3, 4:] = np.nan
few = {"epochs": 2, "random_state": 0}
schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
estimators = [
    (RestrictedClassClassifier((8,), **few), X, y),
    (RestrictedClassClassifier(network=regularised, **few), X, y),
    (RestrictedClassClassifier((8,), optimizer=keras.optimizers.SGD(schedule), **few), X, y),
    (CostSensitiveClassifier((8,), cost_matrix=[[0, 1, 2], [3, 0, 1], [1, 1, 0]], **few), X, y),
    (WeightedMultilabelClassifier((8,), loss="asymmetric", **few), X, Y),
    (MaskedSequenceClassifier(4, bidirectional=True, **few), S, steps),
    (MaskedSequenceClassifier(4, cell="gru", **few), S, steps),
    (MaskedSequenceClassifier(4, architecture="encoder_decoder", **few), S, steps),
    (PrototypeClassifier(max_iter=20, tol=1.0, random_state=0), X, y),
    (PrototypeClassifier(solver="adam", kernel="exponential", **few), X, y),
]


def outputs(fitted):
    found = [clf.predict_proba(rows) for clf, (_, rows, _) in zip(fitted, estimators)]
    found += [clf.contributions(X) for clf in fitted[-2:]]
    return found + [clf.model_(X[:3].astype("float32")) for clf in fitted[:2]]


found = []
if setting:
    with open("fitted.pickle", "rb") as file:
        found += outputs(pickle.load(file))
found += outputs([clf.fit(rows, target) for clf, rows, target in estimators])
np.savez("found.npz", *map(np.asarray, found))
if not setting:
    with open("fitted.pickle", "wb") as file:
        pickle.dump([clf for clf, *_ in estimators], file)
"""


def regularised(inputs, n_outputs):
    """A network with much in it that follows Keras' settings if nobody holds it back."""
    hidden = keras.layers.Dense(6, activation="gelu", kernel_regularizer="l2")(inputs)
    hidden = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(hidden))
    hidden = keras.layers.GaussianNoise(0.1)(hidden) * keras.ops.ones((6,)) * 0.3
    return keras.layers.Dense(n_outputs)(hidden)


def test_settings_of_keras_change_no_bit_of_a_fit_nor_of_a_prediction(tmp_path, request):
    def run(setting):
        code = [sys.executable, "-c", FITS, setting]
        env = {"PYTHONPATH": str(request.config.rootpath), "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            code, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        with np.load(tmp_path / "found.npz") as found:
            return list(found.values())

    expected = run("")
    for setting in ("float64", "float16 mixed_bfloat16"):
        for one, two in zip(run(setting), expected + expected, strict=True):
            np.testing.assert_array_equal(one, two)
