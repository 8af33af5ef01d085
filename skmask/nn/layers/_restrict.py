"""Leave impossible classes out of a softmax."""

import keras
from keras import ops

__all__ = [
    "RestrictLogits",
    "restrict_logits",
]


def restrict_logits(logits, allowed):
    """Return logits with -inf where a class is not allowed.

    The softmax of the result is exactly 0 there, and so is every gradient, whatever the size
    of the logits. (A large negative constant in the place of -inf is neither: it loses to
    logits that are larger still, and overflows in half precision.)

    Parameters
    ----------
    logits : tensor of shape (..., n_classes)
    allowed : tensor of bool or 0/1, broadcastable to `logits`
        True: this class is possible for this row.

    Returns
    -------
    tensor of the shape and dtype of `logits`
        A row that allows nothing is -inf throughout, and its softmax NaN.
    """
    return ops.where(ops.cast(allowed, "bool"), logits, float("-inf"))


@keras.saving.register_keras_serializable(package="skmask")
class RestrictLogits(keras.layers.Layer):
    """Take the classes that are not possible for a row out of its softmax.

    The last layer of a model with two inputs, the features and the mask. Follow it by a
    softmax for probabilities, or train on it with
    :class:`skmask.nn.losses.RestrictedCrossentropy`.

    Called on `[logits, allowed]`, tensors of shape (n, n_classes), it returns the logits with
    -inf where `allowed` is False or 0.

    See Also
    --------
    skmask.nn.losses.RestrictedCrossentropy : the loss for its output.
    skmask.RestrictedClassClassifier : the same as a scikit-learn estimator.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from skmask.nn.layers import RestrictLogits
    >>> x, allowed = keras.Input((4,)), keras.Input((3,), dtype="bool")
    >>> logits = RestrictLogits()([keras.layers.Dense(3)(x), allowed])
    >>> model = keras.Model([x, allowed], keras.layers.Softmax()(logits))
    >>> mask = np.array([[True, False, True], [False, True, True]])
    >>> proba = model.predict([np.ones((2, 4)), mask], verbose=0)
    >>> bool((proba[~mask] == 0).all())
    True
    """

    def call(self, inputs):
        logits, allowed = inputs
        return restrict_logits(logits, allowed)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])
