"""Classifiers as ONNX models: what ONNX Runtime computes is what the estimators return."""

import logging
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import onnx
import pandas as pd
import pytest
import skl2onnx
from imblearn.pipeline import make_pipeline as make_pipeline_with_samplers
from imblearn.under_sampling import RandomUnderSampler
from onnx import helper
from onnxruntime import InferenceSession
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skmask.onnx
from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.datasets import (
    make_padded_sequences,
    make_restricted_classification,
    make_sparse_multilabel,
)
from skmask.estimators import record_of
from skmask.networks import ACTIVATIONS, MLP, Convolutional, Signature, TabM
from skmask.onnx import to_onnx
from skmask.onnx._graph import Graph
from skmask.onnx._networks import logits_of

COSTS = np.array([[0, 1, 5, 2], [3, 0, 1, 9], [1, 8, 0, 1], [2, 4, 6, 0]])


def run(model, **inputs):
    return InferenceSession(model.SerializeToString()).run(None, inputs)


def assert_same(model, expected_labels, expected_proba, **inputs):
    labels, proba = run(model, **inputs)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_allclose(proba, expected_proba, rtol=0, atol=1e-5)


def assert_as_estimator(estimator, X, **inputs):
    """Compare rows one by one in a batch of 1, and all at once."""
    model = to_onnx(estimator, X, **inputs)
    for rows in (slice(0, 1), slice(None)):
        given = {name: mask[rows] for name, mask in inputs.items()}
        assert_same(
            model,
            estimator.predict(X[rows], **given),
            estimator.predict_proba(X[rows], **given),
            X=X[rows],
            **given,
        )


def make(kind=RestrictedClassClassifier, **kwargs):
    return kind(**{"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0, **kwargs})


@pytest.fixture(scope="module")
def thousand():
    return make_restricted_classification(1000, 5, 4, 2, random_state=0)


@pytest.fixture(scope="module")
def fitted(thousand):
    X, y, allowed = thousand
    return make().fit(X, y, allowed=allowed)


@pytest.fixture(scope="module")
def sequences():
    """Sequences of up to 20 steps, NaN at padding, which "#" labels."""
    return make_padded_sequences(50, random_state=0)


@pytest.fixture
def registered():
    skmask.onnx.register()


# Masks.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_restricted_is_that_of_the_estimator_with_a_mask(thousand, fitted, dtype):
    X, _, allowed = thousand
    assert_as_estimator(fitted, X.astype(dtype), allowed=allowed)


def test_mask_becomes_an_input_after_a_fit_with_one(thousand, fitted):
    model = to_onnx(fitted, thousand[0])
    assert [each.name for each in model.graph.input] == ["X", "allowed"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probability_is_exactly_zero_where_not_allowed(thousand, fitted, dtype):
    X, _, allowed = thousand
    X = X.astype(dtype)
    _, proba = run(to_onnx(fitted, X), X=X, allowed=allowed)
    assert (proba[~allowed] == 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_probabilities_are_float32_for_rows_of_float32(thousand, fitted):
    X, _, allowed = thousand
    X = X.astype(np.float32)
    assert run(to_onnx(fitted, X), X=X, allowed=allowed)[1].dtype == np.float32


def test_mask_is_lifted_by_all(thousand, fitted):
    X = thousand[0]
    model = to_onnx(fitted, X, allowed="all")
    expected = fitted.predict(X, allowed="all"), fitted.predict_proba(X, allowed="all")
    assert_same(model, *expected, X=X)


def test_mask_for_all_rows_becomes_part_of_the_model(thousand, fitted):
    X, mask = thousand[0], np.array([False, True, True, False])
    model = to_onnx(fitted, X, allowed=mask)
    expected = fitted.predict(X, allowed=mask), fitted.predict_proba(X, allowed=mask)
    assert_same(model, *expected, X=X)


def test_columns_of_the_mask_are_in_the_order_of_classes(thousand):
    X, y, allowed = thousand
    names = np.array(["d", "b", "a", "c"])
    clf = make(classes=names).fit(X, names[y], allowed=allowed)
    assert_as_estimator(clf, X, allowed=allowed)


def test_mask_with_names_is_read_by_them(thousand):
    X, y, _ = thousand
    names = np.array(["d", "b", "a", "c"])
    clf = make(classes=names).fit(X, names[y])
    for mask in (pd.Series([True, False, False, True], index=list("acdb")), [1, 1, 0, 0]):
        expected = clf.predict_proba(X, allowed=mask)
        _, proba = run(to_onnx(clf, X, allowed=mask), X=X)
        np.testing.assert_allclose(proba, expected, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(proba == 0, expected == 0)


def test_sets_of_labels_make_the_mask_an_input(thousand, fitted):
    X, y, allowed = thousand
    model = to_onnx(fitted, X, allowed=[{label} for label in y])
    assert_same(
        model,
        fitted.predict(X, allowed=allowed),
        fitted.predict_proba(X, allowed=allowed),
        X=X,
        allowed=allowed,
    )


def test_mask_in_columns_of_x_is_read_from_there(thousand):
    X, y, allowed = thousand
    table = np.column_stack([allowed[:, ::-1], X])
    clf = make(allowed_columns=[3, 2, 1, 0]).fit(table, y)
    assert_as_estimator(clf, table)
    assert (run(to_onnx(clf, table), X=table)[1][~allowed] == 0).all()


def test_mask_of_another_width_raises(thousand, fitted):
    with pytest.raises(ValueError, match=r"allowed must have shape .* got \(1000, 3\)"):
        to_onnx(fitted, thousand[0], allowed=thousand[2][:, :3])


def test_mask_beside_a_mask_in_columns_raises(thousand):
    X, y, allowed = thousand
    table = np.column_stack([allowed, X])
    clf = make(allowed_columns=slice(0, 4)).fit(table, y)
    with pytest.raises(ValueError, match="allowed must not be given together"):
        to_onnx(clf, table, allowed=allowed)


# Rows.


@pytest.mark.parametrize("labels", [[3, 1, 7, 5], [0.5, 1.0, 3.0, 9.0], list("wxyz")])
def test_labels_are_of_the_type_of_the_classes(thousand, labels):
    X, y, _ = thousand
    labels = np.array(labels) if isinstance(labels[0], str) else np.array(labels).astype(int)
    assert_as_estimator(make().fit(X, labels[y]), X)


def test_labels_of_bool_stay_bool(thousand):
    X, y, _ = thousand
    clf = make().fit(X, y > 1)
    assert run(to_onnx(clf, X), X=X)[0].dtype == bool
    assert_as_estimator(clf, X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activation_is_that_of_the_network(rng, activation, dtype):
    network, signature = MLP((8,), activation), Signature((5,), 4)
    weights = [rng.normal(size=each.shape).astype(dtype) for each in network.weights(signature)]
    X = (2 * rng.normal(size=(1000, 5))).astype(dtype)
    graph = Graph("test", 18)
    logits = logits_of(network, weights, graph.value("X", dtype), signature)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    infos = [
        [helper.make_tensor_value_info(name, kind, [None, width])]
        for name, width in (("X", 5), (logits.name, 4))
    ]
    whole = helper.make_graph(graph.nodes, "logits", *infos, graph.constants)
    opsets = [helper.make_opsetid("", 18)]
    (found,) = run(helper.make_model(whole, opset_imports=opsets, ir_version=8), X=X)
    expected = network.forward(weights, X, signature)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_linear_model_and_two_layers_are_those_of_the_network(thousand):
    X, y, _ = thousand
    for sizes in ((), (6, 5)):
        assert_as_estimator(make(hidden_layer_sizes=sizes).fit(X, y), X)


def test_rows_of_integers_are_inputs_of_integers(thousand):
    X, y, _ = thousand
    X = np.rint(X * 3).astype(np.int64)
    assert_as_estimator(make().fit(X, y), X)


def test_sparse_rows_describe_dense_inputs(thousand):
    X, y, _ = thousand
    clf = make().fit(sparse.csr_array(X), y)
    assert_same(to_onnx(clf, sparse.csr_array(X)), clf.predict(X), clf.predict_proba(X), X=X)


def test_frame_is_one_input(thousand):
    frame = pd.DataFrame(thousand[0], columns=list("abcde"))
    clf = make().fit(frame, thousand[1])
    expected = clf.predict(frame), clf.predict_proba(frame)
    assert_same(to_onnx(clf, frame), *expected, X=frame.to_numpy())


def test_labels_that_onnx_does_not_have_raise(thousand):
    X, y, _ = thousand
    dates = np.array(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"], "datetime64[D]")
    large = np.array([1, 2, 3, 2**63 + 5], np.uint64)
    for labels in (dates, large):
        clf = make(epochs=1).fit(X, labels[y])
        with pytest.raises(ValueError, match="classes must be strings, bools, or numbers"):
            to_onnx(clf, X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.to_numpy()[:, :3], "X has 3 features, but .* is expecting 5"),
        (lambda frame: frame[list("edcba")], "feature names should match"),
        (
            lambda frame: frame.to_numpy()[..., np.newaxis],
            r"X must have rows of shape \(5,\), as in fit; got \(5, 1\)",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_rows_unlike_those_of_the_fit_raise(thousand, change, message):
    frame = pd.DataFrame(thousand[0], columns=list("abcde"))
    clf = make(epochs=1).fit(frame, thousand[1])
    with pytest.raises(ValueError, match=message):
        to_onnx(clf, change(frame))


# Members.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("adapters", ["all", "first"])
def test_tabm_is_that_of_the_estimator_with_a_mask(thousand, adapters, dtype):
    X, y, allowed = thousand
    network = TabM((8, 5), "gelu", n_members=3, adapters=adapters)
    clf = make(network=network, dtype=dtype).fit(X, y, allowed=allowed)
    assert_as_estimator(clf, X.astype(dtype), allowed=allowed)


@pytest.mark.usefixtures("registered")
def test_tabm_has_the_decision_values_of_the_estimator(thousand):
    X, y, _ = thousand
    clf = make(network=TabM((8,), n_members=3), dtype="float64").fit(X, y)
    model = skl2onnx.to_onnx(clf, X, options={id(clf): {"raw_scores": True}})
    found = run(model, X=X)[1]
    np.testing.assert_allclose(found, clf.decision_function(X), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_tabm_of_labels_is_that_of_the_estimator(thousand, dtype):
    X, y, _ = thousand
    clf = make(WeightedMultilabelClassifier, network=TabM((8,), n_members=3), dtype=dtype)
    assert_as_estimator(clf.fit(X, np.eye(4, dtype=int)[y][:, :3]), X.astype(dtype))


# Images.


def images_of(X, *shape):
    return np.resize(X, (len(X), *shape)) / 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 2)], ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"filters": 3, "pool_size": 3, "kernel_size": 2},
        {"pooling": "average", "normalization": None, "hidden_layer_sizes": (5,)},
        {"pool_size": 1, "activation": "gelu"},
    ],
    ids=str,
)
def test_convolutional_is_that_of_the_estimator(thousand, settings, shape, dtype):
    X, y, allowed = thousand
    images = images_of(X, *shape).astype(dtype)
    clf = make(network=Convolutional(**{"filters": (4, 3), **settings}), dtype=dtype)
    assert_as_estimator(clf.fit(images, y, allowed=allowed), images, allowed=allowed)


def test_size_of_images_is_that_of_the_input(thousand):
    images = images_of(thousand[0], 6, 7, 2)
    model = to_onnx(make(network=Convolutional(3)).fit(images, thousand[1]), images)
    shape = [d.dim_value or d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["rows", 6, 7, 2]


def test_images_of_another_size_raise(thousand):
    images = images_of(thousand[0], 6, 7)
    clf = make(network=Convolutional(3), epochs=1).fit(images, thousand[1])
    with pytest.raises(ValueError, match=r"X must have rows of shape \(6, 7\), as in fit"):
        to_onnx(clf, images[:, :5])


@pytest.mark.usefixtures("registered")
def test_converter_of_skl2onnx_takes_images(thousand):
    images = images_of(thousand[0], 6, 7).astype(np.float32)
    clf = make(network=Convolutional(3)).fit(images, thousand[1])
    model = skl2onnx.to_onnx(clf, images)
    assert_same(model, clf.predict(images), clf.predict_proba(images), X=images)
    with pytest.raises(ValueError, match=r"X must have shape \(None, 6, 7\), as in the fit"):
        skl2onnx.to_onnx(clf, images[:, :5])


# Costs.


@pytest.mark.parametrize("decision", ["min_expected_cost", "argmax"])
def test_cost_sensitive_decides_as_the_estimator(thousand, decision):
    X, y, allowed = thousand
    clf = make(CostSensitiveClassifier, cost_matrix=COSTS, decision=decision)
    assert_as_estimator(clf.fit(X, y, allowed=allowed), X, allowed=allowed)


@pytest.mark.parametrize("loss", ["crossentropy", "expected_cost", "weighted_crossentropy"])
def test_cost_sensitive_decides_by_itself_as_the_estimator(thousand, loss):
    X, y, _ = thousand
    assert_as_estimator(make(CostSensitiveClassifier, cost_matrix=COSTS, loss=loss).fit(X, y), X)


@pytest.mark.parametrize("names", [["a", "b", "c", "d", "ask"], ["call", "write", "wait"], None])
@pytest.mark.parametrize("is_restricted", [False, True])
def test_actions_are_those_of_the_estimator(thousand, names, is_restricted):
    X, y, allowed = thousand
    labels, matrix = np.array(["a", "b", "c", "d"]), np.c_[COSTS, np.ones(4)]
    if names is not None:
        matrix = pd.DataFrame(matrix[:, : len(names)], index=labels, columns=names)
    mask = {"allowed": allowed} if is_restricted else {}
    clf = make(CostSensitiveClassifier, cost_matrix=matrix).fit(X, labels[y], **mask)
    assert_as_estimator(clf, X, **mask)


@pytest.mark.usefixtures("registered")
def test_actions_are_written_by_skl2onnx(thousand):
    X, y, _ = thousand
    clf = make(CostSensitiveClassifier, cost_matrix=np.c_[COSTS, np.ones(4)]).fit(X, y)
    assert_same(skl2onnx.to_onnx(clf, X[:1]), clf.predict(X), clf.predict_proba(X), X=X)


def test_cost_sensitive_reads_the_decision_of_now(thousand):
    X, y, _ = thousand
    clf = make(CostSensitiveClassifier, cost_matrix=COSTS).fit(X, y)
    labels, proba = run(to_onnx(clf.set_params(decision="argmax"), X), X=X)
    np.testing.assert_array_equal(labels, proba.argmax(axis=1))


def test_equal_costs_are_decided_by_probability(thousand):
    X, y, _ = thousand
    clf = make(CostSensitiveClassifier, cost_matrix=np.zeros((4, 4))).fit(X, y)
    labels, proba = run(to_onnx(clf, X), X=X)
    np.testing.assert_array_equal(labels, proba.argmax(axis=1))


def test_costs_that_depend_on_the_row_raise(thousand):
    X, y, _ = thousand
    clf = make(CostSensitiveClassifier).fit(X, y, costs=np.broadcast_to(COSTS, (1000, 4, 4)))
    with pytest.raises(ValueError, match="costs must be the same for all rows"):
        to_onnx(clf, X)


# Labels.


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"min_labels": 2},
        {"calibrated": True, "min_labels": 1},
        {"threshold": "tuned"},
        {"threshold": 0.0},
        {"threshold": 0.1, "max_labels": 2},
        {"threshold": 0.1, "max_labels": 9, "min_labels": 3},
        {"threshold": 1.0, "min_labels": 3},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_multilabel_is_that_of_the_estimator(settings):
    X, Y = make_sparse_multilabel(1000, n_labels=6, random_state=0)
    assert_as_estimator(make(WeightedMultilabelClassifier, **settings).fit(X, Y), X)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
@pytest.mark.parametrize("settings", [{}, {"min_labels": 3}, {"threshold": 0.1, "max_labels": 1}])
def test_mask_of_labels_is_an_input(settings):
    X, Y = make_sparse_multilabel(1000, n_labels=6, random_state=0)
    allowed = (np.random.default_rng(0).random(Y.shape) < 0.6) | (Y == 1)
    names = np.array(list("fcabed"))  # not sorted
    clf = make(WeightedMultilabelClassifier, classes=names, **settings)
    clf.fit(X, Y, allowed=allowed)
    expected = clf.predict(X, allowed=allowed), clf.predict_proba(X, allowed=allowed)
    assert_same(to_onnx(clf, X), *expected, X=X, allowed=allowed)
    of_frame = to_onnx(clf, X, allowed=pd.DataFrame(allowed, columns=names)[sorted(names)])
    assert_same(of_frame, *expected, X=X, allowed=allowed)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_one_mask_of_labels_is_part_of_the_model():
    X, Y = make_sparse_multilabel(1000, n_labels=6, random_state=0)
    clf = make(WeightedMultilabelClassifier, classes=list("fcabed"), min_labels=2).fit(X, Y)
    one = np.array([True, False, True, True, False, True])
    expected = clf.predict(X, allowed=one), clf.predict_proba(X, allowed=one)
    assert_same(to_onnx(clf, X, allowed=one), *expected, X=X)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_sets_of_the_largest_expected_f1_are_not_written():
    X, Y = make_sparse_multilabel(1000, n_labels=6, random_state=0)
    clf = make(WeightedMultilabelClassifier, threshold="sample_f1").fit(X, Y)
    with pytest.raises(ValueError, match=r"threshold must be a number, or .* 'sample_f1'"):
        to_onnx(clf, X)
    assert run(to_onnx(clf.set_threshold(0.5), X), X=X)[0].shape == Y.shape


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("n_classes", [1, 2, 4])
@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
@pytest.mark.filterwarnings("ignore:y has no positive:UserWarning")
def test_one_against_the_rest_is_that_of_the_estimator(thousand, n_classes, calibrated):
    X, y, _ = thousand
    names = np.array(["a", "b", "c", "d"])[y % n_classes]
    assert_as_estimator(make(WeightedMultilabelClassifier, calibrated=calibrated).fit(X, names), X)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_mask_for_a_classifier_without_masks_raises():
    X, Y = make_sparse_multilabel(1000, n_labels=6, random_state=0)
    clf = make(WeightedMultilabelClassifier).fit(X, Y.argmax(axis=1))  # one class per row
    with pytest.raises(ValueError, match="allowed must be None"):
        to_onnx(clf, X, allowed="all")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_labels": 7}, "min_labels must not be above the number of labels, 6; got 7"),
        ({"calibrated": True}, "calibrated must be False unless loss='weighted_bce'"),
    ],
)
@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
def test_settings_that_predict_refuses_raise(settings, message):
    X, Y = make_sparse_multilabel(1000, n_labels=6, random_state=0)
    clf = make(WeightedMultilabelClassifier, loss="focal", pos_weight=None).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        to_onnx(clf.set_params(**settings), X)


def test_decision_that_is_none_raises(thousand):
    X, y, _ = thousand
    clf = make(CostSensitiveClassifier).fit(X, y).set_params(decision="cheapest")
    with pytest.raises(ValueError, match="'decision' parameter"):
        to_onnx(clf, X)


# Prototypes.


@pytest.mark.parametrize("kernel", ["exponential", "laplacian", "linear", "rbf"])
def test_kernel_is_that_of_the_estimator(thousand, kernel):
    X, y, allowed = thousand
    clf = PrototypeClassifier(kernel=kernel, random_state=0).fit(X, y, allowed=allowed)
    assert_as_estimator(clf, X, allowed=allowed)


def test_exponential_kernel_of_far_prototypes_is_that_of_the_estimator(thousand):
    X, y, _ = thousand
    clf = PrototypeClassifier("exponential", scale=0.05, solver="adam", epochs=1, random_state=0)
    clf.fit(X, y)
    assert not record_of(clf).network.product_form
    assert_as_estimator(clf, X)


# Sequences.


def make_sequence(*args, **kwargs):
    settings = {"padding_label": "#", "epochs": 1, "random_state": 0, **kwargs}
    return MaskedSequenceClassifier(*args, **settings)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_labels_by_step_are_those_of_the_estimator(sequences, cell, bidirectional):
    X, y = sequences
    assert_as_estimator(make_sequence((4, 3), cell, bidirectional=bidirectional).fit(X, y), X)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_labels_by_sequence_are_those_of_the_estimator(sequences, cell, bidirectional):
    X, y = sequences
    clf = make_sequence((4, 3), cell, bidirectional=bidirectional).fit(X, y[:, 0])
    assert_as_estimator(clf, X)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_encoder_decoder_is_that_of_the_estimator(sequences, cell, bidirectional):
    X, y = sequences
    clf = make_sequence(
        (4, 3), cell, bidirectional=bidirectional, architecture="encoder_decoder"
    ).fit(X, y[:, :3])
    assert_as_estimator(clf, X)


@pytest.mark.parametrize("mask_value", [np.nan, 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_padding_may_stand_anywhere(sequences, rng, mask_value, dtype):
    X, y = sequences
    is_padding = rng.random(y.shape) < 0.3
    is_padding[:, :2] = False
    X = np.where(is_padding[..., np.newaxis], np.nan, X)
    y = np.where(is_padding, "#", y)
    X = np.where(np.isnan(X), mask_value, X).astype(dtype)
    clf = make_sequence(4, bidirectional=True, mask_value=mask_value).fit(X, y)
    labels, proba = run(to_onnx(clf, X), X=X)
    np.testing.assert_array_equal(labels == "#", y == "#")
    np.testing.assert_array_equal(np.isnan(proba).all(axis=2), y == "#")
    assert_as_estimator(clf, X)


def test_model_takes_any_number_of_sequences_and_steps(sequences, rng):
    X, y = sequences
    clf = make_sequence(4, "gru").fit(X, y)
    model = to_onnx(clf, X[:2])
    for shape in ((1, 1, 6), (7, 33, 6), (1000, 4, 6)):
        new = rng.normal(size=shape)
        assert_same(model, clf.predict(new), clf.predict_proba(new), X=new)


def test_labels_of_numbers_are_minus_one_at_padding(sequences):
    X, y = sequences
    y = np.where(y == "#", -1, np.unique(y, return_inverse=True)[1].reshape(y.shape))
    clf = make_sequence(4, padding_label=None).fit(X, y)
    labels, _ = run(to_onnx(clf, X), X=X)
    np.testing.assert_array_equal(labels == -1, np.isnan(X).all(axis=2))
    assert_as_estimator(clf, X)


def test_labels_of_bool_are_numbers_beside_padding(sequences):
    X, y = sequences
    clf = make_sequence(4, padding_label=None).fit(X, y == "a")
    labels, _ = run(to_onnx(clf, X), X=X)
    np.testing.assert_array_equal(labels == -1, np.isnan(X).all(axis=2))
    assert_as_estimator(clf, X)


@pytest.mark.parametrize("padding_label", [np.nan, 0.5])
def test_padding_label_that_is_no_integer_makes_labels_of_float(sequences, padding_label):
    X, y = sequences
    clf = make_sequence(4, padding_label=padding_label).fit(X, (y == "a").astype(int))
    labels, _ = run(to_onnx(clf, X), X=X)
    np.testing.assert_array_equal(labels, clf.predict(X).astype(np.float64))


def test_steps_of_another_width_raise(sequences):
    X, y = sequences
    clf = make_sequence(4).fit(X, y)
    with pytest.raises(ValueError, match="X must have the 6 features per step of the fit; got 2"):
        to_onnx(clf, X[..., :2])


def test_sequences_of_single_features_may_have_two_axes(sequences):
    X, y = sequences
    assert_as_estimator(make_sequence(4).fit(X[..., 0], y), X[..., 0])


def test_list_of_sequences_describes_three_axes(sequences):
    X, y = sequences
    clf = make_sequence(4).fit(X, y)
    model = to_onnx(clf, [each[:n] for n, each in enumerate(X[:5], 2)])
    assert_same(model, clf.predict(X), clf.predict_proba(X), X=X)


def mask_of(y, rng):
    """Return a mask by step that allows each label."""
    classes = np.unique(y[y != "#"])
    return (rng.random((*y.shape, len(classes))) < 0.4) | (y[..., np.newaxis] == classes)


def test_mask_by_step_is_that_of_the_estimator(sequences, rng):
    X, y = sequences
    allowed = mask_of(y, rng) | np.isnan(X[..., :1])
    clf = make_sequence(4).fit(X, y, allowed=allowed)
    assert_as_estimator(clf, X, allowed=allowed)
    _, proba = run(to_onnx(clf, X), X=X, allowed=allowed)
    assert (proba[~allowed] == 0).all()


def test_masks_by_step_in_a_list_are_an_input_of_three_axes(sequences, rng):
    X, y = sequences
    allowed = mask_of(y, rng) | np.isnan(X[..., :1])
    clf = make_sequence(4).fit(X, y, allowed=allowed)
    parts = [mask[~np.isnan(x[:, 0])] for mask, x in zip(allowed, X, strict=True)]
    model = to_onnx(clf, [x[~np.isnan(x[:, 0])] for x in X], allowed=parts)
    expected = clf.predict(X, allowed=allowed), clf.predict_proba(X, allowed=allowed)
    assert_same(model, *expected, X=X, allowed=allowed)


def test_mask_by_step_of_other_steps_raises(sequences, rng):
    X, y = sequences
    allowed = mask_of(y, rng) | np.isnan(X[..., :1])
    clf = make_sequence(4).fit(X, y, allowed=allowed)
    with pytest.raises(ValueError, match=r"allowed must have shape \(n_samples, n_steps, n_cla"):
        to_onnx(clf, X, allowed=allowed[:, :7])


def test_mask_by_sequence_is_that_of_the_estimator(sequences, rng):
    X, y = sequences
    allowed = mask_of(y, rng).any(axis=1)
    assert_as_estimator(make_sequence(4).fit(X, y, allowed=allowed), X, allowed=allowed)
    first = mask_of(y[:, 0], rng)
    assert_as_estimator(make_sequence(4).fit(X, y[:, 0], allowed=first), X, allowed=first)


# Pipelines and skl2onnx.


@pytest.fixture(scope="module")
def pipeline(thousand):
    X, y, _ = thousand
    return make_pipeline(StandardScaler(), make()).fit(X, np.array(list("abcd"))[y])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pipeline_is_that_of_scikit_learn(thousand, pipeline, dtype):
    X, _, allowed = thousand
    assert_as_estimator(pipeline, X.astype(dtype))
    assert_as_estimator(pipeline, X.astype(dtype), allowed=allowed)


def test_pipeline_in_a_pipeline_is_that_of_scikit_learn(thousand):
    X, y, allowed = thousand
    inner = make_pipeline("passthrough", StandardScaler(), make())
    fitted = make_pipeline(StandardScaler(), inner).fit(X, y)
    assert_as_estimator(fitted, X, allowed=allowed)


def test_pipeline_of_nothing_else_is_the_classifier(thousand):
    X, y, _ = thousand
    assert_as_estimator(make_pipeline("passthrough", make()).fit(X, y), X)


def test_samplers_of_a_pipeline_are_left_out(thousand):
    X, y, _ = thousand
    sampler = RandomUnderSampler(random_state=0)
    fitted = make_pipeline_with_samplers(StandardScaler(), sampler, make()).fit(X, y)
    assert_as_estimator(fitted, X)


@pytest.mark.parametrize("kind", [np.ndarray.tolist, sparse.csr_array])
def test_pipeline_takes_lists_and_sparse_rows_as_arrays(thousand, kind):
    X, y, _ = thousand
    fitted = make_pipeline(StandardScaler(with_mean=False), make()).fit(X, y)
    assert_same(to_onnx(fitted, kind(X)), fitted.predict(X), fitted.predict_proba(X), X=X)


def test_pipeline_of_columns_takes_them_and_a_mask(thousand):
    X, y, allowed = thousand
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 2] > 0, "u", "v")})
    columns = make_column_transformer((StandardScaler(), ["a", "b"]), (OneHotEncoder(), ["c"]))
    fitted = make_pipeline(columns, make()).fit(frame, y)
    model = to_onnx(fitted, frame, allowed=allowed)
    assert_same(
        model,
        fitted.predict(frame, allowed=allowed),
        fitted.predict_proba(frame, allowed=allowed),
        **{name: frame[[name]].to_numpy() for name in frame},
        allowed=allowed,
    )


@pytest.mark.parametrize("target_opset", [None, 14])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_a_pipeline_after_register(thousand, pipeline, dtype, target_opset):
    X = thousand[0].astype(dtype)
    model = skl2onnx.to_onnx(pipeline, X, target_opset=target_opset)
    assert_same(model, pipeline.predict(X), pipeline.predict_proba(X), X=X)


@pytest.mark.usefixtures("registered")
def test_skl2onnx_takes_the_option_zipmap(thousand, pipeline):
    X = thousand[0]
    model = skl2onnx.to_onnx(pipeline, X, options={"zipmap": False})
    assert [each.name for each in model.graph.output] == ["label", "probabilities"]


@pytest.mark.parametrize(
    "kind", [CostSensitiveClassifier, RestrictedClassClassifier, WeightedMultilabelClassifier]
)
@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_a_classifier_of_rows(thousand, kind):
    X, y, _ = thousand
    clf = make(kind).fit(X, y)
    assert_same(skl2onnx.to_onnx(clf, X), clf.predict(X), clf.predict_proba(X), X=X)


@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_prototypes(thousand):
    X, y, _ = thousand
    clf = PrototypeClassifier(random_state=0).fit(X, y)
    assert_same(skl2onnx.to_onnx(clf, X), clf.predict(X), clf.predict_proba(X), X=X)


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_labels():
    X, Y = make_sparse_multilabel(1000, n_labels=6, random_state=0)
    clf = make(WeightedMultilabelClassifier, min_labels=1).fit(X, Y)
    assert_same(skl2onnx.to_onnx(clf, X), clf.predict(X), clf.predict_proba(X), X=X)


@pytest.mark.parametrize("target_opset", [None, 14])
@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_sequences(sequences, target_opset):
    X, y = sequences
    clf = make_sequence(4, bidirectional=True).fit(X, y)
    model = skl2onnx.to_onnx(clf, X, target_opset=target_opset)
    assert_same(model, clf.predict(X), clf.predict_proba(X), X=X)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("kind", [RestrictedClassClassifier, WeightedMultilabelClassifier])
@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_calibrated_decision_values(thousand, kind, n_classes):
    X, y, _ = thousand
    clf = CalibratedClassifierCV(make(kind), cv=2).fit(X, y % n_classes)
    model = skl2onnx.to_onnx(clf, X, options={"zipmap": False})
    assert_same(model, clf.predict(X), clf.predict_proba(X), X=X)


@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_decision_values_of_classes_not_allowed(thousand):
    X, y, allowed = thousand
    table = np.column_stack([allowed, X])
    clf = make(allowed_columns=slice(0, 4)).fit(table, y)
    model = skl2onnx.to_onnx(clf, table, options={id(clf): {"raw_scores": True}})
    assert_same(model, clf.predict(table), clf.decision_function(table), X=table)


@pytest.mark.usefixtures("registered")
def test_skl2onnx_takes_an_input_for_each_column(thousand):
    frame = pd.DataFrame(thousand[0], columns=list("abcde"))
    clf = make().fit(frame, thousand[1])
    columns = {name: frame[[name]].to_numpy() for name in frame}
    model = skl2onnx.to_onnx(clf, frame)
    assert_same(model, clf.predict(frame), clf.predict_proba(frame), **columns)


@pytest.mark.usefixtures("registered")
def test_skl2onnx_without_the_mask_of_the_fit_raises(thousand, fitted):
    with pytest.raises(ValueError, match="allowed must be an input of the model"):
        skl2onnx.to_onnx(fitted, thousand[0])


@pytest.mark.usefixtures("registered")
def test_skl2onnx_with_operators_too_old_raises(thousand, pipeline):
    with pytest.raises(ValueError, match="target_opset must be 13 or more; got 11"):
        skl2onnx.to_onnx(pipeline, thousand[0], target_opset=11)


@pytest.mark.usefixtures("registered")
def test_skl2onnx_with_rows_unlike_those_of_the_fit_raises(thousand, fitted, sequences):
    X, y = sequences
    for clf, given, message in (
        (make(epochs=1).fit(*thousand[:2]), thousand[0][:, :3], r"\(None, 5\), .* \(None, 3\)"),
        (make_sequence(4).fit(X, y), X[..., :2], r"\(None, None, 6\), .* \(None, None, 2\)"),
        (make_sequence(4).fit(X, y), X[..., 0], r"\(None, None, 6\), .* \(None, 20\)"),
    ):
        with pytest.raises(ValueError, match=f"X must have shape {message}"):
            skl2onnx.to_onnx(clf, given)


@pytest.mark.usefixtures("registered")
def test_skl2onnx_writes_sequences_of_single_features(sequences):
    X, y = sequences
    clf = make_sequence(4).fit(X[..., 0], y)
    X = X[..., 0]
    assert_same(skl2onnx.to_onnx(clf, X), clf.predict(X), clf.predict_proba(X), X=X)


# Networks that only Keras computes.

# Raised where Keras prepares tf2onnx for NumPy 2.
keras_asks_for_np_object = pytest.mark.filterwarnings(
    "ignore:In the future `np.object` will be defined:FutureWarning"
)


def own_convolution(inputs, n_outputs):
    hidden = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    return keras.layers.Dense(n_outputs)(keras.layers.Flatten()(hidden))


@keras_asks_for_np_object
def test_images_of_ones_own_network_are_those_of_the_estimator(thousand):
    images = images_of(thousand[0], 6, 7, 2).astype(np.float32)
    clf = make(network=own_convolution, dtype="float32")
    assert_as_estimator(clf.fit(images, thousand[1]), images)


def layers(inputs, n_outputs):
    hidden = keras.layers.Dense(6, "tanh")(inputs)
    return keras.layers.Dense(n_outputs)(keras.layers.BatchNormalization()(hidden))


def cube(x, p):
    return (x - p) ** 3


@keras_asks_for_np_object
def test_network_of_ones_own_is_that_of_the_estimator(thousand):
    X, y, allowed = thousand
    clf = RestrictedClassClassifier(network=layers, epochs=1, random_state=0)
    clf.fit(X, y, allowed=allowed)
    assert_as_estimator(clf, X, allowed=allowed)
    assert_as_estimator(clf, X.astype(np.float32), allowed=allowed)


def test_kernel_of_ones_own_raises(thousand):
    X, y, _ = thousand
    clf = PrototypeClassifier(cube, solver="adam", epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"network must be .* got the kernel <function cube"):
        to_onnx(clf, X)


def test_recurrent_network_of_ones_own_raises(sequences):
    def network(inputs, n_outputs, mask):
        return keras.layers.Dense(n_outputs)(keras.layers.LSTM(5)(inputs, mask=mask))

    X, y = sequences
    clf = make_sequence(network=network).fit(X, y[:, 0])
    with pytest.raises(ValueError, match=r"network must be .* for sequences, and tf2onnx"):
        to_onnx(clf, X)


@pytest.mark.usefixtures("registered")
def test_network_of_ones_own_with_operators_too_new_raises(thousand):
    X, y, _ = thousand
    clf = RestrictedClassClassifier(network=layers, epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="target_opset must be 18 or less"):
        skl2onnx.to_onnx(clf, X, target_opset=19)


@keras_asks_for_np_object
def test_network_of_ones_own_leaves_the_environment(thousand):
    X, y, _ = thousand
    clf = RestrictedClassClassifier(network=layers, epochs=1, random_state=0).fit(X, y)
    before = dict(os.environ)
    to_onnx(clf, X)
    assert os.environ == before


@pytest.fixture(scope="module")
def logged(thousand):
    """A classifier of float64, of which tf2onnx says in the log that it writes it otherwise."""
    X, y, _ = thousand
    clf = RestrictedClassClassifier(network=layers, epochs=1, dtype="float64", random_state=0)
    return clf.fit(X, y)


@keras_asks_for_np_object
def test_network_of_ones_own_logs_nothing(thousand, logged, caplog):
    to_onnx(logged, thousand[0])
    assert [record for record in caplog.records if "tf2onnx" in record.pathname] == []


@keras_asks_for_np_object
def test_network_of_ones_own_leaves_logging_unconfigured(thousand, logged, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    to_onnx(logged, thousand[0])
    assert (logging.root.handlers, logging.root.filters) == ([], [])


@keras_asks_for_np_object
def test_network_of_layers_that_tf2onnx_does_not_write_raises(thousand):
    def network(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(keras.layers.Dense(3, "gelu")(inputs))

    X, y, _ = thousand
    clf = RestrictedClassClassifier(network=network, epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="network must be made of layers that tf2onnx writes"):
        to_onnx(clf, X)


@keras_asks_for_np_object
def test_network_that_tf2onnx_writes_wrongly_raises(thousand, monkeypatch):
    X, y, _ = thousand
    clf = RestrictedClassClassifier(network=layers, epochs=1, random_state=0).fit(X, y)
    load = onnx.load

    def load_another(path):
        model = load(path)
        (result,) = model.graph.output
        model.graph.node[-1].output[0] = "positive"
        model.graph.node.append(helper.make_node("Neg", ["positive"], [result.name]))
        return model

    monkeypatch.setattr("onnx.load", load_another)
    with pytest.raises(ValueError, match="whose ONNX model returns other logits"):
        to_onnx(clf, X)


def test_tf2onnx_that_is_missing_raises(thousand, monkeypatch):
    X, y, _ = thousand
    clf = RestrictedClassClassifier(network=layers, epochs=1, random_state=0).fit(X, y)
    monkeypatch.setattr("skmask.onnx._own.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="tf2onnx must be installed"):
        to_onnx(clf, X)


# What is refused and what is imported.


def test_classifier_of_another_package_raises(thousand):
    X, y, _ = thousand
    with pytest.raises(TypeError, match="estimator must be a classifier of skmask"):
        to_onnx(LogisticRegression().fit(X, y), X)


def test_classifier_that_is_not_fitted_raises(thousand):
    with pytest.raises(NotFittedError, match="not fitted"):
        to_onnx(make(), thousand[0])


def test_model_passes_the_check_of_onnx(thousand, fitted):
    onnx.checker.check_model(to_onnx(fitted, thousand[0]), full_check=True)


def test_skl2onnx_that_is_missing_raises(thousand, fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r'pip install "skmask\[onnx\]"'):
        to_onnx(fitted, thousand[0])


def test_described_network_is_written_without_tensorflow(tmp_path, thousand, fitted):
    X = thousand[0]
    (tmp_path / "fitted.pkl").write_bytes(pickle.dumps((fitted, X)))
    code = """
import pickle, sys
from pathlib import Path
import skmask.onnx
assert "skl2onnx" not in sys.modules
fitted, X = pickle.loads(Path(sys.argv[1]).read_bytes())
skmask.onnx.register()
Path(sys.argv[2]).write_bytes(skmask.onnx.to_onnx(fitted, X).SerializeToString())
assert not {"keras", "tensorflow"} & set(sys.modules)
"""
    paths = [str(tmp_path / name) for name in ("fitted.pkl", "model.onnx")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, timeout=120)
    assert onnx.load(paths[1]) == to_onnx(fitted, X)
