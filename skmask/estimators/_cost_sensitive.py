"""CostSensitiveClassifier: errors that cost more than others."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.callback import with_callbacks
from sklearn.utils import check_consistent_length

from skmask.data._costs import check_costs, classes_of_actions, costs_of_truth
from skmask.data._labels import accuracy, check_labels, decode_labels, encode_labels
from skmask.data._messages import naming
from skmask.data._numbers import average
from skmask.data._parameters import Interval
from skmask.data._shares import most_probable_labels
from skmask.data._sklearn import StrOptions
from skmask.data._weights import check_sample_weight
from skmask.decisions import cheapest, softmax
from skmask.estimators._base import OF_BLOCKS, OF_MLP
from skmask.estimators._cost_rows import actions_of, decision_of, read_cost_rows
from skmask.estimators._docs import documented
from skmask.estimators._reading import opened_rows
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._softmax import SoftmaxClassifier, smoothed_loss
from skmask.estimators._training import Parts, described_mlp
from skmask.networks import Signature

__all__ = ["CostSensitiveClassifier"]

# Losses by their names in the package.
_LOSSES = {
    "expected_cost": "expected_cost",
    "weighted_crossentropy": "cost_weighted_crossentropy",
    "crossentropy": "restricted_crossentropy",
}


@documented
class CostSensitiveClassifier(SoftmaxClassifier):
    """Neural network classifier for errors that cost more than others.

    For problems in which calling a B a C costs more than calling it an A: lending to a
    person who will not pay, sending home a patient who is ill. Class weights cannot say that,
    because they depend on the true class only. The costs go into the decision, which takes the
    class of the lowest expected cost, and with some losses into the training; the metrics that
    count them are in `skmask.metrics`.

    There may be other decisions than classes: accept, refuse, or ask for more. `cost_matrix` then
    has a column for each of them, and `predict` returns their names.

    Costs are known as a matrix, or row by row: the amount of the credit, the price of the
    house. Only their proportions matter: all costs times ten give the same classifier.

    Parameters
    ----------
    {hidden}
    {network}
    {inputs}
    classes : array-like of shape (n_classes,), default=None
        All labels, in the order of the columns of `allowed` and of the axes of `cost_matrix`
        and `costs`. For data whose training part may lack a class. None: the labels of `y`,
        sorted.
    {class_weight}
    {optimizer}
    {training}
    {shuffle_buffer}
    {label_smoothing}
    {allowed_columns}
    {allowed_rule}
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes) or \
            (n_classes, n_actions), default=None
        C[i, j] is the cost of predicting class j, or of action j, when the truth is class i. An
        array is in the order of `classes`, or sorted where it is None; a DataFrame is labelled on
        both axes, in any order. In libraries that have no names of rows (polars, pyarrow) one
        column more holds the true class of each row. The diagonal need not be zero; negative costs
        are profits. None: each error costs 1, or what `costs` of shape (n_samples, n_classes) in
        `fit` say, see `cost_matrix_`.

        Columns of a DataFrame are actions where none of them is a class, or where there are more
        beside all the classes: to say nothing, for example. Those of an array are, numbered from 0,
        where they are not as many as the classes.
    loss : {"crossentropy", "expected_cost", "weighted_crossentropy"}, default="crossentropy"
        Loss to minimise, see Notes. "weighted_crossentropy" takes no negative costs; actions need
        "crossentropy".
    decision : {"auto", "min_expected_cost", "argmax"}, default="auto"
        Whether `predict` takes the class, or the action, of the lowest expected cost, or the most
        probable class. "auto": the lowest expected cost, but the most probable class where the loss
        of the fit was "weighted_crossentropy", whose probabilities favour classes that are
        expensive to miss already: the costs would count twice.
        Read and checked at prediction: it can be changed after `fit`.

    Attributes
    ----------
    {classes_attribute}
    actions_ : ndarray of shape (n_classes,) or (n_actions,)
        What `predict` returns: `classes_`, or the actions, in the order of the columns of
        `cost_matrix`.
    cost_matrix_ : ndarray of float64 of shape (n_classes, n_classes) or (n_classes, n_actions)
        Costs that the decision uses, rows in the order of `classes_` and columns in that of
        `actions_`: `cost_matrix`, or the mean costs of the training rows of each class where `fit`
        was given `costs` instead.
    {history}
    {fitted}

    See Also
    --------
    skmask.metrics.make_cost_scorer : a scorer that counts the costs; `score` is accuracy.
    skmask.nn.losses.ExpectedCost, skmask.nn.losses.CostWeightedCrossentropy : the losses, for a
        Keras model of one's own.

    Notes
    -----
    With probabilities p, the loss of a row of class y is, for "expected_cost"::

        sum_j p_j C[y, j] / c - log p_y

    and for "weighted_crossentropy"::

        -log p_y * C[y, argmax p] / c

    with the costs of the row in the place of C[y] where `costs` were given, and c the mean size
    of the costs of errors, or of all where errors cost nothing, so that the unit of the costs
    does not matter. "crossentropy" is -log p_y, and knows no costs: with the cheapest class it
    cost about as little as "expected_cost" on twelve tables, early stopping mattered more, and
    "weighted_crossentropy" cost more (`benchmarks/costs.py`). The decision is
    argmin_j sum_i p_i C[i, j] [1]_, over the allowed classes; of decisions that cost the same, the
    most probable.

    Actions name classes where each class is among them. One that names a class is not taken where
    that class is not allowed; others always may be. Of actions that cost the same, the first.

    Of a row with shares y_j of the classes, the cross-entropy is -sum_j y_j log p_j, and C[y, k]
    is sum_j y_j C[j, k]. `label_smoothing` acts on the cross-entropy alone, not on the costs.

    `decision_function` is that of the network: its largest value is the most probable class,
    not the cheapest.

    References
    ----------
    .. [1] C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, pp. 973-978.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask import CostSensitiveClassifier
    >>> from skmask.datasets import make_cost_sensitive_classification
    >>> from skmask.metrics import mean_cost
    >>> X, y, cost_matrix = make_cost_sensitive_classification(random_state=0)
    >>> clf = CostSensitiveClassifier(cost_matrix=cost_matrix, epochs=5, random_state=0)
    >>> predicted = clf.fit(X, y).predict(X)
    >>> np.array_equal(clf.cost_matrix_, cost_matrix)
    True
    >>> bool(mean_cost(y, predicted, cost_matrix) <= cost_matrix.max())
    True
    """

    _parameter_constraints = {
        **OF_MLP,
        **OF_BLOCKS,
        **SoftmaxClassifier._parameter_constraints,
        "inputs": [dict, None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "allowed_columns": [object, None],
        "allowed_rule": [callable, None],
        "cost_matrix": ["array-like", None],
        "loss": [StrOptions(set(_LOSSES))],
        "decision": [StrOptions({"auto", "min_expected_cost", "argmax"})],
    }

    # Beside `allowed`, which the base asks for.
    __metadata_request__fit = {"costs": True, "costs_val": True}
    __metadata_request__partial_fit = {"costs": True}
    __metadata_request__predict = {"costs": True}
    __metadata_request__score = {"costs": True}

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        alpha=0.0,
        dropout=0.0,
        network=None,
        inputs=None,
        classes=None,
        class_weight=None,
        optimizer="adam",
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
        shuffle_buffer=None,
        label_smoothing=0.0,
        allowed_columns=None,
        allowed_rule=None,
        cost_matrix=None,
        loss="crossentropy",
        decision="auto",
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            alpha=alpha,
            dropout=dropout,
            network=network,
            inputs=inputs,
            classes=classes,
            class_weight=class_weight,
            optimizer=optimizer,
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
            shuffle_buffer=shuffle_buffer,
            label_smoothing=label_smoothing,
            allowed_columns=allowed_columns,
            allowed_rule=allowed_rule,
            cost_matrix=cost_matrix,
            loss=loss,
            decision=decision,
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
        costs=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        allowed_val=None,
        costs_val=None,
    ):
        """Fit the network to training data.

        Parameters
        ----------
        {x_fit}
        {y_or_shares}
        {weight}
        {allowed}
        {costs}
        {validation}
        {allowed_val}
        {costs_val}

        {fit_returns}
        """
        return self._fit(
            X,
            y,
            sample_weight=sample_weight,
            allowed=allowed,
            costs=costs,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            allowed_val=allowed_val,
            costs_val=costs_val,
        )

    @documented
    def partial_fit(self, X, y, classes=None, sample_weight=None, *, allowed=None, costs=None):
        """Train one epoch on the rows given, from where the last call ended.

        Parameters
        ----------
        {x_part}
        {y_or_shares}
        {classes_part}
        {weight_part}
        {allowed}
        {costs}

        {part_returns}
        """
        return self._partial_fit(
            X, y, classes, sample_weight=sample_weight, allowed=allowed, costs=costs
        )

    @documented
    def predict(self, X, *, allowed=None, costs=None):
        """Predict class labels, or actions, by the parameter `decision`.

        Parameters
        ----------
        {x}
        {allowed_to_predict}
        {costs_to_predict}

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, always of classes that are allowed; or names of actions, see `actions_`.

        Raises
        ------
        ValueError
            If the decision needs `costs` and they were not given.
        """
        fit = self._fitted()
        numbers, _ = self._decided(fit, X, allowed, costs, ndims=(3,))
        return decode_labels(numbers, fit.values.get("actions_", fit["classes_"]))

    @documented
    def score(self, X, y, sample_weight=None, *, allowed=None, costs=None):
        """Return the accuracy on the given rows, or minus the mean cost of actions.

        What classes cost: `skmask.metrics`.

        Parameters
        ----------
        {x}
        {y_to_score}
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        {allowed_to_predict}
        {costs_to_predict}
            Of shape (n_samples, n_classes) they say nothing about a decision, and are not used
            for it: so that a search may hand the same costs to `fit` and to `score`.

        Returns
        -------
        float
            Share of rows whose label is predicted. Where `cost_matrix` has actions, which are no
            right or wrong labels: minus the mean cost of the actions taken, so that greater is
            better here, too.
        """
        fit = self._fitted()
        X, y = opened_rows(self, X, y, fit)
        numbers, costs = self._decided(fit, X, allowed, costs, ndims=(2, 3))
        y = most_probable_labels(y, fit["announced"])
        if actions_of(fit) is None:
            return accuracy(y, decode_labels(numbers, fit["classes_"]), sample_weight)
        return -_mean_cost(fit, y, numbers, costs, sample_weight)

    def _decided(
        self, fit: Fit, X: Any, allowed: Any, costs: Any, *, ndims: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the number of the decision for each row, and the costs of the rows as checked.

        Costs of two dimensions decide nothing.
        """
        decision, actions = decision_of(self, fit), actions_of(fit)
        scores = self._scores(fit, X, allowed)
        if costs is not None:
            labels, n_samples = fit["announced"], len(scores)
            costs = check_costs(
                costs, n_samples=n_samples, classes=labels, ndims=ndims, actions=actions
            )
        if decision == "argmax":
            return scores.argmax(axis=1), costs
        of_rows = costs
        if costs is None or costs.ndim == 2:
            if fit["costs_depend_on_row"]:
                or_else = ", or set decision='argmax'" if actions is None else ""
                raise ValueError(
                    "costs must be given for prediction after a fit with costs of shape "
                    "(n_samples, n_classes, n_classes) or (n_samples, n_classes, n_actions); got "
                    f"{'none' if costs is None else 'two axes'}. Pass those of these rows{or_else}."
                )
            of_rows = fit["cost_matrix_"]
        class_of = None if actions is None else classes_of_actions(actions, fit["classes_"])
        return cheapest(scores, softmax(scores), of_rows, class_of), costs

    _read = read_cost_rows

    def _parts(self, rows: Rows) -> Parts:
        return Parts(
            described_mlp(self, rows),
            Signature(rows.X.shape[1:], len(rows.outputs)),
            smoothed_loss(_LOSSES[self.loss], self.label_smoothing),
        )


def _mean_cost(
    fit: Fit, y: Any, numbers: np.ndarray, costs: np.ndarray | None, sample_weight: Any
) -> float:
    """Return the mean cost of actions.

    Parameters
    ----------
    fit : Fit
    y : array-like of shape (n_samples,)
        Labels.
    numbers : ndarray of int of shape (n_samples,)
        Of the actions taken.
    costs : ndarray, or None
        Those of the rows, as `check_costs` returns them. None: those of the fit.
    sample_weight : array-like of shape (n_samples,), or None
    """
    codes = encode_labels(check_labels(y, are_classes=True), fit["classes_"])
    with naming("X and y"):
        check_consistent_length(numbers, codes)
    by_action = fit["cost_matrix_"][codes] if costs is None else costs_of_truth(costs, codes)
    paid = by_action[np.arange(len(codes)), numbers]
    return float(average(paid, check_sample_weight(sample_weight, len(codes))))
