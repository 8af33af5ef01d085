"""Early stopping and tuned thresholds: which rows they hold out of training."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.data._hold_out import held_out_rows, rarest_label
from skmask.estimators import _training

N, LONE = 60, 17
pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")

WORDS = {"labels": np.array(list("abcdefgh")), "cause": "early_stopping", "cure": "wait"}
SHORT = {"epochs": 2, "early_stopping": True, "validation_fraction": 0.3, "random_state": 0}
ONE_CLASS_PER_ROW = {
    "Restricted": RestrictedClassClassifier((4,), **SHORT),
    "CostSensitive": CostSensitiveClassifier((4,), **SHORT),
    "Prototype": PrototypeClassifier(solver="adam", **SHORT),
    "Sequence": MaskedSequenceClassifier(4, **SHORT),
    "Multilabel": WeightedMultilabelClassifier((4,), **SHORT),
}


@pytest.fixture
def parts(monkeypatch):
    """The rows trained on and those held out, of the last fit."""
    found = []

    def kept(clf, rows, seed, reason, hold_out=_training._parted):
        found[:] = hold_out(clf, rows, seed, reason)
        return tuple(found)

    monkeypatch.setattr(_training, "_parted", kept)
    return found


@pytest.fixture(scope="module")
def data():
    """Rows of three classes, and one row of a fourth; its first feature is its number."""
    X = np.random.default_rng(0).normal(size=(N, 3))
    X[:, 0] = np.arange(N)
    y = np.array(["a", "b", "c"])[np.arange(N) % 3]
    y[LONE] = "d"
    return X, y


# Which rows.


@pytest.mark.parametrize("seed", range(5))
def test_rows_held_out_are_those_of_scikit_learn(seed):
    strata = np.random.default_rng(seed).integers(4, size=50)
    expected = train_test_split(np.arange(50), test_size=0.2, stratify=strata, random_state=seed)
    found = held_out_rows(strata, 0.2, seed, **WORDS)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.85])
def test_rows_that_are_alone_stay_in_training(fraction):
    strata = np.r_[np.zeros(30, int), 1, np.full(30, 2), 3]
    kept, held_out = held_out_rows(strata, fraction, 0, **WORDS)
    np.testing.assert_array_equal(np.sort(np.r_[kept, held_out]), np.arange(62))
    assert {30, 61} <= set(kept)
    assert len(held_out) == np.ceil(fraction * 60)


def test_rarest_label_keeps_the_only_row_of_a_label_apart():
    y = np.zeros((40, 4), bool)
    y[:20, 0] = True  # frequent
    y[15:18, 1] = True  # rare
    y[3, 2] = y[3, 0] = True  # of one row
    expected = np.r_[np.zeros(20, int), np.full(20, -1)]
    expected[15:18], expected[3] = -2, 2
    np.testing.assert_array_equal(rarest_label(y, 0.2), expected)


@pytest.mark.parametrize("name", ONE_CLASS_PER_ROW)
def test_class_of_one_row_stays_in_training(data, parts, name):
    X, y = data
    X = X[:, np.newaxis] if name == "Sequence" else X
    clf = clone(ONE_CLASS_PER_ROW[name]).fit(X, y)
    rows, held_out = parts
    assert len(held_out) == 18
    assert (rows.X.reshape(len(rows), -1)[:, 0] == LONE).sum() == 1
    assert "d" in clf.classes_
    assert "val_loss" in clf.history_


@pytest.mark.parametrize("settings", [{}, {"threshold": "tuned", "early_stopping": False}])
def test_label_of_one_row_stays_in_training(data, parts, settings):
    X, _ = data
    Y = np.eye(4, dtype=int)[np.arange(N) % 3]
    Y[LONE, 3] = 1
    clf = WeightedMultilabelClassifier((4,), **{**SHORT, **settings}).fit(X, Y)
    rows, held_out = parts
    assert LONE in rows.X[:, 0]
    assert not held_out.target[:, 3].any()
    assert clf.thresholds_[3] == 0.5


def test_label_whose_other_rows_have_no_weight_stays_in_training(data, parts):
    X, _ = data
    Y = np.c_[np.arange(N) % 2, np.arange(N) % 3 == 0].astype(int)
    weight = np.where((Y[:, 1] == 1) & (np.arange(N) != 18), 0.0, 1.0)
    WeightedMultilabelClassifier((4,), **SHORT).fit(X, Y, weight)
    rows, held_out = parts
    assert rows.target[rows.X[:, 0] == 18, 1] == 1
    assert not held_out.target[:, 1].any()


def test_class_of_one_sequence_stays_in_training(parts):
    X = np.random.default_rng(0).normal(size=(40, 5, 2))
    X[:, 0, 0] = np.arange(40)
    y = np.random.default_rng(1).integers(2, size=(40, 5))
    y[LONE, 3:] = 2
    clf = MaskedSequenceClassifier(4, **SHORT).fit(X, y)
    rows, held_out = parts
    assert len(held_out) == 12
    assert LONE in rows.X[:, 0, 0]
    assert clf.classes_.tolist() == [0, 1, 2]


# Messages.


def test_one_row_of_each_class_cannot_be_held_out():
    X, y = np.eye(3), ["a", "b", "c"]
    message = (
        r"early_stopping must find two rows of a class at least, to hold out one of them; got one "
        r"row for each of the classes \['a', 'b', 'c'\]. Add rows, or set early_stopping=False"
    )
    for name in ("Restricted", "CostSensitive", "Prototype", "Multilabel"):
        with pytest.raises(ValueError, match=message):
            clone(ONE_CLASS_PER_ROW[name]).fit(X, y)
    for labels in (y, [["a"], ["b"], ["c"]]):
        with pytest.raises(ValueError, match=message):
            clone(ONE_CLASS_PER_ROW["Sequence"]).fit(X[..., np.newaxis][:, :1], labels)
    message = r"threshold='tuned' must find two rows .*Add rows, or give threshold as a number"
    clf = WeightedMultilabelClassifier((4,), threshold="tuned")
    with pytest.raises(ValueError, match=message):
        clf.fit(X, np.eye(3))


@pytest.mark.parametrize(("fraction", "n_held_out"), [(0.01, 1), (0.98, 58)])
def test_fraction_that_leaves_a_class_out_is_refused_by_its_label(data, fraction, n_held_out):
    X, y = data
    message = (
        r"validation_fraction must hold out a row for each class that has two or more, "
        rf"\['a', 'b', 'c'\], and leave as many in training; got {fraction} of their 59 rows, "
        rf"which is {n_held_out}. Choose another, add rows, or set early_stopping=False."
    )
    for name in ("Restricted", "CostSensitive", "Prototype", "Multilabel"):
        clf = clone(ONE_CLASS_PER_ROW[name]).set_params(validation_fraction=fraction)
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y)
