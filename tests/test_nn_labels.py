"""Losses and metrics of label matrices: the formulas, in Keras models, inside SciKeras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_expit

from skmask.nn.losses import (
    AsymmetricLoss,
    FocalLoss,
    WeightedBinaryCrossentropy,
    asymmetric_loss,
    focal_loss,
    weighted_binary_crossentropy,
)
from skmask.nn.metrics import LogitPrecision, LogitRecall

WEIGHTS = np.array([1.0, 3.0, 0.5, 20.0])
LOSSES = [
    WeightedBinaryCrossentropy(WEIGHTS),
    FocalLoss(gamma=1.5, pos_weight=WEIGHTS),
    AsymmetricLoss(pos_weight=WEIGHTS),
]


@pytest.fixture
def batch(rng):
    return rng.integers(2, size=(30, 4)).astype(float), rng.normal(size=(30, 4)) * 3


def asl(y, x, w=1.0, gamma_neg=4.0, gamma_pos=1.0, clip=0.05):
    p = expit(x)
    q = np.maximum(p - clip, 0)
    with np.errstate(divide="ignore"):
        negative = q**gamma_neg * (np.log(1 - q) if clip else log_expit(-x))
    return -w * y * (1 - p) ** gamma_pos * log_expit(x) - (1 - y) * negative


@pytest.mark.parametrize("weight", [1.0, 0.1, 30.0])
def test_weighted_binary_crossentropy_equals_tensorflows(weight):
    logits = np.tile(np.linspace(-100, 100, 401, dtype=np.float32), (2, 1))
    y = np.array([[0.0], [1.0]], np.float32) * np.ones((1, 401), np.float32)
    expected = tf.nn.weighted_cross_entropy_with_logits(y, logits, weight).numpy()
    found = np.asarray(weighted_binary_crossentropy(y, logits, weight))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_focal_and_asymmetric_loss_equal_the_formulas(batch):
    y, x = batch
    for found, expected in [
        (asymmetric_loss(y, x.astype("float32")), asl(y, x)),
        (
            asymmetric_loss(y, x.astype("float32"), WEIGHTS, 2.0, 0.0, 0.2),
            asl(y, x, WEIGHTS, 2, 0, 0.2),
        ),
        (focal_loss(y, x.astype("float32"), WEIGHTS), asl(y, x, WEIGHTS, 2, 2, 0.0)),
        (focal_loss(y, x.astype("float32"), gamma=0.5), asl(y, x, 1, 0.5, 0.5, 0.0)),
        (
            focal_loss(y, x.astype("float32"), WEIGHTS, 0.0),
            weighted_binary_crossentropy(y, x, WEIGHTS),
        ),
    ]:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_losses_and_gradients_are_finite_for_any_logits(loss):
    logits = tf.constant(
        np.tile([-1e4, -100, -1, 0, 1, 100, 1e4], (3, 1)).T[:, :, None], tf.float32
    )
    logits = tf.tile(logits, [1, 1, 4])[:, 0]
    for y in (0.0, 1.0, np.nan):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(np.full((7, 4), y, np.float32), logits)
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, logits)).all()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("by_entry", [False, True, None])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]
)
def test_weights_and_unknown_targets(batch, rng, loss, by_entry, reduction):
    y, logits = batch
    logits = logits.astype(np.float32)
    plain = np.asarray(loss.call(y, logits), dtype=np.float64)
    is_known = rng.random(y.shape) < 0.7
    weight = {None: None, False: rng.uniform(size=30), True: rng.uniform(size=(30, 4))}[by_entry]
    of_entry = is_known * (1.0 if weight is None else weight.reshape(30, -1))
    reducing = type(loss).from_config({**loss.get_config(), "reduction": reduction})
    found = reducing(np.where(is_known, y, np.nan), logits, weight)
    total = (plain * of_entry).sum()
    expected = {
        "none": plain * of_entry,
        "sum": total,
        "sum_over_batch_size": total / is_known.sum(),
        "mean_with_sample_weight": total / of_entry.sum(),
    }[reduction]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("Metric", [LogitRecall, LogitPrecision])
@pytest.mark.parametrize("threshold", [0.5, 0.2])
@pytest.mark.parametrize("by_entry", [False, True, None])
def test_metrics_equal_the_formulas(batch, rng, Metric, threshold, by_entry):
    y, logits = batch
    is_known = rng.random(y.shape) < 0.7
    weight = {None: None, False: rng.uniform(size=30), True: rng.uniform(size=(30, 4))}[by_entry]
    of_entry = is_known * (1.0 if weight is None else weight.reshape(30, -1))
    metric = Metric(threshold)
    for part in (slice(0, 11), slice(11, 30)):
        weights = None if weight is None else weight[part]
        metric.update_state(np.where(is_known, y, np.nan)[part], logits[part], weights)
    predicted = expit(logits) > threshold
    among = y == 1 if Metric is LogitRecall else predicted
    expected = (of_entry * (predicted & (y == 1))).sum() / (of_entry * among).sum()
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0


@pytest.mark.parametrize(
    "made", [*LOSSES, LogitRecall(0.3), LogitPrecision(name="mine")], ids=lambda made: made.name
)
def test_serialisation(made):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()


def compiled(loss, n_features=5):
    model = keras.Sequential([keras.Input((n_features,)), keras.layers.Dense(4)])
    model.compile("adam", loss, metrics=[LogitRecall(), LogitPrecision()])
    return model


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("by_entry", [False, True])
def test_losses_and_metrics_work_in_model_fit(rng, loss, by_entry, tmp_path):
    X = rng.normal(size=(100, 5))
    Y = np.where(rng.random((100, 4)) < 0.2, np.nan, X[:, :4] > 0)
    weight = rng.uniform(size=(100, 4) if by_entry else 100)
    keras.utils.set_random_seed(0)
    model = compiled(loss)
    history = model.fit(X, Y, sample_weight=weight, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert 0 < history["recall"][-1] <= 1
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:scikeras")
@pytest.mark.filterwarnings("ignore::FutureWarning:scikeras")
def test_losses_and_metrics_work_inside_scikeras(rng):
    from scikeras.wrappers import KerasClassifier

    X = rng.normal(size=(100, 5))
    Y = (X[:, :4] > 0).astype(int)
    clf = KerasClassifier(
        model=lambda: compiled(WeightedBinaryCrossentropy(3.0)), epochs=3, verbose=0, random_state=0
    )
    assert clf.fit(X, Y).predict(X).shape == (100, 4)
    assert "recall" in clf.history_


@pytest.mark.parametrize("Loss", [WeightedBinaryCrossentropy, FocalLoss, AsymmetricLoss])
@pytest.mark.parametrize("weight", [-1.0, [1.0, -1.0], np.nan, [1.0, np.inf], [[1.0]]])
def test_bad_pos_weight(Loss, weight):
    with pytest.raises(ValueError, match="pos_weight must be a finite number of 0 or more, or one"):
        Loss(pos_weight=weight)


@pytest.mark.parametrize("Metric", [LogitRecall, LogitPrecision])
@pytest.mark.parametrize("threshold", [0, 1, -0.1, 2.0])
def test_bad_threshold(Metric, threshold):
    with pytest.raises(ValueError, match="threshold must be a probability between 0 and 1; got"):
        Metric(threshold)
