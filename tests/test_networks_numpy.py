"""The forward pass in NumPy is that of the Keras graph."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone

from skmask.engine.tensorflow import graph_of, with_weights
from skmask.networks import (
    ACTIVATIONS,
    MLP,
    EncoderDecoder,
    PrototypeSums,
    Recurrent,
    Signature,
)

ROWS = Signature((5,), 3)
BY_STEP = Signature((None, 2), 3, "each")
BY_SEQUENCE = Signature((None, 2), 3)
NETWORKS = {
    **{f"{name} of {sizes}": (MLP(sizes, name), ROWS)
       for name in ACTIVATIONS for sizes in ((4,), (6, 4))},
    "linear model": (MLP(()), ROWS),
    "dropout": (MLP((6, 4), dropout=0.5), ROWS),
    **{f"{kernel} kernel": (PrototypeSums(kernel, n_prototypes=7), ROWS)
       for kernel in ("exponential", "laplacian", "linear", "rbf")},
    "product form": (PrototypeSums("exponential", n_prototypes=7, product_form=True), ROWS),
    **{f"{cell} {units} {both} {signature.steps}":
       (Recurrent(units, cell, bidirectional=both), signature)
       for cell in ("lstm", "gru") for units in (4, (4, 3)) for both in (False, True)
       for signature in (BY_STEP, BY_SEQUENCE)},
    **{f"{cell} decoder {both}":
       (EncoderDecoder((4, 3), cell, bidirectional=both), Signature((None, 2), 3, 6))
       for cell in ("lstm", "gru") for both in (False, True)},
}  # fmt: skip


def rows_for(signature, dtype):
    rng = np.random.default_rng(0)
    if len(signature.input_shape) == 1:
        return rng.normal(size=(9, 5)).astype(dtype)
    X = rng.normal(size=(9, 8, 2)).astype(dtype)
    for row, length in enumerate(rng.integers(1, 9, size=9)):
        X[row, length:] = np.nan
    X[4] = np.nan
    return X


def made(network, signature, dtype):
    """Return random weights, as the network lists them, and a Keras model that has them."""
    rng = np.random.default_rng(1)
    graph = graph_of(network, signature, dtype)
    stated = graph.starting_weights(0)
    weights = [
        rng.uniform(0.2, 0.7, weight.shape).astype(dtype) * rng.choice([-1, 1], weight.shape)
        if weight.dtype.kind == "f"
        else weight
        for weight in stated
    ]
    named = zip(graph.weight_names, weights, strict=True)
    weights = [np.abs(weight) if name == "scale" else weight for name, weight in named]
    weights = [weight.astype(start.dtype) for weight, start in zip(weights, stated, strict=True)]
    listed = [weight for weight in weights if weight.dtype.kind == "f"]
    return listed, with_weights(graph, weights)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_forward_pass_is_that_of_the_keras_graph(name, dtype):
    network, signature = NETWORKS[name]
    weights, model = made(network, signature, dtype)
    X = rows_for(signature, dtype)
    with np.errstate(over="ignore"):
        found = network.forward(weights, X, signature)
    expected = np.asarray(model(X))
    assert found.dtype == dtype
    real = ~np.isnan(X).all(axis=-1) if signature.steps == "each" else slice(None)
    atol = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(
        softmax(found[real], axis=-1), softmax(expected[real], axis=-1), atol=atol
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_listed_as_the_graph_has_them(name):
    network, signature = NETWORKS[name]
    weights, _ = made(network, signature, "float32")
    shapes = [weight.shape for weight in network.weights(signature)]
    assert shapes == [weight.shape for weight in weights]


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_pass_changes_neither_rows_nor_weights(name):
    network, signature = NETWORKS[name]
    weights, _ = made(network, signature, "float64")
    X = rows_for(signature, "float64")
    for array in (X, *[weight for weight in weights if weight.ndim]):
        array.flags.writeable = False
    whole = network.forward(weights, X, signature)
    alone = [network.forward(weights, X[k : k + 1], signature)[0] for k in range(len(X))]
    for one, row, x in zip(alone, whole, X, strict=True):
        real = ~np.isnan(x).all(axis=-1) if signature.steps == "each" else slice(None)
        np.testing.assert_allclose(one[real], row[real], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("network", [MLP((6,)), MLP(()), PrototypeSums("linear", n_prototypes=4)])
def test_sparse_rows_have_the_logits_of_dense_ones(network):
    weights, _ = made(network, ROWS, "float64")
    X = rows_for(ROWS, "float64")
    X[X < 0] = 0
    found = network.forward(weights, sparse.csr_array(X), ROWS)
    np.testing.assert_allclose(found, network.forward(weights, X, ROWS), rtol=1e-12)


@pytest.mark.parametrize("name", ["relu of (4,)", "product form", "lstm decoder True"])
def test_network_is_an_object_in_the_style_of_scikit_learn(name):
    network, _ = NETWORKS[name]
    assert clone(network).get_params() == network.get_params()
    assert repr(network).startswith(type(network).__name__)
    parameter = next(iter(network.get_params()))
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
        clone(network).set_params(nothing=1)
    assert clone(network).set_params(**{parameter: "x"}).get_params()[parameter] == "x"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (MLP((0,)), "hidden_layer_sizes must hold whole numbers of 1 or more"),
        (MLP("ten"), "hidden_layer_sizes must hold whole numbers of 1 or more"),
        (MLP((True,)), "hidden_layer_sizes must hold whole numbers of 1 or more"),
        (MLP(activation="step"), "activation must be one of"),
        (MLP(dropout=1.0), "dropout must be a number from 0 up to"),
        (Recurrent(()), "units must name at least one layer"),
        (Recurrent(cell="rnn"), "cell must be one of"),
        (EncoderDecoder((2.5,)), "units must hold whole numbers"),
        (PrototypeSums("cosine"), "kernel must be one of"),
    ],
)
def test_parameter_that_is_not_legal_is_named(network, message):
    with pytest.raises(ValueError, match=message):
        network.settings()


@pytest.mark.parametrize("alpha", [-1, np.inf, "much", True])
def test_penalty_that_is_not_legal_is_named(alpha):
    with pytest.raises(ValueError, match="alpha must be a finite number of 0 or more"):
        _ = MLP(alpha=alpha).penalty
