"""What PrototypeClassifier compares with, and what it learns."""

import pickle

import keras
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances

from skmask import PrototypeClassifier
from skmask.nn.layers import GroupSum, PrototypeKernel

KERNELS = {
    "rbf": lambda x, p, c: np.exp(-(((x - p) / c) ** 2)),
    "laplacian": lambda x, p, c: np.exp(-np.abs((x - p) / c)),
    "exponential": lambda x, p, c: np.exp((x - p) / c),
    "linear": lambda x, p, c: x * p / c,
}


# Where exponents are large the sums are badly conditioned.
not_converged = pytest.mark.filterwarnings(
    "ignore:lbfgs stopped:sklearn.exceptions.ConvergenceWarning"
)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X[::2], y[::2]


@pytest.fixture(scope="module")
def fitted(iris):
    return make().fit(*iris)


def make(**kwargs):
    return PrototypeClassifier(**{"n_prototypes": 2, "random_state": 0, **kwargs})


def gradient_kernel(x, p):
    return keras.ops.tanh(x - p)


def formula(clf, X, function):
    terms = clf.weights_ * function(X[:, np.newaxis], clf.prototypes_.astype(float), clf.scale_)
    of_class = clf.prototype_labels_[:, np.newaxis] == clf.classes_
    return (terms.sum(axis=2) + clf.bias_) @ of_class


# The formula.


@not_converged
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scale", ["std", 0.7, [0.5, 1.0, 2.0, 3.0]])
def test_decision_function_equals_the_formula(iris, kernel, scale):
    X, y = iris
    clf = make(kernel=kernel, scale=scale, alpha=0.1).fit(X, y)
    expected = formula(clf, X, KERNELS[kernel])
    np.testing.assert_allclose(clf.decision_function(X), expected, rtol=1e-5, atol=1e-5)
    assert clf.score(X, y) > 0.8


def test_kernel_may_be_a_function(iris):
    X, y = iris
    clf = make(kernel=gradient_kernel).fit(X, y)
    expected = formula(clf, X, lambda x, p, c: np.tanh(x - p))
    np.testing.assert_allclose(clf.decision_function(X), expected, rtol=1e-5, atol=1e-5)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("kernel", KERNELS)
def test_contributions_sum_to_the_logits(iris, kernel):
    X, y = iris
    clf = make(kernel=kernel, alpha=0.1).fit(X, y)
    terms = clf.contributions(X)
    assert terms.shape == (len(X), 6, 4)
    of_class = clf.prototype_labels_[:, np.newaxis] == clf.classes_
    total = (terms.sum(axis=2) + clf.bias_) @ of_class
    np.testing.assert_allclose(total, clf.decision_function(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_only_weights_and_biases_are_trainable(iris, solver):
    clf = make(solver=solver, epochs=1).fit(*iris)
    assert sum(int(np.prod(w.shape)) for w in clf.model_.trainable_variables) == 6 * 4 + 6
    assert clf.weights_.shape == (6, 4)
    assert clf.bias_.shape == (6,)


@not_converged
@pytest.mark.parametrize("kernel", KERNELS)
def test_far_rows_overflow_nothing(iris, kernel):
    X, y = iris
    clf = make(kernel=kernel, alpha=0.1).fit(X, y)
    for far in (1e3, -1e3, 1e8):
        assert np.isfinite(clf.predict_proba(X + far * clf.scale_)).all()
    assert np.isfinite(make(kernel=kernel, scale=1e-3, alpha=0.1).fit(X, y).predict_proba(X)).all()


# The optimum.


def test_lbfgs_ends_at_one_loss_from_any_seed(iris):
    X, y = iris
    chosen = np.arange(0, 75, 15)
    fits = [make(prototypes=chosen, random_state=seed).fit(X, y) for seed in (0, 1, 2)]
    losses = [clf.history_["loss"][-1] for clf in fits]
    assert max(losses) - min(losses) < 1e-6
    assert fits[0].history_["loss"][0] != fits[1].history_["loss"][0]
    assert all(clf.history_["gradient_norm"][-1] <= 1e-6 for clf in fits)


def test_gradient_vanishes_at_the_optimum(iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(X))
    clf = make(alpha=0.01).fit(X, y, weight)

    def loss(a, b):
        terms = a * KERNELS["rbf"](X[:, np.newaxis], clf.prototypes_, clf.scale_)
        of_class = clf.prototype_labels_[:, np.newaxis] == clf.classes_
        logits = (terms.sum(axis=2) + b) @ of_class
        log_proba = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        entropy = -np.average(log_proba[np.arange(len(X)), y], weights=weight)
        return entropy + 0.5 * clf.alpha * (a**2).sum()

    best = loss(clf.weights_, clf.bias_)
    assert clf.history_["loss"][-1] == pytest.approx(best, abs=1e-6)
    rng = np.random.default_rng(1)
    for _ in range(20):
        a = clf.weights_ + 1e-2 * rng.normal(size=clf.weights_.shape)
        b = clf.bias_ + 1e-2 * rng.normal(size=clf.bias_.shape)
        assert loss(a, b) > best


def test_steps_come_near_the_optimum(iris):
    X, y = iris
    best = make(alpha=0.01).fit(X, y)
    clf = make(alpha=0.01, solver="adam", epochs=1500, learning_rate=0.02).fit(X, y)
    difference = clf.predict_proba(X) - best.predict_proba(X)
    assert np.abs(difference).mean() < 0.02


def test_penalty_shrinks_the_weights(iris):
    sizes = [np.abs(make(alpha=alpha).fit(*iris).weights_).sum() for alpha in (1e-3, 1e-1, 10)]
    assert sizes == sorted(sizes, reverse=True)


def test_weights_equal_repetition(iris):
    X, y = iris
    times = np.random.default_rng(0).integers(1, 4, size=len(X))
    weighted = make(n_prototypes=1, alpha=0.01).fit(X, y, times)
    repeated = make(n_prototypes=1, alpha=0.01).fit(
        np.repeat(X, times, axis=0), np.repeat(y, times, axis=0)
    )
    np.testing.assert_array_equal(weighted.prototypes_, repeated.prototypes_)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-5)


def test_mask_holds_in_training_and_prediction(iris):
    X, y = iris
    allowed = np.random.default_rng(0).random((len(X), 3)) < 0.5
    allowed[np.arange(len(X)), y] = True
    clf = make().fit(X, y, allowed=allowed)
    assert (clf.predict_proba(X, allowed=allowed)[~allowed] == 0).all()
    with pytest.raises(ValueError, match="allowed must be given for prediction"):
        clf.predict(X)


# Which rows.


def test_one_medoid_has_the_smallest_sum_of_distances(iris):
    X, y = iris
    clf = make(n_prototypes=1).fit(X, y)
    for label in range(3):
        members = np.flatnonzero(y == label)
        sums = pairwise_distances(X[members] / clf.scale_).sum(axis=0)
        assert clf.prototype_indices_[label] == members[sums.argmin()]


@pytest.mark.parametrize("prototypes", ["medoid", "kmeans", "random"])
def test_prototypes_are_rows_of_their_class(iris, prototypes):
    X, y = iris
    clf = make(prototypes=prototypes, n_prototypes=5).fit(X, y)
    numbers = clf.prototype_indices_
    assert len(set(numbers)) == 15
    np.testing.assert_array_equal(clf.prototypes_, X[numbers])
    np.testing.assert_array_equal(clf.prototype_labels_, y[numbers])
    assert clf.prototype_labels_.tolist() == sorted([0, 1, 2] * 5)
    again = clone(clf).fit(X, y)
    np.testing.assert_array_equal(again.prototype_indices_, numbers)


@pytest.mark.parametrize("prototypes", ["medoid", "kmeans"])
def test_equal_rows_still_give_as_many_prototypes(prototypes):
    X, y = np.ones((12, 2)), np.arange(12) % 2
    clf = make(prototypes=prototypes, n_prototypes=3).fit(X, y)
    assert len(set(clf.prototype_indices_)) == 6


def test_rows_of_weight_zero_are_never_prototypes(iris):
    X, y = iris
    weight = (np.arange(len(X)) % 3 > 0).astype(float)
    for prototypes in ("medoid", "kmeans", "random"):
        clf = make(prototypes=prototypes).fit(X, y, weight)
        assert weight[clf.prototype_indices_].all()


def test_row_numbers_name_the_prototypes(iris):
    X, y = iris
    clf = make(prototypes=[3, 70, 40]).fit(X, y)
    np.testing.assert_array_equal(clf.prototypes_, X[[3, 70, 40]])
    assert clf.prototype_labels_.tolist() == y[[3, 70, 40]].tolist()


def test_rows_may_be_given(iris):
    X, y = iris
    labels = np.array(["a", "b", "c"])
    numbers = [3, 70, 40]
    clf = make(prototypes=X[numbers]).fit(X, labels[y], prototype_labels=labels[y[numbers]])
    by_number = make(prototypes=numbers).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), by_number.predict_proba(X), atol=1e-6)
    assert clf.prototype_indices_.tolist() == [-1, -1, -1]
    assert clf.prototype_labels_.tolist() == labels[y[numbers]].tolist()


def test_class_may_have_no_prototype_among_those_given(iris):
    X, y = iris
    clf = make(prototypes=[3, 70]).fit(X, y)
    assert clf.predict_proba(X).shape == (len(X), 3)


def test_constant_feature_has_scale_one(iris):
    X, y = iris
    X = np.c_[X, np.full(len(X), 5.0)]
    clf = make().fit(X, y)
    np.testing.assert_allclose(clf.scale_, [*X[:, :4].std(axis=0), 1])


def test_sparse_rows_give_the_same(iris):
    X, y = iris
    dense, by_row = make(alpha=0.1).fit(X, y), make(alpha=0.1).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(by_row.predict_proba(X), dense.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(
        by_row.contributions(sparse.csr_array(X)), dense.contributions(X), atol=1e-4
    )


# Going on, stopping.


def test_warm_start_goes_on_with_its_prototypes(iris):
    X, y = iris
    clf = make(warm_start=True, prototypes="random").fit(X, y)
    first = clf.prototype_indices_
    clf.set_params(random_state=5).fit(X, y)
    np.testing.assert_array_equal(clf.prototype_indices_, first)
    assert clf.history_["gradient_norm"][-1] <= 1e-6


def test_partial_fit_keeps_the_prototypes_of_the_first_call(iris):
    X, y = iris
    clf = make(solver="adam", n_prototypes=1).partial_fit(X, y, classes=[0, 1, 2])
    first = clf.prototypes_
    clf.partial_fit(X[::-1][:20], y[::-1][:20])
    np.testing.assert_array_equal(clf.prototypes_, first)
    assert not hasattr(make(), "partial_fit")


def test_lbfgs_says_when_it_did_not_arrive(iris):
    with pytest.warns(ConvergenceWarning, match="lbfgs stopped after 3 iterations with a gradient"):
        clf = make(max_iter=3).fit(*iris)
    assert clf.n_iter_ == len(clf.history_["loss"]) == 3


def test_verbose_prints_a_line_per_iteration(iris, capsys):
    with pytest.warns(ConvergenceWarning):
        make(max_iter=3, verbose=1).fit(*iris)
    assert capsys.readouterr().out.count("Epoch") == 3


def test_second_fit_traces_nothing(iris):
    from skmask.engine.tensorflow import count_traces

    X, y = iris
    make(alpha=0.01).fit(X, y).predict(X)
    before = count_traces()
    make(alpha=0.5, scale=2.0, prototypes="kmeans").fit(X[:70], y[:70]).predict(X)
    assert count_traces() == before


# Bad input.


@pytest.mark.parametrize(
    ("parameters", "given", "message"),
    [
        ({"prototypes": np.ones((3, 2))}, [0, 1, 2], "prototypes must be rows of the 4 features"),
        ({"prototypes": np.full((3, 4), np.nan)}, [0, 1, 2], "prototypes must hold finite numbers"),
        ({"prototypes": np.ones((3, 4))}, None, "prototype_labels must be given to fit when"),
        ({"prototypes": np.ones((3, 4))}, [0, 1], r"prototype_labels must have shape \(3,\)"),
        ({"prototypes": np.ones((3, 4))}, [0, 1, 7], r"prototype_labels must be among .*got \[7\]"),
        ({}, [0, 1, 2], "prototype_labels must be given with rows in the parameter prototypes"),
        ({"prototypes": [3, 99]}, None, r"prototypes must be numbers of rows of X, from 0 to 74"),
        ({"prototypes": [-1]}, None, r"prototypes must be numbers of rows of X, from 0 to 74; got"),
        ({"prototypes": [3, 5, 3]}, None, r"prototypes must name each row once; got \[3\]"),
        ({"prototypes": [0.5, 1.5]}, None, "prototypes must be numbers of rows of X, of shape"),
        ({"prototypes": "nearest"}, None, "The 'prototypes' parameter .*'medoid'"),
        ({"n_prototypes": 26}, None, "n_prototypes must not be above the number of rows of a cla"),
        ({"classes": [0, 1, 2, 3]}, None, "and 0 rows with a weight above 0 for the class 3"),
        ({"scale": 0}, None, "The 'scale' parameter"),
        ({"scale": [1, 1, -1, 0]}, None, r"scale must be above 0; got \[-1.0, 0.0\]"),
        ({"scale": [1, 1]}, None, "scale must be one number, or one for each of the 4 features"),
        ({"kernel": "gauss"}, None, "The 'kernel' parameter .*'rbf'"),
        ({"kernel": lambda x, p: keras.ops.sum(x - p, axis=-1)}, None, "kernel must work element"),
        ({"solver": "newton"}, None, "The 'solver' parameter .*'lbfgs'"),
        ({"callbacks": [keras.callbacks.History()]}, None, "callbacks must not be used with sol"),
        ({"alpha": -1}, None, "The 'alpha' parameter"),
    ],
)
def test_bad_input(iris, parameters, given, message):
    X, y = iris
    clf = make(**parameters)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y, prototype_labels=given)
    assert set(vars(clf)) == set(clf.get_params(deep=False))


# The layers.


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("n_rows", [1, 7, 300])
def test_layer_equals_the_formula_for_any_batch(rng, kernel, n_rows, monkeypatch):
    from skmask.nn.layers import _prototypes as layers

    monkeypatch.setattr(layers, "_NUMBERS_AT_ONCE", 5 * 3 * 10)  # ten rows at a time
    prototypes, scale = rng.normal(size=(5, 3)), rng.uniform(0.5, 2, size=3)
    layer = PrototypeKernel(prototypes, scale, kernel)
    X = rng.normal(size=(n_rows, 3)).astype(np.float32)
    layer.build(X.shape)
    layer.a.assign(rng.normal(size=(5, 3)))
    found = np.asarray(layer(X))
    layer.b.assign(np.arange(5.0))
    terms = np.asarray(layer.a) * KERNELS[kernel](X[:, np.newaxis], prototypes, scale)
    # Terms of float32 are that exact, what is left of them in a sum is not.
    size = 1 + np.abs(terms).sum(axis=2)
    np.testing.assert_allclose(found / size, terms.sum(axis=2) / size, atol=1e-5)
    np.testing.assert_allclose(
        layer(X) / size, (terms.sum(axis=2) + np.arange(5)) / size, atol=1e-5
    )


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("distance", [0.1, 1e3, 1e6])
def test_layer_has_finite_gradients_however_far(rng, kernel, distance, monkeypatch):
    import tensorflow as tf

    from skmask.nn.layers import _prototypes as layers

    monkeypatch.setattr(layers, "_NUMBERS_AT_ONCE", 5 * 3 * 10)
    layer = PrototypeKernel(rng.normal(size=(5, 3)), 1.0, kernel)
    X = tf.constant(rng.normal(size=(40, 3)) * distance, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(X)
        values = layer(X)
    gradients = tape.gradient(values, [X, layer.a.value, layer.b.value])
    assert np.isfinite(values).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_exponential_that_is_no_safe_product_is_taken_element_by_element(rng):
    prototypes = np.array([[0.0, 0.0], [100.0, 0.0]])
    layer = PrototypeKernel(prototypes, kernel="exponential")
    assert not layer.product_form
    X = np.array([[100.5, 0.2], [0.5, 0.1]], np.float32)
    layer.build((None, 2))
    terms = np.asarray(layer.a) * np.exp(np.minimum(X[:, np.newaxis] - prototypes, 30))
    np.testing.assert_allclose(layer(X), terms.sum(axis=2), rtol=1e-5)


def test_layers_train_and_are_saved(rng, tmp_path):
    X, y = load_iris(return_X_y=True)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            PrototypeKernel(X[::25], X.std(axis=0), "laplacian", alpha=1e-3),
            GroupSum(np.eye(3)[y[::25]]),
            keras.layers.Softmax(),
        ]
    )
    assert model.count_params() == 6 * 4 + 6 + 6 * 4 + 4 + 1 + 6 * 3
    model.compile(
        keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(X, y, epochs=40, verbose=0)
    assert model.evaluate(X, y, verbose=0)[1] > 0.9
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": "gauss"}, "kernel must be one of .*'rbf'.* or a callable; got 'gauss'"),
        ({"prototypes": np.ones(3)}, r"prototypes must have shape \(n_prototypes, n_features\)"),
        ({"scale": 0.0}, "scale must be above 0; got 0"),
        ({"scale": [1.0, -1.0, 1.0]}, "scale must be above 0; got -1"),
    ],
)
def test_bad_arguments_of_the_layer(arguments, message):
    with pytest.raises(ValueError, match=message):
        PrototypeKernel(**{"prototypes": np.ones((2, 3)), **arguments})


def test_layer_wants_prototypes_as_wide_as_its_input():
    with pytest.raises(ValueError, match="prototypes must be as wide as the input, 4 features; go"):
        PrototypeKernel(np.ones((2, 3)))(np.ones((5, 4)))
