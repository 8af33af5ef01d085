"""RestrictedClassClassifier: classes that are known to be impossible for a row."""

from skmask._softmax import SoftmaxClassifier
from skmask.engine import Loss
from skmask.nn.losses import restricted_crossentropy

__all__ = ["RestrictedClassClassifier"]


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
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer of the built-in network; () for a linear model.
    activation : str, default="relu"
        Keras activation of the hidden layers.
    network : callable `(inputs, n_outputs) -> logits`, default=None
        Makes a network of one's own from Keras tensors: `inputs` of shape
        (None, n_features), logits of shape (None, n_outputs), without softmax. None: the
        built-in network.
    classes : array-like of shape (n_classes,), default=None
        All labels, in the order of the columns of `allowed`. For data whose training part may
        lack a class. None: the labels of `y`, sorted.
    class_weight : dict, "balanced" or None, default=None
        Factors on the loss of each class, by label; labels left out weigh 1. "balanced":
        inversely proportional to the classes' weight in `y`.
    optimizer : str or `keras.optimizers.Optimizer`, default="adam"
        A name, or an instance as a template: its settings are read, and its own learning rate
        wins.
    learning_rate : float, default=1e-3
        Step size of an optimizer given by name.
    batch_size : int, default=32
        Rows per step. The last batch of an epoch may be shorter.
    epochs : int, default=100
        Passes over the training rows.
    early_stopping : bool, default=False
        Hold out a stratified part of the rows, stop when its loss no longer falls, and keep
        the weights that had the lowest.
    validation_fraction : float, default=0.1
        Share of the rows held out by `early_stopping`.
    n_iter_no_change : int, default=10
        Epochs without a lower validation loss after which `early_stopping` stops.
    callbacks : list of `keras.callbacks.Callback`, default=None
        Run once an epoch. Each fit works on copies of its own.
    warm_start : bool, default=False
        Start a further `fit` from the weights of the one before.
    verbose : int, default=0
        1 prints a line per epoch.
    random_state : int, RandomState instance or None, default=None
        Decides starting weights, order of rows and dropout. The same int gives the same
        model, bit for bit.
    allowed_columns : column names, numbers, slice, bool mask or callable, default=None
        Columns of X that hold the mask, in the order of `classes`, selected as in
        :class:`~sklearn.compose.ColumnTransformer`. They are taken off the features. For tools
        that pass no metadata to `predict`. None: the mask comes as the argument `allowed`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted. All columns of outputs follow them.
    history_ : dict of str to list of float
        Per epoch: "loss", the mean over the training rows, and with `early_stopping`
        "val_loss".
    model_ : keras.Model
        The network with the fitted weights, from features to unrestricted logits. A copy:
        changing it does not change the estimator.
    n_features_in_ : int
        Columns of X seen in `fit`, those of the mask among them.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X. Only where X has them, all strings.
    n_iter_ : int
        Epochs run.

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
        **SoftmaxClassifier._parameter_constraints,
        "allowed_columns": [object, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        network=None,
        classes=None,
        class_weight=None,
        optimizer="adam",
        learning_rate=1e-3,
        batch_size=32,
        epochs=100,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
        allowed_columns=None,
    ):
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
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
        )
        self.allowed_columns = allowed_columns

    def _make_loss(self) -> Loss:
        return Loss(restricted_crossentropy)
