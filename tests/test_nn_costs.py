"""Losses and metrics with a cost matrix: the formulas, in Keras models, inside SciKeras."""

import keras
import numpy as np
import pytest

from skmask.datasets import make_cost_sensitive_classification
from skmask.nn.losses import (
    CostWeightedCrossentropy,
    ExpectedCost,
    cost_weighted_crossentropy,
    expected_cost,
)
from skmask.nn.metrics import CostWeightedAccuracy

COSTS = np.array([[1.0, 2, 3], [8, 0.5, 1], [4, 6, 0]])


@pytest.fixture
def batch(rng):
    logits = rng.normal(size=(40, 3))
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rng.integers(3, size=40), logits.astype(np.float32), proba


def crossentropy(y, proba):
    return -np.log(proba[np.arange(len(y)), y])


def as_target(y, kind):
    return {"integers": y, "column": y[:, np.newaxis], "one-hot": np.eye(3)[y]}[kind]


KINDS = ["integers", "column", "one-hot"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("from_logits", [True, False])
def test_cost_weighted_crossentropy_equals_the_formula(batch, kind, from_logits):
    y, logits, proba = batch
    loss = CostWeightedCrossentropy(COSTS, from_logits=from_logits, reduction="none")
    found = loss(as_target(y, kind), logits if from_logits else proba)
    expected = crossentropy(y, proba) * COSTS[y, proba.argmax(axis=1)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_expected_cost_equals_the_formula(batch, kind):
    y, logits, proba = batch
    loss = ExpectedCost(COSTS - 3, crossentropy=0.5, reduction="none")
    found = loss(as_target(y, kind), proba)
    expected = (proba * (COSTS - 3)[y]).sum(axis=1) + 0.5 * crossentropy(y, proba)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        expected_cost(y, logits, COSTS - 3, crossentropy=0.5), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("function", [expected_cost, cost_weighted_crossentropy])
def test_costs_by_row_equal_the_matrix(batch, function):
    y, logits, _ = batch
    np.testing.assert_array_equal(
        function(y, logits, costs=COSTS[y]), function(y, logits, cost_matrix=COSTS)
    )


@pytest.mark.parametrize("function", [expected_cost, cost_weighted_crossentropy])
@pytest.mark.parametrize("scale", [1, 1e4])
def test_mask_leaves_losses_and_gradients_finite(batch, rng, function, scale):
    import tensorflow as tf

    y, logits, _ = batch
    allowed = rng.random((40, 3)) < 0.5
    allowed[np.arange(40), y] = True
    logits = tf.constant(logits * np.float32(scale))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = function(y, logits, COSTS, allowed=allowed)
    gradient = tape.gradient(losses, logits).numpy()
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    assert (gradient[~allowed] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_cost_weighted_accuracy_equals_the_formula(batch, rng, kind):
    y, _, proba = batch
    weight = rng.uniform(size=40)
    metric = CostWeightedAccuracy(COSTS)
    for part in (slice(0, 13), slice(13, 40)):
        metric.update_state(as_target(y, kind)[part], proba[part], weight[part])
    predicted = proba.argmax(axis=1)
    by_cost = COSTS[y, predicted] * weight
    expected = (by_cost * (predicted == y)).sum() / by_cost.sum()
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_matrix_of_ones_gives_the_plain_loss_and_accuracy(batch):
    y, _, proba = batch
    ones = np.ones((3, 3))
    plain = keras.losses.SparseCategoricalCrossentropy()(y, proba)
    assert float(CostWeightedCrossentropy(ones)(y, proba)) == pytest.approx(float(plain), rel=1e-5)
    metric = CostWeightedAccuracy(ones)
    assert float(metric(y, proba)) == pytest.approx((proba.argmax(axis=1) == y).mean())


@pytest.mark.parametrize(
    "made",
    [
        CostWeightedCrossentropy(COSTS, from_logits=True, reduction="sum"),
        ExpectedCost(COSTS, crossentropy=0.25),
        CostWeightedAccuracy(COSTS, name="mine"),
    ],
    ids=lambda made: made.name,
)
def test_serialisation(made):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()


def compiled(loss):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", loss, metrics=[CostWeightedAccuracy(COSTS)])
    return model


@pytest.mark.parametrize("Loss", [CostWeightedCrossentropy, ExpectedCost])
@pytest.mark.parametrize("kind", ["integers", "one-hot"])
def test_loss_and_metric_work_in_model_fit(Loss, kind, tmp_path):
    X, y, _ = make_cost_sensitive_classification(200, 5, random_state=0)
    keras.utils.set_random_seed(0)
    model = compiled(Loss(COSTS))
    history = model.fit(X, as_target(y, kind), epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert 0 < history["cost_weighted_accuracy"][-1] < 1
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.evaluate(X, as_target(y, kind), verbose=0) == pytest.approx(
        model.evaluate(X, as_target(y, kind), verbose=0)
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning:scikeras")
@pytest.mark.filterwarnings("ignore::FutureWarning:scikeras")
def test_loss_and_metric_work_inside_scikeras():
    from scikeras.wrappers import KerasClassifier

    X, y, _ = make_cost_sensitive_classification(120, 5, random_state=0)
    clf = KerasClassifier(
        model=lambda: compiled(CostWeightedCrossentropy(COSTS)), epochs=3, verbose=0, random_state=0
    )
    assert set(clf.fit(X, y).predict(X)) <= {0, 1, 2}
    assert "cost_weighted_accuracy" in clf.history_


@pytest.mark.parametrize("Made", [CostWeightedCrossentropy, ExpectedCost, CostWeightedAccuracy])
@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (np.ones((2, 3)), r"cost_matrix must be square, .* got shape \(2, 3\)"),
        (np.ones(3), r"cost_matrix must be square, .* got shape \(3,\)"),
        (3.0, r"cost_matrix must be square"),
        ([[0, np.nan], [1, 0]], "cost_matrix must hold finite numbers"),
        ([[0, np.inf], [1, 0]], "cost_matrix must hold finite numbers"),
    ],
)
def test_bad_cost_matrix(Made, costs, message):
    with pytest.raises(ValueError, match=message):
        Made(costs)


@pytest.mark.parametrize("Made", [CostWeightedCrossentropy, CostWeightedAccuracy])
def test_negative_costs_are_refused_as_weights(Made):
    with pytest.raises(ValueError, match="cost_matrix must not hold negative costs where they"):
        Made([[0, -1], [1, 0]])
    ExpectedCost([[0, -1], [1, 0]])


@pytest.mark.parametrize("function", [expected_cost, cost_weighted_crossentropy])
def test_label_smoothing_acts_on_the_crossentropy_alone(batch, function):
    y, logits, proba = batch
    target = 0.7 * np.eye(3)[y] + 0.1
    entropy = -(target * np.log(proba)).sum(axis=1)
    expected = COSTS[y, proba.argmax(axis=1)] * entropy
    if function is expected_cost:
        expected = (proba * COSTS[y]).sum(axis=1) + entropy
    found = function(y, logits, COSTS, label_smoothing=0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_costs_are_expected_over_shares(batch):
    y, logits, proba = batch
    shares = 0.8 * np.eye(3)[y] + 0.2 / 3
    entropy = -(shares * np.log(proba)).sum(axis=1)
    expected = (proba * (shares @ COSTS)).sum(axis=1) + entropy
    np.testing.assert_allclose(expected_cost(shares, logits, COSTS), expected, rtol=1e-5, atol=1e-5)
