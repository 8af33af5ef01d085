"""Keras layers: restricted logits, prototypes, and sequences with padding."""

import keras
from keras import ops

from skmask.networks import DISTANCE_AT_MOST, EXPONENT_AT_MOST, KERNELS, is_product_safe
from skmask.nn._scans import N_GATES, last_state, scan

__all__ = [
    "GroupSum",
    "MaskedGRU",
    "MaskedLSTM",
    "PrototypeKernel",
    "RestrictLogits",
    "StepMasking",
    "elementwise_kernel",
    "real_steps",
    "restrict_logits",
]

# Where no product form exists: what bounds rows x prototypes x features, and rows.
_NUMBERS_AT_ONCE = 1 << 21
_ROWS_AT_ONCE = 256


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


def elementwise_kernel(x, prototypes, scale, kernel):
    """Return f(x_k, x_pk) of each row, prototype and feature.

    Parameters
    ----------
    x : tensor of shape (n, n_features)
    prototypes : tensor of shape (n_prototypes, n_features)
    scale : float or tensor of shape (n_features,)
        c, above 0. A callable kernel does not use it.
    kernel : {"rbf", "laplacian", "exponential", "linear"} or callable
        exp(-d^2), exp(-abs d), exp(d) or x p / c, with d = (x - p) / c; the exponent of
        "exponential" is held at 30, so that nothing overflows. A callable is called on tensors
        of shape (n, 1, n_features) and (1, n_prototypes, n_features).

    Returns
    -------
    tensor of shape (n, n_prototypes, n_features)
    """
    x, prototypes = ops.expand_dims(x, 1), ops.expand_dims(prototypes, 0)
    if callable(kernel):
        return kernel(x, prototypes)
    if kernel == "linear":
        return x * (prototypes / scale)
    distance = (x - prototypes) / scale
    if kernel == "exponential":
        return ops.exp(ops.minimum(distance, EXPONENT_AT_MOST))
    if kernel == "laplacian":
        return ops.exp(-ops.abs(distance))
    return ops.exp(-ops.square(ops.clip(distance, -DISTANCE_AT_MOST, DISTANCE_AT_MOST)))


class _HalfOfSquares(keras.regularizers.Regularizer):
    """Half the sum of squares, times a factor that is a variable of the layer."""

    def __init__(self, factor):
        self._factor = factor

    def __call__(self, x):
        return 0.5 * self._factor * ops.sum(ops.square(x))


@keras.saving.register_keras_serializable(package="skmask")
class PrototypeKernel(keras.layers.Layer):
    """Weighted sums of an elementwise function of the input and of prototypes.

    For each prototype p, b_p + sum_k a_pk f(x_k, x_pk): the only trainable numbers are the
    weights `a` (n_prototypes, n_features) and the biases `b` (n_prototypes,). Follow it by
    :class:`GroupSum` and a softmax to classify.

    Rows x prototypes x features are never held at once: where f is a product ("linear", and
    "exponential" in its product form) the sums are a matrix product, otherwise they are taken
    for some rows at a time, 2 million numbers at most, and again in the gradient.

    Parameters
    ----------
    prototypes : array-like of shape (n_prototypes, n_features)
        Constants.
    scale : float or array-like of shape (n_features,), default=1.0
        c, a constant above 0.
    kernel : {"rbf", "laplacian", "exponential", "linear"} or callable, default="rbf"
        See `elementwise_kernel`. A callable `f(x, p)` works elementwise on tensors; to be
        saved it must be registered with Keras.
    alpha : float, default=0.0
        Factor on a penalty of half the sum of the squares of `a`.
    product_form : bool, default=None
        Whether "exponential" is taken as a product, in which an x more than 15 c above the mean
        of the prototypes counts as 15 c above it. None: where all prototypes lie within 15 c of
        their mean.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    Raises
    ------
    ValueError
        For an unknown kernel, prototypes without two axes, a scale that is not above 0, and a
        callable that returns another shape.

    See Also
    --------
    skmask.PrototypeClassifier : the same as a scikit-learn estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import PrototypeKernel
    >>> layer = PrototypeKernel([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], kernel="laplacian")
    >>> layer(np.ones((7, 2), "float32")).shape, layer.count_params() >= 3 * 2 + 3
    (TensorShape([7, 3]), True)
    """

    def __init__(self, prototypes, scale=1.0, kernel="rbf", alpha=0.0, product_form=None, **kwargs):
        super().__init__(**kwargs)
        if not callable(kernel) and kernel not in KERNELS:
            raise ValueError(
                f"kernel must be one of {list(KERNELS)} or a callable; got {kernel!r}. A "
                "callable f(x, p) works elementwise on tensors."
            )
        self._prototypes = _as_constant(prototypes)
        self._scale = _as_array(scale)
        if len(self._prototypes.shape) != 2:
            raise ValueError(
                "prototypes must have shape (n_prototypes, n_features); got "
                f"{tuple(self._prototypes.shape)}. Give one row for each prototype."
            )
        if not (self._scale > 0).all():
            raise ValueError(f"scale must be above 0; got {self._scale.min()}. Use 1 instead.")
        self.kernel = kernel
        self.alpha = alpha
        if product_form is None:
            product_form = is_product_safe(self._prototypes, self._scale)
        self.product_form = kernel == "exponential" and product_form

    def build(self, input_shape):
        shape = tuple(self._prototypes.shape)
        if input_shape[-1] != shape[1]:
            raise ValueError(
                f"prototypes must be as wide as the input, {input_shape[-1]} features; got "
                f"{shape[1]}. Give prototypes of the same features."
            )

        self.prototypes = _add_constant(self, "prototypes", self._prototypes, shape)
        self.scale = _add_constant(self, "scale", self._scale, shape[1:])
        self._factor = _add_constant(self, "alpha", self.alpha, ())
        self.a = self.add_weight(
            shape=shape,
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            regularizer=_HalfOfSquares(self._factor),
            name="a",
        )
        self.b = self.add_weight(shape=shape[:1], initializer="zeros", name="b")

    def call(self, inputs):
        # As tensors: what a gradient takes anew must not read variables.
        constants = [ops.convert_to_tensor(v) for v in (self.a, self.prototypes, self.scale)]
        if self.kernel == "linear":
            a, prototypes, scale = constants
            sums = ops.matmul(inputs, ops.transpose(a * (prototypes / scale)))
        elif self.product_form:
            sums = self._product(inputs, *constants)
        else:
            sums = self._by_blocks(inputs, *constants)
        return sums + self.b

    def _product(self, x, a, prototypes, scale):
        """Sum exponentials of differences as a product of exponentials."""
        centre = ops.mean(prototypes, axis=0)
        of_x = ops.exp(ops.minimum((x - centre) / scale, EXPONENT_AT_MOST / 2))
        return ops.matmul(of_x, ops.transpose(a * ops.exp((centre - prototypes) / scale)))

    def _by_blocks(self, x, a, prototypes, scale):
        """Sum the elementwise function over the features, some rows at a time."""

        def sums(rows, a, prototypes, scale):
            values = elementwise_kernel(rows, prototypes, scale, self.kernel)
            expected = (rows.shape[0], *self._prototypes.shape)
            if tuple(values.shape) != expected:
                raise ValueError(
                    "kernel must work elementwise: of (n, 1, n_features) and "
                    "(1, n_prototypes, n_features) it must make (n, n_prototypes, n_features) = "
                    f"{expected}; got {tuple(values.shape)}. Do not sum in it."
                )
            return ops.sum(values * a, axis=-1)

        n_rows, (n_prototypes, n_features) = ops.shape(x)[0], self._prototypes.shape
        step = max(1, min(_ROWS_AT_ONCE, _NUMBERS_AT_ONCE // (n_prototypes * n_features)))
        if isinstance(n_rows, int) and n_rows <= step:
            return sums(x, a, prototypes, scale)
        padded = ops.pad(x, [[0, -n_rows % step], [0, 0]])
        blocks = ops.reshape(padded, (-1, step, n_features))
        again = keras.remat(sums)  # the gradient takes the function anew, block by block
        by_block = ops.map(lambda rows: again(rows, a, prototypes, scale), blocks)
        return ops.reshape(by_block, (-1, n_prototypes))[:n_rows]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self._prototypes.shape[0])

    def get_config(self):
        kernel = self.kernel
        return {
            **super().get_config(),
            "prototypes": _as_array(self._prototypes).tolist(),
            "scale": self._scale.tolist(),
            "kernel": keras.saving.serialize_keras_object(kernel) if callable(kernel) else kernel,
            "alpha": self.alpha,
            "product_form": self.product_form,
        }

    @classmethod
    def from_config(cls, config):
        kernel = config["kernel"]
        if not isinstance(kernel, str) and not callable(kernel):
            config = {**config, "kernel": keras.saving.deserialize_keras_object(kernel)}
        return cls(**config)


def _as_array(values):
    """Return values as an array, those of a Keras tensor, of which the shape is known, as 0."""
    if keras.backend.is_keras_tensor(values):
        values = ops.zeros(values.shape)
    return ops.convert_to_numpy(ops.convert_to_tensor(values, "float32"))


def _as_constant(values):
    """Return values as an array; a Keras tensor, whose values are set later, as it is."""
    return values if keras.backend.is_keras_tensor(values) else _as_array(values)


def _add_constant(layer, name, value, shape):
    """Add a weight that is not trained and starts as a value, broadcast to its shape."""

    def start(shape, dtype=None):
        if keras.backend.is_keras_tensor(value):
            return ops.zeros(shape, dtype)
        return ops.broadcast_to(ops.convert_to_tensor(value, dtype), shape)

    return layer.add_weight(
        shape=shape,
        initializer=start,
        trainable=False,
        name=name,
    )


@keras.saving.register_keras_serializable(package="skmask")
class GroupSum(keras.layers.Layer):
    """Sum the inputs that belong to each group.

    Parameters
    ----------
    membership : array-like of shape (n_inputs, n_groups)
        A constant: 1 where an input belongs to a group, otherwise 0.
    **kwargs
        `name` and `dtype`, as in `keras.layers.Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.nn.layers import GroupSum
    >>> layer = GroupSum([[1, 0], [0, 1], [1, 0]])
    >>> np.asarray(layer(np.array([[1.0, 2.0, 4.0]]))).tolist()
    [[5.0, 2.0]]
    """

    def __init__(self, membership, **kwargs):
        super().__init__(**kwargs)
        self._membership = _as_constant(membership)

    def build(self, input_shape):
        shape = tuple(self._membership.shape)
        self.membership = _add_constant(self, "membership", self._membership, shape)

    def call(self, inputs):
        return ops.matmul(inputs, self.membership)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self._membership.shape[1])

    def get_config(self):
        return {**super().get_config(), "membership": _as_array(self._membership).tolist()}


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
