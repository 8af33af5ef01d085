"""The L2 penalty of the built-in network: that of scikit-learn's MLPClassifier."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_iris

from skmask import RestrictedClassClassifier
from skmask.networks import MLP

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


def optimum(alpha, weight):
    """Return the probabilities of the penalised multinomial logit, by SciPy."""
    one_hot = np.eye(3)[Y]
    features = np.c_[X, np.ones(len(X))]

    def loss(flat):
        kernel = flat.reshape(5, 3)
        logits = features @ kernel
        logits = logits - logits.max(axis=1, keepdims=True)
        log_proba = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        penalty = alpha / 2 * (kernel[:-1] ** 2).sum() / weight.sum()
        return -(weight * (log_proba * one_hot).sum(axis=1)).sum() / weight.sum() + penalty

    kernel = minimize(loss, np.zeros(15), tol=1e-12).x.reshape(5, 3)
    proba = np.exp(features @ kernel)
    return proba / proba.sum(axis=1, keepdims=True)


def fitted(**settings):
    return RestrictedClassClassifier(
        (), batch_size=1000, epochs=3000, learning_rate=0.03, random_state=0, **settings
    )


@pytest.mark.parametrize("alpha", [5.0, 50.0])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_full_batch_with_a_penalty_finds_the_optimum_of_mlpclassifier(alpha, is_weighted):
    weight = np.where(np.arange(150) % 3, 1.0, 4.0) if is_weighted else np.ones(150)
    found = fitted(alpha=alpha).fit(X, Y, sample_weight=weight).predict_proba(X)
    np.testing.assert_allclose(found, optimum(alpha, weight), atol=1e-4)


def test_weight_equals_repetition_with_a_penalty():
    times = np.arange(150) % 3 + 1
    rows = np.repeat(np.arange(150), times)
    weighted = fitted(alpha=9.0).set_params(epochs=20).fit(X, Y, sample_weight=times)
    repeated = fitted(alpha=9.0).set_params(epochs=20).fit(X[rows], Y[rows])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-12)


def test_network_given_as_an_object_is_that_of_the_parameters():
    settings = {"hidden_layer_sizes": (6,), "activation": "tanh", "alpha": 0.3, "dropout": 0.2}
    one = RestrictedClassClassifier(epochs=3, random_state=0, **settings).fit(X, Y)
    other = RestrictedClassClassifier(epochs=3, random_state=0, network=MLP(**settings)).fit(X, Y)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_dropout_changes_training_only():
    clf = RestrictedClassClassifier((50,), dropout=0.5, epochs=3, random_state=0).fit(X, Y)
    plain = RestrictedClassClassifier((50,), epochs=3, random_state=0).fit(X, Y)
    assert (clf.predict_proba(X) != plain.predict_proba(X)).all()
    model = clf.model_(X.astype("float32"), training=False)
    logits = np.asarray(model, np.float64)
    np.testing.assert_allclose(clf.decision_function(X), logits, atol=1e-5)
