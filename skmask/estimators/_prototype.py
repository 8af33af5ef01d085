"""PrototypeClassifier: rows of the training data that the classes are compared with."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.callback import with_callbacks
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin, pairwise_distances_chunked
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skmask.data._frames import named, without_names
from skmask.data._labels import class_numbers, encode_labels, label_array, label_table
from skmask.data._messages import naming, quote, shown
from skmask.data._numbers import as_numbers, check_float32, unmasked
from skmask.data._validation import Interval, StrOptions, check_by_label
from skmask.engine import (
    OPTIMIZERS,
    Lbfgs,
    Loss,
    Network,
    State,
    check_finite_outputs,
    described_network,
    note_use,
)
from skmask.estimators._base import Rows, type_of_results
from skmask.estimators._docs import documented
from skmask.estimators._softmax import SoftmaxClassifier
from skmask.nn.layers import KERNELS, elementwise_kernel, is_product_safe
from skmask.nn.losses import restricted_crossentropy
from skmask.nn.metrics import masked_accuracy
from skmask.nn.networks import prototype_sums

__all__ = ["PrototypeClassifier"]

_WAYS = ("kmeans", "medoid", "random")
_ROWS_AT_ONCE = 256

# Parameters whose values at the fit are kept, to see which changed when training goes on.
_ASKED = ("prototypes", "n_prototypes", "scale")


# Which rows to take: functions of the rows of one class, scaled, and their weights.


def _medoid(X: np.ndarray, weight: np.ndarray) -> int:
    """Return the row with the smallest weighted sum of distances to the others."""
    sums = [block @ weight for block in pairwise_distances_chunked(X)]
    return int(np.concatenate(sums).argmin())


def _medoids(X: np.ndarray, weight: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the medoids of `n` clusters, by turns of assigning and choosing."""
    if n == 1:
        return np.array([_medoid(X, weight)])
    rows = _nearest_to_means(X, weight, n, seed)
    for _ in range(100):
        cluster = pairwise_distances_argmin(X, X[rows])
        cluster[rows] = np.arange(n)  # also where rows are equal
        members = [np.flatnonzero(cluster == number) for number in range(n)]
        better = np.array([m[_medoid(X[m], weight[m])] for m in members])
        if np.array_equal(better, rows):
            break
        rows = better
    return rows


def _nearest_to_means(X: np.ndarray, weight: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return the rows nearest to the means of `n` clusters, all different."""
    with warnings.catch_warnings():  # fewer different rows than clusters: the rest is filled up
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(n, n_init=3, random_state=seed).fit(X, sample_weight=weight)
    rows = list(dict.fromkeys(pairwise_distances_argmin(means.cluster_centers_, X).tolist()))
    rest = np.setdiff1d(np.arange(len(X)), rows)
    return np.array([*rows, *rest[: n - len(rows)]])


def _at_random(X: np.ndarray, weight: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return rows drawn without replacement, in proportion to their weights."""
    rng = np.random.default_rng(seed)
    return rng.choice(len(X), size=n, replace=False, p=weight / weight.sum())


_CHOOSERS: dict[str, Callable[..., np.ndarray]] = {
    "kmeans": _nearest_to_means,
    "medoid": _medoids,
    "random": _at_random,
}


def _has_steps(clf: Any) -> bool:
    if clf.solver == "lbfgs":
        raise AttributeError(
            "partial_fit must be used with a solver that takes steps; got solver='lbfgs', which "
            "needs all rows. Use the name of a Keras optimizer, like 'adam'."
        )
    return True


@documented
class PrototypeClassifier(SoftmaxClassifier):
    """Classifier that compares a row with chosen rows of the training data.

    The logit of a class is a sum over its prototypes, and over the features, of a given
    function f(x_k, x_pk) of the row and the prototype. Only the weights of the terms and a bias
    for each prototype are learnt, so that each prediction comes apart into what each feature
    of each prototype adds to it (`contributions`), and that there is one optimum.

    Parameters
    ----------
    kernel : {"rbf", "laplacian", "exponential", "linear"} or callable, default="rbf"
        f, see Notes. A callable `f(x, p)` works elementwise on tensors, in `keras.ops`, and
        does not use `scale`.
    scale : float, array-like of shape (n_features,), Series or dict by feature, or "std", \
            default="std"
        c, in the unit of the features. "std": the standard deviation of each feature over the
        training rows, 1 where that is 0.
    prototypes : {"medoid", "kmeans", "random"}, array-like of int of shape (n_prototypes_total,), \
            or array-like of shape (n_prototypes_total, n_features), default="medoid"
        Which rows: of each class those with the smallest sum of distances to the rows around
        them, those nearest to the means of clusters, or some at random; or the numbers of rows
        of X; or rows, whose classes are then the argument `prototype_labels` of `fit`; columns
        of a DataFrame are aligned with those of X.
        Distances are between x / c.
    n_prototypes : int, default=1
        Prototypes of each class, where `fit` chooses them.
    solver : "lbfgs" or the name of a Keras optimizer, default="lbfgs"
        "lbfgs" finds the optimum, in float64; an optimizer takes steps, in float32.
    alpha : float, default=1e-4
        Factor on the penalty, half the sum of the squares of `weights_`.
    classes : array-like of shape (n_classes,), default=None
        All labels, in the order of the columns of `allowed`. Each needs rows to take its
        prototypes from. None: the labels of `y`, sorted.
    {class_weight}
    {training}
    max_iter : int, default=1000
        Iterations of "lbfgs" at most. `epochs` and the other parameters of steps do not
        matter then.
    tol : float, default=1e-6
        Largest entry of the gradient at which "lbfgs" stops. A warning says when it did not
        get there.

    Attributes
    ----------
    {classes_attribute}
    prototypes_ : ndarray of shape (n_prototypes_total, n_features)
        The rows compared with, those of one class together, classes in the order of `classes_`
        where `fit` chose them.
    prototype_labels_ : ndarray of shape (n_prototypes_total,)
        Their classes.
    prototype_indices_ : ndarray of int of shape (n_prototypes_total,)
        Which rows of X they are, -1 where rows were given.
    scale_ : ndarray of float64 of shape (n_features,)
        c.
    weights_ : ndarray of shape (n_prototypes_total, n_features)
        a.
    bias_ : ndarray of shape (n_prototypes_total,)
        b.
    history_ : dict of str to list of float
        Per epoch "loss", the mean over the training rows, and with `early_stopping` "val_loss".
        With "lbfgs" per iteration: "loss", the penalty included, and "gradient_norm", the
        largest entry of its gradient.
    {fitted}

    See Also
    --------
    skmask.nn.layers.PrototypeKernel : the layer, for a Keras model of one's own.

    Notes
    -----
    With prototypes p of class c::

        z_c = sum_p [ b_p + sum_k a_pk f(x_k, x_pk) ]

    and with d = (x - p) / c, f is exp(-d^2) for "rbf", exp(-abs d) for "laplacian", exp(d) for
    "exponential" and x p / c for "linear". Nothing overflows: "exponential" is a product of two
    exponentials where the prototypes lie within 15 c of their mean, and an x farther above than
    that counts as there; otherwise the exponent is held at 30.

    The penalised cross-entropy of the softmax of z is convex in a and b, an additive multinomial
    logit on features that prototypes define [1]_.

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani and J. Friedman, "The Elements of Statistical Learning",
       2nd ed., Springer, 2009, sections 6.7 and 13.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skmask import PrototypeClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = PrototypeClassifier(n_prototypes=2, random_state=0).fit(X, y)
    >>> clf.prototypes_.shape, clf.weights_.size + clf.bias_.size
    ((6, 4), 30)
    >>> terms = clf.contributions(X)  # by row, prototype and feature
    >>> by_prototype = terms.sum(axis=2) + clf.bias_
    >>> of_class = clf.prototype_labels_ == clf.classes_[:, np.newaxis]
    >>> np.allclose(by_prototype @ of_class.T, clf.decision_function(X), atol=1e-4)
    True
    """

    _parameter_constraints = {
        **{
            name: constraint
            for name, constraint in SoftmaxClassifier._parameter_constraints.items()
            if name not in ("hidden_layer_sizes", "activation", "network", "optimizer")
        },
        "kernel": [StrOptions(set(KERNELS)), callable],
        "scale": [
            StrOptions({"std"}),
            Interval(Real, 0, None, closed="neither"),
            "array-like",
            dict,
        ],
        "prototypes": [StrOptions(set(_WAYS)), "array-like"],
        "n_prototypes": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"lbfgs", *OPTIMIZERS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        kernel="rbf",
        *,
        scale="std",
        prototypes="medoid",
        n_prototypes=1,
        solver="lbfgs",
        alpha=1e-4,
        classes=None,
        class_weight=None,
        learning_rate=None,
        batch_size=32,
        epochs=100,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
        dtype="auto",
        max_iter=1000,
        tol=1e-6,
    ):
        super().__init__(
            kernel=kernel,
            scale=scale,
            prototypes=prototypes,
            n_prototypes=n_prototypes,
            solver=solver,
            alpha=alpha,
            classes=classes,
            class_weight=class_weight,
            learning_rate=learning_rate,
            batch_size=batch_size,
            epochs=epochs,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
            dtype=dtype,
            max_iter=max_iter,
            tol=tol,
        )

    @with_callbacks
    @documented
    def fit(self, X, y, sample_weight=None, *, allowed=None, prototype_labels=None):
        """Choose the prototypes and fit the weights.

        Parameters
        ----------
        {x_fit}
        {y}
        {weight}
        {allowed}
        prototype_labels : array-like of shape (n_prototypes_total,), default=None
            Classes of the prototypes, where the parameter `prototypes` holds rows.

        {fit_returns}
        """
        self._validate_params()
        by_lbfgs = self.solver == "lbfgs"
        if by_lbfgs and (self.early_stopping is True or self.callbacks):
            raise ValueError(
                "early_stopping and callbacks must not be used with solver='lbfgs', which has no "
                "epochs; got one of them. Use the name of a Keras optimizer, like 'adam'."
            )
        self._fit(
            X,
            y,
            epochs=int(self.max_iter) if by_lbfgs else self.epochs,
            sample_weight=sample_weight,
            allowed=allowed,
            prototype_labels=prototype_labels,
        )
        if by_lbfgs and self.history_["gradient_norm"][-1] > self.tol:
            warnings.warn(
                f"lbfgs stopped after {self.n_iter_} iterations with a gradient of "
                f"{self.history_['gradient_norm'][-1]:.1e}, above tol={self.tol}. Raise max_iter "
                "or alpha, or scale X.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    @available_if(_has_steps)
    @documented
    def partial_fit(
        self, X, y, classes=None, sample_weight=None, *, allowed=None, prototype_labels=None
    ):
        """Train one epoch on the rows given, with the prototypes of the first call.

        Parameters
        ----------
        {x_part}
        {y}
        {classes_part}
        {weight_part}
        {allowed}
        prototype_labels : array-like of shape (n_prototypes_total,), default=None
            As in `fit`; in the first call.

        {part_returns}
        """
        return self._partial_fit(
            X,
            y,
            classes,
            sample_weight=sample_weight,
            allowed=allowed,
            prototype_labels=prototype_labels,
        )

    @documented
    def contributions(self, X):
        """Return what each feature of each prototype adds to the logit of its class.

        Parameters
        ----------
        {x}

        Returns
        -------
        ndarray of shape (n_samples, n_prototypes_total, n_features)
            a_pk f(x_k, x_pk). Summed over the features, and with `bias_` over the prototypes of
            a class, its logit.
        """
        check_is_fitted(self)
        note_use()
        dtype = type_of_results(X)
        X = self._check_X(X, reset=False)
        network, kernel = self._fitted_network(), self._architecture[0]["kernel"]
        trained = dict(zip(network.weight_names, self._state.weights, strict=True))
        terms = np.empty((X.shape[0], *trained["a"].shape), dtype)
        for start in range(0, len(terms), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            with network.settings():
                values = elementwise_kernel(
                    _dense(X[rows]), trained["prototypes"], trained["scale"], kernel
                )
            with np.errstate(over="ignore", invalid="ignore"):
                values = trained["a"] * np.asarray(values)
            check_finite_outputs(values, X[rows], start)
            terms[rows] = values
        return terms

    def _make_loss(self) -> Loss:
        if self.solver == "lbfgs":
            return Loss(restricted_crossentropy)
        return Loss(restricted_crossentropy, metrics=(("accuracy", masked_accuracy),))

    def _type_of_fit(self, rows: Rows, *, goes_on: bool, is_partial: bool) -> str:
        if self.solver == "lbfgs":
            return "float64"
        return super()._type_of_fit(rows, goes_on=goes_on, is_partial=is_partial)

    @property
    def optimizer(self):
        """What the solver is to the engine."""
        return Lbfgs(self.tol) if self.solver == "lbfgs" else self.solver

    # Choosing prototypes.

    def _read_rows(
        self,
        X: Any,
        y: Any,
        *,
        labels: Any,
        reset: bool,
        prototype_labels: Any = None,
        **metadata: Any,
    ) -> Rows:
        rows = super()._read_rows(X, y, labels=labels, reset=reset, **metadata)
        if callable(self.kernel):
            _check_kernel(self.kernel, rows.X.shape[1])
        goes_on = self.__sklearn_is_fitted__() and (self.warm_start or not reset)
        if goes_on:
            chosen = self._chosen_before(rows, prototype_labels)
        else:
            chosen = self._choose(rows, prototype_labels)
        codes = encode_labels(np.asarray(chosen["prototype_labels_"]), rows.labels)
        weights = {
            "prototypes": chosen["prototypes_"],
            "scale": chosen["scale_"],
            "alpha": np.asarray(self.alpha),
            "membership": codes[:, np.newaxis] == np.arange(len(rows.labels)),
        }
        asked = {name: _copied(getattr(self, name)) for name in _ASKED}
        attributes = {**rows.attributes, **chosen, "_asked": asked}
        return replace(rows, weights=weights, attributes=attributes)

    def _chosen_before(self, rows: Rows, prototype_labels: Any) -> dict[str, Any]:
        """Return what the fit that goes on compares with; `scale` may have changed since."""
        changed = ["prototypes"] if self._asks_for_others(rows.X.shape[1]) else []
        if self.n_prototypes != self._asked["n_prototypes"]:
            changed.append("n_prototypes")
        if prototype_labels is not None and not _is_same(prototype_labels, self.prototype_labels_):
            changed.append("prototype_labels")
        if changed:
            raise ValueError(
                f"{' and '.join(changed)} must stay the same while training goes on (warm_start, "
                "partial_fit), which keeps its prototypes; got another value. Set it back, or "
                "clone the estimator."
            )
        names = ("prototypes_", "prototype_labels_", "prototype_indices_", "scale_")
        chosen = {name: getattr(self, name) for name in names}
        if isinstance(self.scale, str) and isinstance(self._asked["scale"], str):
            return chosen
        return {**chosen, "scale_": self._scale_for(rows)}

    def _asks_for_others(self, n_features: int) -> bool:
        """Say whether `prototypes` is not what the fit before compares with."""
        if isinstance(self.prototypes, str):
            return not _is_same(self.prototypes, self._asked["prototypes"])
        given = self._given_prototypes(n_features)
        return not np.array_equal(
            given, self.prototypes_ if given.ndim == 2 else self.prototype_indices_
        )

    def _choose(self, rows: Rows, prototype_labels: Any) -> dict[str, Any]:
        """Return the attributes that say what is compared with."""
        scale = self._scale_for(rows)
        if not isinstance(self.prototypes, str):
            given = self._given_prototypes(rows.X.shape[1])
            if given.ndim == 2:
                return self._given_rows(given, prototype_labels, rows, scale)
        if prototype_labels is not None:
            raise ValueError(
                "prototype_labels must be given with rows in the parameter prototypes, and only "
                f"then; got both prototype_labels and prototypes={self.prototypes!r}. Drop one."
            )
        if isinstance(self.prototypes, str):
            numbers = self._chosen_numbers(rows, scale)
        else:
            numbers = _row_numbers(given, len(rows))
        return {
            "prototypes_": _dense(rows.X[numbers]),
            "prototype_labels_": rows.labels[rows.target[numbers]],
            "prototype_indices_": numbers,
            "scale_": scale,
        }

    def _scale_for(self, rows: Rows) -> np.ndarray:
        n_features = rows.X.shape[1]
        if isinstance(self.scale, str):
            std = _weighted_std(rows.X, rows.weight)
            return np.where(std >= np.finfo(np.float32).tiny, std, 1.0)
        names = self._feature_names(n_features)
        scale = check_by_label(self.scale, names, "scale", at_least=-np.inf, of="feature")
        if (scale <= 0).any():
            raise ValueError(
                f"scale must be above 0; got {quote(scale[scale <= 0])}. Use 1 for features that "
                "need no scale."
            )
        return check_float32(scale, "scale", "Scale X.")

    def _feature_names(self, n_features: int) -> np.ndarray:
        """Return the names of the features of X, or their numbers where they have none."""
        return getattr(self, "feature_names_in_", np.arange(n_features))

    def _given_prototypes(self, n_features: int) -> np.ndarray:
        """Return the parameter as an array; columns of a DataFrame are those of X."""
        names = self._feature_names(n_features)
        with naming("prototypes"):
            frame = named(self.prototypes, "prototypes")
            if frame is not None and frame.values.ndim == 2:
                return frame.by_name(names, "prototypes", of="feature")
            given = np.asarray(unmasked(without_names(self.prototypes, "prototypes"), "prototypes"))
        is_objects = given.ndim == 1 and given.dtype.kind == "O"
        return label_array(given.tolist()) if is_objects else given

    def _given_rows(
        self, given: np.ndarray, prototype_labels: Any, rows: Rows, scale: np.ndarray
    ) -> dict[str, Any]:
        n_features = rows.X.shape[1]
        prototypes = as_numbers(given, "prototypes", f"(n, {n_features})")
        if prototypes.shape[1] != n_features or not len(prototypes):
            raise ValueError(
                f"prototypes must be rows of the {n_features} features of X; got shape "
                f"{prototypes.shape}. Give rows of the same features, or numbers of rows of X."
            )
        if prototype_labels is None:
            raise ValueError(
                "prototype_labels must be given to fit when the parameter prototypes holds rows; "
                "got None. Give the class of each."
            )
        labels = label_table(prototype_labels, "prototype_labels")
        if labels.shape != (len(prototypes),):
            raise ValueError(
                f"prototype_labels must have shape ({len(prototypes)},), one class for each row "
                f"in prototypes; got {labels.shape}. Give the class of each."
            )
        with naming("prototype_labels"):
            codes = class_numbers(labels, rows.labels)
        if (codes < 0).any():
            raise ValueError(
                f"prototype_labels must be among the classes {quote(rows.labels)}; got "
                f"{quote(labels[codes < 0])}. Correct them, or pass classes= with all labels."
            )
        check_float32(prototypes, "prototypes", "Scale them, and X.", may_vanish=True)
        return {
            "prototypes_": prototypes,
            "prototype_labels_": rows.labels[codes],
            "prototype_indices_": np.full(len(prototypes), -1),
            "scale_": scale,
        }

    def _chosen_numbers(self, rows: Rows, scale: np.ndarray) -> np.ndarray:
        """Return the numbers of the rows that are chosen, class by class."""
        choose = _CHOOSERS[self.prototypes]
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        chosen = []
        for code, label in enumerate(rows.labels):
            members = np.flatnonzero((rows.target == code) & (rows.weight > 0))
            if len(members) < self.n_prototypes:
                raise ValueError(
                    f"n_prototypes must not be above the number of rows of a class; got "
                    f"{self.n_prototypes} and {len(members)} rows with a weight above 0 for the "
                    f"class {quote([label])[1:-1]}. Ask for fewer, or add rows."
                )
            X = _dense(rows.X[members]) / scale
            chosen.append(members[choose(X, rows.weight[members], self.n_prototypes, seed)])
        return np.concatenate(chosen)

    # The network.

    def _settings(self, rows: Rows) -> Any:
        prototypes, scale = rows.weights["prototypes"], rows.weights["scale"]
        # Said of the one kernel that asks: a setting more is a program more.
        product_form = self.kernel == "exponential" and is_product_safe(prototypes, scale)
        return {
            "kernel": self.kernel,
            "n_prototypes": len(prototypes),
            "product_form": product_form,
        }

    def _make_network(
        self, settings: Any, input_shape: tuple[int | None, ...], n_outputs: int, dtype: str
    ) -> Network:
        return described_network(prototype_sums, input_shape, n_outputs, policy=dtype, **settings)

    def _attributes_from(
        self, network: Network, state: State, held_out: Rows | None
    ) -> dict[str, Any]:
        trained = dict(zip(network.weight_names, state.weights, strict=True))
        names = {"weights_": "a", "bias_": "b", "prototypes_": "prototypes"}
        return {attribute: trained[name].copy() for attribute, name in names.items()}


def _copied(value: Any) -> Any:
    """Return a parameter as it is now, whatever becomes of the object."""
    return value if isinstance(value, str | Real) else np.array(value)


def _is_same(value: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(value), np.asarray(other))


def _check_kernel(kernel: Callable[..., Any], n_features: int) -> None:
    """Raise if a function does not work elementwise on two rows and three prototypes."""
    rule = "kernel must work elementwise, f(x, p) of the shape that x and p have together"
    cure = "Use the functions of keras.ops, and do not sum."
    shape = (2, 3, n_features)
    x, p = np.ones((2, n_features), np.float32), np.zeros((3, n_features), np.float32)
    try:
        values = elementwise_kernel(x, p, 1.0, kernel)
        found = np.asarray(values)
    except Exception as error:
        raise TypeError(f"{rule}; got an error in it. {cure}") from error
    if not hasattr(values, "dtype") or found.shape != shape or found.dtype.kind != "f":
        got = f"shape {found.shape} of {found.dtype}" if found.ndim else shown(values)
        raise ValueError(f"{rule}, {shape} here; got {got}. {cure}")


def _row_numbers(numbers: np.ndarray, n_rows: int) -> np.ndarray:
    """Return numbers of rows, checked."""
    if numbers.ndim != 1 or not numbers.size or numbers.dtype.kind not in "iu":
        raise ValueError(
            "prototypes must be numbers of rows of X, of shape (n_prototypes_total,), or rows; "
            f"got an array of {numbers.dtype} of shape {numbers.shape}. Or use 'medoid'."
        )
    is_wrong = (numbers < 0) | (numbers >= n_rows)
    if is_wrong.any():
        raise ValueError(
            f"prototypes must be numbers of rows of X, from 0 to {n_rows - 1}; got "
            f"{quote(numbers[is_wrong])}. Correct them."
        )
    names, times = np.unique(numbers, return_counts=True)
    if (times > 1).any():
        raise ValueError(
            f"prototypes must name each row once; got {quote(names[times > 1])} more than once. "
            "Remove the repetition."
        )
    return numbers.astype(np.intp)


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


def _weighted_std(X: Any, weight: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each column in float64, 0 where it is but rounding."""
    share, X = weight / weight.sum(), X.astype(np.float64)
    mean = share @ X
    if sparse.issparse(X):
        variance = share @ X.multiply(X).tocsr() - mean**2
    else:
        variance = share @ np.square(X - mean)
    rounding = len(weight) * np.finfo(np.float64).eps
    is_constant = variance <= rounding * mean**2
    return np.where(is_constant, 0, np.sqrt(np.maximum(variance, 0)))
