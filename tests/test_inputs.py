"""Networks of one's own with several named inputs."""

import copy
import pickle
import subprocess
import sys

import keras
import numpy as np
import onnxruntime
import pandas as pd
import polars as pl
import pytest
import skops.io
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import skmask
from skmask import (
    CostSensitiveClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.engine.tensorflow import count_traces
from skmask.networks import MLP
from skmask.onnx import to_onnx

ESTIMATORS = [RestrictedClassClassifier, CostSensitiveClassifier, WeightedMultilabelClassifier]
INPUTS = {"numbers": [0, 2, 3], "kind": [1]}


def embedded(inputs, n_outputs):
    """Return logits from numbers and from the number of a kind."""
    kind = keras.layers.Flatten()(keras.layers.Embedding(4, 3)(inputs["kind"]))
    both = keras.layers.Concatenate()([inputs["numbers"], kind])
    return keras.layers.Dense(n_outputs)(keras.layers.Dense(5, "relu")(both))


def functional(n_outputs=3, *, as_dict=False):
    inputs = {
        "numbers": keras.Input((3,), name="numbers"),
        "kind": keras.Input((1,), name="kind", dtype="int32"),
    }
    logits = embedded(inputs, n_outputs)
    return keras.Model(inputs if as_dict else list(inputs.values()), logits)


@pytest.fixture(scope="module")
def mixed():
    """Rows of three numbers and, in column 1, one of four kinds, which decides with them."""
    rng = np.random.default_rng(0)
    kind = rng.integers(4, size=60)
    numbers = rng.normal(size=(60, 3))
    y = (kind + (numbers[:, 0] > 0)) % 3
    return np.insert(numbers, 1, kind, axis=1), y


def make(estimator=RestrictedClassClassifier, **kwargs):
    settings = {"network": embedded, "inputs": INPUTS, "epochs": 2, "random_state": 0}
    return estimator(**{**settings, **kwargs})


@pytest.fixture(scope="module")
def fitted(mixed):
    return make().fit(*mixed)


def parts_of(X):
    return {"numbers": X[:, [0, 2, 3]].astype("float32"), "kind": X[:, [1]].astype("int32")}


# What the network gets.


@pytest.mark.parametrize("as_dict", [False, True])
def test_prediction_equals_keras_on_the_named_inputs(mixed, as_dict):
    X, y = mixed
    model = functional(as_dict=as_dict)
    clf = make(network=model, learning_rate=1e-30, epochs=1).fit(X, y)
    given = parts_of(X) if as_dict else list(parts_of(X).values())
    expected = np.asarray(model(given))
    np.testing.assert_allclose(clf.decision_function(X), expected, rtol=1e-4, atol=1e-5)


def test_training_equals_keras_on_the_named_inputs(mixed):
    X, y = mixed
    model = functional()
    clf = make(network=model, epochs=3, batch_size=60, dtype="float32", learning_rate=0.02)
    clf.fit(X, y)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    history = model.fit(parts_of(X), y, batch_size=60, epochs=3, shuffle=False, verbose=0)
    np.testing.assert_allclose(clf.history_["loss"], history.history["loss"], rtol=1e-4)
    expected = np.asarray(model(list(parts_of(X).values())))
    np.testing.assert_allclose(clf.decision_function(X), expected, rtol=1e-3, atol=1e-4)


def test_template_is_left_as_it_was(mixed):
    model = functional()
    before = model.get_weights()
    make(network=model).fit(*mixed)
    for value, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, was)


def test_input_of_all_columns_equals_no_inputs(mixed):
    def dense(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(inputs["all"] if isinstance(inputs, dict) else inputs)

    X, y = mixed
    one = make(network=dense, inputs={"all": slice(None)}).fit(X, y)
    other = make(network=dense, inputs=None).fit(X, y)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_inputs_may_share_columns_and_leave_some_out(mixed):
    X, y = mixed
    clf = make(inputs={"numbers": [0, 1, 2], "kind": [1]}).fit(X, y)
    changed = X.copy()
    changed[:, 3] += 100
    np.testing.assert_array_equal(clf.predict_proba(changed), clf.predict_proba(X))
    assert clf.n_features_in_ == 4


COLUMNS = {
    "names": (["a", "c", "d"], "kind"),
    "numbers": ([0, 2, 3], 1),
    "bool masks": ([True, False, True, True], [False, True, False, False]),
    "callables": (make_column_selector(pattern="^.$"), make_column_selector(pattern="kind")),
    "names by a slice": (["a", "c", "d"], slice("kind", "kind")),
}


@pytest.mark.parametrize("columns", COLUMNS)
def test_columns_are_selected_as_in_a_column_transformer(mixed, fitted, columns):
    X, y = mixed
    numbers, kind = COLUMNS[columns]
    frame = pd.DataFrame(X, columns=["a", "kind", "c", "d"])
    clf = make(inputs={"numbers": numbers, "kind": kind}).fit(frame, y)
    np.testing.assert_array_equal(clf.predict_proba(frame), fitted.predict_proba(X))


def test_columns_of_polars_are_selected_by_name(mixed, fitted):
    X, y = mixed
    frame = pl.DataFrame(X, schema=["a", "kind", "c", "d"])
    clf = make(inputs={"numbers": ["a", "c", "d"], "kind": "kind"}).fit(frame, y)
    np.testing.assert_array_equal(clf.predict_proba(frame), fitted.predict_proba(X))


def test_sparse_rows_have_inputs(mixed, fitted):
    X, y = mixed
    clf = make().fit(sparse.csr_array(X), y)
    np.testing.assert_array_equal(clf.predict_proba(sparse.csr_array(X)), fitted.predict_proba(X))


def test_mask_in_columns_of_X_is_not_counted_among_the_features(mixed):
    X, y = mixed
    allowed = np.eye(3, dtype=bool)[y] | np.eye(3, dtype=bool)[(y + 1) % 3]
    wide = np.c_[allowed, X]
    inputs = {"numbers": [3, 5, 6], "kind": [4]}
    clf = make(allowed_columns=[0, 1, 2], inputs=inputs).fit(wide, y)
    expected = make().fit(X, y, allowed=allowed).predict_proba(X, allowed=allowed)
    np.testing.assert_array_equal(clf.predict_proba(wide), expected)


# The life of an estimator.


@pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_search_and_early_stopping(mixed, estimator):
    X, y = mixed
    grid = {"inputs": [INPUTS, {"numbers": [0, 3], "kind": [1]}], "early_stopping": [True]}
    search = GridSearchCV(make(estimator, validation_fraction=0.3), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(cross_val_score(make(estimator, network=functional()), X, y, cv=2)).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_partial_fit_and_copies_go_on(mixed, estimator):
    X, y = mixed
    clf = make(estimator).partial_fit(X[:30], y[:30], classes=[0, 1, 2])
    others = copy.deepcopy(clf), pickle.loads(pickle.dumps(clf))
    expected = clf.partial_fit(X[30:], y[30:]).predict_proba(X)
    for other in others:
        found = other.partial_fit(X[30:], y[30:]).predict_proba(X)
        np.testing.assert_array_equal(found, expected)


def test_clone_has_the_same_inputs():
    assert clone(make()).inputs == INPUTS


def test_fit_writes_to_no_parameter(mixed):
    inputs = {"numbers": [0, 2, 3], "kind": [1]}
    clf = make(inputs=inputs).fit(*mixed)
    assert clf.inputs is inputs
    assert inputs == {"numbers": [0, 2, 3], "kind": [1]}


def test_second_fit_traces_nothing(mixed):
    X, y = mixed
    make().fit(X, y).predict(X)
    before = count_traces()
    make().fit(X, y).predict(X)
    assert count_traces() == before


def test_other_columns_are_another_network(mixed):
    X, y = mixed
    swapped = X[:, [3, 1, 2, 0]]
    one = make().fit(swapped, y)
    other = make(inputs={"numbers": [3, 2, 0], "kind": [1]}).fit(X, y)
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(swapped))


def test_fresh_process_predicts_the_same(mixed, tmp_path):
    X, y = mixed
    clf = make(network=functional()).fit(X, y)
    (tmp_path / "clf.pkl").write_bytes(pickle.dumps(clf))
    np.save(tmp_path / "X.npy", X)
    program = (
        "import pickle, numpy as np; clf = pickle.load(open('clf.pkl', 'rb'));"
        "np.save('proba.npy', clf.predict_proba(np.load('X.npy')))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "proba.npy"), clf.predict_proba(X), rtol=1e-6)


def test_model_is_that_of_the_rows(mixed, fitted):
    X, _ = mixed
    logits = np.asarray(fitted.model_(X.astype("float32")))
    np.testing.assert_allclose(fitted.decision_function(X), logits, rtol=1e-5, atol=1e-6)


def test_skops_stores_the_columns(mixed, fitted):
    trusted = [*skmask.TRUSTED_TYPES, f"{embedded.__module__}.{embedded.__name__}"]
    again = skops.io.loads(skops.io.dumps(fitted), trusted=trusted)
    np.testing.assert_array_equal(again.predict_proba(mixed[0]), fitted.predict_proba(mixed[0]))


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # of Keras
def test_onnx_has_the_columns(mixed):
    X = mixed[0].astype("float32")
    clf = make(network=functional()).fit(X, mixed[1])
    session = onnxruntime.InferenceSession(to_onnx(clf, X).SerializeToString())
    _, proba = session.run(None, {session.get_inputs()[0].name: X})
    np.testing.assert_allclose(proba, clf.predict_proba(X), rtol=1e-4, atol=1e-6)


def test_pipeline_encodes_categories_that_are_new(mixed):
    X, y = mixed
    frame = pd.DataFrame(X, columns=["a", "kind", "c", "d"])
    frame["kind"] = np.array(list("xyzz"))[X[:, 1].astype(int)]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=3)
    columns = make_column_transformer(
        (encoder, ["kind"]), remainder="passthrough", verbose_feature_names_out=False
    )
    clf = make(inputs={"numbers": ["a", "c", "d"], "kind": "kind"})
    model = make_pipeline(columns.set_output(transform="pandas"), clf).fit(frame, y)
    again = pickle.loads(pickle.dumps(model))
    new = frame.assign(kind="w")
    proba = again.predict_proba(new)
    np.testing.assert_array_equal(proba, model.predict_proba(new))
    assert (proba != model.predict_proba(frame)).any()


def test_category_beyond_the_embedding(mixed, fitted):
    X = mixed[0].copy()
    X[3, 1] = 4
    with pytest.raises(ValueError, match="as an Embedding does for an index beyond its input_dim"):
        fitted.predict(X)


# Errors.

WRONG = {
    "no network": ({"network": None}, "network must be a function .* got None"),
    "described network": ({"network": MLP((3,))}, r"network must be a function .* got MLP"),
    "none": ({"inputs": {}}, "inputs must be a dict from names of inputs .* got none"),
    "no names": ({"inputs": {0: [0]}}, r"inputs must be a dict .* got \[0\] among the names"),
    "no dict": ({"inputs": [("numbers", [0])]}, "The 'inputs' parameter"),
    "unknown column": (
        {"inputs": {"numbers": [9], "kind": [1]}},
        r"inputs\['numbers'\] must name columns of X; got \[9\]",
    ),
    "name without names": (
        {"inputs": {"numbers": ["a"], "kind": [1]}},
        r"inputs\['numbers'\] must name columns of X; got \['a'\]",
    ),
    "no column": (
        {"inputs": {"numbers": [], "kind": [1]}},
        r"inputs\['numbers'\] must select a col",
    ),
    "left out": (
        {"inputs": {"numbers": [0]}},
        r"inputs must name the inputs .* \['numbers'\] for a network that asks for 'kind'",
    ),
    "unused": (
        {"inputs": {**INPUTS, "more": [0]}},
        "inputs must name the inputs .* for a network that does not use 'more'",
    ),
    "left out of a model": (
        {"network": functional, "inputs": {"numbers": [0, 2, 3]}},
        r"inputs must name the inputs .* a model with the inputs \['numbers', 'kind'\]",
    ),
    "unknown to a model": (
        {"network": functional, "inputs": {**INPUTS, "more": [0]}},
        r"inputs must name the inputs .* 'more'\] for a model with the inputs",
    ),
    "width": (
        {"network": functional, "inputs": {"numbers": [0, 2], "kind": [1]}},
        r"inputs\['numbers'\] must select as many columns .* got 2 for an input",
    ),
    "several inputs without inputs": (
        {"network": functional, "inputs": None},
        "network must take inputs of shape .* Say with the parameter inputs which columns",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_inputs(mixed, wrong):
    parameters, message = WRONG[wrong]
    if parameters.get("network") is functional:
        parameters = {**parameters, "network": functional()}
    clf = make(**parameters)
    before = dict(vars(clf))
    with pytest.raises(ValueError, match=message):
        clf.fit(*mixed)
    assert vars(clf) == before


def test_model_without_named_inputs(mixed):
    class Own(keras.Model):
        def call(self, inputs):
            return inputs["numbers"]

    with pytest.raises(TypeError, match=r"network must be a functional model.* got a Own"):
        make(network=Own()).fit(*mixed)


def test_inputs_that_are_also_the_mask(mixed):
    X, y = mixed
    wide = np.c_[np.ones((len(X), 3)), X]
    clf = make(allowed_columns=[0, 1, 2], inputs={"numbers": [2, 3, 5], "kind": [4]})
    with pytest.raises(
        ValueError, match=r"inputs\['numbers'\] must select features; got column 2,"
    ):
        clf.fit(wide, y)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_other_inputs_while_training_goes_on(mixed, method):
    X, y = mixed
    clf = make(warm_start=True).fit(X, y)
    clf.set_params(inputs={"numbers": [3, 2, 0], "kind": [1]})
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match="inputs must select the same columns while training"):
        getattr(clf, method)(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_failure_of_the_users_function_is_the_users(mixed):
    def broken(inputs, n_outputs):
        return {}[inputs["numbers"].name, n_outputs]

    with pytest.raises(KeyError):
        make(network=broken).fit(*mixed)
