"""The HTML representation: documentation of each parameter, and no Keras model built for it."""

import gc
import html
import inspect
import pickle
import re

import keras
import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import skmask

ESTIMATORS = [
    getattr(skmask, name)
    for name in skmask.__all__
    if inspect.isclass(getattr(skmask, name)) and hasattr(getattr(skmask, name), "fit")
]
pytestmark = pytest.mark.filterwarnings("ignore:The labels .* are never predicted:UserWarning")

PLACES = {
    "alone": lambda clf: clf,
    "in a pipeline": lambda clf: make_pipeline(StandardScaler(), clf),
    "in a search": lambda clf: GridSearchCV(clf, {"random_state": [0]}, cv=2),
}


@pytest.fixture(scope="module", params=ESTIMATORS, ids=lambda Estimator: Estimator.__name__)
def fitted(request):
    X = np.random.default_rng(0).normal(size=(20, 3))
    clf = request.param(random_state=0)
    short = {"epochs": 1, "units": 3, "hidden_layer_sizes": (3,)}
    clf.set_params(**{k: v for k, v in short.items() if k in clf.get_params()})
    return clf.fit(X, np.arange(20) % 2, X_val=X, y_val=np.arange(20) % 2), X


@pytest.fixture
def n_models():
    """How many Keras models there are, those that are no longer referred to included."""
    gc.collect()
    gc.disable()
    yield lambda: sum(issubclass(type(each), keras.Model) for each in gc.get_objects())
    gc.enable()


def shown(page):
    """The documented names of a page and what it says of them, as plain text."""
    pattern = r'<span class="param-doc-description"[^>]*>\s*(\w+): (.*?)</span>'
    texts = re.findall(pattern, page, flags=re.DOTALL)
    return {name: html.unescape(text.replace("<br>", "\n")) for name, text in texts}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_parameters_are_shown_with_their_documentation(fitted, place, is_fitted):
    clf, X = fitted
    whole = PLACES[place](clone(clf))
    if is_fitted:
        whole.fit(X, np.arange(20) % 2)
    texts = shown(estimator_html_repr(whole))
    for parameter in ClassDoc(type(clf))["Parameters"]:
        first = parameter.desc[0].strip()
        kind = " ".join(parameter.type.split())
        found = " ".join(texts[parameter.name].split())
        assert found.startswith(f"{kind} {first}"), parameter.name


def test_fitted_attributes_are_shown_with_their_documentation(fitted):
    clf, _ = fitted
    texts = shown(estimator_html_repr(clf))
    documented = {attribute.name for attribute in ClassDoc(type(clf))["Attributes"]}
    assert documented - {"model_", "feature_names_in_"} <= set(texts)
    assert "classes_" not in shown(estimator_html_repr(clone(clf)))


def test_nothing_links_to_a_page_that_does_not_exist(fitted):
    assert "href=" not in estimator_html_repr(fitted[0])


def test_page_of_a_subclass_is_linked_to():
    class Documented(skmask.RestrictedClassClassifier):
        __doc__ = skmask.RestrictedClassClassifier.__doc__
        _doc_link_module = __name__.split(".")[0]
        _doc_link_template = "https://example.org/{estimator_name}.html"

    page = estimator_html_repr(Documented())
    assert 'href="https://example.org/Documented.html#:~:text=epochs' in page


def test_looking_at_an_estimator_builds_no_model(fitted, n_models):
    stored, X = pickle.dumps(fitted[0]), fitted[1]
    search = PLACES["in a search"](clone(fitted[0])).fit(X, np.arange(20) % 2)
    pipe = PLACES["in a pipeline"](clone(fitted[0])).fit(X, np.arange(20) % 2)
    for whole in (pickle.loads(stored), clone(fitted[0]), pipe, search):
        before = n_models()
        whole._repr_html_()
        whole._repr_mimebundle_()
        estimator_html_repr(whole)
        repr(whole), str(whole), dir(whole), vars(whole)
        assert n_models() == before
    loaded = pickle.loads(stored)
    before = n_models()
    assert isinstance(loaded.model_, keras.Model)  # what the count is there to notice
    assert n_models() > before
