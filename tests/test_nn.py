"""Keras building blocks on their own: in Keras models, and inside SciKeras."""

import keras
import numpy as np
import pytest
from scipy.special import logsumexp

from skmask.datasets import make_restricted_classification
from skmask.nn.layers import RestrictLogits, restrict_logits
from skmask.nn.losses import RestrictedCrossentropy, restricted_crossentropy


@pytest.fixture
def batch(rng):
    logits = rng.normal(size=(12, 5)).astype(np.float32)
    allowed = rng.random((12, 5)) < 0.5
    y = rng.integers(5, size=12)
    allowed[np.arange(12), y] = True
    return y, logits, allowed


def expected_loss(y, logits, allowed):
    restricted = np.where(allowed, logits.astype(np.float64), -np.inf)
    return logsumexp(restricted, axis=1) - logits[np.arange(len(y)), y]


def gradient_of(loss, logits):
    import tensorflow as tf

    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = tf.reduce_sum(loss(logits))
    return tape.gradient(total, logits).numpy()


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-4])
def test_restricted_crossentropy_equals_the_formula(batch, scale):
    y, logits, allowed = batch
    logits = logits * np.float32(scale)
    loss = np.asarray(restricted_crossentropy(y, logits, allowed))
    np.testing.assert_allclose(loss, expected_loss(y, logits, allowed), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gradient_is_softmax_minus_one_hot_over_the_allowed(batch, scale):
    y, logits, allowed = batch
    logits = logits * np.float32(scale)
    gradient = gradient_of(lambda z: restricted_crossentropy(y, z, allowed), logits)
    restricted = np.where(allowed, logits.astype(np.float64), -np.inf)
    proba = np.exp(restricted - logsumexp(restricted, axis=1, keepdims=True))
    np.testing.assert_allclose(gradient, proba - np.eye(5)[y], atol=1e-5)
    assert (gradient[~allowed] == 0).all()


def test_half_precision_stays_finite(batch):
    y, logits, allowed = batch
    logits = logits.astype(np.float16) * np.float16(1e4)
    loss = np.asarray(restricted_crossentropy(y, logits, allowed))
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient_of(lambda z: restricted_crossentropy(y, z, allowed), logits)).all()


@pytest.mark.parametrize("kind", ["integers", "column", "one-hot"])
def test_targets_may_come_in_three_kinds(batch, kind):
    y, logits, allowed = batch
    target = {"integers": y, "column": y[:, np.newaxis], "one-hot": np.eye(5)[y]}[kind]
    loss = RestrictedCrossentropy(reduction="none")(target, restrict_logits(logits, allowed))
    np.testing.assert_allclose(loss, expected_loss(y, logits, allowed), atol=1e-5)


def test_shares_of_classes_are_weighted(batch):
    y, logits, _ = batch
    both = (np.eye(5)[y] + np.eye(5)[(y + 1) % 5]) / 2
    everything = np.ones((12, 5), bool)
    expected = (
        expected_loss(y, logits, everything) + expected_loss((y + 1) % 5, logits, everything)
    ) / 2
    np.testing.assert_allclose(restricted_crossentropy(both, logits), expected, atol=1e-5)


def test_loss_takes_sample_weight(batch):
    y, logits, allowed = batch
    weight = np.arange(12.0)
    loss = RestrictedCrossentropy()(y, restrict_logits(logits, allowed), sample_weight=weight)
    expected = (expected_loss(y, logits, allowed) * weight).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_loss_of_a_class_that_is_not_allowed_is_infinite():
    assert np.asarray(restricted_crossentropy([0], np.ones((1, 2)), [[False, True]])) == np.inf


def test_serialisation_of_the_loss():
    loss = RestrictedCrossentropy(reduction="sum", name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert type(again) is RestrictedCrossentropy


def restricted_model(n_features=20, n_classes=20):
    x, allowed = keras.Input((n_features,)), keras.Input((n_classes,), dtype="bool")
    hidden = keras.layers.Dense(16, activation="relu")(x)
    logits = RestrictLogits()([keras.layers.Dense(n_classes)(hidden), allowed])
    model = keras.Model([x, allowed], logits)
    model.compile("adam", RestrictedCrossentropy(), metrics=["accuracy"])
    return model


def test_layer_and_loss_work_in_model_fit(tmp_path):
    X, y, allowed = make_restricted_classification(200, random_state=0)
    keras.utils.set_random_seed(0)
    model = restricted_model()
    history = model.fit([X, allowed], y, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] < np.log(5) * 2
    logits = model.predict([X, allowed], verbose=0)
    assert (logits[~allowed] == -np.inf).all()

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict([X, allowed], verbose=0), logits)
    assert type(again.loss) is RestrictedCrossentropy


def test_layer_keeps_shape_and_dtype():
    layer = RestrictLogits()
    assert layer.compute_output_shape([(None, 4), (None, 4)]) == (None, 4)
    assert type(layer).from_config(layer.get_config()).name == layer.name
    out = layer([np.ones((2, 3), np.float32), np.array([[1, 0, 1], [0, 0, 1]])])
    np.testing.assert_array_equal(out, [[1, -np.inf, 1], [-np.inf, -np.inf, 1]])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:scikeras")
@pytest.mark.filterwarnings("ignore::FutureWarning:scikeras")
def test_layer_and_loss_work_inside_scikeras():
    from scikeras.wrappers import KerasClassifier

    X, y, allowed = make_restricted_classification(120, 5, 4, 2, random_state=0)

    def model():  # SciKeras hands over one array: the mask stands behind the features
        both = keras.Input((9,))
        hidden = keras.layers.Dense(8, activation="relu")(both[:, :5])
        logits = RestrictLogits()([keras.layers.Dense(4)(hidden), both[:, 5:]])
        return keras.Model(both, keras.layers.Softmax()(logits))

    def log_loss(y_true, y_pred):  # RestrictedCrossentropy on log-probabilities
        return restricted_crossentropy(y_true, keras.ops.log(y_pred))

    for loss in (log_loss, RestrictedCrossentropy()):
        clf = KerasClassifier(
            model=model, loss=loss, optimizer="adam", epochs=3, verbose=0, random_state=0
        )
        both = np.c_[X, allowed].astype(np.float32)
        proba = clf.fit(both, y).predict_proba(both)
        assert (proba[~allowed] == 0).all()


# Label smoothing.


def smoothed(shares, allowed, share):
    return (1 - share) * shares + share * allowed / allowed.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_label_smoothing_spreads_over_the_allowed(batch, share):
    y, logits, allowed = batch
    restricted = np.where(allowed, logits.astype(np.float64), -np.inf)
    log_proba = restricted - logsumexp(restricted, axis=1, keepdims=True)
    target = smoothed(np.eye(5)[y], allowed, share)
    expected = -(target * np.where(allowed, log_proba, 0)).sum(axis=1)
    loss = restricted_crossentropy(y, logits, allowed, label_smoothing=share)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


def test_label_smoothing_has_the_gradient_of_smoothed_shares(batch):
    y, logits, allowed = batch
    target = smoothed(np.eye(5)[y], allowed, 0.3)
    gradient = gradient_of(
        lambda z: restricted_crossentropy(y, z, allowed, label_smoothing=0.3), logits
    )
    expected = gradient_of(lambda z: restricted_crossentropy(target, z, allowed), logits)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert (gradient[~allowed] == 0).all()


def test_label_smoothing_equals_keras_without_a_mask(batch):
    y, logits, _ = batch
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.25)
    ours = RestrictedCrossentropy(label_smoothing=0.25)(y, logits)
    np.testing.assert_allclose(ours, theirs(np.eye(5)[y], logits), rtol=1e-5)


def test_label_smoothing_leaves_a_row_of_one_class_without_loss(batch):
    y, logits, _ = batch
    loss = restricted_crossentropy(y, logits, np.eye(5)[y], label_smoothing=0.5)
    np.testing.assert_allclose(loss, 0, atol=1e-5)


def test_label_smoothing_is_serialised():
    loss = RestrictedCrossentropy(label_smoothing=0.25)
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert restored.label_smoothing == 0.25


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_label_smoothing_out_of_range_in_keras(share):
    with pytest.raises(ValueError, match="label_smoothing must be 0 or more and below 1; got"):
        RestrictedCrossentropy(label_smoothing=share)
