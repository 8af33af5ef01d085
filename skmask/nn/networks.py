"""Networks `(inputs, n_outputs) -> logits` on Keras tensors."""

import keras
from keras import ops

from skmask.nn.layers import GroupSum, PrototypeKernel

__all__ = ["ACTIVATIONS", "mlp", "prototype_sums"]

ACTIVATIONS = (
    "celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "leaky_relu", "linear",
    "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "swish", "tanh",
)  # fmt: skip


def mlp(inputs, n_outputs, *, hidden_layer_sizes=(100,), activation="relu"):
    """Return the logits of a multi-layer perceptron.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, n_features)
    n_outputs : int
    hidden_layer_sizes : tuple of int, default=(100,)
    activation : str, default="relu"
        Of the hidden layers.

    Returns
    -------
    Keras tensor of shape (None, n_outputs)
    """
    hidden = inputs
    for size in hidden_layer_sizes:
        hidden = keras.layers.Dense(size, activation=activation)(hidden)
    return keras.layers.Dense(n_outputs)(hidden)


def prototype_sums(
    inputs, n_outputs, *, n_prototypes, kernel="rbf", product_form=None, dtype="float32"
):
    """Return the logits of a prototype classifier, its constants all zero or one.

    Prototypes, scale, penalty and the class of each prototype are variables that are not
    trainable, "prototypes", "scale", "alpha" and "membership": set them before it is used.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, n_features)
    n_outputs : int
    n_prototypes : int
    kernel, product_form : default="rbf" and None
        Of :class:`skmask.nn.layers.PrototypeKernel`.
    dtype : str, default="float32"
        Of weights and outputs.

    Returns
    -------
    Keras tensor of shape (None, n_outputs)
    """
    prototypes = ops.zeros((n_prototypes, inputs.shape[-1]))
    sums = PrototypeKernel(prototypes, kernel=kernel, product_form=product_form, dtype=dtype)(
        inputs
    )
    return GroupSum(ops.zeros((n_prototypes, n_outputs)), dtype=dtype)(sums)
