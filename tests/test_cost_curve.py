"""Decisions over a range of one cost, against decisions at each of them."""

import numpy as np
import pandas as pd
import pytest

from skmask.metrics import CostCurve, cost_curve

PROBA = np.array([[0.7, 0.2, 0.1], [0.1, 0.0, 0.9], [0.2, 0.5, 0.3]])
COSTS = np.array([[0.0, 2, 3, 1], [8, 0, 1, 1], [4, 6, 0, 1]])
VALUES = np.linspace(-5, 40, 91)


def expected_costs(value, row, column):
    costs = COSTS.copy()
    costs[row, column] = value
    return PROBA @ costs


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("row", range(3))
def test_curve_equals_the_costs_at_each_value(row, column):
    curve = cost_curve(PROBA, COSTS, (row, column), VALUES)
    for number, value in enumerate(VALUES):
        expected = expected_costs(value, row, column)
        np.testing.assert_allclose(curve.costs[:, number], expected, atol=1e-12)
        chosen = np.take_along_axis(expected, curve.decisions[:, [number]], axis=1)[:, 0]
        np.testing.assert_allclose(chosen, expected.min(axis=1), atol=1e-12)
    np.testing.assert_array_equal(curve.values, VALUES)
    np.testing.assert_array_equal(curve.actions, range(4))


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("row", range(3))
def test_decision_changes_at_the_flip(row, column):
    flips = cost_curve(PROBA, COSTS, (row, column), VALUES).flips
    for sample, flip in enumerate(flips):
        at = np.clip(flip, -1e6, 1e6)
        taken = [
            expected_costs(value, row, column)[sample].argmin() == column
            for value in (at - 1e-6, at + 1e-6)
        ]
        if np.isfinite(flip):
            assert taken == [True, False]
        else:
            assert PROBA[sample, row] == 0
            assert taken == [flip > 0] * 2


def test_one_row_has_no_axis_of_rows():
    of_all = cost_curve(PROBA, COSTS, (1, 3), VALUES)
    of_one = cost_curve(PROBA[2], COSTS, (1, 3), VALUES)
    assert isinstance(of_one, CostCurve)
    assert isinstance(of_one.flips, float)
    assert of_one.flips == pytest.approx(of_all.flips[2])
    np.testing.assert_allclose(of_one.costs, of_all.costs[2])
    np.testing.assert_array_equal(of_one.decisions, of_all.decisions[2])


def test_labels_and_names_are_followed():
    plain = cost_curve(PROBA, COSTS, (1, 3), VALUES)
    matrix = COSTS[[2, 0, 1]]
    given = cost_curve(PROBA, matrix, ("b", 3), VALUES, labels=["c", "a", "b"])
    np.testing.assert_allclose(given.costs, plain.costs)
    names = np.array(["call", "write", "wait", "ask"])
    named = cost_curve(
        PROBA, pd.DataFrame(matrix, index=["c", "a", "b"], columns=names), ("b", "ask"), VALUES
    )
    np.testing.assert_array_equal(named.decisions, names[plain.decisions])
    np.testing.assert_allclose(named.flips, plain.flips)


def test_square_matrix_decides_for_classes_in_sorted_order():
    curve = cost_curve(PROBA, COSTS[:, :3], ("c", "a"), VALUES, labels=["c", "b", "a"])
    np.testing.assert_array_equal(curve.actions, ["a", "b", "c"])
    expected = PROBA @ COSTS[::-1, 2::-1]
    kept = [1, 2]
    np.testing.assert_allclose(curve.costs[:, 0, kept], expected[:, kept])


def test_entry_and_arguments_are_left_alone():
    costs, values = COSTS.copy(), [1.0, 2.0]
    for array in (costs, PROBA):
        array.setflags(write=False)
    cost_curve(PROBA, costs, (0, 0), values)
    np.testing.assert_array_equal(costs, COSTS)
    assert values == [1.0, 2.0]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"proba": PROBA * 2}, ValueError, "proba must hold probabilities, 0 or more in rows"),
        ({"proba": [1.5, -0.5, 0]}, ValueError, "proba must hold probabilities"),
        ({"proba": PROBA[:, :2] + 0.25}, ValueError, "proba must hold probabilities"),
        ({"proba": [[0.5, 0.5]]}, ValueError, r"cost_matrix must have shape .*got \(3, 4\)"),
        ({"proba": np.ones((2, 2, 2)) / 2}, ValueError, "proba must have shape"),
        ({"proba": "likely"}, TypeError, "proba must be an array of numbers"),
        ({"labels": ["a", "b"]}, ValueError, "proba must have a column for each class"),
        ({"labels": ["a", "a", "b"]}, ValueError, "labels must list every label once"),
        ({"cost_matrix": COSTS[:2]}, ValueError, "cost_matrix must have shape"),
        ({"entry": (3, 0)}, ValueError, r"entry must be a class, one of \[0, 1, 2\].*got \(3, 0\)"),
        ({"entry": (0, 4)}, ValueError, r"entry must be .*got \(0, 4\)"),
        ({"entry": (0,)}, ValueError, r"entry must be .*got \(0,\)"),
        ({"entry": 3}, ValueError, "entry must be .*got 3"),
        ({"values": [[1.0]]}, ValueError, r"values must have shape \(n_values,\); got \(1, 1\)"),
        ({"values": [np.nan]}, ValueError, "values must hold finite numbers"),
        ({"values": ["1"]}, TypeError, "values must be an array of numbers"),
    ],
)
def test_bad_arguments_raise(given, error, message):
    arguments = {"proba": PROBA, "cost_matrix": COSTS, "entry": (0, 0), "values": [1.0], **given}
    with pytest.raises(error, match=message):
        cost_curve(**arguments)
