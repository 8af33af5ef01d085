"""The loss of padded sequences: the formula, masks, in Keras models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from skmask.nn.losses import MaskedCrossentropy, masked_crossentropy

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
