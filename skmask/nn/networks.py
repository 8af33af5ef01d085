"""Networks `(inputs, n_outputs) -> logits` on Keras tensors."""

from collections.abc import Callable
from typing import Any

import keras

from skmask.networks import (
    MLP,
    NORM_EPSILON,
    Convolutional,
    EncoderDecoder,
    PrototypeSums,
    Recurrent,
    TabM,
)
from skmask.nn.layers import (
    GroupSum,
    MaskedGRU,
    MaskedLSTM,
    MemberDense,
    MemberDropout,
    MemberHeads,
    MemberMean,
    MemberScale,
    PrototypeKernel,
    StepMasking,
    real_steps,
)

__all__ = [
    "built",
    "convolutional",
    "encoder_decoder",
    "masked",
    "mlp",
    "prototype_sums",
    "register",
    "tabm",
    "tagger",
]

_CELLS = {"gru": MaskedGRU, "lstm": MaskedLSTM}
_POOLINGS = {"average": keras.layers.AveragePooling2D, "max": keras.layers.MaxPooling2D}
_BUILDERS: dict[type, Callable[..., Any]] = {}


def register(kind):
    """Register the Keras graph of a kind of network, as a decorator.

    Parameters
    ----------
    kind : type
        A subclass of :class:`skmask.networks.Network`.

    Returns
    -------
    decorator of a function `(inputs, signature, **settings) -> logits`
        `settings` are those of the network; the weights of the graph are those that the network
        lists, in that order.
    """

    def decorate(function):
        _BUILDERS[kind] = function
        return function

    return decorate


def built(network, inputs, signature):
    """Return the logits of a described network.

    Parameters
    ----------
    network : skmask.networks.Network
    inputs : Keras tensor of shape (None, *signature.input_shape)
    signature : skmask.networks.Signature

    Returns
    -------
    Keras tensor of shape `signature.output_shape`
    """
    if type(network) not in _BUILDERS:
        raise TypeError(
            "network must be of a kind whose Keras graph is registered; got "
            f"{type(network).__name__}. Decorate the function that makes its graph with "
            f"skmask.nn.networks.register({type(network).__name__})."
        )
    return _BUILDERS[type(network)](inputs, signature, **network.settings())


@register(MLP)
def _built_mlp(inputs, signature, **settings):
    return mlp(inputs, signature.n_outputs, **settings)


@register(TabM)
def _built_tabm(inputs, signature, **settings):
    return tabm(inputs, signature.n_outputs, are_labels=signature.are_labels, **settings)


@register(Convolutional)
def _built_convolutional(inputs, signature, **settings):
    return convolutional(inputs, signature.n_outputs, **settings)


@register(Recurrent)
def _built_recurrent(inputs, signature, **settings):
    by_step = signature.steps is not None
    return tagger(inputs, signature.n_outputs, return_sequences=by_step, **settings)


@register(EncoderDecoder)
def _built_encoder_decoder(inputs, signature, **settings):
    return encoder_decoder(inputs, signature.n_outputs, n_steps=signature.steps, **settings)


@register(PrototypeSums)
def _built_prototype_sums(inputs, signature, **settings):
    return prototype_sums(inputs, signature.n_outputs, **settings)


def mlp(inputs, n_outputs, *, hidden_layer_sizes=(100,), activation="relu", dropout=0.0):
    """Return the logits of a multi-layer perceptron.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, n_features)
    n_outputs : int
    hidden_layer_sizes : tuple of int, default=(100,)
    activation : str, default="relu"
        Of the hidden layers.
    dropout : float, default=0.0
        Share of each hidden layer's outputs that is set to 0 in training.

    Returns
    -------
    Keras tensor of shape (None, n_outputs)
    """
    hidden = inputs
    for size in hidden_layer_sizes:
        hidden = keras.layers.Dense(size, activation=activation)(hidden)
        if dropout:
            hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.layers.Dense(n_outputs)(hidden)


def tabm(
    inputs,
    n_outputs,
    *,
    hidden_layer_sizes=(64, 64),
    activation="relu",
    n_members=32,
    adapters="all",
    dropout=0.1,
    are_labels=False,
):
    """Return the logits of the mean of members that share the layers of a perceptron.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, n_features)
    n_outputs : int
    hidden_layer_sizes : tuple of int, default=(64, 64)
    activation : str, default="relu"
        Of the hidden layers.
    n_members : int, default=32
    adapters : {"all", "first"}, default="all"
        Which layers have numbers of each member.
    dropout : float, default=0.1
        Share of each hidden layer's outputs that is set to 0 in training.
    are_labels : bool, default=False
        Whether each output has a probability of its own, instead of one softmax over all.

    Returns
    -------
    Keras tensor of shape (None, n_outputs)
    """
    of_all = adapters == "all"
    hidden = MemberScale(n_members, "signs")(inputs)
    for number, size in enumerate(hidden_layer_sizes):
        if number and of_all:
            hidden = MemberScale(n_members)(hidden)
        hidden = MemberDense(size, by_member=of_all)(hidden)
        hidden = keras.layers.Activation(activation)(hidden)
        if dropout:
            hidden = MemberDropout(dropout)(hidden)
    return MemberMean(are_labels)(MemberHeads(n_outputs)(hidden))


def convolutional(
    inputs,
    n_outputs,
    *,
    filters=(16, 32),
    kernel_size=3,
    pool_size=2,
    pooling="max",
    normalization="layer",
    hidden_layer_sizes=(),
    activation="relu",
    dropout=0.0,
):
    """Return the logits of a convolutional network.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, height, width) or (None, height, width, channels)
    n_outputs : int
    filters : tuple of int, default=(16, 32)
        Channels of each block.
    kernel_size, pool_size : int, default=3 and 2
    pooling : {"max", "average"}, default="max"
    normalization : "layer" or None, default="layer"
        Normalise the channels of each pixel before the activation.
    hidden_layer_sizes : tuple of int, default=()
        Of the dense layers behind the blocks.
    activation : str, default="relu"
    dropout : float, default=0.0
        Share of the inputs of each dense layer that is set to 0 in training.

    Returns
    -------
    Keras tensor of shape (None, n_outputs)
    """
    hidden = inputs
    if len(inputs.shape) == 3:
        hidden = keras.layers.Reshape((*inputs.shape[1:], 1))(hidden)
    for channels in filters:
        hidden = keras.layers.Conv2D(
            channels, kernel_size, padding="same", data_format="channels_last"
        )(hidden)
        if normalization:
            hidden = keras.layers.LayerNormalization(epsilon=NORM_EPSILON)(hidden)
        hidden = keras.layers.Activation(activation)(hidden)
        if pool_size > 1:
            hidden = _POOLINGS[pooling](pool_size, data_format="channels_last")(hidden)
    hidden = keras.layers.Flatten(data_format="channels_last")(hidden)
    if dropout:
        hidden = keras.layers.Dropout(dropout)(hidden)
    return mlp(
        hidden,
        n_outputs,
        hidden_layer_sizes=hidden_layer_sizes,
        activation=activation,
        dropout=dropout,
    )


def prototype_sums(inputs, n_outputs, *, n_prototypes, kernel="rbf", product_form=False):
    """Return the logits of a prototype classifier, its constants all zero or one.

    Prototypes, scale, penalty and the class of each prototype are variables that are not
    trainable, "prototypes", "scale", "alpha" and "membership": set them before it is used.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, n_features)
    n_outputs : int
    n_prototypes : int
    kernel, product_form : default="rbf" and False
        Of :class:`skmask.nn.layers.PrototypeKernel`.

    Returns
    -------
    Keras tensor of shape (None, n_outputs)
    """
    prototypes = keras.KerasTensor((n_prototypes, inputs.shape[-1]))  # of which only the shape
    sums = PrototypeKernel(prototypes, kernel=kernel, product_form=product_form)(inputs)
    return GroupSum(keras.KerasTensor((n_prototypes, n_outputs)))(sums)


def tagger(
    inputs, n_outputs, *, units=(64,), cell="lstm", bidirectional=False, return_sequences=True
):
    """Return the logits of a stack of recurrent layers, of each step or of each sequence.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, None, n_features)
        Steps that are NaN throughout are padding.
    n_outputs : int
    units : tuple of int, default=(64,)
        Of each layer, in each direction.
    cell : {"lstm", "gru"}, default="lstm"
    bidirectional : bool, default=False
        Go over each sequence in both directions.
    return_sequences : bool, default=True
        Logits of each step, or of the sequence.

    Returns
    -------
    Keras tensor of shape (None, None, n_outputs) or (None, n_outputs)
    """
    hidden = _stacked(StepMasking()(inputs), units, cell, bidirectional, return_sequences)
    return keras.layers.Dense(n_outputs)(hidden)


def encoder_decoder(inputs, n_outputs, *, n_steps, units=(64,), cell="lstm", bidirectional=False):
    """Return the logits of sequences of another length, from a code of the whole input.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, None, n_features)
        Steps that are NaN throughout are padding.
    n_outputs : int
    n_steps : int
        Of the output.
    units, cell, bidirectional : default=(64,), "lstm" and False
        Of the encoder and of the decoder, as in `tagger`; the code goes into each step of the
        decoder, as `keras.layers.RepeatVector` does it.

    Returns
    -------
    Keras tensor of shape (None, n_steps, n_outputs)
    """
    code = _stacked(StepMasking()(inputs), units, cell, bidirectional, return_sequences=False)
    hidden = _both_ways(code, units[0], cell, bidirectional, return_sequences=True, n_steps=n_steps)
    hidden = _stacked(hidden, units[1:], cell, bidirectional, return_sequences=True)
    return keras.layers.Dense(n_outputs)(hidden)


def masked(inputs, n_outputs, *, network):
    """Return the logits of a network that is handed its inputs cleaned, and their mask.

    Parameters
    ----------
    inputs : Keras tensor of shape (None, None, n_features)
        Steps that are NaN throughout are padding.
    n_outputs : int
    network : callable `(inputs, n_outputs, mask) -> logits`
        Inputs are 0 at padding; the mask, bool of shape (None, None), is True at real steps, and
        Keras' layers that take one find it on the inputs by themselves.

    Returns
    -------
    Keras tensor
    """
    return network(StepMasking()(inputs), n_outputs, real_steps(inputs))


def _stacked(hidden, units, cell, bidirectional, return_sequences):
    for number, size in enumerate(units, 1):
        sequences = return_sequences or number < len(units)
        hidden = _both_ways(hidden, size, cell, bidirectional, return_sequences=sequences)
    return hidden


def _both_ways(inputs, units, cell, bidirectional, **settings):
    forward = _CELLS[cell](units, **settings)(inputs)
    if not bidirectional:
        return forward
    return _BothWays()([forward, _CELLS[cell](units, reverse=True, **settings)(inputs)])


@keras.saving.register_keras_serializable(package="skmask")
class _BothWays(keras.layers.Concatenate):
    """Concatenate states of the same steps, which keep their mask.

    Keras 3.10 cannot make that of `Concatenate` where the number of steps is open.
    """

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else mask[0]
