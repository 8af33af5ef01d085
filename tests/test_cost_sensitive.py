"""What CostSensitiveClassifier does with costs."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmask import CostSensitiveClassifier, RestrictedClassClassifier
from skmask.datasets import make_cost_sensitive_classification
from skmask.metrics import make_cost_scorer, mean_cost

LABELS = np.array(["c", "a", "b"])
LOSSES = ["expected_cost", "weighted_crossentropy", "crossentropy"]


@pytest.fixture(scope="module")
def costly():
    return make_cost_sensitive_classification(90, 5, class_sep=1.5, random_state=0)


@pytest.fixture(scope="module")
def fitted(costly):
    X, y, cost_matrix = costly
    return make(cost_matrix=cost_matrix).fit(X, y)


def make(**kwargs):
    return CostSensitiveClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 4, "random_state": 0, **kwargs}
    )


def expected_costs(proba, costs):
    return np.einsum("ni,nij->nj", proba, np.broadcast_to(costs, (len(proba), 3, 3)))


# The decision.


def test_decision_is_the_lowest_expected_cost(costly, fitted):
    X, _, cost_matrix = costly
    proba = fitted.predict_proba(X).astype(np.float64)
    cheapest = expected_costs(proba, cost_matrix).argmin(axis=1)
    np.testing.assert_array_equal(fitted.predict(X), cheapest)
    assert (cheapest != proba.argmax(axis=1)).any()


@pytest.mark.parametrize("seed", range(5))
def test_cheapest_decision_is_never_dearer_than_argmax(costly, seed):
    X, y, _ = costly
    costs = np.random.default_rng(seed).normal(size=(3, 3)) * 10
    clf = make(cost_matrix=costs).fit(X, y)
    by_decision = expected_costs(clf.predict_proba(X).astype(np.float64), clf.cost_matrix_)
    cheapest = clf.predict(X)
    probable = clf.set_params(decision="argmax").predict(X)
    rows = np.arange(len(X))
    assert (by_decision[rows, cheapest] <= by_decision[rows, probable] + 1e-6).all()


@pytest.mark.parametrize("costs", [None, 7 * (1 - np.eye(3)), np.full((3, 3), 2.0)])
def test_equal_costs_decide_for_the_most_probable_class(costly, costs):
    X, y, _ = costly
    clf = make(cost_matrix=costs).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X).argmax(axis=1))


def test_argmax_ignores_the_costs_in_the_decision(costly, fitted):
    X = costly[0]
    clf = pickle.loads(pickle.dumps(fitted)).set_params(decision="argmax")
    np.testing.assert_array_equal(clf.predict(X), fitted.predict_proba(X).argmax(axis=1))


@pytest.mark.parametrize(
    ("loss", "same"),
    [
        ("crossentropy", "min_expected_cost"),
        ("expected_cost", "min_expected_cost"),
        ("weighted_crossentropy", "argmax"),
    ],
)
def test_decision_by_itself_counts_the_costs_once(costly, loss, same):
    X, y, cost_matrix = costly
    clf = make(cost_matrix=cost_matrix, loss=loss).fit(X, y)
    assert clf.decision == "auto"
    decided = clf.set_params(loss="crossentropy").predict(X)  # the loss of the fit counts
    np.testing.assert_array_equal(decided, clf.set_params(decision=same).predict(X))
    by_row = np.tile(cost_matrix.T, (len(X), 1, 1))
    expected = clf.predict(X, costs=by_row)
    decided = clf.set_params(decision="auto").predict(X, costs=by_row)
    np.testing.assert_array_equal(decided, expected)


def test_partial_fit_decides_by_its_last_loss(costly):
    X, y, cost_matrix = costly
    clf = make(cost_matrix=cost_matrix, loss="weighted_crossentropy", classes=[0, 1, 2])
    clf.partial_fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X).argmax(axis=1))
    clf.set_params(loss="crossentropy").partial_fit(X, y)
    proba = clf.predict_proba(X).astype(np.float64)
    expected = expected_costs(proba, cost_matrix).argmin(axis=1)
    np.testing.assert_array_equal(clf.predict(X), expected)


def test_default_loss_leaves_probabilities(costly):
    X, y, cost_matrix = costly
    plain = RestrictedClassClassifier((8,), epochs=4, random_state=0).fit(X, y)
    clf = make(cost_matrix=cost_matrix).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))


def test_decision_is_checked_when_it_is_read(costly, fitted):
    changed = pickle.loads(pickle.dumps(fitted)).set_params(decision="cheapest")
    for method, arguments in ((changed.predict, costly[:1]), (changed.score, costly[:2])):
        with pytest.raises(ValueError, match="'decision' parameter of CostSensitiveClassifier"):
            method(*arguments)


def test_costs_lower_the_cost(costly):
    X, y, cost_matrix = make_cost_sensitive_classification(600, 5, class_sep=1.5, random_state=1)
    plain = make(epochs=20).fit(X[:300], y[:300])
    paid = {"plain": mean_cost(y[300:], plain.predict(X[300:]), cost_matrix)}
    for loss in ("expected_cost", "crossentropy"):
        clf = make(epochs=20, cost_matrix=cost_matrix, loss=loss).fit(X[:300], y[:300])
        paid[loss] = mean_cost(y[300:], clf.predict(X[300:]), cost_matrix)
        assert paid[loss] < 0.8 * paid["plain"], paid


# Where the costs come from.


@pytest.mark.parametrize("loss", LOSSES)
def test_unit_of_the_costs_does_not_matter(costly, loss):
    X, y, cost_matrix = costly
    one = make(cost_matrix=cost_matrix, loss=loss).fit(X, y)
    thousand = make(cost_matrix=1024 * cost_matrix, loss=loss).fit(X, y)
    np.testing.assert_allclose(thousand.predict_proba(X), one.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(thousand.predict(X), one.predict(X))


def test_data_frame_is_aligned_on_both_axes(costly):
    X, y, cost_matrix = costly
    clf = make(classes=LABELS, cost_matrix=cost_matrix).fit(X, LABELS[y])
    frame = pd.DataFrame(cost_matrix, index=LABELS, columns=LABELS)
    framed = make(cost_matrix=frame.loc[["b", "c", "a"], ["a", "c", "b"]]).fit(X, LABELS[y])
    np.testing.assert_array_equal(framed.cost_matrix_, clf.cost_matrix_)
    np.testing.assert_array_equal(framed.predict(X), clf.predict(X))
    assert clf.cost_matrix_[0, 2] == cost_matrix[1, 0]  # a for c: sorted, they are 0 and 2


@pytest.mark.parametrize("loss", LOSSES)
def test_costs_by_row_that_say_the_same_train_the_same(costly, loss):
    X, y, _ = costly
    rounds = np.array([[0.0, 1, 5], [5, 0, 1], [1, 5, 0]])  # each row costs the same in sum
    by_class = make(cost_matrix=rounds, loss=loss).fit(X, y)
    for costs in (rounds[y], np.tile(rounds, (len(X), 1, 1))):
        by_row = make(cost_matrix=rounds, loss=loss).fit(X, y, costs=costs)
        np.testing.assert_allclose(by_row.predict_proba(X), by_class.predict_proba(X), atol=1e-6)


def test_costs_of_a_class_become_its_row_of_the_matrix(costly):
    X, y, cost_matrix = costly
    noise = np.random.default_rng(0).uniform(size=(90, 3))
    weight = np.random.default_rng(1).uniform(0.5, 2, size=90)
    clf = make().fit(X, y, weight, costs=cost_matrix[y] + noise)
    for label in range(3):
        expected = np.average(
            (cost_matrix[y] + noise)[y == label], axis=0, weights=weight[y == label]
        )
        np.testing.assert_allclose(clf.cost_matrix_[label], expected)


def test_class_without_a_row_keeps_equal_costs(costly):
    X, y, cost_matrix = costly
    kept = y != 2
    clf = make(classes=[0, 1, 2]).fit(X[kept], y[kept], costs=cost_matrix[y[kept]])
    np.testing.assert_allclose(clf.cost_matrix_, [*cost_matrix[:2], [1, 1, 0]])


def test_costs_by_row_follow_the_order_of_classes(costly):
    X, y, cost_matrix = costly
    plain = make().fit(X, y, costs=cost_matrix[y])
    renamed = make(classes=LABELS).fit(X, LABELS[y], costs=cost_matrix[y])
    order = np.argsort(LABELS)
    np.testing.assert_allclose(renamed.cost_matrix_, plain.cost_matrix_[np.ix_(order, order)])
    framed = make().fit(X, LABELS[y], costs=pd.DataFrame(cost_matrix[y], columns=LABELS))
    np.testing.assert_array_equal(framed.predict(X), renamed.predict(X))


def test_costs_at_prediction_decide_row_by_row(costly):
    X, y, cost_matrix = costly
    cube = np.tile(cost_matrix, (len(X), 1, 1))
    cube[::2] = cost_matrix.T
    clf = make().fit(X, y, costs=cube)
    proba = clf.predict_proba(X).astype(np.float64)
    expected = expected_costs(proba, cube).argmin(axis=1)
    np.testing.assert_array_equal(clf.predict(X, costs=cube), expected)
    assert clf.score(X, y, costs=cube) == np.mean(expected == y)
    with pytest.raises(ValueError, match="costs must be given for prediction after a fit with"):
        clf.predict(X)
    clf.set_params(decision="argmax").predict(X)


def test_partial_fit_averages_the_costs_of_all_calls(costly):
    X, y, cost_matrix = costly
    noise = cost_matrix[y] + np.random.default_rng(0).uniform(size=(90, 3))
    whole = make().fit(X, y, costs=noise)
    clf = make(classes=[0, 1, 2])
    for part in (slice(0, 40), slice(40, 90)):
        clf.partial_fit(X[part], y[part], costs=noise[part])
    np.testing.assert_allclose(clf.cost_matrix_, whole.cost_matrix_)


def test_negative_costs_are_profits(costly):
    X, y, cost_matrix = costly
    clf = make(cost_matrix=cost_matrix - 20 * np.eye(3)).fit(X, y)
    assert np.isfinite(clf.history_["loss"]).all()


def test_adding_to_a_row_of_the_matrix_changes_no_decision(costly, fitted):
    X, _, cost_matrix = costly
    shifted = pickle.loads(pickle.dumps(fitted))
    shifted.cost_matrix_ = cost_matrix + np.array([[3.0], [-2.0], [11.0]])
    np.testing.assert_array_equal(shifted.predict(X), fitted.predict(X))


# The mask.


def test_decisions_are_allowed_whatever_they_cost(costly):
    X, y, cost_matrix = costly
    allowed = np.random.default_rng(0).random((90, 3)) < 0.5
    allowed[np.arange(90), y] = True
    for loss in LOSSES:
        clf = make(cost_matrix=cost_matrix, loss=loss).fit(X, y, allowed=allowed)
        assert allowed[np.arange(90), clf.predict(X, allowed=allowed)].all()
        assert (clf.predict_proba(X, allowed=allowed)[~allowed] == 0).all()
    far = make(cost_matrix=cost_matrix).fit(1e4 * X, y, allowed=allowed)  # p underflows to 0
    assert allowed[np.arange(90), far.predict(1e4 * X, allowed=allowed)].all()


def test_without_costs_it_is_the_restricted_classifier(costly):
    X, y, _ = costly
    allowed = np.random.default_rng(0).random((90, 3)) < 0.5
    allowed[np.arange(90), y] = True
    both = np.c_[X, allowed]
    columns = slice(5, 8)
    mine = make(loss="crossentropy", allowed_columns=columns).fit(both, y)
    plain = RestrictedClassClassifier((8,), epochs=4, random_state=0, allowed_columns=columns).fit(
        both, y
    )
    np.testing.assert_array_equal(mine.predict_proba(both), plain.predict_proba(both))
    np.testing.assert_array_equal(mine.predict(both), plain.predict(both))


# scikit-learn's tools.


def test_search_and_pipeline_route_costs_and_masks(costly, routing):
    X, y, cost_matrix = costly
    allowed = np.ones((90, 3), bool)
    cube = np.tile(cost_matrix, (90, 1, 1))
    pipe = make_pipeline(StandardScaler(), make(classes=[0, 1, 2], epochs=2))
    grid = {"costsensitiveclassifier__learning_rate": [1e-3, 1e-2]}
    for costs, scoring in [
        (cube, make_cost_scorer(metadata=("costs", "allowed"))),
        (cost_matrix[y], make_cost_scorer(metadata=("costs", "allowed"))),
        (cost_matrix[y], None),
        (cube, None),
    ]:
        search = GridSearchCV(pipe, grid, scoring=scoring, cv=3)
        search.fit(X, y, costs=costs, allowed=allowed)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_clone_and_cross_validation_keep_the_costs(costly):
    X, y, cost_matrix = costly
    clf = clone(make(cost_matrix=cost_matrix))
    scores = cross_val_score(clf, X, y, scoring=make_cost_scorer(cost_matrix), cv=3)
    assert (scores <= 0).all()
    assert (scores > -10).all()


# Bad input.


@pytest.mark.parametrize(
    ("cost_matrix", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, r"cost_matrix must have shape .* = \(3, 3\); got \(2, 3\)"),
        (np.ones((4, 4)), ValueError, r"cost_matrix must have shape .* = \(3, 3\); got \(4, 4\)"),
        (np.ones(3), ValueError, r"cost_matrix must have shape .* got \(3,\)"),
        (np.full((3, 3), np.nan), ValueError, "cost_matrix must hold finite numbers; got"),
        ([[0, 1, np.inf], [1, 0, 1], [1, 1, 0]], ValueError, r"got \[inf\] in row 0"),
        ([["a"] * 3] * 3, TypeError, "cost_matrix must be an array of numbers"),
        ([[0, 1, 2], [1, 0]], TypeError, "cost_matrix must be an array of numbers"),
        ("cheap", ValueError, "The 'cost_matrix' parameter of CostSensitiveClassifier must be"),
        (
            pd.DataFrame(np.ones((3, 3)), index=[0, 1, 2], columns=[0, 1, 3]),
            ValueError,
            r"cost_matrix must have one column for each class.*missing \[2\]; unknown \[3\]",
        ),
        (
            pd.DataFrame(np.ones((3, 3)), index=[0, 1, 1], columns=[0, 1, 2]),
            ValueError,
            r"cost_matrix must have one row for each class.*missing \[2\]; repeated 1",
        ),
    ],
)
def test_bad_cost_matrix(costly, cost_matrix, error, message):
    X, y, _ = costly
    clf = make(cost_matrix=cost_matrix)
    with pytest.raises(error, match=message):
        clf.fit(X, y)
    assert set(vars(clf)) == set(clf.get_params(deep=False))


@pytest.mark.parametrize(
    ("costs", "error", "message"),
    [
        (np.ones((90, 4)), ValueError, r"costs must have shape .* got \(90, 4\)"),
        (np.ones((9, 3)), ValueError, r"costs must have shape .* got \(9, 3\)"),
        (np.ones((90, 3, 2)), ValueError, r"costs must have shape .* got \(90, 3, 2\)"),
        (np.ones(90), ValueError, r"costs must have shape .* got \(90,\)"),
        (np.full((90, 3), np.inf), ValueError, "costs must hold finite numbers"),
        ("dear", TypeError, "costs must be an array of numbers"),
        (pd.DataFrame(np.ones((90, 2))), ValueError, "costs must have one column for each class"),
    ],
)
def test_bad_costs(costly, fitted, costs, error, message):
    X, y, _ = costly
    with pytest.raises(error, match=message):
        make().fit(X, y, costs=costs)
    with pytest.raises(error, match=r"^costs must"):
        fitted.predict(X, costs=costs)


def test_costs_of_each_prediction_decide_nothing(costly, fitted):
    X, y, cost_matrix = costly
    with pytest.raises(ValueError, match=r"costs must have shape \(n_samples, n_classes, n_cl"):
        fitted.predict(X, costs=cost_matrix[y])
    assert fitted.score(X, y, costs=cost_matrix[y]) == fitted.score(X, y)


def test_negative_costs_with_a_loss_that_cannot_take_them(costly):
    X, y, cost_matrix = costly
    clf = make(cost_matrix=cost_matrix - np.eye(3), loss="weighted_crossentropy")
    with pytest.raises(ValueError, match="cost_matrix must not hold negative costs with loss="):
        clf.fit(X, y)
    with pytest.raises(ValueError, match=r"costs must not hold negative costs .* in rows 0, 1, 2"):
        make(loss="weighted_crossentropy").fit(X, y, costs=-np.ones((90, 3)))


@pytest.mark.parametrize("parameter", ["loss", "decision"])
def test_unknown_word_lists_the_legal_ones(costly, parameter):
    X, y, _ = costly
    legal = {"loss": "weighted_crossentropy", "decision": "min_expected_cost"}[parameter]
    with pytest.raises(ValueError, match=f"'{parameter}' parameter .*'{legal}'"):
        make(**{parameter: "cheap"}).fit(X, y)
