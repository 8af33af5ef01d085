"""Padded sequences in Keras models: the loss, the metric and the layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from skmask.nn.layers import MaskedGRU, MaskedLSTM, StepMasking, real_steps
from skmask.nn.losses import MaskedCrossentropy, masked_crossentropy
from skmask.nn.metrics import MaskedAccuracy, masked_accuracy
from skmask.nn.networks import encoder_decoder, tagger

N, T, K = 6, 5, 3


@pytest.fixture
def batch(rng):
    lengths = rng.integers(1, T + 1, size=N)
    valid = np.arange(T) < lengths[:, np.newaxis]
    return rng.integers(K, size=(N, T)), rng.normal(size=(N, T, K)).astype(np.float32), valid


def expected(y, logits, valid, weight=1.0):
    each = -np.take_along_axis(log_softmax(logits, axis=-1), y[..., np.newaxis], -1)[..., 0]
    return (each * valid * weight).sum() / valid.sum()


def proba(logits):
    return np.exp(log_softmax(logits, axis=-1))


@pytest.mark.parametrize(
    ("kind", "padding_label"), [("integers", -1), ("integers", K - 1), ("one-hot", K - 1)]
)
def test_mean_is_over_the_steps_that_the_label_leaves(batch, kind, padding_label):
    y, logits, valid = batch
    y = np.where(valid, y % 2, padding_label)  # the last class, or none, is padding
    target = y if kind == "integers" else (y[..., np.newaxis] == np.arange(K)).astype(float)
    found = MaskedCrossentropy(padding_label)(target, proba(logits))
    assert float(found) == pytest.approx(expected(np.maximum(y, 0), logits, valid), abs=1e-6)


def test_mask_and_label_may_come_together(batch, rng):
    y, logits, valid = batch
    also = rng.random((N, T)) < 0.7
    losses, counts = masked_crossentropy(np.where(also, y, -1), logits, valid, -1)
    total = expected(y, logits, valid & also)
    assert float(np.sum(losses) / np.sum(counts)) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_weights_by_sequence_and_by_step(batch, rng, by_step, reduction):
    y, logits, valid = batch
    weight = rng.uniform(size=(N, T) if by_step else N)
    each = weight if by_step else weight[:, np.newaxis]
    loss = MaskedCrossentropy(-1, from_logits=True, reduction=reduction)
    found = loss(np.where(valid, y, -1), logits, weight)
    mean = expected(y, logits, valid, each)
    total = mean * valid.sum()
    wanted = {
        "sum_over_batch_size": mean,
        "sum": total,
        "mean_with_sample_weight": total / (valid * each).sum(),
    }
    assert float(found) == pytest.approx(wanted[reduction], rel=1e-5)


def test_padding_further_changes_neither_loss_nor_gradient(batch):
    y, logits, valid = batch
    loss = MaskedCrossentropy(-1, from_logits=True)
    results = []
    for more in (0, T):
        target = np.pad(np.where(valid, y, -1), [(0, 0), (0, more)], constant_values=-1)
        garbage = np.pad(logits, [(0, 0), (0, more), (0, 0)], constant_values=np.nan)
        garbage[:, :T][~valid] = np.nan
        tensor = tf.constant(garbage)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = loss(target, tensor)
        results.append((float(value), tape.gradient(value, tensor).numpy()))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-6)
    np.testing.assert_allclose(results[0][1], results[1][1][:, :T], atol=1e-6)
    assert np.isfinite(results[1][1]).all()


def test_nothing_that_counts_is_no_loss(batch):
    y, logits, _ = batch
    assert float(MaskedCrossentropy(-1)(np.full_like(y, -1), proba(logits))) == 0


def test_serialisation():
    loss = MaskedCrossentropy(padding_label=2, from_logits=True, reduction="sum")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is MaskedCrossentropy
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("layers", ["Masking", "encoder-decoder"])
def test_loss_works_in_model_fit(rng, layers, tmp_path):
    X = rng.normal(size=(60, T, 2)).astype(np.float32)
    lengths = rng.integers(2, T + 1, size=60)
    valid = np.arange(T) < lengths[:, np.newaxis]
    X[~valid] = 0
    y = np.where(valid, (X[..., 0] > 0).astype(int), -1)
    inputs = keras.Input((T, 2))
    hidden = keras.layers.Masking()(inputs)
    if layers == "Masking":
        hidden, loss = keras.layers.LSTM(8, return_sequences=True)(hidden), MaskedCrossentropy()
    else:  # which loses the mask
        hidden = keras.layers.RepeatVector(T)(keras.layers.LSTM(8)(hidden))
        hidden = keras.layers.LSTM(8, return_sequences=True)(hidden)
        loss = MaskedCrossentropy(padding_label=-1)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
    model.compile("adam", loss)
    target = np.maximum(y, 0) if layers == "Masking" else y
    history = model.fit(X, target, epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]
    logits = np.log(model.predict(X, verbose=0))
    found = model.evaluate(X, target, verbose=0, batch_size=60)
    assert found == pytest.approx(expected(np.maximum(y, 0), logits, valid), abs=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(X, target, verbose=0, batch_size=60) == pytest.approx(found)


# The metric.


@pytest.mark.parametrize(("kind", "padding_label"), [("integers", -1), ("one-hot", K - 1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_is_over_the_steps_that_the_label_leaves(
    batch, rng, kind, padding_label, weighted
):
    y, logits, valid = batch
    y = np.where(valid, y % 2, padding_label)
    target = y if kind == "integers" else (y[..., np.newaxis] == np.arange(K)).astype(float)
    weight = rng.uniform(size=(N, T)) if weighted else np.ones((N, T))
    accuracy = MaskedAccuracy(padding_label)
    for half in (slice(0, 2), slice(2, N)):  # pooled, not a mean of means
        accuracy.update_state(target[half], logits[half], weight[half] if weighted else None)
    hits = logits.argmax(axis=2) == y
    assert float(accuracy.result()) == pytest.approx(np.average(hits, weights=weight * valid))


def test_accuracy_takes_masks_of_steps_and_of_classes(batch, rng):
    y, logits, valid = batch
    allowed = rng.random((N, T, K)) < 0.5
    hits, counts = masked_accuracy(y, logits, valid, allowed=allowed)
    predicted = np.where(allowed, logits, -np.inf).argmax(axis=2)
    np.testing.assert_array_equal(np.asarray(hits), valid & (predicted == y))
    np.testing.assert_array_equal(np.asarray(counts), valid)


def test_metric_works_in_model_fit_and_finds_the_mask(rng):
    X = np.where(rng.random((20, T, 1)) < 0.5, rng.normal(size=(20, T, 2)), np.nan)
    X[:, 0] = 1
    valid = ~np.isnan(X[..., 0])
    y = rng.integers(2, size=(20, T))
    inputs = keras.Input((T, 2))
    hidden = MaskedGRU(3, return_sequences=True)(StepMasking()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
    model.compile("adam", MaskedCrossentropy(), metrics=[MaskedAccuracy()])
    X = X.astype(np.float32)
    model.fit(X, y, verbose=0)
    proba = model.predict(X, verbose=0)
    loss, accuracy = model.evaluate(X, y, verbose=0, batch_size=20)
    assert accuracy == pytest.approx((proba.argmax(axis=2) == y)[valid].mean())
    assert loss == pytest.approx(expected(y, np.log(proba), valid), abs=1e-5)


def test_metric_serialises():
    again = keras.metrics.deserialize(keras.metrics.serialize(MaskedAccuracy(2)))
    assert again.padding_label == 2


# The layers.

CELLS = {
    "lstm": (MaskedLSTM, keras.layers.LSTM),
    "gru": (MaskedGRU, keras.layers.GRU),
}


@pytest.fixture
def sequences(rng):
    """Sequences with holes and ends of padding, and what is real."""
    mask = rng.random((N, 9)) < 0.7
    mask[:, 0], mask[:, 7:] = True, False
    return rng.normal(size=(N, 9, 2)).astype(np.float32), mask


def value_and_gradients(layer, X, mask, weight, **settings):
    X = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(X)
        states = layer(X, mask=None if mask is None else tf.constant(mask), **settings)
        total = tf.reduce_sum(tf.sin(states) * weight)
    variables = [variable.value for variable in layer.trainable_variables]
    return states.numpy(), tape.gradient(total, [X, *variables])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_layer_is_that_of_keras_with_its_gradient(
    sequences, rng, cell, reverse, return_sequences, training, masked
):
    X, mask = sequences
    ours, theirs = (
        make(4, return_sequences=return_sequences, **{way: reverse})
        for make, way in zip(CELLS[cell], ("reverse", "go_backwards"), strict=True)
    )
    for layer in (ours, theirs):
        layer.build(X.shape)
    theirs.set_weights([rng.normal(scale=0.5, size=w.shape) for w in ours.get_weights()])
    ours.set_weights(theirs.get_weights())
    mask = mask if masked else None
    shape = (N, 9, 4) if return_sequences else (N, 4)
    weight = rng.normal(size=shape).astype(np.float32)
    if return_sequences and masked:
        weight *= mask[..., np.newaxis]
    turned = weight[:, ::-1] if return_sequences and reverse else weight
    found = value_and_gradients(ours, X, mask, weight, training=training)
    wanted = value_and_gradients(theirs, X, mask, turned)
    states = wanted[0][:, ::-1] if return_sequences and reverse else wanted[0]
    counts = mask[..., np.newaxis] if return_sequences and masked else True
    np.testing.assert_allclose(found[0] * counts, states * counts, atol=5e-6)
    for gradient, of_keras in zip(found[1], wanted[1], strict=True):
        np.testing.assert_allclose(gradient, of_keras, atol=2e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("training", [False, True])
def test_garbage_in_padding_changes_neither_states_nor_gradients(sequences, rng, cell, training):
    X, mask = sequences
    layer = CELLS[cell][0](4)
    layer.build(X.shape)
    weight = rng.normal(size=(N, 4)).astype(np.float32)
    results = []
    for garbage in (0, np.nan, np.inf):
        spoilt = np.where(mask[..., np.newaxis], X, np.float32(garbage))
        results.append(value_and_gradients(layer, spoilt, mask, weight, training=training))
    for states, gradients in results[1:]:
        np.testing.assert_array_equal(states, results[0][0])
        for gradient, of_zeros in zip(gradients, results[0][1], strict=True):
            np.testing.assert_array_equal(gradient, of_zeros)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("training", [False, True])
def test_input_that_is_the_same_at_each_step(rng, cell, training):
    code = rng.normal(size=(N, 2)).astype(np.float32)
    once = CELLS[cell][0](4, return_sequences=True, n_steps=5)
    again = CELLS[cell][0](4, return_sequences=True)
    once.build(code.shape)
    again.build((N, 5, 2))
    again.set_weights(once.get_weights())
    repeated = np.repeat(code[:, np.newaxis], 5, axis=1)
    np.testing.assert_allclose(
        once(code, training=training), again(repeated, training=training), atol=1e-6
    )


def test_step_masking_by_nan_and_by_value():
    X = np.array([[[np.nan, np.nan], [0, 0], [1, np.nan], [5, 5]]], np.float32)
    assert np.asarray(real_steps(X)).tolist() == [[False, True, True, True]]
    assert np.asarray(real_steps(X, 5)).tolist() == [[True, True, True, False]]
    cleaned = StepMasking(5)(X)
    assert np.asarray(cleaned)[0, 3].tolist() == [0, 0]
    assert np.asarray(cleaned._keras_mask).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("cell", CELLS)
def test_network_gives_the_same_loss_and_gradients_with_twice_the_padding(sequences, rng, cell):
    X, mask = sequences
    X = np.where(mask[..., np.newaxis], X, np.nan)
    y = rng.integers(K, size=(N, 9))
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, tagger(inputs, K, units=(4, 3), cell=cell, bidirectional=True))
    results = []
    for more in (0, 9):
        padded = np.pad(X, [(0, 0), (0, more), (0, 0)], constant_values=np.nan)
        target = np.pad(np.where(mask, y, -1), [(0, 0), (0, more)], constant_values=-1)
        with tf.GradientTape() as tape:
            logits = model(padded, training=True)
            loss = MaskedCrossentropy(-1, from_logits=True)(target, logits)
        variables = [variable.value for variable in model.trainable_variables]
        results.append([loss, *tape.gradient(loss, variables)])
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


# Keras 3.10 finds a list of one input in the file where there was an input.
@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning")
@pytest.mark.parametrize("kind", ["tagger", "sequence", "encoder_decoder"])
def test_networks_are_stored_and_come_back(sequences, tmp_path, kind):
    X, mask = sequences
    X = np.where(mask[..., np.newaxis], X, np.nan).astype(np.float32)
    inputs = keras.Input((None, 2))
    settings = {"units": (4, 3), "bidirectional": True}
    if kind == "encoder_decoder":
        logits = encoder_decoder(inputs, K, n_steps=6, **settings)
    else:
        logits = tagger(inputs, K, return_sequences=kind == "tagger", **settings)
    model = keras.Model(inputs, logits)
    shapes = {"tagger": (N, 9, K), "sequence": (N, K), "encoder_decoder": (N, 6, K)}
    assert model(X).shape == shapes[kind]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(X), model(X))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:scikeras")
@pytest.mark.filterwarnings("ignore::FutureWarning:scikeras")
def test_layers_work_inside_scikeras(rng):
    from scikeras.wrappers import KerasClassifier

    X = rng.normal(size=(60, T, 2)).astype(np.float32)
    X[:30, 3:] = 0
    y = (X[:, 0, 0] > 0).astype(int)

    def made():
        inputs = keras.Input((T, 2))
        hidden = MaskedLSTM(4)(StepMasking(0)(inputs))
        model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
        model.compile("adam", "binary_crossentropy")
        return model

    clf = KerasClassifier(model=made, epochs=2, verbose=0, random_state=0).fit(X, y)
    assert set(clf.predict(X)) <= {0, 1}
