"""Programs: the same numbers as Keras, kept from fit to fit."""

import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from skmask.engine import (
    PENALTY,
    DivergenceError,
    Job,
    Lbfgs,
    Loss,
    State,
    Steps,
    clear_caches,
    train,
)
from skmask.engine._caches import Pool
from skmask.engine._order import epoch_order, order_by_length
from skmask.engine._table import Table, round_up_rows
from skmask.engine.tensorflow import (
    OptimizerRecipe,
    _solvers,
    count_traces,
    custom_network,
    forward_function,
    graph_of,
    with_weights,
)
from skmask.engine.tensorflow._description import describe
from skmask.engine.tensorflow._lbfgs import Objective
from skmask.engine.tensorflow._program import Program
from skmask.networks import MLP, Signature
from skmask.nn.losses import RestrictedCrossentropy


def columns_of(n_rows, n_features=6, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "X": rng.normal(size=(n_rows, n_features)).astype(np.float32),
        "y": rng.integers(n_classes, size=n_rows).astype(np.int32),
        "weight": rng.uniform(0.5, 1.5, size=n_rows).astype(np.float32),
    }


def mlp(policy="float32"):
    return graph_of(MLP((8,)), Signature((6,), 3), policy)


def job_of(columns, graph=None, optimizer="adam", batch_size=32, **kwargs):
    solver = Steps(optimizer, 1e-2, batch_size)
    return Job(graph or mlp(), Loss("restricted_crossentropy"), solver, columns, **kwargs)


def start(job, seed=0):
    return State(job.graph.starting_weights(seed), None, seed)


def with_batch_normalization(inputs, n_outputs):
    # Without a bias that normalisation would cancel: its gradient is rounding, which Adam scales.
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8, use_bias=False)(inputs))
    return keras.layers.Dense(n_outputs)(keras.layers.Activation("relu")(hidden))


def with_regularizer(inputs, n_outputs):
    hidden = keras.layers.Dense(8, kernel_regularizer="l2", activation="tanh")(inputs)
    return keras.layers.Dense(n_outputs)(hidden)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("network", [None, with_batch_normalization, with_regularizer])
@pytest.mark.parametrize(("n_rows", "batch_size"), [(310, 32), (1590, 32)], ids=["plain", "xla"])
def test_weights_equal_those_of_keras_fit(network, optimizer, n_rows, batch_size):
    # 310 rows: 5 epochs of 10 steps, the last of 22 rows; 1590: 50 steps, the last of 22 rows.
    columns = columns_of(n_rows)
    if network is not None:
        network = custom_network(network, (6,), 3)
    job = job_of(columns, network, optimizer, batch_size)
    state = start(job)
    epochs = 50 // -(-n_rows // batch_size)
    trained, history = train(job, state, epochs=epochs)

    model = with_weights(job.graph, state.weights)
    model.compile(OptimizerRecipe(optimizer, 1e-2).build(), RestrictedCrossentropy())
    losses = []
    for epoch in range(epochs):
        order = epoch_order(state.seed, epoch, n_rows)
        done = model.fit(
            columns["X"][order],
            columns["y"][order],
            sample_weight=columns["weight"][order],
            batch_size=batch_size,
            shuffle=False,
            verbose=0,
        )
        losses += done.history["loss"]
    for ours, theirs in zip(trained.weights, model.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    if network is None:  # Keras adds penalties to the loss that it reports
        weight = columns["weight"].sum()
        assert history["loss"] == pytest.approx(np.array(losses) * n_rows / weight, rel=1e-4)


class Watcher:
    def __init__(self, stop_after=None):
        self.stop_after = stop_after

    def begin_epoch(self, epoch):
        self.begun = epoch

    def end_epoch(self, epoch, logs, state):
        assert epoch == self.begun
        assert state().epoch == epoch + 1
        return epoch == self.stop_after

    def end(self):
        self.begun = None


def test_watched_epochs_equal_epochs_in_one_call():
    job = job_of(columns_of(600))
    unwatched, history = train(job, start(job), epochs=4)
    watched, other = train(job, start(job), epochs=4, watchers=[Watcher()])
    assert history == other
    for one, two in zip(unwatched.weights, watched.weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_one_program_serves_dense_and_sparse_tables_of_one_size():
    from scipy import sparse

    columns = columns_of(600)
    thin = {**columns, "X": sparse.csr_array(columns["X"])}
    losses = []
    for each in (columns, thin, columns):
        job = job_of(each)
        losses.append(train(job, start(job), epochs=3)[1]["loss"])
    assert losses[0] == losses[2]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_training_goes_on_where_it_stopped():
    job = job_of(columns_of(100))
    whole, _ = train(job, start(job), epochs=5)
    part, _ = train(job, start(job), epochs=2)
    rest, _ = train(job, part, epochs=3)
    assert rest.epoch == whole.epoch == 5
    for one, two in zip(whole.weights + whole.slots, rest.weights + rest.slots, strict=True):
        np.testing.assert_array_equal(one, two)


def test_watcher_stops_the_training():
    job = job_of(columns_of(50))
    _, history = train(job, start(job), epochs=9, watchers=[Watcher(stop_after=2)])
    assert len(history["loss"]) == 3


def test_no_trace_from_the_second_fit_of_a_shape_on():
    job = job_of(columns_of(700, seed=1))
    train(job, start(job), epochs=2)
    n_traces = count_traces()
    for n_rows in (700, 701, 690):
        job = job_of(columns_of(n_rows))
        train(job, start(job), epochs=3)
    assert count_traces() == n_traces


def test_layer_that_xla_cannot_compile_is_trained_all_the_same():
    @keras.saving.register_keras_serializable(package="test")
    class Unique(keras.layers.Layer):
        def call(self, inputs):
            values, numbers = tf.unique(tf.reshape(inputs, [-1]))
            return tf.reshape(tf.gather(values, numbers), tf.shape(inputs))

        def compute_output_shape(self, shape):
            return shape

    @keras.saving.register_keras_serializable(package="test")
    class AsText(keras.layers.Layer):  # strings: nothing that XLA knows of
        def call(self, inputs):
            text = tf.strings.as_string(tf.stop_gradient(inputs))
            return inputs + 0 * tf.strings.to_number(text)

        def compute_output_shape(self, shape):
            return shape

    for layer in (Unique, AsText):
        network = custom_network(
            lambda inputs, n, layer=layer: keras.layers.Dense(n)(layer()(inputs)), (6,), 3
        )
        job = job_of(columns_of(1000), network)
        _, history = train(job, start(job), epochs=2)
        assert np.isfinite(history["loss"]).all()


def test_divergence_is_named_with_its_epoch():
    columns = columns_of(40)
    columns["weight"][3] = np.nan
    job = job_of(columns)
    with pytest.raises(DivergenceError, match="must stay finite; got nan in epoch 1"):
        train(job, start(job), epochs=2)


def test_rows_are_rounded_up_to_few_sizes():
    sizes = {round_up_rows(n) for n in range(1, 1_000_000, 997)}
    assert len(sizes) < 150
    for n in (1, 256, 257, 65_536, 65_537, 1_000_000, 3_000_001):
        assert n <= round_up_rows(n) <= max(256, 2 * n if n <= 65_536 else n + n // 32)


def test_slabs_of_a_sparse_table_are_whole_batches():
    from scipy import sparse

    X = sparse.csr_array(np.arange(20_000.0).reshape(10_000, 2))
    table = Table({"X": X, "y": np.arange(10_000)}, batch_size=100)
    seen = []
    for arrays, n_rows in table.slabs(np.arange(10_000)[::-1]):
        assert arrays["X"].shape == (table.size, 2)
        seen.append(arrays["y"][:n_rows].copy())
        assert n_rows % 100 == 0
    np.testing.assert_array_equal(np.concatenate(seen), np.arange(10_000)[::-1])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_dtype_policy_of_a_network_is_followed(policy):
    plain = job_of(columns_of(100))
    job = job_of(columns_of(100), mlp(policy))
    assert job.graph != plain.graph
    trained, history = train(job, start(job), epochs=2)
    logits = forward_function(job.graph, trained.weights)(columns_of(5)["X"])
    model = with_weights(job.graph, trained.weights)
    assert model.layers[-1].dtype_policy.name == policy
    assert logits.dtype == job.graph.dtype == ("float64" if policy == "float64" else "float32")
    by_keras = keras.ops.cast(model(columns_of(5)["X"]), "float64")
    np.testing.assert_allclose(logits, by_keras, atol=1e-2)
    expected = train(plain, start(plain), epochs=2)[1]["loss"]
    assert history["loss"] == pytest.approx(expected, rel=0.05)


# Networks.


def build(layers):
    inputs = tensor = keras.Input((3,))
    for layer in layers():
        tensor = layer(tensor)
    return keras.Model(inputs, tensor)


def test_key_is_the_same_however_layers_were_counted():
    def layers():
        return [keras.layers.Dense(4), keras.layers.Dropout(0.1), keras.layers.Dense(2)]

    assert describe(build(layers)) == describe(build(layers))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (lambda: [keras.layers.Dense(4)], lambda: [keras.layers.Dense(5)]),
        (
            lambda: [keras.layers.Dense(4, activation="relu", name="relu")],
            lambda: [keras.layers.Dense(4, activation="tanh", name="tanh")],
        ),
        (lambda: [keras.layers.Dense(4)], lambda: [keras.layers.Dense(4, trainable=False)]),
    ],
    ids=["width", "activation", "trainable"],
)
def test_key_differs_for_other_networks(one, two):
    assert describe(build(one)) != describe(build(two))


def test_lambda_does_not_describe_itself():
    factor = 2.0
    assert describe(build(lambda: [keras.layers.Lambda(lambda x: factor * x)])) is None


def test_class_redefined_under_its_name_has_another_key():
    def make(factor):
        class Times(keras.layers.Layer):
            def call(self, inputs):
                return factor * inputs

        return build(lambda: [Times()])

    assert describe(make(1.0)) != describe(make(2.0))


def test_weights_of_its_own_are_kept():
    shared = keras.layers.Dense(4)
    shared.build((None, 3))

    def network(inputs, n_outputs):
        head = keras.layers.Dense(n_outputs)
        logits = head(shared(inputs))
        head.set_weights([np.ones((4, n_outputs)), np.full(n_outputs, 7.0)])
        return logits

    kernel, _, head, bias = custom_network(network, (3,), 2).starting_weights(0)
    np.testing.assert_array_equal(kernel, shared.get_weights()[0])
    np.testing.assert_array_equal(head, np.ones((4, 2)))
    np.testing.assert_array_equal(bias, [7, 7])


def test_starting_weights_follow_keras_initialisers():
    network = graph_of(MLP((200,)), Signature((50,), 10), "float32")
    kernel, bias, *_ = network.starting_weights(0)
    limit = np.sqrt(6 / 250)
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    assert (bias == 0).all()
    assert (network.starting_weights(1)[0] != kernel).any()


def test_initialiser_with_a_seed_of_its_own_keeps_it():
    def network(inputs, n_outputs):
        initializer = keras.initializers.RandomNormal(seed=3)
        return keras.layers.Dense(n_outputs, kernel_initializer=initializer)(inputs)

    made = custom_network(network, (3,), 2)
    np.testing.assert_array_equal(made.starting_weights(0)[0], made.starting_weights(1)[0])


@pytest.mark.parametrize("n_rows", [1, 5, 4096, 5000])
def test_predictions_equal_those_of_the_model(n_rows):
    network = mlp()
    weights = network.starting_weights(0)
    X = columns_of(n_rows)["X"]
    with warnings.catch_warnings():
        expected = with_weights(network, weights).predict(X, verbose=0)
    np.testing.assert_allclose(forward_function(network, weights)(X), expected, atol=1e-6)


# The pool.


class Closable:
    is_closed = False

    def close(self):
        self.is_closed = True


def test_pool_lends_a_program_to_one_borrower_at_a_time():
    pool = Pool(capacity=2)
    with pool.lend("a", Closable) as first, pool.lend("a", Closable) as second:
        assert first is not second
    with pool.lend("a", Closable) as third:
        assert third in (first, second)
    assert len(pool) == 2


def test_pool_closes_what_was_longest_unused():
    pool, made = Pool(capacity=2), {}
    for key in "aba" + "c":
        with pool.lend(key, Closable) as program:
            made[key] = program
    assert [key for key, _ in pool._idle.values()] == ["a", "c"]
    assert [made[key].is_closed for key in "abc"] == [False, True, False]
    pool.clear()
    assert made["a"].is_closed
    assert len(pool) == 0


def test_pool_closes_what_failed_and_what_has_no_key():
    pool = Pool(capacity=2)
    with pytest.raises(ZeroDivisionError), pool.lend("a", Closable) as failed:
        raise ZeroDivisionError
    with pool.lend(None, Closable) as of_nobody:
        assert not of_nobody.is_closed
    assert failed.is_closed
    assert of_nobody.is_closed
    assert len(pool) == 0


@pytest.mark.parametrize("n_rows", [1, 31, 32, 33, 300])
def test_rows_of_similar_length_share_a_batch(rng, n_rows):
    lengths = rng.integers(1, 20, size=n_rows)
    orders = [order_by_length(0, epoch, lengths, 32) for epoch in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(n_rows))
        batches = [lengths[order[start : start + 32]] for start in range(0, n_rows, 32)]
        within = sum(np.ptp(batch) for batch in batches)
        assert within <= np.ptp(lengths) + 1  # each batch begins where one before it ended
    again = order_by_length(0, 0, lengths, 32)
    np.testing.assert_array_equal(again, orders[0])
    assert n_rows == 1 or any((order != orders[0]).any() for order in orders[1:])


def test_short_batch_is_not_always_of_the_longest(rng):
    lengths = np.repeat(np.arange(10), 7)
    last = {lengths[order_by_length(0, epoch, lengths, 32)[-1]] for epoch in range(30)}
    assert len(last) > 1


# The loop, and what it tells.


class Noting:
    """A watcher that notes what it is told, and adds to the logs."""

    def __init__(self, events):
        self.events = events

    def begin_epoch(self, epoch):
        self.events.append(("begin", epoch))

    def end_epoch(self, epoch, logs, state):
        self.events.append(("end", epoch, sorted(logs), state().epoch))
        logs["mine"] = float(epoch)

    def end(self):
        self.events.append("over")


def lbfgs_job(columns, tolerance=1e-6, **kwargs):
    columns = {
        name: column if name == "y" else column.astype("float64")
        for name, column in columns.items()
    }
    return Job(mlp("float64"), Loss("restricted_crossentropy"), Lbfgs(tolerance), columns, **kwargs)


def test_events_of_a_training_come_in_order():
    held_out = columns_of(20, seed=1)
    steps = job_of(columns_of(50), validation=held_out)
    lbfgs = lbfgs_job(columns_of(50), validation={**held_out, "X": held_out["X"].astype("float64")})
    for job, counted in ((steps, ["loss"]), (lbfgs, ["gradient_norm", "loss"])):
        events = []

        def checkpoint(state, history, events=events):
            assert {len(values) for values in history.values()} == {state.epoch}
            events.append(("checkpoint", state.epoch, sorted(history)))

        state, history = train(
            job, start(job), epochs=2, watchers=[Noting(events)], checkpoint=checkpoint
        )
        logs = sorted([*counted, "val_loss"])
        names = sorted([*logs, "mine"])
        assert events == [
            ("begin", 0), ("end", 0, logs, 1), ("checkpoint", 1, names),
            ("begin", 1), ("end", 1, logs, 2), ("checkpoint", 2, names), "over",
        ]  # fmt: skip
        assert sorted(history) == names
        assert state.epoch == 2


def test_rows_held_out_may_have_other_types_than_those_trained_on():
    held_out = columns_of(20, seed=1)
    other = {**held_out, "y": held_out["y"].astype("int64")}
    losses = []
    for each in (held_out, other, held_out):
        for job in (job_of(columns_of(50), validation=each), lbfgs_job(columns_of(50))):
            job = replace(job, validation=each)
            losses.append(train(job, start(job), epochs=2)[1].get("val_loss"))
    assert losses[:2] == losses[2:4] == losses[4:]


def test_lbfgs_that_has_nowhere_to_go_down_reports_one_iteration():
    columns = {**columns_of(60), "y": np.tile(np.arange(3, dtype=np.int32), 20)}
    columns["X"], columns["weight"] = 0 * columns["X"], 0 * columns["weight"] + 1
    job, events = lbfgs_job(columns), []
    zeros = [0 * weight for weight in start(job).weights]
    state, history = train(job, State(zeros, None, 0), epochs=9, watchers=[Noting(events)])
    assert history["loss"] == [pytest.approx(np.log(3))]
    assert state.epoch == 1
    assert events[:2] == [("begin", 0), ("end", 0, ["gradient_norm", "loss"], 1)]
    for weight in state.weights:
        np.testing.assert_array_equal(weight, 0 * weight)


@pytest.mark.parametrize("make", [job_of, lbfgs_job])
def test_no_epochs_change_nothing(make):
    job = make(columns_of(40))
    state, history = train(job, start(job), epochs=0)
    assert (state.epoch, history["loss"]) == (0, [])
    for one, two in zip(state.weights, start(job).weights, strict=True):
        np.testing.assert_array_equal(one, two)


def logits_of(weights, X):
    kernel, bias, last, its_bias = (np.asarray(w, "float64") for w in weights)
    return np.maximum(X @ kernel + bias, 0) @ last + its_bias


def mean_loss(weights, columns):
    logits = logits_of(weights, columns["X"].astype("float64"))
    losses = logsumexp(logits, axis=1) - logits[np.arange(len(logits)), columns["y"]]
    return np.average(losses, weights=columns["weight"])


def test_loss_of_rows_held_out_is_that_of_the_weights_reached():
    held_out = columns_of(30, seed=1)
    as_float64 = {n: c if n == "y" else c.astype("float64") for n, c in held_out.items()}
    job = lbfgs_job(columns_of(300), validation=as_float64)
    found = []
    _, history = train(
        job,
        start(job),
        epochs=4,
        checkpoint=lambda state, _: found.append(mean_loss(state.weights, held_out)),
    )
    assert history["val_loss"] == pytest.approx(found, rel=1e-9)


def test_patience_ends_lbfgs_with_the_weights_of_the_lowest_loss():
    rng = np.random.default_rng(0)
    held_out = {**columns_of(40, seed=1), "y": rng.integers(3, size=40).astype(np.int32)}
    as_float64 = {n: c if n == "y" else c.astype("float64") for n, c in held_out.items()}
    job = lbfgs_job(columns_of(60), validation=as_float64)
    state, history = train(job, start(job), epochs=200, patience=3)
    losses = history["val_loss"]
    assert len(losses) < 200
    assert np.argmin(losses) == len(losses) - 4
    assert mean_loss(state.weights, held_out) == pytest.approx(min(losses), rel=1e-9)


def test_callbacks_with_lbfgs_are_refused():
    job = lbfgs_job(columns_of(40))
    with pytest.raises(
        TypeError, match=r"callbacks must be used with an optimizer of Keras; got Lbfgs"
    ):
        train(job, start(job), epochs=2, callbacks=[keras.callbacks.Callback()])


@pytest.mark.parametrize("make", [job_of, lbfgs_job])
def test_interrupted_epoch_leaves_the_state_before_it_and_no_program(make, monkeypatch):
    clear_caches()
    where, name = (Program, "train") if make is job_of else (Objective, "at")
    plain, calls, states = getattr(where, name), [], []

    def interrupted(*args):
        calls.append(None)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return plain(*args)

    def checkpoint(state, history):
        states.append(state)

    job = make(columns_of(50))
    watchers = [Noting([])]  # so that epochs come one by one
    monkeypatch.setattr(where, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(job, start(job), epochs=9, watchers=watchers, checkpoint=checkpoint)
    monkeypatch.undo()
    assert len(_solvers.programs) == 0
    last = states[-1]
    shorter, _ = train(job, start(job), epochs=last.epoch)
    for one, two in zip(last.weights, shorter.weights, strict=True):
        np.testing.assert_array_equal(one, two)


# The L2 penalty.


@pytest.mark.parametrize("n_rows", [20, 600])
def test_penalty_is_that_of_a_step_of_gradient_descent(n_rows):
    columns, rate, alpha = columns_of(n_rows), 1e-2, 5.0
    columns["weight"][:10] = 0  # counts in no mean
    both = []
    for constants in ({}, {PENALTY: np.asarray(alpha, np.float32)}):
        job = job_of(columns, optimizer="sgd", batch_size=n_rows, constants=constants)
        both.append(train(job, start(job), epochs=1))
    (plain, history), (penalised, its_history) = both
    assert history == its_history  # the loss is reported without the penalty
    first = start(job).weights
    for number, (one, two) in enumerate(zip(plain.weights, penalised.weights, strict=True)):
        is_kernel = number % 2 == 0
        expected = one - rate * alpha * first[number] / (n_rows - 10) * is_kernel
        np.testing.assert_allclose(two, expected, atol=1e-6)


def test_lbfgs_finds_the_minimum_of_logistic_regression():
    columns, alpha = columns_of(300), 30.0
    columns["weight"][:] = 1
    graph = graph_of(MLP(()), Signature((6,), 3), "float64")
    job = replace(lbfgs_job(columns), graph=graph, constants={PENALTY: np.asarray(alpha)})
    state, history = train(job, start(job), epochs=200)
    peer = LogisticRegression(C=1 / alpha, tol=1e-9, max_iter=1000)
    peer.fit(columns["X"].astype("float64"), columns["y"])
    kernel, bias = state.weights
    np.testing.assert_allclose(kernel, peer.coef_.T, atol=1e-5)
    np.testing.assert_allclose(bias - bias.mean(), peer.intercept_, atol=1e-5)
    logits = columns["X"] @ kernel + bias
    losses = logsumexp(logits, axis=1) - logits[np.arange(300), columns["y"]]
    expected = losses.mean() + alpha / 2 * np.square(kernel).sum() / 300
    assert history["loss"][-1] == pytest.approx(expected, rel=1e-9)


def test_penalty_of_a_network_that_has_none_is_refused():
    network = custom_network(with_regularizer, (6,), 3)
    job = job_of(columns_of(40), network, constants={PENALTY: np.asarray(1.0, np.float32)})
    with pytest.raises(TypeError, match=r"loss must have a parameter .* without penalty"):
        train(job, start(job), epochs=1)
