"""scikit-learn's callbacks: they see the fit and each of its epochs."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV

from skmask import RestrictedClassClassifier
from skmask.metrics import routed_scorer


def make(**kwargs):
    return RestrictedClassClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 4, "random_state": 0, **kwargs}
    )


class Recorder:
    """Writes down what it is told; stops after an epoch."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.told = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.told.append(("begin", context.task_name, context.task_id))
        self.metadata = metadata

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.told.append(("end", context.task_name, context.task_id))
        if context.task_name == "epoch":
            self.fitted = fitted_estimator
        return context.task_name == "epoch" and context.task_id == self.stop_after


def test_callback_sees_the_fit_and_its_epochs(data):
    X, y, allowed = data
    recorder = Recorder()
    clf = make(epochs=2).set_callbacks(recorder).fit(X, y, allowed=allowed)
    assert recorder.told == [
        "setup",
        ("begin", "fit", 0),
        ("begin", "epoch", 0),
        ("end", "epoch", 0),
        ("begin", "epoch", 1),
        ("end", "epoch", 1),
        ("end", "fit", 0),
        "teardown",
    ]
    assert recorder.metadata.keys() == {"allowed"}
    np.testing.assert_array_equal(
        recorder.fitted.predict_proba(X, allowed=allowed), clf.predict_proba(X, allowed=allowed)
    )


def test_callback_stops_the_training(data):
    X, y, _ = data
    assert make().set_callbacks(Recorder(stop_after=1)).fit(X, y).n_iter_ == 2


def test_callback_changes_nothing_of_what_is_learnt(data):
    X, y, _ = data
    np.testing.assert_array_equal(
        make().set_callbacks(Recorder()).fit(X, y).predict_proba(X),
        make().fit(X, y).predict_proba(X),
    )


def test_callback_is_told_of_the_end_when_a_fit_fails(data):
    X, y, _ = data
    recorder = Recorder()
    clf = make().set_callbacks(recorder)
    before = dict(vars(clf))
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(X * np.nan, y)
    assert recorder.told == ["setup", "teardown"]
    assert vars(clf) == before


def test_scoring_monitor_works_per_epoch(data):
    X, y, allowed = data
    monitor = ScoringMonitor(scoring={"accuracy": routed_scorer(accuracy_score)})
    clf = make().set_callbacks(monitor).fit(X, y, allowed=allowed)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 4
    assert rows[-1]["accuracy"] == clf.score(X, y, allowed=allowed)
    first = make(epochs=1).fit(X, y, allowed=allowed)
    assert rows[0]["accuracy"] == first.score(X, y, allowed=allowed)


def test_progress_bar_shows_epochs(data, capsys):
    X, y, _ = data
    make().set_callbacks(ProgressBar()).fit(X, y)
    shown = capsys.readouterr().out
    assert "RestrictedClassClassifier - fit" in shown
    assert "100%" in shown


def test_progress_bar_on_a_search_shows_candidates_folds_and_epochs(data, capsys):
    X, y, _ = data
    search = GridSearchCV(make(), {"learning_rate": [1e-3, 1e-2]}, cv=2)
    search.set_callbacks(ProgressBar()).fit(X, y)
    shown = capsys.readouterr().out
    assert "GridSearchCV - fit" in shown
    assert "RestrictedClassClassifier - fit" in shown
    recorder = Recorder()
    clone(search).set_params(estimator=make().set_callbacks(recorder)).set_callbacks().fit(X, y)
    assert recorder.told.count(("end", "epoch", 3)) == 5  # two candidates, two folds, a refit
