"""How far training knows the mask: `mask_in_loss`, `mask_in_input` and `allowed_rule`."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from onnxruntime import InferenceSession
from scipy import sparse
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skmask import CostSensitiveClassifier, RestrictedClassClassifier
from skmask.nn.losses import restricted_crossentropy
from skmask.onnx import to_onnx

N, M, K = 90, 4, 5
CSR = sparse.csr_array
STILL = {"learning_rate": 1e-300, "epochs": 1, "batch_size": 1000}


def make(kind=RestrictedClassClassifier, **settings):
    return kind((6,), **{"epochs": 3, "random_state": 0, **settings})


def rule(X):
    """The signs of four features allow the classes before the last one, which is always."""
    return np.c_[np.asarray(X)[:, :4] > 0, np.ones(len(X), bool)]


def no_rule(X):
    return None


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, M))
    allowed = rule(X)
    y = np.array([rng.choice(np.flatnonzero(row)) for row in allowed])
    y[:K] = range(K)
    allowed[np.arange(N), y] = True
    X[:K, :4] = np.abs(X[:K, :4])
    return X, y, allowed | rule(X)


def weights(clf):
    return clf.model_.get_weights()


def assert_same_weights(one, other):
    for ours, theirs in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def log_loss(clf, X, y, allowed):
    """The loss over the allowed classes, from logits alone."""
    logits = np.where(allowed, clf.model_.predict(X, verbose=0), -np.inf)
    return np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(y)), y])


# The mask in the loss.


def test_mask_at_prediction_only_trains_like_no_mask(rows):
    X, y, allowed = rows
    clf = make(mask_in_loss=0.0).fit(X, y, allowed=allowed)
    assert_same_weights(clf, make().fit(X, y))
    assert allowed[np.arange(N), clf.predict(X, allowed=allowed)].all()
    assert clf.mask_in_loss_ == 0


@pytest.mark.parametrize("mask_of", [np.asarray, CSR])
def test_both_losses_are_weighted(mask_of, rows):
    X, y, allowed = rows
    clf = make(mask_in_loss=0.3, **STILL).fit(X, y, allowed=mask_of(allowed))
    logits = clf.model_.predict(X, verbose=0)
    true = logits[np.arange(N), y]
    restricted = logsumexp(np.where(allowed, logits, -np.inf), axis=1) - true
    expected = np.mean(0.3 * restricted + 0.7 * (logsumexp(logits, axis=1) - true))
    assert clf.history_["loss"] == [pytest.approx(expected)]


def test_loss_over_all_classes_is_finite_for_logits_of_any_size():
    logits = np.array([[1e30, -1e30, 0]], np.float32)
    allowed = np.array([[False, True, True]])
    loss = restricted_crossentropy(np.array([1]), logits, allowed, mask_in_loss=0.5)
    assert np.isfinite(loss).all()


def test_many_classes_train_on_all_of_them(rows):
    X, y, _ = rows
    allowed = np.zeros((N, 600), bool)
    allowed[np.arange(N)[:, np.newaxis], np.arange(K)] = True
    clf = make(mask_in_loss=0.0, classes=np.arange(600)).fit(X, y, allowed=CSR(allowed))
    assert_same_weights(clf, make(classes=np.arange(600)).fit(X, y))


@pytest.mark.parametrize(("follows_mask", "best"), [(False, 0.0), (True, 1.0)])
def test_auto_takes_the_value_that_loses_least_on_validation_rows(follows_mask, best, rows):
    X, y, allowed = rows
    y = allowed.argmax(axis=1) if follows_mask else y
    training = {"X": X[:60], "y": y[:60], "allowed": allowed[:60]}
    own = {"X_val": X[60:], "y_val": y[60:], "allowed_val": allowed[60:]}
    settings = {"epochs": 30, "learning_rate": 0.02, "classes": np.arange(K)}
    fixed = {
        share: make(mask_in_loss=share, **settings).fit(**training, **own)
        for share in (1.0, 0.5, 0.0)
    }
    losses = {share: log_loss(clf, X[60:], y[60:], allowed[60:]) for share, clf in fixed.items()}
    clf = make(mask_in_loss="auto", **settings).fit(**training, **own)
    assert clf.mask_in_loss_ == min(losses, key=losses.get) == best
    assert_same_weights(clf, fixed[best])


@pytest.mark.parametrize("mask_of", [np.asarray, CSR, lambda allowed: np.ones(K, bool)])
def test_auto_trains_on_all_rows_in_the_end(mask_of, rows):
    X, y, allowed = rows
    clf = make(mask_in_loss="auto").fit(X, y, allowed=mask_of(allowed))
    share = clf.mask_in_loss_
    assert_same_weights(clf, make(mask_in_loss=share).fit(X, y, allowed=mask_of(allowed)))
    assert "val_loss" not in clf.history_


def test_auto_without_a_mask_is_a_plain_fit(rows):
    X, y, _ = rows
    clf = make(mask_in_loss="auto").fit(X, y)
    assert_same_weights(clf, make().fit(X, y))
    assert clf.mask_in_loss_ == 1


def test_auto_of_shares_and_many_classes(rows):
    X, y, allowed = rows
    clf = make(mask_in_loss="auto").fit(X, np.eye(K)[y], allowed=allowed)
    expected = make(mask_in_loss="auto").fit(X, y, allowed=allowed)
    assert clf.mask_in_loss_ == expected.mask_in_loss_
    many = np.zeros((N, 600), bool)
    many[:, :K] = allowed
    clf = make(mask_in_loss="auto", classes=np.arange(600)).fit(X, y, allowed=CSR(many))
    dense = make(mask_in_loss="auto", classes=np.arange(600)).fit(X, y, allowed=many)
    assert clf.mask_in_loss_ == dense.mask_in_loss_


def test_auto_is_kept_while_training_goes_on(rows):
    X, y, allowed = rows
    clf = make(mask_in_loss="auto", warm_start=True).fit(X, y, allowed=allowed)
    share = clf.mask_in_loss_
    assert clf.fit(X, y, allowed=allowed).mask_in_loss_ == share
    assert clf.partial_fit(X, y, allowed=allowed).mask_in_loss_ == share
    same = make(mask_in_loss=share, warm_start=True).fit(X, y, allowed=allowed)
    same.fit(X, y, allowed=allowed).partial_fit(X, y, allowed=allowed)
    assert_same_weights(clf, same)


def test_callbacks_hear_of_the_last_training_only(rows):
    import keras

    class Counter(keras.callbacks.Callback):
        n_epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.n_epochs += 1

    X, y, allowed = rows
    counter = Counter()
    make(mask_in_loss="auto", callbacks=[counter]).fit(X, y, allowed=allowed)
    assert counter.n_epochs == 3


def test_auto_needs_rows_to_hold_out():
    with pytest.raises(ValueError, match="mask_in_loss='auto'"):
        make(mask_in_loss="auto").fit([[0.0], [1]], [0, 1], allowed=np.ones((2, 2), bool))


def test_auto_is_refused_in_a_first_partial_fit(rows):
    X, y, allowed = rows
    with pytest.raises(ValueError, match="mask_in_loss must be a number in partial_fit"):
        make(mask_in_loss="auto").partial_fit(X, y, np.arange(K), allowed=allowed)


# The mask in the input.


@pytest.mark.parametrize("X_of", [np.asarray, CSR])
@pytest.mark.parametrize("mask_of", [np.asarray, CSR])
def test_mask_in_the_input_is_columns_behind_the_features(X_of, mask_of, rows):
    X, y, allowed = rows
    both = np.hstack([X, allowed])
    clf = make(mask_in_input=True).fit(X_of(X), y, allowed=mask_of(allowed))
    expected = make().fit(both, y, allowed=allowed)
    for ours, theirs in zip(weights(clf), weights(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    proba = clf.predict_proba(X_of(X), allowed=mask_of(allowed))
    np.testing.assert_allclose(proba, expected.predict_proba(both, allowed=allowed), atol=1e-6)
    assert clf.n_features_in_ == M


def test_mask_in_the_input_of_one_mask_and_of_all(rows):
    X, y, allowed = rows
    clf = make(mask_in_input=True).fit(X, y, allowed=allowed)
    one = np.array([True, False, True, True, False])
    proba = clf.predict_proba(X, allowed=one)
    np.testing.assert_array_equal(proba, clf.predict_proba(X, allowed=np.tile(one, (N, 1))))
    ones = np.ones((N, K), bool)
    lifted = clf.predict_proba(X, allowed="all")
    np.testing.assert_array_equal(lifted, clf.predict_proba(X, allowed=ones))


def test_mask_in_the_input_goes_through_the_life_of_an_estimator(rows):
    X, y, allowed = rows
    clf = make(mask_in_input=True, early_stopping=True).fit(X, y, allowed=allowed)
    proba = clf.predict_proba(X, allowed=allowed)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X, allowed=allowed), proba)
    with sklearn.config_context(enable_metadata_routing=True):
        grid = {"mask_in_input": [False, True], "mask_in_loss": [0.0, 1.0, "auto"]}
        search = GridSearchCV(make(), grid, cv=2, error_score="raise").fit(X, y, allowed=allowed)
        assert np.isfinite(search.score(X, y, allowed=allowed))
    clf.partial_fit(X, y, allowed=allowed)


@pytest.mark.parametrize("mask", ["rows", "one", "all"])
def test_mask_in_the_input_is_exported(mask, rows):
    X, y, allowed = rows
    X = X.astype(np.float32)
    clf = make(mask_in_input=True).fit(X, y, allowed=allowed)
    masks = {"rows": allowed, "one": np.array([True, False, True, True, True]), "all": "all"}
    session = InferenceSession(to_onnx(clf, X, allowed=masks[mask]).SerializeToString())
    given = {"X": X, "allowed": allowed} if mask == "rows" else {"X": X}
    labels, proba = session.run(None, given)
    np.testing.assert_array_equal(labels, clf.predict(X, allowed=masks[mask]))
    np.testing.assert_allclose(proba, clf.predict_proba(X, allowed=masks[mask]), atol=1e-5)


def test_mask_in_columns_may_be_in_the_input_too(rows):
    X, y, allowed = rows
    both = np.hstack([X, allowed]).astype(np.float32)
    clf = make(mask_in_input=True, allowed_columns=slice(M, None)).fit(both, y)
    expected = make(mask_in_input=True).fit(X.astype(np.float32), y, allowed=allowed)
    assert_same_weights(clf, expected)
    session = InferenceSession(to_onnx(clf, both).SerializeToString())
    np.testing.assert_allclose(
        session.run(None, {"X": both})[1], clf.predict_proba(both), atol=1e-5
    )


def test_mask_in_the_input_needs_a_mask(rows):
    X, y, _ = rows
    with pytest.raises(ValueError, match=r"mask_in_input must be False without a mask.*no mask"):
        make(mask_in_input=True).fit(X, y)


def test_mask_in_the_input_of_images_is_refused(rows):
    from skmask.networks import Convolutional

    _, y, allowed = rows
    images = np.zeros((N, 4, 4))
    clf = RestrictedClassClassifier(network=Convolutional((2,)), mask_in_input=True)
    with pytest.raises(ValueError, match=r"mask_in_input must be False.*shape \(90, 4, 4\)"):
        clf.fit(images, y, allowed=allowed)


# A mask that follows from the row.


@pytest.mark.parametrize("kind", [RestrictedClassClassifier, CostSensitiveClassifier])
def test_rule_is_the_mask_that_it_returns(kind, rows):
    X, y, _ = rows
    keep = rule(X)[np.arange(N), y]
    X, y = X[keep], y[keep]
    clf = make(kind, allowed_rule=rule).fit(X, y)
    expected = make(kind).fit(X, y, allowed=rule(X))
    assert_same_weights(clf, expected)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        found = getattr(clf, method)(X)
        np.testing.assert_array_equal(found, getattr(expected, method)(X, allowed=rule(X)))
    assert clf.score(X, y) == expected.score(X, y, allowed=rule(X))
    lifted = clf.predict_proba(X, allowed="all")
    np.testing.assert_array_equal(lifted, expected.predict_proba(X, allowed="all"))


def test_rule_goes_where_no_metadata_goes(rows):
    X, y, _ = rows
    keep = rule(X)[np.arange(N), y]
    X, y = X[keep], y[keep]
    clf = make(allowed_rule=rule)
    predicted = cross_val_predict(clf, X, y, cv=2)
    assert rule(X)[np.arange(len(X)), predicted].all()
    fitted = pickle.loads(pickle.dumps(clone(clf).fit(X, y)))
    assert permutation_importance(fitted, X, y, n_repeats=1).importances.shape == (M, 1)
    pipe = make_pipeline(FunctionTransformer(), clf).fit(X, y)
    assert rule(X)[np.arange(len(X)), pipe.predict(X)].all()


def test_rule_of_a_data_frame_sees_its_columns(rows):
    X, y, _ = rows
    keep = rule(X)[np.arange(N), y]
    frame = pd.DataFrame(X[keep], columns=list("abcd"))
    clf = make(allowed_rule=lambda frame: rule(frame[["a", "b", "c", "d"]]))
    assert_same_weights(clf.fit(frame, y[keep]), make(allowed_rule=rule).fit(X[keep], y[keep]))


def test_rule_holds_for_validation_rows(rows):
    X, y, _ = rows
    keep = rule(X)[np.arange(N), y]
    X, y = X[keep], y[keep]
    clf = make(allowed_rule=rule, monitor="neg_log_loss", classes=np.arange(K))
    clf = clf.fit(X, y, X_val=X, y_val=y)
    assert clf.history_["val_loss"][-1] == pytest.approx(log_loss(clf, X, y, rule(X)), abs=1e-5)
    assert clf.validation_scores_[-1] == pytest.approx(-clf.history_["val_loss"][-1], abs=1e-5)


def test_rule_beside_a_mask_is_refused(rows):
    X, y, allowed = rows
    with pytest.raises(ValueError, match="allowed must not be given together with allowed_rule"):
        make(allowed_rule=rule).fit(X, y, allowed=allowed)
    with pytest.raises(ValueError, match="allowed_rule must be None where allowed_columns"):
        make(allowed_rule=rule, allowed_columns=slice(M, None)).fit(np.hstack([X, allowed]), y)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (no_rule, "allowed_rule must return a mask for the rows of X; got None"),
        (lambda X: np.ones((3, K), bool), r"allowed_rule: allowed must have shape"),
        (lambda X: np.zeros((N, K), bool), "allowed_rule: allowed must leave every row"),
    ],
)
def test_rule_that_returns_no_mask(wrong, match, rows):
    X, y, _ = rows
    with pytest.raises(ValueError, match=match):
        make(allowed_rule=wrong).fit(X, y)


def test_rule_of_rows_on_disk_is_refused(tmp_path, rows):
    X, y, _ = rows
    np.save(tmp_path / "X.npy", X)
    clf = make(allowed_rule=rule, shuffle_buffer=20)
    with pytest.raises(ValueError, match="allowed_rule must be None where X is read from disk"):
        clf.fit(np.load(tmp_path / "X.npy", mmap_mode="r"), y)


def test_rule_that_is_lifted_is_lifted_for_validation_rows():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, M)), np.arange(40) % K
    clf = make(allowed_rule=rule).fit(X, y, allowed="all", X_val=X, y_val=y)
    logits = clf.model_.predict(X, verbose=0)
    expected = np.mean(logsumexp(logits, axis=1) - logits[np.arange(40), y])
    assert clf.history_["val_loss"][-1] == pytest.approx(expected, abs=1e-5)


def test_rule_of_rows_on_disk_that_a_buffer_holds(tmp_path, rows):
    X, y, _ = rows
    keep = rule(X)[np.arange(N), y]
    np.save(tmp_path / "X.npy", X[keep])
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = make(allowed_rule=rule).fit(on_disk, y[keep])
    assert_same_weights(clf, make(allowed_rule=rule).fit(X[keep], y[keep]))
    assert rule(X)[np.arange(N), clf.predict(X)].all()


def test_mask_in_the_input_of_rows_on_disk_is_refused(tmp_path, rows):
    X, y, allowed = rows
    np.save(tmp_path / "X.npy", X)
    clf = make(mask_in_input=True, shuffle_buffer=20).fit(X, y, allowed=allowed)
    with pytest.raises(ValueError, match=r"mask_in_input must be False .* read from disk"):
        clf.predict(np.load(tmp_path / "X.npy", mmap_mode="r"), allowed=allowed)


def test_auto_asks_no_scorer_where_nothing_stops_early(rows):
    X, y, allowed = rows
    y = np.where(np.arange(N) == 5, 99, y)  # a class of one row is never held out
    allowed = np.c_[allowed, np.arange(N) == 5]
    clf = make(mask_in_loss="auto", monitor="neg_log_loss").fit(X, y, allowed=allowed)
    assert clf.mask_in_loss_ in (0, 0.5, 1)


def test_auto_is_found_where_a_mask_comes_first(rows):
    X, y, allowed = rows
    clf = make(mask_in_loss="auto", warm_start=True, classes=np.arange(K)).fit(X, y)
    assert clf.mask_in_loss_ == 1
    assert clf.fit(X, y, allowed=allowed).mask_in_loss_ in (0, 0.5, 1)
    with pytest.raises(ValueError, match="mask_in_loss must be a number in partial_fit"):
        make(mask_in_loss="auto").partial_fit(X, y, np.arange(K)).partial_fit(X, y, allowed=allowed)


def test_sparse_updates_need_the_restricted_loss(rows):
    X, y, allowed = rows
    with pytest.raises(ValueError, match="sparse_updates must be False where mask_in_loss"):
        make(mask_in_loss=0.5, sparse_updates=True).fit(X, y, allowed=allowed)


def test_parameters_that_came_after_a_stored_model_have_their_defaults(rows):
    X, y, allowed = rows
    clf = make().fit(X, y, allowed=allowed)
    state = clf.__getstate__()
    for name in ("mask_in_loss", "mask_in_input", "allowed_rule", "shuffle_buffer"):
        del state[name]
    again = object.__new__(RestrictedClassClassifier)
    again.__setstate__(state)
    assert again.get_params() == clf.get_params()
    proba = again.predict_proba(X, allowed=allowed)
    np.testing.assert_array_equal(proba, clf.predict_proba(X, allowed=allowed))
