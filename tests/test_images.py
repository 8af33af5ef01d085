"""Images, and other rows of more than one axis, through the life of the estimators."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score

from skmask import (
    CostSensitiveClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.engine.tensorflow import custom_network
from skmask.estimators import record_of
from skmask.estimators._reading import FLOATS, read_features
from skmask.metrics import make_cost_scorer
from skmask.networks import MLP, Convolutional, Recurrent

COSTS = np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0))) * [[1.0], [5.0], [2.0]]
SHAPES = pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (4, 8, 2)], ids=str)


@pytest.fixture(scope="module")
def images():
    """Ninety digits from 0 to 2, float32 of shape (90, 8, 8), and their labels."""
    X, y = load_digits(n_class=3, return_X_y=True)
    return (X[:90] / 16).astype(np.float32).reshape(-1, 8, 8), y[:90]


@pytest.fixture(scope="module")
def allowed(images):
    """A mask of two classes for each image."""
    return np.eye(3, dtype=bool)[images[1]] | np.eye(3, dtype=bool)[np.arange(90) % 3]


@pytest.fixture(scope="module")
def fitted(images):
    return make(epochs=15).fit(*images)


def make(kind=RestrictedClassClassifier, **settings):
    defaults = {"network": Convolutional((4,)), "learning_rate": 0.02, "epochs": 2}
    return kind(**{**defaults, "random_state": 0, **settings})


def own_network(inputs, n_outputs):
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    return keras.layers.Dense(n_outputs)(keras.layers.Flatten()(hidden))


def flat_network(inputs, n_outputs):
    return keras.layers.Dense(n_outputs)(keras.layers.Flatten()(inputs))


# What is learnt and predicted.


@SHAPES
def test_probabilities_are_those_of_the_keras_model(images, shape):
    X, y = images[0].reshape(-1, *shape), images[1]
    clf = make().fit(X, y)
    expected = softmax(np.asarray(clf.model_(X)), axis=1)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-6)
    np.testing.assert_array_equal(clf.predict(X), expected.argmax(axis=1))


def test_digits_are_learnt(images, fitted):
    assert fitted.score(*images) > 0.95


def test_one_channel_is_the_same_as_no_axis_of_channels(images, fitted):
    X, y = images
    with_axis = clone(fitted).fit(X[..., np.newaxis], y)
    np.testing.assert_array_equal(
        with_axis.predict_proba(X[..., np.newaxis]), fitted.predict_proba(X)
    )


def test_step_is_along_the_gradient_of_the_penalised_loss(images):
    X, y = images[0].astype(np.float64), images[1]
    network = Convolutional((2,), alpha=3.0, activation="tanh", hidden_layer_sizes=(4,))
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": 90, "dtype": "float64"}
    clf = make(network=network, **settings).fit(X, y)
    model = clf.model_
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(
            keras.losses.sparse_categorical_crossentropy(y, model(X), from_logits=True)
        )
        kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
        squares = sum(keras.ops.sum(keras.ops.square(kernel)) for kernel in kernels)
        loss = loss + 3.0 / 2 / 90 * squares
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    expected = [
        np.asarray(weight) - 0.5 * np.asarray(gradient)
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
    ]
    found = clf.partial_fit(X, y).model_.get_weights()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-10)


def test_row_alone_has_the_probabilities_that_it_has_among_many(images, fitted):
    X = np.tile(images[0], (40, 1, 1))  # more than one chunk
    together = fitted.predict_proba(X)
    alone = np.vstack([fitted.predict_proba(X[n : n + 1]) for n in range(90)])
    np.testing.assert_allclose(together, np.tile(alone, (40, 1)), atol=1e-6)


def test_same_seed_gives_the_same_bits(images, fitted):
    again = clone(fitted).fit(*images)
    np.testing.assert_array_equal(again.predict_proba(images[0]), fitted.predict_proba(images[0]))


@pytest.mark.parametrize("network", [own_network, "model"])
def test_network_of_ones_own_takes_images(images, network):
    X, y = images[0][..., np.newaxis], images[1]
    if network == "model":
        inputs = keras.Input((8, 8, 1))
        network = keras.Model(inputs, own_network(inputs, 3))
    clf = make(network=network, epochs=10).fit(X, y)
    assert clf.score(X, y) > 0.9
    expected = softmax(np.asarray(clf.model_(X)), axis=1)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-6)


def test_network_of_ones_own_takes_rows_of_four_axes(images):
    X, y = images[0].reshape(-1, 2, 4, 2, 4), images[1]
    clf = make(network=flat_network, epochs=15).fit(X, y)
    assert clf.score(X, y) > 0.9
    assert record_of(clf).signature.input_shape == (2, 4, 2, 4)


def test_largest_layer_of_ones_own_is_counted():
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, own_network(inputs, 3))
    for network in (own_network, lambda given, _: model(given)):
        assert custom_network(network, (8, 8, 1), 3).n_numbers == 6 * 6 * 4


def test_mask_forbids_classes_of_images(images, allowed):
    X, y = images
    clf = make().fit(X, y, allowed=allowed)
    proba = clf.predict_proba(X, allowed=allowed)
    expected = softmax(np.where(allowed, np.asarray(clf.model_(X)), -np.inf), axis=1)
    np.testing.assert_allclose(proba, expected, atol=1e-6)
    assert (proba[~allowed] == 0).all()


def test_costs_decide_for_images(images):
    X, y = images
    clf = make(CostSensitiveClassifier, cost_matrix=COSTS).fit(X, y)
    expected = (clf.predict_proba(X) @ COSTS).argmin(axis=1)
    np.testing.assert_array_equal(clf.predict(X), expected)
    by_row = np.broadcast_to(COSTS, (90, 3, 3))
    np.testing.assert_array_equal(clf.predict(X, costs=by_row), expected)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_images_have_label_matrices_with_unknown_entries(images):
    X, y = images
    Y = (y[:, np.newaxis] == np.arange(3)).astype(float)
    Y[::7, 1] = np.nan
    clf = make(WeightedMultilabelClassifier).fit(X, Y)
    proba = clf.predict_proba(X)
    np.testing.assert_allclose(proba, expit(np.asarray(clf.model_(X))), atol=1e-6)
    np.testing.assert_array_equal(clf.predict(X), proba > 0.5)


# Reading.


def test_features_are_the_second_axis_as_in_scikit_learn(images):
    X = images[0].reshape(-1, 4, 8, 2)
    clf = make().fit(X, images[1])
    assert clf.n_features_in_ == 4
    assert record_of(clf).signature.input_shape == (4, 8, 2)
    assert not hasattr(clf, "feature_names_in_")


def test_float32_is_read_without_a_copy(images):
    X = images[0]
    read, values = read_features(make(), X, None, FLOATS)
    assert np.shares_memory(read, X)
    assert values == {"n_features_in_": 8}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_have_the_type_of_float_images(images, fitted, dtype):
    assert fitted.predict_proba(images[0].astype(dtype)).dtype == dtype


def test_integers_are_read_as_the_floats_that_they_are(images):
    X, y = np.rint(images[0] * 16).astype(np.uint8), images[1]
    clf = make().fit(X, y)
    expected = make().fit(X.astype(np.float64), y).predict_proba(X.astype(np.float64))
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_list_of_images_is_an_array_of_them(images, fitted):
    X = images[0]
    expected = fitted.predict_proba(X.astype(np.float64))
    np.testing.assert_allclose(fitted.predict_proba(list(X)), expected, atol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(X.tolist()), expected, atol=1e-6)


def test_images_are_not_written_to(images):
    X, y = images[0].copy(), images[1]
    X.flags.writeable = False
    clf = make().fit(X, y)
    clf.predict_proba(X)
    np.testing.assert_array_equal(X, images[0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite_are_refused(images, fitted, value):
    X = images[0].copy()
    X[3, 2, 1] = value
    for work in (lambda: clone(fitted).fit(X, images[1]), lambda: fitted.predict(X)):
        with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
            work()


def test_images_all_nan_are_no_padding(images):
    X = images[0].copy()
    X[3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        make(network=flat_network).fit(X, images[1])


# Searching, stopping, going on, storing.


def test_search_over_filters(images):
    X, y = images
    grid = {"network__filters": [(2,), (3, 4)], "network__pooling": ["max", "average"]}
    search = GridSearchCV(make(epochs=1), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_.network.filters in [(2,), (3, 4)]
    assert search.predict(X).shape == (90,)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_search_hands_on_masks_of_images(images, allowed, routing):
    X, y = images
    grid = {"network__filters": [(2,), (3,)]}
    search = GridSearchCV(make(epochs=1), grid, cv=2, error_score="raise")
    search.fit(X, y, allowed=allowed)
    predicted = search.best_estimator_.predict(X, allowed=allowed)
    assert allowed[np.arange(90), predicted].all()


def test_cross_validation_scores_images(images):
    clf = make(CostSensitiveClassifier, cost_matrix=COSTS, epochs=15)
    scores = cross_val_score(
        clf, *images, cv=3, scoring=make_cost_scorer(COSTS), error_score="raise"
    )
    assert scores.shape == (3,)
    assert (scores > -COSTS.mean()).all()


def test_early_stopping_holds_out_images(images):
    clf = make(epochs=200, early_stopping=True, n_iter_no_change=2, learning_rate=0.05)
    clf.fit(*images)
    assert len(clf.history_["val_loss"]) == clf.n_iter_ < 200


def test_partial_fit_of_images_in_parts_learns(images):
    X, y = images
    clf = make(learning_rate=0.05)
    for epoch in range(12):
        for start in range(0, 90, 45):
            part = slice(start, start + 45)
            clf.partial_fit(X[part], y[part], classes=[0, 1, 2] if epoch == start == 0 else None)
    assert clf.score(X, y) > 0.9
    assert clf.n_iter_ == 24


def test_warm_start_goes_on_with_images(images):
    clf = make(warm_start=True).fit(*images)
    before = clf.model_.get_weights()
    clf.set_params(learning_rate=1e-12).fit(*images)
    assert clf.n_iter_ == 4
    for one, other in zip(clf.model_.get_weights(), before, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_warm_start_with_other_filters_is_refused(images):
    clf = make(warm_start=True).fit(*images)
    with pytest.raises(ValueError, match="filters must stay the same while training goes on"):
        clf.set_params(network__filters=(3,)).fit(*images)


def test_fit_leaves_the_network_as_it_was_given(images):
    network = Convolutional((4,), kernel_size=np.int64(3))
    before = dict(vars(network))
    clf = make(network=network).fit(*images)
    assert clf.network is network
    assert vars(network) == before
    assert record_of(clf).network is not network


def test_pickle_keeps_the_shape_of_the_images(images, fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(images[0]), fitted.predict_proba(images[0]))
    with pytest.raises(ValueError, match=r"X must have rows of shape \(8, 8\), as in fit"):
        again.predict(images[0][:, :7])


# What is refused.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[:, :7], r"rows of shape \(8, 8\), as in fit; got \(7, 8\). Resize"),
        (lambda X: X[:, :, :7], r"rows of shape \(8, 8\), as in fit; got \(8, 7\). Resize"),
        (lambda X: X[..., np.newaxis], r"got \(8, 8, 1\). Leave out the axis of the channels"),
        (lambda X: X.reshape(90, 64), r"rows of shape \(8, 8\), as in fit; got \(64,\)"),
        (lambda X: X[0], r"got \(8,\). Make a single row an array of one: X\[np.newaxis\]"),
        (lambda X: X[0, 0], r"rows of shape \(8, 8\), as in fit; got \(\)"),
        (lambda X: sparse.csr_array(X.reshape(90, 64)), r"as in fit; got \(64,\)"),
        (lambda X: pd.DataFrame(X.reshape(90, 64)), r"as in fit; got \(64,\)"),
        (lambda X: X[0].tolist(), r"rows of shape \(8, 8\), as in fit; got \(8,\)"),
    ],
)
@pytest.mark.parametrize("method", ["predict", "partial_fit", "score"])
def test_rows_of_another_shape_than_in_fit_are_refused(images, fitted, change, message, method):
    clf = pickle.loads(pickle.dumps(fitted))
    before = clf.predict_proba(images[0])
    X = change(images[0])
    arguments = () if method == "predict" else (images[1][: np.shape(X)[0]],)
    with pytest.raises(ValueError, match=message):
        getattr(clf, method)(X, *arguments)
    np.testing.assert_array_equal(clf.predict_proba(images[0]), before)


def test_missing_axis_of_channels_is_named(images):
    clf = make().fit(images[0][..., np.newaxis], images[1])
    with pytest.raises(ValueError, match=r"Add the axis of the channels: X\[..., np.newaxis\]"):
        clf.predict(images[0])


def test_images_after_a_fit_to_features_are_refused(images):
    clf = RestrictedClassClassifier((4,), epochs=1).fit(images[0].reshape(-1, 64), images[1])
    with pytest.raises(ValueError, match=r"rows of shape \(64,\), as in fit; got \(8, 8\)"):
        clf.predict(images[0])


@pytest.mark.parametrize(
    ("network", "name"),
    [(None, "the built-in network"), (MLP((4,)), r"network=MLP\(hidden_layer_sizes=\(4,\)\)")],
)
@pytest.mark.parametrize(
    "kind", [RestrictedClassClassifier, CostSensitiveClassifier, WeightedMultilabelClassifier]
)
def test_images_for_a_multi_layer_perceptron_are_refused(images, kind, network, name):
    message = (
        rf"X must have shape \(n_samples, n_features\) for {name}; got \(90, 8, 8\). Pass "
        r"network=skmask.networks.Convolutional\(\), or X.reshape\(len\(X\), -1\)"
    )
    clf = make(kind, network=network)
    with pytest.raises(ValueError, match=message):
        clf.fit(*images)
    assert not hasattr(clf, "classes_")


def test_images_for_prototypes_are_refused(images):
    with pytest.raises(
        ValueError, match=r"for the built-in network; got \(90, 8, 8\). Pass X.resh"
    ):
        PrototypeClassifier().fit(*images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.reshape(90, 64), r"\(n_samples, height, width\) or .*got \(90, 64\)"),
        (lambda X: sparse.csr_array(X.reshape(90, 64)), r"height, width\) or .*got \(90, 64\)"),
        (lambda X: X.reshape(90, 2, 4, 2, 4), r"for Convolutional; got \(2, 4, 2, 4\)"),
        (lambda X: X[:, :1], "X must have images of 2 x 2 pixels or more for 1 poolings"),
        (lambda X: X[:, :0], r"at least one number in each row; got shape \(90, 0, 8\)"),
        (lambda X: X[:0], r"Found array with 0 sample\(s\)|inconsistent numbers of samples"),
        (lambda X: X.astype(str), "X must hold numbers; got text"),
        (lambda X: X.astype(complex), "Complex data not supported"),
    ],
)
def test_rows_that_are_no_images_are_refused(images, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make().fit(change(images[0]), images[1])


def test_images_of_different_sizes_in_a_list_are_refused(images):
    X = [image[: 5 + number % 2] for number, image in enumerate(images[0])]
    message = r"X must hold images of one size; got \(5, 8\) in row 0 and \(6, 8\) in row 1. Resize"
    for rows in (X, [image.tolist() for image in X]):
        with pytest.raises(ValueError, match=message):
            make().fit(rows, images[1])


def test_sparse_rows_without_a_second_axis_are_refused(images):
    message = r"X must have two axes where it is sparse; got shape \(90,\)"
    with pytest.raises(ValueError, match=message):
        make().fit(sparse.coo_array(images[1]), images[1])


def test_mask_in_columns_of_images_is_refused(images):
    with pytest.raises(ValueError, match="allowed_columns must be None for an X whose rows have"):
        make(allowed_columns=slice(0, 3)).fit(*images)


def test_network_of_sequences_is_refused(images):
    message = "network must take rows or images here; got Recurrent.* takes sequences"
    with pytest.raises(ValueError, match=message):
        make(network=Recurrent(4)).fit(*images)


def test_model_for_images_of_another_shape_is_refused(images):
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, own_network(inputs, 3))
    with pytest.raises(ValueError, match=r"network must take inputs of shape \(None, 8, 8\); got"):
        make(network=model).fit(*images)


def test_error_of_a_function_for_images_tells_their_shape(images):
    with pytest.raises(ValueError, match="ndim") as caught:
        make(network=own_network).fit(*images)
    assert "network was called with inputs of shape (None, 8, 8)" in caught.value.__notes__[0]


def test_tags_tell_what_the_network_takes():
    found = {
        name: make(network=network).__sklearn_tags__().input_tags
        for name, network in {"images": Convolutional(), "own": own_network, "none": None}.items()
    }
    assert not found["images"].two_d_array
    assert not found["images"].sparse
    assert {name: tags.three_d_array for name, tags in found.items()} == {
        "images": True,
        "own": True,
        "none": False,
    }
