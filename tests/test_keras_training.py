"""Optimizers, callbacks and Ctrl-C: what they do in `keras.Model.fit` they do here."""

import _thread
import copy
import pickle
import threading

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.engine import Job, Lbfgs, Loss, State, Steps, train
from skmask.engine._order import epoch_order
from skmask.engine.tensorflow import count_traces, graph_of, with_weights
from skmask.engine.tensorflow._lbfgs import Objective
from skmask.engine.tensorflow._program import Program
from skmask.networks import MLP, Signature
from skmask.nn.losses import RestrictedCrossentropy, restricted_crossentropy
from skmask.nn.metrics import MaskedAccuracy, masked_accuracy

N, M, K = 70, 6, 3
BATCH = 32


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    return {
        "X": rng.normal(size=(N, M)).astype(np.float32),
        "y": rng.integers(K, size=N).astype(np.int32),
        "weight": np.ones(N, np.float32),
    }


@pytest.fixture(scope="module")
def held_out():
    rng = np.random.default_rng(1)
    return {
        "X": rng.normal(size=(23, M)).astype(np.float32),
        "y": rng.integers(K, size=23).astype(np.int32),
        "weight": np.ones(23, np.float32),
    }


NETWORK = graph_of(MLP((8,), "tanh"), Signature((M,), K), "float32")
LOSS = Loss(restricted_crossentropy, metrics=(("accuracy", masked_accuracy),))


def job_of(columns, optimizer="adam", loss=LOSS, constants=None, validation=None):
    if optimizer == "lbfgs":
        solver = Lbfgs(batch_size=BATCH)
    else:
        solver = Steps(optimizer, 1e-2 if isinstance(optimizer, str) else None, BATCH)
    return Job(NETWORK, loss, solver, columns, constants or {}, validation)


def start():
    return State(NETWORK.starting_weights(0), None, 0)


class InOrder(keras.utils.PyDataset):
    """The batches that the engine takes, epoch by epoch."""

    def __init__(self, columns, epoch=0):
        super().__init__()
        self.columns, self.epoch = columns, epoch

    def __len__(self):
        return -(-N // BATCH)

    def __getitem__(self, number):
        rows = epoch_order(0, self.epoch, N)[number * BATCH : (number + 1) * BATCH]
        return self.columns["X"][rows], self.columns["y"][rows]


def fitted_by_keras(optimizer, columns, epochs, held_out=None, callbacks=()):
    model = with_weights(NETWORK, start().weights)
    model.compile(
        optimizer,
        RestrictedCrossentropy(),
        metrics=[MaskedAccuracy(name="accuracy")],
        jit_compile=False,
    )
    batches = InOrder(columns)
    in_order = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(batches, "epoch", epoch)
    )
    given = None if held_out is None else (held_out["X"], held_out["y"])
    done = model.fit(
        batches,
        validation_data=given,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[in_order, *callbacks],
    )
    return model, done.history


def assert_same_weights(ours, theirs, atol=1e-5):
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, two, atol=atol)


# What a loss takes.


def ignorant(y, logits):
    return keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("by_row", [True, False])
def test_input_that_the_loss_has_no_parameter_for_is_refused(columns, optimizer, by_row):
    n_traces = count_traces()
    given, constants = dict(columns), {}
    (given if by_row else constants)["allowed"] = np.ones((N, K) if by_row else (1, K), bool)
    job = job_of(given, optimizer, Loss(ignorant), constants)
    with pytest.raises(TypeError, match="for each of its inputs; got ignorant without allowed"):
        train(job, start(), epochs=1)
    assert count_traces() == n_traces


def test_every_input_that_the_loss_has_no_parameter_for_is_named(columns):
    given = {**columns, "costs": np.ones((N, K), np.float32), "allowed": np.ones((N, K), bool)}
    with pytest.raises(TypeError, match="without allowed, costs"):
        train(job_of(given, loss=Loss(ignorant)), start(), epochs=1)


def test_input_that_only_a_metric_takes_is_refused_unless_it_is_said_to_be(columns):
    def is_sure(y, logits, cutoff):
        counts = keras.ops.ones_like(logits[:, 0])
        return keras.ops.cast(keras.ops.max(logits, axis=1) > cutoff, logits.dtype), counts

    constants = {"cutoff": np.float32(-1e9)}
    metrics = (("sure", is_sure),)
    loss = Loss(restricted_crossentropy, metrics=metrics, of_metrics=("cutoff",))
    _, history = train(job_of(columns, loss=loss, constants=constants), start(), epochs=2)
    assert history["sure"] == [1.0, 1.0]
    job = job_of(columns, loss=Loss(restricted_crossentropy, metrics=metrics), constants=constants)
    with pytest.raises(TypeError, match="got restricted_crossentropy without cutoff"):
        train(job, start(), epochs=2)


def test_input_of_metrics_that_no_metric_takes_is_refused(columns):
    loss = Loss(restricted_crossentropy, of_metrics=("cutoff",))
    job = job_of(columns, loss=loss, constants={"cutoff": np.float32(0)})
    with pytest.raises(TypeError, match="got restricted_crossentropy without cutoff"):
        train(job, start(), epochs=1)


# Optimizers.

OPTIMIZERS = {
    "ema": lambda: keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.8),
    "ema of sgd": lambda: keras.optimizers.SGD(0.3, momentum=0.5, use_ema=True, ema_momentum=0.8),
    "ema, overwriting": lambda: keras.optimizers.Adam(
        0.02, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=4
    ),
    "loss scale": lambda: keras.optimizers.SGD(0.3, loss_scale_factor=128.0),
    "loss scale of adam": lambda: keras.optimizers.Adam(0.02, loss_scale_factor=128.0),
    "loss scale optimizer": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.3), dynamic_growth_steps=4
    ),
    "loss scale optimizer, ema": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.8), initial_scale=8.0
    ),
    "accumulating": lambda: keras.optimizers.SGD(0.3, gradient_accumulation_steps=2),
    "clipping": lambda: keras.optimizers.SGD(0.3, global_clipnorm=0.1),
    "decaying": lambda: keras.optimizers.AdamW(0.02, weight_decay=0.1),
    "schedule": lambda: keras.optimizers.SGD(
        keras.optimizers.schedules.ExponentialDecay(0.3, 2, 0.5)
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_trains_as_in_keras_fit(name, columns):
    state, history = train(job_of(columns, OPTIMIZERS[name]()), start(), epochs=3)
    model, expected = fitted_by_keras(OPTIMIZERS[name](), columns, 3)
    assert_same_weights(state.weights, model.variables)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["accuracy"] == pytest.approx(expected["accuracy"], abs=1e-6)


@pytest.mark.parametrize("name", ["ema", "ema of sgd", "ema, overwriting"])
def test_averaged_weights_differ_from_those_without(name, columns):
    optimizer = OPTIMIZERS[name]()
    averaged, _ = train(job_of(columns, optimizer), start(), epochs=3)
    config = {**optimizer.get_config(), "use_ema": False}
    plain, _ = train(job_of(columns, type(optimizer).from_config(config)), start(), epochs=3)
    assert np.abs(averaged.weights[0] - plain.weights[0]).max() > 1e-3


def test_average_goes_on_where_training_goes_on(columns):
    job = job_of(columns, OPTIMIZERS["ema"]())
    part, _ = train(job, start(), epochs=2)
    rest, _ = train(job, part, epochs=2)
    model = with_weights(NETWORK, start().weights)
    model.compile(OPTIMIZERS["ema"](), RestrictedCrossentropy(), run_eagerly=True)
    for epoch in range(4):  # twice two, with one optimizer
        for number in range(len(InOrder(columns))):
            model.train_on_batch(*InOrder(columns, epoch)[number])
        if epoch % 2:
            model.optimizer.finalize_variable_values(model.trainable_variables)
    assert_same_weights(rest.weights, model.variables)


# Callbacks, each as in Keras' own fit.


def halved(epoch, rate):
    return rate * 0.5


class Collect(keras.callbacks.Callback):
    """Writes down all it sees."""

    def __init__(self):
        super().__init__()
        self.events, self.rates, self.told = [], [], {}

    def on_train_begin(self, logs=None):
        self.events.append("train begin")
        self.told = dict(self.params)

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(f"begin {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(f"end {epoch}")
        self.logs = dict(logs)
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_train_end(self, logs=None):
        self.events.append("train end")


class SetBiases(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.model.layers[-1].bias.assign(keras.ops.full((K,), float(epoch)))

    def on_epoch_end(self, epoch, logs=None):
        self.model.layers[1].bias.assign(keras.ops.ones(8))


class StopAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            self.model.stop_training = True


CALLBACKS = {
    "weights": SetBiases,
    "stop": lambda: StopAt(2),
    "rates": lambda: keras.callbacks.LearningRateScheduler(halved),
    "best weights": lambda: keras.callbacks.EarlyStopping(
        "val_loss", patience=2, restore_best_weights=True
    ),
    "best of the last": lambda: keras.callbacks.EarlyStopping(
        "val_accuracy", mode="max", patience=30, restore_best_weights=True
    ),
    "plateau": lambda: keras.callbacks.ReduceLROnPlateau(
        "val_loss", factor=0.1, patience=1, min_delta=0.01
    ),
    "nan": keras.callbacks.TerminateOnNaN,
    "averages": lambda: keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
}


def optimizer_for(name):
    if name == "averages":
        return OPTIMIZERS["ema"]()
    return keras.optimizers.SGD(1.0 if "best" in name or name == "plateau" else 0.1, momentum=0.8)


@pytest.mark.parametrize("name", CALLBACKS)
def test_callback_does_what_it_does_in_keras_fit(name, columns, held_out):
    job = job_of(columns, optimizer_for(name), validation=held_out)
    collect = Collect()
    state, history = train(job, start(), epochs=8, callbacks=[CALLBACKS[name](), collect])
    expected_collect = Collect()
    model, expected = fitted_by_keras(
        optimizer_for(name), columns, 8, held_out, [CALLBACKS[name](), expected_collect]
    )
    assert_same_weights(state.weights, model.variables, atol=1e-4)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    if name != "averages":  # which Keras swaps in for the validation
        assert history["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-4)
        assert history["val_accuracy"] == pytest.approx(expected["val_accuracy"], abs=1e-6)
    assert history["accuracy"] == pytest.approx(expected["accuracy"], abs=1e-6)
    assert collect.events == expected_collect.events
    assert collect.rates == pytest.approx(expected_collect.rates, rel=1e-5)
    assert collect.told["epochs"] == expected_collect.told["epochs"]
    assert collect.told["steps"] == expected_collect.told["steps"] == 3
    assert collect.told["verbose"] == expected_collect.told["verbose"] == 0
    if "learning_rate" in expected:  # where a callback of Keras logs it
        assert collect.logs["learning_rate"] == pytest.approx(expected["learning_rate"][-1])


@pytest.mark.parametrize("event", ["on_train_begin", "on_epoch_end", "on_train_end"])
def test_callback_has_no_model_after_a_failure(event, columns):
    def fail(*_):
        raise RuntimeError("mine")

    callback, failing = Collect(), Collect()
    setattr(failing, event, fail)
    with pytest.raises(RuntimeError, match="mine"):
        train(job_of(columns), start(), epochs=2, callbacks=[callback, failing])
    assert callback.model is failing.model is None


# Callbacks of the estimators.


def rows_of(n=N, n_steps=None, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n,) if n_steps is None else (n, n_steps)
    X = rng.normal(size=(*shape, M))
    y = X[..., :K].argmax(axis=-1)
    return X, np.where(rng.random(shape) < 0.2, 0, y)


def label_matrix_of(n=N):
    X, y = rows_of(n)
    return X, (y[:, np.newaxis] == np.arange(K)).astype(int)


SHARED = {"epochs": 4, "batch_size": BATCH, "learning_rate": 0.01, "random_state": 0}
WAYS = {
    "restricted": (lambda: RestrictedClassClassifier((8,), **SHARED), rows_of),
    "costs": (
        lambda: CostSensitiveClassifier(
            (8,), cost_matrix=1 - np.eye(K), loss="expected_cost", decision="argmax", **SHARED
        ),
        rows_of,
    ),
    "multilabel": (
        lambda: WeightedMultilabelClassifier((8,), **{**SHARED, "learning_rate": 0.03}),
        label_matrix_of,
    ),
    "sequence": (
        lambda: MaskedSequenceClassifier(4, **SHARED),
        lambda n=N: rows_of(n, n_steps=3),
    ),
    "prototype": (lambda: PrototypeClassifier(solver="adam", **SHARED), rows_of),
}
METRICS = {name: ["accuracy"] for name in WAYS} | {"multilabel": ["recall", "precision"]}

pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


def make(way, **kwargs):
    return WAYS[way][0]().set_params(**kwargs)


def data_for(way, n=N):
    return WAYS[way][1](n)


def test_instances_given_are_used(way):
    collect, history = Collect(), keras.callbacks.History()
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    clf = make(way, callbacks=[collect, history, watch], early_stopping=True)
    clf.fit(*data_for(way))
    assert clf.callbacks[0] is collect
    assert seen == history.epoch == list(range(4))
    logged = {name: values for name, values in history.history.items() if name != "learning_rate"}
    assert logged == clf.history_
    assert collect.events == [
        "train begin",
        *(f"{event} {epoch}" for epoch in range(4) for event in ("begin", "end")),
        "train end",
    ]


def test_logs_hold_loss_metrics_and_learning_rate(way):
    collect = Collect()
    clf = make(way, callbacks=[collect], early_stopping=True).fit(*data_for(way))
    names = ["loss", *METRICS[way]]
    assert set(collect.logs) == {*names, *(f"val_{name}" for name in names), "learning_rate"}
    assert collect.logs["learning_rate"] == pytest.approx(clf.learning_rate)
    assert collect.logs == pytest.approx({**collect.logs, "loss": clf.history_["loss"][-1]})


def test_params_hold_epochs_steps_and_verbose(way, capsys):
    for verbose in (0, 1):
        collect = Collect()
        make(way, callbacks=[collect], verbose=verbose).fit(*data_for(way))
        assert collect.told == {"epochs": 4, "steps": 3, "verbose": verbose}
    capsys.readouterr()


@pytest.mark.parametrize("verbose", [0, 1])
def test_progress_bar_of_keras_runs(verbose, way, capsys):
    X, y = data_for(way)
    expected = make(way).fit(X, y).predict_proba(X)
    clf = make(way, callbacks=[keras.callbacks.ProgbarLogger()], verbose=verbose).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    assert ("3/3" in capsys.readouterr().out) == bool(verbose)


def test_estimator_with_callbacks_is_cloned_copied_and_pickled(way):
    callbacks = [
        Collect(),
        keras.callbacks.History(),
        keras.callbacks.EarlyStopping("loss", restore_best_weights=True),
        keras.callbacks.LearningRateScheduler(halved),
    ]
    X, y = data_for(way)
    clf = make(way, callbacks=callbacks).fit(X, y)
    assert all(callback.model is None for callback in callbacks)
    expected = clf.predict_proba(X)
    for again in (copy.deepcopy(clf), pickle.loads(pickle.dumps(clf))):
        np.testing.assert_array_equal(again.predict_proba(X), expected)
        assert again.callbacks[1].history == callbacks[1].history
    np.testing.assert_array_equal(clone(clf).fit(X, y).predict_proba(X), expected)


def test_checkpoint_of_keras_is_the_model(way, tmp_path):
    path = tmp_path / "{epoch}.weights.h5"
    X, y = data_for(way)
    save = keras.callbacks.ModelCheckpoint(str(path), save_weights_only=True)
    clf = make(way, callbacks=[save]).fit(X, y)
    assert len(list(tmp_path.iterdir())) == 4
    model = make(way, epochs=1).fit(X, y).model_
    model.load_weights(tmp_path / "4.weights.h5")
    for one, two in zip(model.get_weights(), clf.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_whole_model_is_saved_by_a_checkpoint_of_keras(tmp_path):
    X, y = rows_of()
    save = keras.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"))
    clf = make("restricted", callbacks=[save]).fit(X, y)
    model = keras.saving.load_model(tmp_path / "best.keras")
    for one, two in zip(model.get_weights(), clf.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_what_a_callback_sets_takes_effect(way):
    class Set(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.0
            if epoch == 1:
                kept.extend(self.model.get_weights())
            if epoch == 2:
                self.model.stop_training = True

    kept = []
    X, y = data_for(way)
    clf = make(way, callbacks=[Set()]).fit(X, y)
    one = make(way, epochs=1).fit(X, y)
    assert clf.n_iter_ == 3
    for set_to_0, first, weight in zip(
        kept, one.model_.get_weights(), clf.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(set_to_0, weight)
        np.testing.assert_array_equal(first, weight)


def test_history_of_an_epoch_is_the_score_on_its_batches(way):
    # One batch of all rows: counted before the step, and so with the weights of the epoch before.
    X, y = data_for(way)
    clf = make(way, batch_size=N).fit(X, y)
    for epoch in (1, 3):
        before = make(way, batch_size=N, epochs=epoch).fit(X, y)
        predicted = before.predict(X)
        if way == "multilabel":
            hits = (predicted * y).sum()
            expected = {"recall": hits / y.sum(), "precision": hits / max(predicted.sum(), 1)}
        else:
            expected = {"accuracy": (predicted == y).mean()}
        for name, value in expected.items():
            assert clf.history_[name][epoch] == pytest.approx(value, abs=1e-6)


# Ctrl-C.


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C at the end of an epoch, before it is whole."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.at:
            raise KeyboardInterrupt


def assert_same_fit(clf, shorter, X):
    assert clf.n_iter_ == shorter.n_iter_ == len(clf.history_["loss"])
    assert clf.history_ == shorter.history_
    for one, two in zip(clf.model_.get_weights(), shorter.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(clf.predict_proba(X), shorter.predict_proba(X))
    np.testing.assert_array_equal(clf.predict(X), shorter.predict(X))


def test_interrupted_first_fit_has_its_whole_epochs(way):
    X, y = data_for(way)
    clf = make(way, callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert_same_fit(clf, make(way, epochs=2).fit(X, y), X)


def test_fit_interrupted_in_its_first_epoch_is_unfitted(way):
    clf = make(way, callbacks=[Interrupt(0)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*data_for(way))
    assert set(vars(clf)) == set(clf.get_params(deep=False))


def interrupting(monkeypatch, where, method, after):
    """Let a method raise KeyboardInterrupt when it was called so many times."""
    calls, plain = [], getattr(where, method)

    def call(*args):
        calls.append(None)
        if len(calls) > after:
            raise KeyboardInterrupt
        return plain(*args)

    monkeypatch.setattr(where, method, call)


def test_fit_interrupted_with_nobody_watching_has_its_whole_epochs(way, monkeypatch):
    X, y = data_for(way)
    with monkeypatch.context() as patch:
        interrupting(patch, Program, "train", after=2)
        clf = make(way, epochs=500)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, y)
    assert clf.n_iter_ == 128  # two calls
    assert_same_fit(clf, make(way, epochs=128).fit(X, y), X)


def test_fit_interrupted_from_outside_has_its_whole_epochs():
    X, y = rows_of()
    make("restricted").fit(X, y)  # compiled
    clf = make("restricted", epochs=10**6)
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    timer.join()
    assert 0 < clf.n_iter_ < 10**6
    assert_same_fit(clf, make("restricted", epochs=clf.n_iter_).fit(X, y), X)


def test_fit_interrupted_with_early_stopping_is_at_its_last_whole_epoch(way):
    X, y = data_for(way)
    clf = make(way, early_stopping=True, callbacks=[Interrupt(3)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    losses = clf.history_["val_loss"]
    assert losses == sorted(losses, reverse=True)  # so that the last are the best weights
    assert_same_fit(clf, make(way, early_stopping=True, epochs=3).fit(X, y), X)


def test_interrupted_fit_has_tuned_thresholds():
    X, Y = label_matrix_of()
    clf = make("multilabel", threshold="tuned", callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, Y)
    shorter = make("multilabel", threshold="tuned", epochs=2).fit(X, Y)
    np.testing.assert_array_equal(clf.thresholds_, shorter.thresholds_)
    assert (clf.thresholds_ != 0.5).all()
    assert_same_fit(clf, shorter, X)


def test_interrupted_partial_fit_leaves_the_calls_before(way, monkeypatch):
    X, y = data_for(way)
    classes = None if way == "multilabel" else range(K)
    clf = make(way).partial_fit(X, y, classes)
    before = clf.predict_proba(X)
    with monkeypatch.context() as patch:
        interrupting(patch, Program, "train", after=0)
        with pytest.raises(KeyboardInterrupt):
            clf.partial_fit(X, y, classes)
    assert clf.n_iter_ == 1
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    clf.partial_fit(X, y, classes)
    assert_same_fit(clf, make(way).partial_fit(X, y, classes).partial_fit(X, y, classes), X)


def test_interrupted_warm_start_has_its_whole_epochs(way):
    X, y = data_for(way)
    clf = make(way, warm_start=True).fit(X, y).set_params(callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    assert_same_fit(clf, make(way, warm_start=True).fit(X, y).set_params(epochs=2).fit(X, y), X)


def test_interrupted_refit_leaves_the_fit_before(way):
    X, y = data_for(way)
    clf = make(way).fit(X, y)
    before = {name: value for name, value in vars(clf).items() if name != "callbacks"}
    clf.set_params(callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X[:50], y[:50])
    assert {name: value for name, value in vars(clf).items() if name != "callbacks"} == before


def test_interrupted_lbfgs_has_its_whole_iterations(monkeypatch):
    X, y = rows_of()
    with monkeypatch.context() as patch:
        interrupting(patch, Objective, "at", after=9)
        clf = PrototypeClassifier(random_state=0)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, y)
    assert 0 < clf.n_iter_ < 9
    shorter = PrototypeClassifier(max_iter=clf.n_iter_, random_state=0)
    with pytest.warns(ConvergenceWarning, match="lbfgs stopped after"):
        shorter.fit(X, y)
    assert_same_fit(clf, shorter, X)


def test_interrupted_fit_of_sparse_rows_has_its_whole_epochs(monkeypatch):
    from scipy import sparse

    X, y = rows_of()
    thin = sparse.csr_array(X)
    with monkeypatch.context() as patch:
        interrupting(patch, Program, "train", after=2)
        clf = make("restricted")
        with pytest.raises(KeyboardInterrupt):
            clf.fit(thin, y)
    assert_same_fit(clf, make("restricted", epochs=2).fit(thin, y), X)
