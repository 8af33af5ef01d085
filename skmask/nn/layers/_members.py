"""Layers of members: networks that share kernels, and their mean."""

import math

import keras
from keras import ops

__all__ = ["MemberDense", "MemberDropout", "MemberHeads", "MemberMean", "MemberScale"]

# Members that share a random number in dropout: drawing it takes longer than the layer.
_MEMBERS_PER_NUMBER = 4


class _RandomSigns(keras.initializers.RandomUniform):
    """Initial values of -1 and 1, each with probability one half."""

    def __init__(self, seed=None):
        super().__init__(-1.0, 1.0, seed)

    def __call__(self, shape, dtype=None):
        drawn = super().__call__(shape, dtype)
        return ops.where(drawn < 0, -ops.ones_like(drawn), ops.ones_like(drawn))

    def get_config(self):
        return {"seed": super().get_config()["seed"]}


@keras.saving.register_keras_serializable(package="skmask")
class MemberScale(keras.layers.Layer):
    """Multiply the inputs by numbers of each member.

    Parameters
    ----------
    n_members : int
    start : {"signs", "ones"}, default="ones"
        How the numbers start: as random signs, which tell the members apart, or as 1.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import MemberScale
    >>> MemberScale(4)(np.ones((7, 2), "float32")).shape  # a member axis is added
    TensorShape([7, 4, 2])
    """

    def __init__(self, n_members, start="ones", **kwargs):
        super().__init__(**kwargs)
        if start not in ("signs", "ones"):
            raise ValueError(f"start must be 'signs' or 'ones'; got {start!r}.")
        self.n_members = n_members
        self.start = start

    def build(self, input_shape):
        self.input_scale = self.add_weight(
            shape=(self.n_members, input_shape[-1]),
            initializer=_RandomSigns() if self.start == "signs" else "ones",
            name="input_scale",
        )

    def call(self, inputs):
        by_member = inputs if len(inputs.shape) == 3 else ops.expand_dims(inputs, 1)
        return by_member * self.input_scale

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.n_members, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "n_members": self.n_members, "start": self.start}


@keras.saving.register_keras_serializable(package="skmask")
class MemberDense(keras.layers.Layer):
    """Dense layer whose kernel all members share.

    Parameters
    ----------
    units : int
    by_member : bool, default=True
        Whether each member scales the outputs and adds biases of its own. Otherwise the biases
        are shared, too.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import MemberDense
    >>> layer = MemberDense(5)
    >>> layer(np.ones((7, 4, 2), "float32")).shape, layer.count_params()
    (TensorShape([7, 4, 5]), 50)
    """

    def __init__(self, units, by_member=True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.by_member = by_member

    def build(self, input_shape):
        _, n_members, n_inputs = input_shape
        shape = (n_members, self.units) if self.by_member else (self.units,)
        self.kernel = self.add_weight(shape=(n_inputs, self.units), name="kernel")
        if self.by_member:
            self.output_scale = self.add_weight(
                shape=shape, initializer="ones", name="output_scale"
            )
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, inputs):
        _, n_members, n_inputs = inputs.shape
        # One product of matrices, which backends do not make of more than two axes.
        flat = ops.matmul(ops.reshape(inputs, (-1, n_inputs)), self.kernel)
        outputs = ops.reshape(flat, (-1, n_members, self.units))
        if self.by_member:
            outputs = outputs * self.output_scale
        return outputs + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "by_member": self.by_member}


@keras.saving.register_keras_serializable(package="skmask")
class MemberDropout(keras.layers.Dropout):
    """Dropout of each member by itself, from a quarter of the random numbers.

    Below the rate, and above it, a uniform number is uniform again once it is scaled to the unit
    interval: it decides for a further member. Four members take at most 14 bits of a number at a
    rate of 0.1.

    Parameters
    ----------
    rate : float
        Share of the inputs that is set to 0 in training.
    **kwargs
        `seed`, `name` and `dtype`, as in `keras.layers.Dropout`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import MemberDropout
    >>> found = np.asarray(MemberDropout(0.5)(np.ones((7, 4, 2), "float32"), training=True))
    >>> set(found.ravel().tolist()) <= {0.0, 2.0}
    True
    """

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        _, n_members, n_units = inputs.shape
        shape = ops.shape(inputs)[0], -(-n_members // _MEMBERS_PER_NUMBER), n_units
        number = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        masks = []
        for _ in range(_MEMBERS_PER_NUMBER):
            stays = number >= self.rate
            masks.append(stays)
            number = ops.where(stays, (number - self.rate) / (1 - self.rate), number / self.rate)
        stays = ops.concatenate(masks, axis=1)[:, :n_members]
        return ops.where(stays, inputs / (1 - self.rate), ops.zeros_like(inputs))


@keras.saving.register_keras_serializable(package="skmask")
class MemberHeads(keras.layers.Layer):
    """Dense layer of each member, which shares nothing.

    Parameters
    ----------
    units : int
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import MemberHeads
    >>> layer = MemberHeads(3)
    >>> layer(np.ones((7, 4, 2), "float32")).shape, layer.count_params()
    (TensorShape([7, 4, 3]), 36)
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        _, n_members, n_inputs = input_shape
        # Glorot's limits for one member: Keras counts members among the inputs and outputs.
        start = keras.initializers.VarianceScaling(n_members, "fan_avg", "uniform")
        self.kernel = self.add_weight(
            shape=(n_members, n_inputs, self.units), initializer=start, name="kernel"
        )
        self.bias = self.add_weight(shape=(n_members, self.units), initializer="zeros", name="bias")

    def call(self, inputs):
        return ops.einsum("bmi,mio->bmo", inputs, self.kernel) + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="skmask")
class MemberMean(keras.layers.Layer):
    """Logits of the mean of the members' probabilities.

    skmask's estimators take the loss of each member in training where this is the last layer of a
    network, and train the mean of these losses.

    Parameters
    ----------
    are_labels : bool, default=False
        Whether each output has a probability of its own, by a sigmoid, instead of one softmax
        over all.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    See Also
    --------
    skmask.networks.TabM : a network that ends in it.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import MemberMean
    >>> logits = np.log(np.array([[[0.9, 0.1], [0.5, 0.5]]], "float32"))  # of two members
    >>> np.allclose(np.exp(MemberMean()(logits)), [[0.7, 0.3]])
    True
    """

    def __init__(self, are_labels=False, **kwargs):
        super().__init__(**kwargs)
        self.are_labels = are_labels

    def call(self, inputs):
        if self.are_labels:
            return _log_mean(ops.log_sigmoid(inputs)) - _log_mean(ops.log_sigmoid(-inputs))
        return _log_mean(inputs - ops.logsumexp(inputs, axis=-1, keepdims=True))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "are_labels": self.are_labels}


def _log_mean(logarithms):
    """Return the logarithm of a mean over the second axis."""
    return ops.logsumexp(logarithms, axis=1) - math.log(logarithms.shape[1])
