"""Many threads, worker processes, forks."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from skmask import RestrictedClassClassifier
from skmask.datasets import make_restricted_classification


@pytest.fixture(scope="module")
def rows():
    return make_restricted_classification(200, 6, 4, 2, random_state=0)


@pytest.fixture
def clf():
    return RestrictedClassClassifier((8,), epochs=3, random_state=0)


def test_predictions_from_16_threads_equal_those_from_one(rows, clf):
    X, y, allowed = rows
    clf.fit(X, y, allowed=allowed)
    expected = [clf.predict_proba(X[i : i + 3], allowed=allowed[i : i + 3]) for i in range(100)]

    def differs(number):
        i = number % 100
        found = clf.predict_proba(X[i : i + 3], allowed=allowed[i : i + 3])
        return not np.array_equal(found, expected[i])

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(differs, range(10_000))) == 0


def test_first_predictions_after_loading_may_come_from_many_threads(rows, clf):
    import pickle

    X, y, _ = rows
    expected = clf.fit(X, y).predict_proba(X)
    again = pickle.loads(pickle.dumps(clf))
    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(lambda _: again.predict_proba(X), range(8)):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_fits_from_4_threads_equal_those_from_one(rows, clf, early_stopping):
    X, y, allowed = rows
    seeds = range(12)
    clf.set_params(early_stopping=early_stopping)

    def fit(seed):
        one = clone(clf).set_params(random_state=seed).fit(X, y, allowed=allowed)
        return one.predict_proba(X, allowed=allowed)

    expected = [fit(seed) for seed in seeds]
    with ThreadPoolExecutor(4) as threads:
        for found, wanted in zip(threads.map(fit, seeds), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_cross_validation_with_two_jobs(rows, clf, backend):
    X, y, _ = rows
    expected = cross_val_score(clf, X, y, error_score="raise")
    with parallel_config(backend):
        found = cross_val_score(clf, X, y, n_jobs=2, error_score="raise")
    np.testing.assert_array_equal(found, expected)


def test_worker_takes_no_more_threads_than_joblib_granted():
    code = """
import os
from joblib import Parallel, delayed

def n_threads():
    from skmask import RestrictedClassClassifier
    import numpy as np, tensorflow as tf
    X = np.random.default_rng(0).normal(size=(600, 4))
    RestrictedClassClassifier((8,), epochs=2).fit(X, X[:, 0] > 0).predict(X)
    return (
        int(os.environ["OMP_NUM_THREADS"]),
        tf.config.threading.get_intra_op_parallelism_threads(),
        tf.config.threading.get_inter_op_parallelism_threads(),
    )

print(Parallel(n_jobs=2)([delayed(n_threads)()])[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    granted, intra, inter = eval(done.stdout)
    assert intra == inter == granted


def test_workers_that_train_print_nothing_and_import_tensorflow_once():
    code = """
import os
from joblib import Parallel, delayed

def train_one(number):
    import sys
    is_first = "tensorflow" not in sys.modules
    import numpy as np
    from skmask.engine import Job, Loss, State, Steps, train
    from skmask.engine.tensorflow import graph_of
    from skmask.networks import MLP, Signature
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 6)).astype("float32")
    columns = {"X": X, "y": rng.integers(3, size=600), "weight": np.ones(600, "float32")}
    graph = graph_of(MLP((8,)), Signature((6,), 3), "float32")
    job = Job(graph, Loss("restricted_crossentropy"), Steps("adam"), columns)
    state, _ = train(job, State(graph.starting_weights(0), None, 0), epochs=2)
    return os.getpid(), is_first, b"".join(w.tobytes() for w in state.weights)

found = Parallel(n_jobs=2)(delayed(train_one)(number) for number in range(6))
workers = {worker for worker, _, _ in found}
print(sum(is_first for _, is_first, _ in found) == len(workers))
print(len({weights for _, _, weights in found}))
"""
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "1"]
    assert done.stderr == ""
