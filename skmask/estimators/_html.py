"""HTML representation of estimators, with documentation in place and without building a model."""

import re
from types import SimpleNamespace
from typing import Any

from sklearn.base import BaseEstimator

from skmask.data._sklearn import AttrsDict, ParamsDict

__all__ = ["DocumentedHtml"]

# scikit-learn shows the documentation of a name only if the name links to a page. The package has
# no site, so that its estimators link to this word, and the links to it are removed.
_NO_PAGE = "no-page"
_LINK = re.compile(rf'\s+rel="noreferrer" target="_blank" href="{_NO_PAGE}#[^"]*"')

# Attributes that are expensive to read.
_BUILT_WHEN_READ = {"model_"}


class _WithoutLinks:
    """Mixin of scikit-learn's tables: documentation without a link."""

    def _html_repr(self) -> str:
        return _LINK.sub("", super()._html_repr())  # type: ignore[misc]


class _Parameters(_WithoutLinks, ParamsDict):
    pass


class _Attributes(_WithoutLinks, AttrsDict):
    pass


class DocumentedHtml(BaseEstimator):
    """Base of estimators: tables of parameters and attributes with their documentation.

    Neither the tables nor `dir` build a Keras model; the tables leave it out.
    """

    def __dir__(self) -> list[str]:
        # scikit-learn's own reads every attribute, to leave out those that are not there.
        fit = self.__dict__.get("_record")
        learnt = [] if fit is None else [name for name in fit.values if name.endswith("_")]
        names = {*object.__dir__(self), *learnt}
        expensive = _BUILT_WHEN_READ if self.__sklearn_is_fitted__() else set()
        return [name for name in names - _BUILT_WHEN_READ if hasattr(self, name)] + [*expensive]

    def _get_params_html(self, deep: bool = True, doc_link: str = "") -> ParamsDict:
        table = super()._get_params_html(deep, doc_link)
        return _Parameters(
            params=table.data,
            non_default=table.non_default,
            estimator_class=type(self),
            doc_link=doc_link or _NO_PAGE,
        )

    def _get_fitted_attr_html(self, doc_link: str = "") -> AttrsDict:
        learnt = {name for name in dir(self) if name.endswith("_") and not name.startswith("_")}
        # The attributes on an object of their own, because scikit-learn reads all there are.
        shown: Any = SimpleNamespace(
            **{name: getattr(self, name) for name in learnt - _BUILT_WHEN_READ}
        )
        table = BaseEstimator._get_fitted_attr_html(shown)
        return _Attributes(
            fitted_attrs=table.data, estimator_class=type(self), doc_link=doc_link or _NO_PAGE
        )
