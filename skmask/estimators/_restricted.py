"""RestrictedClassClassifier: classes that are known to be impossible for a row."""

from dataclasses import replace
from numbers import Real

from scipy import sparse

from skmask.data._labels import decode_labels
from skmask.data._parameters import Interval
from skmask.data._sklearn import StrOptions
from skmask.decisions import softmax
from skmask.estimators._base import OF_BLOCKS, OF_MLP
from skmask.estimators._candidates import candidate_codes, candidate_proba, names_candidates
from skmask.estimators._docs import documented
from skmask.estimators._mask_in_loss import (
    REASON_TO_HOLD_OUT,
    SHARES,
    restricted_log_loss,
    share_of_mask,
)
from skmask.estimators._prediction import type_of_results
from skmask.estimators._reading import Given
from skmask.estimators._rows import Rows
from skmask.estimators._softmax import SoftmaxClassifier, scores_of, smoothed_loss
from skmask.estimators._softmax_rows import read_softmax_rows
from skmask.estimators._training import Choice, Parts, described_mlp
from skmask.networks import Signature

__all__ = ["RestrictedClassClassifier"]


@documented
class RestrictedClassClassifier(SoftmaxClassifier):
    """Neural network classifier for rows that know which of the classes are possible.

    For problems with many classes of which only some can occur in a given row, and which is
    known beforehand, in training and at prediction: the digits that fit a form field, the
    travel modes that a person has at hand, the moves that a game allows. Impossible classes
    leave the softmax: their probability is exactly 0, they take no part in the loss (see
    `mask_in_loss`), and they are never predicted.

    Targets are labels, or the share of each class in each row: votes of several people, the
    probabilities of another model. A row that allows a single class is predicted with
    probability 1 and teaches nothing. A model fitted with a mask does not predict without one,
    since a mask used in training and forgotten at prediction gives wrong answers silently;
    `allowed="all"` lifts the restriction on purpose.

    Parameters
    ----------
    {hidden}
    {network}
    {inputs}
    classes : array-like of shape (n_classes,), default=None
        All labels, in the order of the columns of `allowed`. For data whose training part may
        lack a class. None: the labels of `y`, sorted.
    {class_weight}
    {optimizer}
    {training}
    {shuffle_buffer}
    {label_smoothing}
    {allowed_columns}
    {allowed_rule}
    mask_in_loss : float or "auto", default=1.0
        How far training knows the mask. 1: the softmax of the loss is over the allowed classes.
        0: it is over all classes, and the mask counts at prediction only. Between: both losses,
        weighted. "auto": 0, 0.5 or 1, whichever has the lowest loss over the allowed classes on
        validation rows, or on rows held out, of a small data set several times. It trains once
        more for each, up to 30 times for less than 1,000 rows; `callbacks` see the last training
        only. See Notes.
    mask_in_input : bool, default=False
        Whether the network also gets the mask, as columns of 0 and 1 behind the features.
    sparse_updates : bool, default=False
        Whether a step of the optimizer takes, in the last layer, only the weights of the classes
        that its batch allows. For many classes and a sparse `allowed`, see Notes: steps are much
        faster, but not those of the optimizer, whose moments keep moving the weights of other
        classes and fade meanwhile ("lazy" Adam). With "sgd" both are the same.

    Attributes
    ----------
    {classes_attribute}
    mask_in_loss_ : float
        The value of `mask_in_loss` that was used.
    {history}
    {fitted}

    See Also
    --------
    skmask.nn.layers.RestrictLogits : the same in a Keras model of one's own.
    skmask.metrics.routed_scorer : scorers that hand `allowed` to the estimator.

    Notes
    -----
    With logits z and the set A of classes allowed for a row, for j in A::

        p_j = exp(z_j) / sum_{k in A} exp(z_k)

    and p_j = 0 otherwise; the loss of the row is -log p_y, or -sum_j y_j log p_j with shares y_j of
    the classes. This is the logit model with
    availability conditions of discrete choice [1]_.

    Masks in training pay where what is possible shapes what is chosen, and where candidates look
    alike; where they are drawn at random, the softmax over all classes learns more from each row,
    and 0 is better (docs/masks.md has the figures).

    With a sparse `allowed` over 512 classes or more, of which it allows a sixteenth at most, the
    built-in network and every :class:`skmask.networks.MLP` compute the logits of allowed classes
    only: the same results, to rounding, in time and memory that follow the entries of the mask.
    Optimizers still step on all weights, except where a step on those of the batch is the same
    (SGD without momentum, weight decay, clipping and `alpha`), or `sparse_updates` says so.
    `alpha` concerns all weights, and steps are then on all of them. With `mask_in_loss` below 1 the
    loss needs the logits of all classes in training. Adafactor, Muon and optimizers
    of one's own train on the logits of all classes.

    References
    ----------
    .. [1] M. Ben-Akiva and S. R. Lerman, "Discrete Choice Analysis", MIT Press, 1985, ch. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask import RestrictedClassClassifier
    >>> from skmask.datasets import make_restricted_classification
    >>> X, y, allowed = make_restricted_classification(random_state=0)
    >>> clf = RestrictedClassClassifier(epochs=5, random_state=0)
    >>> proba = clf.fit(X, y, allowed=allowed).predict_proba(X, allowed=allowed)
    >>> proba.shape == allowed.shape
    True
    >>> bool((proba[~allowed] == 0).all())
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
        "mask_in_loss": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "mask_in_input": ["boolean"],
        "sparse_updates": ["boolean"],
    }

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
        mask_in_loss=1.0,
        mask_in_input=False,
        sparse_updates=False,
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
            mask_in_loss=mask_in_loss,
            mask_in_input=mask_in_input,
            sparse_updates=sparse_updates,
        )

    @documented
    def predict(self, X, *, allowed=None):
        """Predict class labels.

        Parameters
        ----------
        {x}
        {allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, always of classes that are allowed.
        """
        fit = self._fitted()
        X_read, mask = self._read_to_predict(fit, X, allowed)
        if names_candidates(X_read, mask):
            codes = candidate_codes(fit, X_read, mask)
        else:
            codes = scores_of(fit, X_read, mask, None, type_of_results(X)).argmax(axis=1)
        return decode_labels(codes, fit["classes_"])

    @documented
    def predict_proba(self, X, *, allowed=None, sparse_output=False):
        """Predict class probabilities.

        Parameters
        ----------
        {x}
        {allowed_to_predict}
        sparse_output : bool, default=False
            Whether to return a CSR array, whose entries are those of a sparse `allowed`, or those
            above 0 of all probabilities.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_classes)
            Columns follow `classes_`. Exactly 0 where a class is not allowed; rows sum to 1.
        """
        fit = self._fitted()
        X_read, mask = self._read_to_predict(fit, X, allowed)
        dtype = type_of_results(X)
        if names_candidates(X_read, mask):
            proba = candidate_proba(fit, X_read, mask, dtype)
            return proba if sparse_output else proba.toarray()
        proba = scores_of(fit, X_read, mask, softmax, dtype)
        return sparse.csr_array(proba) if sparse_output else proba

    def _parts(self, rows: Rows) -> Parts:
        share = rows.values["mask_in_loss_"]
        if self.sparse_updates and share != 1:
            raise ValueError(
                "sparse_updates must be False where mask_in_loss is not 1, because steps are on "
                f"all classes there; got True with mask_in_loss={self.mask_in_loss!r}. Set it to "
                "False."
            )
        if self.sparse_updates:
            from skmask.engine import tensorflow

            tensorflow.check_sparse_updates(self.optimizer)
        if share != "auto":
            return self._parts_of_share(rows, share)
        among = [self._parts_of_share(rows, each) for each in SHARES]
        choice = Choice(among, restricted_log_loss, REASON_TO_HOLD_OUT)
        return replace(among[0], choice=choice)

    def _parts_of_share(self, rows: Rows, share: float) -> Parts:
        return Parts(
            described_mlp(self, rows),
            Signature(rows.X.shape[1:], len(rows.outputs)),
            smoothed_loss("restricted_crossentropy", self.label_smoothing, share),
            conclude=lambda fit, held_out: {"mask_in_loss_": share},
        )

    def _read(self, given: Given) -> Rows:
        rows = read_softmax_rows(self, given)
        return rows.with_values(mask_in_loss_=share_of_mask(self, given, rows))
