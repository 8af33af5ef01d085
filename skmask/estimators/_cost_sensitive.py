"""CostSensitiveClassifier: errors that cost more than others."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial, reduce
from numbers import Real
from typing import Any

import numpy as np
from sklearn.callback import with_callbacks

from skmask.data._blocks import in_memory, is_on_disk
from skmask.data._costs import check_cost_matrix, check_costs, check_not_negative, costs_of_truth
from skmask.data._labels import accuracy, decode_labels
from skmask.data._numbers import scaled
from skmask.data._parameters import Interval
from skmask.data._shares import labelled_parts, most_probable_labels
from skmask.data._sklearn import StrOptions
from skmask.decisions import cheapest, softmax
from skmask.engine import LazyRows, is_lazy, read_rows
from skmask.estimators._base import OF_BLOCKS, OF_MLP
from skmask.estimators._blocks import costs_in_blocks
from skmask.estimators._docs import documented
from skmask.estimators._reading import Given, opened_rows
from skmask.estimators._rows import Rows
from skmask.estimators._softmax import SoftmaxClassifier, smoothed_loss
from skmask.estimators._softmax_rows import read_softmax_rows
from skmask.estimators._training import Parts, described_mlp
from skmask.networks import Signature

__all__ = ["CostSensitiveClassifier"]

# Losses by their names in the package.
_LOSSES = {
    "expected_cost": "expected_cost",
    "weighted_crossentropy": "cost_weighted_crossentropy",
    "crossentropy": "restricted_crossentropy",
}


@dataclass(frozen=True)
class _OfOneLabel:
    """Costs of parts of rows that have one label each.

    Parameters
    ----------
    costs : ndarray of shape (n_parts, n_classes)
        What each prediction costs.
    codes : ndarray of int of shape (n_parts,)
        The class of each part.
    share : ndarray of shape (n_parts,)
        Of its row.
    """

    costs: np.ndarray
    codes: np.ndarray
    share: np.ndarray

    def mean_error(self) -> tuple[float, int]:
        """Return the mean size of the costs of errors, or of all, and a power of 2 to multiply."""
        costs, exponent = scaled(self.costs)
        counts = np.arange(costs.shape[1]) != self.codes[:, np.newaxis]
        if not costs[counts].any():
            counts = np.ones_like(counts)
        mean = np.average(np.abs(costs), weights=counts * self.share[:, np.newaxis])
        return float(mean or 1.0), int(exponent)


def _in_unit(costs: np.ndarray, unit: tuple[float, int], argument: str) -> np.ndarray:
    """Return costs in a unit of their own: the mean size of those of errors, or of all.

    Parameters
    ----------
    costs : ndarray of shape (n, n_classes)
    unit : tuple of float and int
        As `_OfOneLabel.mean_error` returns it.
    argument : str
        For the message.
    """
    mean, exponent = unit
    with np.errstate(over="ignore"):
        costs = np.ldexp(costs, -exponent) / mean
    if np.abs(costs).max() > np.finfo(np.float32).max:
        raise ValueError(
            f"{argument} must hold costs whose sizes float32 can tell apart; got some that are "
            f"{np.abs(costs).max():.0e} times the mean cost of an error. Bring them closer."
        )
    return costs


def _mean_costs(parts: _OfOneLabel, weight: np.ndarray) -> np.ndarray:
    """Return the mean costs of the rows of each class, and in the last column their weight."""
    costs, exponent = scaled(parts.costs)
    weight = weight * parts.share
    sums = np.zeros((costs.shape[1], costs.shape[1] + 1))
    np.add.at(sums, parts.codes, weight[:, np.newaxis] * np.c_[costs, np.ones(len(costs))])
    total = sums[:, -1:]
    means = np.ldexp(sums[:, :-1] / np.where(total > 0, total, 1), exponent)
    return np.hstack([means, total])


def _check_one_label(target: np.ndarray) -> None:
    """Raise for shares of the classes, where costs by row are on disk."""
    if target.ndim != 1:
        raise ValueError(
            "costs must be in memory where y holds shares of the classes; got costs on disk. Read "
            "them, with numpy.asarray, or give one label for each row."
        )


def _on_disk(costs: Any, codes: np.ndarray) -> Iterator[tuple[slice, _OfOneLabel]]:
    """Yield costs by row block by block, with the rows of each block."""
    for rows, block in read_rows(costs):
        yield rows, _OfOneLabel(block, codes[rows], np.ones(len(block)))


def _mean_error_on_disk(costs: Any, codes: np.ndarray) -> tuple[float, int]:
    """Return what `_OfOneLabel.mean_error` does, of costs by row on disk."""
    sums = np.zeros(4)
    largest = max(np.abs(block).max(initial=0) for _, block in read_rows(costs))
    exponent = int(np.frexp(largest)[1])
    for _, parts in _on_disk(costs, codes):
        sizes = np.ldexp(np.abs(parts.costs), -exponent)
        of_errors = sizes[np.arange(sizes.shape[1]) != parts.codes[:, np.newaxis]]
        sums += of_errors.sum(), of_errors.size, sizes.sum(), sizes.size
    mean = sums[0] / sums[1] if sums[0] else sums[2] / sums[3]
    return float(mean or 1.0), exponent


def _pooled(seen: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Combine the mean costs of two sets of rows, in the form of `_mean_costs`."""
    total = seen[:, -1:] + means[:, -1:]
    share = means[:, -1:] / np.where(total > 0, total, 1)
    return np.hstack([seen[:, :-1] * (1 - share) + means[:, :-1] * share, total])


@documented
class CostSensitiveClassifier(SoftmaxClassifier):
    """Neural network classifier for errors that cost more than others.

    For problems in which calling a B a C costs more than calling it an A: lending to a
    person who will not pay, sending home a patient who is ill. Class weights cannot say that,
    because they depend on the true class only. The costs go into the loss, which then weighs the
    rows where they matter, and into the decision, which takes the class of the lowest expected
    cost; the metrics that count them are in `skmask.metrics`.

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
    cost_matrix : array-like or DataFrame of shape (n_classes, n_classes), default=None
        C[i, j] is the cost of predicting class j when the truth is class i. An array is in the
        order of `classes`, or sorted where it is None; a DataFrame is labelled on both axes, in
        any order. In libraries that have no names of rows (polars, pyarrow) one column more
        holds the true class of each row. The diagonal need not be zero; negative costs are
        profits. None: each error costs 1, or what `costs` of shape (n_samples, n_classes) in
        `fit` say, see `cost_matrix_`.
    loss : {"expected_cost", "weighted_crossentropy", "crossentropy"}, default="expected_cost"
        Loss to minimise, see Notes. "weighted_crossentropy" takes no negative costs.
    decision : {"min_expected_cost", "argmax"}, default="min_expected_cost"
        Whether `predict` takes the class of the lowest expected cost or the most probable one.
        Read and checked at prediction: it can be changed after `fit`.
        With "weighted_crossentropy" the probabilities favour classes that are expensive to
        miss already: there "argmax" is the decision, or the costs count twice.

    Attributes
    ----------
    {classes_attribute}
    cost_matrix_ : ndarray of float64 of shape (n_classes, n_classes)
        Costs that the decision uses, axes in the order of `classes_`: `cost_matrix`, or the mean
        costs of the training rows of each class where `fit` was given `costs` instead.
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
    does not matter. The decision is argmin_j sum_i p_i C[i, j] [1]_, over the allowed classes;
    of decisions that cost the same, the most probable.

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
        "decision": [StrOptions({"min_expected_cost", "argmax"})],
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
        loss="expected_cost",
        decision="min_expected_cost",
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
        """Predict class labels, by the parameter `decision`.

        Parameters
        ----------
        {x}
        {allowed_to_predict}
        {costs_to_predict}

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, always of classes that are allowed.

        Raises
        ------
        ValueError
            If the decision needs `costs` and they were not given.
        """
        return self._decisions(X, allowed, costs, ndims=(3,))

    @documented
    def score(self, X, y, sample_weight=None, *, allowed=None, costs=None):
        """Return the accuracy on the given rows. For what it costs: `skmask.metrics`.

        Parameters
        ----------
        {x}
        {y_to_score}
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        {allowed_to_predict}
        {costs_to_predict}
            Of shape (n_samples, n_classes) they say nothing about a decision, and are not used:
            so that a search may hand the same costs to `fit` and to `score`.

        Returns
        -------
        float
            Share of rows whose label is predicted.
        """
        fit = self._fitted()
        X, y = opened_rows(self, X, y, fit)
        y = most_probable_labels(y, fit["announced"])
        return accuracy(y, self._decisions(X, allowed, costs, ndims=(2, 3)), sample_weight)

    def _decisions(self, X: Any, allowed: Any, costs: Any, *, ndims: tuple[int, ...]) -> np.ndarray:
        """Return the label decided for in each row; costs of two dimensions decide nothing."""
        self._check_read_now("decision")
        fit = self._fitted()
        scores = self._scores(fit, X, allowed)
        if costs is not None:
            costs = check_costs(costs, n_samples=len(scores), classes=fit["announced"], ndims=ndims)
        if self.decision == "argmax":
            return decode_labels(scores.argmax(axis=1), fit["classes_"])
        if costs is None or costs.ndim == 2:
            if fit["costs_depend_on_row"]:
                raise ValueError(
                    "costs must be given for prediction after a fit with costs of shape "
                    "(n_samples, n_classes, n_classes); got None. Pass those of these rows, or "
                    "set decision='argmax'."
                )
            costs = fit["cost_matrix_"]
        return decode_labels(cheapest(scores, softmax(scores), costs), fit["classes_"])

    def _read(self, given: Given) -> Rows:
        rows = read_softmax_rows(self, given)
        labels, costs = rows.values["announced"], given.metadata.get("costs")
        if given.training is not None:
            return self._with_costs_of_validation(rows, given.training, costs)
        matrix = check_cost_matrix(self.cost_matrix, labels)
        seen, depend_on_row, parts = None, False, None
        by_row: Any = None
        if given.continued is not None:
            seen = given.continued["costs_seen"]
            depend_on_row = given.continued["costs_depend_on_row"]
        means = None
        if costs is not None and is_lazy(rows.X) and is_on_disk(costs):
            _check_one_label(rows.target)
            by_row = costs_in_blocks(costs, n_samples=len(rows), classes=labels)
            on_disk = _on_disk(by_row, rows.target)
            means = reduce(_pooled, (_mean_costs(part, rows.weight[of]) for of, part in on_disk))
        elif costs is not None:
            costs = check_costs(in_memory(costs), n_samples=len(rows), classes=labels, ndims=(2, 3))
            depend_on_row |= costs.ndim == 3
            by_row = costs_of_truth(costs, rows.target)
            numbers, codes, share = labelled_parts(rows.target)
            parts = _OfOneLabel(costs_of_truth(costs[numbers], codes), codes, share)
            means = _mean_costs(parts, rows.weight[numbers])
        if means is not None:
            means[:, -1] = rows.in_units_given(means[:, -1])
            seen = means if seen is None else _pooled(seen, means)
        if seen is not None and self.cost_matrix is None:
            matrix = np.where(seen[:, -1:] > 0, seen[:, :-1], matrix)
        rows = rows.with_values(
            cost_matrix_=matrix, costs_seen=seen, costs_depend_on_row=bool(depend_on_row)
        )
        return self._with_costs_for_the_loss(rows, matrix, by_row, parts)

    def _with_costs_for_the_loss(
        self, rows: Rows, matrix: np.ndarray, by_row: Any, parts: _OfOneLabel | None
    ) -> Rows:
        name = "cost_matrix" if by_row is None else "costs"
        costs: Any = matrix if by_row is None else by_row
        if by_row is None:
            parts = _OfOneLabel(matrix, np.arange(len(matrix)), np.ones(len(matrix)))
        if self.loss == "weighted_crossentropy":
            for rows_of, block in read_rows(costs) if is_lazy(costs) else [(slice(0), costs)]:
                check_not_negative(block, name, rows_of.start or 0)
        if self.loss == "crossentropy":
            return rows
        if parts is None:
            unit = _mean_error_on_disk(costs, rows.target)
            in_unit = partial(_in_unit, unit=unit, argument=name)
            costs = LazyRows(costs, convert=in_unit, dtype=float)
        else:
            unit = parts.mean_error()
            costs = _in_unit(costs, unit, name)
        rows = rows.with_values(cost_unit=unit)
        if by_row is None:
            return replace(rows, constants={**rows.constants, name: costs})
        return replace(rows, columns={**rows.columns, name: costs})

    def _with_costs_of_validation(self, rows: Rows, training: Rows, costs: Any) -> Rows:
        """Return validation rows with the costs that their loss takes, in the unit of training."""
        if costs is None:
            if "cost_matrix" not in training.constants:
                return rows
            matrix = training.constants["cost_matrix"]
            return replace(rows, constants={**rows.constants, "cost_matrix": matrix})
        labels = training.values["announced"]
        costs = check_costs(costs, n_samples=len(rows), classes=labels, ndims=(2, 3))
        by_row = costs_of_truth(costs, rows.target)
        if self.loss == "weighted_crossentropy":
            check_not_negative(by_row, "costs")
        if "costs" not in training.columns:
            return rows
        by_row = _in_unit(by_row, training.values["cost_unit"], "costs")
        return replace(rows, columns={**rows.columns, "costs": by_row})

    def _parts(self, rows: Rows) -> Parts:
        return Parts(
            described_mlp(self, rows),
            Signature(rows.X.shape[1:], len(rows.outputs)),
            smoothed_loss(_LOSSES[self.loss], self.label_smoothing),
        )
