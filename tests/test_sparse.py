"""Sparse X: never dense in an MLP, and the same results as with dense X."""

import pickle
import tracemalloc

import keras
import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV

from skmask import (
    CostSensitiveClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.engine import Job, Loss, Steps, _job, _table
from skmask.engine._csr import csr_parts, most_stored
from skmask.engine._order import epoch_order
from skmask.engine._table import Table
from skmask.engine.tensorflow import count_traces, graph_of
from skmask.estimators import _prediction
from skmask.estimators._rows import Rows
from skmask.networks import MLP, Network, Signature

N, M, K = 70, 40, 3
COSTS = np.array([[0, 1, 2], [3, 0, 1], [1, 4, 0]])
ESTIMATORS = {
    "restricted": RestrictedClassClassifier,
    "cost-sensitive": lambda *args, **kw: CostSensitiveClassifier(
        *args, cost_matrix=COSTS, loss="expected_cost", **kw
    ),
    "multilabel": lambda *args, **kw: WeightedMultilabelClassifier(*args, threshold=0.3, **kw),
}


@pytest.fixture(autouse=True)
def narrow_rows_stay_sparse(monkeypatch):
    monkeypatch.setattr(_job, "_DENSE_BATCH", 0)


def thin_rows(n_rows=N, seed=0, share=0.1):
    """Return rows of which a tenth of the numbers are not 0, and every seventh row is empty."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n_rows, M)) < share, rng.normal(size=(n_rows, M)), 0)
    X[::7] = 0
    return X.astype(np.float32), rng.integers(K, size=n_rows)


def restricted(hidden=(8,), **kwargs):
    settings = {"epochs": 3, "batch_size": 16, "learning_rate": 0.05, "random_state": 0}
    return RestrictedClassClassifier(hidden, **{**settings, **kwargs})


def weights_of(estimator):
    return [np.asarray(weight) for weight in estimator.model_.get_weights()]


def check_same(one, other, X):
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        one.predict_proba(X), other.predict_proba(sparse.csr_array(X)), rtol=1e-5, atol=1e-5
    )


# The same results as with dense X.


@pytest.mark.parametrize("hidden", [(), (8,), (8, 5)])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_sparse_fit_equals_dense_fit(name, hidden):
    X, y = thin_rows()
    y = np.eye(K, dtype=int)[y] if name == "multilabel" else y
    made = [
        ESTIMATORS[name](hidden, epochs=3, batch_size=16, random_state=0).fit(rows, y)
        for rows in (X, sparse.csr_array(X))
    ]
    check_same(*made, X)


def test_sparse_fit_equals_a_loop_of_keras_on_dense_rows():
    X, y = thin_rows()
    clf = restricted().fit(sparse.csr_array(X), y)
    model = keras.models.clone_model(clf.model_)
    model.set_weights(clf._record.keras_graph.starting_weights(clf._record.state.seed))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.learning_rate = 0.05
    for epoch in range(3):
        order = epoch_order(clf._record.state.seed, epoch, N)
        for start in range(0, N, 16):
            rows = order[start : start + 16]
            model.train_on_batch(X[rows], y[rows])
    for ours, theirs in zip(weights_of(clf), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


OPTIMIZERS = {
    "sgd": "sgd",
    "rmsprop": "rmsprop",
    "adamw": keras.optimizers.AdamW(0.05, weight_decay=0.1),
    "amsgrad": keras.optimizers.Adam(0.05, amsgrad=True),
    "clipped": keras.optimizers.Adam(0.05, clipnorm=0.01, use_ema=True),
    "schedule": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, 12)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_sparse_fit_equals_dense_fit_with_any_optimizer(name):
    X, y = thin_rows()
    made = [
        restricted(optimizer=OPTIMIZERS[name], learning_rate=None).fit(rows, y)
        for rows in (X, sparse.csr_array(X))
    ]
    check_same(*made, X)


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": 1.0},
        {"dropout": 0.5, "batch_size": 32},  # too few steps for XLA, whose random numbers differ
        {"early_stopping": True},
        {"dtype": "float64"},
    ],
    ids=str,
)
def test_sparse_fit_equals_dense_fit_with_other_parameters(settings):
    X, y = thin_rows()
    made = [restricted(**settings).fit(rows, y) for rows in (X, sparse.csr_array(X))]
    check_same(*made, X)
    for name, values in made[0].history_.items():
        np.testing.assert_allclose(values, made[1].history_[name], rtol=1e-5)


def test_sparse_fit_equals_dense_fit_of_a_network_of_ones_own():
    X, y = thin_rows()

    def network(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(keras.layers.Dense(4, activation="tanh")(inputs))

    check_same(*(restricted(network=network).fit(rows, y) for rows in (X, sparse.csr_array(X))), X)


def test_sparse_partial_fit_equals_dense_partial_fit():
    X, y = thin_rows()
    made = [restricted(), restricted()]
    for clf, rows in zip(made, (X, sparse.csr_array(X)), strict=True):
        for part in (slice(0, 30), slice(30, N)):
            clf.partial_fit(rows[part], y[part], classes=np.arange(K))
    check_same(*made, X)


def test_sparse_fit_goes_on_from_a_dense_one():
    X, y = thin_rows()
    made = [restricted(warm_start=True).fit(X, y) for _ in range(2)]
    made[0].fit(X, y)
    made[1].fit(sparse.csr_array(X), y)
    check_same(*made, X)


def test_search_over_sparse_rows_equals_one_over_dense_rows():
    X, y = thin_rows()
    grid = {"learning_rate": [1e-3, 0.05], "hidden_layer_sizes": [(), (8,)]}
    found = [
        GridSearchCV(restricted(), grid, cv=3, scoring="neg_log_loss").fit(rows, y).cv_results_
        for rows in (X, sparse.csr_matrix(X))
    ]
    np.testing.assert_allclose(found[0]["mean_test_score"], found[1]["mean_test_score"], rtol=1e-4)


def test_sparse_fit_is_the_same_to_the_last_bit():
    X, y = thin_rows(900, share=0.5)
    one, two = (restricted((64,)).fit(sparse.csr_array(X), y) for _ in range(2))
    for a, b in zip(weights_of(one), weights_of(two), strict=True):
        np.testing.assert_array_equal(a, b)


def test_stored_model_of_sparse_rows_predicts_the_same():
    X, y = thin_rows()
    clf = restricted().fit(sparse.csr_array(X), y)
    again = pickle.loads(pickle.dumps(clf))
    rows = sparse.csr_array(X)
    np.testing.assert_array_equal(clf.predict_proba(rows), again.predict_proba(rows))


# Forms of sparse matrices.


def explicit_zeros(X):
    made = sparse.csr_array(np.where(X == 0, 1, X))
    made.data[(X == 0).ravel()] = 0
    return made


def wide_indices(X):
    made = sparse.csr_array(X)
    made.indices, made.indptr = made.indices.astype(np.int64), made.indptr.astype(np.int64)
    return made


def summed_up(X):
    """Return a matrix whose numbers are stored in two halves, columns in falling order."""
    made = sparse.csr_array(X)
    starts = 2 * made.indptr
    columns, values = [], []
    for one, end in zip(made.indptr[:-1], made.indptr[1:], strict=True):
        columns += [*np.repeat(made.indices[one:end][::-1], 2)]
        values += [*np.repeat(made.data[one:end][::-1] / 2, 2)]
    return sparse.csr_array((np.array(values, X.dtype), columns, starts), shape=X.shape)


FORMS = {
    "explicit zeros": explicit_zeros,
    "wide indices": wide_indices,
    "csc": sparse.csc_array,
    "coo": sparse.coo_matrix,
    "whole numbers": lambda X: sparse.csr_array(X).astype(np.float64),
    "twice": summed_up,
}


@pytest.mark.parametrize("form", FORMS)
def test_form_of_a_sparse_matrix_changes_nothing(form):
    X, y = thin_rows()
    check_same(restricted().fit(X, y), restricted().fit(FORMS[form](X), y), X)


def test_batches_without_a_number_train_the_biases():
    X, y = thin_rows()
    X[:] = 0
    made = [restricted().fit(rows, y) for rows in (X, sparse.csr_array(X))]
    check_same(*made, X)
    assert weights_of(made[1])[-1].all()


def test_fit_leaves_a_sparse_matrix_as_it_is():
    X, y = thin_rows()
    rows = summed_up(X)
    before = rows.copy()
    for part in (rows.data, rows.indices, rows.indptr):
        part.flags.writeable = False
    restricted().fit(rows, y).predict(rows)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(before, name))


# Slabs, where another column is sparse.


def test_sparse_mask_and_sparse_rows_equal_dense_ones(monkeypatch):
    monkeypatch.setattr(_table, "_SLAB_ROWS", 256)
    X, y = thin_rows(600)
    allowed = np.eye(K, dtype=bool)[y] | (np.random.default_rng(1).random((600, K)) < 0.5)
    one = restricted(dtype="float64").fit(X, y, allowed=allowed)
    two = restricted(dtype="float64").fit(sparse.csr_array(X), y, allowed=sparse.csr_array(allowed))
    for a, b in zip(weights_of(one), weights_of(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


# Programs and memory.


def test_second_sparse_fit_of_a_shape_traces_nothing():
    X, y = thin_rows(300)
    restricted(early_stopping=True).fit(sparse.csr_array(X), y)
    n_traces = count_traces()
    other, y = thin_rows(297, seed=1, share=0.11)
    assert np.count_nonzero(other) != np.count_nonzero(X)
    restricted(early_stopping=True).fit(sparse.csr_array(other), y)
    assert count_traces() == n_traces


@pytest.mark.parametrize("name", ESTIMATORS)
def test_wide_sparse_rows_are_never_dense(name):
    n_rows, width = 3000, 100_000  # 1.2 GB of float32
    rng = np.random.default_rng(0)
    columns = rng.integers(width, size=5 * n_rows)
    X = sparse.csr_array(
        (np.ones(5 * n_rows, np.float32), columns, np.arange(0, 5 * n_rows + 1, 5)),
        shape=(n_rows, width),
    )
    y = rng.integers(K, size=n_rows)
    y = np.eye(K, dtype=int)[y] if name == "multilabel" else y
    clf = ESTIMATORS[name]((), epochs=1, batch_size=500, random_state=0)
    clf.fit(X[:9], y[:9])  # imports, and what is kept of them
    tracemalloc.start()
    try:
        clf.fit(X, y).predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Weights and moments are 3.6 MB, of which some copies are held; a batch would be 200.
    assert peak < 40e6


@pytest.mark.parametrize(("width", "stay_sparse"), [(4095, ()), (4096, ("X",))])
def test_narrow_rows_are_made_dense(width, stay_sparse, monkeypatch):
    monkeypatch.setattr(_job, "_DENSE_BATCH", 1 << 18)
    X = sparse.csr_array((3, width), dtype=np.float32)
    graph = graph_of(MLP(()), Signature((width,), 2), "float32")
    job = Job(graph, Loss("restricted_crossentropy"), Steps("adam", batch_size=64), {"X": X})
    assert job.stay_sparse == stay_sparse


def test_casting_of_sparse_rows_shares_the_indices():
    X, y = thin_rows()
    rows = sparse.csr_array(X.astype(np.float64))
    made = Rows(rows, y, np.ones(N), np.arange(K), y).engine_columns("float32")["X"]
    assert made.dtype == np.float32
    assert np.shares_memory(made.indices, rows.indices)
    np.testing.assert_array_equal(made.toarray(), X)


def test_chunks_of_sparse_rows_go_by_what_they_hold(monkeypatch):
    monkeypatch.setattr(_prediction, "_CHUNK_NUMBERS", 64)
    X, _ = thin_rows()
    sizes = []

    def forward(rows):
        sizes.append(rows.shape[0])
        return rows @ np.ones((M, 1), np.float32)

    for takes_sparse in (False, True):
        predictor = _prediction.Predictor(forward, 1, is_parallel=False, takes_sparse=takes_sparse)
        found = predictor(sparse.csr_array(X))
        np.testing.assert_allclose(found[:, 0], X.sum(axis=1), rtol=1e-5, atol=1e-6)
    assert min(sizes[: N // 2]) == 2
    assert max(sizes) > 10


def test_network_is_taken_for_one_of_dense_rows():
    assert not Network.takes_sparse


# Arrays of a program.


def test_parts_of_a_matrix_with_empty_rows_behind():
    X, _ = thin_rows(5)
    starts, columns, values = csr_parts(wide_indices(X), 8)
    assert columns.dtype == np.int32
    again = sparse.csr_array((values, columns, starts), shape=(8, M)).toarray()
    np.testing.assert_array_equal(again, np.vstack([X, np.zeros((3, M))]))


@pytest.mark.parametrize("n_rows", [1, 3, 5, 9])
def test_most_stored_is_that_of_the_fullest_rows(n_rows):
    X = sparse.csr_array(np.tril(np.ones((5, 5))))
    assert most_stored(X, n_rows) == sum([5, 4, 3, 2, 1][:n_rows])


def test_slabs_of_a_table_have_one_size_whatever_they_hold(monkeypatch):
    monkeypatch.setattr(_table, "_SLAB_ROWS", 256)
    X = sparse.csr_array(np.tril(np.ones((1000, 1000), np.float32)))
    table = Table({"X": X, "allowed": sparse.csr_array(np.eye(1000))}, 256, ["X"])
    slabs = [arrays for arrays, _ in table.slabs(np.arange(1000))]
    assert len(slabs) == 4
    assert len({tuple(len(part) for part in arrays["X"]) for arrays in slabs}) == 1
