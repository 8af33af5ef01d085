"""Scores of label matrices against scikit-learn's, and what tools do with their scorers."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skmask import WeightedMultilabelClassifier
from skmask.metrics import make_multilabel_scorer, multilabel_score

THEIRS = {
    "f1": f1_score,
    "precision": precision_score,
    "recall": recall_score,
    "average_precision": average_precision_score,
}
AVERAGES = ["macro", "micro", "samples", "weighted"]
NAMES = ["wet", "cold", "dark"]
never_predicted = pytest.mark.filterwarnings("ignore:The labels .* are never predicted")


@pytest.fixture(scope="module")
def scored():
    """Labels, a score of each and weights; a label and a row without a positive."""
    rng = np.random.default_rng(0)
    y = (rng.random((40, 5)) < 0.4).astype(int)
    y[:, 3] = y[7] = 0
    return y, rng.normal(size=y.shape).round(1), rng.uniform(0.5, 2, size=40)


@pytest.fixture(scope="module")
def holes(scored):
    """The labels with a quarter of the entries unknown, one row throughout."""
    y = np.where(np.random.default_rng(1).random(scored[0].shape) < 0.25, np.nan, scored[0])
    y[11] = np.nan
    return y


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(90, 3))
    Y = (X + 0.3 * rng.normal(size=X.shape) > [0, 0.3, 0.6]).astype(float)
    return X, np.where(rng.random(Y.shape) < 0.2, np.nan, Y)


def make(**kwargs):
    return WeightedMultilabelClassifier(
        **{"hidden_layer_sizes": (), "epochs": 3, "random_state": 0, **kwargs}
    )


def theirs(metric, y, scores, **settings):
    """What scikit-learn's function says."""
    if metric == "average_precision":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of labels without a positive
            return average_precision_score(y, scores, **settings)
    return THEIRS[metric](y, scores > 0, zero_division=0, **settings)


def ours(metric, y, scores, **settings):
    predicted = scores if metric == "average_precision" else scores > 0
    return multilabel_score(y, predicted, metric=metric, **settings)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("metric", THEIRS)
def test_score_is_that_of_scikit_learn_where_all_is_known(scored, metric, average, is_weighted):
    y, scores, weight = scored
    settings = {"average": average, "sample_weight": weight if is_weighted else None}
    expected = theirs(metric, y, scores, **settings)
    assert ours(metric, y, scores, **settings) == pytest.approx(expected)


@pytest.mark.parametrize("metric", THEIRS)
def test_macro_is_the_mean_of_scikit_learns_over_the_known_rows_of_each_label(
    scored, holes, metric
):
    _, scores, weight = scored
    each = []
    for label in range(5):
        known = ~np.isnan(holes[:, label])
        of_label = holes[known, label].astype(int), scores[known, label]
        each.append(theirs(metric, *of_label, sample_weight=weight[known]))
    found = ours(metric, holes, scores, sample_weight=weight)
    assert found == pytest.approx(np.mean(each))
    positives = [np.nansum(weight * holes[:, label]) for label in range(5)]
    found = ours(metric, holes, scores, sample_weight=weight, average="weighted")
    assert found == pytest.approx(np.average(each, weights=positives))


@pytest.mark.parametrize("metric", THEIRS)
def test_micro_is_scikit_learns_over_all_known_entries(scored, holes, metric):
    known = ~np.isnan(holes)
    weight = np.random.default_rng(3).uniform(0.5, 2, size=holes.shape)
    entries = holes[known].astype(int), scored[1][known]
    expected = theirs(metric, *entries, sample_weight=weight[known])
    found = ours(metric, holes, scored[1], average="micro", sample_weight=weight)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("metric", THEIRS)
def test_samples_is_the_mean_of_scikit_learns_over_the_known_labels_of_each_row(
    scored, holes, metric
):
    _, scores, weight = scored
    each = [
        theirs(metric, row[~np.isnan(row)].astype(int), of_row[~np.isnan(row)])
        for row, of_row in zip(np.delete(holes, 11, axis=0), np.delete(scores, 11, 0), strict=True)
    ]
    found = ours(metric, holes, scores, average="samples", sample_weight=weight)
    assert found == pytest.approx(np.average(each, weights=np.delete(weight, 11)))


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("metric", THEIRS)
def test_weight_of_zero_is_an_unknown_entry(scored, holes, metric, average):
    y, scores, _ = scored
    weight = (~np.isnan(holes)).astype(float)
    found = ours(metric, y, scores, average=average, sample_weight=weight)
    assert found == pytest.approx(ours(metric, holes, scores, average=average))


@pytest.mark.parametrize("division", [0.0, 1.0, np.nan])
@pytest.mark.parametrize("metric", ["f1", "precision", "recall"])
def test_nothing_over_nothing_is_what_zero_division_says(scored, metric, division):
    y, scores, _ = scored
    predicted = (scores > 0) & (np.arange(5) < 3)  # no positive, no prediction, or neither
    found = multilabel_score(y, predicted, metric=metric, zero_division=division)
    expected = THEIRS[metric](y, predicted, average="macro", zero_division=division)
    assert found == pytest.approx(expected)


def test_score_of_nothing_known_is_nan():
    assert np.isnan(multilabel_score([[np.nan], [np.nan]], [[0], [1]]))


@pytest.mark.parametrize(
    "form",
    [
        lambda y: pd.DataFrame(y, columns=NAMES).convert_dtypes(),
        lambda y: pd.DataFrame(y, columns=NAMES)[NAMES[::-1]],
        np.ndarray.tolist,
    ],
)
def test_labels_may_come_in_many_forms(data, form):
    X, Y = data
    predicted = X > 0.2
    expected = multilabel_score(Y, predicted)
    table = form(Y)
    if isinstance(table, pd.DataFrame):
        predicted = pd.DataFrame(predicted, columns=NAMES)
    assert multilabel_score(table, predicted) == pytest.approx(expected)


def test_sparse_labels_are_those_of_the_dense_ones(scored):
    y, scores, _ = scored
    found = multilabel_score(sparse.csr_array(y), sparse.csr_array((scores > 0).astype(int)))
    assert found == multilabel_score(y, scores > 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "accuracy"}, r"metric must be one of \['f1', 'precision', 'recall', 'average"),
        ({"metric": ["f1"]}, r"metric must be one of .* got \['f1'\]"),
        ({"average": None}, "average must be one of .* got None. Choose one of them"),
        ({"average": "binary"}, "average must be one of .* got 'binary'"),
        ({"zero_division": "warn"}, "zero_division must be 0.0, 1.0 or NaN; got 'warn'"),
        ({"y_true": [[0, 2]]}, r"y_true must hold only 0, 1 and NaN .* got \[2\] in row 0"),
        ({"y_true": [0, 1]}, r"y_true must have a column for each label; got shape \(2,\)"),
        ({"y_pred": [[0, np.nan]]}, "y_pred must hold a prediction for each entry; got NaN"),
        ({"y_pred": [[0.5, 0.2]]}, "y_pred must hold only 0, 1 and NaN"),
        ({"y_pred": [[0]]}, "y_pred must have one column for each of the 2 labels of y_true"),
        ({"y_pred": [[0, 1], [1, 0]]}, "y_true and y_pred: Found input variables with"),
        ({"metric": "average_precision", "y_pred": [[0.5]]}, r"y_pred must have one column .*y_tr"),
        ({"sample_weight": [1, 2]}, r"sample_weight must have shape \(1,\)"),
        ({"sample_weight": [[1]]}, r"sample_weight must have shape \(1,\) or \(1, 2\)"),
    ],
)
def test_bad_argument_of_a_score_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        multilabel_score(**{"y_true": [[0, 1]], "y_pred": [[0, 1]], **arguments})


# Scorers.


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"metric": "auc"}, "metric must be one of"),
        ({"average": None}, "average must be one of"),
        ({"zero_division": 2}, "zero_division must be 0.0, 1.0 or NaN; got 2"),
    ],
)
def test_bad_parameter_of_a_scorer_is_refused_when_it_is_made(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_multilabel_scorer(**parameters)


@never_predicted
@pytest.mark.parametrize("metric", THEIRS)
def test_scorer_is_the_score_of_what_is_predicted(data, metric):
    X, Y = data
    clf = make().fit(X, Y)
    respond = clf.predict_proba if metric == "average_precision" else clf.predict
    expected = multilabel_score(Y, respond(X), metric=metric, average="micro")
    assert make_multilabel_scorer(metric, "micro")(clf, X, Y) == expected
    weight = np.arange(90)
    scorer = make_multilabel_scorer(metric, "micro", metadata=("sample_weight",))
    expected = multilabel_score(Y, respond(X), metric=metric, average="micro", sample_weight=weight)
    assert scorer(clf, X, Y, sample_weight=weight) == expected


@pytest.mark.parametrize(
    "model",
    [
        OneVsRestClassifier(LogisticRegression()),
        OneVsRestClassifier(LinearSVC()),
        RandomForestClassifier(5, random_state=0),
    ],
    ids=lambda model: type(getattr(model, "estimator", model)).__name__,
)
@pytest.mark.parametrize("n_labels", [2, 3])
def test_scorer_takes_classifiers_of_scikit_learn(data, model, n_labels):
    X, Y = data[0], (data[0] > 0).astype(int)[:, :n_labels]
    model = clone(model).fit(X, Y)
    if hasattr(model, "predict_proba"):
        scores = model.predict_proba(X)
        scores = np.stack(scores)[..., 1].T if isinstance(scores, list) else scores
    else:
        scores = model.decision_function(X)
    expected = average_precision_score(Y, scores)
    assert make_multilabel_scorer("average_precision")(model, X, Y) == pytest.approx(expected)


@never_predicted
def test_labels_of_a_frame_are_brought_in_the_order_of_the_predictions(data):
    X, Y = data
    frame = pd.DataFrame(Y, columns=NAMES)
    pipe = make_pipeline(StandardScaler(), make()).fit(X, frame)
    scorer = make_multilabel_scorer("recall", "weighted")
    assert scorer(pipe, X, frame[NAMES[::-1]]) == scorer(pipe, X, frame)


@never_predicted
def test_cross_validation_takes_unknown_labels(data):
    X, Y = data
    folds = KFold(3, shuffle=True, random_state=0)
    found = cross_val_score(make(), X, Y, scoring=make_multilabel_scorer(), cv=folds)
    expected = [
        multilabel_score(Y[test], make().fit(X[train], Y[train]).predict(X[test]))
        for train, test in folds.split(X)
    ]
    assert found.tolist() == expected


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("cv", [3, None])
def test_number_of_folds_is_refused_by_scikit_learn_where_labels_are_unknown(data, cv):
    with pytest.raises(ValueError, match="contains NaN"):
        cross_val_score(make(), *data, scoring=make_multilabel_scorer(), cv=cv)


@never_predicted
@pytest.mark.parametrize("is_routed", [False, True])
def test_search_and_its_clone_take_the_scorer(data, is_routed):
    grid = {"learning_rate": [1e-5, 0.1]}
    scorer = make_multilabel_scorer("average_precision", "micro")
    search = GridSearchCV(make(), grid, scoring=scorer, cv=KFold(3), error_score="raise")
    with sklearn.config_context(enable_metadata_routing=is_routed):
        assert clone(search).fit(*data).best_params_ == {"learning_rate": 0.1}


@never_predicted
@pytest.mark.parametrize("is_routed", [False, True])
def test_several_scorers_are_those_alone(data, is_routed):
    scorers = {metric: make_multilabel_scorer(metric) for metric in THEIRS}
    with sklearn.config_context(enable_metadata_routing=is_routed):
        found = cross_validate(make(), *data, scoring=scorers, cv=KFold(2))
        for metric, scorer in scorers.items():
            alone = cross_val_score(make(), *data, scoring=scorer, cv=KFold(2))
            assert found[f"test_{metric}"].tolist() == alone.tolist()


@never_predicted
def test_search_routes_masks_and_weights_to_the_scorer(data):
    X, Y = data
    allowed = (np.random.default_rng(4).random(Y.shape) < 0.7) | (Y == 1)
    weight = np.random.default_rng(5).uniform(0.5, 2, size=90)
    scorer = make_multilabel_scorer("precision", metadata=("allowed", "sample_weight"))
    params = {"allowed": allowed, "sample_weight": weight}
    with sklearn.config_context(enable_metadata_routing=True):
        clf = make(threshold=0.1).set_fit_request(sample_weight=True)
        found = cross_val_score(clf, X, Y, scoring=scorer, cv=KFold(2), params=params)
    expected = []
    for train, test in KFold(2).split(X):
        fitted = make(threshold=0.1).fit(X[train], Y[train], weight[train], allowed=allowed[train])
        predicted = fitted.predict(X[test], allowed=allowed[test])
        settings = {"metric": "precision", "sample_weight": weight[test]}
        expected.append(multilabel_score(Y[test], predicted, **settings))
    assert found.tolist() == expected


@never_predicted
@pytest.mark.parametrize("is_masked", [False, True])
def test_early_stopping_watches_the_scorer(data, is_masked):
    X, Y = data
    masks = {}
    if is_masked:
        allowed = Y != 0
        masks = {"allowed": allowed[:60], "allowed_val": allowed[60:]}
    clf = make(early_stopping=True, monitor=make_multilabel_scorer("recall"))
    clf.fit(X[:60], Y[:60], X_val=X[60:], y_val=Y[60:], **masks)
    of_rows = {"allowed": allowed[60:]} if is_masked else {}
    expected = multilabel_score(Y[60:], clf.predict(X[60:], **of_rows), metric="recall")
    assert max(clf.validation_scores_) == expected


def test_stored_scorer_scores_and_says_what_it_is(data):
    X, Y = data
    scorer = make_multilabel_scorer("recall", "samples", metadata=())
    said = "make_multilabel_scorer(metric='recall', average='samples', zero_division=0.0, metada"
    assert repr(scorer).startswith(said)
    model = OneVsRestClassifier(LogisticRegression()).fit(X, X > 0)
    assert pickle.loads(pickle.dumps(scorer))(model, X, Y) == scorer(model, X, Y)


def test_scorer_refuses_metadata_that_was_not_named(data):
    scorer = make_multilabel_scorer()
    with pytest.raises(TypeError, match=r"metadata of this scorer must be among \['allowed'\]"):
        scorer(make(), *data, costs=3)


def test_labels_that_were_constant_in_training_are_as_probable_as_they_were():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 4)), (rng.random((60, 3)) < 0.4).astype(int)
    training = Y.copy()
    training[:, 1], training[:, 2] = 0, 1
    forest = RandomForestClassifier(5, random_state=0).fit(X, training)
    scores = np.c_[forest.predict_proba(X)[0][:, 1], np.zeros(60), np.ones(60)]
    expected = average_precision_score(Y, scores, average="micro")
    assert make_multilabel_scorer("average_precision", "micro")(forest, X, Y) == expected


@never_predicted
def test_order_of_labels_is_found_inside_a_search():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    frame = pd.DataFrame(X > 0.3, columns=NAMES).astype(int)
    clf = WeightedMultilabelClassifier((), classes=NAMES[::-1], epochs=20, learning_rate=0.05)
    search = GridSearchCV(clf.set_params(random_state=0), {"alpha": [0.0]}, cv=2).fit(X, frame)
    scorer = make_multilabel_scorer()
    assert scorer(search, X, frame) == scorer(search.best_estimator_, X, frame) > 0.5
