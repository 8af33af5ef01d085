"""The parameter `monitor`: scores of epochs on validation rows, given or held out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score, get_scorer, make_scorer

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.metrics import make_cost_scorer, make_sequence_scorer, mean_cost, routed_scorer

pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")

N, K = 60, 3
FEW = {"epochs": 4, "random_state": 0, "learning_rate": 0.03}
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 4))
y = (X[:, 0] + rng.normal(size=N) > 0).astype(int) + (X[:, 1] > 0)
ALLOWED = rng.random((N, K)) < 0.6
ALLOWED[np.arange(N), y] = True
COSTS = rng.uniform(0, 9, size=(N, K, K))
WEIGHT = rng.uniform(0.1, 2, size=N)
TRAIN, VAL = slice(0, N, 2), slice(1, N, 2)
OWN = {"X_val": X[VAL], "y_val": y[VAL]}


def scores_by_hand(clf, score, *rows, **arguments):
    """Return the scores of fits that end after one epoch, two epochs and so on."""
    fits = (clone(clf).set_params(monitor="loss", epochs=n + 1) for n in range(clf.epochs))
    return [score(each.fit(*rows, **arguments)) for each in fits]


@pytest.mark.parametrize("name", ["balanced_accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr"])
def test_scores_are_those_of_the_scorer_after_each_epoch(name):
    clf = RestrictedClassClassifier((8,), monitor=name, **FEW).fit(X[TRAIN], y[TRAIN], **OWN)
    expected = scores_by_hand(
        clf, lambda fit: get_scorer(name)(fit, X[VAL], y[VAL]), X[TRAIN], y[TRAIN]
    )
    np.testing.assert_allclose(clf.validation_scores_, expected)
    assert clf.best_epoch_ == 1 + np.argmax(expected)


def test_early_stopping_keeps_the_epoch_of_the_best_score():
    scores = iter([0.1, 0.5, 0.5, 0.4, 0.3, 0.9])
    clf = RestrictedClassClassifier(
        (8,),
        monitor=lambda estimator, X, y: next(scores),
        early_stopping=True,
        n_iter_no_change=3,
        **{**FEW, "epochs": 50},
    ).fit(X[TRAIN], y[TRAIN], **OWN)
    assert (clf.n_iter_, clf.best_epoch_) == (5, 2)
    assert clf.validation_scores_ == [0.1, 0.5, 0.5, 0.4, 0.3]
    again = RestrictedClassClassifier((8,), **{**FEW, "epochs": 2}).fit(X[TRAIN], y[TRAIN])
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


ACCURATE = {
    "restricted": (RestrictedClassClassifier((8,), **FEW), X, y),
    "multilabel": (WeightedMultilabelClassifier((8,), **FEW), X, np.c_[y > 0, y > 1].astype(int)),
    "prototypes": (PrototypeClassifier(solver="adam", **FEW), X, y),
    "lbfgs": (PrototypeClassifier(max_iter=4), X, y),
    "sequences": (MaskedSequenceClassifier(4, **FEW), X[..., np.newaxis], (X > 0).astype(int)),
}


@pytest.mark.filterwarnings("ignore:lbfgs stopped:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ACCURATE)
def test_accuracy_is_what_score_returns(name):
    clf, rows, labels = ACCURATE[name]
    clf = clone(clf).set_params(monitor="accuracy")
    clf.fit(rows[TRAIN], labels[TRAIN], X_val=rows[VAL], y_val=labels[VAL])
    assert clf.validation_scores_[-1] == pytest.approx(clf.score(rows[VAL], labels[VAL]))
    assert len(clf.validation_scores_) == clf.n_iter_ == 4


def test_accuracy_counts_known_labels_of_the_multilabel_problem():
    labels = np.where(rng.random((N, K)) < 0.2, np.nan, y[:, np.newaxis] == np.arange(K))
    clf = WeightedMultilabelClassifier((8,), monitor="accuracy", **FEW)
    clf.fit(X[TRAIN], labels[TRAIN], X_val=X[VAL], y_val=labels[VAL])
    assert clf.validation_scores_[-1] == clf.score(X[VAL], labels[VAL])


# Masks, costs and weights.


def recall_of(estimator, X, y):
    """A scorer that knows nothing of masks."""
    return (estimator.predict(X) == y).mean()


@pytest.mark.parametrize(
    "monitor",
    [recall_of, "accuracy", "neg_log_loss", routed_scorer(f1_score, average="macro")],
    ids=["callable", "accuracy", "name", "routed"],
)
@pytest.mark.parametrize("lifted", [False, True])
def test_scorer_predicts_with_the_mask_of_the_validation_rows(monitor, lifted):
    mask = "all" if lifted else ALLOWED[VAL]
    clf = RestrictedClassClassifier((8,), monitor=monitor, **FEW)
    clf.fit(X[TRAIN], y[TRAIN], allowed=ALLOWED[TRAIN], **OWN, allowed_val=mask)
    predicted = clf.predict(X[VAL], allowed=mask)
    proba = clf.predict_proba(X[VAL], allowed=mask)
    expected = {
        "neg_log_loss": np.log(proba[np.arange(N // 2), y[VAL]]).mean(),
        "accuracy": (predicted == y[VAL]).mean(),
        recall_of: (predicted == y[VAL]).mean(),
    }.get(monitor, f1_score(y[VAL], predicted, average="macro"))
    assert clf.validation_scores_[-1] == pytest.approx(expected, rel=1e-5)


def seen_by_scorer(clf, *rows, **arguments):
    """Return the rows and labels that a scorer gets in a fit, and what its estimator predicts."""
    seen = []

    def monitor(estimator, X, y):
        seen[:] = X, y, estimator.predict(X)
        return 0.0

    clone(clf).set_params(monitor=monitor).fit(*rows, **arguments)
    return seen


@pytest.mark.parametrize("kind", ["array", "frame", "sets"])
def test_rows_held_out_come_as_they_were_passed(kind):
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(N) + 100)
    masks = {
        "array": ALLOWED,
        "frame": pd.DataFrame(ALLOWED),
        "sets": [set(np.flatnonzero(row).tolist()) for row in ALLOWED],
    }
    clf = RestrictedClassClassifier((8,), early_stopping=True, **FEW)
    weight = np.where(np.arange(N) < 3, 0, WEIGHT)
    rows, labels, predicted = seen_by_scorer(clf, frame, pd.Series(y), weight, allowed=masks[kind])
    numbers = rows.index.to_numpy() - 100
    assert rows.columns.tolist() == list("abcd")
    assert len(rows) == 6
    assert numbers.min() >= 3
    np.testing.assert_array_equal(rows, X[numbers])
    np.testing.assert_array_equal(labels, y[numbers])
    assert ALLOWED[numbers][np.arange(6), predicted].all()


def test_one_mask_for_all_rows_is_handed_to_the_scorer_whole():
    rows = y < 2
    clf = RestrictedClassClassifier((8,), classes=[0, 1, 2], early_stopping=True, **FEW)
    allowed = [True, True, False]
    _, _, predicted = seen_by_scorer(clf, X[rows], y[rows], allowed=allowed)
    assert set(predicted) <= {0, 1}


def test_sequences_held_out_come_as_they_were_passed():
    lists = [rng.normal(size=(2 + i % 4, 2)) for i in range(N)]
    labels = [(each[:, 0] > 0).astype(int) for each in lists]
    clf = MaskedSequenceClassifier(4, early_stopping=True, **FEW)
    rows, found, _ = seen_by_scorer(clf, lists, labels)
    numbers = [next(i for i, each in enumerate(lists) if each is row) for row in rows]
    assert all(labels[i] is each for i, each in zip(numbers, found, strict=True))


def test_scorer_of_sequences_gets_their_masks():
    rows, labels = X[..., np.newaxis], (X > 0).astype(int)
    masks = np.ones((N, 4, 2), bool)
    masks[:, 0] = np.eye(2)[labels[:, 0]]
    clf = MaskedSequenceClassifier(4, monitor=make_sequence_scorer(), **FEW)
    own = {"X_val": rows[VAL], "y_val": labels[VAL], "allowed_val": masks[VAL]}
    clf.fit(rows[TRAIN], labels[TRAIN], allowed=masks[TRAIN], **own)
    expected = clf.score(rows[VAL], labels[VAL], allowed=masks[VAL])
    assert clf.validation_scores_[-1] == pytest.approx(expected)


def test_scorer_gets_the_weights_of_the_validation_rows():
    clf = RestrictedClassClassifier((8,), monitor="balanced_accuracy", **FEW)
    clf.fit(X[TRAIN], y[TRAIN], **OWN, sample_weight_val=WEIGHT[VAL])
    scorer = get_scorer("balanced_accuracy")
    expected = scorer(clf, X[VAL], y[VAL], sample_weight=WEIGHT[VAL])
    assert clf.validation_scores_[-1] == pytest.approx(expected)


@pytest.mark.parametrize("held_out", [False, True])
def test_scorer_that_asks_for_costs_gets_those_of_the_validation_rows(held_out):
    clf = CostSensitiveClassifier((8,), monitor=make_cost_scorer(), early_stopping=held_out, **FEW)
    if held_out:
        clf.fit(X, y, costs=COSTS)
        found, _, predicted = seen_by_scorer(clf, X, y, costs=COSTS)
        numbers = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in found]
        cost = mean_cost(y[numbers], predicted, costs=COSTS[numbers])
    else:
        clf.fit(X[TRAIN], y[TRAIN], costs=COSTS[TRAIN], **OWN, costs_val=COSTS[VAL])
        cost = mean_cost(y[VAL], clf.predict(X[VAL], costs=COSTS[VAL]), costs=COSTS[VAL])
    assert clf.validation_scores_[-1] == pytest.approx(-cost)


def test_scorer_of_a_cost_matrix():
    matrix = COSTS[0]
    clf = CostSensitiveClassifier(
        (8,), cost_matrix=matrix, monitor=make_cost_scorer(matrix), **FEW
    ).fit(X[TRAIN], y[TRAIN], **OWN)
    expected = -mean_cost(y[VAL], clf.predict(X[VAL]), matrix)
    assert clf.validation_scores_[-1] == pytest.approx(expected)


def test_estimator_of_the_scorer_is_a_copy():
    seen = []

    def monitor(estimator, X, y):
        seen.append(estimator)
        return estimator.score(X, y)

    clf = RestrictedClassClassifier((8,), monitor=monitor, **FEW).fit(X[TRAIN], y[TRAIN], **OWN)
    assert all(each is not clf and each.get_params() == clf.get_params() for each in seen)
    assert [each.n_iter_ for each in seen] == [1, 2, 3, 4]
    scores = [each.score(X[VAL], y[VAL]) for each in seen]
    assert scores == clf.validation_scores_


def test_network_of_keras_is_scored_after_each_epoch():
    import keras

    def network(inputs, n_outputs):
        return keras.layers.Dense(n_outputs)(inputs)

    clf = RestrictedClassClassifier(network=network, monitor="balanced_accuracy", **FEW)
    clf.fit(X[TRAIN], y[TRAIN], **OWN)
    expected = get_scorer("balanced_accuracy")(clf, X[VAL], y[VAL])
    assert clf.validation_scores_[-1] == pytest.approx(expected)


def test_monitor_without_validation_rows_is_not_called():
    def monitor(estimator, X, y):
        raise AssertionError

    clf = RestrictedClassClassifier((8,), monitor=monitor, **FEW).fit(X, y)
    assert clf.n_iter_ == 4


# Messages.


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        (
            "los",
            "monitor must be 'loss', 'accuracy', the name of a scorer or a callable; got",
        ),
        (3, "The 'monitor' parameter .* must be an instance of 'str' or a callable. Got 3 instead"),
        (lambda *_: np.nan, "monitor must return a finite number; got nan in epoch 1. Use another"),
        (lambda *_: "good", "monitor must return a finite number; got 'good' in epoch 1"),
        (lambda *_: None, "monitor must return a finite number; got None in epoch 1"),
    ],
)
def test_bad_monitor(monitor, message):
    clf = RestrictedClassClassifier((8,), **FEW).fit(X, y)
    clf.set_params(monitor=monitor)
    before = dict(vars(clf))
    with pytest.raises(ValueError, match=message):
        clf.fit(X, y, **OWN)
    assert vars(clf) == before


def test_failing_scorer_leaves_the_estimator_as_it_was():
    clf = RestrictedClassClassifier((8,), **FEW).fit(X, y)
    clf.set_params(monitor=make_scorer(f1_score))  # for two classes only
    before = dict(vars(clf))
    with pytest.raises(ValueError, match="Target is multiclass"):
        clf.fit(X, y, **OWN)
    assert vars(clf) == before
