"""Interruptions, callbacks that fail, networks that cannot be kept: nothing is left half done."""

import gc
import weakref

import keras
import numpy as np
import pytest

from skmask import RestrictedClassClassifier
from skmask.engine.tensorflow import _solvers, count_traces


def make(**kwargs):
    return RestrictedClassClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 6, "random_state": 0, **kwargs}
    )


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C at the end of an epoch."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.at:
            raise KeyboardInterrupt


def test_interrupted_first_fit_is_at_the_last_whole_epoch(data):
    X, y, _ = data
    clf = make(callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    shorter = make(epochs=2).fit(X, y)
    assert clf.n_iter_ == len(clf.history_["loss"]) == 2
    np.testing.assert_array_equal(clf.predict_proba(X), shorter.predict_proba(X))


def test_interrupted_refit_leaves_the_fit_before(data):
    X, y, _ = data
    clf = make().fit(X, y)
    before = dict(vars(clf))
    clf.set_params(callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X[:, :3], y)
    assert {name: value for name, value in vars(clf).items() if name != "callbacks"} == {
        name: value for name, value in before.items() if name != "callbacks"
    }


def test_interrupted_warm_start_is_at_the_last_whole_epoch(data):
    X, y, _ = data
    clf = make(warm_start=True).fit(X, y)
    clf.set_params(callbacks=[Interrupt(2)])
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    shorter = make(warm_start=True).fit(X, y).set_params(epochs=2).fit(X, y)
    assert clf.n_iter_ == len(clf.history_["loss"]) == shorter.n_iter_ == 8
    np.testing.assert_array_equal(clf.predict_proba(X), shorter.predict_proba(X))


def test_program_that_a_callback_failed_in_is_not_kept(data):
    X, y, _ = data
    expected = make().fit(X, y).predict_proba(X)
    n_kept = len(_solvers.programs)

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.trainable = False
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        make(callbacks=[Spoil()]).fit(X, y)
    assert len(_solvers.programs) == n_kept - 1
    np.testing.assert_array_equal(make().fit(X, y).predict_proba(X), expected)


def test_callback_that_sets_weights_and_learning_rate_leaves_no_trace(data):
    X, y, _ = data
    expected = make().fit(X, y).predict_proba(X)

    class Set(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights([np.ones_like(w) for w in self.model.get_weights()])
            self.model.optimizer.learning_rate = 0.5

    clf = make(callbacks=[Set()]).fit(X, y)
    assert all((weight == 1).all() for weight in clf.model_.get_weights())
    np.testing.assert_array_equal(make().fit(X, y).predict_proba(X), expected)


def test_network_that_cannot_describe_itself_is_trained_but_not_kept(data):
    X, y, _ = data
    factor = 2.0

    def network(inputs, n_outputs):
        scaled = keras.layers.Lambda(lambda tensor: factor * tensor)(inputs)
        return keras.layers.Dense(n_outputs)(scaled)

    n_kept = len(_solvers.programs)
    first = make(network=network).fit(X, y).predict_proba(X)
    assert len(_solvers.programs) == n_kept
    factor = 0.0  # what a kept program would not have seen
    second = make(network=network).fit(X, y).predict_proba(X)
    assert (first != second).any()
    np.testing.assert_allclose(second, np.tile(second[0], (60, 1)), atol=1e-6)


def test_search_traces_nothing_from_the_second_fit_on(rng):
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    X = rng.normal(size=(1013, 7))  # five folds of unequal size
    y = rng.integers(4, size=1013)
    grid = {
        "learning_rate": [1e-3, 1e-2],
        "epochs": [2, 3],
        "class_weight": [None, "balanced", {0: 3.0}],
    }
    clf = make(hidden_layer_sizes=(9,)).fit(X[:810], y[:810])
    clf.predict(X)
    n_traces = count_traces()
    GridSearchCV(clf, grid, cv=StratifiedKFold(5), refit=False).fit(X, y)
    assert count_traces() == n_traces
    GridSearchCV(clf, grid, cv=StratifiedKFold(5)).fit(X, y).predict(X)
    assert count_traces() == n_traces


def test_dropped_program_frees_its_memory(data):
    X, y, _ = data
    make(hidden_layer_sizes=(11,)).fit(X, y)
    program = next(reversed(_solvers.programs._idle.values()))[1]
    model = weakref.ref(program._model)
    del program
    _solvers.programs.clear()
    gc.collect()
    assert model() is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hundreds_of_fits_keep_memory_flat():
    import os
    import subprocess
    import sys

    code = """
import gc, numpy as np
from skmask import RestrictedClassClassifier

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

rng = np.random.default_rng(0)
for i in range(220):
    n = int(rng.integers(300, 500))
    X = rng.normal(size=(n, 10))
    clf = RestrictedClassClassifier((16,), epochs=2, learning_rate=1e-3 * (1 + i % 3))
    clf.fit(X, rng.integers(3, size=n)).predict_proba(X)
    if i == 19:
        before = resident()
print(resident() - before)
"""
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("needs Linux's /proc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 20
