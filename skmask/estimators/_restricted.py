"""RestrictedClassClassifier: classes that are known to be impossible for a row."""

from skmask.engine import Loss
from skmask.estimators._base import OF_BLOCKS, OF_MLP
from skmask.estimators._docs import documented
from skmask.estimators._rows import Rows
from skmask.estimators._softmax import SoftmaxClassifier
from skmask.estimators._training import Parts, described_mlp
from skmask.networks import Signature

__all__ = ["RestrictedClassClassifier"]


@documented
class RestrictedClassClassifier(SoftmaxClassifier):
    """Neural network classifier for rows that know which of the classes are possible.

    For problems with many classes of which only some can occur in a given row, and which is
    known beforehand, in training and at prediction: the digits that fit a form field, the
    travel modes that a person has at hand, the moves that a game allows. Impossible classes
    leave the softmax: their probability is exactly 0, they take no part in the loss, and they
    are never predicted.

    A row that allows a single class is predicted with probability 1 and teaches nothing. A
    model fitted with a mask does not predict without one, since a mask used in training and
    forgotten at prediction gives wrong answers silently; `allowed="all"` lifts the restriction
    on purpose.

    Parameters
    ----------
    {hidden}
    {network}
    classes : array-like of shape (n_classes,), default=None
        All labels, in the order of the columns of `allowed`. For data whose training part may
        lack a class. None: the labels of `y`, sorted.
    {class_weight}
    {optimizer}
    {training}
    {shuffle_buffer}
    {allowed_columns}

    Attributes
    ----------
    {classes_attribute}
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

    and p_j = 0 otherwise; the loss of the row is -log p_y. This is the logit model with
    availability conditions of discrete choice [1]_.

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
        "allowed_columns": [object, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        alpha=0.0,
        dropout=0.0,
        network=None,
        classes=None,
        class_weight=None,
        optimizer="adam",
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
        shuffle_buffer=None,
        allowed_columns=None,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            alpha=alpha,
            dropout=dropout,
            network=network,
            classes=classes,
            class_weight=class_weight,
            optimizer=optimizer,
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
            shuffle_buffer=shuffle_buffer,
            allowed_columns=allowed_columns,
        )

    def _parts(self, rows: Rows) -> Parts:
        return Parts(
            described_mlp(self),
            Signature(rows.X.shape[1:], len(rows.outputs)),
            Loss("restricted_crossentropy", metrics=(("accuracy", "masked_accuracy"),)),
        )
