"""Parameters changed between two fits of one training: applied, or refused by name."""

import copy

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax
from sklearn.base import clone

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.engine._order import epoch_order
from skmask.nn.losses import (
    CostWeightedCrossentropy,
    ExpectedCost,
    RestrictedCrossentropy,
    WeightedBinaryCrossentropy,
)

N, M, K = 60, 5, 3
UNITS = 6
EPOCHS = 3

pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, M))
    return X, np.where(rng.random(N) < 0.2, 0, X[:, :K].argmax(axis=1))


def with_tanh(inputs, n_outputs):
    return keras.layers.Dense(n_outputs)(keras.layers.Dense(UNITS, activation="tanh")(inputs))


def with_relu(inputs, n_outputs):
    return keras.layers.Dense(n_outputs)(keras.layers.Dense(UNITS, activation="relu")(inputs))


def wider(inputs, n_outputs):
    return keras.layers.Dense(n_outputs)(keras.layers.Dense(UNITS + 1)(inputs))


# All rows in a batch: then their order does not matter.
SHARED = {
    "batch_size": N, "epochs": EPOCHS, "optimizer": "sgd", "learning_rate": 0.5,
    "warm_start": True, "random_state": 0,
}  # fmt: skip
COSTS = np.array([[0, 2.0, 1], [1, 0, 1], [0.5, 0.5, 0]])  # errors cost 1 in the mean
OTHER_COSTS = np.array([[0, 0.5, 0.5], [2.0, 0, 1], [1, 1, 0]])


def restricted(**kwargs):
    return RestrictedClassClassifier((UNITS,), "tanh", **{**SHARED, **kwargs})


def costly(**kwargs):
    settings = {**SHARED, "cost_matrix": COSTS, "loss": "expected_cost", **kwargs}
    return CostSensitiveClassifier((UNITS,), "tanh", **settings)


def multilabel(**kwargs):
    settings = {**SHARED, "pos_weight": 2.0, **kwargs}
    return WeightedMultilabelClassifier((UNITS,), "tanh", **settings)


def make_model(weights, activation="tanh", dtype="float64"):
    inputs = keras.Input((M,), dtype=dtype)
    hidden = keras.layers.Dense(UNITS, activation=activation, dtype=dtype)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(K, dtype=dtype)(hidden))
    model.set_weights(weights)
    return model


def make_optimizer(settings):
    return keras.optimizers.get(
        {
            "class_name": settings.get("optimizer", "sgd"),
            "config": {"learning_rate": settings.get("learning_rate", 0.5)},
        }
    )


# By case: the estimator, what is changed, and the loss that Keras is given then.
CASES = {
    "nothing": (restricted, {}, RestrictedCrossentropy()),
    "activation": (restricted, {"activation": "relu"}, RestrictedCrossentropy()),
    "learning_rate": (restricted, {"learning_rate": 0.05}, RestrictedCrossentropy()),
    "optimizer": (restricted, {"optimizer": "adam"}, RestrictedCrossentropy()),
    "class_weight": (restricted, {"class_weight": {0: 4.0}}, RestrictedCrossentropy()),
    "network": (restricted, {"network": with_relu}, RestrictedCrossentropy()),
    "cost_matrix": (costly, {"cost_matrix": OTHER_COSTS}, ExpectedCost(OTHER_COSTS, True)),
    "loss of costs": (
        costly,
        {"loss": "weighted_crossentropy"},
        CostWeightedCrossentropy(COSTS, True),
    ),
    "no loss of costs": (costly, {"loss": "crossentropy"}, RestrictedCrossentropy()),
    "pos_weight": (multilabel, {"pos_weight": [1.0, 5.0, 0.5]}, [1.0, 5.0, 0.5]),
    "no pos_weight": (multilabel, {"pos_weight": None}, [1.0, 1.0, 1.0]),
}


def target_for(make, y):
    return (y[:, np.newaxis] == np.arange(K)).astype(int) if make is multilabel else y


def loss_for(given):
    return WeightedBinaryCrossentropy(given) if isinstance(given, list) else given


def weights_for(changed, y, *, mean_one):
    weight = np.where(y == 0, changed.get("class_weight", {}).get(0, 1.0), 1.0)
    return weight / weight.mean() if mean_one else weight


@pytest.mark.parametrize("name", CASES)
def test_change_between_two_fits_is_applied_as_keras_goes_on(name, rows):
    make, changed, loss = CASES[name]
    X, y = rows
    target = target_for(make, y)
    clf = make().fit(X, target)
    activation = "relu" if name in ("activation", "network") else "tanh"
    model = make_model([np.asarray(w) for w in clf.model_.get_weights()], activation)
    model.compile(make_optimizer(changed), loss_for(loss), run_eagerly=True)
    for _ in range(EPOCHS):
        weight = weights_for(changed, y, mean_one=True)
        model.train_on_batch(X, target, sample_weight=weight)
    clf.set_params(**changed).fit(X, target)
    assert clf.n_iter_ == 2 * EPOCHS
    for ours, theirs in zip(clf.model_.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    if changed:
        unchanged = make().fit(X, target).fit(X, target)
        assert np.abs(unchanged.predict_proba(X) - clf.predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_change_between_two_calls_of_partial_fit_is_applied_as_keras_goes_on(name, rows):
    make, changed, loss = CASES[name]
    X, y = rows
    target = target_for(make, y)
    classes = None if make is multilabel else range(K)
    clf = make().partial_fit(X, target, classes)
    activation = "relu" if name in ("activation", "network") else "tanh"
    model = make_model(clf.model_.get_weights(), activation, "float32")
    model.compile(make_optimizer(changed), loss_for(loss), run_eagerly=True)
    clf.set_params(**changed)
    for _ in range(EPOCHS):
        weight = weights_for(changed, y, mean_one=False)
        model.train_on_batch(X, target, sample_weight=weight)
        clf.partial_fit(X, target)
    assert clf.n_iter_ == 1 + EPOCHS
    for ours, theirs in zip(clf.model_.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_learning_rate_changed_in_partial_fit_keeps_the_moments(rows):
    X, y = rows
    clf = restricted(optimizer="adam", learning_rate=0.1).partial_fit(X, y, range(K))
    optimizer = keras.optimizers.Adam(0.1)
    fresh = restricted(optimizer="adam", learning_rate=0.1, epochs=1, dtype="float32")
    start = start_of(fresh, X, y)
    model = make_model(start, dtype="float32")
    model.compile(optimizer, RestrictedCrossentropy(), run_eagerly=True)
    model.train_on_batch(X, y)
    optimizer.learning_rate = 0.01
    model.train_on_batch(X, y)
    clf.set_params(learning_rate=0.01).partial_fit(X, y)
    for ours, theirs in zip(clf.model_.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def start_of(clf, X, y):
    """Return the weights that a fit starts from."""
    kept = []

    class Keep(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            kept.extend(self.model.get_weights())

    clone(clf).set_params(callbacks=[Keep()]).fit(X, y)
    return kept


@pytest.mark.parametrize("seed", [0, 5, None])
def test_random_state_decides_the_order_from_then_on(seed, rows):
    X, y = rows
    clf = restricted(batch_size=16, dtype="float64").fit(X, y)
    first = clf._record.state.seed
    model = make_model(clf.model_.get_weights())
    model.compile(make_optimizer({}), RestrictedCrossentropy(), run_eagerly=True)
    clf.set_params(random_state=seed).fit(X, y)
    assert (clf._record.state.seed == first) == (seed in (0, None))
    for epoch in range(EPOCHS, 2 * EPOCHS):
        order = epoch_order(clf._record.state.seed, epoch, N)
        for start in range(0, N, 16):
            batch = order[start : start + 16]
            model.train_on_batch(X[batch], y[batch])
    for ours, theirs in zip(clf.model_.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("before", "after"), [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_dtype_is_changed(before, after, method, optimizer, rows):
    X, y = rows
    clf = restricted(dtype=before, optimizer=optimizer, learning_rate=0.05)
    same = clone(clf)
    for each in (clf, same):
        getattr(each, method)(X, y, *([range(K)] if method == "partial_fit" else []))
    getattr(clf.set_params(dtype=after), method)(X, y)
    getattr(same, method)(X, y)
    for ours, theirs in zip(clf.model_.get_weights(), same.model_.get_weights(), strict=True):
        assert (ours.dtype, theirs.dtype) == (after, before)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(clf.predict_proba(X), same.predict_proba(X), atol=1e-5)


def test_dtype_auto_keeps_the_type_of_the_fit_before(rows):
    X, y = rows
    clf = restricted(dtype="float64").fit(X, y)
    clf.set_params(dtype="auto", batch_size=8).fit(X, y)
    assert {w.dtype for w in clf.model_.get_weights()} == {np.dtype("float64")}


# Prototypes.


def prototypes(**kwargs):
    return PrototypeClassifier(**{"warm_start": True, "random_state": 0, **kwargs})


def features(X, clf, kernel, scale):
    d = (X[:, np.newaxis] - clf.prototypes_) / scale
    return {
        "rbf": np.exp(-(d**2)),
        "laplacian": np.exp(-np.abs(d)),
        "exponential": np.exp(d),
        "linear": X[:, np.newaxis] * clf.prototypes_ / scale,
    }[kernel]


def stepped(X, y, clf, *, kernel, scale, alpha, rate, n_steps):
    """Return a and b after steps down the gradient from those of a fit."""
    terms, a, b = features(X, clf, kernel, scale), clf.weights_.copy(), clf.bias_.copy()
    of_class = (clf.prototype_labels_[:, np.newaxis] == clf.classes_).astype(float)
    for _ in range(n_steps):
        z = ((terms * a).sum(axis=2) + b) @ of_class
        error = (softmax(z, axis=1) - np.eye(K)[y]) @ of_class.T / len(y)
        a -= rate * (np.einsum("np,npk->pk", error, terms) + alpha * a)
        b -= rate * error.sum(axis=0)
    return a, b


CHANGES_OF_PROTOTYPES = {
    "alpha": {"alpha": 0.7},
    "scale": {"scale": 3.0},
    "scales": {"scale": [1.0, 2.0, 3.0, 0.5, 0.7]},
    "kernel": {"kernel": "laplacian"},
    "other kernel": {"kernel": "exponential"},
    "linear kernel": {"kernel": "linear"},
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", CHANGES_OF_PROTOTYPES)
def test_change_is_applied_by_steps_of_prototypes(name, method, rows):
    X, y = rows
    changed = CHANGES_OF_PROTOTYPES[name]
    clf = prototypes(solver="sgd", learning_rate=0.3, batch_size=N, epochs=EPOCHS, classes=range(K))
    n_steps = EPOCHS if method == "fit" else 1
    getattr(clf, method)(X, y)
    settings = {"kernel": "rbf", "scale": clf.scale_, "alpha": 1e-4, **changed}
    a, b = stepped(X, y, clf, **settings, rate=0.3, n_steps=n_steps)
    getattr(clf.set_params(**changed), method)(X, y)
    np.testing.assert_allclose(clf.weights_, a, atol=1e-5)
    np.testing.assert_allclose(clf.bias_, b, atol=1e-5)
    terms = features(X, clf, settings["kernel"], settings["scale"])
    np.testing.assert_allclose(clf.contributions(X), terms * a, atol=1e-4)
    np.testing.assert_allclose(clf.scale_, np.broadcast_to(settings["scale"], M))


@pytest.mark.parametrize("name", CHANGES_OF_PROTOTYPES)
def test_change_is_applied_by_lbfgs(name, rows):
    # There is one optimum, wherever the way there began.
    X, y = rows
    changed = {"alpha": 0.01, **CHANGES_OF_PROTOTYPES[name]}
    clf = prototypes().fit(X, y).set_params(**changed).fit(X, y)
    fresh = prototypes(**changed, prototypes=clf.prototype_indices_).fit(X, y)
    np.testing.assert_allclose(clf.weights_, fresh.weights_, atol=1e-4)
    np.testing.assert_allclose(clf.bias_, fresh.bias_, atol=1e-4)
    np.testing.assert_allclose(clf.predict_proba(X), fresh.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(("before", "after"), [("lbfgs", "sgd"), ("sgd", "lbfgs")])
def test_solver_is_changed(before, after, rows):
    X, y = rows
    settings = {"learning_rate": 0.3, "batch_size": N, "epochs": EPOCHS, "alpha": 0.01}
    clf = prototypes(solver=before, **settings).fit(X, y)
    first = copy.deepcopy(clf)
    clf.set_params(solver=after, alpha=0.05).fit(X, y)
    if after == "lbfgs":
        assert clf.history_["gradient_norm"][-1] <= clf.tol
        of_class = clf.prototype_labels_[:, np.newaxis] == clf.classes_
        terms = features(X, clf, "rbf", clf.scale_)
        z = ((terms * clf.weights_).sum(axis=2) + clf.bias_) @ of_class
        loss = -log_softmax(z, axis=1)[np.arange(N), y].mean()
        loss += 0.05 / 2 * (clf.weights_**2).sum()
        assert clf.history_["loss"][-1] == pytest.approx(loss, abs=1e-9)
        return
    a, b = stepped(
        X, y, first, kernel="rbf", scale=first.scale_, alpha=0.05, rate=0.3, n_steps=EPOCHS
    )
    np.testing.assert_allclose(clf.weights_, a, atol=1e-6)
    np.testing.assert_allclose(clf.bias_, b, atol=1e-6)


def test_solver_that_became_one_of_steps_takes_partial_fit(rows):
    X, y = rows
    clf = prototypes(alpha=0.01, learning_rate=0.3).fit(X, y)
    first = copy.deepcopy(clf)
    clf.set_params(solver="sgd").partial_fit(X, y)
    a, _ = stepped(X, y, first, kernel="rbf", scale=first.scale_, alpha=0.01, rate=0, n_steps=1)
    assert clf.weights_ == pytest.approx(a, abs=0.1)
    assert (clf.weights_ != a).any()


def test_scale_by_names_is_read_anew(rows):
    X, y = rows
    names = list("abcde")
    frame = pd.DataFrame(X, columns=names)
    values = [1.0, 2.0, 3.0, 0.5, 0.7]
    clf = prototypes(scale=pd.Series(values, index=names)).fit(frame, y)
    np.testing.assert_array_equal(clf.scale_, values)
    clf.set_params(scale=pd.Series(values, index=names[::-1])).fit(frame, y)
    np.testing.assert_array_equal(clf.scale_, values[::-1])


def test_scale_of_the_first_rows_is_kept(rows):
    X, y = rows
    clf = prototypes(solver="sgd", classes=range(K)).partial_fit(X, y)
    before = clf.scale_
    np.testing.assert_array_equal(clf.partial_fit(5 * X, y).scale_, before)


# What else is kept with the weights.


def test_threshold_is_changed(rows):
    X, y = rows
    target = target_for(multilabel, y)
    clf = multilabel().fit(X, target)
    clf.set_params(threshold=[0.2, 0.9, 0.6]).fit(X, target)
    np.testing.assert_array_equal(clf.thresholds_, [0.2, 0.9, 0.6])
    np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X) > [0.2, 0.9, 0.6])
    clf.set_params(threshold=0.3).partial_fit(X, target)
    np.testing.assert_array_equal(clf.thresholds_, [0.3] * K)


def test_loss_of_labels_is_changed(rows):
    X, y = rows
    target = target_for(multilabel, y)
    clf = multilabel(calibrated=True, pos_weight=None).fit(X, target)
    same = clone(clf).fit(X, target).fit(X, target)
    clf.set_params(loss="focal", calibrated=False).fit(X, target)
    assert np.abs(clf.decision_function(X) - same.decision_function(X)).max() > 1e-3
    clf.set_params(calibrated=True)
    with pytest.raises(ValueError, match="calibrated must be False unless loss='weighted_bce'"):
        clf.predict_proba(X)


def test_cost_matrix_of_the_decision_is_changed(rows):
    X, y = rows
    clf = costly().fit(X, y).set_params(cost_matrix=OTHER_COSTS).fit(X, y)
    np.testing.assert_array_equal(clf.cost_matrix_, OTHER_COSTS)
    cheapest = (clf.predict_proba(X) @ OTHER_COSTS).argmin(axis=1)
    np.testing.assert_array_equal(clf.predict(X), cheapest)


def test_mask_value_and_padding_label_are_changed(rows):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 4, 2))
    y = (X[..., 0] > 0).astype(int)
    clf = MaskedSequenceClassifier(3, epochs=2, warm_start=True, random_state=0).fit(X, y)
    X[:, 2:] = -9.0
    assert (clf.predict(X) != -1).all()
    clf.set_params(mask_value=-9.0, padding_label=7)
    clf.fit(X, y)
    assert (clf.predict(X)[:, 2:] == 7).all()
    assert set(np.unique(clf.predict(X)[:, :2])) <= {0, 1}


def test_columns_of_the_mask_are_changed(rows):
    X, y = rows
    A = np.eye(K, dtype=bool)[y] | (np.arange(K) == 0)
    first, second = np.c_[X, A], np.c_[A, X]
    clf = restricted(allowed_columns=slice(M, M + K)).fit(first, y)
    expected = restricted().fit(X, y, allowed=A).fit(X, y, allowed=A)
    clf.set_params(allowed_columns=slice(0, K)).fit(second, y)
    np.testing.assert_array_equal(clf.predict_proba(second), expected.predict_proba(X, allowed=A))


def test_order_of_the_classes_is_changed(rows):
    X, y = rows
    A = np.eye(K, dtype=bool)[y] | (np.arange(K) == 0)
    expected = restricted(classes=[0, 1, 2]).fit(X, y, allowed=A).fit(X, y, allowed=A)
    clf = restricted(classes=[0, 1, 2]).fit(X, y, allowed=A)
    clf.set_params(classes=[2, 0, 1]).fit(X, y, allowed=A[:, [2, 0, 1]])
    np.testing.assert_array_equal(
        clf.predict_proba(X, allowed=A[:, [2, 0, 1]]), expected.predict_proba(X, allowed=A)
    )


# What cannot be applied.


def sequences():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4, 2))
    return X, (X[..., 0] > 0).astype(int)


def sequence(**kwargs):
    return MaskedSequenceClassifier(
        **{"units": 3, "epochs": 2, "warm_start": True, "random_state": 0, **kwargs}
    )


OWN_ROWS = np.arange(2.0 * M).reshape(2, M)
REFUSED = {
    "hidden_layer_sizes": (restricted, {"hidden_layer_sizes": (7,)}),
    "another layer": (restricted, {"hidden_layer_sizes": (UNITS, UNITS)}),
    "sizes of costs": (costly, {"hidden_layer_sizes": (7,)}),
    "sizes of labels": (multilabel, {"hidden_layer_sizes": (7,)}),
    "network": (restricted, {"network": wider}),
    "own network": (lambda: restricted(network=with_tanh), {"network": wider}),
    "no network": (lambda: restricted(network=wider), {"network": None}),
    "units": (sequence, {"units": 4}),
    "more units": (sequence, {"units": (3, 3)}),
    "cell": (sequence, {"cell": "gru"}),
    "bidirectional": (sequence, {"bidirectional": True}),
    "architecture": (sequence, {"architecture": "encoder_decoder"}),
    "other architecture": (
        lambda: sequence(architecture="encoder_decoder"),
        {"architecture": "tagger"},
    ),
    "prototypes": (prototypes, {"prototypes": "random"}),
    "rows of prototypes": (prototypes, {"prototypes": [0, 1, 2, 3]}),
    "own prototypes": (prototypes, {"prototypes": OWN_ROWS}),
    "n_prototypes": (prototypes, {"n_prototypes": 2}),
}


def data_for(clf, rows):
    if isinstance(clf, MaskedSequenceClassifier):
        return sequences()
    X, y = rows
    return X, np.eye(K, dtype=int)[y] if isinstance(clf, WeightedMultilabelClassifier) else y


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_applied_is_refused_by_name(name, method, rows):
    make, changed = REFUSED[name]
    clf = make()
    if method == "partial_fit" and isinstance(clf, PrototypeClassifier):
        clf.set_params(solver="adam")
    X, y = data_for(clf, rows)
    clf.fit(X, y)
    expected = clf.predict_proba(X)
    clf.set_params(**changed)
    before = dict(vars(clf))
    (parameter,) = changed
    with pytest.raises(ValueError, match=rf"^{parameter} must stay the same while training goes"):
        getattr(clf, method)(X, y)
    assert vars(clf) == before
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_only_what_cannot_be_applied_is_named(rows):
    X, y = rows
    clf = restricted().fit(X, y).set_params(hidden_layer_sizes=(7,), activation="relu")
    with pytest.raises(ValueError, match=r"^hidden_layer_sizes must stay the same"):
        clf.fit(X, y)


def test_prototype_labels_that_changed_are_refused(rows):
    X, y = rows
    clf = prototypes(prototypes=X[:4]).fit(X, y, prototype_labels=[0, 1, 2, 0])
    clf.fit(X, y, prototype_labels=[0, 1, 2, 0])
    expected = clf.predict_proba(X)
    with pytest.raises(ValueError, match=r"^prototype_labels must stay the same while training"):
        clf.fit(X, y, prototype_labels=[0, 1, 2, 1])
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_prototypes_whose_columns_changed_places_are_compared_by_name(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=list("abcde"))
    clf = prototypes(prototypes=frame[:4]).fit(frame, y, prototype_labels=[0, 1, 2, 0])
    clf.set_params(prototypes=frame[:4][list("edcba")]).fit(frame, y)
    renamed = frame[:4].set_axis(list("edcba"), axis=1)
    with pytest.raises(ValueError, match=r"^prototypes must stay the same while training goes on"):
        clf.set_params(prototypes=renamed).fit(frame, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("make", [restricted, costly, multilabel, sequence, prototypes])
def test_other_features_are_refused(make, method, rows):
    clf = make()
    X, y = data_for(clf, rows)
    clf.fit(X, y)
    expected = clf.predict_proba(X)
    if make is prototypes:
        clf.set_params(solver="adam")
    with pytest.raises(ValueError, match=r"X must have the 2 features|X has 4 features, but"):
        getattr(clf, method)(X[..., :-1], y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


@pytest.mark.parametrize("make", [restricted, multilabel, prototypes])
def test_features_that_changed_places_are_refused(make, rows):
    clf = make()
    X, y = data_for(clf, rows)
    frame = pd.DataFrame(X, columns=list("abcde"))
    clf.fit(frame, y)
    expected = clf.predict_proba(frame)
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        clf.fit(frame[list("edcba")], y)
    np.testing.assert_array_equal(clf.predict_proba(frame), expected)


def test_other_classes_are_refused_by_name(rows):
    X, y = rows
    clf = restricted().fit(X, y)
    expected = clf.predict_proba(X)
    with pytest.raises(ValueError, match="y must have the classes of the fit that it goes on from"):
        clf.fit(X, y + 1)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
