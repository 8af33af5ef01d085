"""X on disk: memory-mapped files, Dask arrays and Parquet, read block by block."""

import os
import pickle
import subprocess
import sys

import dask.array as da
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skmask import (
    CostSensitiveClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.data._blocks import opened
from skmask.engine import LazyRows, _sources, read_rows
from skmask.engine._order import epoch_order, windowed_order
from skmask.engine._table import Table

N, M, K, WINDOW = 120, 4, 3, 50
NAMES = list("abcd")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, M)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    allowed = rng.random((N, K)) < 0.5
    allowed[np.arange(N), y] = True
    return X, y, allowed


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows):
    X, y, allowed = rows
    folder = tmp_path_factory.mktemp("blocks")
    np.save(folder / "X.npy", X)
    np.save(folder / "allowed.npy", allowed)
    frame = pd.DataFrame(X, columns=NAMES).assign(label=y)
    frame.to_parquet(folder / "X.parquet", row_group_size=40)
    return folder


def mapped(folder, name="X"):
    return np.load(folder / f"{name}.npy", mmap_mode="r")


def parquet(folder):
    return ds.dataset(folder / "X.parquet")


@pytest.fixture(params=["memmap", "dask", "parquet"])
def on_disk(request, folder, rows):
    """X on disk, and y as it is passed with it."""
    if request.param == "memmap":
        return mapped(folder), rows[1]
    if request.param == "dask":
        return da.from_array(rows[0], chunks=(30, 3)), da.from_array(rows[1], chunks=30)
    return parquet(folder), "label"


def make(kind=RestrictedClassClassifier, **kwargs):
    return kind((6,), **{"epochs": 3, "random_state": 0, "shuffle_buffer": WINDOW, **kwargs})


def weights_of(clf):
    return clf._record.state.weights


def assert_same_weights(one, other):
    for ours, theirs in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# The order of rows, and the arrays that come of it.


def test_order_of_a_window_that_holds_all_rows_is_that_of_memory():
    ((spans, numbers),) = windowed_order(3, 7, np.array([0, 40, 90, 100]), 100)
    assert spans == [(0, 40), (40, 90), (90, 100)]
    np.testing.assert_array_equal(numbers, epoch_order(3, 7, 100))


def test_windows_hold_each_row_once_and_whole_blocks():
    bounds = np.arange(0, 101, 10)
    windows = list(windowed_order(3, 7, bounds, 35))
    assert [len(numbers) for _, numbers in windows] == [30, 30, 30, 10]
    for spans, numbers in windows:
        of_spans = np.concatenate([np.arange(*span) for span in spans])
        np.testing.assert_array_equal(np.sort(numbers), np.sort(of_spans))
        assert not np.array_equal(numbers, of_spans)
    np.testing.assert_array_equal(np.sort(np.concatenate([n for _, n in windows])), np.arange(100))


def test_windows_of_another_epoch_are_others():
    first, second = (list(windowed_order(3, epoch, np.arange(0, 101, 5), 20)) for epoch in (0, 1))
    assert [spans for spans, _ in first] != [spans for spans, _ in second]


def test_slabs_of_windows_are_whole_batches_of_the_rows_in_order(on_disk, rows):
    X = opened(*on_disk, WINDOW)[0]
    table = Table({"X": X, "y": np.arange(N)}, batch_size=7)
    windows = list(windowed_order(0, 0, X.bounds, WINDOW))
    order = np.concatenate([numbers for _, numbers in windows])
    start = 0
    for arrays, n_rows in table.slabs(windows):
        numbers = order[start : start + n_rows]
        np.testing.assert_array_equal(arrays["y"][:n_rows], numbers)
        np.testing.assert_array_equal(arrays["X"][:n_rows], rows[0][numbers])
        start += n_rows
    assert start == N


def test_rows_of_some_numbers_are_read_from_their_blocks(on_disk, rows, monkeypatch):
    monkeypatch.setattr(_sources, "_BYTES_AT_ONCE", 20 * M * 4)
    X = opened(*on_disk, WINDOW)[0]
    numbers = np.arange(0, N, 3)
    found = [block for _, block in read_rows(LazyRows(X, numbers))]
    assert len(found) > 1
    np.testing.assert_array_equal(np.concatenate(found), rows[0][numbers])


def test_large_array_is_read_in_slabs_and_gives_the_same_weights(rows, monkeypatch):
    X, y, allowed = rows
    whole = make(early_stopping=True).fit(X, y, allowed=allowed)
    for module in ("engine._table", "estimators._rows"):
        monkeypatch.setattr(f"skmask.{module}._LARGE", 64)
    assert_same_weights(make(early_stopping=True).fit(X, y, allowed=allowed), whole)
    doubles = make(early_stopping=True).fit(X.astype(float), y, allowed=allowed)
    assert_same_weights(doubles, whole)  # cast slab by slab


# The whole life.


def test_fit_is_that_of_memory_where_the_window_holds_all_rows(on_disk, rows):
    X, y, _ = rows
    found = make(shuffle_buffer=None).fit(*on_disk)
    assert_same_weights(found, make().fit(X, y))


def test_fit_by_windows_is_the_same_for_every_kind_of_disk(folder, rows):
    X, y, _ = rows
    of_dask = make().fit(da.from_array(X, chunks=(40, M)), y)
    assert_same_weights(make().fit(parquet(folder), "label"), of_dask)


def test_fit_by_windows_follows_steps_of_keras_in_the_same_order(on_disk, rows):
    import keras

    X, y, _ = rows
    clf = make(epochs=1, optimizer="sgd", learning_rate=0.1)
    fitted = clone(clf).fit(*on_disk)
    start = clone(clf).set_params(learning_rate=1e-30).fit(X, y)
    blocks = opened(*on_disk, clf.shuffle_buffer)[0]
    seed = fitted._record.state.seed
    order = np.concatenate([n for _, n in windowed_order(seed, 0, blocks.bounds, WINDOW)])
    model = start.model_
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    model.fit(X[order], y[order], batch_size=32, epochs=1, shuffle=False, verbose=0)
    for ours, theirs in zip(weights_of(fitted), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_predictions_by_block_are_those_of_memory(on_disk, rows):
    X, y, _ = rows
    clf = make().fit(*on_disk)
    on_disk, _ = on_disk
    if hasattr(on_disk, "schema"):
        X = pd.DataFrame(X, columns=NAMES)
    np.testing.assert_allclose(clf.predict_proba(on_disk), clf.predict_proba(X), atol=1e-6)
    assert clf.score(on_disk, y) == clf.score(X, y)


def test_early_stopping_holds_rows_of_blocks_out(on_disk):
    clf = make(early_stopping=True).fit(*on_disk)
    assert len(clf.history_["val_loss"]) == clf.n_iter_ == 3


def test_scorer_watches_the_rows_of_blocks_that_are_held_out(on_disk):
    clf = make(early_stopping=True, monitor="neg_log_loss").fit(*on_disk)
    np.testing.assert_allclose(clf.validation_scores_, -np.array(clf.history_["val_loss"]), 1e-5)


def test_validation_rows_on_disk_are_those_of_memory(on_disk, rows):
    X, y, _ = rows
    X_val, y_val = on_disk
    settings = {"early_stopping": True, "monitor": "neg_log_loss"}
    clf = make(**settings).fit(X[:70], y[:70], X_val=X_val, y_val=y_val)
    expected = make(**settings).fit(X[:70], y[:70], X_val=X, y_val=y)
    np.testing.assert_allclose(clf.history_["val_loss"], expected.history_["val_loss"], 1e-6)
    np.testing.assert_allclose(clf.validation_scores_, expected.validation_scores_, 1e-6)


def test_validation_rows_on_disk_with_a_nan_are_refused_by_name(tmp_path, rows):
    X, y, _ = rows
    np.save(tmp_path / "bad.npy", np.where(np.arange(N)[:, np.newaxis] == 77, np.nan, X))
    with pytest.raises(ValueError, match=r"X_val must hold finite numbers.* row 77"):
        make().fit(X, y, X_val=mapped(tmp_path, "bad"), y_val=y)


def test_partial_fit_goes_on_from_a_fit(on_disk, rows):
    clf = make().fit(*on_disk)
    before = weights_of(clf)
    clf.partial_fit(*on_disk)
    assert not np.array_equal(weights_of(clf)[0], before[0])
    assert len(clf.history_["loss"]) == 4


def test_rows_of_weight_zero_are_left_out(on_disk, rows):
    X, y, _ = rows
    weight = np.ones(N)
    weight[10:70] = 0
    found = make().fit(*on_disk, sample_weight=da.from_array(weight))
    assert found.history_["loss"] != make().fit(*on_disk).history_["loss"]
    alone = make(shuffle_buffer=None).fit(*on_disk, sample_weight=weight)
    kept = weight > 0
    assert_same_weights(alone, make().fit(X[kept], y[kept]))


def test_balanced_classes_count_all_rows(on_disk, rows):
    y = rows[1]
    found = make(class_weight="balanced").fit(*on_disk)
    counts = np.bincount(y)
    by_hand = dict(enumerate(N / (K * counts)))
    assert_same_weights(found, make(class_weight=by_hand).fit(*on_disk))


def test_search_over_a_memory_mapped_file(folder, rows):
    X, y, _ = rows
    grid = {"learning_rate": [1e-3, 1e-2]}
    found = GridSearchCV(make(), grid, cv=2).fit(mapped(folder), y)
    expected = GridSearchCV(make(), grid, cv=2).fit(X, y)
    scores = "mean_test_score"
    np.testing.assert_array_equal(found.cv_results_[scores], expected.cv_results_[scores])


def test_fresh_process_predicts_from_disk_without_tensorflow(folder, rows):
    clf = make().fit(parquet(folder), "label")
    (folder / "clf.pickle").write_bytes(pickle.dumps(clf))
    code = (
        "import pickle, sys, numpy as np, pyarrow.dataset as ds;"
        f"clf = pickle.load(open({str(folder / 'clf.pickle')!r}, 'rb'));"
        f"found = clf.predict_proba(ds.dataset({str(folder / 'X.parquet')!r}));"
        "assert not {'tensorflow', 'keras', 'dask'} & set(sys.modules);"
        "print(repr(float(found[:, 0].sum())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == clf.predict_proba(parquet(folder))[:, 0].sum()


@pytest.mark.parametrize("kind", ["memmap", "dask"])
def test_mask_on_disk_gives_the_weights_of_one_in_memory(kind, folder, rows):
    _, y, allowed = rows
    on_disk = mapped(folder, "allowed") if kind == "memmap" else da.from_array(allowed, chunks=50)
    expected = make().fit(mapped(folder), y, allowed=allowed)
    found = make().fit(mapped(folder), y, allowed=on_disk)
    assert_same_weights(found, expected)
    proba = found.predict_proba(mapped(folder), allowed=on_disk)
    np.testing.assert_array_equal(proba, expected.predict_proba(mapped(folder), allowed=allowed))
    assert (proba[~allowed] == 0).all()


def test_mask_on_disk_follows_the_order_of_classes(folder, rows):
    _, y, allowed = rows
    classes = [2, 0, 1]
    found = make(classes=classes).fit(
        mapped(folder), y, allowed=da.from_array(allowed[:, classes], chunks=50)
    )
    assert_same_weights(found, make().fit(mapped(folder), y, allowed=allowed))


@pytest.mark.parametrize("kind", ["memmap", "dask"])
@pytest.mark.parametrize("loss", ["expected_cost", "weighted_crossentropy", "crossentropy"])
def test_costs_on_disk_give_the_weights_of_those_in_memory(kind, loss, tmp_path, folder, rows):
    y = rows[1]
    costs = np.random.default_rng(1).random((N, K))
    np.save(tmp_path / "costs.npy", costs)
    on_disk = mapped(tmp_path, "costs") if kind == "memmap" else da.from_array(costs, chunks=50)
    clf = make(CostSensitiveClassifier, loss=loss, classes=[2, 0, 1])
    expected = clone(clf).fit(mapped(folder), y, costs=costs)
    found = clone(clf).fit(mapped(folder), y, costs=on_disk)
    np.testing.assert_allclose(found.cost_matrix_, expected.cost_matrix_)
    for ours, theirs in zip(weights_of(found), weights_of(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_costs_on_disk_that_are_nan_are_an_error_that_names_the_row(folder, rows):
    costs = np.ones((N, K))
    costs[60] = np.nan
    clf = make(CostSensitiveClassifier)
    with pytest.raises(ValueError, match=r"costs must hold finite numbers; got .* in row 60\."):
        clf.fit(mapped(folder), rows[1], costs=da.from_array(costs, chunks=(40, K)))


def test_negative_costs_on_disk_are_an_error_where_the_loss_allows_none(folder, rows):
    clf = make(CostSensitiveClassifier, loss="weighted_crossentropy")
    with pytest.raises(ValueError, match="costs must not hold negative costs"):
        clf.fit(mapped(folder), rows[1], costs=da.full((N, K), -1.0, chunks=(40, K)))


def test_other_estimators_read_blocks(folder, rows):
    X, y, _ = rows
    on_disk = mapped(folder)
    Y = np.eye(K, dtype=int)[y]
    for kind, target in ((WeightedMultilabelClassifier, Y), (CostSensitiveClassifier, y)):
        clf = make(kind).fit(on_disk, target)
        np.testing.assert_array_equal(clf.predict(on_disk), clf.predict(X))


def test_tuned_thresholds_come_from_held_out_blocks(on_disk, rows):
    on_disk, _ = on_disk
    Y = np.eye(K, dtype=int)[rows[1]]
    clf = make(WeightedMultilabelClassifier, threshold="tuned").fit(on_disk, Y)
    assert (clf.thresholds_ != 0.5).all()


def test_prototypes_read_a_file_into_memory(folder, rows):
    X, y, _ = rows
    found, expected = (
        PrototypeClassifier(alpha=1.0, max_iter=300, random_state=0).fit(each, y)
        for each in (mapped(folder), X)
    )
    assert_same_weights(found, expected)


def test_columns_of_a_data_set_are_taken_by_name(folder, rows):
    X = rows[0]
    clf = make().fit(parquet(folder), "label")
    assert clf.feature_names_in_.tolist() == NAMES
    turned = pa.table({name: X[:, NAMES.index(name)] for name in reversed(NAMES)})
    turned = turned.append_column("label", pa.array(["text"] * N))  # which is not read
    np.testing.assert_array_equal(
        clf.predict_proba(ds.dataset(turned)), clf.predict_proba(parquet(folder))
    )


def test_whole_numbers_in_a_file_are_read_as_floats(tmp_path, rows):
    X, y, _ = rows
    np.save(tmp_path / "X.npy", (10 * X).astype(np.int16))
    found = make().fit(mapped(tmp_path), y)
    floats = np.load(tmp_path / "X.npy").astype(float)
    np.testing.assert_array_equal(found.predict(mapped(tmp_path)), found.predict(floats))


# What is wrong with it.


def assert_left_alone(clf, X, y, error, match, **metadata):
    """A fit that fails leaves the one before."""
    clf = clf.fit(np.eye(K).repeat(4, axis=1), np.arange(K))
    before = clf._record
    with pytest.raises(error, match=match):
        clf.fit(X, y, **metadata)
    assert clf._record is before


def test_nan_in_a_block_is_an_error_that_names_the_row(tmp_path, rows):
    X, y, _ = rows
    X = X.copy()
    X[77, 2] = np.nan
    np.save(tmp_path / "X.npy", X)
    for buffer in (None, WINDOW):
        assert_left_alone(
            make(shuffle_buffer=buffer), mapped(tmp_path), y, ValueError, r"got \[nan\] in row 77"
        )


def test_file_that_ends_early_is_an_error(tmp_path, rows):
    np.save(tmp_path / "X.npy", rows[0])
    on_disk = mapped(tmp_path)[10:]
    os.truncate(tmp_path / "X.npy", 1000)
    with pytest.raises(ValueError, match="X must be a file of at least 2048 bytes; got 1000"):
        make().fit(on_disk, rows[1][10:])


def test_parquet_that_ends_early_is_an_error(tmp_path, rows):
    X, y, _ = rows
    pd.DataFrame(X, columns=NAMES).to_parquet(tmp_path / "X.parquet", row_group_size=40)
    on_disk = parquet(tmp_path)
    on_disk.to_table()
    os.truncate(tmp_path / "X.parquet", 500)
    with pytest.raises(ValueError, match="X must be a data set that can be read; got an error"):
        make().fit(on_disk, y)


def test_filtered_data_set_is_an_error(folder, rows):
    with pytest.raises(ValueError, match=r"got an error at its files: .* filtered"):
        make().fit(parquet(folder).filter(ds.field("a") > 0), rows[1])


def test_column_that_is_missing_is_an_error(folder, rows):
    clf = make().fit(parquet(folder), "label")
    with pytest.raises(ValueError, match="a data set in which 'b' is missing"):
        clf.predict(ds.dataset(pa.table({"a": [1.0]})))
    with pytest.raises(ValueError, match=r"y must be labels, or the name .* got 'class'"):
        clf.fit(parquet(folder), "class")


def test_column_of_text_is_an_error(rows):
    table = ds.dataset(pa.table({"a": [1.0, 2.0], "b": ["x", "y"]}))
    assert_left_alone(make(), table, [0, 1], TypeError, "got column 'b' of string")


def test_value_that_is_not_there_is_an_error(rows):
    table = ds.dataset(pa.table({"a": [1.0, None, 2.0]}))
    assert_left_alone(make(), table, [0, 1, 1], ValueError, "got nothing in column 'a' in row 1")


def test_chunks_of_unknown_sizes_are_an_error(rows):
    X = da.from_array(rows[0], chunks=30)
    with pytest.raises(ValueError, match=r"X must have chunks of known sizes.*compute_chunk_sizes"):
        make().fit(X[X[:, 0] > 0], rows[1])


def narrow(block, block_info=None):
    return block[:, :2] if block_info[0]["chunk-location"][0] == 2 else block


def doubles(block, block_info=None):
    return block.astype(float) if block_info[0]["chunk-location"][0] == 2 else block


def text(block, block_info=None):
    return block.astype(str)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (narrow, r"4 columns in the block that begins with row 80.*got shape \(40, 2\)"),
        (doubles, "of float32 in all blocks.*got float64 in the block that begins with row 80"),
        (text, "of float32 in all blocks.*got <U"),
    ],
)
def test_block_unlike_the_first_is_an_error_that_names_it(change, match, rows):
    X, y, _ = rows
    changed = da.from_array(X, chunks=(40, M)).map_blocks(change, dtype=np.float32, meta=X[:0])
    assert_left_alone(make(), changed, y, ValueError, match)


def test_number_of_features_is_that_of_the_fit(folder, rows):
    clf = make().fit(mapped(folder), rows[1])
    with pytest.raises(ValueError, match="X has 2 features, but RestrictedClassClassifier is exp"):
        clf.predict(da.from_array(rows[0][:, :2], chunks=30))


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match="X must hold a row at least; got 0 rows"):
        make().fit(da.empty((0, 3)), [])


def test_label_that_a_mask_on_disk_forbids_is_an_error(folder, rows):
    _, y, allowed = rows
    wrong = allowed.copy()
    wrong[100] = np.arange(K) != y[100]
    with pytest.raises(ValueError, match=r"y must be among .* in row 100\b"):
        make().fit(mapped(folder), y, allowed=da.from_array(wrong, chunks=50))


def test_mask_on_disk_of_another_shape_is_an_error(folder, rows):
    _, y, allowed = rows
    with pytest.raises(ValueError, match=r"allowed must have shape .*\(120, 3\); got \(110, 3\)"):
        make().fit(mapped(folder), y, allowed=da.from_array(allowed[:110], chunks=50))


def test_mask_in_columns_of_blocks_is_an_error(folder, rows):
    with pytest.raises(ValueError, match="allowed_columns must be None where X is read from disk"):
        make(allowed_columns=[0, 1, 2]).fit(mapped(folder), rows[1])
