"""What the engine keeps from fit to fit: bounded, shared by threads, dropped by one call."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from skmask.engine import Job, Lbfgs, Loss, OwnNetwork, State, Steps, clear_caches, train
from skmask.engine._caches import Pool, Values
from skmask.engine.tensorflow import (
    _graph,
    _inference,
    _machine,
    _solvers,
    forward_function,
    graph_of,
)
from skmask.networks import MLP, Signature
from skmask.nn.networks import mlp

SIGNATURE = Signature((4,), 3)


class Closable:
    is_closed = False

    def close(self):
        self.is_closed = True


def columns_of(dtype, n_rows=50):
    rng = np.random.default_rng(0)
    return {
        "X": rng.normal(size=(n_rows, 4)).astype(dtype),
        "y": rng.integers(3, size=n_rows).astype("int32"),
        "weight": np.ones(n_rows, dtype),
    }


def trained(solver, dtype="float32"):
    graph = graph_of(MLP((5,)), SIGNATURE, dtype)
    job = Job(graph, Loss("restricted_crossentropy"), solver, columns_of(dtype))
    return graph, train(job, State(graph.starting_weights(0), None, 0), epochs=3)[0].weights


def fill():
    """Fit with both solvers and predict with a network of each kind; return the weights."""
    graph, weights = trained(Steps("adam"))
    _, others = trained(Lbfgs(), "float64")
    own = graph_of(OwnNetwork(mlp), SIGNATURE, "float32")
    for each in (graph, own):
        forward_function(each, each.starting_weights(0))(columns_of("float32")["X"])
    return [*weights, *others]


@pytest.fixture
def sessions(monkeypatch):
    """Weak references to the sessions that were opened."""
    opened = []
    plain = tf.compat.v1.Session.__init__

    def note(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        opened.append(weakref.ref(self))

    monkeypatch.setattr(tf.compat.v1.Session, "__init__", note)
    return opened


def test_clear_empties_all_caches_and_the_next_fit_works():
    clear_caches()
    before = fill()
    caches = [_solvers.programs, _graph._described, _inference._kept]
    assert all(len(cache) >= 2 for cache in caches)
    clear_caches()
    assert all(len(cache) == 0 for cache in caches)
    for one, two in zip(fill(), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_clear_closes_every_session(sessions):
    clear_caches()
    fill()
    assert len(sessions) >= 4
    clear_caches()
    gc.collect()
    assert [session() for session in sessions if session() and not session()._closed] == []


def test_predictor_made_before_a_clear_works_after_it(sessions):
    graph, weights = trained(Steps("adam"))
    predict = forward_function(graph, weights)
    X = columns_of("float32")["X"]
    expected = predict(X)
    clear_caches()
    np.testing.assert_array_equal(predict(X), expected)
    assert len(_inference._kept) == 1


def test_predictions_go_on_while_another_thread_clears():
    graph, weights = trained(Steps("adam"))
    predict = forward_function(graph, weights)
    X = columns_of("float32")["X"]
    expected, stop = predict(X), threading.Event()

    def clear():
        while not stop.wait(0.01):
            clear_caches()

    with ThreadPoolExecutor(5) as threads:
        clearing = threads.submit(clear)
        found = list(threads.map(lambda _: predict(X), range(300)))
        stop.set()
        clearing.result()
    for each in found:
        np.testing.assert_array_equal(each, expected)


def test_predictors_of_one_network_share_a_function():
    clear_caches()
    graph, weights = trained(Steps("adam"))
    predict = forward_function(graph, weights)
    predict(columns_of("float32")["X"])
    n_traces = _machine.count_traces()
    forward_function(graph_of(MLP((5,)), SIGNATURE, "float32"), weights)
    assert _machine.count_traces() == n_traces


def test_program_at_work_is_not_closed_by_a_clear():
    pool = Pool(capacity=2)
    with pool.lend("a", Closable) as program:
        clear_caches()
        assert not program.is_closed
    assert len(pool) == 1


def test_values_drop_what_was_longest_unused_without_closing_it():
    values = Values(capacity=2)
    made = {key: values.get(key, Closable) for key in "ab"}
    values.get("a", Closable)
    values.get("c", Closable)
    assert values.get("a", Closable) is made["a"]
    assert values.get("b", Closable) is not made["b"]
    assert not made["b"].is_closed
    assert len(values) == 2


def test_values_are_closed_by_clear():
    values = Values(capacity=2)
    closable, plain = values.get("a", Closable), values.get("b", lambda: 3)
    clear_caches()
    assert closable.is_closed
    assert plain == 3
    assert len(values) == 0


def test_threads_that_ask_at_the_same_time_get_the_same_value():
    values, together = Values(capacity=2), threading.Barrier(4)

    def make():
        together.wait()
        return Closable()

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: values.get("a", make), range(4)))
    assert all(each is found[0] for each in found)


def test_value_that_cannot_be_made_is_not_kept():
    values = Values(capacity=2)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        values.get("a", lambda: 1 / 0)
    assert values.get("a", lambda: 2) == 2
