"""Scorers that hand metadata to the estimator."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from skmask.data._frames import without_names

__all__ = ["MetadataScorer", "RoutedScorer", "routed_scorer"]


_ROUTED_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


class _WithMetadata:
    """An estimator whose response methods are called with metadata that was given once."""

    def __init__(self, estimator: Any, metadata: dict[str, Any]):
        self._estimator = estimator
        self._metadata = metadata

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and not name.startswith("__sklearn"):
            raise AttributeError(name)
        attribute = getattr(self._estimator, name)
        if name not in _ROUTED_METHODS:
            return attribute

        @wraps(attribute)  # scikit-learn tells probabilities from labels by the name
        def respond(X: Any) -> Any:
            return attribute(X, **self._metadata)

        return respond


class MetadataScorer:
    """A scorer that requests metadata by name.

    Parameters
    ----------
    metadata : sequence of str
    maker : str
        Name of the function that makes such scorers, for messages.
    """

    def __init__(self, metadata: Sequence[str], maker: str):
        self._metadata = tuple(metadata)
        self._maker = maker

    def get_metadata_routing(self):
        """Return the metadata that this scorer requests."""
        request = MetadataRequest(owner=self)
        for name in self._metadata:
            request.score.add_request(param=name, alias=True)
        return request

    def _given(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """Return the metadata of a call that is not None; raise for some that was not named."""
        unknown = sorted(set(metadata) - set(self._metadata))
        if unknown:
            raise TypeError(
                f"metadata of this scorer must be among {list(self._metadata)}; got {unknown}. "
                f"Name them in {self._maker}(..., metadata=...)."
            )
        return {name: value for name, value in metadata.items() if value is not None}


class RoutedScorer(MetadataScorer):
    """A scorer that hands metadata to the response method of the estimator it scores."""

    def __init__(
        self, score_func, response_method, greater_is_better, metadata, kwargs, of_metric=()
    ):
        super().__init__(metadata, "routed_scorer")
        self._score_func = score_func
        self._response_method = response_method
        self._greater_is_better = greater_is_better
        self._kwargs = kwargs
        self._of_metric = tuple(of_metric)

    def __call__(self, estimator, X, y_true, sample_weight=None, **metadata):
        given = self._given(metadata)
        scorer = make_scorer(
            self._score_func,
            response_method=self._response_method,
            greater_is_better=self._greater_is_better,
            **self._kwargs,
            **{name: given[name] for name in self._of_metric if name in given},
        )
        for name in self._of_metric:
            if name in given and not _is_for_prediction(estimator, name, given[name]):
                del given[name]
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return scorer(_WithMetadata(estimator, given), X, y_true, **weights)

    def __repr__(self):
        return (
            f"routed_scorer({self._score_func.__name__}, "
            f"response_method={self._response_method!r}, "
            f"greater_is_better={self._greater_is_better}, metadata={self._metadata})"
        )


def _is_for_prediction(estimator: Any, name: str, value: Any) -> bool:
    """Say whether metadata of a metric is something that the estimator predicts with, too."""
    if name == "costs" and np.asarray(without_names(value, "costs")).ndim == 2:
        return False  # what each prediction costs, for the truth that is known
    routing = get_routing_for_object(estimator)
    return name in routing.consumes("predict", [name])


def routed_scorer(
    score_func: Callable[..., float],
    *,
    response_method: str | Sequence[str] = "predict",
    greater_is_better: bool = True,
    metadata: Sequence[str] = ("allowed",),
    **kwargs: Any,
) -> Any:
    """Make a scorer that hands metadata to the estimator's response method.

    scikit-learn's own scorers give metadata to the metric only, never to `predict` or
    `predict_proba`, so that an estimator whose predictions depend on metadata cannot be scored
    by them [1]_. Use this one wherever `scoring` is taken, alone or in a dict of several, with
    `sklearn.set_config(enable_metadata_routing=True)`.

    Parameters
    ----------
    score_func : callable
        `score_func(y_true, y_pred, **kwargs)`, as for :func:`sklearn.metrics.make_scorer`.
    response_method : {"predict", "predict_proba", "decision_function"} or a sequence of them, \
            default="predict"
        Method whose output the metric gets. Of a sequence, the first that the estimator has.
    greater_is_better : bool, default=True
        False for a loss: the scorer then changes its sign.
    metadata : sequence of str, default=("allowed",)
        Metadata that is requested and passed on. With "sample_weight" among them, that goes to
        `score_func`.
    **kwargs : additional arguments
        Passed to `score_func`; `labels=` for metrics that need all classes in a fold that
        lacks one.

    Returns
    -------
    callable
        `scorer(estimator, X, y, *, sample_weight=None, **metadata) -> float`.

    Raises
    ------
    TypeError
        In a call with metadata that was not named.

    References
    ----------
    .. [1] scikit-learn issue 27977, "scorers can't pass metadata to predict".

    Examples
    --------
    >>> from sklearn.metrics import log_loss
    >>> from skmask import RestrictedClassClassifier
    >>> from skmask.datasets import make_restricted_classification
    >>> from skmask.metrics import routed_scorer
    >>> X, y, allowed = make_restricted_classification(random_state=0)
    >>> clf = RestrictedClassClassifier(epochs=5, random_state=0).fit(X, y, allowed=allowed)
    >>> scorer = routed_scorer(
    ...     log_loss, response_method="predict_proba", greater_is_better=False
    ... )
    >>> scorer(clf, X, y, allowed=allowed) == -log_loss(y, clf.predict_proba(X, allowed=allowed))
    True
    """
    return RoutedScorer(score_func, response_method, greater_is_better, metadata, kwargs)
