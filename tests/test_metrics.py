"""Metrics, and scorers that hand metadata on. What tools do with them: test_routing.py."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import TunedThresholdClassifierCV

from skmask import CostSensitiveClassifier, RestrictedClassClassifier
from skmask.datasets import make_cost_sensitive_classification
from skmask.metrics import (
    make_cost_scorer,
    make_sequence_scorer,
    mean_cost,
    routed_scorer,
    savings_score,
    sequence_accuracy,
    step_accuracy,
)


def test_scorer_equals_the_metric_on_restricted_predictions(data, restricted):
    X, y, allowed = data
    scorer = routed_scorer(accuracy_score)
    expected = accuracy_score(y, restricted.predict(X, allowed=allowed))
    assert scorer(restricted, X, y, allowed=allowed) == expected


def test_loss_changes_its_sign(data, restricted):
    X, y, allowed = data
    scorer = routed_scorer(log_loss, response_method="predict_proba", greater_is_better=False)
    expected = -log_loss(y, restricted.predict_proba(X, allowed=allowed))
    assert scorer(restricted, X, y, allowed=allowed) == expected


def test_weights_go_to_the_metric(data, restricted):
    X, y, allowed = data
    weight = np.arange(60)
    scorer = routed_scorer(accuracy_score, metadata=("allowed", "sample_weight"))
    expected = accuracy_score(y, restricted.predict(X, allowed=allowed), sample_weight=weight)
    assert scorer(restricted, X, y, allowed=allowed, sample_weight=weight) == expected


@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_two_classes_are_scored_by_the_second(data, method):
    X, y, _ = data
    y = np.array(["no", "yes"])[y % 2]
    allowed = np.ones((60, 2), bool)
    clf = RestrictedClassClassifier((4,), epochs=1, random_state=0).fit(X, y, allowed=allowed)
    scorer = routed_scorer(roc_auc_score, response_method=method)
    expected = roc_auc_score(y, clf.predict_proba(X, allowed=allowed)[:, 1])
    assert scorer(clf, X, y, allowed=allowed) == pytest.approx(expected)
    brier = routed_scorer(brier_score_loss, response_method="predict_proba", pos_label="no")
    expected = brier_score_loss(y, clf.predict_proba(X, allowed=allowed)[:, 0], pos_label="no")
    assert brier(clf, X, y, allowed=allowed) == pytest.approx(expected)


def test_labels_help_where_a_fold_lacks_a_class(data, restricted):
    X, y, allowed = data
    kept = y != 3
    scorer = routed_scorer(log_loss, response_method="predict_proba", labels=[0, 1, 2, 3])
    assert np.isfinite(scorer(restricted, X[kept], y[kept], allowed=allowed[kept]))


def test_metadata_that_was_not_named_is_refused(data, restricted):
    X, y, allowed = data
    with pytest.raises(TypeError, match=r"metadata of this scorer must be among \['allowed'\]"):
        routed_scorer(accuracy_score)(restricted, X, y, allowed=allowed, costs=3)


def test_scorer_can_be_stored_and_says_what_it_is(data, restricted):
    X, y, allowed = data
    scorer = pickle.loads(pickle.dumps(routed_scorer(accuracy_score)))
    assert 0 <= scorer(restricted, X, y, allowed=allowed) <= 1
    assert repr(scorer).startswith("routed_scorer(accuracy_score, response_method='predict'")


# Costs.

COSTS = np.array([[0.0, 2, 3], [8, 0.5, 1], [4, 6, 0]])
LABELS = np.array(["c", "a", "b"])


@pytest.fixture
def decisions(rng):
    return rng.integers(3, size=50), rng.integers(3, size=50), rng.uniform(0.1, 2, size=50)


def test_mean_cost_equals_the_formula(decisions):
    y, predicted, weight = decisions
    each = COSTS[y, predicted]
    assert mean_cost(y, predicted, COSTS) == pytest.approx(each.mean())
    found = mean_cost(y, predicted, COSTS, sample_weight=weight)
    assert found == pytest.approx(np.average(each, weights=weight))


def test_costs_of_metrics_follow_the_labels(decisions):
    y, predicted, _ = decisions
    expected = mean_cost(y, predicted, COSTS)
    named = LABELS[y], LABELS[predicted]
    frame = pd.DataFrame(COSTS, index=LABELS, columns=LABELS)
    assert mean_cost(*named, COSTS, labels=LABELS) == pytest.approx(expected)
    assert mean_cost(*named, frame.iloc[::-1, [1, 0, 2]]) == pytest.approx(expected)
    assert mean_cost(*named, costs=COSTS[y], labels=LABELS) == pytest.approx(expected)
    cube = np.tile(COSTS, (50, 1, 1))
    assert mean_cost(*named, costs=cube, labels=LABELS) == pytest.approx(expected)


def test_savings_compare_with_the_best_constant_decision(decisions):
    y, predicted, weight = decisions
    for weights in (None, weight):
        constant = min(
            mean_cost(y, np.full(50, label), COSTS, labels=range(3), sample_weight=weights)
            for label in range(3)
        )
        found = savings_score(y, predicted, COSTS, sample_weight=weights)
        expected = 1 - mean_cost(y, predicted, COSTS, sample_weight=weights) / constant
        assert found == pytest.approx(expected)
    assert savings_score(y, y, 1 - np.eye(3)) == 1


def test_savings_where_nothing_can_be_saved():
    assert savings_score([0, 0], [0, 0], [[0, 1], [1, 0]], labels=[0, 1]) == 1
    assert savings_score([0, 0], [0, 1], [[0, 1], [1, 0]]) == 0
    with pytest.raises(ValueError, match="savings_score must compare with a constant decision"):
        savings_score([0, 1], [0, 1], [[-5, 1], [1, 0]])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "cost_matrix or costs must be given, one of them; got neither"),
        ({"cost_matrix": COSTS, "costs": COSTS}, "one of them; got both"),
        ({"cost_matrix": COSTS}, "labels must be given where not all classes occur; got 2"),
        ({"costs": np.ones((2, 3))}, "labels must be given where not all classes occur; got 2"),
        ({"cost_matrix": COSTS, "labels": [0, 1]}, "cost_matrix must have shape"),
        ({"cost_matrix": COSTS, "labels": [0, 2, 3]}, "y_true must hold only the labels listed in"),
    ],
)
def test_bad_input_of_cost_metrics(kwargs, message):
    with pytest.raises(ValueError, match=message):
        mean_cost([0, 1], [1, 1], **kwargs)


def test_cost_scorer_is_taken_where_scikit_learn_wants_its_own():
    X, y, costs = make_cost_sensitive_classification(120, 5, 2, class_sep=1, random_state=0)
    scorer = make_cost_scorer(costs)
    tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring=scorer, cv=3).fit(X, y)
    plain = LogisticRegression().fit(X, y)
    assert scorer(tuned, X, y) > scorer(plain, X, y)
    assert scorer(plain, X, y) == -mean_cost(y, plain.predict(X), costs)
    assert make_cost_scorer(costs, metric="savings")(plain, X, y) == pytest.approx(
        savings_score(y, plain.predict(X), costs)
    )


def test_routed_costs_go_to_the_metric_alone_where_predict_takes_none():
    X, y, costs = make_cost_sensitive_classification(60, 5, random_state=0)
    plain = LogisticRegression().fit(X, y)
    scorer = pickle.loads(pickle.dumps(make_cost_scorer()))
    expected = -mean_cost(y, plain.predict(X), costs)
    assert scorer(plain, X, y, costs=costs[y]) == pytest.approx(expected)
    assert scorer(plain, X, y, costs=np.tile(costs, (60, 1, 1))) == pytest.approx(expected)


def test_routed_costs_decide_and_are_counted():
    X, y, costs = make_cost_sensitive_classification(60, 5, random_state=0)
    cube = np.tile(costs, (60, 1, 1))
    clf = CostSensitiveClassifier((4,), epochs=1, random_state=0).fit(X, y, costs=cube)
    expected = -mean_cost(y, clf.predict(X, costs=cube), costs)
    assert make_cost_scorer()(clf, X, y, costs=cube) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"cost_matrix": COSTS, "metric": "profit"}, "metric must be one of .*'savings'"),
        ({"metadata": ()}, "cost_matrix must be given unless costs are routed"),
        ({"cost_matrix": COSTS, "metadata": ["costs"]}, "cost_matrix must be given unless"),
    ],
)
def test_bad_cost_scorer(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_cost_scorer(**kwargs)


# Labels by step.


def test_step_that_is_padding_does_not_count():
    # The middle step is padding: what is predicted there does not matter.
    for anything in (0, 1, -1):
        assert step_accuracy([[0, -1, 1]], [[1, anything, 1]]) == 0.5
        assert sequence_accuracy([[0, -1, 1]], [[1, anything, 1]]) == 0
        assert sequence_accuracy([[1, -1, 1]], [[1, anything, 1]]) == 1
    assert step_accuracy([["a", "", "b"]], [["a", "b", "a"]]) == 0.5
    assert step_accuracy([["a", "#"]], [["b", "#"]], padding_label="#") == 0
    assert step_accuracy([[1.0, np.nan]], [[1.0, 3.0]], padding_label=np.nan) == 1


def test_step_accuracy_is_that_of_all_steps_together(rng):
    lengths = rng.integers(1, 9, size=30)
    true = [rng.integers(3, size=n) for n in lengths]
    predicted = [rng.integers(3, size=n) for n in lengths]
    expected = accuracy_score(np.concatenate(true), np.concatenate(predicted))
    assert step_accuracy(true, predicted) == pytest.approx(expected)
    whole = [np.array_equal(t, p) for t, p in zip(true, predicted, strict=True)]
    assert sequence_accuracy(true, predicted) == pytest.approx(np.mean(whole))
    padded = np.full((30, 12), -1)
    for row, labels in zip(padded, predicted, strict=True):
        row[: len(labels)] = labels
    assert step_accuracy(true, padded) == pytest.approx(expected)


def test_weights_of_steps_and_of_sequences():
    true, predicted = [[0, 1], [1, -1]], [[0, 0], [1, 1]]
    assert step_accuracy(true, predicted, sample_weight=[1, 3]) == pytest.approx(4 / 5)
    assert step_accuracy(true, predicted, sample_weight=[[1, 2], [3, 9]]) == pytest.approx(4 / 6)
    assert sequence_accuracy(true, predicted, sample_weight=[1, 3]) == pytest.approx(3 / 4)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([[0, 1]], [[0, 1, 1]], "y_pred must have a label for each step of y_true"),
        ([np.array([0, 1])], [np.array([0])], "y_pred must have a label for each step"),
        ([[0, 1]], [[0, 1], [0, 1]], "inconsistent numbers of samples"),
        ([[-1, -1]], [[0, 1]], "y_true must have a step that is not padding"),
        ([0, 1], [0, 1], "y_true must have shape"),
    ],
)
def test_labels_by_step_that_do_not_agree(true, predicted, message):
    for metric in (step_accuracy, sequence_accuracy):
        with pytest.raises(ValueError, match=message):
            metric(true, predicted)


def test_sequence_scorer_is_of_a_known_metric():
    with pytest.raises(ValueError, match="metric must be one of"):
        make_sequence_scorer("accuracy")
    assert pickle.loads(pickle.dumps(make_sequence_scorer())) is not None
