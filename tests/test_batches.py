"""Networks whose layers see the whole batch: no row that does not count stands in one."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

from skmask.engine import Job, Loss, State, Steps, train
from skmask.engine._order import epoch_order
from skmask.engine.tensorflow import OptimizerRecipe, custom_network, graph_of, with_weights
from skmask.engine.tensorflow._layers import is_by_row
from skmask.networks import MLP, EncoderDecoder, PrototypeSums, Recurrent, Signature
from skmask.nn.losses import RestrictedCrossentropy
from skmask.nn.networks import masked

N, M, K = 70, 12, 3  # two batches of 32 rows, and one of 6
EPOCHS = 3


def columns_of(n_rows, shape=(M,), seed=0):
    rng = np.random.default_rng(seed)
    return {
        "X": rng.normal(size=(n_rows, *shape)).astype(np.float32),
        "y": rng.integers(K, size=n_rows).astype(np.int32),
        "weight": np.ones(n_rows, np.float32),
    }


def normalized(tensor, units=8):
    """No bias in front, which normalisation would cancel: its gradient would be rounding."""
    return layers.BatchNormalization()(layers.Dense(units, use_bias=False)(tensor))


def plain(inputs, n):
    return layers.Dense(n)(ops.tanh(normalized(inputs)))


def scaled(inputs, n):
    return layers.Dense(n)(layers.Activation("tanh")(normalized(inputs * 1.0)))


def residual(inputs, n):
    return layers.Dense(n)(inputs + normalized(inputs, M))


def sliced(inputs, n):
    return layers.Dense(n)(ops.tanh(normalized(inputs[:, 2:9])))


def concatenating(inputs, n):
    both = ops.concatenate([inputs, normalized(ops.tanh(inputs))], axis=1)
    return layers.Dense(n)(ops.tanh(normalized(ops.tanh(both))))


def rectified(inputs, n):
    return layers.Dense(n)(layers.BatchNormalization()(ops.relu(inputs)))


def flattened(inputs, n):
    table = layers.Reshape((4, 3))(inputs)
    return layers.Dense(n)(normalized(layers.Flatten()(table)))


def reshaped(inputs, n):
    table = normalized(ops.reshape(inputs, (-1, 4, 3)))
    return layers.Dense(n)(layers.GlobalAveragePooling1D()(ops.tanh(table)))


def convolutional_1d(inputs, n):
    rows = layers.Conv1D(5, 3, use_bias=False)(layers.Reshape((M, 1))(inputs))
    pooled = layers.MaxPooling1D(2)(ops.tanh(layers.BatchNormalization()(rows)))
    return layers.Dense(n)(layers.Flatten()(pooled))


def convolutional_2d(inputs, n):
    image = layers.Reshape((4, 3, 1))(inputs)
    image = layers.Conv2D(5, 2, use_bias=False)(image)
    image = layers.Activation("tanh")(layers.BatchNormalization()(image))
    return layers.Dense(n)(layers.GlobalAveragePooling2D()(image))


def nested(inputs, n):
    inner = keras.Input((M,))
    block = keras.Model(inner, ops.tanh(normalized(inner * 0.5)))
    return layers.Dense(n)(block(inputs))


def nested_sequential(inputs, n):
    block = keras.Sequential(
        [layers.Dense(8, use_bias=False), layers.BatchNormalization(), layers.Activation("tanh")]
    )
    return layers.Dense(n)(block(inputs))


def wrapped(inputs, n):
    table = layers.Reshape((4, 3))(inputs)
    steps = layers.TimeDistributed(layers.BatchNormalization())(table)
    return layers.Dense(n)(layers.Flatten()(steps))


@keras.saving.register_keras_serializable(package="test")
class Centred(layers.Layer):
    """Takes off the mean of the batch."""

    def call(self, inputs):
        return inputs - ops.mean(inputs, axis=0, keepdims=True)


def centred(inputs, n):
    return layers.Dense(n)(Centred()(layers.Dense(8, activation="tanh", use_bias=False)(inputs)))


def centred_by_functions(inputs, n):
    hidden = layers.Dense(8, activation="tanh", use_bias=False)(inputs)
    return layers.Dense(n)(hidden - ops.mean(hidden, axis=0, keepdims=True))


def centred_by_activation(inputs, n):
    def centre(tensor):
        return tensor - ops.mean(tensor, axis=0, keepdims=True)

    return layers.Dense(n)(layers.Dense(8, activation=centre, use_bias=False)(inputs))


def centred_by_lambda(inputs, n):
    centre = layers.Lambda(lambda tensor: tensor - ops.mean(tensor, axis=0, keepdims=True))
    return layers.Dense(n)(centre(layers.Dense(8, activation="tanh", use_bias=False)(inputs)))


def normalized_over_rows(inputs, n):
    hidden = layers.UnitNormalization(axis=0)(layers.Dense(8, activation="tanh")(inputs))
    return layers.Dense(n)(hidden)


def softmax_over_rows(inputs, n):
    hidden = layers.Softmax(axis=-2)(layers.Dense(8)(inputs))
    return layers.Dense(n)(hidden)


def with_activity_regularizer(inputs, n):
    hidden = layers.Dense(8, activation="tanh", activity_regularizer=keras.regularizers.L2(1e-2))
    return layers.Dense(n)(hidden(inputs))


def with_activity_regularization(inputs, n):
    hidden = layers.ActivityRegularization(l2=1e-2)(layers.Dense(8, activation="tanh")(inputs))
    return layers.Dense(n)(hidden)


def spectral(inputs, n):
    return layers.SpectralNormalization(layers.Dense(n))(normalized(inputs))


def fitted_by_keras(job, state, columns, held_out, epochs=EPOCHS):
    """Return the model that Keras' own fit trains on the same batches, and its losses."""
    model = with_weights(job.graph, state.weights)
    optimizer = OptimizerRecipe(job.solver.optimizer, job.solver.learning_rate)
    model.compile(optimizer.build(), RestrictedCrossentropy(), run_eagerly=True)
    losses = {"loss": [], "val_loss": []}
    for epoch in range(epochs):
        order = epoch_order(state.seed, epoch, len(columns["y"]))
        done = model.fit(
            columns["X"][order],
            columns["y"][order],
            validation_data=(held_out["X"], held_out["y"]),
            batch_size=job.solver.batch_size,
            shuffle=False,
            verbose=0,
        )
        for name in losses:
            losses[name] += done.history[name]
    return model, losses


def check_same_as_keras(network, optimizer, columns, held_out):
    solver = Steps(optimizer, 1e-2)
    job = Job(network, Loss("restricted_crossentropy"), solver, columns, validation=held_out)
    state = State(network.starting_weights(0), None, 0)
    trained, history = train(job, state, epochs=EPOCHS)
    model, losses = fitted_by_keras(job, state, columns, held_out)
    for ours, variable in zip(trained.weights, model.variables, strict=True):
        np.testing.assert_allclose(ours, variable, atol=1e-5, err_msg=variable.path)
    if not model.losses:  # Keras adds penalties to the losses that it reports
        for name in losses:
            assert history[name] == pytest.approx(losses[name], abs=2e-5)


SEES_THE_BATCH = [
    plain, scaled, residual, sliced, concatenating, rectified, flattened, reshaped,
    convolutional_1d, convolutional_2d, nested, nested_sequential, wrapped, centred,
    centred_by_functions, centred_by_activation, centred_by_lambda, normalized_over_rows,
    softmax_over_rows, with_activity_regularizer, with_activity_regularization, spectral,
]  # fmt: skip


FOR_SGD = [residual, concatenating, reshaped, convolutional_2d, nested, centred]
CASES = [*((each, "adam") for each in SEES_THE_BATCH), *((each, "sgd") for each in FOR_SGD)]


@pytest.mark.parametrize(("network", "optimizer"), CASES)
def test_weights_and_statistics_equal_those_of_keras_fit(network, optimizer):
    made = custom_network(network, (M,), K)
    check_same_as_keras(made, optimizer, columns_of(N), columns_of(37, seed=1))


@pytest.mark.parametrize("network", SEES_THE_BATCH)
def test_network_that_may_see_the_batch_is_known(network):
    assert not is_by_row(custom_network(network, (M,), K).outline())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("n_rows", [64, 65, 31, 300])
def test_statistics_equal_those_of_keras_fit_for_any_number_of_rows(optimizer, n_rows):
    made = custom_network(residual, (M,), K)
    check_same_as_keras(made, optimizer, columns_of(n_rows), columns_of(33, seed=1))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_statistics_of_a_sequence_network_equal_those_of_keras_fit(optimizer):
    def network(inputs, n, mask):
        steps = layers.BatchNormalization()(inputs)  # counts real steps only
        return layers.Dense(n)(layers.LSTM(6)(steps))

    columns, held_out = (columns_of(n, (5, 2), seed=n) for n in (N, 37))
    for each in (columns, held_out):
        lengths = np.arange(len(each["y"])) % 5 + 1
        each["X"][np.arange(5) >= lengths[:, np.newaxis]] = np.nan
    made = custom_network(partial(masked, network=network), (None, 2), K)
    assert not is_by_row(made.outline())
    check_same_as_keras(made, optimizer, columns, held_out)


def test_statistics_of_a_sparse_table_equal_those_of_keras_fit():
    from scipy import sparse

    dense = columns_of(N)
    thin = {**dense, "X": sparse.csr_array(dense["X"])}
    network = custom_network(residual, (M,), K)
    found = []
    for columns in (dense, thin):
        job = Job(network, Loss("restricted_crossentropy"), Steps("sgd", 1e-2), columns)
        found.append(train(job, State(network.starting_weights(0), None, 0), epochs=2)[0])
    for one, two in zip(found[0].weights, found[1].weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


# What keeps its speed.

OURS = {
    "mlp": (MLP((8,)), (M,), None),
    "dropout": (MLP((8,), dropout=0.5), (M,), None),
    "prototypes": (PrototypeSums(n_prototypes=4), (M,), None),
    "lstm": (Recurrent(4), (None, 2), "each"),
    "gru both ways": (Recurrent(4, "gru", bidirectional=True), (None, 2), "each"),
    "one label": (Recurrent(4), (None, 2), None),
    "encoder": (EncoderDecoder(4), (None, 2), 3),
}


@pytest.mark.parametrize("name", OURS)
def test_built_in_network_works_row_by_row(name):
    network, shape, steps = OURS[name]
    assert is_by_row(graph_of(network, Signature(shape, K, steps), "float32").outline())


BY_ROW = {
    "dense": lambda i: layers.Dense(4, activation="relu", kernel_regularizer="l2")(i),
    "activations": lambda i: layers.LeakyReLU()(layers.PReLU()(layers.Activation("swish")(i))),
    "activation of keras": lambda i: layers.Dense(4, activation=keras.activations.gelu)(i),
    "dropout": lambda i: layers.GaussianNoise(0.1)(layers.Dropout(0.5)(i)),
    "normalised": lambda i: layers.UnitNormalization()(layers.LayerNormalization()(i)),
    "merged": lambda i: layers.Concatenate()([layers.Add()([i, i]), layers.Multiply()([i, i])]),
    "residual": lambda i: ops.relu(i + layers.Dense(M)(i)) * 2.0 - 1.0,
    "reshaped": lambda i: layers.Flatten()(layers.Permute((2, 1))(layers.Reshape((4, 3))(i))),
    "convolutional": lambda i: layers.GlobalMaxPooling1D()(
        layers.AveragePooling1D(2)(layers.Conv1D(4, 3)(layers.Reshape((M, 1))(i)))
    ),
    "recurrent": lambda i: layers.Bidirectional(layers.LSTM(3))(layers.Reshape((4, 3))(i)),
    "attention": lambda i: layers.Flatten()(
        layers.MultiHeadAttention(2, 3)(*[layers.Reshape((4, 3))(i)] * 2)
    ),
    "nested": lambda i: keras.Sequential([layers.Dense(4), layers.Dropout(0.1)])(i),
}


@pytest.mark.parametrize("name", BY_ROW)
def test_plain_keras_layers_work_row_by_row(name):
    network = custom_network(lambda inputs, n: layers.Dense(n)(BY_ROW[name](inputs)), (M,), K)
    assert is_by_row(network.outline())
