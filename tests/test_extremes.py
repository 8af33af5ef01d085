"""Weights and costs of any size, and numbers that are none: only proportions matter."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.class_weight import compute_sample_weight

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
from skmask.data._numbers import average, check_sparse, scaled, scaled_product
from skmask.metrics import mean_cost, savings_score, step_accuracy

N, K = 48, 3
LARGEST = np.finfo(np.float64).max
never_predicted = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


def classes_of(X):
    return (np.abs(X[:, 0]) * 2).astype(int) % K


def make_cases():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3))
    y = classes_of(X)
    steps = rng.normal(size=(N, 4, 2))
    common = {"epochs": 3, "random_state": 0}
    return {
        "restricted": (RestrictedClassClassifier((4,), **common), X, y),
        "cost": (CostSensitiveClassifier((4,), **common), X, y),
        "multilabel": (WeightedMultilabelClassifier((4,), **common), X, (X > 0).astype(int)),
        "classes": (WeightedMultilabelClassifier((4,), **common), X, y),
        "sequence": (MaskedSequenceClassifier(4, **common), steps, rng.integers(K, size=(N, 4))),
        "medoid": (PrototypeClassifier(n_prototypes=2, random_state=0, tol=1e-2), X, y),
        "random": (PrototypeClassifier(prototypes="random", random_state=0, tol=1e-2), X, y),
        "kmeans": (PrototypeClassifier(prototypes="kmeans", random_state=0, tol=1e-2), X, y),
    }


CASES = make_cases()


# Weights.


@never_predicted
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("exponent", [1020, 200, -200, -1000])
def test_only_proportions_of_weights_matter_in_fit_and_score(name, exponent):
    clf, X, y = CASES[name]
    weight = np.random.default_rng(1).integers(1, 5, size=N).astype(float)
    other = np.ldexp(weight, exponent)
    plain, extreme = clone(clf).fit(X, y, weight), clone(clf).fit(X, y, other)
    np.testing.assert_array_equal(extreme.predict_proba(X), plain.predict_proba(X))
    assert plain.score(X, y, other) == plain.score(X, y, weight)


@never_predicted
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("value", [LARGEST, 1e308, 1e-50, 5e-324])
def test_equal_weights_of_any_size_are_none(name, value):
    clf, X, y = CASES[name]
    plain, extreme = clone(clf).fit(X, y), clone(clf).fit(X, y, np.full(N, value))
    np.testing.assert_allclose(extreme.predict_proba(X), plain.predict_proba(X), atol=1e-6)
    assert plain.score(X, y, np.full(N, value)) == pytest.approx(plain.score(X, y))


@pytest.mark.parametrize("name", ["restricted", "cost", "sequence", "medoid"])
@pytest.mark.parametrize(("weight", "factor"), [(1e300, 1e300), (1e-200, 1e-200), (1e308, 1e-300)])
def test_product_of_weights_and_class_weights_overflows_nothing(name, weight, factor):
    clf, X, y = CASES[name]
    plain = clone(clf).set_params(class_weight={0: 4.0, 1: 1.0, 2: 1.0})
    extreme = clone(clf).set_params(class_weight={0: 4 * factor, 1: factor, 2: factor})
    plain.fit(X, y)
    extreme.fit(X, y, np.full(N, weight))
    np.testing.assert_allclose(extreme.predict_proba(X), plain.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e308, 1e-300])
def test_balanced_class_weight_counts_rows_with_a_weight(size):
    clf, X, y = CASES["restricted"]
    weight = np.random.default_rng(1).uniform(0.5, 1, size=N) * (y != 2)
    clf = clone(clf).set_params(classes=range(K))
    balanced = clone(clf).set_params(class_weight="balanced").fit(X, y, weight * size)
    counts = weight > 0
    sums = np.bincount(y[counts], weights=weight[counts])
    by_hand = clone(clf).fit(X[counts], y[counts], (weight / np.r_[sums, 1][y])[counts])
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)
    plain = clone(clf).set_params(class_weight="balanced").fit(X, y)
    equal = clone(clf).fit(X, y, compute_sample_weight("balanced", y))
    np.testing.assert_allclose(plain.predict_proba(X), equal.predict_proba(X), atol=1e-6)


@never_predicted
@pytest.mark.parametrize("name", [name for name in CASES if name not in ("random", "kmeans")])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "sample_weight must hold finite numbers; got .*nan"),
        (np.inf, "sample_weight must hold finite numbers; got .*inf"),
        (np.longdouble("1e4000"), "sample_weight must hold finite numbers; got .*inf"),
        (10**400, "sample_weight must hold finite numbers; got .*inf"),
        (-1e-300, "sample_weight must not be negative"),
        (1j, "sample_weight must be an array of numbers"),
        ("1", "sample_weight must be an array of numbers"),
        (np.timedelta64(1, "s"), "sample_weight must be an array of numbers"),
        (np.datetime64("2020-01-01"), "sample_weight must be an array of numbers"),
        (None, "sample_weight must be an array of numbers"),
    ],
)
def test_bad_weight_leaves_the_fitted_model(name, value, message):
    clf, X, y = CASES[name]
    clf = clone(clf).fit(X, y)
    state, expected = dict(vars(clf)), clf.predict_proba(X)
    weight = [1.0] * (N - 1) + [value]
    for method in ("fit", "score", "partial_fit"):
        if method == "partial_fit" and name == "medoid":
            continue
        with pytest.raises((ValueError, TypeError), match=message):
            getattr(clf, method)(X, y, sample_weight=np.array(weight, object))
        assert vars(clf) == state
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


@never_predicted
@pytest.mark.parametrize("name", ["restricted", "cost", "multilabel", "classes", "sequence"])
@pytest.mark.parametrize("value", [1e39, 1e308, 1e-50])
def test_weight_that_float32_cannot_hold_is_refused_where_weights_are_not_scaled(name, value):
    clf, X, y = CASES[name]
    clf = clone(clf).partial_fit(X, y, classes=None if name == "multilabel" else range(K))
    state = dict(vars(clf))
    weight = np.ones(N)
    weight[3] = value
    with pytest.raises(ValueError, match=r"sample_weight .* which float32 can hold"):
        clf.partial_fit(X, y, sample_weight=weight)
    assert vars(clf) == state
    clf.partial_fit(X, y, sample_weight=np.full(N, 2.0**-60))


def test_weight_times_class_weight_is_refused_in_partial_fit():
    clf, X, y = CASES["restricted"]
    clf = clone(clf).set_params(class_weight={0: 1e30})
    with pytest.raises(ValueError, match="sample_weight in partial_fit, class_weight taken into"):
        clf.partial_fit(X, y, range(K), np.full(N, 1e30))


@never_predicted
@pytest.mark.parametrize("size", [1e308, 1e-300])
def test_balanced_pos_weight_of_weights_of_any_size(size):
    clf, X, Y = CASES["multilabel"]
    weight = np.random.default_rng(1).uniform(0.5, 1, size=Y.shape)
    expected = (weight * (Y == 0)).sum(0) / (weight * (Y == 1)).sum(0)
    for given_weight in (weight, weight[:, 0]):
        clf = clone(clf).fit(X, Y, size * given_weight)
        by_entry = given_weight if given_weight.ndim == 2 else given_weight[:, np.newaxis]
        expected = (by_entry * (Y == 0)).sum(0) / (by_entry * (Y == 1)).sum(0)
        np.testing.assert_allclose(clf.pos_weight_, expected)


@never_predicted
def test_balanced_pos_weight_beyond_float32_is_refused():
    _, X, Y = CASES["multilabel"]
    weight = np.where(Y == 1, 1e-100, 1.0)
    with pytest.raises(ValueError, match="sample_weight of negatives over that of positives"):
        WeightedMultilabelClassifier().fit(X, Y, weight)
    with pytest.raises(ValueError, match=r"pos_weight must be .* which float32 can hold"):
        WeightedMultilabelClassifier(pos_weight=[1, 1e39, 1]).fit(X, Y)


# Costs.


@pytest.fixture(scope="module")
def costs():
    return np.random.default_rng(2).integers(1, 9, size=(K, K)) * (1.0 - np.eye(K))


LOSSES = ["expected_cost", "weighted_crossentropy", "crossentropy"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("exponent", [1020, 500, -500, -1000])
def test_only_proportions_of_costs_matter(costs, loss, exponent):
    _, X, y = CASES["cost"]
    settings = {"epochs": 3, "loss": loss, "random_state": 0}
    huge = np.ldexp(costs, exponent)
    plain = CostSensitiveClassifier((4,), cost_matrix=costs, **settings).fit(X, y)
    clf = CostSensitiveClassifier((4,), cost_matrix=huge, **settings).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(clf.predict(X), plain.predict(X))
    by_row = CostSensitiveClassifier((4,), **settings).fit(X, y, costs=costs[y])
    other = CostSensitiveClassifier((4,), **settings).fit(X, y, costs=huge[y])
    np.testing.assert_array_equal(other.predict_proba(X), by_row.predict_proba(X))
    np.testing.assert_allclose(other.cost_matrix_, np.ldexp(by_row.cost_matrix_, exponent))
    cube, huge_cube = np.tile(costs, (N, 1, 1)), np.tile(huge, (N, 1, 1))
    np.testing.assert_array_equal(plain.predict(X, costs=huge_cube), plain.predict(X, costs=cube))


def test_costs_of_each_row_have_their_own_size(costs):
    _, X, y = CASES["cost"]
    clf = CostSensitiveClassifier((4,), cost_matrix=costs, epochs=3, random_state=0).fit(X, y)
    exponents = np.random.default_rng(0).integers(-1000, 1000, size=(N, 1, 1))
    np.testing.assert_array_equal(clf.predict(X, costs=np.ldexp(costs, exponents)), clf.predict(X))


@pytest.mark.parametrize("sign", [1, -1])
def test_costs_of_opposite_signs_overflow_no_decision(sign):
    _, X, y = CASES["cost"]
    allowed = np.random.default_rng(0).random((N, K)) < 0.5
    allowed[np.arange(N), y] = True
    matrix = sign * np.array([[LARGEST, -LARGEST, 0], [0, LARGEST, -LARGEST], [LARGEST, 0, 1e300]])
    settings = {"loss": "expected_cost", "epochs": 3, "random_state": 0}
    clf = CostSensitiveClassifier((4,), cost_matrix=matrix, **settings)
    clf.fit(X, y, allowed=allowed)
    predicted = clf.predict(X, allowed=allowed)
    assert allowed[np.arange(N), predicted].all()
    small = CostSensitiveClassifier((4,), cost_matrix=matrix / 2.0**1000, **settings)
    small.fit(X, y, allowed=allowed)
    np.testing.assert_array_equal(small.predict(X, allowed=allowed), predicted)


def test_costs_that_float32_cannot_tell_apart_are_refused():
    _, X, y = CASES["cost"]
    matrix = 1 - np.eye(K)
    matrix[0, 0] = 1e50
    with pytest.raises(ValueError, match="cost_matrix must hold costs whose sizes float32 can"):
        CostSensitiveClassifier(cost_matrix=matrix, loss="expected_cost").fit(X, y)
    with pytest.raises(ValueError, match="costs must hold costs whose sizes float32 can"):
        CostSensitiveClassifier(loss="expected_cost").fit(X, y, costs=matrix[y])


@pytest.mark.parametrize("profit", [20.0, 1e-300, 1e308])
def test_profits_alone_have_a_unit_of_their_own(profit):
    _, X, y = CASES["cost"]
    settings = {"loss": "expected_cost", "epochs": 3, "random_state": 0}
    fits = [
        CostSensitiveClassifier((4,), cost_matrix=-p * np.eye(K), **settings).fit(X, y)
        for p in (1.0, profit)
    ]
    np.testing.assert_allclose(fits[1].predict_proba(X), fits[0].predict_proba(X), atol=1e-6)


def test_costs_of_several_calls_are_pooled_by_weight(costs):
    _, X, y = CASES["cost"]
    noise = costs[y] + np.random.default_rng(0).uniform(size=(N, K))
    weight = np.random.default_rng(1).uniform(0.5, 2, size=N)
    clf = CostSensitiveClassifier((4,), classes=range(K), random_state=0)
    for part in (slice(0, 10), slice(10, 31), slice(31, N)):
        clf.partial_fit(X[part], y[part], sample_weight=weight[part], costs=1e307 * noise[part])
    for label in range(K):
        expected = np.average(noise[y == label], axis=0, weights=weight[y == label])
        np.testing.assert_allclose(clf.cost_matrix_[label] / 1e307, expected)


@pytest.mark.parametrize("unit", [1e308, 1e-300, LARGEST])
def test_metrics_of_costs_overflow_nothing(costs, unit):
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(K, size=(2, N))
    weight = rng.uniform(0.5, 1, size=N)
    share = costs / costs.max()
    for w, huge in ((weight, weight * 1e308), (None, None)):
        expected = mean_cost(y, predicted, share, sample_weight=w)
        found = mean_cost(y, predicted, unit * share, sample_weight=huge)
        assert found == pytest.approx(unit * expected)
        assert savings_score(y, predicted, unit * share, sample_weight=huge) == pytest.approx(
            savings_score(y, predicted, share, sample_weight=w)
        )
    assert mean_cost(y, predicted, costs=unit * share[y], labels=range(K)) == pytest.approx(
        unit * mean_cost(y, predicted, share)
    )
    table = y.reshape(6, -1), predicted.reshape(6, -1)
    assert step_accuracy(*table, sample_weight=np.full(6, 1e308)) == step_accuracy(*table)


# The pure functions.

positive = st.floats(0, 1e150)


@given(hnp.arrays(float, 5, elements=positive), hnp.arrays(float, 5, elements=positive))
def test_scaled_product_is_the_product(one, other):
    product, exponent = scaled_product(one, other)
    assert (product < 1).all()
    large = product > 1e-290  # the rest has lost digits, as numbers so far apart may
    np.testing.assert_array_equal(np.ldexp(product, exponent)[large], (one * other)[large])


@given(hnp.arrays(float, 6, elements=st.floats(-1e300, 1e300)))
def test_scaled_keeps_all_digits(values):
    found, exponent = scaled(values)
    assert (np.abs(found) < 1).all()
    large = np.abs(values) > np.abs(values).max() * 1e-290
    np.testing.assert_array_equal(np.ldexp(found, exponent)[large], values[large])


@given(
    hnp.arrays(float, 5, elements=st.floats(-1e6, 1e6)),
    hnp.arrays(float, 5, elements=st.floats(0.1, 1e6)),
)
def test_average_is_that_of_numpy(values, weight):
    expected = np.average(values, weights=weight)
    np.testing.assert_allclose(average(values, weight), expected, rtol=1e-9, atol=1e-9)


# Numbers that are none.

NONE = {
    "complex": lambda v: v + 0j,
    "complex objects": lambda v: (v + 0j).astype(object),
    "text": lambda v: v.astype(str),
    "bytes": lambda v: v.astype(bytes),
    "text objects": lambda v: v.astype(str).astype(object),
    "dates": lambda v: v.astype(int).astype("M8[D]"),
    "durations": lambda v: v.astype(int).astype("m8[D]"),
    "masked": lambda v: np.ma.array(v, mask=np.arange(v.size).reshape(v.shape) == 1),
    "frame of text": lambda v: pd.DataFrame(v).astype(str),
    "frame of dates": lambda v: pd.DataFrame(v.astype(int).astype("M8[s]")),
}


@pytest.mark.parametrize("kind", NONE)
def test_nonsense_is_no_number(kind):
    _, X, y = CASES["restricted"]
    spoil = NONE[kind]
    ones = np.ones((N, K))
    for call, argument in [
        (lambda: RestrictedClassClassifier().fit(spoil(X), y), "X"),
        (lambda: RestrictedClassClassifier().fit(X, y, allowed=spoil(ones)), "allowed"),
        (lambda: RestrictedClassClassifier().fit(X, y, spoil(ones[:, 0])), "sample_weight"),
        (lambda: CostSensitiveClassifier().fit(X, y, costs=spoil(ones)), "costs"),
        (lambda: CostSensitiveClassifier(cost_matrix=spoil(ones[:K])).fit(X, y), "cost_matrix"),
        (lambda: PrototypeClassifier(scale=spoil(ones[0])).fit(X, y), "scale"),
        (
            lambda: PrototypeClassifier(prototypes=spoil(ones[:K])).fit(
                X, y, prototype_labels=range(K)
            ),
            "prototypes",
        ),
        (
            lambda: WeightedMultilabelClassifier(pos_weight=spoil(ones[0])).fit(X, ones),
            "pos_weight",
        ),
        (lambda: WeightedMultilabelClassifier(threshold=spoil(ones[0])).fit(X, ones), "threshold"),
        (lambda: mean_cost(y, y, spoil(ones[:K])), "cost_matrix"),
        (lambda: mean_cost(y, y, costs=spoil(ones)), "costs"),
        (lambda: mean_cost(y, y, ones[:K], sample_weight=spoil(ones[:, 0])), "sample_weight"),
    ]:
        with pytest.raises((ValueError, TypeError), match=rf"\b{argument}\b"):
            call()
    if kind != "masked":  # which is unknown there
        with pytest.raises((ValueError, TypeError), match=r"\by must\b"):
            WeightedMultilabelClassifier().fit(X, spoil(ones))


@pytest.mark.parametrize("value", [1e-50, 1 - 1e-9, np.longdouble(1) - np.longdouble("1e-19")])
def test_nearly_zero_and_nearly_one_are_neither(value):
    _, X, y = CASES["restricted"]
    Y = np.ones((N, K), type(value))
    Y[4, 1] = value
    with pytest.raises(ValueError, match=r"y must hold only 0, 1 and NaN .* in row 4"):
        WeightedMultilabelClassifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"allowed must hold only True/False or 1/0; .* row 4"):
        RestrictedClassClassifier().fit(X, y, allowed=Y)
    if not isinstance(value, np.longdouble):
        with pytest.raises(ValueError, match=r"y must hold only 0, 1 and NaN .* in row 4"):
            WeightedMultilabelClassifier().fit(X, sparse.csr_array(Y))


def test_negative_and_badly_shaped_costs_of_score_are_looked_at(costs):
    _, X, y = CASES["cost"]
    clf = CostSensitiveClassifier((4,), epochs=1, random_state=0).fit(X, y, costs=costs[y])
    assert clf.score(X, y, costs=costs[y]) == clf.score(X, y)
    for wrong in (np.ones((N, K + 1)), np.ones((N - 1, K)), np.full((N, K), np.nan)):
        with pytest.raises(ValueError, match="costs must"):
            clf.score(X, y, costs=wrong)
    with pytest.raises(ValueError, match="costs must have one column for each class"):
        clf.score(X, y, costs=pd.DataFrame(np.ones((N, K))).add_prefix("x"))


# Sparse matrices that compiled code would trust.


def broken(**parts):
    matrix = sparse.csr_array(np.ones((N, K)))
    for name, value in parts.items():
        setattr(matrix, name, value)
    return matrix


INDICES = np.tile(np.arange(K), N)
BROKEN = {
    "column beyond": broken(indices=INDICES + 10**6),
    "column negative": broken(indices=INDICES - 1),
    "pointer beyond": broken(indptr=np.arange(N + 1) * K * 1000),
    "pointer falls": broken(indptr=np.r_[0, 100, np.arange(2, N + 1) * K]),
    "pointer short": broken(indptr=np.arange(N) * K),
    "indices short": broken(indices=INDICES[:5]),
    "data short": broken(data=np.ones(5)),
}


@pytest.mark.parametrize("which", BROKEN)
@pytest.mark.parametrize("form", [lambda m: m, lambda m: as_columns(m)])
def test_broken_sparse_matrix_is_refused_everywhere(which, form):
    _, X, y = CASES["restricted"]
    matrix = form(BROKEN[which])
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0).fit(X, y)
    labels = WeightedMultilabelClassifier((4,), epochs=1, random_state=0)
    for call, argument in [
        (lambda: clf.fit(X, y, allowed=matrix), "allowed"),
        (lambda: clf.predict(X, allowed=matrix), "allowed"),
        (lambda: clf.score(X, y, allowed=matrix), "allowed"),
        (lambda: clf.fit(matrix, y), "X"),
        (lambda: clf.predict_proba(matrix), "X"),
        (lambda: labels.fit(X, matrix), "y"),
    ]:
        with pytest.raises(ValueError, match=rf"^{argument} must be a sparse matrix in good order"):
            call()


def as_columns(matrix):
    """Return a CSC of the same shape and the same broken parts."""
    made = sparse.csc_array((N, K))
    made.data, made.indices, made.indptr = matrix.data, matrix.indices, matrix.indptr
    return made


def test_broken_coordinates_and_lists_are_refused():
    rows = sparse.coo_array(np.eye(3))
    rows.coords = (np.array([0, 1, 9]), np.array([0, 1, 2]))
    lists = sparse.lil_array(np.eye(3))
    lists.rows[1] = [7]
    short = sparse.lil_array(np.eye(3))
    short.data[1] = []
    for matrix in (rows, lists, short):
        with pytest.raises(ValueError, match="allowed must be a sparse matrix in good order"):
            check_sparse(matrix, "allowed")


def test_check_of_a_sparse_matrix_changes_nothing_in_it():
    matrix = sparse.csr_array(np.eye(3))
    matrix.data = np.r_[matrix.data, 7.0]  # room behind, which a check may cut off
    matrix.indices = np.r_[matrix.indices, 0].astype(np.int64)
    data, indices = matrix.data, matrix.indices
    check_sparse(matrix, "allowed")
    assert matrix.data is data
    assert matrix.indices is indices


# Parameters that are numbers of a small kind, or too large for any.


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.uint8, np.int64])
def test_parameters_may_be_integers_of_any_width(kind):
    _, X, y = CASES["restricted"]
    settings = {"batch_size": 32, "epochs": 100, "n_iter_no_change": 5, "random_state": 0}
    small = {name: kind(value) for name, value in settings.items()}
    more = {"early_stopping": True, "validation_fraction": 0.2}
    plain = RestrictedClassClassifier((4,), **settings, **more).fit(X, y)
    clf = RestrictedClassClassifier((kind(4),), **small, **more).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
    expected = PrototypeClassifier(n_prototypes=2, max_iter=100, random_state=0, tol=1e-2)
    found = clone(expected).set_params(n_prototypes=kind(2), max_iter=kind(100))
    np.testing.assert_array_equal(
        found.fit(X, y).predict_proba(X), expected.fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize(
    ("make", "parameter", "value"),
    [
        (RestrictedClassClassifier, "batch_size", True),
        (RestrictedClassClassifier, "batch_size", 10**400),
        (RestrictedClassClassifier, "epochs", np.True_),
        (RestrictedClassClassifier, "learning_rate", 10**400),
        (RestrictedClassClassifier, "hidden_layer_sizes", (10**400,)),
        (RestrictedClassClassifier, "hidden_layer_sizes", True),
        (PrototypeClassifier, "scale", 5e-324),
        (PrototypeClassifier, "alpha", 10**400),
        (PrototypeClassifier, "kernel", lambda x, p: 3.0),
        (MaskedSequenceClassifier, "mask_value", 10**400),
        (WeightedMultilabelClassifier, "min_labels", True),
        (WeightedMultilabelClassifier, "pos_weight", [10**400] * K),
    ],
)
def test_number_that_is_none_or_too_large_is_refused(make, parameter, value):
    X, y = np.random.default_rng(0).normal(size=(N, 3)), np.arange(N) % K
    with pytest.raises((ValueError, TypeError), match=rf"\b{parameter}\b"):
        make(**{parameter: value}).fit(X, y)
