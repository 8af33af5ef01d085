"""Sparse masks over many classes: the logits of candidates only, equal to those of all classes."""

import pickle
import tracemalloc

import keras
import numpy as np
import pytest
from onnxruntime import InferenceSession
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.model_selection import GridSearchCV

from skmask import CostSensitiveClassifier, RestrictedClassClassifier
from skmask.decisions import best_candidates, candidate_softmax
from skmask.engine import _table
from skmask.engine.tensorflow import _candidates, count_traces
from skmask.estimators import _training, record_of
from skmask.networks import MLP
from skmask.onnx import to_onnx

N_CLASSES = 600
CSR = sparse.csr_array


def make(**kwargs):
    defaults = {"hidden_layer_sizes": (4,), "classes": np.arange(N_CLASSES), "epochs": 2}
    return RestrictedClassClassifier(**{**defaults, "random_state": 0, **kwargs})


@pytest.fixture(scope="module")
def many():
    """Sixty rows of 600 classes, of which each allows 1 to 12, and ten are labels."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(0, N_CLASSES, 60), 6)
    allowed = np.zeros((60, N_CLASSES), bool)
    for row in allowed:
        row[rng.choice(N_CLASSES, rng.integers(12), replace=False)] = True
    allowed[np.arange(60), y] = True
    return rng.normal(size=(60, 3)), y, allowed


@pytest.fixture(scope="module")
def fitted(many):
    X, y, allowed = many
    return make().fit(X, y, allowed=CSR(allowed))


@pytest.fixture
def by_candidates(monkeypatch):
    """A list of whether each training computed the logits of candidates only."""
    found = []

    def noted(*args):
        found.append(decide(*args))
        return found[-1]

    decide = _training.trains_by_candidates
    monkeypatch.setattr(_training, "trains_by_candidates", noted)
    return found


def weights(clf):
    return clf.model_.get_weights()


def assert_same(clf, other, atol):
    for one, two in zip(weights(clf), weights(other), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=atol)


# Training.


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.5},
        {"optimizer": keras.optimizers.SGD(0.5, momentum=0.9, clipnorm=0.1)},
        {"optimizer": "lamb"},
        {"alpha": 10.0, "optimizer": "sgd", "learning_rate": 0.5},
        {"dropout": 0.5},
        {"hidden_layer_sizes": ()},
        {"network": MLP((4, 3), "tanh")},
        {"class_weight": {0: 3.0, 60: 0.5}},
        {"early_stopping": True, "validation_fraction": 0.4},
        {"batch_size": 1000},
    ],
    ids=lambda settings: "-".join(settings) or "adam",
)
def test_training_equals_that_on_all_classes(many, by_candidates, settings):
    X, y, allowed = many
    sample_weight = np.arange(60) % 3 + 0.5
    clf = make(dtype="float64", **settings).fit(X, y, sample_weight, allowed=CSR(allowed))
    assert by_candidates == [True]
    dense = make(dtype="float64", **settings).fit(X, y, sample_weight, allowed=allowed)
    assert_same(clf, dense, 1e-9)
    for name, values in dense.history_.items():
        np.testing.assert_allclose(clf.history_[name], values, atol=1e-9)


def test_probabilities_in_float32_equal_those_of_all_classes(many):
    X, y, allowed = many
    clf = make(epochs=5).fit(X, y, allowed=CSR(allowed))
    dense = make(epochs=5).fit(X, y, allowed=allowed)
    proba = clf.predict_proba(X, allowed=CSR(allowed))
    np.testing.assert_allclose(proba, dense.predict_proba(X, allowed=allowed), atol=1e-5)


def test_step_of_gradient_descent_follows_the_formula(many):
    X, y, allowed = many
    settings = {"optimizer": "sgd", "activation": "tanh", "batch_size": 100, "epochs": 1}
    start = make(**settings, learning_rate=1e-300).fit(X, y, allowed=CSR(allowed))
    after = make(**settings, learning_rate=0.5).fit(X, y, allowed=CSR(allowed))
    first, first_bias, kernel, bias = weights(start)
    hidden = np.tanh(X @ first + first_bias)
    logits = np.where(allowed, hidden @ kernel + bias, -np.inf)
    error = (softmax(logits, axis=1) - np.eye(N_CLASSES)[y]) / len(X)
    np.testing.assert_allclose(weights(after)[2], kernel - 0.5 * hidden.T @ error, atol=1e-12)
    np.testing.assert_allclose(weights(after)[3], bias - 0.5 * error.sum(axis=0), atol=1e-12)
    loss = -log_softmax(logits, axis=1)[np.arange(60), y].mean()
    assert start.history_["loss"] == [pytest.approx(loss)]
    assert start.history_["accuracy"] == [np.mean(logits.argmax(axis=1) == y)]


@pytest.mark.parametrize("settings", [{}, {"optimizer": "nadam"}], ids=["adam", "nadam"])
def test_training_goes_on_from_one_on_all_classes(many, settings):
    X, y, allowed = many
    clf, dense = make(dtype="float64", **settings), make(dtype="float64", **settings)
    for mask in (allowed, CSR(allowed), allowed):
        clf.partial_fit(X, y, allowed=mask)
        dense.partial_fit(X, y, allowed=allowed)
    assert_same(clf, dense, 1e-9)


def test_warm_start_goes_on(many):
    X, y, allowed = many
    clf = make(warm_start=True, epochs=1).fit(X, y, allowed=CSR(allowed))
    assert clf.fit(X, y, allowed=CSR(allowed)).n_iter_ == 2


def test_second_fit_traces_nothing(many, fitted):
    X, y, allowed = many
    mask = CSR(allowed[1:])
    make().fit(X[1:], y[1:], allowed=mask)
    before = count_traces()
    fewer = allowed[1:] & (np.arange(N_CLASSES) % 7 > 0)
    fewer[np.arange(59), y[1:]] = True
    make().fit(X[1:], y[1:], allowed=CSR(fewer))
    assert count_traces() == before


@pytest.fixture
def rectangles(monkeypatch):
    """The widths of the rectangles of candidates that programs are made with."""
    widths = []

    class Noted(_candidates.InRectangle):
        def __init__(self, width):
            widths.append(width)
            super().__init__(width)

    monkeypatch.setattr(_candidates, "InRectangle", Noted)
    return widths


@pytest.mark.parametrize(
    ("units", "settings"),
    [
        (5, {}),
        (6, {"optimizer": "sgd", "learning_rate": 0.5}),
        (
            7,
            {
                "optimizer": "sgd",
                "batch_size": 2,
                "early_stopping": True,
                "validation_fraction": 0.4,
            },
        ),
        (8, {"optimizer": "sgd", "dropout": 0.5, "batch_size": 3}),
        (9, {"optimizer": "adam", "alpha": 1.0}),
        (10, {"optimizer": "sgd", "sparse_updates": True}),
    ],
)
@pytest.mark.parametrize("at_least", [19, 15])
def test_rows_with_about_as_many_candidates_equal_all_classes(
    units, settings, at_least, many, rectangles
):
    X, y, _ = many
    rng = np.random.default_rng(0)
    allowed = np.zeros((60, N_CLASSES), bool)
    for row in allowed:
        row[rng.choice(N_CLASSES, rng.integers(at_least, 20), replace=False)] = True
    allowed[np.arange(60), y] = True
    weight = np.arange(60) % 3 + 0.5
    settings = {"dtype": "float64", "hidden_layer_sizes": (units + at_least,), **settings}
    clf = make(**settings).fit(X, y, weight, allowed=CSR(allowed))
    dense = make(**{**settings, "sparse_updates": False}).fit(X, y, weight, allowed=allowed)
    assert_same(clf, dense, 1e-9)
    for name, values in dense.history_.items():
        np.testing.assert_allclose(clf.history_[name], values, atol=1e-9)
    assert rectangles == [20]


def test_training_in_parts_of_the_mask_is_the_same(many, fitted, monkeypatch):
    X, y, allowed = many
    rows = np.tile(np.arange(60), 10)
    whole = make(dtype="float64").fit(X[rows], y[rows], allowed=CSR(allowed[rows]))
    monkeypatch.setattr(_table, "_STORED_AT_ONCE", 500)
    parts = make(dtype="float64").fit(X[rows], y[rows], allowed=CSR(allowed[rows]))
    assert_same(parts, whole, 1e-9)


def test_sparse_rows_train_as_dense_ones(many):
    X, y, allowed = many
    X = np.where(X > 0, X, 0)
    clf = make(dtype="float64").fit(CSR(X), y, allowed=CSR(allowed))
    dense = make(dtype="float64").fit(X, y, allowed=CSR(allowed))
    assert_same(clf, dense, 1e-9)


def test_mask_of_validation_rows_may_be_of_another_kind(many, by_candidates):
    X, y, allowed = many
    own = {"X_val": X[:20], "y_val": y[:20]}
    masks = [CSR(allowed[:20]), allowed[:20], np.ones(N_CLASSES, bool)]
    found = [
        make().fit(X, y, allowed=CSR(allowed), **own, allowed_val=mask).history_ for mask in masks
    ]
    assert by_candidates == [True, False, False]
    np.testing.assert_allclose(found[0]["val_loss"], found[1]["val_loss"], 1e-5)
    np.testing.assert_allclose(found[0]["loss"], found[2]["loss"], 1e-5)
    assert found[2]["val_loss"][0] == pytest.approx(np.log(N_CLASSES), abs=0.5)


def test_crossentropy_of_the_cost_sensitive_classifier_takes_candidates(many, by_candidates):
    X, y, allowed = many
    clf = CostSensitiveClassifier((4,), classes=np.arange(N_CLASSES), loss="crossentropy", epochs=1)
    clf.fit(X, y, allowed=CSR(allowed))
    assert by_candidates == [True]
    assert allowed[np.arange(60), clf.predict(X, allowed=CSR(allowed))].all()


@pytest.mark.parametrize(
    ("settings", "mask_of"),
    [
        ({}, np.asarray),
        ({}, lambda allowed: CSR(allowed | (np.arange(N_CLASSES) < 100))),
        ({"optimizer": "adafactor"}, CSR),
        ({"network": lambda inputs, n: keras.layers.Dense(n)(inputs)}, CSR),
    ],
    ids=["dense mask", "many allowed", "adafactor", "own network"],
)
def test_training_on_all_classes_where_candidates_do_not_pay(
    many, by_candidates, settings, mask_of
):
    X, y, allowed = many
    mask = mask_of(allowed)
    clf = make(epochs=1, **settings).fit(X, y, allowed=mask)
    assert by_candidates == [False]
    proba = clf.predict_proba(X, allowed=mask)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


# Prediction.


def test_prediction_equals_that_with_a_dense_mask(many, fitted):
    X, _, allowed = many
    proba = fitted.predict_proba(X, allowed=CSR(allowed))
    np.testing.assert_allclose(proba, fitted.predict_proba(X, allowed=allowed), atol=1e-6)
    np.testing.assert_array_equal(
        fitted.predict(X, allowed=CSR(allowed)), fitted.predict(X, allowed=allowed)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_output_equals_the_dense_one(many, fitted, dtype):
    X, _, allowed = many
    found = fitted.predict_proba(X.astype(dtype), allowed=CSR(allowed), sparse_output=True)
    assert found.format == "csr"
    assert found.dtype == dtype
    assert found.nnz == allowed.sum()
    dense = fitted.predict_proba(X.astype(dtype), allowed=CSR(allowed))
    np.testing.assert_array_equal(found.toarray(), dense)


@pytest.mark.parametrize("kind", [np.asarray, lambda allowed: allowed[0], lambda allowed: "all"])
def test_sparse_output_is_there_for_any_mask(many, fitted, kind):
    X, _, allowed = many
    found = fitted.predict_proba(X, allowed=kind(allowed), sparse_output=True)
    assert sparse.issparse(found)
    dense = fitted.predict_proba(X, allowed=kind(allowed))
    np.testing.assert_array_equal(found.toarray(), dense)


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_linear_and_deep_networks_predict_sparse_rows(many, hidden):
    X, y, allowed = many
    clf = make(hidden_layer_sizes=hidden, epochs=1).fit(X, y, allowed=CSR(allowed))
    found = clf.predict_proba(CSR(X), allowed=CSR(allowed))
    np.testing.assert_allclose(found, clf.predict_proba(X, allowed=allowed), atol=1e-6)


def test_score_is_the_share_of_right_predictions(many, fitted):
    X, y, allowed = many
    predicted = fitted.predict(X, allowed=CSR(allowed))
    assert fitted.score(X, y, allowed=CSR(allowed)) == np.mean(predicted == y)


def test_outputs_that_are_not_finite_name_their_rows(many, fitted):
    X, _, allowed = many
    X = X.copy()
    X[[7, 50]] = 3e38
    with pytest.raises(ValueError, match=r"outputs that are not finite for rows 7, 50"):
        fitted.predict(X, allowed=CSR(allowed))


def test_prediction_is_the_same_in_one_piece_and_in_many(many, fitted, monkeypatch):
    X, _, allowed = many
    rows = np.tile(np.arange(60), 3)
    whole = fitted.predict_proba(X[rows], allowed=CSR(allowed[rows]))
    monkeypatch.setattr("skmask.estimators._prediction._CHUNK_NUMBERS", 100)
    monkeypatch.setattr("skmask.estimators._candidates._NUMBERS_AT_ONCE", 10)
    parts = fitted.predict_proba(X[rows], allowed=CSR(allowed[rows]))
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_columns_in_another_order_are_put_in_order(many):
    X, y, allowed = many
    order = np.random.default_rng(1).permutation(N_CLASSES)
    clf = make(classes=order, epochs=1).fit(X, y, allowed=CSR(allowed[:, order]))
    plain = make(epochs=1).fit(X, y, allowed=CSR(allowed))
    np.testing.assert_array_equal(
        clf.predict_proba(X, allowed=CSR(allowed[:, order])),
        plain.predict_proba(X, allowed=CSR(allowed)),
    )


def test_softmax_of_candidates_is_that_of_each_row(rng):
    logits, starts = rng.normal(size=9) * 100, np.array([0, 1, 4])
    expected = [softmax(part) for part in np.split(logits, starts[1:])]
    np.testing.assert_allclose(candidate_softmax(logits, starts), np.concatenate(expected))


def test_best_candidate_is_the_first_of_the_highest():
    logits = np.array([5.0, 1, 3, 3, 3, 2, 3])
    assert best_candidates(logits, np.array([0, 1, 4])).tolist() == [0, 2, 4]


# Memory.


def test_memory_follows_the_entries_of_the_mask(rng):
    n_rows, n_classes, n_candidates = 2_000, 200_000, 20
    classes = np.sort(rng.integers(n_classes // n_candidates, size=(n_rows, n_candidates)))
    classes = classes + np.arange(n_candidates) * (n_classes // n_candidates)
    starts = np.arange(n_rows + 1) * n_candidates
    mask = CSR((np.ones(classes.size, bool), classes.ravel(), starts), shape=(n_rows, n_classes))
    clf = make(classes=np.arange(n_classes), optimizer="sgd", epochs=1, batch_size=500)
    X = rng.normal(size=(n_rows, 3))
    tracemalloc.start()
    clf.fit(X, classes[:, 3], allowed=mask)
    clf.predict(X, allowed=mask)
    clf.predict_proba(X, allowed=mask, sparse_output=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500 * n_classes  # a byte for each class of the rows of a batch


# The rest of an estimator's life.


def test_stored_model_predicts_the_same(many, fitted):
    X, _, allowed = many
    again = pickle.loads(pickle.dumps(fitted))
    assert record_of(again).state.weights[2].shape == (4, N_CLASSES)
    np.testing.assert_array_equal(
        again.predict_proba(X, allowed=CSR(allowed)), fitted.predict_proba(X, allowed=CSR(allowed))
    )


@pytest.mark.usefixtures("routing")
def test_search_hands_on_a_sparse_mask(many):
    X, y, allowed = many
    search = GridSearchCV(make(epochs=1), {"alpha": [0.0, 1.0]}, cv=2, error_score="raise")
    search.fit(X, y, allowed=CSR(allowed))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_onnx_of_a_fit_on_candidates_answers_the_same(many, fitted):
    X, _, allowed = many
    session = InferenceSession(to_onnx(fitted, X).SerializeToString())
    _, proba = session.run(None, {"X": X, "allowed": allowed})
    np.testing.assert_allclose(proba, fitted.predict_proba(X, allowed=CSR(allowed)), atol=1e-6)


# What bad input gets.


@pytest.mark.parametrize("dtype", [bool, int])
@pytest.mark.parametrize("kind", [CSR, sparse.coo_matrix, sparse.csc_array])
def test_repeated_entries_name_their_row(many, fitted, kind, dtype):
    X, _, allowed = many
    rows, columns = np.nonzero(allowed)
    if kind is not sparse.coo_matrix:
        axis = rows if kind is CSR else columns
        order = np.argsort(axis, kind="stable")
        rows, columns = rows[order], columns[order]
    first = np.flatnonzero(rows == 9)[0]
    rows, columns = np.insert(rows, first, 9), np.insert(columns, first, columns[first])
    values = np.ones(len(rows), dtype)
    if kind is sparse.coo_matrix:
        mask = kind((values, (rows, columns)), shape=allowed.shape)
    elif kind is CSR:
        starts = np.searchsorted(rows, np.arange(61))
        mask = kind((values, columns, starts), shape=allowed.shape)
    else:
        starts = np.searchsorted(columns, np.arange(N_CLASSES + 1))
        mask = kind((values, rows, starts), shape=allowed.shape)
    with pytest.raises(ValueError, match=r"each class of a row once; .* in row 9\."):
        fitted.predict(X, allowed=mask)


def test_more_entries_than_classes_name_their_row(many, fitted):
    X = many[0]
    values = np.ones(N_CLASSES + 1, bool)
    columns, starts = np.r_[np.arange(N_CLASSES), 0], [0, N_CLASSES + 1]
    mask = CSR((values, columns, starts), shape=(1, N_CLASSES))
    with pytest.raises(ValueError, match=r"each class of a row once; .* in row 0\."):
        fitted.predict(X[:1], allowed=mask)


def test_explicit_zero_means_not_allowed(many, fitted):
    X, _, allowed = many
    mask = CSR(allowed).astype(int)
    expected = allowed.copy()
    row = np.flatnonzero(allowed.sum(axis=1) > 1)[0]
    first = mask.indptr[row]
    mask.data[first] = 0
    expected[row, mask.indices[first]] = False
    found = fitted.predict_proba(X, allowed=mask)
    np.testing.assert_array_equal(found > 0, expected)


def test_row_without_a_class_is_named(many, fitted):
    X, _, allowed = many
    mask = allowed.copy()
    mask[4] = False
    with pytest.raises(ValueError, match=r"at least one class; got none in row 4\."):
        fitted.predict(X, allowed=CSR(mask))


def test_label_that_is_not_allowed_names_its_row(many):
    X, y, allowed = many
    mask = allowed.copy()
    mask[11, y[11]], mask[11, y[11] + 1] = False, True
    with pytest.raises(ValueError, match=r"y must be among the classes .* in row 11\."):
        make().fit(X, y, allowed=CSR(mask))


# Steps on the weights of a batch only.


def adam_step(weight, moment, square, gradient, number):
    """Return weights and moments after Adam's step of this number."""
    moment = moment + 0.1 * (gradient - moment)
    square = square + 0.001 * (gradient**2 - square)
    rate = 0.01 * np.sqrt(1 - 0.999**number) / (1 - 0.9**number)
    return weight - rate * moment / (np.sqrt(square) + 1e-7), moment, square


def test_sparse_updates_of_adam_follow_the_formula(many):
    X, y, allowed = many
    settings = {"hidden_layer_sizes": (), "batch_size": 60, "dtype": "float64"}
    masks = allowed.copy(), allowed & (np.arange(N_CLASSES) % 2 < 1)
    masks[1][np.arange(60), y] = True
    start = make(**settings, epochs=1, optimizer="sgd", learning_rate=1e-300)
    kernel, bias = weights(start.fit(X, y, allowed=CSR(allowed)))
    clf = make(**settings, learning_rate=0.01, sparse_updates=True)
    parts = [(kernel, 0 * kernel, 0 * kernel), (bias, 0 * bias, 0 * bias)]
    for number, mask in enumerate(masks, 1):
        clf.partial_fit(X, y, allowed=CSR(mask))
        logits = np.where(mask, X @ parts[0][0] + parts[1][0], -np.inf)
        error = (softmax(logits, axis=1) - np.eye(N_CLASSES)[y]) / len(X)
        gradients, touched = (X.T @ error, error.sum(axis=0)), mask.any(axis=0)
        parts = [
            tuple(
                np.where(touched, after, before)
                for after, before in zip(adam_step(*part, gradient, number), part, strict=True)
            )
            for part, gradient in zip(parts, gradients, strict=True)
        ]
    for found, part in zip(weights(clf), parts, strict=True):
        np.testing.assert_allclose(found, part[0], atol=1e-6)  # Keras' decay rates are float32


@pytest.mark.parametrize("optimizer", ["adagrad", "sgd"])
def test_sparse_updates_are_those_of_all_weights_where_zero_gradients_move_none(many, optimizer):
    X, y, allowed = many
    settings = {"optimizer": optimizer, "learning_rate": 0.1, "dtype": "float64"}
    clf = make(**settings, sparse_updates=True).fit(X, y, allowed=CSR(allowed))
    assert_same(clf, make(**settings).fit(X, y, allowed=CSR(allowed)), 1e-9)


@pytest.mark.parametrize("optimizer", ["adadelta", "adamax", "lion", "rmsprop"])
def test_sparse_updates_leave_other_classes_alone(many, optimizer):
    X, y, allowed = many
    settings = {"optimizer": optimizer, "batch_size": 100, "sparse_updates": True}
    start = make(epochs=1, optimizer="sgd", learning_rate=1e-30).fit(X, y, allowed=CSR(allowed))
    kernel = weights(make(**settings).fit(X, y, allowed=CSR(allowed)))[2]
    is_moved = (kernel != weights(start)[2]).any(axis=0)
    assert is_moved.any()
    assert not is_moved[~allowed.any(axis=0)].any()


def test_sparse_updates_with_a_penalty_are_those_of_all_weights(many):
    X, y, allowed = many
    clf = make(alpha=1.0, sparse_updates=True).fit(X, y, allowed=CSR(allowed))
    assert_same(clf, make(alpha=1.0).fit(X, y, allowed=CSR(allowed)), 1e-6)


@pytest.mark.parametrize(
    "optimizer",
    ["lamb", "nadam", keras.optimizers.Adam(weight_decay=0.1)],
    ids=["lamb", "nadam", "adam with decay"],
)
def test_sparse_updates_refuse_other_optimizers(many, optimizer):
    X, y, allowed = many
    with pytest.raises(ValueError, match=r"sparse_updates must be False for this optimizer; got"):
        make(optimizer=optimizer, sparse_updates=True).fit(X, y, allowed=CSR(allowed))
