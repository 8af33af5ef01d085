"""MaskedSequenceClassifier: what counts, what does not, and what it takes."""

import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from skmask import MaskedSequenceClassifier, RestrictedClassClassifier
from skmask.datasets import make_addition_sequences, make_padded_sequences
from skmask.metrics import (
    make_sequence_scorer,
    routed_scorer,
    sequence_accuracy,
    step_accuracy,
)
from skmask.networks import MLP, EncoderDecoder, Recurrent

N, T, F, K = 40, 7, 3, 3


def make(**parameters):
    settings = {"units": 5, "epochs": 2, "padding_label": "#", "random_state": 0, **parameters}
    return MaskedSequenceClassifier(**settings)


@pytest.fixture(scope="module")
def data():
    """Forty strings of up to seven letters of three."""
    return make_padded_sequences(N, T, F, mean_length=4, random_state=0)


@pytest.fixture(scope="module")
def real(data):
    return ~np.isnan(data[0][..., 0])


@pytest.fixture(scope="module")
def fitted(data):
    return make().fit(*data)


@pytest.fixture(scope="module")
def lists(data, real):
    X, y = data
    return [x[r] for x, r in zip(X, real, strict=True)], [
        labels[r] for labels, r in zip(y, real, strict=True)
    ]


def wider(values, fill, *, more=T, left=0):
    """Return an array with more steps of padding, behind or, some of them, before."""
    pad = [(0, 0), (left, more - left)] + [(0, 0)] * (values.ndim - 2)
    if values.dtype.kind == "U":
        filled = np.full((len(values), values.shape[1] + more), fill)
        filled[:, left : left + values.shape[1]] = values
        return filled
    return np.pad(values, pad, constant_values=fill)


def same_weights(one, two):
    for a, b in zip(one._record.state.weights, two._record.state.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


# What does not count changes nothing.


@pytest.mark.parametrize(
    ("cell", "bidirectional", "left"),
    [("lstm", False, 0), ("lstm", True, 3), ("gru", False, 3), ("gru", True, 0)],
)
def test_twice_the_padding_changes_nothing(data, real, cell, bidirectional, left):
    X, y = data
    one = make(cell=cell, bidirectional=bidirectional).fit(X, y)
    more_X, more_y = wider(X, np.nan, left=left), wider(y, "#", left=left)
    two = clone(one).fit(more_X, more_y)
    np.testing.assert_allclose(one.history_["loss"], two.history_["loss"], atol=1e-6)
    same_weights(one, two)
    proba = two.predict_proba(more_X)
    np.testing.assert_allclose(proba[:, left : left + T], one.predict_proba(X), atol=1e-6)
    assert np.isnan(proba[wider(~real, True, left=left)]).all()


def test_garbage_at_padding_changes_nothing(data, real, rng):
    X, y = data
    weight = rng.uniform(0.5, 2, size=(N, T))
    allowed = (y[..., np.newaxis] == np.array(list("abc"))) | (rng.random((N, T, F)) < 0.5)
    allowed |= ~real[..., np.newaxis]
    one = make(class_weight={"a": 2.0}).fit(X, y, weight, allowed=allowed)
    y, weight, allowed = y.copy(), weight.copy(), allowed.copy()
    y[~real] = rng.choice(list("abc?#"), size=(~real).sum())
    weight[~real] = rng.choice([np.nan, -1, 1e9], size=(~real).sum())
    allowed[~real] = False
    two = clone(one).fit(X, y, weight, allowed=allowed)
    same_weights(one, two)
    np.testing.assert_array_equal(
        one.predict_proba(X, allowed=allowed), two.predict_proba(X, allowed=allowed)
    )


def test_padding_inside_is_skipped(data, fitted, lists):
    X, _ = data
    apart = np.full((N, 2 * T, F), np.nan)
    apart[:, ::2] = X
    np.testing.assert_array_equal(fitted.predict_proba(apart)[:, ::2], fitted.predict_proba(X))
    holes = [np.insert(x, 1, np.nan, axis=0) for x in lists[0]]
    np.testing.assert_array_equal(fitted.predict(holes)[:, 1], "#")


def test_lists_and_arrays_are_the_same(data, fitted, lists):
    again = clone(fitted).fit(*lists)
    same_weights(fitted, again)
    n_steps = max(map(len, lists[0]))
    np.testing.assert_array_equal(again.predict(lists[0]), fitted.predict(data[0])[:, :n_steps])
    assert again.score(*lists) == fitted.score(*data)


def test_steps_of_zeros_are_real_unless_they_mark_padding(data, real):
    X, y = data
    X = np.where(real[..., np.newaxis], X, 0)
    labels = np.where(real, y, "a")
    assert (make().fit(X, labels).predict(X) != "#").all()
    by_zero = make(mask_value=0.0).fit(X, y)
    np.testing.assert_array_equal(by_zero.predict(X) != "#", real)
    same_weights(by_zero, make().fit(*data))


def test_mask_value_is_that_of_the_fit(data, fitted):
    X = data[0]
    expected = fitted.predict(X)
    changed = pickle.loads(pickle.dumps(fitted)).set_params(mask_value=0.0)
    np.testing.assert_array_equal(changed.predict(X), expected)
    padded = np.concatenate([X, np.zeros((N, 1, F))], axis=1)  # real steps, as in the fit
    assert (changed.predict(padded)[:, -1] != "#").all()
    np.testing.assert_array_equal(changed.predict(padded), fitted.predict(padded))


@pytest.mark.parametrize("value", ["#", None, [0.0], 10**400])
def test_mask_value_of_the_next_fit_does_not_stand_in_the_way(data, fitted, value):
    X = data[0]
    changed = pickle.loads(pickle.dumps(fitted)).set_params(mask_value=value)
    np.testing.assert_array_equal(changed.predict(X), fitted.predict(X))
    assert not get_tags(changed).input_tags.allow_nan


def test_mask_value_of_a_further_fit_is_the_new_one(data, real):
    X, y = data
    clf = make().fit(X, y).set_params(mask_value=0.0)
    X = np.where(real[..., np.newaxis], X, 0)
    np.testing.assert_array_equal(clf.fit(X, y).predict(X) != "#", real)


def test_label_of_padding_leaves_real_steps_out(data, real):
    X, y = data
    some = y.copy()
    some[::3, 0] = "#"
    weight = np.ones((N, T))
    weight[::3, 0] = 0
    one, two = make().fit(X, some), make().fit(X, y, weight)
    same_weights(one, two)
    assert (one.predict(X)[::3, 0] != "#").all()
    hits = (one.predict(X) == some)[real & (some != "#")]
    assert one.score(X, some) == pytest.approx(hits.mean())


# The loss.


def test_history_is_the_mean_over_all_steps_of_the_epoch(data, real):
    X, y = data
    frozen = make(optimizer="sgd", learning_rate=1e-12, epochs=1, batch_size=7).fit(X, y)
    codes = np.searchsorted(frozen.classes_, np.where(real, y, "a"))
    log_proba = frozen.predict_log_proba(X)
    losses = -np.take_along_axis(log_proba, codes[..., np.newaxis], axis=2)[..., 0]
    assert frozen.history_["loss"][0] == pytest.approx(losses[real].mean(), abs=1e-6)
    hits = (frozen.predict(X) == y)[real]
    assert frozen.history_["accuracy"][0] == pytest.approx(hits.mean(), abs=1e-6)


def test_weights_of_steps_of_sequences_and_of_classes_are_factors(data, real, rng):
    X, y = data
    rows, by_class = rng.uniform(0.5, 2, size=N), {"a": 1.0, "b": 3.0, "c": 0.5}
    factors = np.vectorize(by_class.get)(np.where(real, y, "a"))
    one = make(class_weight=by_class).fit(X, y, rows)
    same_weights(one, make().fit(X, y, rows[:, np.newaxis] * factors))
    lists_of_weights = [w[r] for w, r in zip(rows[:, np.newaxis] * factors, real, strict=True)]
    same_weights(one, make().fit(X, y, lists_of_weights))


def test_balanced_class_weight_counts_real_steps(data, real):
    X, y = data
    labels, counts = np.unique(y[real], return_counts=True)
    by_hand = dict(zip(labels.tolist(), real.sum() / (len(labels) * counts), strict=True))
    same_weights(make(class_weight="balanced").fit(X, y), make(class_weight=by_hand).fit(X, y))


def test_grouping_by_length_changes_nothing_but_the_order(data):
    X, y = data
    # With one batch there is only one order.
    grouped, shuffled = (
        make(batch_size=N, group_by_length=group).fit(X, y) for group in (True, False)
    )
    same_weights(grouped, shuffled)
    grouped, shuffled = (
        make(batch_size=4, group_by_length=group).fit(X, y) for group in (True, False)
    )
    assert grouped.history_ != shuffled.history_


# Kinds of problems and of input.


def test_one_label_per_sequence(data, real):
    X, y = data
    labels = np.where((y == "a").sum(axis=1) > 1, "many", "few")
    clf = make(epochs=3).fit(X, labels)
    assert clf.predict(X).shape == (N,)
    assert clf.predict_proba(X).shape == (N, 2)
    assert clf.decision_function(X).shape == (N,)
    assert clf.score(X, labels) == accuracy_score(labels, clf.predict(X))
    wide = clone(clf).fit(wider(X, np.nan, left=2), labels)
    same_weights(clf, wide)


@pytest.mark.parametrize(
    "settings", [{"units": (4, 5)}, {"cell": "gru", "bidirectional": True}], ids=["lstm", "gru"]
)
def test_encoder_decoder(settings):
    X, y = make_addition_sequences(60, 2, random_state=0)
    clf = make(architecture="encoder_decoder", **settings).fit(X, y)
    assert clf.predict(X).shape == y.shape
    assert (clf.predict(X) != "#").all()  # nobody knows where its answer ends
    is_real = y != "#"
    assert clf.score(X, y) == pytest.approx((clf.predict(X) == y)[is_real].mean())
    more = clone(clf).fit(wider(X, np.nan), y)
    same_weights(clf, more)
    answers = [row[r] for row, r in zip(y, is_real, strict=True)]
    same_weights(clf, clone(clf).fit(X, answers))
    assert clf.score(X, answers) == clf.score(X, y)


def test_stacked_and_two_way_networks_have_the_layers_asked_for(data):
    model = make(units=(4, 5), bidirectional=True, cell="gru").fit(*data).model_
    layers = [layer for layer in model.layers if type(layer).__name__ == "MaskedGRU"]
    assert [layer.units for layer in layers] == [4, 4, 5, 5]
    assert [layer.reverse for layer in layers] == [False, True, False, True]


def test_tagger_that_looks_back_knows_what_comes(data):
    X, y = data
    following = np.where(y == "#", "#", np.roll(y, -1, axis=1))
    following[:, -1] = "#"
    one_way, both = (make(bidirectional=b).fit(X, following) for b in (False, True))
    changed = X.copy()
    changed[:, 1] = np.where(np.isnan(X[:, 1]), np.nan, np.roll(X[:, 1], 1, axis=1))
    first = [
        clf.predict_proba(changed)[:, 0] - clf.predict_proba(X)[:, 0] for clf in (one_way, both)
    ]
    assert np.abs(first[0]).max() == 0
    assert np.abs(first[1]).max() > 0


def test_kinds_of_labels_agree(data, real):
    X, y = data
    numbers = np.where(real, np.searchsorted(list("abc"), y), -7)
    clf = make(padding_label=None).fit(X, numbers)  # the mask tells what is padding
    same_weights(clf, make().fit(X, y))
    predicted = clf.predict(X)
    assert (predicted[~real] == -1).all()
    assert predicted.dtype.kind == "i"
    np.testing.assert_array_equal(clf.classes_, [0, 1, 2])
    assert (make(padding_label=None).fit(X, y).predict(X)[~real] == "").all()


def test_single_features_may_be_a_table_an_array_or_a_list(data, real):
    X, y = data
    single = np.where(real, np.nanargmax(np.nan_to_num(X), axis=2), np.nan)
    ragged = [row[r] for row, r in zip(single, real, strict=True)]
    kinds = [single, pd.DataFrame(single).add_prefix("t"), single[..., np.newaxis], ragged]
    labels = [row[r] for row, r in zip(y, real, strict=True)]
    fits = [make().fit(kind, labels) for kind in kinds]
    for fit in fits[1:]:
        same_weights(fits[0], fit)
    assert [fit.n_features_in_ for fit in fits] == [T, T, 1, 1]
    # A table has its columns; an array and a list may be longer.
    longer = wider(single, np.nan)
    with pytest.raises(ValueError, match=r"X has 14 features.*go into an array of shape"):
        fits[0].predict(longer)
    for fit in fits:
        assert fit.predict(longer[..., np.newaxis]).shape == (N, 2 * T)
    assert fits[3].predict(longer).shape == (N, 2 * T)


def test_prediction_of_other_lengths(fitted, data):
    X, _ = data
    for n_steps in (1, 3, 40):
        steps = np.tile(np.nan_to_num(X), (1, 6, 1))[:, :n_steps]
        assert fitted.predict(steps).shape == (N, n_steps)
    assert fitted.predict([np.zeros((2, F)), np.zeros((5, F))]).tolist()[0][2:] == ["#"] * 3


def test_sequence_of_padding_is_predicted_as_such(fitted, data):
    X = data[0].copy()
    X[3] = np.nan
    assert (fitted.predict(X)[3] == "#").all()
    with pytest.raises(ValueError, match=r"X must have a real step in each sequence.*row 3"):
        make().fit(X, np.arange(N) % 2).predict(X)
    by_sequence = make().fit(data[0], np.arange(N) % 2)
    with pytest.raises(ValueError, match=r"X must have a real step in each sequence.*row 3"):
        by_sequence.predict(X)


@pytest.mark.parametrize("by_step", [False, True])
def test_no_class_that_is_not_allowed(data, real, rng, by_step):
    X, y = data
    shape = (N, T, F) if by_step else (N, F)
    allowed = rng.random(shape) < 0.3
    codes = np.where(real, np.searchsorted(list("abc"), y), 0)
    if by_step:
        np.put_along_axis(allowed, codes[..., np.newaxis], True, axis=2)
    else:
        for row in range(N):
            allowed[row, codes[row, real[row]]] = True
    clf = make().fit(X, y, allowed=allowed)
    proba = clf.predict_proba(X, allowed=allowed)
    each = allowed if by_step else np.broadcast_to(allowed[:, np.newaxis], proba.shape)
    assert (proba[real & ~each.all(axis=2)][~each[real & ~each.all(axis=2)]] == 0).all()
    np.testing.assert_allclose(proba[real].sum(axis=1), 1, atol=1e-6)
    scores = np.where(each, clf.decision_function(X, allowed="all"), -np.inf)
    np.testing.assert_allclose(
        clf.predict_log_proba(X, allowed=allowed)[real],
        log_softmax(scores[real], axis=1),
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="allowed must be given for prediction"):
        clf.predict(X)
    if by_step:
        as_list = [mask[r] for mask, r in zip(allowed, real, strict=True)]
        X_list = [x[r] for x, r in zip(X, real, strict=True)]
        n_steps = real.sum(axis=1).max()
        np.testing.assert_array_equal(
            clf.predict(X_list, allowed=as_list), clf.predict(X, allowed=allowed)[:, :n_steps]
        )


def test_one_mask_for_all_and_a_labelled_one(data):
    X, y = data
    y = np.where(y == "c", "a", y)
    clf = make(classes=["c", "b", "a"]).fit(X, y, allowed=[0, 1, 1])
    assert (clf.predict_proba(X, allowed=[0, 1, 1])[..., 2][y != "#"] == 0).all()
    frame = pd.DataFrame(np.tile([1, 0, 1], (N, 1)), columns=["a", "c", "b"])
    np.testing.assert_array_equal(clf.predict(X, allowed=frame), clf.predict(X, allowed=[0, 1, 1]))


def test_network_of_ones_own_is_handed_the_mask(data, fitted):
    X, y = data
    seen = []

    def network(inputs, n_outputs, mask):
        seen.append((inputs.shape, n_outputs, mask.shape, mask.dtype))
        hidden = keras.layers.LSTM(4, return_sequences=True)(inputs)  # finds it by itself
        share = keras.ops.cast(keras.ops.expand_dims(mask, -1), "float32")
        mean = keras.ops.sum(hidden * share, axis=1, keepdims=True) / keras.ops.sum(
            share, axis=1, keepdims=True
        )
        return keras.layers.Dense(n_outputs)(hidden + mean)

    clf = make(network=network).fit(X, y)
    assert seen[0] == ((None, None, F), 3, (None, None), "bool")
    two = make(network=network).fit(wider(X, np.nan), wider(y, "#"))
    same_weights(clf, two)
    np.testing.assert_allclose(
        clf.predict_proba(X), two.predict_proba(wider(X, np.nan))[:, :T], atol=1e-6
    )
    model = clf.model_(np.float32(X)).numpy()
    np.testing.assert_allclose(model[y != "#"], clf.decision_function(X)[y != "#"], atol=1e-5)


def test_network_of_ones_own_makes_sequences_of_another_length():
    X, y = make_addition_sequences(60, 2, random_state=0)

    def network(inputs, n_outputs, mask):
        code = keras.layers.RepeatVector(3)(keras.layers.GRU(4)(inputs, mask=mask))
        return keras.layers.Dense(n_outputs)(keras.layers.GRU(4, return_sequences=True)(code))

    clf = make(network=network, architecture="encoder_decoder").fit(X, y)
    assert clf.predict_proba(X).shape == (60, 3, 10)
    same_weights(clf, clone(clf).fit(wider(X, np.nan), y))


def test_model_is_the_users_and_takes_padding(data, fitted, real):
    found = fitted.model_(np.float32(wider(data[0], np.nan))).numpy()[:, :T]
    np.testing.assert_allclose(found[real], fitted.decision_function(data[0])[real], atol=1e-6)


def test_epochs_are_compiled_once(tmp_path):
    # XLA takes what an index outside of a loop depends on for a constant, unless it is gathered:
    # it then compiles anew in every epoch. It leaves a file for each compilation.
    code = """
from skmask import MaskedSequenceClassifier, RestrictedClassClassifier
from skmask.networks import MLP, EncoderDecoder, Recurrent
from skmask.datasets import make_padded_sequences
X, y = make_padded_sequences(600, 8, 3, random_state=0)
clf = MaskedSequenceClassifier(4, "gru", padding_label="#", bidirectional=True)
for n_rows in (600, 600, 590):
    clf.partial_fit(X[:n_rows], y[:n_rows], classes=list("abc"))
"""
    environment = {**os.environ, "XLA_FLAGS": f"--xla_dump_to={tmp_path}"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
    modules = {path.name.split(".")[0] for path in tmp_path.glob("*train_epochs*")}
    assert len(modules) == 1


# In scikit-learn's tools.


@pytest.mark.parametrize("kind", ["arrays", "lists"])
def test_cross_validation(data, lists, kind):
    X, y = data if kind == "arrays" else lists
    scores = cross_val_score(make(), X, y, cv=3)
    assert scores.shape == (3,)
    by_scorer = cross_val_score(make(), X, y, cv=3, scoring=make_sequence_scorer(padding_label="#"))
    np.testing.assert_array_equal(scores, by_scorer)
    search = GridSearchCV(
        make(),
        {"cell": ["lstm", "gru"]},
        cv=2,
        scoring=make_sequence_scorer("sequence_accuracy", padding_label="#"),
    ).fit(X, y)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])


def test_predictions_of_folds_come_together(data):
    X, y = data
    predicted = cross_val_predict(make(), X, y, cv=3)
    np.testing.assert_array_equal(predicted == "#", y == "#")


@pytest.mark.usefixtures("routing")
def test_masks_go_through_a_pipeline_and_a_search(data, real):
    X, y = data
    allowed = np.ones((N, T, F), bool)
    pipe = make_pipeline(FunctionTransformer(np.copy), make(classes=list("abc")))
    search = GridSearchCV(
        pipe,
        {"maskedsequenceclassifier__units": [3, 4]},
        cv=2,
        scoring=routed_scorer(step_accuracy, padding_label="#"),
    ).fit(X, y, allowed=allowed)
    assert 0 <= search.best_score_ <= 1
    scorer = make_sequence_scorer("step_accuracy", padding_label="#", metadata=("allowed",))
    best = search.best_estimator_
    assert scorer(best, X, y, allowed=allowed) == search.score(X, y, allowed=allowed)


def test_partial_fit_is_an_epoch_at_a_time(data):
    X, y = data
    whole = make(epochs=3, random_state=3).fit(X, y)
    parts = make(random_state=3)
    for _ in range(3):
        parts.partial_fit(X, y, classes=list("abc"))
    same_weights(whole, parts)
    parts.partial_fit(wider(X, np.nan)[:9], wider(y, "#")[:9])
    assert parts.n_iter_ == 4


def test_early_stopping_holds_out_sequences(data):
    X, y = data
    clf = make(early_stopping=True, epochs=5, validation_fraction=0.25).fit(X, y)
    assert len(clf.history_["val_loss"]) == len(clf.history_["val_accuracy"]) == clf.n_iter_


def test_feature_names_of_a_table(data, real):
    X, y = data
    frame = pd.DataFrame(np.where(real, X[..., 0], np.nan)).add_prefix("t")
    clf = make().fit(frame, y)
    assert clf.feature_names_in_.tolist() == [f"t{i}" for i in range(T)]
    assert not hasattr(clf.fit(X, y), "feature_names_in_")


def test_column_of_labels_is_one_per_sequence_with_a_warning():
    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    with pytest.warns(DataConversionWarning):
        clf = make().fit(X, y[:, np.newaxis])
    assert clf.predict(X).shape == (20,)
    assert make(padding_label=None).fit(X[..., np.newaxis][:, :1], y[:, np.newaxis]).predict(
        X[:, :1, np.newaxis]
    ).shape == (20, 1)


# Bad input.


def partly_nan(X):
    X = X.copy()
    X[2, 0, 1] = np.nan
    return X


def empty(X):
    return [np.zeros((0, F)) if row == 5 else np.zeros((2, F)) for row in range(N)]


BAD = [
    (
        {},
        lambda X, y: (partly_nan(X), y),
        r"X must hold a number in each feature of a real step.*row 2",
    ),
    ({"mask_value": 0.0}, lambda X, y: (X, y), r"Input X contains NaN"),
    ({}, lambda X, y: (np.where(np.isnan(X), np.inf, X), y), r"X.*infinity"),
    ({}, lambda X, y: (X[..., np.newaxis], y), r"X must have shape.*got 4 axes"),
    ({}, lambda X, y: (X[:, :0], y[:, :0]), r"X must have at least one step"),
    ({}, lambda X, y: ([*X[:9], X[9, :, :2], *X[10:]], y), r"X must be a list.*row 9"),
    ({}, lambda X, y: ([*X[:9], X[9, 0], *X[10:]], y), r"X must be a list.*row 9"),
    ({}, lambda X, y: (empty(X), y[:, :2]), r"X must have a real step in each sequence.*row 5"),
    ({}, lambda X, y: (np.full_like(X, np.nan), y), r"X must have a real step.*rows 0, 1"),
    ({}, lambda X, y: (X, y[:-1]), r"X and y.*inconsistent"),
    ({}, lambda X, y: (X, wider(y, "#")), r"y must have one label for each step.*14 labels for 7"),
    ({}, lambda X, y: (X, y[:, :2]), r"y must have one label for each step.*2 labels for 7"),
    ({}, lambda X, y: (list(X), [*y[:4], y[4, :1], *y[5:]]), r"y must have one label.*row 4"),
    ({}, lambda X, y: (X, X), r"y must have shape"),
    (
        {},
        lambda X, y: (X, np.full_like(y, "#")),
        r"y must have labels other than padding_label='#'",
    ),
    ({}, lambda X, y: (X, np.zeros((N, T))), r"padding_label must be a label like those of y"),
    ({"padding_label": -1}, lambda X, y: (X, y), r"padding_label must be a label like those of y"),
    (
        {"padding_label": None},
        lambda X, y: (X, np.where(y == "a", -1, 1)),
        r"padding_label must be no",
    ),
    (
        {"padding_label": None},
        lambda X, y: (X, np.where(y == "a", "", y)),
        r"padding_label must be no",
    ),
    ({"classes": list("abc#")}, lambda X, y: (X, y), r"padding_label must be no class"),
    (
        {"classes": list("ab")},
        lambda X, y: (X, y),
        r"y must hold only the labels listed in classes",
    ),
    (
        {"architecture": "encoder_decoder"},
        lambda X, y: (X, y[:, 0]),
        r"y must have shape \(n_samples, n_st",
    ),
    ({"architecture": "transformer"}, lambda X, y: (X, y), r"'architecture' parameter"),
    ({"cell": "rnn"}, lambda X, y: (X, y), r"'cell' parameter.*'gru'.*'lstm'|'lstm'.*'gru'"),
    ({"units": ()}, lambda X, y: (X, y), r"units must name at least one layer"),
    ({"units": (3, 0)}, lambda X, y: (X, y), r"units must hold whole numbers"),
    ({"mask_value": "#"}, lambda X, y: (X, y), r"'mask_value' parameter"),
]


@pytest.mark.parametrize(("parameters", "spoil", "message"), BAD)
def test_bad_input(data, parameters, spoil, message):
    clf = make(**parameters)
    with pytest.raises(ValueError, match=message):
        clf.fit(*spoil(*data))
    assert set(vars(clf)) == set(clf.get_params(deep=False))


@pytest.mark.parametrize(
    ("sample_weight", "allowed", "message"),
    [
        (np.ones((N, T + 1)), None, r"sample_weight must have shape"),
        (np.ones(N - 1), None, r"sample_weight"),
        (-np.ones((N, T)), None, r"sample_weight must not be negative"),
        (
            None,
            np.ones((N, T + 1, K)),
            r"allowed must have shape \(n_samples, n_steps, n_classes\)",
        ),
        (None, np.zeros((N, T, K)), r"allowed must leave every row at least one class.*rows 0, 1"),
        (None, np.full((N, T, K), 2), r"allowed must hold only True/False.*rows 0, 1"),
        (None, np.tile([1, 0, 0], (N, 1)), r"y must be among the classes that allowed leaves"),
        (None, np.ones((N, K + 1)), r"allowed must have shape \(n_samples, n_classes\)"),
    ],
)
def test_bad_metadata(data, sample_weight, allowed, message):
    clf = make()
    with pytest.raises(ValueError, match=message):
        clf.fit(*data, sample_weight, allowed=allowed)
    assert set(vars(clf)) == set(clf.get_params(deep=False))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: ([X[0], 3], y), r"X"),
        (lambda X, y: ([["a", "b"], ["c"]], y[:2]), r"X must hold numbers; got text"),
        (lambda X, y: (sparse.csr_array(np.ones((N, T))), y), r"[Ss]parse"),
        (lambda X, y: (X, sparse.csr_array(np.ones((N, T)))), r"y must be dense"),
        (lambda X, y: (X, None), r"y should be a 1d array"),
        (lambda X, y: (None, y), r"X"),
        (lambda X, y: ([], y), r"X"),
        (lambda X, y: (X, [*y[:5], 3, *y[6:]]), r"y"),
    ],
)
def test_things_that_are_no_sequences(data, spoil, message):
    clf = make()
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(*spoil(*data))
    assert set(vars(clf)) == set(clf.get_params(deep=False))


def test_features_of_prediction_are_those_of_the_fit(fitted):
    with pytest.raises(ValueError, match="X must have the 3 features per step of the fit; got 2"):
        fitted.predict(np.zeros((2, 4, 2)))


def test_network_that_makes_something_else(data):
    def network(inputs, n_outputs, mask):
        return keras.layers.Dense(n_outputs)(keras.layers.LSTM(3)(inputs))

    with pytest.raises(ValueError, match=r"network must return logits of shape \(None, None, 3\)"):
        make(network=network).fit(*data)


def test_length_of_the_output_stays_while_training_goes_on():
    X, y = make_addition_sequences(30, 2, random_state=0)
    clf = make(architecture="encoder_decoder").partial_fit(X, y, classes=list("0123456789"))
    with pytest.raises(
        ValueError, match=r"y must have labels of the same kind.*3 per sequence; got 5"
    ):
        clf.partial_fit(X, wider(y, "#", more=2))
    with pytest.raises(ValueError, match="y must have no more steps than the output, 3; got 5"):
        clf.score(X, wider(y, "#", more=2))
    with pytest.raises(
        ValueError, match=r"allowed must have shape \(n_samples, n_steps, n_classes"
    ):
        clf.predict(X, allowed=np.ones((30, 5, 10)))


def test_metrics_agree_with_the_score(fitted, data):
    X, y = data
    predicted = fitted.predict(X)
    assert step_accuracy(y, predicted, padding_label="#") == fitted.score(X, y)
    whole = ((predicted == y) | (y == "#")).all(axis=1).mean()
    assert sequence_accuracy(y, predicted, padding_label="#") == pytest.approx(whole)


def test_network_given_as_an_object_is_that_of_the_parameters():
    X, y = make_padded_sequences(60, random_state=0)
    settings = {"padding_label": "#", "epochs": 2, "random_state": 0}
    one = MaskedSequenceClassifier((6, 5), "gru", bidirectional=True, **settings).fit(X, y)
    network = Recurrent((6, 5), "gru", bidirectional=True)
    other = MaskedSequenceClassifier(network=network, **settings).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize(
    ("network", "architecture"), [(Recurrent(4), "encoder_decoder"), (EncoderDecoder(4), "tagger")]
)
def test_network_and_architecture_that_disagree_are_an_error(network, architecture):
    X, y = make_padded_sequences(20, random_state=0)
    clf = MaskedSequenceClassifier(
        network=network, architecture=architecture, padding_label="#", epochs=1
    )
    with pytest.raises(ValueError, match="network must have a decoder where architecture"):
        clf.fit(X, y)


def test_network_of_rows_is_refused_for_sequences():
    X, y = make_padded_sequences(20, random_state=0)
    with pytest.raises(ValueError, match="network must take sequences here"):
        MaskedSequenceClassifier(network=MLP((4,)), padding_label="#", epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="network must take rows or images here"):
        RestrictedClassClassifier(network=Recurrent(4), epochs=1).fit(np.eye(4), [0, 1, 0, 1])
