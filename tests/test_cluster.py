"""Searches on a cluster of two worker processes: the same bits, quietly, and nothing is kept."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from distributed import Client, LocalCluster
from joblib import parallel_config
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skmask import (
    CostSensitiveClassifier,
    DivergenceError,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.datasets import make_padded_sequences, make_restricted_classification
from skmask.networks import MLP


def redirect_errors(path):
    """Let a worker write to a file what it would write to stderr, as if no test had set a level."""
    os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
    os.dup2(os.open(path / f"{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT), 2)


def started(n_workers, n_threads):
    """Return a cluster that only this machine can reach."""
    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=n_threads,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs="CRITICAL",
    )


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """The folder of what the workers write to stderr."""
    return tmp_path_factory.mktemp("errors")


@pytest.fixture(scope="module")
def client(errors):
    """A client of two workers with one thread each, which all searches use."""
    with started(2, 1) as cluster, Client(cluster, set_as_default=False) as client:
        client.run(redirect_errors, errors)
        yield client


@pytest.fixture(scope="module")
def rows():
    return make_restricted_classification(120, 6, 4, 2, random_state=0)


@pytest.fixture
def on_cluster(client, routing):
    """Metadata routing, and joblib's work done by the workers."""
    with parallel_config("dask", client=client):
        yield client


def make(**parameters):
    return RestrictedClassClassifier(
        (8,), **{"epochs": 3, "random_state": 0, "learning_rate": 1e-2, **parameters}
    )


def search(estimator, rows, allowed, **grid):
    found = GridSearchCV(estimator, grid, cv=3, error_score="raise")
    return found.fit(*rows[:2], allowed=allowed)


def assert_same_search(found, expected):
    for name, values in expected.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(found.cv_results_[name], values)
    assert_same_weights(found.best_estimator_, expected.best_estimator_)


def assert_same_weights(found, expected):
    for one, other in zip(weights(found), weights(expected), strict=True):
        assert one.tobytes() == other.tobytes()


def weights(estimator):
    """Return the weights of an estimator, or of the last step of a pipeline."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    return last.__getstate__()["fitted"]["weights"]


def both_ways(client, work):
    """Return what is found on the cluster, and in this process, with as many threads in BLAS."""
    with sklearn.config_context(enable_metadata_routing=True):
        with parallel_config("dask", client=client):
            found = work()
        with threadpool_limits(1, "blas"):  # by which the last bits of L-BFGS go
            return found, work()


# The same bits as in one process.


def test_search_with_masks_equals_that_in_one_process(client, rows):
    grid = {"learning_rate": [1e-3, 1e-2], "hidden_layer_sizes": [(4,), (8,)]}
    found, expected = both_ways(client, lambda: search(make(), rows, rows[2], **grid))
    assert_same_search(found, expected)
    proba = found.best_estimator_.predict_proba(rows[0], allowed=rows[2])
    assert (proba[~rows[2]] == 0).all()


def test_searches_at_once_have_each_their_own_masks(client, rows):
    masks = [rows[2], np.ones_like(rows[2])]

    def one(allowed):
        grid = {"learning_rate": [1e-3, 1e-2]}
        return both_ways(client, lambda: search(make(), rows, allowed, **grid))

    with ThreadPoolExecutor(2) as threads:
        for found, expected in threads.map(one, masks):
            assert_same_search(found, expected)


def test_search_of_a_pipeline_on_frames_equals_that_in_one_process(client, rows):
    X, y, allowed = rows
    X = pd.DataFrame(X, columns=list("abcdef"))
    labels = np.array(["ash", "elm", "fir", "oak"])
    allowed = pd.DataFrame(allowed, columns=labels)[["oak", "fir", "elm", "ash"]]
    pipe = make_pipeline(StandardScaler(), make())
    grid = {"restrictedclassclassifier__learning_rate": [1e-3, 1e-2]}
    found, expected = both_ways(client, lambda: search(pipe, (X, labels[y]), allowed, **grid))
    assert_same_search(found, expected)
    assert list(found.best_estimator_.feature_names_in_) == list("abcdef")


SEQUENCES = make_padded_sequences(40, random_state=0)
CASES = {
    "restricted": (make(), None, {"allowed": csr_array}),
    "cost_sensitive": (
        CostSensitiveClassifier((8,), cost_matrix=3 - 3 * np.eye(4), epochs=3, random_state=0),
        None,
        {"allowed": list},
    ),
    "multilabel": (
        WeightedMultilabelClassifier((8,), epochs=3, random_state=0),
        lambda X, y: (X, np.eye(4)[y]),
        {},
    ),
    "prototype": (PrototypeClassifier(random_state=0), None, {"allowed": np.array}),
    "sequence": (
        MaskedSequenceClassifier(4, padding_label="#", epochs=2, random_state=0),
        lambda X, y: SEQUENCES,
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_fitted_estimators_come_back_as_from_one_process(client, rows, name):
    estimator, made, metadata = CASES[name]
    X, y = rows[:2] if made is None else made(*rows[:2])
    arguments = {key: kind(rows[2]) for key, kind in metadata.items()}

    def fits():
        return cross_validate(
            estimator, X, y, params=arguments, cv=2, return_estimator=True, error_score="raise"
        )

    found, expected = both_ways(client, fits)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    for one, other in zip(found["estimator"], expected["estimator"], strict=True):
        assert_same_weights(one, other)
        assert one.history_ == other.history_
        np.testing.assert_array_equal(
            one.predict_proba(X, **arguments), other.predict_proba(X, **arguments)
        )


def test_fitted_estimator_can_be_trained_on_by_a_worker(client, rows):
    X, y, allowed = rows
    fitted = make().fit(X, y, allowed=allowed)
    task = client.submit(lambda clf: clf.partial_fit(X, y, allowed=allowed), fitted, pure=False)
    assert_same_weights(task.result(), fitted.partial_fit(X, y, allowed=allowed))


# What travels of Keras.


def network_of_this_module(inputs, n_outputs):
    return keras.layers.Dense(n_outputs)(keras.layers.Dense(4, activation="tanh")(inputs))


def closure(units):
    def network(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(keras.layers.Dense(units)(inputs))

    return network


def template():
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(4, kernel_initializer=keras.initializers.GlorotUniform(1))(inputs)
    last = keras.layers.Dense(4, kernel_initializer=keras.initializers.GlorotUniform(2))(hidden)
    return keras.Model(inputs, last)


class Recorder(keras.callbacks.Callback):
    """Keep the losses that it sees."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])


TRAVELLERS = {
    "optimizer": lambda: {"optimizer": keras.optimizers.RMSprop(3e-3)},
    "callbacks": lambda: {"callbacks": [Recorder()]},
    "function of a module": lambda: {"network": network_of_this_module},
    "function made by a function": lambda: {"network": closure(5)},
    "lambda": lambda: {"network": lambda inputs, n: keras.layers.Dense(n)(inputs)},
    "model": lambda: {"network": template()},
}


@pytest.mark.parametrize("name", TRAVELLERS)
def test_parameter_of_keras_travels(client, rows, name):
    X, y, _ = rows
    estimator = make(**TRAVELLERS[name]())

    def fits():
        return cross_validate(estimator, X, y, cv=2, return_estimator=True, error_score="raise")

    found, expected = both_ways(client, fits)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    for one, other in zip(found["estimator"], expected["estimator"], strict=True):
        assert_same_weights(one, other)


def test_callbacks_come_back_with_what_they_saw(on_cluster, rows):
    X, y, _ = rows
    found = cross_validate(make(callbacks=[Recorder()]), X, y, cv=2, return_estimator=True)
    for one in found["estimator"]:
        assert one.callbacks[0].losses == one.history_["loss"]


# Errors.

ONE_SPLIT = [(np.arange(80), np.arange(80, 120))]  # one fit: no other is left running


@pytest.mark.usefixtures("on_cluster")
def test_message_of_a_worker_arrives(rows):
    X, y, allowed = rows
    wrong = allowed.copy()
    wrong[5] = False
    with pytest.raises(ValueError, match="allowed must leave every row at least one class"):
        cross_validate(make(), X, y, params={"allowed": wrong}, cv=ONE_SPLIT, error_score="raise")


@pytest.mark.usefixtures("on_cluster")
def test_divergence_on_a_worker_arrives_as_such(rows):
    X, y, _ = rows
    network = MLP((8,), activation="linear")
    clf = make(optimizer="sgd", network=network, dtype="float32", learning_rate=1e30)
    with pytest.raises(DivergenceError, match="loss"):
        cross_validate(clf, X * 1e6, y, cv=ONE_SPLIT, error_score="raise")


# What a worker is like, and what it keeps.


def compiled_by_all(client, rows):
    """Let every worker fit once as in a fold of a search, so that each has its programs."""
    X, y, allowed = (column[:80] for column in rows)
    client.run(lambda: make().fit(X, y, allowed=allowed) and None)


def test_workers_write_nothing_to_stderr(client, rows, errors):
    compiled_by_all(client, rows)
    assert len(list(errors.iterdir())) == 2
    assert [path.read_text() for path in errors.iterdir()] == ["", ""]


def threads_of_a_worker():
    from threadpoolctl import threadpool_info

    from skmask.engine.tensorflow._names import tf

    settings = tf.config.threading
    return {
        settings.get_intra_op_parallelism_threads(),
        settings.get_inter_op_parallelism_threads(),
        *(pool["num_threads"] for pool in threadpool_info()),
    }


def test_worker_computes_in_one_thread(client, rows):
    compiled_by_all(client, rows)
    assert list(client.run(threads_of_a_worker).values()) == [{1}, {1}]


def count_of_traces():
    from skmask.engine.tensorflow import count_traces

    return count_traces()


def test_later_searches_compile_nothing(on_cluster, rows):
    compiled_by_all(on_cluster, rows)
    before = on_cluster.run(count_of_traces)
    search(make(), rows, rows[2], learning_rate=[1e-3, 1e-2])
    assert on_cluster.run(count_of_traces) == before


def set_capacity(n_programs):
    """Let a worker keep so many programs, and return how many that were before."""
    from skmask.engine.tensorflow import _solvers

    before, _solvers.programs.capacity = _solvers.programs.capacity, n_programs
    return before


def count_of_programs():
    from skmask.engine.tensorflow import _solvers

    return len(_solvers.programs)


def test_worker_keeps_a_bounded_number_of_programs(on_cluster, rows):
    (before,) = set(on_cluster.run(set_capacity, 1).values())
    search(make(epochs=1), rows, None, hidden_layer_sizes=[(2,), (3,), (4,)])
    kept = on_cluster.run(count_of_programs)
    on_cluster.run(set_capacity, before)
    assert set(kept.values()) == {1}


def keys_of_data(client):
    """Return the names of all that the workers keep."""
    kept = client.run(lambda dask_worker: list(dask_worker.data))
    return {key for keys in kept.values() for key in keys}


def test_worker_keeps_no_data_of_a_search(client, rows):
    before = keys_of_data(client)  # results of searches that failed: joblib keeps them
    routing = sklearn.config_context(enable_metadata_routing=True)
    with routing, parallel_config("dask", client=client):
        search(make(), rows, rows[2], learning_rate=[1e-3])
    gc.collect()  # joblib's backend holds the last result
    for _ in range(100):
        if keys_of_data(client) <= before:
            break
        threading.Event().wait(0.05)
    assert keys_of_data(client) <= before


# Two threads in one worker.


def meet_and_fit(seed, rows):
    """Fit as soon as another thread of this process is here too."""
    X, y, allowed = rows
    MEETING.wait(60)
    return make(random_state=seed, epochs=20).fit(X, y, allowed=allowed)


MEETING = threading.Barrier(2)


def test_two_fits_at_once_in_one_worker_equal_those_alone(rows):
    X, y, allowed = rows
    with started(1, 2) as cluster, Client(cluster, set_as_default=False) as client:
        found = client.gather(client.map(meet_and_fit, range(6), rows=rows))
    for seed, one in enumerate(found):
        assert_same_weights(one, make(random_state=seed, epochs=20).fit(X, y, allowed=allowed))
