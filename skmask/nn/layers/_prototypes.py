"""Weighted sums of elementwise functions of the input and of prototypes."""

import keras
from keras import ops

from skmask.networks import DISTANCE_AT_MOST, EXPONENT_AT_MOST, KERNELS, is_product_safe

__all__ = [
    "GroupSum",
    "PrototypeKernel",
    "elementwise_kernel",
]

# Where no product form exists: what bounds rows x prototypes x features, and rows.
_NUMBERS_AT_ONCE = 1 << 21

_ROWS_AT_ONCE = 256


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
