"""TabM: its forward pass by hand, the loss of each member, and the life of an estimator with it."""

import copy
import pickle
import warnings

import keras
import numpy as np
import pytest
import skops.io
from scipy import sparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import skmask
from skmask import (
    CostSensitiveClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.datasets import make_restricted_classification
from skmask.engine.tensorflow import graph_of
from skmask.engine.tensorflow._members import members_of
from skmask.estimators import record_of
from skmask.networks import MLP, Network, Signature, TabM
from skmask.nn.layers import (
    MemberDense,
    MemberDropout,
    MemberHeads,
    MemberMean,
    MemberScale,
)

SIGNATURE = Signature((5,), 3)
LABELS = Signature((5,), 3, are_labels=True)
SMALL = {"hidden_layer_sizes": (6, 4), "n_members": 3, "dropout": 0.0}


def drawn(network, signature=SIGNATURE):
    rng = np.random.default_rng(1)
    return [rng.normal(size=weight.shape) for weight in network.weights(signature)]


def rows(n_rows=7):
    return np.random.default_rng(0).normal(size=(n_rows, 5))


@pytest.fixture(scope="module")
def restricted():
    return make_restricted_classification(90, 5, 4, 2, random_state=0)


def make(kind=RestrictedClassClassifier, network=None, **settings):
    defaults = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01, "random_state": 0}
    network = TabM(**SMALL) if network is None else network
    return kind(network=network, **{**defaults, **settings})


# The forward pass.


def relu(x):
    return np.maximum(x, 0)


def test_members_scale_what_goes_in_and_out_of_each_layer():
    network, X = TabM(**SMALL), rows()
    r1, W1, s1, b1, r2, W2, s2, b2, W3, b3 = weights = drawn(network)
    found = network.member_logits(weights, X, SIGNATURE)
    for k in range(3):
        hidden = relu(((X * r1[k]) @ W1) * s1[k] + b1[k])
        hidden = relu(((hidden * r2[k]) @ W2) * s2[k] + b2[k])
        np.testing.assert_allclose(found[:, k], hidden @ W3[k] + b3[k])


def test_members_with_the_first_adapter_share_all_but_that_and_the_head():
    network, X = TabM(**SMALL, adapters="first"), rows()
    r, W1, b1, W2, b2, W3, b3 = weights = drawn(network)
    found = network.member_logits(weights, X, SIGNATURE)
    for k in range(3):
        hidden = relu(relu((X * r[k]) @ W1 + b1) @ W2 + b2)
        np.testing.assert_allclose(found[:, k], hidden @ W3[k] + b3[k])


def test_members_without_hidden_layers_are_linear():
    network, X = TabM((), n_members=2), rows()
    r, W, b = weights = drawn(network)
    found = network.member_logits(weights, X, SIGNATURE)
    for k in range(2):
        np.testing.assert_allclose(found[:, k], (X * r[k]) @ W[k] + b[k])


def test_probabilities_of_classes_are_means_of_those_of_members():
    network, X = TabM(**SMALL), rows()
    weights = drawn(network)
    of_members = softmax(network.member_logits(weights, X, SIGNATURE), axis=-1)
    found = np.exp(network.forward(weights, X, SIGNATURE))
    np.testing.assert_allclose(found, of_members.mean(axis=1))


def test_probabilities_of_labels_are_means_of_those_of_members():
    network, X = TabM(**SMALL), rows()
    weights = drawn(network)
    of_members = expit(network.member_logits(weights, X, LABELS))
    found = expit(network.forward(weights, X, LABELS))
    np.testing.assert_allclose(found, of_members.mean(axis=1))


@pytest.mark.parametrize("signature", [SIGNATURE, LABELS], ids=["classes", "labels"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_any_size_stay_finite(signature, dtype):
    network = TabM(**SMALL)
    weights = [(100 * weight).astype(dtype) for weight in drawn(network)]
    assert np.isfinite(network.forward(weights, rows().astype(dtype), signature)).all()


def test_one_member_that_scales_nothing_is_the_shared_network():
    network, mlp = TabM((6, 4), n_members=1, adapters="first"), MLP((6, 4))
    weights = drawn(mlp)
    of_member = [np.ones((1, 5)), *weights[:-2], weights[-2][None], weights[-1][None]]
    found = network.forward(of_member, rows(), SIGNATURE)
    np.testing.assert_allclose(found, log_softmax(mlp.forward(weights, rows(), SIGNATURE), axis=1))


def test_sparse_rows_have_the_logits_of_dense_ones():
    network, X = TabM(**SMALL), np.maximum(rows(), 0)
    weights = drawn(network)
    found = network.forward(weights, sparse.csr_array(X), SIGNATURE)
    np.testing.assert_allclose(found, network.forward(weights, X, SIGNATURE))


def test_numbers_per_row_are_those_of_all_members():
    assert TabM((6, 4), n_members=3).numbers_per_row(SIGNATURE) == 18
    assert TabM((6, 4), n_members=3).numbers_per_row(Signature((5,), 100)) == 300


def test_penalty_counts_the_kernels():
    network = TabM(**SMALL, alpha=0.25)
    assert network.penalty == 0.25
    counted = {weight.name for weight in network.weights(SIGNATURE) if weight.is_penalised}
    assert counted == {"kernel"}


# How members start.


def test_members_start_apart_by_random_signs():
    start = graph_of(TabM((8,), n_members=64), SIGNATURE, "float32").starting_weights(0)
    assert set(np.unique(start[0])) == {-1.0, 1.0}
    assert 0.4 < (start[0] > 0).mean() < 0.6
    np.testing.assert_array_equal(start[2], np.ones((64, 8)))


def test_members_start_with_the_kernels_of_a_dense_layer():
    start = graph_of(TabM((8,), n_members=64), SIGNATURE, "float32").starting_weights(0)
    for kernel, fan in ((start[1], 5 + 8), (start[-2], 8 + 3)):
        limit = np.sqrt(6 / fan)  # Glorot's
        assert 0.9 * limit < np.abs(kernel).max() <= limit
    assert len({head.tobytes() for head in start[-2]}) == 64


def test_same_seed_starts_the_same():
    one, other = (graph_of(TabM(**SMALL), SIGNATURE, "float32") for _ in range(2))
    for first, second in zip(one.starting_weights(3), other.starting_weights(3), strict=True):
        np.testing.assert_array_equal(first, second)


# Training: each member has a loss.


def of_members(clf, X):
    """Return the logits of each member of a fitted estimator, float64."""
    fit = record_of(clf)
    weights = [weight.astype(float) for weight in fit.learnt_weights]
    return fit.network.member_logits(weights, X, fit.signature)


def loss_of_the_next_epoch(clf, *arguments, **metadata):
    """Return the loss that one more epoch reports, all rows in one batch: that of now."""
    again = copy.copy(clf)
    again.set_params(warm_start=True, epochs=1).fit(*arguments, **metadata)
    return again.history_["loss"][-1]


def test_loss_is_the_mean_of_the_members_losses(restricted):
    X, y, allowed = restricted
    weight = np.arange(90.0) % 4
    clf = make(batch_size=90).fit(X, y, sample_weight=weight, allowed=allowed)
    logits = np.where(allowed[:, np.newaxis], of_members(clf, X), -np.inf)
    losses = -log_softmax(logits, axis=-1)[np.arange(90), :, y]
    expected = np.average(losses.mean(axis=1), weights=weight)
    found = loss_of_the_next_epoch(clf, X, y, sample_weight=weight, allowed=allowed)
    assert found == pytest.approx(expected, rel=1e-6)


def test_loss_has_the_costs_of_rows_for_each_member(restricted):
    X, y, _ = restricted
    costs = np.random.default_rng(0).random((90, 4))
    clf = make(CostSensitiveClassifier, batch_size=90, loss="weighted_crossentropy")
    clf.fit(X, y, costs=costs)
    logits = of_members(clf, X)
    of_error = -log_softmax(logits, axis=-1)[np.arange(90), :, y]
    cost = np.take_along_axis(costs, logits.argmax(axis=-1), axis=1)
    found = loss_of_the_next_epoch(clf, X, y, costs=costs)
    plain = loss_of_the_next_epoch(clf, X, y, costs=np.ones((90, 4)))
    size = costs[~np.eye(4, dtype=bool)[y]].mean()  # of the costs of errors, which are scaled by it
    ratio = (of_error * cost).mean() / of_error.mean() / size
    assert found / plain == pytest.approx(ratio, rel=1e-5)


def test_loss_of_labels_is_the_mean_over_members_and_known_labels():
    X = rows(60)
    Y = (np.random.default_rng(1).random((60, 3)) < 0.4).astype(float)
    Y[::7, 1] = np.nan
    clf = make(WeightedMultilabelClassifier, batch_size=60, pos_weight=2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        clf.fit(X, Y)
        found = loss_of_the_next_epoch(clf, X, Y)
    logits, Y = of_members(clf, X), Y[:, np.newaxis]
    losses = -2 * Y * log_expit(logits) - (1 - Y) * log_expit(-logits)
    assert found == pytest.approx(np.nanmean(losses), rel=1e-6)


def test_step_follows_the_gradient_of_the_mean_of_losses(restricted):
    import tensorflow as tf

    X, y, _ = restricted
    clf = make(optimizer="sgd", learning_rate=0.5, batch_size=90, dtype="float64").fit(X, y)
    model = clf.model_
    members = keras.Model(model.inputs[0], model.layers[-1].input)
    with tf.GradientTape() as tape:
        logits = members(X)
        by_row = keras.ops.repeat(y[:, np.newaxis], 3, axis=1)
        losses = keras.losses.sparse_categorical_crossentropy(by_row, logits, from_logits=True)
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, [variable.value for variable in model.variables])
    expected = [v - 0.5 * g for v, g in zip(model.get_weights(), gradients, strict=True)]
    clf.partial_fit(X, y)
    for found, weight in zip(record_of(clf).learnt_weights, expected, strict=True):
        np.testing.assert_allclose(found, weight, atol=1e-7)


def test_loss_of_validation_rows_is_that_of_the_prediction(restricted):
    X, y, _ = restricted
    clf = make().fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    expected = log_loss(y[60:], clf.predict_proba(X[60:]), labels=clf.classes_)
    assert clf.history_["val_loss"][-1] == pytest.approx(expected, rel=1e-5)


def test_network_of_ones_own_that_ends_in_the_mean_is_trained_by_member(restricted):
    def network(inputs, n_outputs):
        hidden = MemberScale(3, "signs")(inputs)
        hidden = keras.layers.Activation("relu")(MemberDense(6)(hidden))
        return MemberMean()(MemberHeads(n_outputs)(hidden))

    X, y, _ = restricted
    settings = {"optimizer": "sgd", "batch_size": 90, "dtype": "float64"}
    described = make(network=TabM((6,), n_members=3, dropout=0), **settings).fit(X, y)
    own = make(network=network, **settings).fit(X, y)
    np.testing.assert_allclose(own.history_["loss"], described.history_["loss"])


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_keras_model_that_ends_in_the_mean_is_trained_by_member(kind, restricted):
    layers = [MemberScale(3, "signs"), MemberDense(6), MemberHeads(4), MemberMean()]
    model = keras.Sequential([keras.Input((5,)), *layers])
    X, y, _ = restricted
    logits = X.astype("float32")
    for layer in layers[:-1]:
        logits = layer(logits)
    if kind == "functional":
        outputs = inputs = keras.Input((5,))
        for layer in layers:
            outputs = layer(outputs)
        model = keras.Model(inputs, outputs)
    expected = -log_softmax(np.asarray(logits), axis=-1)[np.arange(90), :, y].mean()
    clf = make(network=model, optimizer="sgd", batch_size=90, dtype="float32").fit(X, y)
    assert clf.history_["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_dropout_acts_on_each_member_anew(restricted):
    X, y, _ = restricted
    network = TabM((6,), n_members=4, dropout=0.5)
    first, second = (make(network=network, random_state=0).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    without = make(network=TabM((6,), n_members=4, dropout=0)).fit(X, y)
    assert not np.allclose(first.predict_proba(X), without.predict_proba(X))


# Masks.


def test_probability_under_a_mask_is_that_of_all_members_together(restricted):
    X, y, allowed = restricted
    clf = make().fit(X, y, allowed=allowed)
    proba = softmax(of_members(clf, X), axis=-1) * allowed[:, np.newaxis]
    expected = proba.sum(axis=1) / proba.sum(axis=(1, 2))[:, np.newaxis]
    found = clf.predict_proba(X, allowed=allowed)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (found[~allowed] == 0).all()


def test_sparse_mask_of_many_classes_is_that_of_a_dense_one():
    X, rng = rows(40), np.random.default_rng(0)
    y = np.arange(40) * 15
    mask = np.zeros((40, 600), bool)
    mask[np.arange(40), y] = mask[np.arange(40), rng.integers(600, size=40)] = True
    dense, few = (
        make(classes=np.arange(600)).fit(X, y, allowed=kind(mask))
        for kind in (np.asarray, sparse.csr_array)
    )
    found = few.predict_proba(X, allowed=sparse.csr_array(mask))
    np.testing.assert_allclose(found, dense.predict_proba(X, allowed=mask), atol=1e-6)
    np.testing.assert_array_equal(
        few.predict(X, allowed=sparse.csr_array(mask)), dense.predict(X, allowed=mask)
    )


def test_soft_targets_are_what_a_row_for_each_class_is(restricted):
    X, y, _ = restricted
    settings = {"optimizer": "sgd", "dtype": "float64", "classes": range(4)}
    shares = 0.75 * np.eye(4)[y] + 0.25 * np.eye(4)[(y + 1) % 4]
    soft = make(batch_size=90, **settings).fit(X, shares)
    twice = make(batch_size=180, **settings).fit(
        np.vstack([X, X]), np.r_[y, (y + 1) % 4], sample_weight=np.repeat([0.75, 0.25], 90)
    )
    np.testing.assert_allclose(soft.predict_proba(X), twice.predict_proba(X), atol=1e-9)


# The life of an estimator.


def fitted_kinds():
    X, y, allowed = make_restricted_classification(90, 5, 4, 2, random_state=0)
    yield make().fit(X, y, allowed=allowed), X, {"allowed": allowed}
    costs = np.arange(16.0).reshape(4, 4)
    yield make(CostSensitiveClassifier, cost_matrix=costs).fit(X, y), X, {}
    Y = np.c_[X[:, 0] > 0, X[:, 1] > 1].astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield make(WeightedMultilabelClassifier, threshold="tuned").fit(X, Y), X, {}


@pytest.fixture(scope="module", params=range(3), ids=["restricted", "costs", "labels"])
def fitted(request):
    return list(fitted_kinds())[request.param]


def test_keras_model_has_the_logits_of_the_prediction(fitted):
    clf, X, _ = fitted
    fit = record_of(clf)
    found = fit.predictor(X.astype(np.float32))
    np.testing.assert_allclose(clf.model_(X.astype(np.float32)), found, atol=1e-5)


# Of older versions of Keras, whose loaded models have a list of inputs.
@pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match:UserWarning")
def test_keras_model_is_saved_and_loaded(fitted, tmp_path):
    clf, X, _ = fitted
    model = clf.model_
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(X.astype("float32")), model(X.astype("float32")), atol=1e-6)


def test_stored_estimator_answers_the_same(fitted):
    clf, X, masks = fitted
    expected = clf.predict_proba(X, **masks)
    by_skops = skops.io.loads(skops.io.dumps(clf), trusted=skmask.TRUSTED_TYPES)
    for again in (pickle.loads(pickle.dumps(clf)), by_skops):
        np.testing.assert_array_equal(again.predict_proba(X, **masks), expected)


def test_record_of_the_format_before_has_classes(restricted):
    X, y, _ = restricted
    clf = make().fit(X, y)
    state = clf.__getstate__()
    state["fitted"] = {k: v for k, v in state["fitted"].items() if k != "are_labels"}
    again = clone(clf)
    again.__setstate__({**state, "fitted": state["fitted"] | {"format": 1}})
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_training_goes_on_where_it_ended(restricted):
    X, y, _ = restricted
    together = make(epochs=4).fit(X, y)
    by_parts = make(epochs=2).fit(X, y)
    for _ in range(2):
        by_parts.partial_fit(X, y)
    np.testing.assert_allclose(by_parts.predict_proba(X), together.predict_proba(X), atol=1e-5)


def test_early_stopping_ends_with_the_best_epoch(restricted):
    X, y, _ = restricted
    clf = make(epochs=30, early_stopping=True, n_iter_no_change=3, learning_rate=0.1).fit(X, y)
    assert clf.n_iter_ == min(30, clf.best_epoch_ + 3)
    assert clf.history_["val_loss"][clf.best_epoch_ - 1] == min(clf.history_["val_loss"])


def test_warm_start_with_another_number_of_members_is_refused(restricted):
    X, y, _ = restricted
    clf = make(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="n_members must stay the same while training goes on"):
        clf.set_params(network__n_members=5).fit(X, y)


def test_parameters_are_searched(restricted):
    X, y, _ = restricted
    search = GridSearchCV(make(), {"network__n_members": [1, 2]}, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    assert isinstance(search.best_estimator_.network, Network)


def test_one_class_per_row_is_one_versus_rest(restricted):
    X, y, _ = restricted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        clf = make(WeightedMultilabelClassifier).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
@parametrize_with_checks(
    [
        kind(network=TabM((8,), n_members=4), learning_rate=0.02, epochs=30)
        for kind in (RestrictedClassClassifier, WeightedMultilabelClassifier)
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Layers.


@pytest.mark.parametrize(
    "layer",
    [
        MemberScale(3, "signs"),
        MemberDense(4),
        MemberDense(4, by_member=False),
        MemberDropout(0.5),
        MemberHeads(4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_say_the_shape_of_their_outputs(layer):
    x = np.ones((7, 3, 5), "float32")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert tuple(again(x).shape) == again.compute_output_shape(x.shape)


@pytest.mark.parametrize("rate", [0.1, 0.75])
def test_dropout_drops_its_share_of_each_member_by_itself(rate):
    x = np.ones((2000, 7, 20), "float32")
    found = np.asarray(MemberDropout(rate, seed=0)(x, training=True))
    np.testing.assert_allclose(np.unique(found), [0, 1 / (1 - rate)], rtol=1e-6)
    is_dropped = (found == 0).transpose(1, 0, 2).reshape(7, -1)
    np.testing.assert_allclose(is_dropped.mean(axis=1), rate, atol=0.01)
    between = np.corrcoef(is_dropped)[~np.eye(7, dtype=bool)]
    np.testing.assert_allclose(between, 0, atol=0.025)


def test_dropout_leaves_predictions_alone():
    x = rows()[:, np.newaxis].astype("float32")
    np.testing.assert_array_equal(MemberDropout(0.5)(x, training=False), x)


@pytest.mark.parametrize("are_labels", [False, True])
def test_mean_of_equal_members_is_each_of_them(are_labels):
    logits = log_softmax(rows(), axis=-1).astype("float32")
    layer = MemberMean.from_config(MemberMean(are_labels).get_config())
    found = layer(np.repeat(logits[:, np.newaxis], 3, axis=1))
    np.testing.assert_allclose(found, logits, atol=1e-6)
    assert tuple(found.shape) == layer.compute_output_shape((7, 3, 5))


def test_unknown_start_is_refused():
    with pytest.raises(ValueError, match=r"start must be 'signs' or 'ones'; got 'zeros'"):
        MemberScale(3, "zeros")


def test_mean_of_members_for_classes_is_refused_for_labels():
    def network(inputs, n_outputs):
        return MemberMean()(MemberHeads(n_outputs)(MemberScale(3, "signs")(inputs)))

    X, y = np.eye(6), np.arange(6) % 2
    clf = WeightedMultilabelClassifier(network=network, epochs=1)
    with pytest.raises(ValueError, match=r"network must end in MemberMean\(are_labels=True\)"):
        clf.fit(X, np.c_[y, 1 - y])


def test_members_are_those_of_the_output_that_is_used():
    inputs = keras.Input((4,))
    members = MemberScale(3, "signs")(inputs)
    first, second = (MemberMean()(MemberHeads(2, name=name)(members)) for name in "ab")
    two = keras.Model(inputs, [first, second])
    x = keras.Input((4,))
    model = keras.Model(x, two(x)[1])
    X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    logits = members_of(model).predict(X, verbose=0)
    expected = np.log(softmax(logits.astype(float), axis=2).mean(axis=1))
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, atol=1e-5)
