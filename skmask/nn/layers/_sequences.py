"""Recurrent layers for padded sequences, and their mask."""

import keras
from keras import ops

from skmask.nn._scans import N_GATES, last_state, scan

__all__ = [
    "MaskedGRU",
    "MaskedLSTM",
    "StepMasking",
    "real_steps",
]


def real_steps(inputs, mask_value=float("nan")):
    """Return which steps of padded sequences are real.

    Parameters
    ----------
    inputs : tensor of shape (n, n_steps, n_features)
    mask_value : float, default=nan
        A step is padding when all its features are this value.

    Returns
    -------
    tensor of bool of shape (n, n_steps)
    """
    is_nan = mask_value != mask_value
    is_value = ops.isnan(inputs) if is_nan else ops.equal(inputs, mask_value)
    return ops.logical_not(ops.all(is_value, axis=-1))


@keras.saving.register_keras_serializable(package="skmask")
class StepMasking(keras.layers.Layer):
    """Tell the layers that follow which steps of a sequence are padding, and make these 0.

    Like `keras.layers.Masking`, but for padding by NaN, which no real value equals, or by another
    value.

    Parameters
    ----------
    mask_value : float, default=nan
        A step is padding when all its features are this value.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    See Also
    --------
    real_steps : the mask itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import StepMasking
    >>> x = StepMasking()(np.array([[[1.0], [0.0], [np.nan]]], "float32"))
    >>> np.asarray(x).ravel().tolist(), np.asarray(x._keras_mask).tolist()
    ([1.0, 0.0, 0.0], [[True, True, False]])
    """

    def __init__(self, mask_value=float("nan"), **kwargs):
        super().__init__(**kwargs)
        self.mask_value = float(mask_value)
        self.supports_masking = True

    def call(self, inputs):
        real = ops.expand_dims(real_steps(inputs, self.mask_value), -1)
        return ops.where(real, inputs, ops.zeros_like(inputs))

    def compute_mask(self, inputs, previous_mask=None):
        """Return the mask of the steps; a mask of whole rows that came with them holds on."""
        real = real_steps(inputs, self.mask_value)
        if previous_mask is None:
            return real
        is_by_row = len(previous_mask.shape) == 1
        return ops.logical_and(real, previous_mask[:, None] if is_by_row else previous_mask)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mask_value": self.mask_value}


class _MaskedRecurrent(keras.layers.Layer):
    """Base of the layers that run an LSTM or GRU over the real steps of sequences."""

    _cell: str

    def __init__(self, units, return_sequences=False, reverse=False, n_steps=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.return_sequences = return_sequences
        self.reverse = reverse
        self.n_steps = n_steps
        self.supports_masking = True

    def build(self, input_shape):
        width = N_GATES[self._cell] * self.units
        self.kernel = self.add_weight((input_shape[-1], width), "glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            (self.units, width), "orthogonal", name="recurrent_kernel"
        )
        self.bias = self._add_bias(width)

    def _biases(self):
        """Return the biases of the input's product and of the state's."""
        raise NotImplementedError

    def call(self, inputs, mask=None, training=False):
        bias, recurrent_bias = self._biases()
        if self.n_steps is None:
            if mask is not None:  # NaN in padding must not spread
                real = ops.expand_dims(ops.cast(mask, "bool"), -1)
                inputs = ops.where(real, inputs, ops.zeros_like(inputs))
            # Turned before the product, which is wider.
            share = ops.matmul(ops.transpose(inputs, (1, 0, 2)), self.kernel) + bias
        else:  # the same at each step
            share, mask = ops.expand_dims(ops.matmul(inputs, self.kernel) + bias, 0), None
            share = ops.repeat(share, self.n_steps, axis=0)
        if mask is None:
            mask = ops.ones_like(share[..., 0])
        else:
            # Not a cast: TensorFlow would transpose before it, and complain about bool.
            mask = ops.where(ops.cast(mask, "bool"), 1.0, 0.0)
            mask = ops.transpose(ops.cast(mask, share.dtype))
        states = scan(
            self._cell,
            share,
            self.recurrent_kernel,
            recurrent_bias,
            mask,
            reverse=self.reverse,
            training=training,
        )
        if self.return_sequences:
            return ops.transpose(states, (1, 0, 2))
        return last_state(states, mask, reverse=self.reverse)

    def compute_mask(self, inputs, mask=None):
        return mask if self.return_sequences and self.n_steps is None else None

    def compute_output_shape(self, input_shape):
        n_steps = self.n_steps or input_shape[1]
        steps = (n_steps,) if self.return_sequences else ()
        return (input_shape[0], *steps, self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "return_sequences": self.return_sequences,
            "reverse": self.reverse,
            "n_steps": self.n_steps,
        }


@keras.saving.register_keras_serializable(package="skmask")
class MaskedLSTM(_MaskedRecurrent):
    """LSTM over the real steps of padded sequences, in the time that these take.

    The formula and the weights of `keras.layers.LSTM`, which can be exchanged. Training a batch
    ends with the last step that is real in any of its rows, so rows of similar length in a
    batch save work; NaN in padding does no harm.

    Parameters
    ----------
    units : int
        Size of the state.
    return_sequences : bool, default=False
        Return the state after each step, (n, n_steps, units): at padding inside of a sequence
        the one before, and anything finite behind its end. Otherwise the last, (n, units).
    reverse : bool, default=False
        Go from the last step to the first. The states stay in the order of the steps.
    n_steps : int, default=None
        Take an input of shape (n, n_features) that is the same at each of so many steps, as
        `keras.layers.RepeatVector` makes it, without making it. None: sequences.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    See Also
    --------
    StepMasking : makes the mask.

    Examples
    --------
    >>> import keras, numpy as np
    >>> from skmask.nn.layers import MaskedLSTM, StepMasking
    >>> inputs = keras.Input((None, 2))
    >>> model = keras.Model(inputs, MaskedLSTM(3)(StepMasking()(inputs)))
    >>> X = np.random.default_rng(0).normal(size=(1, 4, 2)).astype("float32")
    >>> padded = np.pad(X, [(0, 0), (0, 9), (0, 0)], constant_values=np.nan)
    >>> bool(np.allclose(model(padded), model(X)))
    True
    """

    _cell = "lstm"

    def _add_bias(self, width):
        def forget_gate_open(shape, dtype=None):
            """Return Keras' start: 1 for the forget gate."""
            blocks = [ops.ones if gate == 1 else ops.zeros for gate in range(4)]
            return ops.concatenate([block((self.units,), dtype) for block in blocks])

        return self.add_weight((width,), forget_gate_open, name="bias")

    def _biases(self):
        bias = ops.convert_to_tensor(self.bias)
        return bias, ops.zeros_like(bias)


@keras.saving.register_keras_serializable(package="skmask")
class MaskedGRU(_MaskedRecurrent):
    """GRU over the real steps of padded sequences, in the time that these take.

    The formula and the weights of `keras.layers.GRU`, otherwise as :class:`MaskedLSTM`.

    Parameters
    ----------
    units : int
        Size of the state.
    return_sequences : bool, default=False
        Return the state after each step, (n, n_steps, units): at padding inside of a sequence
        the one before, and anything finite behind its end. Otherwise the last, (n, units).
    reverse : bool, default=False
        Go from the last step to the first. The states stay in the order of the steps.
    n_steps : int, default=None
        Take an input of shape (n, n_features) that is the same at each of so many steps.
        None: sequences.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    See Also
    --------
    StepMasking : makes the mask.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import MaskedGRU
    >>> states = MaskedGRU(3, return_sequences=True)(np.ones((2, 4, 5), "float32"))
    >>> states.shape
    TensorShape([2, 4, 3])
    """

    _cell = "gru"

    def _add_bias(self, width):
        return self.add_weight((2, width), "zeros", name="bias")

    def _biases(self):
        bias = ops.convert_to_tensor(self.bias)
        return bias[0], bias[1]
