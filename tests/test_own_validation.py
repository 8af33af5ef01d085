"""Validation rows of one's own: what they are read as, reported as, and what stops on them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning"),
    pytest.mark.filterwarnings("ignore:lbfgs stopped:sklearn.exceptions.ConvergenceWarning"),
]

N, K = 40, 3
FEW = {"epochs": 4, "random_state": 0, "batch_size": 256}
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 4))
y = (X[:, 0] + 0.5 * rng.normal(size=N) > 0).astype(int) + (X[:, 1] > 0)
ALLOWED = rng.random((N, K)) < 0.6
ALLOWED[np.arange(N), y] = True
COSTS = rng.uniform(0, 9, size=(N, K, K))
Y = np.where(rng.random((N, K)) < 0.1, np.nan, y[:, np.newaxis] == np.arange(K))
WEIGHT = rng.uniform(0.1, 2, size=N)
SEQUENCES = [rng.normal(size=(2 + i % 5, 2)) for i in range(N)]
STEPS = [(each[:, 0] > 0).astype(int) for each in SEQUENCES]
STEP_WEIGHT = [np.full(len(each), WEIGHT[i]) for i, each in enumerate(STEPS)]
STEP_ALLOWED = [np.ones((len(each), 2), bool) for each in STEPS]

# An estimator, its training rows, and what its fit takes beside them.
CASES = {
    "restricted": (RestrictedClassClassifier((8,), **FEW), X, y, {"allowed": ALLOWED}),
    "sparse mask": (
        RestrictedClassClassifier((8,), **FEW),
        sparse.csr_array(X),
        y,
        {"allowed": sparse.csr_array(ALLOWED)},
    ),
    "costs": (
        CostSensitiveClassifier((8,), loss="expected_cost", **FEW),
        X,
        y,
        {"costs": COSTS, "allowed": ALLOWED},
    ),
    "costs of truth": (
        CostSensitiveClassifier((8,), loss="expected_cost", **FEW),
        X,
        y,
        {"costs": COSTS[:, 0]},
    ),
    "cost matrix": (
        CostSensitiveClassifier((8,), loss="expected_cost", cost_matrix=COSTS[0], **FEW),
        X,
        y,
        {},
    ),
    "argmax costs": (
        CostSensitiveClassifier((8,), loss="weighted_crossentropy", **FEW),
        X,
        y,
        {"costs": COSTS},
    ),
    "multilabel": (WeightedMultilabelClassifier((8,), **FEW), X, Y, {}),
    "one versus rest": (WeightedMultilabelClassifier((8,), **FEW), X, y, {}),
    "prototypes": (PrototypeClassifier(solver="adam", alpha=0.0, **FEW), X, y, {}),
    "sequences": (MaskedSequenceClassifier(4, **FEW), SEQUENCES, STEPS, {"allowed": STEP_ALLOWED}),
    "label by sequence": (MaskedSequenceClassifier(4, **FEW), SEQUENCES, y, {"allowed": ALLOWED}),
    "decoder": (
        MaskedSequenceClassifier(4, architecture="encoder_decoder", padding_label=-1, **FEW),
        X[:, :, np.newaxis],
        np.where(rng.random((N, 3)) < 0.2, -1, y[:, np.newaxis]),
        {},
    ),
}


def validating(arguments):
    """Return arguments of a fit under the names of validation rows."""
    return {f"{name}_val": value for name, value in arguments.items()}


def weight_of(name):
    return STEP_WEIGHT if name == "sequences" else WEIGHT


# What is reported.


@pytest.mark.parametrize("name", CASES)
def test_val_loss_on_the_training_rows_is_the_loss_of_the_next_epoch(name):
    clf, rows, labels, beside = CASES[name]
    own = validating({"X": rows, "y": labels, "sample_weight": weight_of(name), **beside})
    clf = clone(clf).fit(rows, labels, weight_of(name), **beside, **own)
    loss = clf.history_["loss"]  # of a single batch, before its step
    np.testing.assert_allclose(clf.history_["val_loss"][:-1], loss[1:], rtol=2e-5)
    assert len({round(value, 6) for value in loss}) == len(loss)


def test_val_loss_of_lbfgs_on_the_training_rows_is_its_loss():
    clf = PrototypeClassifier(alpha=0.0, max_iter=6).fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(clf.history_["val_loss"], clf.history_["loss"], rtol=1e-9)
    assert len(clf.history_["val_accuracy"]) == clf.n_iter_


def test_val_loss_is_that_of_numpy_epoch_by_epoch():
    held = np.arange(N) % 4 == 0
    own = {"X_val": X[held], "y_val": y[held], "allowed_val": ALLOWED[held]}
    clf = RestrictedClassClassifier((8,), **{**FEW, "batch_size": 8, "class_weight": "balanced"})
    weight = WEIGHT[held]
    expected = []
    for epochs in range(1, 4):
        clf.set_params(epochs=epochs)
        clf.fit(X, y, allowed=ALLOWED, **own, sample_weight_val=weight)
        hidden, bias, kernel, last = (np.asarray(w, float) for w in clf.model_.get_weights())
        logits = np.maximum(X[held] @ hidden + bias, 0) @ kernel + last
        logits[~ALLOWED[held]] = -np.inf
        losses = -log_softmax(logits, axis=1)[np.arange(held.sum()), y[held]]
        expected.append(np.average(losses, weights=weight))
    np.testing.assert_allclose(clf.history_["val_loss"], expected, rtol=1e-5)


def test_unknown_labels_of_validation_rows_are_left_out():
    clf = WeightedMultilabelClassifier((8,), pos_weight=3.0, **FEW)
    known = np.where(np.isnan(Y), 0, Y)
    with_nan = clone(clf).fit(X, Y, X_val=X, y_val=Y)
    by_weight = clone(clf).fit(X, Y, X_val=X, y_val=known, sample_weight_val=~np.isnan(Y))
    assert with_nan.history_["val_loss"] == by_weight.history_["val_loss"]
    assert with_nan.history_["val_recall"] == by_weight.history_["val_recall"]


def test_validation_rows_change_nothing_in_the_training():
    clf = RestrictedClassClassifier((8,), **{**FEW, "batch_size": 8})
    plain = clone(clf).fit(X, y)
    watched = clone(clf).fit(X, y, X_val=X[:9], y_val=y[:9])
    np.testing.assert_array_equal(watched.predict_proba(X), plain.predict_proba(X))
    assert watched.history_["loss"] == plain.history_["loss"]
    assert {"val_loss", "val_accuracy"} == set(watched.history_) - set(plain.history_)


def test_attributes_of_validation_are_there_with_validation_rows_only():
    clf = RestrictedClassClassifier((8,), **FEW).fit(X, y)
    assert not hasattr(clf, "best_epoch_")
    assert not hasattr(clf, "validation_scores_")
    clf.fit(X, y, X_val=X, y_val=y)
    assert clf.validation_scores_ == [-value for value in clf.history_["val_loss"]]
    assert clf.best_epoch_ == 1 + np.argmin(clf.history_["val_loss"])
    clf.partial_fit(X, y)
    assert not hasattr(clf, "validation_scores_")


def test_warm_start_scores_the_epochs_of_its_last_fit():
    clf = RestrictedClassClassifier((8,), warm_start=True, **FEW)
    clf.fit(X, y, X_val=X, y_val=y).fit(X, y, X_val=X, y_val=y)
    assert clf.n_iter_ == len(clf.history_["val_loss"]) == 8
    assert clf.validation_scores_ == [-value for value in clf.history_["val_loss"][4:]]


# Early stopping.


def epoch_of_hand_loop(losses, patience):
    """Return the epochs that are run, and the one with the lowest loss."""
    lowest, best = np.inf, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < lowest:
            lowest, best = loss, epoch
        if epoch - best >= patience:
            return epoch, best
    return len(losses), best


@pytest.mark.parametrize("name", ["restricted", "multilabel", "prototypes", "sequences", "costs"])
def test_early_stopping_on_own_rows_stops_where_a_hand_loop_does(name):
    clf, rows, labels, beside = CASES[name]
    half, other = slice(0, N, 2), slice(1, N, 2)
    train = {key: value[half] for key, value in beside.items()}
    own = validating({key: value[other] for key, value in beside.items()})
    own |= {"X_val": rows[other], "y_val": labels[other]}
    clf = clone(clf).set_params(epochs=60, batch_size=8, learning_rate=0.05, n_iter_no_change=3)
    whole = clone(clf).fit(rows[half], labels[half], **train, **own)
    n_epochs, best = epoch_of_hand_loop(whole.history_["val_loss"], patience=3)
    assert n_epochs < 60
    stopped = clone(clf).set_params(early_stopping=True)
    stopped.fit(rows[half], labels[half], **train, **own)
    assert (stopped.n_iter_, stopped.best_epoch_) == (n_epochs, best)
    again = clone(clf).set_params(epochs=best).fit(rows[half], labels[half], **train)
    lifted = {"allowed": "all"} if "allowed" in beside else {}
    np.testing.assert_array_equal(
        stopped.predict_proba(rows, **lifted), again.predict_proba(rows, **lifted)
    )


def test_lbfgs_stops_early_on_own_rows():
    clf = PrototypeClassifier(n_prototypes=4, alpha=0.0, n_iter_no_change=2, random_state=0)
    half, other = slice(0, N, 2), slice(1, N, 2)
    own = {"X_val": X[other], "y_val": y[other]}
    whole = clone(clf).fit(X[half], y[half], **own)
    n_epochs, best = epoch_of_hand_loop(whole.history_["val_loss"], patience=2)
    stopped = clone(clf).set_params(early_stopping=True).fit(X[half], y[half], **own)
    assert (stopped.n_iter_, stopped.best_epoch_) == (n_epochs, best)
    codes = stopped.predict_log_proba(X[other])[np.arange(N // 2), y[other]]
    np.testing.assert_allclose(-codes.mean(), min(stopped.history_["val_loss"]), rtol=1e-6)


def test_tuned_thresholds_are_those_of_own_rows():
    labels = np.where(np.isnan(Y), 0, Y).astype(int)
    clf = WeightedMultilabelClassifier((8,), threshold="tuned", **FEW)
    clf.fit(X[10:], labels[10:], X_val=X[:10], y_val=labels[:10])
    plain = clone(clf).set_params(threshold=0.5).fit(X[10:], labels[10:])
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))

    def f1(cut):
        predicted = plain.predict_proba(X[:10])[:, 0] > cut
        return 2 * (predicted * labels[:10, 0]).sum() / (predicted.sum() + labels[:10, 0].sum())

    best = max(f1(cut) for cut in np.linspace(0, 1, 500))
    assert f1(clf.thresholds_[0]) == pytest.approx(best)


# What they may be.


def test_named_columns_of_validation_rows_are_checked_like_those_of_a_prediction():
    frame = pd.DataFrame(X, columns=list("abcd"))
    clf = RestrictedClassClassifier((8,), **FEW).fit(frame, y, X_val=frame[:9], y_val=y[:9])
    assert clf.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="X_val: The feature names should match those"):
        clf.fit(frame, y, X_val=frame[list("bacd")], y_val=y)


def test_mask_of_validation_rows_is_aligned_by_label():
    names = np.array(["u", "v", "w"])
    clf = RestrictedClassClassifier((8,), **FEW)
    mask = pd.DataFrame(ALLOWED, columns=names)[["w", "u", "v"]]
    own = {"X_val": X, "y_val": names[y], "allowed_val": mask}
    by_name = clone(clf).fit(X, names[y], allowed=mask, **own)
    plain = clone(clf).fit(X, y, allowed=ALLOWED, X_val=X, y_val=y, allowed_val=ALLOWED)
    assert by_name.history_ == plain.history_


@pytest.mark.parametrize("kind", ["one mask", "sets", "sparse"])
def test_masks_of_both_may_be_of_different_kinds(kind):
    mask = np.array([True, True, False])
    rows = y < 2
    kinds = {
        "one mask": mask,
        "sets": [{0, 1}] * rows.sum(),
        "sparse": sparse.csr_array(np.tile(mask, (rows.sum(), 1))),
    }
    clf = RestrictedClassClassifier((8,), classes=[0, 1, 2], **FEW)
    by_row = np.tile(mask, (rows.sum(), 1))
    found = [
        clone(clf).fit(
            X[rows], y[rows], allowed=one, X_val=X[rows], y_val=y[rows], allowed_val=other
        )
        for one, other in ((by_row, by_row), (by_row, kinds[kind]), (kinds[kind], by_row))
    ]
    losses = [each.history_["val_loss"] for each in found]
    np.testing.assert_allclose(losses[1:], losses[:1] * 2, rtol=1e-6)


def test_mask_of_validation_rows_may_be_lifted_on_purpose():
    clf = RestrictedClassClassifier((8,), **FEW)
    own = {"X_val": X, "y_val": y}
    masked = clone(clf).fit(X, y, allowed=ALLOWED, allowed_val=ALLOWED, **own)
    lifted = clone(clf).fit(X, y, allowed=ALLOWED, allowed_val="all", **own)
    assert lifted.history_["val_loss"][-1] > masked.history_["val_loss"][-1]


def test_mask_in_columns_is_taken_from_those_of_validation_rows():
    clf = RestrictedClassClassifier((8,), **FEW)
    both = np.c_[X, ALLOWED]
    columns = clone(clf).set_params(allowed_columns=slice(4, 7)).fit(both, y, X_val=both, y_val=y)
    argument = clone(clf).fit(X, y, allowed=ALLOWED, X_val=X, y_val=y, allowed_val=ALLOWED)
    assert columns.history_ == argument.history_


@pytest.mark.parametrize("class_weight", [None, {0: 1, 1: 2, 2: 3}])
def test_labels_and_shares_of_validation_rows_are_the_same(class_weight):
    clf = RestrictedClassClassifier((8,), class_weight=class_weight, **FEW)
    shares = np.eye(K)[y]
    expected = clone(clf).fit(X, y, X_val=X[:20], y_val=y[:20]).history_
    for of_training, own in [(y, shares), (shares, y), (shares, shares)]:
        found = clone(clf).fit(X, of_training, X_val=X[:20], y_val=own[:20]).history_
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], 1e-5)


def test_validation_labels_may_lack_a_class():
    rows = y != 2
    clf = RestrictedClassClassifier((8,), class_weight={2: 3}, **FEW)
    clf.fit(X, y, X_val=X[rows], y_val=y[rows])
    assert clf.classes_.tolist() == [0, 1, 2]
    assert np.isfinite(clf.history_["val_loss"]).all()


def test_rows_without_weight_do_not_count_in_validation():
    clf = RestrictedClassClassifier((8,), **FEW)
    some = np.arange(N) % 2 == 0
    weighted = clone(clf).fit(X, y, X_val=X, y_val=y, sample_weight_val=some)
    fewer = clone(clf).fit(X, y, X_val=X[some], y_val=y[some])
    np.testing.assert_allclose(weighted.history_["val_loss"], fewer.history_["val_loss"])


def test_validation_sequences_may_be_padded_longer_and_labelled_shorter():
    clf, rows, labels, _ = CASES["decoder"]
    longer = np.concatenate([rows, np.full((N, 9, 1), np.nan)], axis=1)
    shorter = np.where(labels == -1, -1, labels)
    shorter[:, 2] = -1
    clf.fit(rows, labels, X_val=longer[:, :4], y_val=shorter)
    expected = clf.history_["val_loss"]
    clf.fit(list(rows), labels, X_val=[*longer[:, :4]], y_val=shorter[:, :2])
    np.testing.assert_allclose(clf.history_["val_loss"], expected, rtol=1e-6)


def test_arguments_are_not_written_to():
    given = [np.array(each) for each in (X, y, WEIGHT, ALLOWED)]
    for each in given:
        each.flags.writeable = False
    own = dict(zip(["X_val", "y_val", "sample_weight_val", "allowed_val"], given, strict=True))
    clf = RestrictedClassClassifier((8,), **FEW).fit(X, y, allowed=ALLOWED, **own)
    assert clf.n_iter_ == 4


# Tools.


def test_search_hands_validation_rows_to_its_fits():
    clf = RestrictedClassClassifier((8,), early_stopping=True, **FEW)
    search = GridSearchCV(clf, {"alpha": [0.0, 0.1]}, cv=2)
    search.fit(X, y, X_val=X[:9], y_val=y[:9])
    best = clone(clf).set_params(**search.best_params_).fit(X, y, X_val=X[:9], y_val=y[:9])
    assert search.best_estimator_.history_ == best.history_


def test_pipeline_transforms_validation_rows(routing):
    scaler = StandardScaler()
    clf = RestrictedClassClassifier((8,), **FEW)
    clf.set_fit_request(X_val=True, y_val=True)
    pipe = make_pipeline(scaler, clf, transform_input=["X_val"])
    search = GridSearchCV(pipe, {"restrictedclassclassifier__alpha": [0.0]}, cv=2)
    search.fit(
        X, y, allowed=ALLOWED, X_val=X[:9], y_val=y[:9], allowed_val=ALLOWED[:9]
    )  # masks are requested by default
    scaled = StandardScaler().fit_transform(X)
    own = {"X_val": scaled[:9], "y_val": y[:9], "allowed_val": ALLOWED[:9]}
    expected = clone(clf).fit(scaled, y, allowed=ALLOWED, **own)
    assert search.best_estimator_[-1].history_ == expected.history_


def test_validation_survives_pickling():
    clf = RestrictedClassClassifier((8,), monitor="balanced_accuracy", **FEW)
    clf.fit(X, y, X_val=X, y_val=y)
    again = pickle.loads(pickle.dumps(clf))
    assert again.best_epoch_ == clf.best_epoch_
    assert again.validation_scores_ == clf.validation_scores_
    assert again.get_params() == clf.get_params()


# Messages.

TAGS = np.where(np.isnan(Y), 0, Y)
ERRORS = {
    "X_val alone": (
        "restricted",
        {"X_val": X},
        "y_val must be given with X_val; got None. Pass their labels, or leave X_val out",
    ),
    "y_val alone": ("restricted", {"y_val": y}, "X_val must be given with y_val; got No"),
    "weights alone": (
        "multilabel",
        {"sample_weight_val": WEIGHT},
        "X_val must be given with sample_weight_val; got None. Pass the rows",
    ),
    "mask alone": ("restricted", {"allowed_val": ALLOWED}, "X_val must be given with allowed_val"),
    "costs alone": ("costs", {"costs_val": COSTS}, "X_val must be given with costs_val"),
    "unknown labels": (
        "prototypes",
        {"X_val": X, "y_val": y + 1},
        r"y_val must hold only the labels listed in classes, \[0, 1, 2\]; got \[3\] in row.*correct"
        " y_val",
    ),
    "labels of another kind": (
        "one versus rest",
        {"X_val": X, "y_val": np.array(["y", "X", "b"])[y]},
        r"y_val must hold only the labels .*; got \['(y|X|b)', '(y|X|b)', '(y|X|b)'\] in rows",
    ),
    "number of features": (
        "prototypes",
        {"X_val": X[:, :2], "y_val": y},
        "X_val has 2 features, but PrototypeClassifier is expecting 4 features",
    ),
    "numbers of rows": (
        "prototypes",
        {"X_val": X, "y_val": y[:9]},
        "X_val and y_val: Found input variables with inconsistent numbers of samples",
    ),
    "nan": ("prototypes", {"X_val": X * np.nan, "y_val": y}, "Input X_val contains NaN"),
    "weights": (
        "prototypes",
        {"X_val": X, "y_val": y, "sample_weight_val": -WEIGHT},
        "sample_weight_val must not be negative",
    ),
    "no mask": (
        "restricted",
        {"X_val": X, "y_val": y},
        "allowed_val must be given where allowed is given; got None. Pass that of the valida",
    ),
    "mask in validation only": (
        "prototypes",
        {"X_val": X, "y_val": y, "allowed_val": ALLOWED},
        "allowed must be given where allowed_val is given; got None. Pass that of the training",
    ),
    "mask of another shape": (
        "restricted",
        {"X_val": X, "y_val": y, "allowed_val": ALLOWED[:9]},
        r"allowed_val must have shape \(n_samples, n_classes\) = \(40, 3\), or .*got \(9, 3\)",
    ),
    "label that is not allowed": (
        "restricted",
        {"X_val": X, "y_val": y, "allowed_val": np.arange(K) != y[:, np.newaxis]},
        "y_val must be among the classes that allowed_val leaves its row.*Correct y_val or allowed_"
        "val, or",
    ),
    "no costs": (
        "costs",
        {"X_val": X, "y_val": y, "allowed_val": ALLOWED},
        "costs_val must be given where costs is given; got None",
    ),
    "costs in validation only": (
        "cost matrix",
        {"X_val": X, "y_val": y, "costs_val": COSTS},
        "costs must be given where costs_val is given; got None",
    ),
    "costs of another shape": (
        "costs of truth",
        {"X_val": X, "y_val": y, "costs_val": COSTS[:9]},
        r"costs_val must have shape .* here; got \(9, 3, 3\)",
    ),
    "negative costs": (
        "argmax costs",
        {"X_val": X, "y_val": y, "costs_val": -COSTS},
        "costs_val must not hold negative costs with loss='weighted_crossentropy'",
    ),
    "labels": (
        "multilabel",
        {"X_val": X, "y_val": np.c_[TAGS, TAGS]},
        r"y_val must have one column for each of the 3 labels \[0, 1, 2\]; got 6 columns",
    ),
    "classes for labels": ("multilabel", {"X_val": X, "y_val": y}, "y_val must be"),
    "no known label": (
        "multilabel",
        {"X_val": X, "y_val": Y * np.nan},
        "y_val must hold a label with a weight above 0; got none",
    ),
    "kind of labels of sequences": (
        "sequences",
        {"X_val": SEQUENCES, "y_val": y % 2, "allowed_val": "all"},
        "y_val must have labels like those of training, one per step of X_val; got one per sequ",
    ),
    "steps": (
        "decoder",
        {"X_val": X[:, :, np.newaxis], "y_val": np.zeros((N, 4), int)},
        "y_val must have no more steps than the output, 3; got 4",
    ),
    "features of steps": (
        "sequences",
        {"X_val": [each[:, :1] for each in SEQUENCES], "y_val": STEPS, "allowed_val": "all"},
        "X_val must have the 2 features per step of the fit; got 1",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_validation_rows_are_refused_by_name(name):
    case, own, message = ERRORS[name]
    clf, rows, labels, beside = CASES[case]
    clf = clone(clf).fit(rows, labels, **beside)
    before = dict(vars(clf))
    with pytest.raises(ValueError, match=message):
        clf.fit(rows, labels, **beside, **own)
    assert vars(clf) == before


def test_validation_rows_beyond_float32_are_refused_by_name():
    clf = RestrictedClassClassifier((8,), dtype="float32", **FEW)
    message = "X_val must be 0 or of a size from .* which float32 can hold"
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y, X_val=X * 1e40, y_val=y)
    assert not hasattr(clf, "classes_")


def test_callbacks_of_scikit_learn_hear_of_training_rows_only():
    told = []

    class Listener:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
            told.append((X is rows, sorted(metadata)))

        def on_fit_task_end(self, estimator, context):
            pass

    rows = X.copy()
    clf = RestrictedClassClassifier((8,), **FEW).set_callbacks(Listener())
    clf.fit(rows, y, allowed=ALLOWED, X_val=X, y_val=y, allowed_val=ALLOWED)
    assert told
    assert all(each == (True, ["allowed"]) for each in told)
