"""Networks of one's own: constants in them, their keys, what is refused."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from skmask import MaskedSequenceClassifier, RestrictedClassClassifier
from skmask.engine.tensorflow import count_traces, custom_network, forward_function

# Constants.

OFFSET = np.linspace(-3, 3, 200, dtype=np.float32)  # more than TensorFlow keeps in the graph


def adapted(X):
    layer = keras.layers.Normalization()
    layer.adapt(X)
    return layer


class AddConstant(keras.layers.Layer):
    """Holds a constant tensor and one made in `build`."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.offset = tf.constant(OFFSET)

    def build(self, shape):
        self.scale = keras.ops.convert_to_tensor(OFFSET) * self.factor

    def call(self, inputs):
        return inputs * self.scale + self.offset


class UsesVariable(keras.layers.Layer):
    """Holds a variable that Keras does not know."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        variable = tf.Variable(OFFSET)
        self._hidden = lambda: variable

    def call(self, inputs):
        return inputs + self._hidden()


def networks_with_constants(X):
    outside = adapted(X)
    tensor = tf.constant(OFFSET)

    def normalised_outside(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(outside(inputs))

    def normalised_inside(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(adapted(X)(inputs))

    def plain_constant(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(inputs * tf.constant(OFFSET) + tensor)

    def in_a_lambda(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(keras.layers.Lambda(lambda x: x * tensor)(inputs))

    def in_a_layer(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(AddConstant()(inputs))

    def unknown_variable(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(UsesVariable()(inputs))

    def looked_up(inputs, n_outputs):
        names = list(range(-20, 20, 2))
        numbers = keras.layers.IntegerLookup(vocabulary=names)(keras.ops.cast(inputs, "int64"))
        return keras.layers.Dense(n_outputs)(keras.ops.cast(numbers, "float32") + inputs)

    return [
        normalised_outside, normalised_inside, plain_constant, in_a_lambda, in_a_layer,
        unknown_variable, looked_up,
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(7))
def test_network_that_holds_constants_predicts_as_keras_does(rng, number):
    X = rng.normal(1, 3, size=(300, 200)).astype("float32")
    y = (X[:, 0] > 1).astype(int)
    network = networks_with_constants(X)[number]
    clf = RestrictedClassClassifier(network=network, epochs=2, random_state=0).fit(X, y)
    expected = keras.ops.softmax(clf.model_(X))
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)
    assert len(np.unique(clf.predict_proba(X))) > 100


def test_layers_that_differ_in_a_constant_share_nothing(rng):
    X = rng.normal(size=(50, 4)).astype("float32")
    for scale in (1, 10):
        layer = adapted(scale * X)

        def network(inputs, n_outputs, layer=layer):
            return keras.layers.Dense(n_outputs, kernel_initializer="ones")(layer(inputs))

        made = custom_network(network, (4,), 2)
        found = forward_function(made, made.starting_weights(0))(X)
        expected = ((X - (scale * X).mean(0)) / (scale * X).std(0)).sum(1)
        np.testing.assert_allclose(found[:, 0], expected, atol=1e-4)


# Keys.

# What some layers cannot be made without; a number of parameters shared by many is enough.
GUESSES = {
    "activation": "relu", "axes": -1, "call_fn": None, "cell": lambda: keras.layers.LSTMCell(3),
    "cells": lambda: [keras.layers.LSTMCell(3)], "dims": (1,), "equation": "ab,bc->ac",
    "factor": 0.1, "filters": 2, "forward_layer": lambda: keras.layers.LSTM(3),
    "function": lambda: keras.ops.relu, "head_dim": 2, "height": 2, "height_factor": 0.1,
    "input_dim": 8, "kernel_size": 1, "key_dim": 2, "layer": lambda: keras.layers.LSTM(3),
    "layers": lambda: [keras.layers.Rescaling(0.5)], "max_number": 3, "n": 3, "num_bins": 3,
    "num_heads": 2, "num_key_value_heads": 2, "num_query_heads": 2, "num_tokens": 4,
    "output_dim": 3, "output_shape": 3, "output_size": 2, "pool_size": 1, "rate": 0.5,
    "scale": 2.0, "stddev": 0.5, "target_shape": (-1,), "units": 3, "width": 2, "width_factor": 0.1,
}  # fmt: skip
SPECIAL = {
    "CategoryEncoding": {"num_tokens": 4},
    "Discretization": {"bin_boundaries": [0.0, 1.0]},
    "GroupNormalization": {"groups": 1},
    "RandomPosterization": {"factor": 4},
    "SpectralNormalization": {"layer": lambda: keras.layers.Dense(3)},
    "TimeDistributed": {"layer": lambda: keras.layers.Dense(3)},
}
SHAPES = [(8,), (8, 4), (8, 8, 3), (4, 4, 4, 3), (2, 4, 4, 4, 3), (300, 1)]
# Wrappers of other frameworks, cells, bases and layers that are no part of a graph of floats.
NOT_IN_A_NETWORK = {
    "FlaxLayer", "GRUCell", "InputLayer", "JaxLayer", "LSTMCell", "Lambda", "Layer",
    "MaxNumBoundingBoxes", "SimpleRNNCell", "StackedRNNCells", "TFSMLayer", "TorchModuleWrapper",
    "Wrapper",
}  # fmt: skip
LAYERS = sorted(
    name
    for name, cls in vars(keras.layers).items()
    if inspect.isclass(cls) and issubclass(cls, keras.layers.Layer)
)


def make_layer(name):
    cls = getattr(keras.layers, name)
    needed = [
        parameter.name
        for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    given = {name: GUESSES[name] for name in needed} | SPECIAL.get(name, {})
    return cls(**{name: value() if callable(value) else value for name, value in given.items()})


def network_of(name, shape):
    """Return a network with this layer, called in the way that it can be called."""
    calls = (
        lambda layer, inputs: layer(inputs),
        lambda layer, inputs: layer([inputs, inputs]),
        lambda layer, inputs: layer(inputs, inputs),
    )

    def network(inputs, n_outputs):
        for call in calls:
            try:
                outputs = call(make_layer(name), inputs)
                break
            except Exception:
                if call is calls[-1]:
                    raise
        outputs = keras.ops.cast(outputs, "float32")
        return keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((-1, 1))(outputs))

    return custom_network(network, shape, 1)


def possible_network(name):
    for shape in SHAPES:
        try:
            return network_of(name, shape), shape
        except Exception as error:
            failure = error
    raise failure


@pytest.mark.parametrize("name", sorted(set(LAYERS) - NOT_IN_A_NETWORK))
def test_network_with_a_layer_of_keras_has_one_key(name):
    network, shape = possible_network(name)
    assert network.is_shareable
    for _ in range(2):
        assert network_of(name, shape) == network


def test_key_is_the_same_for_layers_named_like_an_activation():
    def network(inputs, n_outputs):
        hidden = keras.ops.relu(keras.layers.Dense(3, activation="relu")(inputs))
        return keras.layers.Dense(n_outputs)(keras.layers.ReLU()(hidden))

    assert custom_network(network, (4,), 2) == custom_network(network, (4,), 2)


@pytest.mark.parametrize(
    ("one", "two"),
    [("mine", "yours"), ("mine_1", "mine_2"), ("conv2d", "mine"), ("forward", "backward")],
)
def test_names_that_were_given_stay_distinct(one, two):
    def network_with(name):
        return custom_network(lambda inputs, n: keras.layers.Dense(n, name=name)(inputs), (4,), 2)

    assert network_with(one) != network_with(two)
    assert network_with(one) == network_with(one)


def test_layers_of_ones_own_that_differ_in_an_attribute_share_nothing():
    class Scaled(keras.layers.Layer):
        def call(self, inputs):
            return inputs * self.factor

    def network_with(factor):
        def network(inputs, n_outputs):
            layer = Scaled()
            layer.factor = factor
            return keras.layers.Dense(n_outputs)(layer(inputs))

        return custom_network(network, (4,), 2)

    assert network_with(2.0) == network_with(2.0)
    assert network_with(2.0) != network_with(3.0)


def test_adapted_bins_are_in_the_key():
    def network_with(X):
        layer = keras.layers.Discretization(num_bins=3)
        layer.adapt(np.asarray(X, "float32"))
        return custom_network(
            lambda inputs, n: keras.layers.Dense(n)(keras.ops.cast(layer(inputs), "float32")),
            (1,),
            2,
        )

    assert network_with([[1.0], [2.0], [3.0]]) == network_with([[1.0], [2.0], [3.0]])
    assert network_with([[1.0], [2.0], [3.0]]) != network_with([[10.0], [20.0], [30.0]])


def test_convolutional_network_is_traced_once(rng):
    X, y = rng.normal(size=(60, 16)), rng.integers(2, size=60)

    def network(inputs, n_outputs):
        hidden = keras.layers.Reshape((4, 4, 1))(inputs)
        hidden = keras.layers.Conv2D(2, 2)(keras.layers.ZeroPadding2D()(hidden))
        hidden = keras.layers.SpatialDropout2D(0.1)(keras.layers.MaxPooling2D()(hidden))
        return keras.layers.Dense(n_outputs)(keras.layers.GlobalAveragePooling2D()(hidden))

    clf = RestrictedClassClassifier(network=network, epochs=1, random_state=0)
    clf.fit(X, y).predict(X)
    n_traces = count_traces()
    clf.fit(X, y).predict(X)
    assert count_traces() == n_traces


# What is refused.


def softmax_layer(inputs, n_outputs):
    return keras.layers.Softmax()(keras.layers.Dense(n_outputs)(inputs))


def nested_sigmoid(inputs, n_outputs):
    head = keras.Sequential([keras.layers.Dense(n_outputs, activation="sigmoid")])
    return keras.Sequential([keras.layers.Dense(3), head])(inputs)


REFUSED = {
    "no tensor": (lambda inputs, n: 3, TypeError, "a Keras tensor; got 3"),
    "several": (lambda inputs, n: [inputs, inputs], TypeError, "one Keras tensor; got 2 outputs"),
    "by name": (lambda inputs, n: {"a": inputs}, TypeError, "one Keras tensor; got 1 outputs"),
    "integers": (
        lambda inputs, n: keras.ops.cast(keras.layers.Dense(n)(inputs), "int32"),
        TypeError,
        "floating-point type; got int32",
    ),
    "not connected": (
        lambda inputs, n: keras.layers.Dense(n)(keras.Input((4,))),
        ValueError,
        "compute its logits from `inputs`; got logits that are not connected",
    ),
    "wrong shape": (lambda inputs, n: keras.layers.Dense(n + 1)(inputs), ValueError, "of shape"),
    "softmax": (
        lambda inputs, n: keras.layers.Dense(n, activation="softmax")(inputs),
        ValueError,
        "return logits; got the probabilities that a last softmax makes",
    ),
    "layer of softmax": (softmax_layer, ValueError, "a last softmax makes"),
    "function softmax": (
        lambda inputs, n: keras.ops.softmax(keras.layers.Dense(n)(inputs)),
        ValueError,
        "a last softmax makes",
    ),
    "activation": (
        lambda inputs, n: keras.layers.Activation("sigmoid")(keras.layers.Dense(n)(inputs)),
        ValueError,
        "a last sigmoid makes",
    ),
    "nested": (nested_sigmoid, ValueError, "a last sigmoid makes"),
    "layer": (keras.layers.Dense(4), TypeError, "be a function .*; got a Dense layer"),
    "class of layers": (keras.layers.Dense, TypeError, "be a function .*; got the class Dense"),
    "class of models": (keras.Sequential, TypeError, "be a function .*; got the class Sequential"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_network_that_returns_no_logits_is_refused(data, name):
    X, y, _ = data
    network, kind, message = REFUSED[name]
    clf = RestrictedClassClassifier(network=network, epochs=1)
    with pytest.raises(kind, match=f"^network must .*{message}"):
        clf.fit(X, y)
    assert set(vars(clf)) == set(clf.get_params(deep=False))


def test_network_without_weights_predicts_what_it_computes(data):
    X, y, _ = data
    clf = RestrictedClassClassifier(network=lambda inputs, n: inputs[:, :n] * 2, epochs=1)
    clf.fit(X, y)
    n = len(clf.classes_)
    expected = softmax(2 * X[:, :n].astype(np.float32), axis=1)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)


def test_error_of_the_function_itself_passes_unchanged(data):
    X, y, _ = data
    mine = KeyError("mine")

    def network(inputs, n_outputs):
        raise mine

    with pytest.raises(KeyError, match="mine") as caught:
        RestrictedClassClassifier(network=network).fit(X, y)
    assert caught.value is mine


# Templates.


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """A model that its config can make anew."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.head = keras.layers.Dense(units)

    def call(self, inputs):
        return self.head(inputs)

    def get_config(self):
        return {"units": self.units}


class NoConfig(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(inputs)


class Twice(keras.layers.Layer):  # not registered, so Keras cannot store it
    def call(self, inputs):
        return 2 * inputs


Registered = keras.saving.register_keras_serializable("tests", "R")(
    type("Registered", (Twice,), {"__module__": __name__})
)


def functional(double=Twice):
    inputs = keras.Input((5,))
    hidden = keras.layers.Dense(6, activation="relu")(double()(inputs))
    nested = keras.Sequential([keras.layers.Dense(6), double(), keras.layers.BatchNormalization()])
    return keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Dropout(0.1)(nested(hidden))))


def compiled_one():
    model = functional()
    model.compile("adam", lambda y_true, y_pred: keras.ops.mean(y_pred, axis=-1))
    return model


def normalised():
    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, size=(50, 5)))
    return keras.Sequential([keras.Input((5,)), layer, keras.layers.Dense(4)])


def called():
    model = Subclassed()
    model(np.zeros((1, 5), "float32"))
    return model


TEMPLATES = {
    "sequential": lambda: keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]),
    "functional": functional,
    "compiled": compiled_one,
    "normalised": normalised,
    "subclassed": called,
}


def content(model):
    return [np.array(weight) for weight in model.variables], model.compiled, model.built


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_gives_its_weights_and_is_not_changed(data, name):
    X, y, _ = data
    template = TEMPLATES[name]()
    before = content(template)
    frozen = {"epochs": 1, "optimizer": "sgd", "learning_rate": 1e-30, "random_state": 0}
    clf = RestrictedClassClassifier(network=template, batch_size=100, dtype="float32", **frozen)
    clf.fit(X, y)
    if name not in ("functional", "compiled"):  # batch statistics move
        expected = keras.ops.softmax(template(X.astype("float32")))
        np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-5)
    clf.set_params(epochs=20, learning_rate=0.1, warm_start=False).fit(X, y)
    assert clf.history_["loss"][-1] < clf.history_["loss"][0]
    after = content(template)
    assert before[1:] == after[1:]
    for one, two in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(
        keras.ops.softmax(clf.model_(X.astype("float32"))), clf.predict_proba(X), atol=1e-5
    )
    assert clf.model_ is not template


STORABLE = [functools.partial(functional, Registered), normalised, called]


@pytest.mark.parametrize("make", STORABLE, ids=["functional", "normalised", "subclassed"])
def test_model_from_a_template_is_stored(data, make):
    import pickle

    X, y, _ = data
    clf = RestrictedClassClassifier(network=make(), epochs=1, random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_template_without_inputs_of_its_own_starts_from_random_state(data):
    X, y, _ = data
    for template in (keras.Sequential([keras.layers.Dense(4)]), Subclassed()):
        clf = RestrictedClassClassifier(network=template, epochs=1, random_state=0)
        one, two = (clf.fit(X, y).predict_proba(X) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert not template.built


def test_what_becomes_of_a_template_after_the_fit_changes_no_prediction(data):
    import pickle

    X, y, _ = data
    template = normalised()
    clf = RestrictedClassClassifier(network=template, epochs=1, random_state=0).fit(X, y)
    stored = pickle.dumps(clf)
    template.layers[0].adapt(100 * X)
    template.set_weights([np.zeros_like(weight) for weight in template.get_weights()])
    expected = pickle.loads(stored).predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), expected)


def test_template_is_cloned_with_the_estimator(data):
    from sklearn.model_selection import cross_val_score

    X, y, _ = data
    network = functional(Registered)
    clf = RestrictedClassClassifier(network=network, epochs=1, random_state=0)
    assert np.isfinite(cross_val_score(clf, X, y, cv=2, error_score="raise")).all()


REFUSED_TEMPLATES = {
    "width": (
        lambda: keras.Sequential([keras.Input((7,)), keras.layers.Dense(4)]),
        ValueError,
        r"take inputs of shape \(None, 5\); got a model of inputs of shape \(None, 7\)",
    ),
    "two inputs": (
        lambda: keras.Model([a := keras.Input((5,)), b := keras.Input((5,))], a + b),
        ValueError,
        r"take inputs of shape \(None, 5\); got a model of inputs of shape .*, \(None, 5\)",
    ),
    "built for others": (
        lambda: (model := keras.Sequential([Subclassed()])).build((None, 7)) or model,
        ValueError,
        r"take inputs of shape \(None, 5\)",
    ),
    "outputs": (
        lambda: keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]),
        ValueError,
        "return logits of shape",
    ),
    "softmax": (
        lambda: keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "softmax")]),
        ValueError,
        "a last softmax makes",
    ),
    "no config": (
        lambda: NoConfig(keras.layers.Dense(4)),
        TypeError,
        "be a Keras model that its config can make anew; got a NoConfig",
    ),
}


@pytest.mark.parametrize("name", REFUSED_TEMPLATES)
def test_template_that_does_not_fit_is_refused(data, name):
    X, y, _ = data
    make, kind, message = REFUSED_TEMPLATES[name]
    clf = RestrictedClassClassifier(network=make(), epochs=1)
    with pytest.raises(kind, match=f"^network must {message}|^network must .*{message}"):
        clf.fit(X, y)


def test_template_of_a_sequence_classifier_gets_masked_inputs(rng):
    X, y = rng.normal(size=(12, 6, 2)), rng.integers(3, size=(12, 6))
    X[2, 3:] = np.nan
    lstm = keras.layers.LSTM(4, return_sequences=True)
    layers = [keras.Input((None, 2)), keras.layers.Bidirectional(lstm), keras.layers.Dense(3)]
    template = keras.Sequential(layers)
    frozen = {"epochs": 1, "optimizer": "sgd", "learning_rate": 1e-30, "random_state": 0}
    clf = MaskedSequenceClassifier(network=template, dtype="float32", **frozen).fit(X, y)
    real = ~np.isnan(X[..., 0])
    both_ways, head = template.layers
    states = both_ways(np.nan_to_num(X).astype("float32"), mask=keras.ops.convert_to_tensor(real))
    expected = keras.ops.softmax(head(states))
    np.testing.assert_allclose(clf.predict_proba(X)[real], np.asarray(expected)[real], atol=1e-5)


@pytest.mark.parametrize("n_rows", [40, 600])  # few and many steps in an epoch
def test_index_out_of_range_in_training_is_an_error_of_ours(n_rows):
    def network(inputs, n_outputs):
        hidden = keras.layers.Flatten()(keras.layers.Embedding(10, 3)(inputs))
        return keras.layers.Dense(n_outputs)(hidden)

    X = np.arange(3 * n_rows).reshape(n_rows, 3) % 11
    clf = RestrictedClassClassifier(network=network, epochs=1, random_state=0)
    with pytest.raises(ValueError, match="X must hold what network can compute with"):
        clf.fit(X, np.arange(n_rows) % 2)
    clf.fit(X % 10, np.arange(n_rows) % 2)
    with pytest.raises(ValueError, match="X must hold what network can compute with"):
        clf.predict(X)
