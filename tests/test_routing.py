"""The table of docs/metadata.md, row by row: which tool carries `allowed`, and by which route.

A tool that scikit-learn teaches to pass metadata one day fails its row here; then the table is
out of date.
"""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmask import RestrictedClassClassifier
from skmask.datasets import make_restricted_classification
from skmask.metrics import routed_scorer

GRID = {"epochs": [1, 2]}
NO_MASK = "allowed must be given for prediction after a fit with a mask"

pytestmark = pytest.mark.usefixtures("routing")


@pytest.fixture(scope="module")
def rows():
    return make_restricted_classification(90, 5, 4, 2, random_state=0)


@pytest.fixture
def clf():
    """For the mask as a routed argument."""
    return RestrictedClassClassifier((4,), classes=range(4), epochs=1, random_state=0)


@pytest.fixture
def by_columns(clf):
    """For the mask in the last columns of X."""
    return clone(clf).set_params(allowed_columns=slice(5, 9))


@pytest.fixture(scope="module")
def both(rows):
    X, _, allowed = rows
    return np.c_[X, allowed]


def are_allowed(predicted, allowed):
    return allowed[np.arange(len(predicted)), predicted].all()


# Carried by routing.


def test_pipeline(rows, clf):
    X, y, allowed = rows
    pipe = make_pipeline(StandardScaler(), clf).fit(X, y, allowed=allowed)
    assert are_allowed(pipe.predict(X, allowed=allowed), allowed)
    assert (pipe.predict_proba(X, allowed=allowed)[~allowed] == 0).all()
    assert np.isfinite(pipe.decision_function(X, allowed=allowed)).all()
    pipe.score(X, y, allowed=allowed)
    with pytest.raises(ValueError, match=NO_MASK):
        pipe.predict(X)


SEARCHES = {
    "GridSearchCV": lambda clf: GridSearchCV(clf, GRID, cv=3, error_score="raise"),
    "RandomizedSearchCV": lambda clf: RandomizedSearchCV(
        clf, GRID, n_iter=2, cv=3, error_score="raise"
    ),
    "HalvingGridSearchCV": lambda clf: HalvingGridSearchCV(
        clf, GRID, cv=3, min_resources=30, error_score="raise"
    ),
}


@pytest.mark.parametrize("search", SEARCHES)
def test_search_carries_the_mask_to_fit_and_score_but_not_to_predict(rows, clf, search):
    X, y, allowed = rows
    search = SEARCHES[search](clf).fit(X, y, allowed=allowed)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    search.score(X, y, allowed=allowed)
    with pytest.raises(TypeError, match="unexpected keyword argument 'allowed'"):
        search.predict(X, allowed=allowed)
    best = search.best_estimator_  # which does
    assert are_allowed(best.predict(X, allowed=allowed), allowed)


@pytest.mark.parametrize("search", SEARCHES)
def test_search_predicts_from_columns(rows, both, by_columns, search):
    _, y, allowed = rows
    fitted = SEARCHES[search](by_columns).fit(both, y)
    assert are_allowed(fitted.predict(both), allowed)


def test_cross_validate(rows, clf):
    X, y, allowed = rows
    scoring = {
        "accuracy": routed_scorer(accuracy_score),
        "log_loss": routed_scorer(
            log_loss, response_method="predict_proba", greater_is_better=False, labels=range(4)
        ),
    }
    scores = cross_validate(
        clf, X, y, cv=3, params={"allowed": allowed}, scoring=scoring, error_score="raise"
    )
    assert (scores["test_accuracy"] >= 0).all()
    assert (scores["test_log_loss"] < 0).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cross_val_score(rows, clf, n_jobs):
    X, y, allowed = rows
    scorer = routed_scorer(log_loss, response_method="predict_proba", greater_is_better=False)
    pipe = make_pipeline(StandardScaler(), clf)
    scores = cross_val_score(
        pipe,
        X,
        y,
        params={"allowed": allowed},
        scoring=scorer,
        cv=3,
        n_jobs=n_jobs,
        error_score="raise",
    )
    assert np.isfinite(scores).all()
    one_by_one = cross_val_score(pipe, X, y, params={"allowed": allowed}, scoring=scorer, cv=3)
    np.testing.assert_array_equal(scores, one_by_one)


def test_cross_val_score_by_the_score_of_the_estimator(rows, clf):
    X, y, allowed = rows
    scores = cross_val_score(clf, X, y, params={"allowed": allowed}, cv=3, error_score="raise")
    expected = cross_val_score(
        clf, X, y, params={"allowed": allowed}, cv=3, scoring=routed_scorer(accuracy_score)
    )
    np.testing.assert_array_equal(scores, expected)


def test_learning_curve(rows, clf):
    X, y, allowed = rows
    *_, scores = learning_curve(
        clf, X, y, cv=3, params={"allowed": allowed}, error_score="raise", train_sizes=[30, 60]
    )
    assert np.isfinite(scores).all()


def test_bagging_classifier_carries_the_mask_but_not_to_score(rows, clf):
    X, y, allowed = rows
    bag = BaggingClassifier(clf, n_estimators=2, random_state=0).fit(X, y, allowed=allowed)
    if sklearn.__version__ == "1.9.0":  # takes the mask and drops it
        with pytest.raises(ValueError, match=NO_MASK):
            bag.predict(X, allowed=allowed)
        return
    assert are_allowed(bag.predict(X, allowed=allowed), allowed)
    assert (bag.predict_proba(X, allowed=allowed)[~allowed] == 0).all()
    with pytest.raises(TypeError, match="unexpected keyword argument 'allowed'"):
        bag.score(X, y, allowed=allowed)


# Only from columns of X.


def test_cross_val_predict(rows, both, clf, by_columns):
    X, y, allowed = rows
    with pytest.raises(ValueError, match=NO_MASK):
        cross_val_predict(clf, X, y, cv=3, params={"allowed": allowed})
    assert are_allowed(cross_val_predict(by_columns, both, y, cv=3), allowed)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibrated_classifier_cv(rows, both, clf, by_columns, method):
    X, y, allowed = rows
    calibrated = CalibratedClassifierCV(clf, method=method, cv=3)
    with pytest.raises(ValueError, match=NO_MASK):
        calibrated.fit(X, y, allowed=allowed)
    calibrated = CalibratedClassifierCV(by_columns, method=method, cv=3).fit(both, y)
    assert calibrated.predict_proba(both)[~allowed].max() < 0.1  # no longer exactly 0
    assert are_allowed(calibrated.predict(both), allowed)


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_voting_classifier(rows, both, clf, by_columns, voting):
    X, y, allowed = rows
    vote = VotingClassifier([("a", clf), ("b", clf)], voting=voting).fit(X, y, allowed=allowed)
    with pytest.raises(TypeError, match="unexpected keyword argument 'allowed'"):
        vote.predict(X, allowed=allowed)
    vote = VotingClassifier([("a", by_columns), ("b", by_columns)], voting=voting).fit(both, y)
    assert are_allowed(vote.predict(both), allowed)


def test_stacking_classifier(rows, both, clf, by_columns):
    X, y, allowed = rows
    with pytest.raises(ValueError, match=NO_MASK):
        StackingClassifier([("a", clf), ("b", clf)], cv=3).fit(X, y, allowed=allowed)
    stack = StackingClassifier([("a", by_columns), ("b", by_columns)], cv=3).fit(both, y)
    assert (stack.transform(both)[:, :4][~allowed] == 0).all()
    assert stack.predict(both).shape == (90,)  # the last word is the final estimator's


def test_tuned_threshold_classifier_cv(rows, clf, by_columns):
    X, y, _ = rows
    y = y % 2
    allowed = np.ones((90, 2), bool)
    allowed[np.arange(0, 90, 3), 1 - y[::3]] = False
    clf.set_params(classes=None)
    with pytest.raises(ValueError, match=NO_MASK):
        TunedThresholdClassifierCV(clf, cv=3).fit(X, y, allowed=allowed)
    by_columns.set_params(classes=None, allowed_columns=slice(5, 7))
    both = np.c_[X, allowed]
    tuned = TunedThresholdClassifierCV(by_columns, cv=3).fit(both, y)
    assert are_allowed(tuned.predict(both), allowed)


def test_permutation_importance(rows, both, clf, by_columns):
    X, y, allowed = rows
    with pytest.raises(ValueError, match=NO_MASK):
        permutation_importance(clf.fit(X, y, allowed=allowed), X, y)
    # Permuting a mask column would leave a row without a class: so ask for the features only,
    # through a scorer that puts them before the rows' own masks.
    fitted = by_columns.fit(both, y)
    done = permutation_importance(
        fitted,
        X,
        y,
        scoring=lambda fitted, X, y: fitted.score(np.c_[X, allowed], y),
        n_repeats=2,
        random_state=0,
    )
    assert done.importances_mean.shape == (5,)


def test_partial_dependence(rows, both, clf, by_columns):
    X, y, allowed = rows
    with pytest.raises(ValueError, match=NO_MASK):
        partial_dependence(clf.fit(X, y, allowed=allowed), X, [0], response_method="predict_proba")
    done = partial_dependence(
        by_columns.fit(both, y), both, [0], response_method="predict_proba", grid_resolution=5
    )
    assert done["average"].shape == (4, 5)


# Requests.


def test_requests_survive_a_clone(clf):
    request = clone(clf).get_metadata_routing()
    for method in ("fit", "partial_fit", "predict", "predict_proba", "score"):
        assert getattr(request, method).requests["allowed"] is True
    assert request.fit.requests["sample_weight"] is None
    asked = clone(clone(clf).set_fit_request(sample_weight=True, allowed="mask"))
    assert asked.get_metadata_routing().fit.requests["sample_weight"] is True
    assert asked.get_metadata_routing().fit.requests["allowed"] == "mask"


def test_sample_weight_is_routed_where_it_was_asked_for(rows, clf):
    X, y, allowed = rows
    weight = np.arange(90.0)
    pipe = make_pipeline(StandardScaler(), clf.set_fit_request(sample_weight=True))
    pipe[0].set_fit_request(sample_weight=False)
    weighted = pipe.fit(X, y, allowed=allowed, sample_weight=weight)
    direct = clone(clf).fit(pipe[0].transform(X), y, allowed=allowed, sample_weight=weight)
    np.testing.assert_array_equal(
        weighted.predict_proba(X, allowed=allowed),
        direct.predict_proba(pipe[0].transform(X), allowed=allowed),
    )


def test_without_routing_the_mask_goes_by_the_name_of_the_step(rows, clf):
    X, y, allowed = rows
    with sklearn.config_context(enable_metadata_routing=False):
        pipe = make_pipeline(StandardScaler(), clf)
        pipe.fit(X, y, restrictedclassclassifier__allowed=allowed)
        assert are_allowed(pipe.predict(X, allowed=allowed), allowed)
        search = GridSearchCV(pipe, {"restrictedclassclassifier__epochs": [1]}, cv=3)
        with (  # the scorer gets no mask
            pytest.warns(UserWarning, match="non-finite"),
            pytest.warns(UserWarning, match="Scoring failed"),
        ):
            search.fit(X, y, restrictedclassclassifier__allowed=allowed)
