"""The recipes of CONTRIBUTING.md: a network, a loss, an argument by row and an estimator."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.callback import with_callbacks
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmask import RestrictedClassClassifier
from skmask.data._numbers import as_numbers
from skmask.engine import Loss
from skmask.engine.tensorflow import graph_of, with_weights
from skmask.estimators._base import OF_MLP
from skmask.estimators._softmax import SoftmaxClassifier
from skmask.estimators._softmax_rows import read_softmax_rows
from skmask.estimators._training import Parts, described_mlp
from skmask.networks import Network, Signature, Weight
from skmask.nn.losses import restricted_crossentropy
from skmask.nn.networks import register

# A new network.


class Gated(Network):
    """Logits (X K + b) * sigmoid(X G)."""

    def __init__(self, *, slope=1.0):
        self.slope = slope

    def settings(self):
        return {"slope": float(self.slope)}

    def weights(self, signature):
        shape = signature.n_features, signature.n_outputs
        # In Keras' order: a layer that is farther from the outputs comes first.
        return Weight("gate", shape), Weight("kernel", shape), Weight("bias", shape[1:])

    def forward(self, weights, X, signature):
        gate, kernel, bias = weights
        slope = np.asarray(self.slope, kernel.dtype)
        return (X @ kernel + bias) / (1 + np.exp(-slope * (X @ gate)))


@register(Gated)
def gated(inputs, signature, *, slope):
    value = keras.layers.Dense(signature.n_outputs)(inputs)
    gate = keras.layers.Dense(signature.n_outputs, use_bias=False)(inputs)
    return value * keras.ops.sigmoid(slope * gate)


def test_new_network_is_computed_alike_by_numpy_and_keras(rng):
    signature = Signature((4,), 3)
    graph = graph_of(Gated(slope=2.0), signature, "float64")
    weights = [rng.normal(size=shape) for shape in graph.weight_shapes]
    X = rng.normal(size=(7, 4))
    np.testing.assert_allclose(
        Gated(slope=2.0).forward(weights, X, signature), with_weights(graph, weights)(X), rtol=1e-9
    )


class Swapped(Gated):
    """Lists its weights in another order than its graph has them."""

    def weights(self, signature):
        return super().weights(signature)[::-1]


register(Swapped)(gated)


def test_weights_in_another_order_than_in_the_graph_are_an_error(rng):
    clf = RestrictedClassClassifier(network=Swapped(), **FEW)
    with pytest.raises(TypeError, match="network must list the weights of its Keras graph"):
        clf.fit(rng.normal(size=(20, 4)), np.arange(20) % 3)


# A new loss, and a new argument by row.


def smoothed_crossentropy(y_true, logits, allowed=None, smoothing=0.0):
    """Cross-entropy plus a share of the sum of squared logits."""
    logits = keras.ops.convert_to_tensor(logits)
    smoothing = keras.ops.cast(smoothing, logits.dtype)
    penalty = keras.ops.mean(keras.ops.square(logits), axis=-1)
    return restricted_crossentropy(y_true, logits, allowed) + smoothing * penalty


# A sixth estimator.


class SmoothedClassifier(SoftmaxClassifier):
    """Classifier with a share of smoothing that may differ by row."""

    _parameter_constraints = {**OF_MLP, **SoftmaxClassifier._parameter_constraints}

    __metadata_request__fit = {"smoothing": True, "smoothing_val": True}

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        alpha=0.0,
        dropout=0.0,
        network=None,
        classes=None,
        class_weight=None,
        optimizer="adam",
        learning_rate=None,
        batch_size=32,
        epochs=100,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        monitor="loss",
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
        dtype="auto",
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            alpha=alpha,
            dropout=dropout,
            network=network,
            classes=classes,
            class_weight=class_weight,
            optimizer=optimizer,
            learning_rate=learning_rate,
            batch_size=batch_size,
            epochs=epochs,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            monitor=monitor,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
            dtype=dtype,
        )

    @with_callbacks
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        allowed=None,
        smoothing=None,
        X_val=None,
        y_val=None,
        smoothing_val=None,
    ):
        """Fit; `smoothing` has shape (n_samples,)."""
        return self._fit(
            X,
            y,
            sample_weight=sample_weight,
            allowed=allowed,
            smoothing=smoothing,
            X_val=X_val,
            y_val=y_val,
            smoothing_val=smoothing_val,
        )

    def _read(self, given):
        rows = read_softmax_rows(self, given)
        smoothing = given.metadata.get("smoothing")
        if smoothing is None:
            return rows
        smoothing = as_numbers(smoothing, "smoothing", f"({len(rows)},)")
        return replace(rows, columns={**rows.columns, "smoothing": smoothing})

    def _parts(self, rows):
        return Parts(
            described_mlp(self),
            Signature(rows.X.shape[1:], len(rows.outputs)),
            Loss(smoothed_crossentropy, metrics=(("accuracy", "masked_accuracy"),)),
        )


FEW = {"epochs": 2, "random_state": 0}


@parametrize_with_checks(
    [
        SmoothedClassifier(),
        RestrictedClassClassifier(network=Gated(), learning_rate=0.05),
    ]
)
def test_estimator_and_network_by_the_recipes_pass_a_check(estimator, check):
    check(estimator)


def test_new_argument_reaches_the_loss(rng):
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    clf = SmoothedClassifier((8,), **FEW)
    plain = clf.fit(X, y).decision_function(X)
    none = clf.fit(X, y, smoothing=np.zeros(60)).decision_function(X)
    much = clf.fit(X, y, smoothing=np.full(60, 1e4)).decision_function(X)
    np.testing.assert_allclose(none, plain, atol=1e-5)
    assert np.abs(much).mean() < np.abs(plain).mean()
    with pytest.raises(ValueError, match="smoothing must hold finite numbers"):
        clf.fit(X, y, smoothing=np.full(60, np.nan))


def test_new_argument_is_one_of_validation_rows_too(rng):
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    clf = SmoothedClassifier((8,), batch_size=60, **FEW)
    smoothing = rng.uniform(size=60)
    clf.fit(X, y, smoothing=smoothing, X_val=X, y_val=y, smoothing_val=smoothing)
    np.testing.assert_allclose(clf.history_["val_loss"][0], clf.history_["loss"][1], rtol=1e-5)
    with pytest.raises(ValueError, match="smoothing_val must be given where smoothing is given"):
        clf.fit(X, y, smoothing=smoothing, X_val=X, y_val=y)
