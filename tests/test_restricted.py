"""What RestrictedClassClassifier does with a mask."""

import copy
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from skmask import RestrictedClassClassifier

CSR = sparse.csr_array


def make(**kwargs):
    return RestrictedClassClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 3, "random_state": 0, **kwargs}
    )


def full_batch(**kwargs):
    return make(batch_size=1000, optimizer="sgd", learning_rate=0.5, epochs=20, **kwargs)


# Prediction.


def test_probability_is_zero_where_not_allowed(data, restricted):
    X, _, allowed = data
    proba = restricted.predict_proba(X, allowed=allowed)
    assert (proba[~allowed] == 0).all()
    assert (proba[allowed] > 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_log_probability_is_minus_infinity_where_not_allowed(data, restricted):
    X, _, allowed = data
    log_proba = restricted.predict_log_proba(X, allowed=allowed)
    assert (log_proba[~allowed] == -np.inf).all()
    assert np.isfinite(log_proba[allowed]).all()


def test_predictions_are_allowed(data, restricted):
    X, _, allowed = data
    assert allowed[np.arange(len(X)), restricted.predict(X, allowed=allowed)].all()


def test_probabilities_are_the_restricted_softmax_of_the_model(data, restricted):
    X, _, allowed = data
    logits = np.asarray(restricted.model_(X.astype("float32")), dtype=np.float64)
    logits[~allowed] = -np.inf
    expected = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(restricted.predict_proba(X, allowed=allowed), expected, atol=1e-6)


def test_one_row_has_two_dimensions(data, restricted):
    X, _, allowed = data
    assert restricted.predict_proba(X[:1], allowed=allowed[:1]).shape == (1, 4)


def test_row_with_one_class_is_certain(data, restricted):
    X, y, _ = data
    only = np.eye(4, dtype=bool)[y]
    np.testing.assert_array_equal(restricted.predict_proba(X, allowed=only), only)
    assert restricted.score(X, y, allowed=only) == 1


@pytest.mark.parametrize("kind", [np.asarray, np.uint8, np.float64, list, CSR, sparse.coo_matrix])
def test_mask_may_come_in_many_kinds(data, restricted, kind):
    X, y, allowed = data
    mask = kind(allowed.tolist()) if kind is list else kind(allowed)
    np.testing.assert_array_equal(
        restricted.predict_proba(X, allowed=mask), restricted.predict_proba(X, allowed=allowed)
    )
    refitted = clone(restricted).fit(X, y, allowed=mask)
    np.testing.assert_allclose(
        refitted.predict_proba(X, allowed=mask),
        restricted.predict_proba(X, allowed=allowed),
        atol=1e-6,
    )


def test_mask_with_one_row_holds_for_all(data, restricted):
    X, _, _ = data
    row = np.array([True, False, True, False])
    np.testing.assert_array_equal(
        restricted.predict_proba(X, allowed=row),
        restricted.predict_proba(X, allowed=np.tile(row, (len(X), 1))),
    )


def test_fit_takes_a_mask_with_one_row(data):
    X, y, _ = data
    kept = np.isin(y, [0, 2])
    row = np.array([1, 0, 1, 0])
    one = make(classes=[0, 1, 2, 3]).fit(X[kept], y[kept], allowed=np.tile(row, (kept.sum(), 1)))
    all_rows = make(classes=[0, 1, 2, 3]).fit(X[kept], y[kept], allowed=row)
    np.testing.assert_allclose(
        one.predict_proba(X, allowed=row), all_rows.predict_proba(X, allowed=row), atol=1e-6
    )


def test_data_frame_is_aligned_by_label(data):
    X, y, allowed = data
    labels = np.array(["d", "b", "a", "c"])
    clf = make(classes=labels).fit(X, labels[y], allowed=allowed)
    shuffled = pd.DataFrame(allowed, columns=labels)[["c", "a", "d", "b"]]
    expected = clf.predict_proba(X, allowed=allowed)
    np.testing.assert_array_equal(clf.predict_proba(X, allowed=shuffled), expected)
    again = clone(clf).fit(X, labels[y], allowed=shuffled)
    np.testing.assert_array_equal(again.predict_proba(X, allowed=shuffled), expected)
    assert clf.classes_.tolist() == ["a", "b", "c", "d"]
    in_order = allowed[:, np.argsort(labels)]
    assert (expected[~in_order] == 0).all()


def test_mask_allowing_everything_equals_no_mask(data):
    X, y, allowed = data
    everything = np.ones_like(allowed)
    plain = make().fit(X, y)
    masked = make().fit(X, y, allowed=everything)
    np.testing.assert_allclose(
        masked.predict_proba(X, allowed=everything), plain.predict_proba(X), atol=1e-6
    )


def test_mask_given_for_prediction_only(data):
    X, y, allowed = data
    proba = make().fit(X, y).predict_proba(X, allowed=allowed)
    assert (proba[~allowed] == 0).all()


def test_prediction_without_the_mask_is_refused_after_a_masked_fit(data, restricted):
    X, y, _ = data
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(ValueError, match="allowed must be given for prediction"):
            getattr(restricted, method)(X)
    with pytest.raises(ValueError, match="allowed must be given for prediction"):
        restricted.score(X, y)


def test_restriction_is_lifted_on_purpose(data, restricted):
    X, _, _ = data
    proba = restricted.predict_proba(X, allowed="all")
    assert (proba > 0).all()


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_large_logits_stay_finite(data, scale):
    X, y, allowed = data

    def network(inputs, n_outputs):
        return scale * keras.layers.Dense(n_outputs)(inputs)

    clf = make(network=network, learning_rate=1e-6).fit(X, y, allowed=allowed)
    assert np.isfinite(clf.history_["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in clf.model_.get_weights())
    np.testing.assert_allclose(clf.predict_proba(X, allowed=allowed).sum(axis=1), 1, atol=1e-6)


def test_permuted_classes_permute_the_outputs(data):
    # From zero weights, so that no class is told from another by its starting values.
    X, y, allowed = data

    def network(inputs, n_outputs):
        return keras.layers.Dense(n_outputs, kernel_initializer="zeros")(inputs)

    order = np.array([2, 0, 3, 1])
    inverse = np.argsort(order)
    plain = make(network=network).fit(X, y, allowed=allowed)
    permuted = make(network=network).fit(X, inverse[y], allowed=allowed[:, order])
    np.testing.assert_allclose(
        permuted.predict_proba(X, allowed=allowed[:, order]),
        plain.predict_proba(X, allowed=allowed)[:, order],
        atol=1e-5,
    )


def test_integer_and_string_labels_agree(data):
    X, y, allowed = data
    strings = np.array(["a", "b", "c", "d"])[y]
    np.testing.assert_array_equal(
        make().fit(X, y, allowed=allowed).predict_proba(X, allowed=allowed),
        make().fit(X, strings, allowed=allowed).predict_proba(X, allowed=allowed),
    )


def test_masked_linear_model_reaches_the_optimum_of_scipy(rng):
    from scipy.optimize import minimize

    X = rng.normal(size=(200, 3))
    allowed = rng.random((200, 4)) < 0.6
    y = rng.integers(4, size=200)
    allowed[np.arange(200), y] = True

    def objective(flat):
        logits = np.c_[X, np.ones(len(X))] @ flat.reshape(4, 4)
        logits[~allowed] = -np.inf
        return (logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]).mean()

    best = minimize(objective, np.zeros(16)).fun
    clf = make(hidden_layer_sizes=(), batch_size=1000, learning_rate=0.05, epochs=400)
    loss = clf.fit(X, y, allowed=allowed).history_["loss"][-1]
    assert loss == pytest.approx(best, abs=1e-4)


def test_two_classes_have_one_decision_value(data):
    X, y, _ = data
    y = y % 2
    allowed = np.ones((len(X), 2), dtype=bool)
    allowed[0, 1] = allowed[1, 0] = False
    y[:2] = 0, 1
    clf = make().fit(X, y, allowed=allowed)
    decision = clf.decision_function(X, allowed=allowed)
    assert decision.shape == (60,)
    np.testing.assert_allclose(decision[:2], [-100, 100], rtol=1e-6)
    np.testing.assert_array_equal(clf.predict(X, allowed=allowed), (decision > 0).astype(int))


# Fitting.


def test_a_class_that_y_lacks_is_known_from_classes(data):
    X, y, allowed = data
    kept = y != 3
    allowed = allowed[kept]
    clf = make(classes=[0, 1, 2, 3]).fit(X[kept], y[kept], allowed=allowed)
    assert clf.classes_.tolist() == [0, 1, 2, 3]
    assert clf.predict_proba(X[kept], allowed=allowed).shape == allowed.shape


def test_one_class_is_always_predicted(data):
    X, _, _ = data
    clf = make().fit(X, np.full(len(X), "only"))
    assert (clf.predict(X) == "only").all()
    np.testing.assert_array_equal(clf.predict_proba(X), np.ones((60, 1)))


def test_weights_equal_repetition_in_full_batch(data):
    X, y, allowed = data
    weight = np.arange(len(X)) % 4  # 0 among them: leaves the row out
    repeated = np.repeat(np.arange(len(X)), weight)
    weighted = full_batch().fit(X, y, sample_weight=weight, allowed=allowed)
    plain = full_batch().fit(X[repeated], y[repeated], allowed=allowed[repeated])
    np.testing.assert_allclose(
        weighted.predict_proba(X, allowed=allowed),
        plain.predict_proba(X, allowed=allowed),
        atol=1e-5,
    )
    assert weighted.history_["loss"] == pytest.approx(plain.history_["loss"], rel=1e-5)


def test_scale_of_the_weights_does_not_matter(data):
    X, y, _ = data
    one, ten = (make().fit(X, y, sample_weight=np.full(len(X), value)) for value in (1.0, 10.0))
    np.testing.assert_allclose(one.predict_proba(X), ten.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 2: 0.5}])
def test_class_weight_equals_sample_weight(data, class_weight):
    X, y, _ = data
    dictionary = class_weight if class_weight == "balanced" else {1: 1, 3: 1, **class_weight}
    weight = compute_sample_weight(dictionary, y)
    np.testing.assert_allclose(
        make(class_weight=class_weight).fit(X, y).predict_proba(X),
        make().fit(X, y, sample_weight=weight).predict_proba(X),
        atol=1e-6,
    )


def test_sparse_rows_give_the_same_as_dense_ones(data):
    X, y, allowed = data
    X = np.where(np.abs(X) > 1, X, 0)
    dense = make().fit(X, y, allowed=allowed)
    thin = make().fit(CSR(X), y, allowed=CSR(allowed))
    np.testing.assert_allclose(
        thin.predict_proba(CSR(X), allowed=CSR(allowed)),
        dense.predict_proba(X, allowed=allowed),
        atol=1e-5,
    )


def test_sparse_mask_is_never_dense_as_a_whole():
    n_samples, n_classes = 60_000, 2_000
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples)
    other = (y + 1 + rng.integers(n_classes - 1, size=n_samples)) % n_classes
    rows = np.repeat(np.arange(n_samples), 2)
    allowed = CSR((np.ones(2 * n_samples, bool), (rows, np.c_[y, other].ravel())))
    import tracemalloc

    tracemalloc.start()
    make(classes=np.arange(n_classes), epochs=1, batch_size=1000).fit(
        np.eye(3)[y % 3], y, allowed=allowed
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n_samples * n_classes / 3  # of the 120 MB that the mask would be


def test_early_stopping_keeps_the_best_weights(data):
    X, y, allowed = data
    clf = make(early_stopping=True, validation_fraction=0.3, n_iter_no_change=3, epochs=200)
    clf.set_params(learning_rate=0.05).fit(X, y, allowed=allowed)
    losses = clf.history_["val_loss"]
    assert len(losses) == clf.n_iter_ < 200
    assert np.argmin(losses) == len(losses) - 4
    shorter = clone(clf).set_params(epochs=int(np.argmin(losses)) + 1).fit(X, y, allowed=allowed)
    np.testing.assert_array_equal(
        clf.predict_proba(X, allowed=allowed), shorter.predict_proba(X, allowed=allowed)
    )


def test_partial_fit_in_full_batch_equals_fit(data):
    X, y, allowed = data
    whole = full_batch().fit(X, y, allowed=allowed)
    parts = full_batch()
    for _ in range(20):
        parts.partial_fit(X, y, classes=[0, 1, 2, 3], allowed=allowed)
    np.testing.assert_allclose(
        parts.predict_proba(X, allowed=allowed),
        whole.predict_proba(X, allowed=allowed),
        atol=1e-6,
    )
    assert parts.n_iter_ == 20


def test_partial_fit_goes_on_after_a_copy(data):
    X, y, allowed = data
    clf = make(classes=[0, 1, 2, 3]).partial_fit(X[:30], y[:30], allowed=allowed[:30])
    twin = copy.deepcopy(clf)
    for each in (clf, twin):
        each.partial_fit(X[30:], y[30:], allowed=allowed[30:])
    np.testing.assert_array_equal(
        clf.predict_proba(X, allowed=allowed), twin.predict_proba(X, allowed=allowed)
    )


def test_warm_start_goes_on_from_the_weights(data):
    X, y, allowed = data
    clf = full_batch(warm_start=True).fit(X, y, allowed=allowed)
    first = clf.history_["loss"][-1]
    clf.fit(X, y, allowed=allowed)
    assert clf.history_["loss"][20] < first + 1e-6
    assert clf.n_iter_ == 40
    cold = full_batch().fit(X, y, allowed=allowed).fit(X, y, allowed=allowed)
    assert cold.n_iter_ == 20


def test_refit_forgets_the_mask(data, restricted):
    X, y, _ = data
    clf = clone(restricted).fit(X, y, allowed=np.ones((60, 4)))
    assert clf.fit(X, y).predict(X).shape == (60,)


def test_linear_model_agrees_with_logistic_regression(data):
    X, y, _ = data
    clf = make(hidden_layer_sizes=(), batch_size=1000, learning_rate=0.1, epochs=300).fit(X, y)
    peer = LogisticRegression(C=1e6, max_iter=1000).fit(X, y)
    assert (clf.predict(X) == peer.predict(X)).mean() > 0.95


def test_optimizer_template_is_only_read(data):
    X, y, _ = data
    template = keras.optimizers.SGD(learning_rate=0.3, momentum=0.9)
    clf = make(optimizer=template, learning_rate=None).fit(X, y)
    assert not template.built
    assert clf.history_["loss"][-1] < clf.history_["loss"][0]
    other = make(optimizer="sgd", learning_rate=0.3).fit(X, y)
    assert other.history_["loss"] != clf.history_["loss"]


def test_learning_rate_wins_over_that_of_a_template(data):
    X, y, _ = data
    schedule = keras.optimizers.schedules.ExponentialDecay(0.3, 2, 0.1)
    expected = make(optimizer="sgd", learning_rate=0.03).fit(X, y).history_
    for rate in (0.3, schedule):
        template = keras.optimizers.SGD(rate)
        assert make(optimizer=template, learning_rate=0.03).fit(X, y).history_ == expected
        assert make(optimizer=template, learning_rate=None).fit(X, y).history_ != expected


def test_learning_rate_schedule_is_followed(data):
    X, y, _ = data
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.1, 0.0])
    sgd = keras.optimizers.SGD(schedule)
    clf = make(optimizer=sgd, learning_rate=None, batch_size=60, epochs=6).fit(X, y)
    losses = clf.history_["loss"]
    assert losses[1] < losses[0]
    assert losses[4] == pytest.approx(losses[5], rel=1e-6)  # rows in another order


@pytest.mark.parametrize("method", ["fit", "predict", "score"])
@pytest.mark.parametrize("value", [1e-50, 1 - 1e-9])
def test_mask_in_columns_is_read_before_the_cast(data, method, value):
    X, y, allowed = data
    both = np.c_[X, allowed]
    clf = make(allowed_columns=slice(5, 9)).fit(both, y)
    both[3, 5] = value
    with pytest.raises(
        ValueError, match=r"allowed must hold only True/False or 1/0; got .* in row 3"
    ):
        getattr(clf, method)(both, *[y] * (method != "predict"))


def test_callbacks_are_those_given_and_called_per_epoch(data):
    X, y, _ = data

    class Collect(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append((epoch, sorted(logs)))

    collect = Collect()
    make(callbacks=[collect]).fit(X, y)
    assert collect.seen == [(k, ["accuracy", "learning_rate", "loss"]) for k in range(3)]


def test_keras_callbacks_work(data):
    X, y, _ = data
    stop = keras.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=1)
    assert make(callbacks=[stop], epochs=50).fit(X, y).n_iter_ == 2
    silence = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.0)
    losses = make(callbacks=[silence], batch_size=60).fit(X, y).history_["loss"]
    assert losses == pytest.approx([losses[0]] * 3)


def test_verbose_prints_a_line_per_epoch(data, capsys):
    X, y, _ = data
    make(verbose=1, early_stopping=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("Epoch 1/3 - loss: ")
    assert " - val_loss: " in lines[0]


# Columns of X that hold the mask.


@pytest.mark.parametrize(
    "columns",
    [
        [5, 6, 7, 8],
        slice(5, 9),
        slice(-4, None),
        np.arange(9) >= 5,
        lambda X: np.arange(5, 9),
    ],
    ids=["numbers", "slice", "slice from the end", "bool", "callable"],
)
@pytest.mark.parametrize("kind", [np.asarray, CSR], ids=["dense", "sparse"])
def test_mask_in_columns_equals_mask_as_argument(data, restricted, columns, kind):
    X, y, allowed = data
    both = kind(np.c_[X, allowed])
    clf = make(allowed_columns=columns).fit(both, y)
    np.testing.assert_allclose(
        clf.predict_proba(both), restricted.predict_proba(X, allowed=allowed), atol=1e-5
    )
    assert clf.n_features_in_ == 9
    assert clf.model_.input_shape == (None, 5)


def test_mask_in_named_columns_follows_the_order_of_classes(data):
    X, y, allowed = data
    labels = np.array(["d", "b", "a", "c"])
    frame = pd.DataFrame(np.c_[allowed, X]).set_axis([*"dbacvwxyz"], axis=1)
    clf = make(classes=labels, allowed_columns=list("dbac")).fit(frame, labels[y])
    expected = make(classes=labels).fit(X, labels[y], allowed=allowed)
    np.testing.assert_array_equal(
        clf.predict_proba(frame), expected.predict_proba(X, allowed=allowed)
    )


def test_restriction_from_columns_is_lifted_on_purpose(data):
    X, y, allowed = data
    both = np.c_[X, allowed]
    clf = make(allowed_columns=slice(5, 9)).fit(both, y)
    assert (clf.predict_proba(both, allowed="all") > 0).all()


# Determinism.


def test_same_seed_gives_the_same_bits(data):
    X, y, allowed = data
    first, second = (make().fit(X, y, allowed=allowed) for _ in range(2))
    np.testing.assert_array_equal(
        first.predict_proba(X, allowed=allowed), second.predict_proba(X, allowed=allowed)
    )
    other = make(random_state=1).fit(X, y, allowed=allowed)
    assert (other.predict_proba(X, allowed=allowed) != first.predict_proba(X, allowed="all")).any()


def test_same_seed_gives_the_same_bits_in_two_processes():
    code = """
import hashlib, keras, numpy as np, sys
from skmask import RestrictedClassClassifier
from skmask.datasets import make_restricted_classification
if sys.argv[1] == "other":  # other models, other streams
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.1)])
    np.random.seed(5)
def network(inputs, n_outputs):
    hidden = keras.layers.Dense(9, activation="relu")(inputs)
    return keras.layers.Dense(n_outputs)(keras.layers.Dropout(0.3)(hidden))
X, y, allowed = make_restricted_classification(600, random_state=0)
for made in (None, network):
    clf = RestrictedClassClassifier(network=made, epochs=3, random_state=0)
    proba = clf.fit(X, y, allowed=allowed).predict_proba(X, allowed=allowed)
    print(hashlib.sha256(proba.tobytes()).hexdigest())
"""
    digests = [
        subprocess.run(
            [sys.executable, "-c", code, argument], capture_output=True, text=True, check=True
        ).stdout.split()
        for argument in ("one", "other")
    ]
    assert len(digests[0]) == 2
    assert digests[0] == digests[1]


def test_network_with_dropout_and_batch_normalisation(data):
    X, y, allowed = data

    def network(inputs, n_outputs):
        hidden = keras.layers.BatchNormalization()(keras.layers.Dense(16)(inputs))
        return keras.layers.Dense(n_outputs)(keras.layers.Dropout(0.2)(hidden))

    clf = make(network=network, epochs=10).fit(X, y, allowed=allowed)
    again = clone(clf).fit(X, y, allowed=allowed)
    np.testing.assert_array_equal(
        clf.predict_proba(X, allowed=allowed), again.predict_proba(X, allowed=allowed)
    )
    # Prediction is by row: neither dropout nor the rest of the batch has a say.
    np.testing.assert_allclose(
        clf.predict_proba(X[:7], allowed=allowed[:7]),
        clf.predict_proba(X, allowed=allowed)[:7],
        atol=1e-6,
    )
