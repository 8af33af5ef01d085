"""PrototypeClassifier: rows of the training data that the classes are compared with."""

import warnings
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from skmask.data._labels import encode_labels
from skmask.data._parameters import Interval
from skmask.data._prototypes import WAYS, dense
from skmask.data._sklearn import StrOptions
from skmask.engine import OPTIMIZERS, Lbfgs, Loss, Steps
from skmask.estimators._docs import documented
from skmask.estimators._prediction import check_finite_outputs, type_of_results
from skmask.estimators._prototype_rows import chosen_prototypes
from skmask.estimators._reading import Given, read_features
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._softmax import SoftmaxClassifier
from skmask.estimators._softmax_rows import read_label_rows
from skmask.estimators._training import Parts
from skmask.networks import KERNELS, PrototypeSums, Signature, is_product_safe, kernel_values

__all__ = ["PrototypeClassifier"]

_ROWS_AT_ONCE = 256


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
        Per epoch "loss" and "accuracy", means over the training rows. With "lbfgs" per iteration:
        "loss", the penalty included, and "gradient_norm", the largest entry of its gradient.
        Where there are validation rows, "val_loss" and "val_accuracy".
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
            if name not in ("network", "optimizer")
        },
        "kernel": [StrOptions(set(KERNELS)), callable],
        "scale": [
            StrOptions({"std"}),
            Interval(Real, 0, None, closed="neither"),
            "array-like",
            dict,
        ],
        "prototypes": [StrOptions(set(WAYS)), "array-like"],
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
        monitor="loss",
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
            monitor=monitor,
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
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        allowed=None,
        prototype_labels=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        allowed_val=None,
    ):
        """Choose the prototypes and fit the weights.

        Parameters
        ----------
        {features_fit}
        {y}
        {weight}
        {allowed}
        prototype_labels : array-like of shape (n_prototypes_total,), default=None
            Classes of the prototypes, where the parameter `prototypes` holds rows.
        {validation}
        {allowed_val}

        {fit_returns}
        """
        self._validate_params()
        by_lbfgs = self.solver == "lbfgs"
        if by_lbfgs and self.callbacks:
            raise ValueError(
                "callbacks must not be used with solver='lbfgs', which has no optimizer that they "
                f"could read; got {len(self.callbacks)}. Use the name of a Keras optimizer, like "
                "'adam'."
            )
        self._fit(
            X,
            y,
            epochs=int(self.max_iter) if by_lbfgs else self.epochs,
            sample_weight=sample_weight,
            allowed=allowed,
            prototype_labels=prototype_labels,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            allowed_val=allowed_val,
        )
        was_stopped = self.early_stopping and len(self.validation_scores_) < self.max_iter
        if by_lbfgs and not was_stopped and self.history_["gradient_norm"][-1] > self.tol:
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
        {features_part}
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
        """Return the contribution of each feature of each prototype to the logit of its class.

        Parameters
        ----------
        {features}

        Returns
        -------
        ndarray of shape (n_samples, n_prototypes_total, n_features)
            a_pk f(x_k, x_pk). Summed over the features, and with `bias_` over the prototypes of
            a class, its logit.
        """
        fit = self._fitted()
        dtype = type_of_results(X)
        X, _ = read_features(self, X, fit, np.dtype(fit.input_dtype))
        terms = np.empty((X.shape[0], *fit["weights_"].shape), dtype)
        for start in range(0, len(terms), _ROWS_AT_ONCE):
            rows = dense(X[start : start + _ROWS_AT_ONCE])
            with np.errstate(all="ignore"):
                values = _terms(fit, rows)
            check_finite_outputs(values, rows, start)
            terms[start : start + _ROWS_AT_ONCE] = values
        return terms

    def _read(self, given: Given) -> Rows:
        rows = read_label_rows(self, given)
        if given.training is not None:
            return rows
        if callable(self.kernel):
            from skmask.engine import tensorflow

            tensorflow.check_kernel(self.kernel, rows.X.shape[1])
        chosen = chosen_prototypes(self, given, rows)
        codes = encode_labels(np.asarray(chosen["prototype_labels_"]), rows.outputs)
        known = {
            "prototypes": np.array(chosen["prototypes_"]),  # the argument may be written to
            "scale": chosen["scale_"],
            "alpha": np.asarray(self.alpha),
            "membership": codes[:, np.newaxis] == np.arange(len(rows.outputs)),
        }
        return replace(rows, known=known).with_values(**chosen)

    def _parts(self, rows: Rows) -> Parts:
        prototypes, scale = rows.known["prototypes"], rows.known["scale"]
        # Set for this kernel only, because each further setting makes a further program.
        product_form = self.kernel == "exponential" and is_product_safe(prototypes, scale)
        by_lbfgs = self.solver == "lbfgs"
        batch_size = int(self.batch_size)
        return Parts(
            PrototypeSums(self.kernel, n_prototypes=len(prototypes), product_form=product_form),
            Signature(rows.X.shape[1:], len(rows.outputs)),
            Loss("restricted_crossentropy", metrics=(("accuracy", "masked_accuracy"),)),
            solver=Lbfgs(self.tol, batch_size)
            if by_lbfgs
            else Steps(self.solver, self.learning_rate, batch_size),
            dtype="float64" if by_lbfgs else None,
            conclude=_learnt,
        )


def _terms(fit: Fit, rows: np.ndarray) -> np.ndarray:
    """Return the terms of each row, prototype and feature."""
    network: Any = fit.network
    weights = fit.named_weights()
    if network.is_portable:
        values = kernel_values(rows, weights["prototypes"], weights["scale"], network.kernel)
    else:
        from skmask.engine import tensorflow

        values = tensorflow.own_kernel_values(rows, weights["prototypes"], network.kernel)
    return weights["a"] * values


def _learnt(fit: Fit, held_out: Rows | None) -> dict[str, Any]:
    weights = fit.named_weights()
    names = {"weights_": "a", "bias_": "b", "prototypes_": "prototypes"}
    return {attribute: weights[name].copy() for attribute, name in names.items()}
