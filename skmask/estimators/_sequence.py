"""MaskedSequenceClassifier: sequences of unequal length, of which only real steps count."""

from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.callback import with_callbacks

from skmask.data._labels import (
    accuracy,
    check_labels,
    check_same_kind,
    decode_labels,
    same_labels,
    with_label,
)
from skmask.data._messages import quote
from skmask.data._numbers import average
from skmask.data._parameters import Interval
from skmask.data._sequences import entry_weights, is_label, padding_mark, shape_of
from skmask.data._sklearn import StrOptions
from skmask.engine import Loss
from skmask.estimators._docs import documented
from skmask.estimators._prediction import type_of_results
from skmask.estimators._reading import Given
from skmask.estimators._record import Fit
from skmask.estimators._rows import Rows
from skmask.estimators._sequence_rows import (
    is_by_step,
    read_rows_by_sequence,
    read_rows_by_step,
    read_step_labels,
    read_step_mask,
    sequences_to_predict,
)
from skmask.estimators._softmax import Finish, SoftmaxClassifier, scores_of
from skmask.estimators._softmax_rows import (
    check_class_weight_in_parts,
    check_mask_is_given,
    split_off_allowed,
)
from skmask.estimators._training import Parts, own_network
from skmask.networks import CELLS, EncoderDecoder, Network, Recurrent, Signature

__all__ = ["MaskedSequenceClassifier"]


@documented
class MaskedSequenceClassifier(SoftmaxClassifier):
    """Recurrent network classifier for sequences of unequal length, padded or in a list.

    For one label per step (tagging), one label per sequence, or an output sequence of another
    length (encoder and decoder), where sequences were padded to one length: the loss, the
    gradient and the accuracy count real steps only. Padding more changes nothing: real steps
    are brought to the front before the network sees them, and padding on the left, on the right
    and in between is skipped alike.

    A sequence that is padding throughout has nothing to learn from and is refused in `fit`. In
    prediction it may be longer or shorter than any before.

    Parameters
    ----------
    units : int or array-like of int, default=64
        Size of the state of each recurrent layer, in each direction.
    cell : {"lstm", "gru"}, default="lstm"
        Kind of the recurrent layers.
    bidirectional : bool, default=False
        Go over each sequence in both directions.
    architecture : {"tagger", "encoder_decoder"}, default="tagger"
        "tagger": a label for each step, or one for the sequence, as `y` has it.
        "encoder_decoder": the sequence becomes a code, from which as many labels are made as
        there are in a row of `y`.
    mask_value : float, default=nan
        A step is padding when all its features are this value. With NaN no real value can be
        taken for padding. Predictions use that of the fit.
    padding_label : int or str, default=None
        The label in `y` that marks padding; it is no class, and steps that have it are left out.
        Needed where X does not tell, as with "encoder_decoder". None: no label does.
    group_by_length : bool, default=True
        Put sequences of similar length into a batch, in each epoch anew and batches at random,
        so that short ones do not cost what long ones do. False: plain shuffling.
    network : object of `skmask.networks`, callable `(inputs, n_outputs, mask) -> logits` or \
            `keras.Model`, default=None
        A described network, `Recurrent` or `EncoderDecoder`, in place of the parameters `units`,
        `cell` and `bidirectional`. Or a callable that makes a network of one's own from Keras
        tensors: `inputs` of shape (None, None, n_features), 0 at padding; `mask` of shape
        (None, None), True at real steps, which come first. Layers that take a mask find it on
        `inputs` by themselves. The logits have shape (None, None, n_outputs), (None, n_outputs) for
        one label per sequence, or (None, n_steps, n_outputs) with "encoder_decoder". A model is a
        template: it is copied, its weights are the starting weights, and it is called on `inputs`.
        None: the built-in network.
    classes : array-like of shape (n_classes,), default=None
        All labels, without `padding_label`, in the order of the last axis of `allowed`. For data
        whose training part may lack a class. None: the labels of `y` at real steps, sorted.
    {class_weight}
    {optimizer}
    {training}

    Attributes
    ----------
    {classes_attribute}
    padding_label_ : int or str
        Label that `predict` returns at padding: `padding_label`, or -1 or "" where it is None.
    history_ : dict of str to list of float
        Per epoch: "loss" and "accuracy", means over all real steps of the epoch, and where there
        are validation sequences "val_loss" and "val_accuracy".
    {model_attribute}
    n_features_in_ : int
        Features of a step, or columns of an X of shape (n_samples, n_steps).
    {names_attribute}
    {n_iter_attribute}

    See Also
    --------
    skmask.nn.losses.MaskedCrossentropy : the loss in a Keras model of one's own.
    skmask.nn.layers.MaskedLSTM, skmask.nn.layers.StepMasking : the layers.
    skmask.metrics.step_accuracy, skmask.metrics.sequence_accuracy : the metrics.

    Notes
    -----
    With the weight w_it of step t of sequence i, 0 at padding, the loss of an epoch is::

        sum_it w_it (-log p_it[y_it]) / sum_it w_it

    where Keras' mean over batches weighs a step of a batch of short sequences more. The layers
    are those of [1]_ and [2]_, the encoder-decoder with a repeated code that of [2]_.

    For X of shape (n_samples, n_steps), `n_features_in_` is n_steps, as scikit-learn has it, and
    must be the same in prediction; for sequences of another length pass
    (n_samples, n_steps, 1) or a list.

    scikit-learn's :func:`~sklearn.model_selection.cross_val_predict` takes labels by step for
    several outputs: with another method than "predict" it numbers them column by column, and so
    confuses them. Predict the probabilities of each fold by hand.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8),
       1997.
    .. [2] K. Cho et al., "Learning phrase representations using RNN encoder-decoder for
       statistical machine translation", EMNLP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask import MaskedSequenceClassifier
    >>> from skmask.datasets import make_padded_sequences
    >>> X, y = make_padded_sequences(100, random_state=0)
    >>> clf = MaskedSequenceClassifier(16, padding_label="#", epochs=2, random_state=0)
    >>> proba = clf.fit(X, y).predict_proba(X)
    >>> bool((np.isnan(proba).all(axis=2) == (y == "#")).all())
    True
    >>> bool(((clf.predict(X) == "#") == (y == "#")).all())
    True
    """

    _parameter_constraints = {
        **SoftmaxClassifier._parameter_constraints,
        "units": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "cell": [StrOptions(set(CELLS))],
        "bidirectional": ["boolean"],
        "architecture": [StrOptions({"tagger", "encoder_decoder"})],
        "mask_value": [Interval(Real, None, None, closed="neither"), "nan"],
        "padding_label": [Real, str, None],
        "group_by_length": ["boolean"],
    }

    def __init__(
        self,
        units=64,
        cell="lstm",
        *,
        bidirectional=False,
        architecture="tagger",
        mask_value=np.nan,
        padding_label=None,
        group_by_length=True,
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
        monitor="loss",
        callbacks=None,
        warm_start=False,
        verbose=0,
        random_state=None,
        dtype="auto",
    ):
        super().__init__(
            units=units,
            cell=cell,
            bidirectional=bidirectional,
            architecture=architecture,
            mask_value=mask_value,
            padding_label=padding_label,
            group_by_length=group_by_length,
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
            monitor=monitor,
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
            dtype=dtype,
        )

    # Public methods.

    @with_callbacks
    @documented
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        allowed=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        allowed_val=None,
    ):
        """Fit the network to training data.

        Parameters
        ----------
        {sequences_fit}
        {step_labels}
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_steps), default=None
            By sequence or by step, or a list as `y`. What stands at padding does not matter.
            Only the proportions matter: the mean over real steps is set to 1, so that
            `learning_rate` keeps its meaning. None: all 1.
        {step_allowed}
        {step_validation}
        {allowed_val}

        {fit_returns}
        """
        return self._fit(
            X,
            y,
            sample_weight=sample_weight,
            allowed=allowed,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            allowed_val=allowed_val,
        )

    @documented
    def partial_fit(self, X, y, classes=None, sample_weight=None, *, allowed=None):
        """Train one epoch on the sequences given, from where the last call ended.

        Parameters
        ----------
        {sequences}
        {step_labels}
        {classes_part}
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_steps), default=None
            Multiplies the loss of each step. Not scaled, because the mean of all sequences to
            come is not known: weights that float32 cannot hold are refused. None: all 1.
        {step_allowed}

        {part_returns}
        """
        return self._partial_fit(X, y, classes, sample_weight=sample_weight, allowed=allowed)

    @documented
    def predict(self, X, *, allowed=None):
        """Predict class labels.

        Parameters
        ----------
        {sequences}
        {step_allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples, n_steps) or (n_samples,)
            Labels, always of classes that are allowed, and `padding_label_` at padding. For a
            list n_steps is that of the longest sequence.
        """
        return self._predicted(self._fitted(), X, allowed)

    def _predicted(self, fit: Fit, X: Any, allowed: Any) -> np.ndarray:
        scores = self._scores(fit, X, allowed)
        labels = decode_labels(scores.argmax(axis=-1), fit["classes_"])
        if scores.ndim < 3:
            return labels
        return with_label(labels, np.isnan(scores[..., 0]), fit["padding_label_"])

    @documented
    def predict_proba(self, X, *, allowed=None):
        """Predict class probabilities.

        Parameters
        ----------
        {sequences}
        {step_allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples, n_steps, n_classes) or (n_samples, n_classes)
            The last axis follows `classes_`. NaN at padding, exactly 0 where a class is not
            allowed; otherwise the sum over the classes is 1.
        """
        return super().predict_proba(X, allowed=allowed)

    @documented
    def predict_log_proba(self, X, *, allowed=None):
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        {sequences}
        {step_allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples, n_steps, n_classes) or (n_samples, n_classes)
            As in `predict_proba`. -inf where a class is not allowed.
        """
        return super().predict_log_proba(X, allowed=allowed)

    @documented
    def decision_function(self, X, *, allowed=None):
        """Return the network's scores.

        Parameters
        ----------
        {sequences}
        {step_allowed_to_predict}

        Returns
        -------
        ndarray of shape (n_samples, n_steps, n_classes) or (n_samples, n_classes)
            Logits, NaN at padding. A class that is not allowed has 100 less than the lowest
            logit of the allowed classes of its step. For two classes, the value of the second
            minus that of the first, without the last axis.
        """
        return super().decision_function(X, allowed=allowed)

    @documented
    def score(self, X, y, sample_weight=None, *, allowed=None):
        """Return the share of real steps whose label is predicted, or of sequences.

        Parameters
        ----------
        {sequences}
        {step_labels}
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_steps), default=None
            Weights of the sequences or of the steps, as in `fit`.
        {step_allowed_to_predict}

        Returns
        -------
        float
            :func:`skmask.metrics.step_accuracy`, or the accuracy for one label per sequence.
        """
        fit = self._fitted()
        predicted = self._predicted(fit, X, allowed)
        steps_out = fit.signature.steps
        if steps_out is None:
            return accuracy(y, predicted, sample_weight)
        sequences = sequences_to_predict(self, X, fit)
        labels, _, _, counts = read_step_labels(sequences, y, _n_steps(steps_out))
        counts &= ~is_label(labels, fit["padding_label_"])
        if not counts.any():
            raise ValueError(
                "y must have a label that is no padding at a real step; got none. Correct y, or "
                f"padding_label={self.padding_label!r}."
            )
        found = check_labels(labels[counts])
        check_same_kind(found, fit["classes_"])
        weight = entry_weights(sample_weight, counts)
        hits = same_labels(found, predicted[:, : labels.shape[1]][counts])
        return float(average(hits, weight))

    def _read(self, given: Given) -> Rows:
        check_class_weight_in_parts(self, given)
        by_step = is_by_step(given.X, given.y)
        has_decoder = self.architecture == "encoder_decoder"
        if has_decoder and not by_step:
            raise ValueError(
                "y must have shape (n_samples, n_steps) with architecture='encoder_decoder', a "
                f"label for each step of the output; got shape {shape_of(given.y, 'y')}. Use "
                "architecture='tagger' for one label per sequence."
            )
        rows = (read_rows_by_step if by_step else read_rows_by_sequence)(self, given)
        steps: Any = "each" if by_step else None
        if has_decoder:
            steps = rows.target.shape[1]
        if given.training is not None:
            _check_labels_like_training(given.training.values["steps"], steps)
            return rows
        _check_steps_go_on(given.before, steps, self.architecture)
        # A Keras network of one's own computes all steps of a batch, padding included.
        is_described = self.network is None or isinstance(self.network, Network)
        saves_work = self.group_by_length and is_described
        lengths = (~np.isnan(rows.X[..., 0])).sum(axis=1) if saves_work else None
        return replace(rows, lengths=lengths).with_values(
            padding_label_=self._check_padding_label(rows.outputs, by_step=by_step),
            steps=steps,
            mask_value=float(self.mask_value),
        )

    def _check_padding_label(self, classes: np.ndarray, *, by_step: bool) -> Any:
        """Return the label of padding in predictions: no class, if steps have labels."""
        label = padding_mark(self.padding_label, classes.dtype)
        if by_step and label in classes.tolist():
            raise ValueError(
                "padding_label must be no class, to stand at padding in predictions; got "
                f"{self.padding_label!r}, which means {label!r}, and the classes "
                f"{quote(classes)}. Give another, or take it out of classes; if {label!r} marks "
                f"padding in y, set padding_label={label!r}."
            )
        return label

    def _parts(self, rows: Rows) -> Parts:
        if self.network is not None:
            network = own_network(self.network, of_sequences=True)
            _check_architecture(network, self.architecture)
        else:
            kind = EncoderDecoder if self.architecture == "encoder_decoder" else Recurrent
            network = kind(self.units, self.cell, bidirectional=self.bidirectional)
        return Parts(
            network,
            Signature((None, rows.X.shape[-1]), len(rows.outputs), rows.values["steps"]),
            Loss("restricted_crossentropy", metrics=(("accuracy", "masked_accuracy"),)),
        )

    def _scores(self, fit: Fit, X: Any, allowed: Any, finish: Finish | None = None) -> np.ndarray:
        steps_out = fit.signature.steps
        dtype = type_of_results(X)
        sequences = sequences_to_predict(self, X, fit)
        check_mask_is_given(fit, allowed)
        if steps_out is None:
            X, mask = split_off_allowed(sequences.X, allowed, None, fit["announced"])
            return scores_of(fit, X, mask, finish, dtype)
        steps, n_packed = sequences.of_output(_n_steps(steps_out))
        mask = read_step_mask(allowed, steps.is_real, fit["announced"])
        column = None if mask is None else mask.column(steps, n_packed)
        return steps.unpack(scores_of(fit, sequences.X, column, finish, dtype), np.nan)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        value = self.mask_value  # which may be anything before it is checked
        tags.input_tags.allow_nan = isinstance(value, Real) and bool(value != value)
        return tags


def _check_architecture(network: Any, architecture: str) -> None:
    """Raise for a network with a decoder where the architecture has none, and the reverse."""
    if isinstance(network, Network):
        has_decoder = isinstance(network, EncoderDecoder)
        if has_decoder != (architecture == "encoder_decoder"):
            raise ValueError(
                "network must have a decoder where architecture='encoder_decoder', and only there; "
                f"got {network!r} with {architecture!r}. Change one of them."
            )


def _n_steps(steps: Any) -> int | None:
    """Return the number of steps of the output; None where they are those of X."""
    return None if steps == "each" else steps


def _check_steps_go_on(before: Fit | None, steps: Any, architecture: str) -> None:
    """Raise where the outputs are not those of the fit before."""
    if before is None or before["steps"] == steps:
        return
    are_counted = [isinstance(each, int) for each in (steps, before["steps"])]
    if are_counted[0] != are_counted[1]:
        raise ValueError(
            "architecture must stay the same while training goes on (warm_start, "
            f"partial_fit); got {architecture!r}. Set it back, or clone the estimator."
        )
    raise ValueError(
        "y must have labels of the same kind while training goes on, "
        f"{_described(before['steps'])}; got {_described(steps)}. Pad y to as many steps, "
        "or fit anew."
    )


def _check_labels_like_training(steps: Any, steps_val: Any) -> None:
    """Raise where validation sequences have labels of another kind."""
    if (steps is None) != (steps_val is None):
        raise ValueError(
            f"y must have labels like those of training, {_described(steps)}; got "
            f"{_described(steps_val)}. Pass labels of the same kind."
        )


def _described(steps: Any) -> str:
    """Return the words of a message for the steps that have labels."""
    if steps is None:
        return "one per sequence"
    return "one per step of X" if steps == "each" else f"{steps} per sequence"
