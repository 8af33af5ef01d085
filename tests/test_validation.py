"""What bad input gets: a message that names the argument, and an estimator left as it was."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skmask import DivergenceError, RestrictedClassClassifier


def make(**kwargs):
    return RestrictedClassClassifier(
        **{"hidden_layer_sizes": (4,), "epochs": 1, "random_state": 0, **kwargs}
    )


def replaced(array, index, value, dtype=float):
    array = np.array(array, dtype=dtype)
    array[index] = value
    return array


def frame(allowed, columns):
    return pd.DataFrame(allowed[:, : len(columns)], columns=columns)


BAD_MASKS = {
    "row with nothing allowed": (
        lambda A: replaced(A, [4, 9], False),
        ValueError,
        "allowed must leave every row at least one class; got none in rows 4, 9",
    ),
    "many rows with nothing allowed": (
        lambda A: np.zeros_like(A),
        ValueError,
        "got none in rows 0, 1, 2, 3, 4 and 55 more",
    ),
    "one mask for all rows that allows nothing": (
        lambda A: np.zeros(4),
        ValueError,
        "allowed must leave every row at least one class; got none for all rows",
    ),
    "too few rows": (
        lambda A: A[:-1],
        ValueError,
        r"allowed must have shape \(n_samples, n_classes\) = \(60, 4\), or \(4,\).*got \(59, 4\)",
    ),
    "too few columns": (lambda A: A[:, :3], ValueError, r"allowed must have shape.*got \(60, 3\)"),
    "three dimensions": (lambda A: A[..., np.newaxis], ValueError, "allowed must have shape"),
    "nan": (
        lambda A: replaced(A, (7, 2), np.nan),
        ValueError,
        r"allowed must hold only True/False or 1/0; got \[nan\] in row 7",
    ),
    "other values": (
        lambda A: replaced(A, ([7, 8], [2, 2]), [2, -1]),
        ValueError,
        r"allowed must hold only True/False or 1/0; got \[-1.0, 2.0\] in rows 7, 8",
    ),
    "strings": (
        lambda A: np.where(A, "yes", "no"),
        TypeError,
        "allowed must be a mask of True/False or 1/0",
    ),
    "ragged": (
        lambda A: [[True], [True, False]],
        TypeError,
        "allowed must be a mask of True/False or 1/0 with rows of equal length; got list",
    ),
    "unknown word": (
        lambda A: "none",
        TypeError,
        "allowed must be a mask or the word 'all'; got 'none'",
    ),
    "frame without a class": (
        lambda A: frame(A, [0, 1, 2]),
        ValueError,
        r"allowed must have one column for each class, \[0, 1, 2, 3\].*missing \[3\]",
    ),
    "frame with an unknown class": (
        lambda A: frame(A, [0, 1, 2, 5]),
        ValueError,
        r"missing \[3\]; unknown \[5\]",
    ),
    "frame with a repeated class": (
        lambda A: frame(np.c_[A, A], [0, 1, 2, 3, 3]),
        ValueError,
        "repeated 3",
    ),
    "sparse of wrong shape": (
        lambda A: sparse.csr_array(A[:, :2]),
        ValueError,
        r"allowed must have shape.*got \(60, 2\)",
    ),
    "sparse with other values": (
        lambda A: sparse.csr_array(A) * 3,
        ValueError,
        r"allowed must hold only True/False or 1/0; got \[3\] in rows 0, 1, 2, 3, 4 and 55 more",
    ),
    "sparse row with nothing allowed": (
        lambda A: sparse.csr_array(replaced(A, 4, False)),
        ValueError,
        "allowed must leave every row at least one class; got none in row 4",
    ),
}


@pytest.mark.parametrize("bad", BAD_MASKS)
@pytest.mark.parametrize("method", ["fit", "predict", "predict_proba", "score"])
def test_bad_mask(data, restricted, bad, method):
    X, y, allowed = data
    spoil, error, message = BAD_MASKS[bad]
    arguments = (X, y) if method in ("fit", "score") else (X,)
    before = dict(vars(restricted))
    with pytest.raises(error, match=message):
        getattr(restricted, method)(*arguments, allowed=spoil(allowed))
    assert vars(restricted) == before


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_label_that_its_row_does_not_allow(data, kind):
    X, y, allowed = data
    wrong = allowed.copy()
    wrong[[3, 8], y[[3, 8]]] = False
    wrong[[3, 8], (y[[3, 8]] + 1) % 4] = True
    with pytest.raises(ValueError, match=r"y must be among the classes .* in rows 3, 8\."):
        make().fit(X, y, allowed=kind(wrong))
    with pytest.raises(ValueError, match="y must be among the classes that allowed leaves"):
        make().fit(X, y, allowed=[True, True, True, False])


FIT_ERRORS = {
    "epochs=0": ({"epochs": 0}, "'epochs' parameter .* Got 0 instead"),
    "negative learning rate": ({"learning_rate": -0.1}, "'learning_rate' parameter .* Got -0.1"),
    "nan learning rate": ({"learning_rate": np.nan}, "'learning_rate' parameter .* Got nan"),
    "batch size": ({"batch_size": 2.5}, "'batch_size' parameter .* Got 2.5 instead"),
    "unknown optimizer": ({"optimizer": "adan"}, "'optimizer' parameter .*'adam'.*Got 'adan'"),
    "unknown activation": ({"activation": "rely"}, "'activation' .*'relu'.* Got 'rely' instead"),
    "layer size": ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes must .* got \(5, 0\)"),
    "layer kind": ({"hidden_layer_sizes": (5, 2.5)}, "hidden_layer_sizes must hold whole numbers"),
    "uncallable network": ({"network": "mlp"}, "'network' parameter .* must be a callable"),
    "callbacks": ({"callbacks": [print]}, "callbacks must be instances of keras.callbacks"),
    "validation fraction that gives a class no row": (
        {"early_stopping": True, "validation_fraction": 0.01},
        r"validation_fraction must hold out a row for each class .*got 0.01 of their \d+ rows",
    ),
    "validation fraction": (
        {"early_stopping": True, "validation_fraction": 1.0},
        "'validation_fraction' parameter",
    ),
    "repeated classes": ({"classes": [0, 1, 2, 3, 3]}, r"classes must list .* got \[3\] more than"),
    "no classes": ({"classes": []}, "classes must list every label once; got none"),
    "y outside classes": (
        {"classes": [0, 1, 2]},
        r"y must hold only the labels listed in classes, \[0, 1, 2\]; got \[3\] in row",
    ),
    "classes of another kind": ({"classes": list("abcd")}, "y must hold only the labels listed"),
    "unknown class weight": ({"class_weight": {9: 2}}, r"class_weight must name .* got \[9\]"),
    "negative class weight": ({"class_weight": {1: -2}}, "class_weight must hold .* got -2 for"),
    "class weight word": ({"class_weight": "even"}, "'class_weight' parameter"),
    "class weights all zero": (
        {"class_weight": dict.fromkeys(range(4), 0)},
        "sample_weight must leave a row",
    ),
}


@pytest.mark.parametrize("wrong", FIT_ERRORS)
def test_bad_parameter(data, wrong):
    X, y, _ = data
    parameters, message = FIT_ERRORS[wrong]
    clf = make(**parameters)
    before = dict(vars(clf))
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(X, y)
    assert vars(clf) == before


DATA_ERRORS = {
    "nan": (lambda X, y: (replaced(X, (0, 0), np.nan), y), "Input X contains NaN"),
    "inf": (lambda X, y: (replaced(X, (0, 0), np.inf), y), "Input X contains infinity"),
    "too large": (
        lambda X, y: (X * 1e40, y),
        "X must be 0 or of a size from .* which float32 can hold",
    ),
    "lengths": (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
    "1-D": (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D array"),
    "empty": (lambda X, y: (X[:0], y[:0]), r"Found array with 0 sample\(s\)"),
    "text": (
        lambda X, y: (np.full(X.shape, "ninety", dtype=object), y),
        "X must hold numbers; got text",
    ),
    "continuous y": (lambda X, y: (X, y + 0.5), "Unknown label type: continuous"),
    "nan in y": (lambda X, y: (X, replaced(y, 0, np.nan)), "Input y contains NaN"),
    "two columns of y": (lambda X, y: (X, np.c_[y, y]), "y must have rows that sum to 1"),
}


@pytest.mark.parametrize("wrong", DATA_ERRORS)
def test_bad_data(data, wrong):
    X, y, _ = data
    clf = make()
    spoil, message = DATA_ERRORS[wrong]
    before = dict(vars(clf))
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises((ValueError, TypeError), match=message),
    ):
        clf.fit(*spoil(X, y))
    assert vars(clf) == before


def test_all_zero_sample_weight(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="and not zero everywhere; got 0 everywhere"):
        make().fit(X, y, sample_weight=np.zeros(60))


def test_negative_sample_weight(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        make().fit(X, y, sample_weight=np.full(60, -1.0))


def test_network_of_the_wrong_width(data):
    X, y, _ = data

    def network(inputs, n_outputs):
        return keras.layers.Dense(7)(inputs)

    with pytest.raises(ValueError, match=r"network must .* \(None, 4\); got \(None, 7\)"):
        make(network=network).fit(X, y)


def test_network_that_returns_no_tensor(data):
    X, y, _ = data
    with pytest.raises(TypeError, match="network must return a Keras tensor; got None"):
        make(network=lambda inputs, n_outputs: None).fit(X, y)


def test_mask_given_twice(data):
    X, y, allowed = data
    clf = make(allowed_columns=slice(5, 9))
    with pytest.raises(ValueError, match="allowed must not be given together with allowed_columns"):
        clf.fit(np.c_[X, allowed], y, allowed=allowed)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([5, 6, 7], "allowed_columns must select one column for each of the 4 classes; got 3"),
        ([5, 6, 7, 7], "allowed_columns must select one column for each of the 4 classes; got 4"),
        ([5, 6, 7, 99], "allowed_columns must name columns of X; got"),
        (["a", "b", "c", "d"], "allowed_columns must name columns of X; got"),
        (object(), "allowed_columns must name columns of X; got <object"),
        (lambda X: slice(0, 3), "allowed_columns must select one column .* got 3"),
    ],
)
def test_columns_that_do_not_hold_a_mask(data, columns, message):
    X, y, allowed = data
    with pytest.raises(ValueError, match=message):
        make(allowed_columns=columns).fit(np.c_[X, allowed], y)


def test_columns_that_leave_no_feature(data):
    _, y, allowed = data
    with pytest.raises(ValueError, match="allowed_columns must leave at least one feature"):
        make(allowed_columns=[0, 1, 2, 3]).fit(allowed, y)


def test_columns_with_other_values(data):
    X, y, allowed = data
    with pytest.raises(ValueError, match=r"allowed must hold only True/False or 1/0; got \[0.5\]"):
        make(allowed_columns=slice(5, 9)).fit(np.c_[X, allowed / 2], y)


def test_partial_fit_needs_classes(data):
    X, y, allowed = data
    with pytest.raises(ValueError, match="classes must be passed in the first call"):
        make().partial_fit(X, y)
    clf = make().partial_fit(X, y, [0, 1, 2, 3], allowed=allowed)
    with pytest.raises(ValueError, match="classes must be the same in every call"):
        clf.partial_fit(X, y, [0, 1, 2, 3, 4], allowed=allowed)
    with pytest.raises(ValueError, match="allowed must be given in every call"):
        clf.partial_fit(X, y)
    with pytest.raises(ValueError, match="class_weight must be a dict or None in partial_fit"):
        make(class_weight="balanced").partial_fit(X, y, [0, 1, 2, 3])


def test_warm_start_with_other_classes_or_layers(data):
    X, y, _ = data
    clf = make(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="y must have the classes of the fit that it goes on from"):
        clf.fit(X, y % 2)
    clf.set_params(hidden_layer_sizes=(7,))
    with pytest.raises(ValueError, match="hidden_layer_sizes must stay the same"):
        clf.fit(X, y)
    assert clf.predict(X).shape == (60,)


def test_divergence_leaves_the_estimator_unfitted(data):
    X, y, _ = data
    clf = make(optimizer="sgd", activation="linear").fit(X, y)
    clf.set_params(learning_rate=1e30, epochs=5)
    with pytest.raises(DivergenceError, match=r"must stay finite; got (nan|inf) in epoch \d"):
        clf.fit(X, y)
    assert set(vars(clf)) == set(clf.get_params(deep=False))


def test_failing_callback_passes_through(data):
    X, y, _ = data

    class Fail(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("mine")

    clf = make(callbacks=[Fail()])
    with pytest.raises(RuntimeError, match=r"^mine$"):
        clf.fit(X, y)
    assert set(vars(clf)) == set(clf.get_params(deep=False))
