"""Networks in NumPy against their Keras graphs, and what a forward pass leaves alone."""

import keras
import numpy as np
import pytest
from scipy import sparse
from scipy.ndimage import correlate
from scipy.special import softmax
from sklearn.base import clone

from skmask.engine.tensorflow import graph_of, with_weights
from skmask.networks import (
    ACTIVATIONS,
    CELLS,
    KERNELS,
    MLP,
    Convolutional,
    EncoderDecoder,
    PrototypeSums,
    Recurrent,
    Signature,
    TabM,
)

ROWS = Signature((5,), 3)
LABELS = Signature((5,), 3, are_labels=True)
IMAGES = Signature((6, 7), 3)
CHANNELS = Signature((7, 6, 2), 3)
CLOSE = {"float32": 1e-6, "float64": 1e-12}
# TensorFlow has their constants in float32, in float64 networks, too.
ROUNDED = {"gelu", "leaky_relu"}
DTYPES = pytest.mark.parametrize("dtype", list(CLOSE))


def is_state(weight):
    return weight.dtype.kind in "iu"  # of a seed generator: Keras only


def drawn_weights(network, signature, dtype):
    """Return random values for all variables of the graph, states of seed generators included."""
    rng = np.random.default_rng(1)
    weights = []
    for start in graph_of(network, signature, dtype).starting_weights(0):
        values = rng.normal(scale=0.5, size=start.shape)
        weights.append(start if is_state(start) else values.astype(dtype))
    if isinstance(network, PrototypeSums):
        weights[3] = np.abs(weights[3]) + np.asarray(0.5, dtype)  # a scale
    return weights


def forward(network, X, signature):
    weights = drawn_weights(network, signature, X.dtype.name)
    return network.forward([w for w in weights if not is_state(w)], X, signature)


def forward_of_keras(network, X, signature):
    dense = X.toarray() if sparse.issparse(X) else X
    graph = graph_of(network, signature, X.dtype.name)
    model = with_weights(graph, drawn_weights(network, signature, X.dtype.name))
    return np.asarray(model(dense, training=False))


def check_agreement(network, X, signature, where=...):
    found = forward(network, X, signature)
    expected = forward_of_keras(network, X, signature)
    assert found.dtype == X.dtype
    assert found.shape == expected.shape
    is_rounded = getattr(network, "activation", None) in ROUNDED
    atol = max(CLOSE[X.dtype.name], 1e-8 * is_rounded)
    found, expected = (softmax(np.asarray(z, float), axis=-1) for z in (found, expected))
    np.testing.assert_allclose(found[where], expected[where], rtol=0, atol=atol)


def rows(dtype="float32", n_rows=40):
    return np.random.default_rng(0).normal(size=(n_rows, 5)).astype(dtype)


def sequences(dtype="float32"):
    """Return sequences padded with NaN behind, and where they are real; one is all padding."""
    X = np.random.default_rng(0).normal(size=(6, 7, 2)).astype(dtype)
    real = np.arange(7) < np.array([6, 1, 3, 0, 6, 2])[:, np.newaxis]
    X[~real] = np.nan
    return X, real


def images(signature, dtype="float32"):
    return np.random.default_rng(0).random((9, *signature.input_shape)).astype(dtype)


def sequence_signature(steps):
    return Signature((None, 2), 3, steps)


# Against Keras.


@DTYPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_equals_its_graph_for_each_activation(activation, dtype):
    check_agreement(MLP((7,), activation), 3 * rows(dtype), ROWS)


@DTYPES
@pytest.mark.parametrize("sizes", [(), 6, (6,), (6, 4)])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_mlp_equals_its_graph_for_each_number_of_layers(sizes, kind, dtype):
    check_agreement(MLP(sizes), kind(np.where(rows(dtype) > 0, rows(dtype), 0)), ROWS)


@DTYPES
def test_mlp_with_dropout_equals_its_graph(dtype):
    check_agreement(MLP((6, 4), dropout=0.5), rows(dtype), ROWS)


@DTYPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("adapters", ["all", "first"])
def test_tabm_equals_its_graph_for_each_activation(adapters, activation, dtype):
    network = TabM((7, 4), activation, n_members=3, adapters=adapters)
    check_agreement(network, rows(dtype), ROWS)


@DTYPES
@pytest.mark.parametrize("sizes", [(), 6, (6, 4, 5)])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_tabm_of_labels_equals_its_graph(kind, sizes, dtype):
    check_agreement(TabM(sizes, n_members=3), kind(rows(dtype)), LABELS)


@DTYPES
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("units", [4, (4, 3)])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("steps", [None, "each"])
def test_recurrent_equals_its_graph_at_real_steps(steps, cell, units, bidirectional, dtype):
    X, real = sequences(dtype)
    network = Recurrent(units, cell, bidirectional=bidirectional)
    where = real if steps == "each" else ...
    check_agreement(network, X, sequence_signature(steps), where)


@DTYPES
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("units", [4, (4, 3)])
@pytest.mark.parametrize("cell", CELLS)
def test_encoder_decoder_equals_its_graph(cell, units, bidirectional, dtype):
    network = EncoderDecoder(units, cell, bidirectional=bidirectional)
    check_agreement(network, sequences(dtype)[0], sequence_signature(4))


@DTYPES
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("kernel", KERNELS)
def test_prototype_sums_equal_their_graph_for_each_kernel(kernel, kind, dtype):
    check_agreement(PrototypeSums(kernel, n_prototypes=4), kind(rows(dtype)), ROWS)


@DTYPES
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_prototype_sums_in_product_form_equal_their_graph(kind, dtype):
    network = PrototypeSums("exponential", n_prototypes=4, product_form=True)
    check_agreement(network, kind(rows(dtype)), ROWS)


@DTYPES
@pytest.mark.parametrize("signature", [IMAGES, CHANNELS], ids=["grey", "channels"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"filters": 4},
        {"filters": (3, 2, 4), "pool_size": 1},
        {"filters": (4,), "pool_size": 3, "kernel_size": 2},
        {"kernel_size": 5, "pooling": "average", "normalization": None},
        {"kernel_size": 1, "hidden_layer_sizes": (5, 4), "dropout": 0.5, "activation": "tanh"},
    ],
    ids=str,
)
def test_convolutional_equals_its_graph(settings, signature, dtype):
    check_agreement(Convolutional(**settings), images(signature, dtype), signature)


@DTYPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_convolutional_equals_its_graph_for_each_activation(activation, dtype):
    network = Convolutional((4,), activation=activation)
    check_agreement(network, images(IMAGES, dtype), IMAGES)


def test_convolution_is_a_sum_over_the_window_of_each_pixel():
    X, signature = np.random.default_rng(0).normal(size=(1, 4, 5)), Signature((4, 5), 20)
    network = Convolutional((1,), pool_size=1, normalization=None, activation="linear")
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    weights = [kernel, np.zeros(1), np.eye(20), np.zeros(20)]
    found = network.forward(weights, X, signature).reshape(4, 5)
    np.testing.assert_allclose(found, correlate(X[0], kernel[..., 0, 0], mode="constant"))


@pytest.mark.parametrize(("pooling", "expected"), [("max", [7, 9]), ("average", [4, 6])])
def test_pooling_drops_what_is_left_at_the_edges(pooling, expected):
    X, signature = np.arange(15.0).reshape(1, 3, 5) + 1, Signature((3, 5), 2)
    network = Convolutional((1,), 1, pooling=pooling, normalization=None, activation="linear")
    weights = [np.ones((1, 1, 1, 1)), np.zeros(1), np.eye(2), np.zeros(2)]
    np.testing.assert_allclose(network.forward(weights, X, signature)[0], expected)


def test_numbers_per_row_are_those_of_the_largest_windows():
    network = Convolutional((16, 32))
    assert network.numbers_per_row(Signature((28, 28), 10)) == 14 * 14 * 9 * 16
    assert MLP().numbers_per_row(ROWS) is None


@pytest.mark.parametrize("size", [1e-30, 1e4, 1e30])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activations_equal_those_of_keras_at_both_ends(activation, size):
    x = np.array([-size, 0, size], "float32")
    with np.errstate(over="ignore" if activation == "exponential" else "warn"):
        found = ACTIVATIONS[activation](x.copy())
    expected = keras.activations.get(activation)(keras.ops.convert_to_tensor(x))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


# Of every network.

EVERY = [
    *((MLP(sizes, name), ROWS) for sizes in [(), (6,)] for name in ACTIVATIONS),
    (MLP((6, 4), dropout=0.5), ROWS),
    *((TabM(6, n_members=3, adapters=kind, dropout=0.5), ROWS) for kind in ("all", "first")),
    (TabM((6, 4), n_members=3), LABELS),
    (TabM((), n_members=3), ROWS),
    *((PrototypeSums(kernel, n_prototypes=4), ROWS) for kernel in KERNELS),
    (PrototypeSums("exponential", n_prototypes=4, product_form=True), ROWS),
    (Convolutional((4, 3)), IMAGES),
    (Convolutional((4, 3), 2, pooling="average", normalization=None), CHANNELS),
    (Convolutional(3, activation="tanh", hidden_layer_sizes=(5,), dropout=0.5), CHANNELS),
    *(
        (network, sequence_signature(steps))
        for cell in CELLS
        for both in (False, True)
        for network, steps in [
            (Recurrent(4, cell, bidirectional=both), None),
            (Recurrent((4, 3), cell, bidirectional=both), "each"),
            (EncoderDecoder((4, 3), cell, bidirectional=both), 4),
        ]
    ),
]
every_network = pytest.mark.parametrize(
    ("network", "signature"), EVERY, ids=[f"{n!r}-{s.steps}" for n, s in EVERY]
)


def inputs_of(network, signature, dtype):
    if network.takes == "images":
        return images(signature, dtype)
    return sequences(dtype)[0] if network.takes == "sequences" else rows(dtype)


@every_network
def test_forward_changes_neither_rows_nor_weights(network, signature):
    X = inputs_of(network, signature, "float32")
    weights = [w for w in drawn_weights(network, signature, "float32") if not is_state(w)]
    before = X.copy(), [weight.copy() for weight in weights]
    result = network.forward(weights, X, signature)
    result += 1  # it is the caller's
    np.testing.assert_array_equal(X, before[0])
    for weight, copied in zip(weights, before[1], strict=True):
        np.testing.assert_array_equal(weight, copied)


@DTYPES
@every_network
def test_logits_have_the_type_of_the_weights(network, signature, dtype):
    assert forward(network, inputs_of(network, signature, dtype), signature).dtype == dtype


@every_network
def test_row_alone_has_the_logits_that_it_has_among_others(network, signature):
    X = inputs_of(network, signature, "float32")
    together = forward(network, X, signature)
    for number in range(len(X)):
        alone = forward(network, X[number : number + 1], signature)[0]
        expected = together[number]
        if signature.steps == "each":
            real = ~np.isnan(X[number]).all(axis=1)
            alone, expected = alone[real], expected[real]
        np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-6)


@every_network
def test_no_rows_have_no_logits(network, signature):
    X = inputs_of(network, signature, "float32")
    result = forward(network, X[:0], signature)
    assert result.shape == (0, *forward(network, X, signature).shape[1:])
    assert result.dtype == X.dtype


@every_network
def test_weights_are_the_variables_of_the_graph_in_order(network, signature):
    graph = graph_of(network, signature, "float32")
    listed = [(weight.name, weight.shape) for weight in network.weights(signature)]
    of_graph = zip(graph.weight_names, graph.weight_shapes, graph.weight_dtypes, strict=True)
    assert listed == [(name, shape) for name, shape, dtype in of_graph if dtype == "float32"]


@every_network
def test_clone_and_set_params_give_an_equal_network(network, signature):
    assert clone(network).settings() == network.settings()
    again = type(network)().set_params(**network.get_params())
    assert again.settings() == network.settings()
    assert hash(tuple(again.settings().items())) == hash(tuple(network.settings().items()))


@every_network
def test_graph_is_shared_by_networks_of_equal_settings(network, signature):
    one, other = (graph_of(clone(network), signature, "float32") for _ in range(2))
    assert one is other


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(MLP((3,), dropout=0.5)) == "MLP(dropout=0.5, hidden_layer_sizes=(3,))"
    assert repr(Recurrent(cell="gru")) == "Recurrent(cell='gru')"


def test_penalty_is_alpha_on_the_kernels_of_an_mlp():
    assert MLP(alpha=0.25).penalty == 0.25
    counted = [(w.name, w.is_penalised) for w in MLP((4,)).weights(ROWS)]
    assert counted == [("kernel", True), ("bias", False)] * 2
    assert Recurrent().penalty == 0


def test_penalty_counts_the_kernels_of_a_convolutional_network():
    network = Convolutional((4,), hidden_layer_sizes=(3,), alpha=0.25)
    assert network.penalty == 0.25
    counted = [(w.name, w.is_penalised) for w in network.weights(IMAGES)]
    names = ["kernel", "bias", "gamma", "beta", "kernel", "bias", "kernel", "bias"]
    assert counted == [(name, name == "kernel") for name in names]


# Parameters that are not legal.

NOT_LEGAL = [
    (MLP((0,)), r"hidden_layer_sizes must hold whole numbers of 1 or more.*got \(0,\)"),
    (MLP(None), "hidden_layer_sizes must hold .*got None"),
    (MLP((2.5,)), r"hidden_layer_sizes must hold .*got \(2.5,\)"),
    (MLP((True,)), r"hidden_layer_sizes must hold .*got \(True,\)"),
    (MLP((2**31,)), "hidden_layer_sizes must hold .*a machine can hold"),
    (MLP((10**5000,)), "hidden_layer_sizes must hold .*too long to be written"),
    (MLP(activation="softmax"), "activation must be one of .*got 'softmax'"),
    (MLP(activation=["relu"]), r"activation must be one of .*got \['relu'\]"),
    (MLP(dropout=1), "dropout must be a number from 0 up to, not including, 1; got 1"),
    (MLP(dropout=-0.1), "dropout must be .*got -0.1"),
    (MLP(dropout=np.nan), "dropout must be .*got nan"),
    (MLP(dropout="0.1"), "dropout must be .*got '0.1'"),
    (Recurrent(()), "units must name at least one layer; got none"),
    (Recurrent("64"), "units must hold .*got '64'"),
    (Recurrent(cell="rnn"), r"cell must be one of \['gru', 'lstm'\]; got 'rnn'"),
    (EncoderDecoder(0), "units must hold .*got 0"),
    (EncoderDecoder(cell=None), r"cell must be one of .*got None"),
    (Convolutional(()), "filters must name at least one block; got none"),
    (Convolutional((0,)), r"filters must hold whole numbers of 1 or more.*got \(0,\)"),
    (Convolutional((4, 1)), r"filters must be 2 or more with normalization='layer'.*\(4, 1\)"),
    (Convolutional(kernel_size=0), "kernel_size must be a whole number of 1 or more.*got 0"),
    (Convolutional(kernel_size=(3, 3)), r"kernel_size must be a whole .*got \(3, 3\)"),
    (Convolutional(pool_size=1.5), "pool_size must be a whole number of 1 or more.*got 1.5"),
    (Convolutional(pooling="min"), r"pooling must be one of \['average', 'max'\]; got 'min'"),
    (Convolutional(pooling=["max"]), r"pooling must be one of .*got \['max'\]"),
    (Convolutional(normalization="batch"), "normalization must be 'layer' or None; got 'batch'"),
    (Convolutional(hidden_layer_sizes=None), "hidden_layer_sizes must hold .*got None"),
    (Convolutional(activation="softmax"), "activation must be one of .*got 'softmax'"),
    (Convolutional(dropout=1), "dropout must be a number from 0 .*got 1"),
    (TabM((0,)), r"hidden_layer_sizes must hold whole numbers of 1 or more.*got \(0,\)"),
    (TabM(activation="softmax"), "activation must be one of .*got 'softmax'"),
    (TabM(n_members=0), "n_members must be a whole number of 1 or more.*got 0"),
    (TabM(n_members=True), "n_members must be a whole number of 1 or more.*got True"),
    (TabM(n_members=2.5), "n_members must be a whole number.*got 2.5"),
    (TabM(adapters="mini"), r"adapters must be one of \['all', 'first'\]; got 'mini'"),
    (TabM(adapters=None), r"adapters must be one of .*got None"),
    (TabM(dropout=1), "dropout must be a number from 0 .*got 1"),
    (PrototypeSums("cosine"), "kernel must be one of .*or a callable; got 'cosine'"),
    (PrototypeSums(n_prototypes=0), "n_prototypes must be a whole number of 1 or more.*got 0"),
    (PrototypeSums(n_prototypes=2.5), "n_prototypes must be a whole number.*got 2.5"),
    (PrototypeSums(n_prototypes="2"), "n_prototypes must be a whole number.*got '2'"),
]


@pytest.mark.parametrize(("network", "message"), NOT_LEGAL)
def test_settings_that_are_not_legal_are_refused(network, message):
    with pytest.raises(ValueError, match=message):
        network.settings()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 8), r"X must have images of 4 x 4 pixels or more for 2 poolings .*got 3 x 8"),
        ((8, 3, 1), "X must have images of 4 x 4 pixels or more .*got 8 x 3. Lower pool_size"),
        ((8,), r"X must have rows of shape \(height, width\) or .*got \(8,\)"),
        ((8, 8, 8, 1), r"X must have rows of shape .*for Convolutional; got \(8, 8, 8, 1\)"),
    ],
)
def test_images_that_a_convolutional_network_cannot_take_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        Convolutional().weights(Signature(shape, 3))


@pytest.mark.parametrize("alpha", [-1, np.inf, np.nan, "1", True, np.True_])
def test_penalty_that_is_not_legal_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be a finite number of 0 or more; got"):
        _ = MLP(alpha=alpha).penalty


@pytest.mark.parametrize("sizes", [np.array([3, 2]), np.int32(3), [np.int64(3)]])
def test_sizes_become_plain_integers(sizes):
    made = MLP(sizes).settings()["hidden_layer_sizes"]
    assert made == tuple(np.atleast_1d(sizes).tolist())
    assert all(type(size) is int for size in made)
