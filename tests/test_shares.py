"""Targets that are shares of the classes, soft or one-hot, and label smoothing."""

import pickle

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import LabelBinarizer

from skmask import CostSensitiveClassifier, PrototypeClassifier, RestrictedClassClassifier
from skmask.datasets import make_restricted_classification
from skmask.networks import MLP

ESTIMATORS = [RestrictedClassClassifier, CostSensitiveClassifier]
COSTS = np.array([[0, 1, 5, 2], [3, 0, 1, 1], [1, 1, 0, 4], [2, 2, 1, 0]], float)


@pytest.fixture(scope="module")
def soft():
    """Rows of four classes, three of them allowed, and shares of those."""
    X, _, allowed = make_restricted_classification(40, 5, 4, 3, random_state=0)
    shares = np.random.default_rng(0).random(allowed.shape) * allowed
    return X, shares / shares.sum(axis=1, keepdims=True), allowed


def make(estimator=RestrictedClassClassifier, **kwargs):
    return estimator(
        **{"hidden_layer_sizes": (6,), "epochs": 3, "random_state": 0, "batch_size": 200, **kwargs}
    )


def one_by_one(shares):
    """Return a row for each class of each row, with the share as its weight."""
    rows, labels = np.nonzero(shares)
    return rows, labels, shares[rows, labels]


def assert_same_fit(one, other, X, allowed):
    found = one.predict_proba(X, allowed=allowed)
    np.testing.assert_allclose(found, other.predict_proba(X, allowed=allowed), rtol=1e-9)
    np.testing.assert_allclose(one.history_["loss"], other.history_["loss"], rtol=1e-9)


# Shares are rows with weights.


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 5.0, 2: 0.0}])
@pytest.mark.parametrize(
    ("estimator", "more"),
    [
        (RestrictedClassClassifier, {}),
        (RestrictedClassClassifier, {"label_smoothing": 0.2}),
        (
            CostSensitiveClassifier,
            {"cost_matrix": COSTS, "loss": "expected_cost", "label_smoothing": 0.1},
        ),
        (CostSensitiveClassifier, {"cost_matrix": COSTS, "loss": "crossentropy"}),
    ],
)
def test_row_of_shares_equals_a_row_for_each_class(soft, estimator, more, class_weight):
    X, shares, allowed = soft
    rows, labels, weight = one_by_one(shares)
    clf = make(estimator, class_weight=class_weight, **more)
    expected = clone(clf).fit(X[rows], labels, weight, allowed=allowed[rows])
    assert_same_fit(clf.fit(X, shares, allowed=allowed), expected, X, allowed)


@pytest.mark.parametrize("n_axes", [2, 3])
def test_costs_by_row_are_expected_over_the_shares(soft, n_axes):
    X, shares, _ = soft
    costs = np.random.default_rng(1).random((len(X), *[4] * (n_axes - 1)))
    clf = make(CostSensitiveClassifier, loss="expected_cost", learning_rate=1e-30, epochs=1)
    clf.fit(X, shares, costs=costs)
    by_label = np.broadcast_to(costs if n_axes == 3 else costs[:, np.newaxis], (len(X), 4, 4))
    means = np.einsum("nk,nkj->kj", shares, by_label) / shares.sum(axis=0)[:, np.newaxis]
    np.testing.assert_allclose(clf.cost_matrix_, means, rtol=1e-9)
    weight = shares[:, :, np.newaxis] * (1 - np.eye(4))
    by_row = np.einsum("nk,nkj->nj", shares, by_label) / np.average(by_label, weights=weight)
    proba = clf.predict_proba(X)
    losses = (proba * by_row).sum(axis=1) - (shares * np.log(proba)).sum(axis=1)
    assert clf.history_["loss"] == pytest.approx([losses.mean()])


@pytest.mark.parametrize("loss", ["expected_cost", "weighted_crossentropy", "crossentropy"])
def test_one_hot_equals_labels(soft, loss):
    X, shares, allowed = soft
    y = shares.argmax(axis=1)
    clf = make(CostSensitiveClassifier, cost_matrix=COSTS, loss=loss)
    expected = clone(clf).fit(X, y, allowed=allowed)
    assert_same_fit(clf.fit(X, np.eye(4, dtype=int)[y], allowed=allowed), expected, X, allowed)
    assert clf.history_["accuracy"] == pytest.approx(expected.history_["accuracy"])


@pytest.mark.parametrize("n_axes", [2, 3])
def test_one_hot_equals_labels_with_costs_by_row(soft, n_axes):
    X, shares, allowed = soft
    y = shares.argmax(axis=1)
    costs = np.random.default_rng(1).random((len(X), *[4] * (n_axes - 1)))
    clf = make(CostSensitiveClassifier)
    expected = clone(clf).fit(X, y, allowed=allowed, costs=costs)
    assert_same_fit(clf.fit(X, np.eye(4)[y], allowed=allowed, costs=costs), expected, X, allowed)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_training_equals_keras_without_a_mask(soft, label_smoothing):
    X, shares, _ = soft
    clf = make(dtype="float32", epochs=4, label_smoothing=label_smoothing, learning_rate=0.05)
    clf.fit(X, shares)
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(6, "relu"), keras.layers.Dense(4)]
    )
    model.set_weights(
        make(dtype="float32", epochs=1, learning_rate=1e-30).fit(X, shares).model_.get_weights()
    )
    loss = keras.losses.CategoricalCrossentropy(True, label_smoothing=label_smoothing)
    model.compile(keras.optimizers.Adam(0.05), loss)
    history = model.fit(X, shares, batch_size=200, epochs=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(clf.history_["loss"], history.history["loss"], rtol=1e-4)
    np.testing.assert_allclose(clf.decision_function(X), model(X), rtol=1e-3, atol=1e-3)


def test_accuracy_counts_the_largest_share_whatever_the_class_weights(soft):
    X, shares, allowed = soft
    clf = make(class_weight={3: 50.0}, learning_rate=1e-30, epochs=1)
    clf.fit(X, shares, allowed=allowed)
    is_right = clf.predict(X, allowed=allowed) == shares.argmax(axis=1)
    weight = shares @ [1, 1, 1, 50]
    assert clf.history_["accuracy"] == pytest.approx([np.average(is_right, weights=weight)])


# Order of the columns.


def test_columns_of_an_array_are_in_the_order_of_classes(soft):
    X, shares, allowed = soft
    plain = make().fit(X, shares, allowed=allowed)
    order = [2, 0, 3, 1]
    clf = make(classes=order).fit(X, shares[:, order], allowed=allowed[:, order])
    np.testing.assert_array_equal(clf.classes_, plain.classes_)
    np.testing.assert_allclose(
        clf.predict_proba(X, allowed=allowed[:, order]), plain.predict_proba(X, allowed=allowed)
    )


def test_columns_are_numbered_without_classes(soft):
    X, shares, _ = soft
    np.testing.assert_array_equal(make().fit(X, shares).classes_, [0, 1, 2, 3])


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_columns_of_a_frame_are_class_labels(soft, frame):
    X, shares, allowed = soft
    names = list("abcd")
    expected = make(classes=names).fit(X, shares, allowed=allowed)
    table = frame({name: shares[:, names.index(name)] for name in "cadb"})
    clf = make().fit(X, table, allowed=allowed)
    np.testing.assert_array_equal(clf.classes_, names)
    assert_same_fit(clf, expected, X, allowed)
    assert clf.score(X, table, allowed=allowed) == expected.score(X, shares, allowed=allowed)


def test_lists_are_read(soft):
    X, shares, _ = soft
    one, other = make().fit(X, shares.tolist()), make().fit(X, shares)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_label_binarizer_makes_a_target(soft):
    X, shares, _ = soft
    y = np.array(["d", "a", "c", "b"])[shares.argmax(axis=1)]
    binarizer = LabelBinarizer().fit(y)
    clf = make(classes=binarizer.classes_).fit(X, binarizer.transform(y))
    np.testing.assert_array_equal(clf.predict(X), make().fit(X, y).predict(X))


def test_one_column_is_a_column_of_labels(soft):
    X, shares, _ = soft
    y = shares.argmax(axis=1)
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        clf = make().fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(clf.predict(X), make().fit(X, y).predict(X))


# The life of an estimator.


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_search_and_cross_validation_pass_masks_and_shares(soft, estimator, routing):
    X, shares, allowed = soft
    clf = make(estimator)
    scores = cross_val_score(clf, X, shares, cv=3, params={"allowed": allowed})
    assert np.isfinite(scores).all()
    search = GridSearchCV(clf, {"label_smoothing": [0.0, 0.4]}, cv=2)
    search.fit(X, pd.DataFrame(shares, columns=list("abcd")), allowed=allowed)
    assert set(search.best_estimator_.predict(X, allowed=allowed)) <= set("abcd")


def test_score_is_the_accuracy_against_the_largest_share(soft):
    X, shares, allowed = soft
    clf = make().fit(X, shares, allowed=allowed)
    weight = np.arange(len(X))
    expected = clf.score(X, shares.argmax(axis=1), weight, allowed=allowed)
    assert clf.score(X, shares, weight, allowed=allowed) == expected


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_early_stopping_holds_out_by_the_largest_share(soft, estimator):
    X, shares, allowed = soft
    clf = make(estimator, early_stopping=True, validation_fraction=0.3, n_iter_no_change=2)
    clf.fit(X, shares, allowed=allowed)
    assert np.isfinite(clf.history_["val_loss"]).all()
    assert len(clf.history_["val_accuracy"]) == clf.n_iter_


def test_partial_fit_equals_a_row_for_each_class(soft):
    X, shares, allowed = soft
    rows, labels, weight = one_by_one(shares)
    one, other = make(dtype="float64"), make(dtype="float64", batch_size=1000)
    for _ in range(2):
        one.partial_fit(X, shares, classes=[0, 1, 2, 3], allowed=allowed)
        other.partial_fit(X[rows], labels, [0, 1, 2, 3], weight, allowed=allowed[rows])
    # The step divides by the rows of the batch, of which one has fewer.
    assert one.n_iter_ == other.n_iter_ == 2
    np.testing.assert_allclose(one.history_["loss"][0], other.history_["loss"][0], rtol=1e-9)


def test_partial_fit_needs_the_classes(soft):
    X, shares, _ = soft
    with pytest.raises(ValueError, match="classes must be passed in the first call of partial_fit"):
        make().partial_fit(X, shares)


def test_warm_start_goes_from_labels_to_shares(soft):
    X, shares, allowed = soft
    clf = make(warm_start=True).fit(X, shares.argmax(axis=1), allowed=allowed)
    assert clf.fit(X, shares, allowed=allowed).n_iter_ == 6


def test_pickle_predicts_the_same(soft):
    X, shares, allowed = soft
    clf = make(label_smoothing=0.1).fit(X, shares, allowed=allowed)
    again = pickle.loads(pickle.dumps(clf))
    expected = clf.predict_proba(X, allowed=allowed)
    np.testing.assert_array_equal(again.predict_proba(X, allowed=allowed), expected)


def test_shares_and_sparse_masks_go_together(soft):
    X, shares, allowed = soft
    one = make().fit(X, shares, allowed=sparse.csr_array(allowed))
    assert_same_fit(one, make().fit(X, shares, allowed=allowed), X, allowed)


def test_mask_in_columns_of_X_goes_with_shares(soft):
    X, shares, allowed = soft
    wide = np.c_[X, allowed]
    clf = make(allowed_columns=slice(5, None)).fit(wide, shares)
    expected = make().fit(X, shares, allowed=allowed)
    np.testing.assert_allclose(
        clf.predict_proba(wide), expected.predict_proba(X, allowed=allowed), rtol=1e-9
    )


def test_rounded_float32_is_normalised(soft):
    X, shares, _ = soft
    rounded = shares.astype(np.float16)
    assert (rounded.astype(float).sum(axis=1) != 1).any()
    exact = rounded.astype(float) / rounded.astype(float).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(
        make().fit(X, rounded).predict_proba(X), make().fit(X, exact).predict_proba(X)
    )


def test_target_is_never_written_to(soft):
    X, shares, allowed = soft
    given = shares.copy()
    given.flags.writeable = False
    make(class_weight="balanced").fit(X, given, allowed=allowed)
    np.testing.assert_array_equal(given, shares)


# Label smoothing.


def test_smoothed_history_is_that_of_smoothed_shares(soft):
    X, shares, allowed = soft
    even = allowed / allowed.sum(axis=1, keepdims=True)
    expected = make().fit(X, 0.7 * shares + 0.3 * even, allowed=allowed)
    assert_same_fit(make(label_smoothing=0.3).fit(X, shares, allowed=allowed), expected, X, allowed)


def test_row_of_one_allowed_class_has_no_loss(soft):
    X, shares, _ = soft
    y = shares.argmax(axis=1)
    clf = make(label_smoothing=0.5, classes=[0, 1, 2, 3]).fit(X, y, allowed=np.eye(4)[y])
    np.testing.assert_allclose(clf.history_["loss"], 0, atol=1e-12)


@pytest.mark.parametrize("label_smoothing", [-0.1, 1, 1.5, np.nan, "0.1"])
def test_label_smoothing_out_of_range(soft, label_smoothing):
    X, shares, _ = soft
    with pytest.raises(ValueError, match="'label_smoothing' parameter of Restricted"):
        make(label_smoothing=label_smoothing).fit(X, shares)


# Errors.


def spoiled(shares, row, values):
    shares = shares.copy()
    shares[row] = values
    return shares


WRONG = {
    "sum": (lambda y: spoiled(y, 3, [0.5, 0.4, 0, 0]), "must have rows that sum to 1 .* in row 3"),
    "rounded": (lambda y: y * (1 + 1e-5), "must have rows that sum to 1"),
    "negative": (
        lambda y: spoiled(y, 2, [-1, 1, 1, 0]),
        r"shares of 0 or more .* \[-1.0\] in row 2",
    ),
    "nan": (lambda y: spoiled(y, 4, np.nan), "finite shares of 0 or more .* in row 4"),
    "infinite": (lambda y: spoiled(y, 4, np.inf), "finite shares of 0 or more .* in row 4"),
    "missing": (
        lambda y: pd.DataFrame(y).astype("Float64").mask(pd.DataFrame(y > 0.6)),
        "finite shares",
    ),
    "text": (lambda y: y.astype(str), "a share of each class; got text"),
    "sparse": (sparse.csr_array, "a share of each class; got a sparse matrix"),
    "zeros": (np.zeros_like, "must have rows that sum to 1"),
    "masked": (lambda y: np.ma.masked_greater(y, 0.5), "y must hold no masked entries"),
    "length": (lambda y: y[:-1], "inconsistent numbers of samples"),
    "cube": (lambda y: y[:, :, np.newaxis], "Found array with dim 3"),
    "repeated": (
        lambda y: pd.DataFrame(y, columns=list("abca")),
        r"y must have each column once; got .* repeated 'a'",
    ),
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("wrong", WRONG)
def test_bad_shares(soft, estimator, wrong):
    X, shares, _ = soft
    spoil, message = WRONG[wrong]
    clf = make(estimator)
    before = dict(vars(clf))
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(X, spoil(shares))
    assert vars(clf) == before


@pytest.mark.parametrize("width", [3, 5])
def test_width_is_that_of_the_classes(soft, width):
    X, *_ = soft
    shares = np.full((len(X), width), 1 / width)
    with pytest.raises(ValueError, match=r"y must have shape \(n_samples,\), or .* got \(40, "):
        make(classes=[0, 1, 2, 3]).fit(X, shares)


def test_columns_of_a_frame_must_be_the_classes(soft):
    X, shares, _ = soft
    with pytest.raises(
        ValueError, match=r"y must have one column for each class.* unknown \['d'\]"
    ):
        make(classes=list("abce")).fit(X, pd.DataFrame(shares, columns=list("abcd")))


@pytest.mark.parametrize("as_mask", [np.asarray, sparse.csr_array])
def test_share_of_a_class_that_is_not_allowed(soft, as_mask):
    X, shares, allowed = soft
    allowed = allowed.copy()
    allowed[[5, 9], shares[[5, 9]].argmax(axis=1)] = False
    with pytest.raises(ValueError, match=r"no share of a class that allowed .* in rows 5, 9\. Set"):
        make().fit(X, shares, allowed=as_mask(allowed))


def test_share_of_a_class_that_one_mask_for_all_forbids(soft):
    X, shares, _ = soft
    with pytest.raises(ValueError, match=r"no share of a class .* got shares of \[3\] in row"):
        make().fit(X, shares, allowed=[1, 1, 1, 0])


def test_warm_start_needs_the_same_classes(soft):
    X, shares, _ = soft
    clf = make(warm_start=True).fit(X, np.array(list("abcd"))[shares.argmax(axis=1)])
    with pytest.raises(ValueError, match="y must have the classes of the fit that it goes on from"):
        clf.fit(X, shares)


def test_score_checks_the_shares(soft):
    X, shares, _ = soft
    clf = make().fit(X, shares)
    with pytest.raises(ValueError, match="y must have rows that sum to 1"):
        clf.score(X, shares * 2)


def test_prototypes_have_labels(soft):
    X, shares, _ = soft
    with pytest.raises(ValueError, match="y should be a 1d array"):
        PrototypeClassifier().fit(X, shares)


def test_described_network_takes_shares(soft):
    X, shares, allowed = soft
    one = make(network=MLP((6,))).fit(X, shares, allowed=allowed)
    assert_same_fit(one, make().fit(X, shares, allowed=allowed), X, allowed)
