"""Parts of docstrings that several estimators share, written once.

A line `{name}` of a docstring is replaced by the part of this name, indented as it stands.
"""

import re
from textwrap import indent
from typing import TypeVar

__all__ = ["documented"]

_Thing = TypeVar("_Thing")

_X = """\
X : array-like or CSR of shape (n_samples, n_features)
    The rows.
"""
_X_FIT = """\
X : array-like or CSR of shape (n_samples, n_features)
    Cast to the type of the fit once, see `dtype`. Wide sparse rows stay sparse in an MLP;
    for other networks some of them at a time are made dense.
"""
_X_PART = """\
X : array-like or CSR of shape (n_samples, n_features)
    Part of the training data.
"""
_ALLOWED = """\
allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), \
array-like or Series of shape (n_classes,), or list of sets of labels, default=None
    True or 1: the class of this column is possible for this row. Columns are in the
    order of `classes`, or sorted where it is None; those of a DataFrame of any library
    are class labels in any order. One row of shape (n_classes,) holds for all; a Series
    of pandas is aligned by its index. A list holds the set of labels of each row, or,
    where labels are strings, a list of them. None: all are.
"""
_ALLOWED_TO_PREDICT = """\
allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_classes), \
array-like or Series of shape (n_classes,), list of sets of labels, or "all", default=None
    As in `fit`. "all" lifts the restriction on purpose.
"""
_CLASSES_PART = """\
classes : array-like of shape (n_classes,), default=None
    All labels, in the order of the columns of `allowed`. Needed in the first call
    unless the parameter `classes` gives them.
"""
_COSTS = """\
costs : array-like of shape (n_samples, n_classes) or (n_samples, n_classes, n_classes), \
default=None
    For costs that differ by row: what each prediction costs for this row, or, by
    true class and predicted class, would cost. Classes are in the order of `classes`;
    a DataFrame has class labels as columns, in any order. Only proportions matter.
    None: as `cost_matrix` says.
"""
_COSTS_TO_PREDICT = """\
costs : array-like of shape (n_samples, n_classes, n_classes), default=None
    The costs of these rows, by true and predicted class. Needed if `fit` was given
    such costs and `decision` is "min_expected_cost".
"""
_WEIGHT = """\
sample_weight : array-like of shape (n_samples,), default=None
    Only their proportions matter: their mean over the rows is set to 1, so that
    `learning_rate` keeps its meaning. Rows of weight 0 are left out. None: all 1.
"""
_WEIGHT_PART = """\
sample_weight : array-like of shape (n_samples,), default=None
    Multiplies each row's loss. Not scaled, because the mean of all rows to come is not
    known: weights that float32 cannot hold are refused. None: all 1.
"""
_LABEL_MATRIX = """\
y : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels), or \
array-like of shape (n_samples,)
    1 for the labels of a row, otherwise 0, NaN where that is unknown, as are missing
    values of a DataFrame and masked entries; the columns of a DataFrame are the names of
    the labels. Or one class per row. A single column is a label where it holds nothing
    but 0, 1 and NaN and `classes` names no more than one, and otherwise classes.
"""
_ENTRY_WEIGHT = """\
sample_weight : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
    By row, or by row and label; columns of a DataFrame are aligned by label. Only the
    proportions matter: the mean over what counts is set to 1, so that `learning_rate`
    keeps its meaning. None: all 1.
"""
_ENTRY_WEIGHT_PART = """\
sample_weight : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
    By row, or by row and label. Multiplies the loss; not scaled, because the mean of all
    rows to come is not known: weights that float32 cannot hold are refused. None: all 1.
"""
_Y = """\
y : array-like of shape (n_samples,)
    Class labels.
"""
_PART_RETURNS = """\
Returns
-------
self : object
    The estimator, trained further.
"""
_FIT_RETURNS = """\
Returns
-------
self : object
    The fitted estimator.

Raises
------
ValueError, TypeError
    For bad input; nothing has been changed then.
skmask.DivergenceError
    When the loss becomes NaN or infinite; the estimator is left unfitted.
KeyboardInterrupt
    For Ctrl-C. A first fit, and one that goes on from another, is left at its last whole
    epoch; one that replaces another leaves that.
"""
_HIDDEN = """\
hidden_layer_sizes : int or array-like of int, default=(100,)
    Units of each hidden layer of the built-in network; () for a linear model.
activation : str, default="relu"
    Keras activation of the hidden layers.
alpha : float, default=0.0
    L2 penalty of the built-in network: alpha / 2 times the sum of squares of its kernels, divided
    by the number of rows of a batch and the mean weight of rows, is added to the mean loss of the
    batch, as in :class:`~sklearn.neural_network.MLPClassifier`.
dropout : float, default=0.0
    Share of the outputs of each hidden layer that is set to 0 in each training step.
"""
_NETWORK = """\
network : object of `skmask.networks`, callable `(inputs, n_outputs) -> logits` or \
`keras.Model`, default=None
    A described network, whose parameters can be searched (`network__dropout`). Or a callable that
    makes a network of one's own from Keras tensors: `inputs` of shape
    (None, n_features), logits of shape (None, n_outputs), without softmax. A model is a
    template: it is copied, its weights are the starting weights, and it is never
    changed. None: the built-in network.
"""
_CLASS_WEIGHT = """\
class_weight : dict, "balanced" or None, default=None
    Factors on the loss of each class, by label; labels left out weigh 1. "balanced":
    inversely proportional to the classes' weight in `y`.
"""
_OPTIMIZER = """\
optimizer : str, `keras.optimizers.Optimizer` or dict, default="adam"
    A name, or an instance as a template: its settings are read, it is never changed. skops stores
    an instance as the dict that `keras.optimizers.serialize` makes of it.
"""
_TRAINING = """\
learning_rate : float, default=None
    Step size. A number wins over that of an `optimizer` given as an instance, also over a
    schedule. None: 1e-3 for a name, the instance's own otherwise.
batch_size : int, default=32
    Rows per step. The last batch of an epoch may be shorter.
epochs : int, default=100
    Passes over the training rows.
early_stopping : bool, default=False
    Hold out a stratified part of the rows, stop when its loss no longer falls, and keep
    the weights that had the lowest. A class of one row stays in training.
validation_fraction : float, default=0.1
    Share of the rows held out by `early_stopping`.
n_iter_no_change : int, default=10
    Epochs without a lower validation loss after which `early_stopping` stops.
callbacks : list of `keras.callbacks.Callback`, default=None
    Run once an epoch, these instances themselves. Their logs hold "loss", "accuracy" where
    there is one, their "val_" forms and "learning_rate"; the model that they see, and may
    change, is taken from them at the end. A pickle
    keeps them, skops does not.
warm_start : bool, default=False
    Start a further `fit` from the weights of the one before. Parameters that changed in
    between are applied, and refused by name where the weights do not allow it.
verbose : int, default=0
    1 prints a line per epoch.
random_state : int, RandomState instance or None, default=None
    Decides starting weights, order of rows and dropout. The same int gives the same
    model, bit for bit.
dtype : {"auto", "float32", "float64"}, default="auto"
    Type of weights and arithmetic. "auto": float64 where one batch holds all training
    rows, otherwise float32; a training that goes on keeps its type. Keras' own dtype
    policy and float type are not used. Results are float64, or float32 for an X of
    float32.
"""
_ALLOWED_COLUMNS = """\
allowed_columns : column names, numbers, slice, bool mask or callable, default=None
    Columns of X that hold the mask, in the order of `classes`, selected as in
    :class:`~sklearn.compose.ColumnTransformer`. They are taken off the features. For tools
    that pass no metadata to `predict`. None: the mask comes as the argument `allowed`.
"""
_CLASSES_ATTRIBUTE = """\
classes_ : ndarray of shape (n_classes,)
    Labels, sorted. All columns of outputs follow them.
"""
_HISTORY = """\
history_ : dict of str to list of float
    Per epoch: "loss" and "accuracy", means over the training rows, and with
    `early_stopping` "val_loss" and "val_accuracy".
"""
_MODEL_ATTRIBUTE = """\
model_ : keras.Model
    The network with the fitted weights, from features to logits before any mask. A copy:
    changing it does not change the estimator.
"""
_NAMES_ATTRIBUTE = """\
feature_names_in_ : ndarray of shape (n_features_in_,)
    Names of the columns of X. Only where X has them, all strings.
"""
_N_ITER_ATTRIBUTE = """\
n_iter_ : int
    Epochs run.
"""
_FITTED = f"""\
{_MODEL_ATTRIBUTE}\
n_features_in_ : int
    Columns of X seen in `fit`.
{_NAMES_ATTRIBUTE}\
{_N_ITER_ATTRIBUTE}\
"""
_SEQUENCES = """\
X : array-like of shape (n_samples, n_steps, n_features) or (n_samples, n_steps), or list of \
arrays of shape (n_steps_i, n_features) or (n_steps_i,)
    The sequences: padded to one length, or as they are.
"""
_SEQUENCES_FIT = """\
X : array-like of shape (n_samples, n_steps, n_features) or (n_samples, n_steps), or list of \
arrays of shape (n_steps_i, n_features) or (n_steps_i,)
    The sequences: padded to one length by steps that are `mask_value` throughout, or as
    they are. Cast to the type of the fit once, see `dtype`.
"""
_STEP_LABELS = """\
y : array-like of shape (n_samples, n_steps), list of arrays of shape (n_steps_i,), or \
array-like of shape (n_samples,)
    A label for each step, or for each sequence. What stands at padding does not matter.
    A Series of lists or arrays is a list of them, for X too.
"""
_STEP_ALLOWED = """\
allowed : array-like of shape (n_samples, n_steps, n_classes), list of arrays or DataFrames \
of shape (n_steps_i, n_classes), or array-like, DataFrame or sparse matrix of shape \
(n_samples, n_classes), array-like or Series of shape (n_classes,), or list of sets of \
labels, default=None
    True or 1: the class of this column is possible for this step, or for the whole
    sequence. Columns are in the order of `classes`, or sorted where it is None; those of
    a DataFrame are class labels in any order. What stands at padding does not matter.
    None: all are.
"""
_STEP_ALLOWED_TO_PREDICT = """\
allowed : array-like of shape (n_samples, n_steps, n_classes), list of arrays or DataFrames \
of shape (n_steps_i, n_classes), or array-like, DataFrame or sparse matrix of shape \
(n_samples, n_classes), array-like or Series of shape (n_classes,), list of sets of labels, \
or "all", default=None
    As in `fit`. "all" lifts the restriction on purpose.
"""

_PARTS = {
    name.removeprefix("_").lower(): text.replace("\\\n", "")
    for name, text in list(globals().items())
    if name.isupper()
}


def documented(thing: _Thing) -> _Thing:
    """Fill the parts into the docstring of a class or a method; errors call it by its own name."""

    def part(match: re.Match[str]) -> str:
        return indent(_PARTS[match[2]].rstrip("\n"), match[1])

    if not isinstance(thing, type):
        # The class that shares a method with its leaves is not the one that a user knows.
        thing.__qualname__ = thing.__name__  # type: ignore[attr-defined]
    if thing.__doc__:  # there is none under python -OO
        thing.__doc__ = re.sub(r"(?m)^( *)\{(\w+)\}$", part, thing.__doc__)
    return thing
