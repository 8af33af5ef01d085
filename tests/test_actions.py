"""Decisions that are no classes: cost matrices with a column for each action."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmask
from skmask import CostSensitiveClassifier
from skmask.datasets import make_cost_sensitive_classification
from skmask.decisions import cheapest
from skmask.metrics import make_cost_scorer, mean_cost, savings_score

LABELS = np.array(["c", "a", "b"])
# Rows are c, a and b; the last column is to say nothing.
COSTS = np.array([[0.0, 5, 6, 2], [4, 0, 9, 2], [7, 8, 0, 2]])
NAMES = ["call", "write", "wait", "ask"]


@pytest.fixture(scope="module")
def costly():
    X, y, _ = make_cost_sensitive_classification(90, 5, class_sep=1.5, random_state=0)
    return X, LABELS[y]


@pytest.fixture(scope="module")
def abstaining(costly):
    """A classifier whose last action is to ask; the others are its classes."""
    return make(cost_matrix=frame([*LABELS, "ask"])).fit(*costly)


def make(**kwargs):
    return CostSensitiveClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 4, "random_state": 0, **kwargs}
    )


def frame(columns, costs=COSTS):
    return pd.DataFrame(costs, index=LABELS, columns=columns)


def cheapest_actions(proba, names, costs=COSTS):
    """Return the cheapest action by a formula; columns of probabilities are a, b and c."""
    expected = np.einsum("nk,kd->nd", proba.astype(float), costs[[1, 2, 0]])
    return np.array(names, dtype=object)[expected.argmin(axis=1)]


# Names and decisions.


def test_columns_that_are_no_classes_are_actions(costly):
    X, y = costly
    clf = make(cost_matrix=frame(NAMES)).fit(X, y)
    assert clf.actions_.tolist() == NAMES
    np.testing.assert_array_equal(clf.cost_matrix_, COSTS[[1, 2, 0]])
    decided = clf.predict(X)
    np.testing.assert_array_equal(decided, cheapest_actions(clf.predict_proba(X), NAMES))
    assert {"ask"} < set(decided)


def test_rows_of_a_frame_of_actions_are_aligned(costly):
    X, y = costly
    clf = make(cost_matrix=frame(NAMES).loc[["b", "c", "a"], ["ask", "wait", "call", "write"]])
    clf.fit(X, y)
    assert clf.actions_.tolist() == ["ask", "wait", "call", "write"]
    np.testing.assert_array_equal(clf.cost_matrix_, COSTS[np.ix_([1, 2, 0], [3, 2, 0, 1])])


def test_columns_beside_all_classes_are_actions(costly, abstaining):
    X, _ = costly
    assert abstaining.actions_.tolist() == ["c", "a", "b", "ask"]
    assert abstaining.classes_.tolist() == ["a", "b", "c"]
    expected = cheapest_actions(abstaining.predict_proba(X), abstaining.actions_)
    np.testing.assert_array_equal(abstaining.predict(X), expected)
    assert abstaining.predict_proba(X).shape == (90, 3)


def test_array_has_numbered_actions(costly):
    X, y = costly
    clf = make(cost_matrix=COSTS, classes=LABELS).fit(X, y)
    np.testing.assert_array_equal(clf.actions_, [0, 1, 2, 3])
    expected = cheapest_actions(clf.predict_proba(X), range(4))
    np.testing.assert_array_equal(clf.predict(X), expected)
    two = make(cost_matrix=COSTS[:, :2], classes=LABELS).fit(X, y)
    assert two.predict(X).max() <= 1


def test_square_matrix_decides_for_classes(costly):
    X, y = costly
    clf = make(cost_matrix=COSTS[:, :3], classes=LABELS).fit(X, y)
    assert clf.actions_.tolist() == clf.classes_.tolist() == ["a", "b", "c"]
    assert make().fit(X, y).actions_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("names", [NAMES, [*LABELS, "ask"]])
def test_frame_without_names_of_rows_has_them_in_a_column(costly, names):
    X, y = costly
    table = pl.DataFrame({"true": LABELS, **dict(zip(names, COSTS.T, strict=True))})
    clf = make(cost_matrix=table).fit(X, y)
    assert clf.actions_.tolist() == names
    np.testing.assert_array_equal(clf.cost_matrix_, COSTS[[1, 2, 0]])


def test_names_of_several_kinds_stay_as_they_are(costly):
    X, y = costly
    numbers = np.searchsorted(np.sort(LABELS), y)
    matrix = pd.DataFrame(COSTS, columns=[0, 1, 2, "ask"])
    clf = make(cost_matrix=matrix).fit(X, numbers)
    decided = clf.predict(X)
    assert {type(each) for each in decided} == {int, str}
    assert 0 < mean_cost(numbers, decided, matrix) < 3
    stored = skops.io.dumps(clf.set_params(cost_matrix=None))  # skops takes no DataFrame
    again = skops.io.loads(stored, trusted=skmask.TRUSTED_TYPES)
    np.testing.assert_array_equal(again.predict(X), decided)


def test_of_actions_that_cost_the_same_the_first_is_taken(costly):
    X, y = costly
    clf = make(cost_matrix=np.ones((3, 5))).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), np.zeros(90))


# Masks.


def test_action_of_a_class_that_is_not_allowed_is_never_taken(costly):
    X, y = costly
    mask, rows = np.random.default_rng(0).random((90, 3)) < 0.5, np.arange(90)
    mask[rows, np.searchsorted(["a", "b", "c"], y)] = True
    allowed = pd.DataFrame(mask, columns=["a", "b", "c"])
    cheap = frame([*LABELS, "ask"], COSTS - [[0, 0, 30, 0]])  # everybody would take b
    clf = make(cost_matrix=cheap).fit(X, y, allowed=allowed)
    decided = clf.predict(X, allowed=allowed)
    np.testing.assert_array_equal(decided == "b", allowed["b"])
    of_class = decided != "ask"
    numbers = np.searchsorted(["a", "b", "c"], decided[of_class])
    assert mask[rows[of_class], numbers].all()


def test_actions_that_name_no_class_are_always_allowed(costly):
    X, y = costly
    allowed = np.tile([False, True, True], (90, 1))
    kept = y != "a"
    costs = frame(NAMES, COSTS - [[0, 0, 30, 0]])
    clf = make(cost_matrix=costs, classes=["a", "b", "c"])
    clf.fit(X[kept], y[kept], allowed=allowed[kept])
    assert (clf.predict(X, allowed=allowed) == "wait").all()


def test_cheapest_action_of_a_row_that_allows_one_class():
    scores = np.array([[0.0, -np.inf], [0.0, 0.0]])
    proba = np.array([[1.0, 0.0], [0.5, 0.5]])
    costs = np.array([[3.0, 0.0, 2.0], [3.0, 0.0, 2.0]])
    numbers = cheapest(scores, proba, costs, np.array([0, 1, -1]))
    np.testing.assert_array_equal(numbers, [2, 1])


# Costs by row.


def test_costs_by_row_and_action_decide_row_by_row(costly):
    X, y = costly
    costs = COSTS * np.random.default_rng(0).uniform(0.1, 3, size=(90, 1, 4))
    clf = make(cost_matrix=frame(NAMES), classes=LABELS).fit(X, y, costs=costs)
    proba = clf.predict_proba(X).astype(float)
    expected = np.einsum("nk,nkd->nd", proba, costs[:, [1, 2, 0]])
    best = np.array(NAMES)[expected.argmin(axis=1)]
    np.testing.assert_array_equal(clf.predict(X, costs=costs), best)
    with pytest.raises(ValueError, match=r"costs must be given .*Pass those of these rows\.$"):
        clf.predict(X)
    codes = np.array([list(LABELS).index(label) for label in y])
    paid = costs[np.arange(90), codes, expected.argmin(axis=1)]
    assert clf.score(X, y, costs=costs) == pytest.approx(-paid.mean())


def test_costs_by_row_must_have_a_column_for_each_action(costly, abstaining):
    X, y = costly
    with pytest.raises(ValueError, match=r"costs must have shape \(n_samples, n_actions\) = \(9"):
        make(cost_matrix=frame(NAMES)).fit(X, y, costs=np.ones((90, 3)))
    with pytest.raises(ValueError, match=r"n_classes, n_actions\) = \(90, 3, 4\) here; got"):
        abstaining.predict(X, costs=np.ones((90, 3, 3)))
    with pytest.raises(ValueError, match=r"costs must have one column for each action, \['call'"):
        make(cost_matrix=frame(NAMES)).fit(X, y, costs=pd.DataFrame(np.ones((90, 3))))


# Score, metrics and tools.


def test_score_is_minus_the_mean_cost(costly, abstaining):
    X, y = costly
    weight = np.random.default_rng(0).uniform(size=90)
    cost = mean_cost(y, abstaining.predict(X), frame([*LABELS, "ask"]), sample_weight=weight)
    assert abstaining.score(X, y, weight) == pytest.approx(-cost)
    scorer = make_cost_scorer(frame([*LABELS, "ask"]))
    assert scorer(abstaining, X, y) == pytest.approx(abstaining.score(X, y))


def test_cost_metrics_take_actions():
    true, taken = np.array(["a", "b", "c", "c"]), np.array(["ask", "wait", "call", "write"])
    each = np.array([2, 0, 0, 5])
    assert mean_cost(true, taken, frame(NAMES)) == pytest.approx(each.mean())
    numbers = np.array([3, 2, 0, 1])
    assert mean_cost(true, numbers, COSTS, labels=LABELS) == pytest.approx(each.mean())
    assert mean_cost(true, numbers, COSTS[[1, 2, 0]]) == pytest.approx(each.mean())
    constant = COSTS[[1, 2, 0, 0]].mean(axis=0).min()
    expected = 1 - each.mean() / constant
    assert savings_score(true, taken, frame(NAMES)) == pytest.approx(expected)


def test_cost_metrics_refuse_what_is_no_action():
    with pytest.raises(ValueError, match=r"y_pred must hold only .*got \['a'\] in row 1"):
        mean_cost(["a", "b"], ["ask", "a"], frame(NAMES))
    with pytest.raises(ValueError, match="labels must be given where not all classes occur; got 2"):
        mean_cost(["a", "b"], [3, 1], COSTS)


def test_search_and_pipeline_take_actions(costly):
    X, y = costly
    costs = frame([*LABELS, "ask"])
    pipe = make_pipeline(StandardScaler(), make(cost_matrix=costs, epochs=2))
    grid = {"costsensitiveclassifier__learning_rate": [1e-3, 1e-2]}
    for scoring in (None, make_cost_scorer(costs)):
        search = GridSearchCV(pipe, grid, scoring=scoring, cv=3).fit(X, y)
        assert (search.cv_results_["mean_test_score"] <= 0).all()
    decided = cross_val_predict(clone(pipe), X, y, cv=3)
    assert set(decided) <= {*LABELS, "ask"}


def test_stored_classifier_decides_alike(costly, abstaining):
    X, _ = costly
    again = pickle.loads(pickle.dumps(abstaining))
    np.testing.assert_array_equal(again.predict(X), abstaining.predict(X))
    assert again.actions_.tolist() == abstaining.actions_.tolist()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_actions_may_change_while_training_goes_on(costly, method):
    X, y = costly
    clf = make(classes=LABELS, cost_matrix=COSTS[:, :3], warm_start=True)
    getattr(clf, method)(X, y, costs=np.ones((90, 3)))
    getattr(clf.set_params(cost_matrix=frame(NAMES)), method)(X, y)
    expected = cheapest_actions(clf.predict_proba(X), NAMES)
    np.testing.assert_array_equal(clf.predict(X), expected)
    getattr(clf.set_params(cost_matrix=None), method)(X, y)
    assert set(clf.predict(X)) <= set(LABELS)


def test_validation_rows_may_have_costs_of_actions(costly):
    X, y = costly
    costs = np.tile(COSTS, (90, 1, 1))
    clf = make(cost_matrix=frame(NAMES), classes=LABELS, early_stopping=True, monitor="accuracy")
    clf.fit(X, y, costs=costs, X_val=X, y_val=y, costs_val=costs)
    assert len(clf.validation_scores_) == clf.n_iter_


# Bad input.


@pytest.mark.parametrize("loss", ["expected_cost", "weighted_crossentropy"])
def test_actions_with_costs_in_the_loss_raise(costly, loss):
    with pytest.raises(ValueError, match="loss must be 'crossentropy' where cost_matrix has a col"):
        make(cost_matrix=frame(NAMES), loss=loss).fit(*costly)


def test_actions_with_the_most_probable_class_raise(costly, abstaining):
    X, y = costly
    clf = pickle.loads(pickle.dumps(abstaining)).set_params(decision="argmax")
    for method, arguments in ((clf.predict, (X,)), (clf.score, (X, y))):
        with pytest.raises(ValueError, match="decision must be by cost where cost_matrix has a"):
            method(*arguments)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (frame(["c", "a", "d", "ask"]), r"one column for each class.*missing \['b'\]; unknown"),
        (frame(NAMES, COSTS).iloc[:2], r"one row for each class.*missing \['b'\]"),
        (frame([], COSTS[:, :0]), "cost_matrix must have one column for each class"),
        (COSTS[:2], r"cost_matrix must have shape .*got \(2, 4\)"),
        (COSTS[:, :0], r"cost_matrix must have shape .*got \(3, 0\)"),
        (pl.DataFrame(COSTS, schema=NAMES), "cost_matrix must say of which class each row is"),
        (frame(NAMES, COSTS + np.nan), "cost_matrix must hold finite numbers"),
    ],
)
def test_bad_costs_of_actions_raise(costly, matrix, message):
    clf = make(cost_matrix=matrix)
    with pytest.raises(ValueError, match=message):
        clf.fit(*costly)
    assert set(vars(clf)) == set(clf.get_params(deep=False))


def test_names_of_classes_in_another_type_are_no_actions(costly):
    X, y = costly
    numbers = np.searchsorted(np.sort(LABELS), y)
    matrix = pd.DataFrame(COSTS, columns=["0", "1", "2", "ask"])
    with pytest.raises(ValueError, match="cost_matrix must have one column for each class"):
        make(cost_matrix=matrix).fit(X, numbers)


def test_metrics_know_actions_of_costs_by_row(costly):
    X, y = costly
    rng = np.random.default_rng(0)
    amount = rng.uniform(1, 9, len(X))
    by_class = amount[:, np.newaxis, np.newaxis] * COSTS
    table = frame([*LABELS, "ask"])
    clf = make(cost_matrix=table).fit(X, y, costs=by_class)
    taken = clf.predict(X, costs=by_class)
    expected = -clf.score(X, y, costs=by_class)
    order = {"labels": clf.classes_, "actions": clf.actions_}
    assert mean_cost(y, taken, costs=by_class, **order) == pytest.approx(expected)
    numbers = [[*clf.actions_].index(action) for action in taken]
    of_truth = by_class[np.arange(len(y)), [[*clf.classes_].index(label) for label in y]]
    paid = of_truth[np.arange(len(y)), numbers].mean()
    assert mean_cost(y, taken, costs=of_truth, **order) == pytest.approx(paid)
    assert mean_cost(y, taken, costs=by_class, **order) == pytest.approx(paid)


def test_actions_beside_a_matrix_are_refused(costly):
    with pytest.raises(ValueError, match="actions must be given with costs by row"):
        mean_cost(costly[1], costly[1], COSTS, actions=NAMES)


def test_accuracy_that_is_monitored_counts_costs_of_validation_rows(costly):
    X, y = costly
    costs = np.random.default_rng(0).uniform(1, 9, (len(X), 4))
    table = frame([*LABELS, "ask"])
    clf = make(cost_matrix=table, monitor="accuracy", epochs=3)
    clf.fit(X, y, costs=costs, X_val=X, y_val=y, costs_val=costs)
    assert clf.validation_scores_[-1] == pytest.approx(clf.score(X, y, costs=costs))


def test_numbers_written_as_text_are_classes(costly):
    X, y = costly
    y = np.searchsorted(np.sort(LABELS), y).astype(float)
    table = pd.DataFrame(1 - np.eye(3), index=[0, 1, 2], columns=["0", "1", "2"])
    with pytest.raises(ValueError, match="cost_matrix must"):
        make(cost_matrix=table).fit(X, y)
