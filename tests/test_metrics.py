"""Scorers that hand metadata to the estimator. What tools do with them: test_routing.py."""

import pickle

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from skmask import RestrictedClassClassifier
from skmask.metrics import routed_scorer


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
