"""Parts of docstrings that several estimators share, written once.

A line `{name}` of a docstring is replaced by the part of this name, indented as it stands.
"""

import re
from textwrap import indent
from typing import TypeVar

__all__ = ["documented"]

_Thing = TypeVar("_Thing")

_X = """\
X : array-like or CSR of shape (n_samples, n_features), or array-like of shape (n_samples, ...)
    The rows, of the shape that they had in `fit`.
"""
_X_FIT = """\
X : array-like or CSR of shape (n_samples, n_features), or array-like of shape (n_samples, ...)
    Cast to the type of the fit once, see `dtype`. Wide sparse rows stay sparse in an MLP;
    for other networks some of them at a time are made dense. Images and other rows of more
    than one axis need a `network` that takes them, as :class:`skmask.networks.Convolutional`
    does; scale them, those of uint8 to `X / np.float32(255)`: float32 is not copied to
    float64, integers are.
"""
_X_PART = """\
X : array-like or CSR of shape (n_samples, n_features), or array-like of shape (n_samples, ...)
    Part of the training data.
"""
_FEATURES = """\
X : array-like or CSR of shape (n_samples, n_features)
    The rows.
"""
_FEATURES_FIT = """\
X : array-like or CSR of shape (n_samples, n_features)
    Cast to the type of the fit once, see `dtype`. Sparse rows are made dense batch by
    batch.
"""
_FEATURES_PART = """\
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
_LABEL_ALLOWED = """\
allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels), \
array-like or Series of shape (n_labels,), or list of sets of labels, default=None
    True or 1: the label of this column can be for this row; a row may allow none. Labels that
    cannot be are left out of the loss, of `pos_weight` and of tuned thresholds, and `y` must not
    have them. Columns are in the order of `y`; those of a DataFrame of any library are names of
    labels in any order. One row of shape (n_labels,) holds for all; a Series of pandas is aligned
    by its index. A list holds the set of labels of each row. For a `y` of one class per row None.
    None: all can be.
"""
_LABEL_ALLOWED_TO_PREDICT = """\
allowed : array-like, DataFrame or sparse matrix of shape (n_samples, n_labels), \
array-like or Series of shape (n_labels,), list of sets of labels, or "all", default=None
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
    None: as `cost_matrix` says. Where that has actions, the last axis is `actions_`.
"""
_COSTS_TO_PREDICT = """\
costs : array-like of shape (n_samples, n_classes, n_classes), default=None
    The costs of these rows, by true and predicted class, or by true class and action. Needed if
    `fit` was given such costs and the decision is by cost.
"""
_VALIDATION = """\
X_val : array-like or CSR of shape (n_val, n_features), or array-like of shape (n_val, ...), \
default=None
    Validation rows. `history_` reports on them, and `early_stopping` watches them, in the place
    of rows held out of X. Features are those of X.
y_val : array-like of shape (n_val,) or (n_val, n_classes), default=None
    Their labels, of classes that training knows, or shares of the classes.
sample_weight_val : array-like of shape (n_val,), default=None
    Their weights. `class_weight` does not count there, as in
    :class:`~sklearn.ensemble.HistGradientBoostingClassifier` and Keras. None: all 1.
"""
_ALLOWED_VAL = """\
allowed_val : default=None
    Like `allowed`, for the validation rows. Needed where `allowed` is given.
"""
_COSTS_VAL = """\
costs_val : default=None
    Like `costs`, for the validation rows. Needed where `costs` is given.
"""
_LABEL_VALIDATION = """\
X_val : array-like or CSR of shape (n_val, n_features), default=None
    Validation rows. `history_` reports on them, `early_stopping` watches them and "tuned"
    thresholds are chosen on them, in the place of rows held out of X. Features are those of X.
y_val : array-like, DataFrame or sparse matrix of shape (n_val, n_labels), or array-like of \
shape (n_val,), default=None
    Their labels, like `y`. `pos_weight` is that of training.
sample_weight_val : array-like of shape (n_val,) or (n_val, n_labels), default=None
    Their weights. None: all 1.
"""
_STEP_VALIDATION = """\
X_val : sequences like those of X, default=None
    Validation sequences. `history_` reports on them, and `early_stopping` watches them, in the
    place of sequences held out of X. They may be longer or shorter.
y_val : labels like `y`, default=None
    Their labels, of classes that training knows.
sample_weight_val : weights like `sample_weight`, default=None
    Their weights. `class_weight` does not count there. None: all 1.
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
_Y_OR_SHARES = """\
y : array-like of shape (n_samples,), or array-like or DataFrame of shape (n_samples, n_classes)
    Class labels. Or the share of each class in each row: one-hot, or soft, from several people
    or another model. Columns are in the order of `classes`, or the classes 0, 1, ... where it is
    None; those of a DataFrame of any library are class labels in any order. Shares are 0 or
    more, 0 where a class is not allowed; a row sums to 1 within 1e-6 (1e-3 if of float32). To
    loss, costs and `class_weight` such a row is what a row for each class is, with its share as
    weight; a hold-out is stratified by the class of the largest share.
"""
_Y_TO_SCORE = """\
y : array-like of shape (n_samples,), or of shape (n_samples, n_classes)
    Their labels; or shares of the classes, of which the largest counts.
"""
_LABEL_SMOOTHING = """\
label_smoothing : float, default=0.0
    Share e of each label that is spread evenly over the classes allowed for its row, the label
    among them, while training: a row with the share y_j of class j and n allowed classes counts
    as (1 - e) y_j + e / n in the cross-entropy. The losses in `history_` are the smoothed ones.
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
    makes a network of one's own from Keras tensors: `inputs` of shape (None, n_features), or
    (None, ...) as X has it, logits of shape (None, n_outputs), without softmax. A model is a
    template: it is copied, its weights are the starting weights, and it is never
    changed. None: the built-in network.
"""
_INPUTS = """\
inputs : dict of str to columns, default=None
    Columns of X for each named input of a `network` of one's own, selected by name, number, slice,
    bool mask or callable, as in :class:`~sklearn.compose.ColumnTransformer`. A callable `network`
    then gets a dict of Keras tensors of shape (None, n_columns); a functional `keras.Model` has
    inputs of these names, and one of whole numbers gets whole numbers. Inputs may share columns;
    columns that no input gets are not used. None: one input, all of X.
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
    Stop when `monitor` no longer improves on validation rows, and keep the weights that had the
    best. Without `X_val` a stratified part of the rows is held out; a class of one row stays in
    training.
validation_fraction : float, default=0.1
    Share of the rows held out by `early_stopping`.
n_iter_no_change : int, default=10
    Epochs without a better validation score after which `early_stopping` stops.
monitor : "loss", "accuracy", str or callable, default="loss"
    Score on the validation rows that `early_stopping` watches: the loss, the accuracy (what
    `score` returns), the name of a scorer of scikit-learn, or a callable
    `(estimator, X, y) -> float`, greater is better. A scorer gets the estimator as it is after
    the epoch, whose methods know masks and costs of these rows, the rows as they were passed,
    and their weights if it has an argument `sample_weight` (one of scikit-learn's: those by
    row). Of shares it gets the most probable labels. Not used without validation rows.
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
_SHUFFLE_BUFFER = """\
shuffle_buffer : int, default=None
    Rows that are read at a time and shuffled together, where X is on disk and has more rows: a
    memory-mapped file, a Dask array or a data set of Arrow. Their blocks come in random order; a
    larger block is read as a whole. None: as many rows as 256 MB hold.
"""
_ALLOWED_COLUMNS = """\
allowed_columns : column names, numbers, slice, bool mask or callable, default=None
    Columns of X that hold the mask, in the order of `classes`, selected as in
    :class:`~sklearn.compose.ColumnTransformer`. They are taken off the features. For tools
    that pass no metadata to `predict`. None: the mask comes as the argument `allowed`.
"""
_ALLOWED_RULE = """\
allowed_rule : callable, default=None
    A function from X as it is passed (array or DataFrame) to the mask of its rows, as `allowed`
    takes it: for masks that follow from the row. It travels with the estimator, through every
    tool; to be pickled it must be a function of a module. None: the mask comes as the argument
    `allowed`.
"""
_CLASSES_ATTRIBUTE = """\
classes_ : ndarray of shape (n_classes,)
    Labels, sorted. All columns of outputs follow them.
"""
_HISTORY = """\
history_ : dict of str to list of float
    Per epoch: "loss" and "accuracy", means over the training rows, and where there are
    validation rows "val_loss" and "val_accuracy".
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
best_epoch_ : int
    Epoch of the last `fit` with the best validation score, counted from 1; with
    `early_stopping` the weights are those after it. Only where there are validation rows.
validation_scores_ : list of float
    What `monitor` says after each epoch of the last `fit`, greater is better: for "loss", minus
    the validation loss. Only where there are validation rows.
"""
_FITTED = f"""\
{_MODEL_ATTRIBUTE}\
n_features_in_ : int
    Columns of X seen in `fit`, `X.shape[1]`: of images the height.
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
