"""MaskedSequenceClassifier: sequences of unequal length, of which only real steps count."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.callback import with_callbacks
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from skmask.data._frames import as_list, named
from skmask.data._hold_out import rarest_label
from skmask.data._labels import (
    accuracy,
    check_labels,
    check_same_kind,
    decode_labels,
    same_labels,
    with_label,
)
from skmask.data._messages import naming, quote
from skmask.data._numbers import average, scaled_product, unmasked
from skmask.data._sequences import (
    Steps,
    as_sequences,
    check_labels_fit,
    check_real_steps,
    entry_weights,
    is_label,
    label_matrix,
    names_agree,
    padded,
    padding_mark,
    shape_of,
    step_matrix,
)
from skmask.data._validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
    check_allowed,
    check_class_weight,
    check_features,
    check_labels_allowed,
    is_of_labels,
)
from skmask.engine import Loss, Network, as_function, described_network, frozen_template
from skmask.estimators._base import Rows, checked_network, layer_sizes, type_of_results
from skmask.estimators._docs import documented
from skmask.estimators._softmax import SoftmaxClassifier, class_attributes, split_off_allowed
from skmask.nn.losses import restricted_crossentropy
from skmask.nn.metrics import masked_accuracy
from skmask.nn.networks import CELLS, encoder_decoder, masked, tagger

__all__ = ["MaskedSequenceClassifier"]

# Steps of X are padded to a multiple of this: a program is compiled for one number of them, and
# the longest sequences of two folds may differ by a step.
_STEPS_MULTIPLE = 8


@dataclass(frozen=True)
class _Sequences:
    """Checked sequences.

    Parameters
    ----------
    X : ndarray of shape (n, n_packed_steps, n_features)
        Packed, NaN behind.
    steps : Steps
        Which steps are real where they stood.
    is_given : ndarray of bool of shape (n, n_steps)
        Where there was a step at all.
    """

    X: np.ndarray
    steps: Steps
    is_given: np.ndarray

    def of_output(self, n_steps: int | None) -> tuple[Steps, int]:
        """Return the steps of the output, and how many they are packed: those of X if None."""
        if n_steps is None:
            return self.steps, self.X.shape[1]
        return Steps(np.ones((len(self.X), n_steps), dtype=bool)), n_steps


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
    network : callable `(inputs, n_outputs, mask) -> logits` or `keras.Model`, default=None
        Makes a network of one's own from Keras tensors: `inputs` of shape
        (None, None, n_features), 0 at padding; `mask` of shape (None, None), True at real
        steps, which come first. Layers that take a mask find it on `inputs` by themselves. The
        logits have shape (None, None, n_outputs), (None, n_outputs) for one label per sequence,
        or (None, n_steps, n_outputs) with "encoder_decoder". A model is a template: it is copied,
        its weights are the starting weights, and it is called on `inputs`. None: the built-in
        network.
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
        What `predict` returns at padding: `padding_label`, or -1 or "" where it is None.
    history_ : dict of str to list of float
        Per epoch: "loss" and "accuracy", means over all real steps of the epoch, and with
        `early_stopping` "val_loss" and "val_accuracy".
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
        **{
            name: constraint
            for name, constraint in SoftmaxClassifier._parameter_constraints.items()
            if name not in ("hidden_layer_sizes", "activation")
        },
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
            callbacks=callbacks,
            warm_start=warm_start,
            verbose=verbose,
            random_state=random_state,
            dtype=dtype,
        )

    # Public methods.

    @with_callbacks
    @documented
    def fit(self, X, y, sample_weight=None, *, allowed=None):
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

        {fit_returns}
        """
        return self._fit(X, y, sample_weight=sample_weight, allowed=allowed)

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
        scores = self._scores(X, allowed)
        labels = decode_labels(scores.argmax(axis=-1), self.classes_)
        if scores.ndim < 3:
            return labels
        return with_label(labels, np.isnan(scores[..., 0]), self.padding_label_)

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
        predicted = self.predict(X, allowed=allowed)
        if not self._outputs.by_step:
            return accuracy(y, predicted, sample_weight)
        n_steps_out = self._outputs.n_steps
        sequences = self._read_sequences(
            X, mask_value=self._mask_value, reset=False, may_be_empty=n_steps_out is None
        )
        labels, _, _, counts = self._read_step_labels(sequences, y, n_steps_out)
        counts &= ~is_label(labels, self.padding_label_)
        if not counts.any():
            raise ValueError(
                "y must have a label that is no padding at a real step; got none. Correct y, or "
                f"padding_label={self.padding_label!r}."
            )
        found = check_labels(labels[counts])
        check_same_kind(found, self.classes_)
        weight = entry_weights(sample_weight, counts)
        hits = same_labels(found, predicted[:, : labels.shape[1]][counts])
        return float(average(hits, weight))

    _columns_are_steps: bool
    _mask_value: float
    _n_step_features: int
    _outputs: "_Outputs"

    # Reading sequences.

    def _read_sequences(
        self, X: Any, *, mask_value: float, reset: bool, may_be_empty: bool = False
    ) -> _Sequences:
        dtype, may_be_nan = self._types_to_read(reset=reset), np.isnan(mask_value)
        check = partial(self._check_matrix, dtype=dtype, may_be_nan=may_be_nan, reset=reset)
        with naming("X"):
            are_named = names_agree(X)
            values, is_given = step_matrix(X, check)
            if are_named and not self._columns_are_steps:
                # scikit-learn's own check of names, and of their order.
                names_too = reset and not self._goes_on()
                validate_data(self, as_list(X)[0], reset=names_too, skip_check_array=True)
        steps = check_real_steps(values, is_given, mask_value, may_be_empty=may_be_empty)
        n_steps = -(-max(steps.lengths.max(), 1) // _STEPS_MULTIPLE) * _STEPS_MULTIPLE
        return _Sequences(steps.pack(values, np.nan, n_steps), steps, is_given)

    def _check_matrix(
        self, matrix: Any, is_by_step: bool, *, dtype: Any, may_be_nan: bool, reset: bool
    ) -> np.ndarray:
        """Return all steps, or a row of X for each sequence of single features."""
        matrix = check_features(matrix)
        settings = {
            "dtype": dtype,
            "order": "C",
            "ensure_all_finite": "allow-nan" if may_be_nan else True,
        }
        reset = reset and not self._goes_on()
        if reset or (self._columns_are_steps and not is_by_step):
            checked = self._validated(matrix, reset=reset, **settings)
        else:
            checked = check_array(matrix, input_name="X", estimator=self, **settings)
        n_features = checked.shape[1] if is_by_step else 1
        if reset:
            self._columns_are_steps, self._n_step_features = not is_by_step, n_features
        if n_features != self._n_step_features:
            raise ValueError(
                f"X must have the {self._n_step_features} features per step of the fit; got "
                f"{n_features}. Give each step the same features."
            )
        return checked

    def _validated(self, matrix: Any, *, reset: bool, **settings: Any) -> np.ndarray:
        try:
            return validate_data(self, matrix, reset=reset, **settings)
        except ValueError as error:
            if "features as input" not in str(error):
                raise
            raise ValueError(
                f"{error} Sequences of another length go into an array of shape (n_samples, "
                "n_steps, 1), or a list."
            ) from error

    def _read_labels(
        self, X: Any, y: Any, labels: Any, *, reset: bool
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        with naming("X and y"):
            check_consistent_length(X, y)
        y = check_labels(y)
        sequences = self._read_sequences(X, mask_value=self.mask_value, reset=reset)
        return sequences.X, y, *self._read_codes(y, labels)

    def _read_rows(self, X: Any, y: Any, **settings: Any) -> Rows:
        by_step = _is_by_step(X, y)
        if self.architecture == "encoder_decoder" and not by_step:
            raise ValueError(
                "y must have shape (n_samples, n_steps) with architecture='encoder_decoder', a "
                f"label for each step of the output; got shape {shape_of(y, 'y')}. Use "
                "architecture='tagger' for one label per sequence."
            )
        rows = (self._read_step_rows if by_step else super()._read_rows)(X, y, **settings)
        n_steps_out = rows.target.shape[1] if self.architecture == "encoder_decoder" else None
        attributes = {
            "padding_label_": self._check_padding_label(rows.labels, by_step=by_step),
            "_outputs": _Outputs(by_step, n_steps_out),
            "_mask_value": float(self.mask_value),
        }
        # A network of one's own takes all steps there are, whatever is in a batch.
        saves_work = self.group_by_length and self.network is None
        lengths = (~np.isnan(rows.X[..., 0])).sum(axis=1) if saves_work else None
        return replace(rows, lengths=lengths, attributes={**rows.attributes, **attributes})

    def _read_step_rows(
        self,
        X: Any,
        y: Any,
        *,
        labels: Any,
        reset: bool,
        sample_weight: Any = None,
        allowed: Any = None,
    ) -> Rows:
        """Read one label per step."""
        sequences = self._read_sequences(X, mask_value=self.mask_value, reset=reset)
        n_steps_out = None
        if self.architecture == "encoder_decoder":
            n_steps_out = label_matrix(y)[0].shape[1]
        y, steps, n_packed, counts = self._read_step_labels(sequences, y, n_steps_out)
        counts &= ~self._is_padding_label(y)
        if not counts.any():
            raise ValueError(
                f"y must have labels other than padding_label={self.padding_label!r}; got none at "
                "any real step. Correct y or padding_label."
            )
        codes, labels = self._read_codes(check_labels(y[counts]), labels)
        classes, row_of = np.sort(labels), counts.nonzero()[0]
        weight = entry_weights(sample_weight, counts)
        by_class = check_class_weight(self.class_weight, codes, classes, weight)
        weight, exponent = scaled_product(weight, by_class[codes])
        mask = _read_step_mask(allowed, counts, labels)
        if mask is not None:
            check_labels_allowed(codes, mask.of_entries(counts), y[counts], row_of=row_of)

        occurs = np.zeros((len(counts), len(classes)), dtype=bool)
        occurs[row_of[weight > 0], codes[weight > 0]] = True

        def packed(entries: np.ndarray, fill: Any) -> np.ndarray:
            values = np.full(counts.shape, fill, entries.dtype)
            values[counts] = entries
            return steps.pack(values, fill, n_packed)

        return Rows(
            sequences.X,
            packed(codes, 0 if mask is None else mask.possible_class()),
            packed(weight, 0),
            labels=classes,
            n_outputs=len(classes),
            strata=rarest_label(occurs, self.validation_fraction),
            exponent=exponent,
            columns={} if mask is None else {"allowed": mask.column(steps, n_packed)},
            attributes=class_attributes(labels, is_restricted=mask is not None),
        )

    def _read_step_labels(
        self, sequences: _Sequences, y: Any, n_steps_out: int | None
    ) -> tuple[np.ndarray, Steps, int, np.ndarray]:
        """Return labels, the steps of the output, how many they are packed, and which have one."""
        y, has_label = label_matrix(y)
        with naming("X and y"):
            check_consistent_length(sequences.X, y)
        if n_steps_out is None:
            y, has_label = check_labels_fit(y, has_label, sequences.steps, sequences.is_given)
        elif y.shape[1] > n_steps_out:
            raise ValueError(
                f"y must have no more steps than the output, {n_steps_out}; got {y.shape[1]}. "
                "Cut the padding off."
            )
        steps, n_packed = sequences.of_output(n_steps_out)
        is_real = steps.is_real[:, : y.shape[1]]
        return y, steps, n_packed, is_real & has_label

    def _is_padding_label(self, y: np.ndarray) -> np.ndarray:
        label = self.padding_label
        if label is None:
            return np.zeros(y.shape, dtype=bool)
        if y.dtype.kind != "O" and isinstance(label, str) != (y.dtype.kind in "US"):
            raise ValueError(
                f"padding_label must be a label like those of y, of type {y.dtype}; got {label!r}. "
                "Give the label that marks padding."
            )
        return is_label(y, label)

    def _check_padding_label(self, classes: np.ndarray, *, by_step: bool) -> Any:
        """Return what stands for padding in predictions: no class, if steps have labels."""
        label = padding_mark(self.padding_label, classes.dtype)
        if by_step and label in classes.tolist():
            raise ValueError(
                "padding_label must be no class, to stand at padding in predictions; got "
                f"{self.padding_label!r}, which means {label!r}, and the classes "
                f"{quote(classes)}. Give another, or take it out of classes; if {label!r} marks "
                f"padding in y, set padding_label={label!r}."
            )
        return label

    def _check_goes_on(self, rows: Rows) -> None:
        super()._check_goes_on(rows)
        outputs = rows.attributes["_outputs"]
        if (outputs.n_steps is None) != (self._outputs.n_steps is None):
            raise ValueError(
                "architecture must stay the same while training goes on (warm_start, "
                f"partial_fit); got {self.architecture!r}. Set it back, or clone the estimator."
            )
        if outputs != self._outputs:
            raise ValueError(
                "y must have labels of the same kind while training goes on, "
                f"{self._outputs.described()}; got {outputs.described()}. Pad y to as many steps, "
                "or fit anew."
            )

    # The network.

    def _settings(self, rows: Rows) -> Any:
        units = layer_sizes(self.units, "units")
        if not units:
            raise InvalidParameterError(
                "units must name at least one layer; got none. Give the units of each layer."
            )
        return {
            "network": frozen_template(self.network),
            "units": units,
            "cell": self.cell,
            "bidirectional": bool(self.bidirectional),
            "architecture": rows.attributes["_outputs"],
        }

    def _make_network(
        self, settings: Any, input_shape: tuple[int | None, ...], n_outputs: int, dtype: str
    ) -> Network:
        network, units, cell, bidirectional, outputs = settings.values()
        made: Callable[..., Any]
        input_shape = (None, input_shape[-1])
        if network is not None:
            steps = (outputs.n_steps,) if outputs.by_step else ()
            shape = (None, *steps, n_outputs)
            made = partial(masked, network=as_function(network))
            return checked_network(made, input_shape, n_outputs, dtype, shape)
        if outputs.n_steps is None:
            made, of_output = tagger, {"return_sequences": outputs.by_step}
        else:
            made, of_output = encoder_decoder, {"n_steps": outputs.n_steps}
        recurrent = {"units": units, "cell": cell, "bidirectional": bidirectional}
        return described_network(
            made, input_shape, n_outputs, policy=dtype, **recurrent, **of_output
        )

    def _make_loss(self) -> Loss:
        return Loss(restricted_crossentropy, metrics=(("accuracy", masked_accuracy),))

    # Prediction.

    def _scores(
        self, X: Any, allowed: Any, finish: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        check_is_fitted(self)
        by_step, n_steps_out = self._outputs.by_step, self._outputs.n_steps
        may_be_empty = by_step and n_steps_out is None
        dtype = type_of_results(X)
        sequences = self._read_sequences(
            X, mask_value=self._mask_value, reset=False, may_be_empty=may_be_empty
        )
        self._check_mask_is_given(allowed)
        if not by_step:
            X, mask = split_off_allowed(sequences.X, allowed, None, self._labels)
            return self._scores_of(X, mask, finish, dtype)
        steps, n_packed = sequences.of_output(n_steps_out)
        mask = _read_step_mask(allowed, steps.is_real, self._labels)
        column = None if mask is None else mask.column(steps, n_packed)
        return steps.unpack(self._scores_of(sequences.X, column, finish, dtype), np.nan)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        value = self.mask_value  # which may be anything before it is checked
        tags.input_tags.allow_nan = isinstance(value, Real) and bool(value != value)
        return tags


@dataclass(frozen=True)
class _Outputs:
    """What a row has labels for.

    Parameters
    ----------
    by_step : bool
        Each step, or the sequence.
    n_steps : int or None
        How many, where they are not the steps of X.
    """

    by_step: bool
    n_steps: int | None

    def described(self) -> str:
        """Return what a message says of it."""
        if not self.by_step:
            return "one per sequence"
        return "one per step of X" if self.n_steps is None else f"{self.n_steps} per sequence"


@dataclass(frozen=True)
class _StepMask:
    """Which classes are possible: shape (n or 1, n_steps or 1, n_classes)."""

    values: np.ndarray

    def of_entries(self, where: np.ndarray) -> np.ndarray:
        """Return the mask of each step that is True in `where`, (n_entries, n_classes)."""
        shape = (*where.shape, self.values.shape[2])
        return np.broadcast_to(self.values, shape)[where]

    def possible_class(self) -> np.ndarray:
        """Return a class that is possible at all steps without a mask of their own, (n or 1, 1)."""
        return (self.values.argmax(axis=2) * (self.values.shape[1] == 1))[:, :1]

    def column(self, steps: Steps, n_packed: int) -> np.ndarray:
        """Return the mask as the engine takes it, a row for each sequence."""
        n_samples = len(steps.is_real)
        if self.values.shape[1] == 1:
            return np.broadcast_to(self.values, (n_samples, *self.values.shape[1:]))
        return steps.pack(self.values, True, n_packed)


def _read_step_mask(allowed: Any, where: np.ndarray, labels: np.ndarray) -> _StepMask | None:
    """Return which classes are possible at the steps that are True in `where`; all elsewhere."""
    if allowed is None or (isinstance(allowed, str) and allowed == "all"):
        return None
    by_step = None
    if not is_of_labels(allowed):
        by_step = as_sequences(_by_class(allowed, labels), "allowed")
    if by_step is not None and by_step[0].ndim == 2:
        with naming("allowed"):
            allowed = padded(by_step)[0]
    if is_of_labels(allowed) or len(shape_of(allowed, "allowed")) != 3:
        mask = check_allowed(allowed, n_samples=len(where), classes=labels)
        mask = mask.toarray() if sparse.issparse(mask) else mask
        return _StepMask(mask[:, np.newaxis])
    allowed = np.asarray(unmasked(allowed, "allowed"))
    shape = (*where.shape, len(labels))
    if allowed.shape != shape:
        raise ValueError(
            f"allowed must have shape (n_samples, n_steps, n_classes) = {shape}, or (n_samples, "
            f"n_classes) for masks that hold for whole sequences; got {allowed.shape}. Give a "
            f"mask for each step, with one column for each of the classes {quote(labels)}."
        )
    rows = where.nonzero()[0]
    values = np.ones(shape, dtype=bool)
    values[where] = check_allowed(allowed[where], n_samples=len(rows), classes=labels, row_of=rows)
    return _StepMask(values)


def _by_class(allowed: Any, labels: np.ndarray) -> Any:
    """Return a list of DataFrames, a step a row, as arrays in the order of the labels."""
    if not isinstance(allowed, list | tuple):
        return allowed
    frames = [named(mask, "allowed") for mask in allowed]
    return [
        mask if frame is None else frame.by_name(labels, "allowed")
        for mask, frame in zip(allowed, frames, strict=True)
    ]


def _is_by_step(X: Any, y: Any) -> bool:
    """Say whether y has a label for each step, not for each sequence."""
    if as_sequences(y, "y") is not None:
        return True
    shape = shape_of(y, "y")
    if len(shape) == 2 and shape[1] == 1:  # a column, unless X, too, has sequences of one step
        return as_sequences(X, "X") is not None or len(shape_of(X, "X")) > 2
    return len(shape) > 1
