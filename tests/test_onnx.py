"""Exported models answer as the estimators do."""

import subprocess
import sys

import keras
import numpy as np
import onnxruntime
import pytest
import skl2onnx
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.datasets import (
    make_addition_sequences,
    make_cost_sensitive_classification,
    make_padded_sequences,
    make_restricted_classification,
    make_sparse_multilabel,
)
from skmask.networks import ACTIVATIONS
from skmask.onnx import register, to_onnx

FEW = {"epochs": 2, "random_state": 0}
SIZES = (1, 1000)


def answers(model, **inputs):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["label", "probabilities"], inputs)


def check_same(clf, model, X, dtype=np.float32, **metadata):
    """Compare labels and probabilities, for one row and for a thousand."""
    numbers = np.arange(1000) % len(X)
    for size in SIZES:
        rows = X[numbers[:size]].astype(dtype)
        given = {name: value[numbers[:size]] for name, value in metadata.items()}
        label, proba = answers(model, X=rows, **given)
        expected = clf.predict_proba(rows, **given)
        np.testing.assert_allclose(proba, expected, atol=1e-5)
        np.testing.assert_array_equal(proba == 0, expected == 0)
        predicted = clf.predict(rows, **given)
        assert label.shape == predicted.shape
        np.testing.assert_array_equal(label, predicted)


@pytest.fixture(scope="module")
def masked_rows():
    X, y, allowed = make_restricted_classification(200, 6, 8, 3, random_state=0)
    return X, y, allowed


# Masks.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mask_is_a_second_input(masked_rows, dtype):
    X, y, allowed = masked_rows
    clf = RestrictedClassClassifier((8,), dtype="float64", **FEW).fit(X, y, allowed=allowed)
    model = to_onnx(clf, X[:1].astype(dtype), allowed=allowed[:1])
    assert [each.name for each in model.graph.input] == ["X", "allowed"]
    check_same(clf, model, X, dtype, allowed=allowed)


def test_columns_of_the_mask_are_in_the_order_of_classes(masked_rows):
    X, y, allowed = masked_rows
    names = np.array(list("hgfedcba"))
    clf = RestrictedClassClassifier((8,), classes=names, **FEW)
    clf.fit(X, names[y], allowed=allowed)
    model = to_onnx(clf, X[:1], allowed=allowed[:1].astype(np.float32))
    check = allowed.astype(np.float32)
    numbers = np.arange(len(X))
    label, proba = answers(model, X=X[numbers], allowed=check[numbers])
    np.testing.assert_array_equal(label, clf.predict(X, allowed=allowed))
    np.testing.assert_allclose(proba, clf.predict_proba(X, allowed=allowed), atol=1e-5)


def test_mask_in_columns_of_X(masked_rows):
    X, y, allowed = masked_rows
    both = np.c_[allowed, X]
    clf = RestrictedClassClassifier((8,), allowed_columns=slice(0, 8), **FEW).fit(both, y)
    check_same(clf, to_onnx(clf, both[:1].astype(np.float32)), both)


def test_restriction_is_lifted_on_purpose(masked_rows):
    X, y, allowed = masked_rows
    clf = RestrictedClassClassifier((8,), **FEW).fit(X, y, allowed=allowed)
    label, proba = answers(to_onnx(clf, X[:1], allowed="all"), X=X)
    np.testing.assert_array_equal(label, clf.predict(X, allowed="all"))
    assert (proba > 0).all()


def test_mask_that_is_missing_is_an_error(masked_rows):
    X, y, allowed = masked_rows
    clf = RestrictedClassClassifier((8,), **FEW).fit(X, y, allowed=allowed)
    with pytest.raises(ValueError, match="allowed must be given for an estimator fitted with"):
        to_onnx(clf, X[:1])
    with pytest.raises(ValueError, match="allowed must have a column for each of the 8 classes"):
        to_onnx(clf, X[:1], allowed=allowed[:1, :3])


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activation_is_that_of_the_network(masked_rows, activation):
    X, y, _ = masked_rows
    clf = RestrictedClassClassifier((8, 5), activation, dropout=0.1, **FEW).fit(X, y)
    check_same(clf, to_onnx(clf, X[:1].astype(np.float32)), X)


# Costs.


@pytest.mark.parametrize("decision", ["min_expected_cost", "argmax"])
@pytest.mark.parametrize("is_masked", [False, True])
def test_decision_is_the_cheapest_allowed_class(decision, is_masked):
    X, y, costs = make_cost_sensitive_classification(300, random_state=0)
    clf = CostSensitiveClassifier((8,), cost_matrix=costs, decision=decision, **FEW)
    if not is_masked:
        clf.fit(X, y)
        return check_same(clf, to_onnx(clf, X[:1].astype(np.float32)), X)
    allowed = np.random.default_rng(0).random((len(X), len(costs))) < 0.6
    allowed[np.arange(len(X)), y] = True
    clf.fit(X, y, allowed=allowed)
    model = to_onnx(clf, X[:1].astype(np.float32), allowed=allowed[:1])
    return check_same(clf, model, X, allowed=allowed)


def test_costs_that_differ_by_row_are_refused():
    X, y = load_iris(return_X_y=True)
    costs = np.broadcast_to(1 - np.eye(3), (150, 3, 3))
    clf = CostSensitiveClassifier((4,), **FEW).fit(X, y, costs=costs)
    with pytest.raises(ValueError, match="costs must not differ by row for an export"):
        to_onnx(clf, X[:1])
    check_same(clf.set_params(decision="argmax"), to_onnx(clf, X[:1].astype(np.float32)), X)


# Labels.


@pytest.mark.filterwarnings("ignore:The labels")
@pytest.mark.parametrize(
    "settings", [{}, {"min_labels": 2}, {"threshold": "tuned"}, {"calibrated": True}]
)
def test_thresholds_and_the_least_number_of_labels(settings):
    X, Y = make_sparse_multilabel(600, n_labels=6, random_state=0)
    clf = WeightedMultilabelClassifier((8,), **settings, **FEW).fit(X, Y)
    check_same(clf, to_onnx(clf, X[:1].astype(np.float32)), X)


@pytest.mark.filterwarnings("ignore:The labels")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_one_class_against_the_rest(n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes], np.array(["a", "b", "c"])[y[y < n_classes]]
    clf = WeightedMultilabelClassifier((8,), threshold=0.4, **FEW).fit(X, y)
    check_same(clf, to_onnx(clf, X[:1].astype(np.float32)), X)


# Prototypes.


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "exponential", "linear"])
def test_prototypes_of_each_kernel(kernel):
    X, y = load_iris(return_X_y=True)
    clf = PrototypeClassifier(kernel, n_prototypes=2, alpha=1.0, max_iter=20, tol=9.0).fit(X, y)
    check_same(clf, to_onnx(clf, X[:1].astype(np.float32)), X)


# Sequences.


@pytest.fixture(scope="module")
def strings():
    return make_padded_sequences(60, random_state=0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_has_its_label_and_no_probability(strings, cell, bidirectional):
    X, y = strings
    clf = MaskedSequenceClassifier(
        (6, 4), cell, bidirectional=bidirectional, padding_label="#", **FEW
    ).fit(X, y)
    model = to_onnx(clf, X[:1].astype(np.float32))
    check_same(clf, model, X)
    moved = np.concatenate([X[:, -1:], X[:, :3] * np.nan, X[:, :-1]], axis=1)  # padding anywhere
    check_same(clf, model, moved)


def test_one_label_for_each_sequence(strings):
    X = np.where(np.isnan(strings[0]), 0.0, strings[0] + 2)
    y = np.arange(len(X)) % 3
    clf = MaskedSequenceClassifier(6, mask_value=0, bidirectional=True, **FEW).fit(X, y)
    check_same(clf, to_onnx(clf, X[:1].astype(np.float32)), X)


@pytest.mark.parametrize("rank", [2, 3])
def test_mask_of_sequences_and_of_steps(strings, rank):
    X, y = strings
    classes = np.unique(y[y != "#"])
    rng = np.random.default_rng(0)
    allowed = rng.random((*y.shape, len(classes))) < 0.5
    allowed |= y[..., np.newaxis] == classes
    allowed[y == "#", 0] = True
    allowed = allowed.any(axis=1) if rank == 2 else allowed
    clf = MaskedSequenceClassifier(6, padding_label="#", **FEW).fit(X, y, allowed=allowed)
    model = to_onnx(clf, X[:1].astype(np.float32), allowed=allowed[:1])
    check_same(clf, model, X, allowed=allowed)


def test_encoder_and_decoder():
    X, y = make_addition_sequences(50, random_state=0)
    clf = MaskedSequenceClassifier((6, 5), architecture="encoder_decoder", **FEW).fit(X, y)
    check_same(clf, to_onnx(clf, X[:1].astype(np.float32)), X)


# Pipelines.


def test_pipeline_through_skl2onnx():
    X, y = load_iris(return_X_y=True)
    register()
    for clf in (CostSensitiveClassifier((8,), **FEW), PrototypeClassifier(max_iter=9, tol=9.0)):
        pipe = make_pipeline(StandardScaler(), clf).fit(X, y)
        check_same(pipe, skl2onnx.to_onnx(pipe, X[:1].astype(np.float32)), X)


def test_pipeline_with_a_mask(masked_rows):
    X, y, allowed = masked_rows
    pipe = make_pipeline(StandardScaler(), RestrictedClassClassifier((8,), **FEW))
    pipe.fit(X, y, restrictedclassclassifier__allowed=allowed)
    model = to_onnx(pipe, X[:1].astype(np.float32), allowed=allowed[:1])
    label, proba = answers(model, X=X.astype(np.float32), allowed=allowed)
    clf, scaled = pipe[-1], pipe[:-1].transform(X)
    np.testing.assert_allclose(proba, clf.predict_proba(scaled, allowed=allowed), atol=1e-5)
    np.testing.assert_array_equal(label, clf.predict(scaled, allowed=allowed))
    register()
    with pytest.raises(ValueError, match="allowed must stand in columns of X"):
        skl2onnx.to_onnx(pipe, X[:1])


# Errors.


def test_network_of_ones_own_is_refused():
    X, y = load_iris(return_X_y=True)
    clf = RestrictedClassClassifier(network=lambda x, n: keras.layers.Dense(n)(x), **FEW).fit(X, y)
    with pytest.raises(TypeError, match="network must be MLP, Recurrent"):
        to_onnx(clf, X[:1])


def test_kernel_of_ones_own_is_refused():
    X, y = load_iris(return_X_y=True)
    clf = PrototypeClassifier(lambda x, p: keras.ops.exp(-keras.ops.abs(x - p)), max_iter=5, tol=9)
    with pytest.raises(TypeError, match="kernel must be one of the named ones"):
        to_onnx(clf.fit(X, y), X[:1])


def test_labels_that_onnx_has_no_type_for_are_refused():
    X, y = load_iris(return_X_y=True)
    clf = RestrictedClassClassifier((4,), **FEW).fit(X, y.astype(float))
    with pytest.raises(TypeError, match="y must hold whole numbers or strings for an export"):
        to_onnx(clf, X[:1])


def test_other_estimators_are_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(TypeError, match="estimator must be one of skmask's"):
        to_onnx(LogisticRegression(max_iter=1000).fit(X, y), X[:1])
    with pytest.raises(NotFittedError):
        to_onnx(RestrictedClassClassifier(), X[:1])


def test_export_imports_no_tensorflow(masked_rows, tmp_path):
    import joblib

    X, y, _ = masked_rows
    joblib.dump(RestrictedClassClassifier((8,), **FEW).fit(X, y), tmp_path / "clf.joblib")
    np.save(tmp_path / "X.npy", X)
    code = """
import sys, joblib, numpy as np
from skmask.onnx import to_onnx
to_onnx(joblib.load("clf.joblib"), np.load("X.npy"))
assert not {"tensorflow", "keras"} & {*sys.modules}
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_missing_package_is_named():
    code = """
import sys
sys.modules["skl2onnx"] = None
try:
    import skmask.onnx
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "skmask[onnx]"' in done.stdout
