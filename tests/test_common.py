"""What holds for every estimator of the package."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest
import skops.io
from numpydoc.docscrape import ClassDoc, FunctionDoc
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import skmask
from skmask.datasets import make_restricted_classification

ESTIMATORS = [
    getattr(skmask, name)
    for name in skmask.__all__
    if inspect.isclass(getattr(skmask, name)) and hasattr(getattr(skmask, name), "fit")
]

# On what the checks and a few epochs make of their data, WeightedMultilabelClassifier rightly
# warns of labels that it never predicts.
pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")


@parametrize_with_checks([Estimator() for Estimator in ESTIMATORS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module", params=ESTIMATORS, ids=lambda Estimator: Estimator.__name__)
def fitted(request):
    X, y, _ = make_restricted_classification(60, 5, 4, 2, random_state=0)
    settings = {"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0}
    known = inspect.signature(request.param).parameters
    made = request.param(**{name: value for name, value in settings.items() if name in known})
    return made.fit(X, y), X, y


def test_documented_attributes_are_the_fitted_ones(fitted):
    import pandas as pd

    clf, X, y = fitted
    frame = pd.DataFrame(X, columns=list("abcde"))
    clf = clone(clf).fit(frame, y, X_val=frame, y_val=y)
    documented = {attribute.name for attribute in ClassDoc(type(clf))["Attributes"]}
    public = {name for name in dir(clf) if name.endswith("_") and not name.startswith("_")}
    assert documented == public


def test_nothing_learnt_before_fit(fitted):
    clf = clone(fitted[0])
    assert set(vars(clf)) == set(clf.get_params(deep=False))
    assert not hasattr(clf, "model_")


def test_documented_parameters_are_those_of_the_signature(fitted):
    Estimator = type(fitted[0])
    documented = [parameter.name for parameter in ClassDoc(Estimator)["Parameters"]]
    assert documented == list(inspect.signature(Estimator).parameters)


@pytest.mark.parametrize(
    "method",
    [
        "fit",
        "partial_fit",
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
        "score",
    ],
)
def test_documented_arguments_are_those_of_the_method(fitted, method):
    function = getattr(type(fitted[0]), method)
    documented = [parameter.name for parameter in FunctionDoc(function)["Parameters"]]
    assert documented == list(inspect.signature(function).parameters)[1:]


SHARED = (
    "hidden_layer_sizes", "activation", "network", "classes", "class_weight", "optimizer",
    "learning_rate", "batch_size", "epochs", "early_stopping", "validation_fraction",
    "n_iter_no_change", "monitor", "callbacks", "warm_start", "verbose", "random_state", "dtype",
)  # fmt: skip


def test_shared_parameters_come_in_the_same_order_with_the_same_defaults(fitted):
    parameters = inspect.signature(type(fitted[0])).parameters
    offered = [name for name in SHARED if name in parameters]
    assert len(offered) >= 12
    assert [name for name in parameters if name in SHARED] == offered
    shared = inspect.signature(skmask.RestrictedClassClassifier).parameters
    assert all(parameters[name].default == shared[name].default for name in offered)


def test_parameters_are_the_ones_that_are_checked(fitted):
    assert set(fitted[0]._parameter_constraints) == set(fitted[0].get_params(deep=False))


def test_pickle_holds_no_keras(fitted):
    clf, X, _ = fitted
    _ = clf.model_
    stored = pickle.dumps(clf)
    assert b"keras" not in stored
    assert b"tensorflow" not in stored
    np.testing.assert_array_equal(pickle.loads(stored).predict_proba(X), clf.predict_proba(X))


def test_skops_stores_what_is_the_packages_own(fitted):
    clf, X, _ = fitted
    stored = skops.io.dumps(clf)
    untrusted = skops.io.get_untrusted_types(data=stored)
    assert all(name.startswith("skmask.") for name in untrusted)
    again = skops.io.loads(stored, trusted=untrusted)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_copy_predicts_the_same_and_goes_its_own_way(fitted):
    clf, X, y = fitted
    expected = clf.predict_proba(X)
    again = copy.deepcopy(clf)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    again.fit(X[::-1], y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_same_seed_gives_the_same_bits(fitted):
    clf, X, y = fitted
    again = clone(clf).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_kinds_of_labels_agree(fitted):
    clf, X, y = fitted
    names = np.array(["a", "b", "c", "d"])
    named = clone(clf).fit(X, names[y])
    np.testing.assert_array_equal(named.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(named.predict(X), names[clf.predict(X)])


def test_failed_fit_changes_nothing(fitted):
    clf, X, y = fitted
    before = dict(vars(clf))
    for bad_X, bad_y in ((X[:9], y), (X * np.nan, y), (X, None)):
        with pytest.raises(ValueError, match=r"X|y"):
            clf.fit(bad_X, bad_y)
    assert vars(clf) == before


def test_prediction_of_many_rows_is_that_of_each(fitted):
    clf, X, _ = fitted
    many = np.tile(X, (300, 1))  # more than one chunk
    np.testing.assert_allclose(
        clf.predict_proba(many), np.tile(clf.predict_proba(X), (300, 1)), atol=1e-6
    )


def test_docstrings_are_filled_in(fitted):
    Estimator = type(fitted[0])
    texts = [
        Estimator.__doc__,
        *(getattr(Estimator, name).__doc__ or "" for name in dir(Estimator)),
    ]
    assert not any(re.search(r"(?m)^ *\{\w+\}$", text) for text in texts)
