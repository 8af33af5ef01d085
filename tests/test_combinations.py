"""Kinds of input together: on disk, sparse, many classes, shares, images, scorers."""

import os

import dask.array as da
import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from scipy import sparse
from sklearn.metrics import balanced_accuracy_score

from skmask import (
    CostSensitiveClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.engine import _sources, _table, read_rows
from skmask.estimators import _candidates, _rows
from skmask.networks import MLP, Convolutional

pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")

N, M, K, WIDE, MANY = 80, 4, 3, 10_000, 600
CSR = sparse.csr_array
rng = np.random.default_rng(0)
X = rng.normal(size=(N, M)).astype(np.float32)
y = np.arange(N) % K
SHARES = np.where(np.eye(K)[y] == 1, 0.6, 0.2)
ALLOWED = rng.random((N, K)) < 0.6
ALLOWED[np.arange(N), y] = True
WORDS = CSR(np.where(rng.random((N, WIDE)) < 1e-3, rng.random((N, WIDE)), 0).astype(np.float32))
PRODUCTS = CSR((np.ones(N * 2, bool), (np.arange(N).repeat(2), np.c_[y, y + 7].ravel())), (N, MANY))


def make(kind=RestrictedClassClassifier, **settings):
    return kind(**{"hidden_layer_sizes": (5,), "epochs": 2, "random_state": 0, **settings})


def on_disk(folder, values, name="values"):
    np.save(folder / f"{name}.npy", values)
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def weights(clf):
    return clf.model_.get_weights()


def assert_same_weights(one, other, atol=0.0):
    for ours, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


# Sparse rows.


def test_sparse_rows_beside_large_labels_are_read_in_slabs(monkeypatch):
    Y = rng.random((N, 40)) < 0.2
    expected = make(WeightedMultilabelClassifier).fit(WORDS, Y)
    monkeypatch.setattr(_table, "_LARGE", 1000)
    found = make(WeightedMultilabelClassifier).fit(WORDS, Y)
    assert_same_weights(found, expected, 1e-6)


def test_linear_model_of_wide_sparse_rows_and_many_classes():
    settings = {"hidden_layer_sizes": (), "classes": np.arange(MANY), "epochs": 1}
    found = make(**settings).fit(WORDS, y, allowed=PRODUCTS)
    expected = make(**settings).fit(WORDS, y, allowed=PRODUCTS.toarray())
    assert_same_weights(found, expected, 1e-6)
    proba = found.predict_proba(WORDS, allowed=PRODUCTS)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)


def test_sparse_updates_of_wide_sparse_rows_are_those_of_dense_ones():
    settings = {"classes": np.arange(MANY), "sparse_updates": True, "epochs": 1}
    found = make(**settings).fit(WORDS, y, allowed=PRODUCTS)
    expected = make(**settings).fit(WORDS.toarray(), y, allowed=PRODUCTS)
    assert_same_weights(found, expected, 1e-5)


def test_accumulated_gradients_of_wide_sparse_rows_are_those_of_dense_ones():
    settings = {"optimizer": keras.optimizers.Adam(gradient_accumulation_steps=2)}
    found = make(**settings).fit(WORDS, y)
    assert_same_weights(found, make(**settings).fit(WORDS.toarray(), y), 1e-5)


def test_validation_rows_on_disk_beside_sparse_ones(tmp_path):
    own = {"y_val": y[:20]}
    dense = WORDS[:20].toarray()
    found = make(shuffle_buffer=5).fit(WORDS, y, X_val=on_disk(tmp_path, dense), **own)
    expected = make().fit(WORDS, y, X_val=dense, **own)
    np.testing.assert_allclose(found.history_["val_loss"], expected.history_["val_loss"], 1e-6)


# Shares.


@pytest.mark.parametrize("allowed", [ALLOWED | True, ALLOWED])
def test_shares_with_rows_and_masks_on_disk(allowed, tmp_path):
    shares = np.where(allowed, SHARES, 0)
    shares /= shares.sum(axis=1, keepdims=True)
    clf = make(shuffle_buffer=30)
    on = {"X": on_disk(tmp_path, X, "X"), "allowed": on_disk(tmp_path, allowed, "allowed")}
    found = clf.fit(on["X"], shares, allowed=on["allowed"])
    expected = make(shuffle_buffer=30).fit(on["X"], shares, allowed=allowed)
    assert_same_weights(found, expected)


def test_share_that_a_mask_on_disk_forbids_is_an_error_that_names_the_row(tmp_path):
    allowed = np.ones((N, K), bool)
    allowed[70, 1] = False
    on = {"X": on_disk(tmp_path, X, "X"), "allowed": on_disk(tmp_path, allowed, "allowed")}
    with pytest.raises(ValueError, match=r"y must have no share of a class.* in row 70"):
        make(shuffle_buffer=30).fit(on["X"], SHARES, allowed=on["allowed"])


def test_named_scorers_get_the_most_probable_labels_of_shares():
    clf = make(early_stopping=True, monitor="balanced_accuracy")
    clf.fit(X, SHARES, X_val=X[:30], y_val=SHARES[:30])
    expected = balanced_accuracy_score(y[:30], clf.predict(X[:30]))
    assert clf.validation_scores_[clf.best_epoch_ - 1] == pytest.approx(expected)
    assert make(early_stopping=True, monitor="f1_macro").fit(X, SHARES).validation_scores_


# Scorers.


def test_accuracy_of_costly_decisions_is_that_of_score():
    costs = np.array([[0, 1, 9], [3, 0, 1], [1, 8, 0]])
    clf = make(CostSensitiveClassifier, cost_matrix=costs, monitor="accuracy", epochs=5)
    clf.fit(X, y, X_val=X[:40], y_val=y[:40])
    assert clf.validation_scores_[-1] == pytest.approx(clf.score(X[:40], y[:40]))


def test_weights_by_entry_are_not_for_scorers_of_scikit_learn():
    Y = (rng.random((N, 4)) < 0.4).astype(int)
    clf = make(WeightedMultilabelClassifier, early_stopping=True, monitor="f1_macro")
    assert len(clf.fit(X, Y, np.ones((N, 4))).validation_scores_) == 2


def test_callable_gets_validation_rows_as_they_were_passed(tmp_path):
    seen = []

    def score(estimator, X, y):
        seen.append(X[:, 0].sum() + np.asarray(X).sum() * 0)
        return estimator.score(X, y)

    X_val = on_disk(tmp_path, X[:20])
    make(monitor=score, shuffle_buffer=5).fit(X, y, X_val=X_val, y_val=y[:20])
    assert seen == [pytest.approx(X[:20, 0].sum())] * 2


def test_held_out_rows_on_disk_become_an_array_for_a_callable(tmp_path):
    seen = []

    def score(estimator, rows, labels):
        seen.append(np.asarray(rows))
        return estimator.score(rows, labels)

    clf = make(monitor=score, early_stopping=True, shuffle_buffer=20)
    clf.fit(on_disk(tmp_path, X), y)
    assert {tuple(row) for row in seen[0].tolist()} < {tuple(row) for row in X.tolist()}


# Rows on disk.


def test_blocks_are_read_once_in_the_pass_after_a_fit_and_with_masks(monkeypatch):
    n_read = []
    blocks = da.from_array(X, chunks=(20, M)).map_blocks(
        lambda block: n_read.append(len(block)) or block, dtype=X.dtype, meta=X[:0]
    )
    clf = make(WeightedMultilabelClassifier, epochs=1, shuffle_buffer=40)
    monkeypatch.setattr("skmask.estimators._label_decisions._ROWS_AT_ONCE", 3)
    n_read.clear()
    clf.fit(blocks, np.eye(K)[y])
    assert n_read == [20] * 8  # once to train, once to look for labels never predicted


def test_neighbouring_blocks_are_read_together():
    X_blocks = _blocks_of(da.from_array(X, chunks=(7, M)))
    spans = [(rows.start, rows.stop) for rows, _ in read_rows(X_blocks)]
    assert spans == [(0, N)]


def test_blocks_are_read_one_by_one_where_they_are_large(monkeypatch):
    monkeypatch.setattr(_sources, "_BYTES_AT_ONCE", 30 * M * 4)
    X_blocks = _blocks_of(da.from_array(X, chunks=((50, 10, 10, 10), M)))
    spans = [(rows.start, rows.stop) for rows, _ in read_rows(X_blocks)]
    assert spans == [(0, 50), (50, 80)]


def _blocks_of(values):
    from skmask.data._blocks import opened

    return opened(values, None, 10)[0]


def test_columns_of_a_data_set_are_named(tmp_path):
    frame = pd.DataFrame(np.hstack([X, ALLOWED]), columns=list("abcdefg")).assign(label=y)
    frame.to_parquet(tmp_path / "rows.parquet")
    data = ds.dataset(tmp_path / "rows.parquet")
    found = make(allowed_columns=["e", "f", "g"]).fit(data, "label")
    expected = make(allowed_columns=["e", "f", "g"]).fit(frame.drop(columns="label"), y)
    assert_same_weights(found, expected)
    assert found.score(data, y) == expected.score(frame.drop(columns="label"), y)


def test_score_and_thresholds_take_labels_by_name(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(label=y)
    frame.to_parquet(tmp_path / "rows.parquet")
    data = ds.dataset(tmp_path / "rows.parquet")
    clf = make(WeightedMultilabelClassifier).fit(data, "label")
    assert clf.score(data, "label") == clf.score(frame[list("abcd")], y)
    by_name = clf.set_threshold("macro_f1", data, "label").thresholds_
    np.testing.assert_array_equal(
        by_name, clf.set_threshold("macro_f1", frame[list("abcd")], y).thresholds_
    )
    softmax = make().fit(data, "label")
    assert softmax.score(data, "label") == softmax.score(frame[list("abcd")], y)


def test_mask_in_a_data_set_is_refused(tmp_path):
    pd.DataFrame(ALLOWED, columns=list("abc")).to_parquet(tmp_path / "allowed.parquet")
    mask = ds.dataset(tmp_path / "allowed.parquet")
    with pytest.raises(TypeError, match=r"allowed must be .* got a data set of Arrow"):
        make(shuffle_buffer=10).fit(on_disk(tmp_path, X), y, allowed=mask)


def test_data_set_of_labels_only_is_refused(tmp_path):
    data = ds.InMemoryDataset(pa.table({"label": y}))
    with pytest.raises(ValueError, match="X must have a column of numbers; got none"):
        make().fit(data, "label")


def test_mask_of_unknown_chunks_is_refused_by_name(tmp_path):
    mask = da.from_array(ALLOWED, chunks=(20, K))
    mask = mask[mask.any(axis=1)]
    with pytest.raises(ValueError, match="allowed must have chunks of known sizes"):
        make(shuffle_buffer=10).fit(on_disk(tmp_path, X), y, allowed=mask)


def test_negative_costs_on_disk_name_their_row(tmp_path, monkeypatch):
    monkeypatch.setattr(_sources, "_BYTES_AT_ONCE", 10 * K * 8)
    costs = np.ones((N, K))
    costs[66] = -1
    clf = make(CostSensitiveClassifier, loss="weighted_crossentropy", shuffle_buffer=10)
    costs = on_disk(tmp_path, costs, "costs")
    with pytest.raises(ValueError, match=r"costs must not hold negative costs.* in row 66"):
        clf.fit(on_disk(tmp_path, X), y, costs=costs)


def test_huge_costs_on_disk_are_those_of_memory(tmp_path):
    costs = rng.uniform(0, 1, (N, K)) * 1e306
    rows = on_disk(tmp_path, X, "X")
    clf = make(CostSensitiveClassifier, shuffle_buffer=20, loss="expected_cost")
    expected = make(CostSensitiveClassifier, shuffle_buffer=20, loss="expected_cost")
    found = clf.fit(rows, y, costs=on_disk(tmp_path, costs, "costs"))
    assert_same_weights(found, expected.fit(rows, y, costs=costs), 1e-6)


def test_rows_on_disk_of_a_fit_to_images_are_refused(tmp_path):
    images = rng.normal(size=(N, 8, 8)).astype(np.float32)
    clf = make(network=Convolutional((2,))).fit(images, y)
    flat = on_disk(tmp_path, images[:, 0])
    with pytest.raises(ValueError, match=r"X must have rows of shape \(8, 8\), as in fit"):
        clf.predict(flat)


def test_file_that_was_unlinked_is_read_while_it_is_mapped(tmp_path):
    rows = on_disk(tmp_path, X)
    os.unlink(tmp_path / "values.npy")
    assert_same_weights(make(shuffle_buffer=200).fit(rows, y), make().fit(X, y))


def test_arrays_that_joblib_maps_for_its_workers_are_in_memory(tmp_path):
    folder = tmp_path / "joblib_memmapping_folder_1"
    folder.mkdir()
    found = make(shuffle_buffer=10).fit(on_disk(folder, X), y)
    assert_same_weights(found, make(shuffle_buffer=10).fit(X, y))


def test_large_numbers_of_validation_rows_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(_rows, "_LARGE", 100)
    X_val = X.astype(float)
    X_val[3] = 1e40
    with pytest.raises(ValueError, match="X_val must be 0 or of a size"):
        make(dtype="float32").fit(X, y, X_val=X_val, y_val=y)


def test_validation_rows_without_names_are_those_of_a_prediction():
    frame = pd.DataFrame(np.hstack([X, ALLOWED]), columns=list("abcdefg"))
    clf = make(allowed_columns=["e", "f", "g"])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        clf.fit(frame, y, X_val=frame.to_numpy(), y_val=y)
    expected = make(allowed_columns=["e", "f", "g"]).fit(frame, y, X_val=frame, y_val=y)
    np.testing.assert_array_equal(clf.history_["val_loss"], expected.history_["val_loss"])


# Networks of one's own.


def test_network_that_overrides_the_forward_pass_alone_computes_all_logits():
    class Shifted(MLP):
        def forward(self, weights, X, signature):
            return super().forward(weights, X, signature) + 1

    assert _candidates._has_dense_head(MLP((3,)))
    assert not _candidates._has_dense_head(Shifted((3,)))
