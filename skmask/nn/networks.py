"""Networks `(inputs, n_outputs) -> logits` on Keras tensors."""

import keras

__all__ = ["ACTIVATIONS", "mlp"]

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
