"""Adam's step in one pass over a weight, where XLA does not fuse it."""

from functools import partial
from typing import Any

from skmask.engine.tensorflow._names import keras, tf

__all__ = ["with_fused_steps"]


def with_fused_steps(optimizer: Any) -> Any:
    """Return a Keras optimizer; one of Adam's kind takes its steps in one kernel from now on.

    The formula is the same. Keras computes it in a dozen operations, each a pass over memory.
    """
    is_adam = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW)
    if is_adam and not (optimizer.amsgrad or optimizer.gradient_accumulation_steps):
        optimizer.update_step = partial(_adam_step, optimizer)
    return optimizer


def _adam_step(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    """Update a variable and its two moments, in place of `Adam.update_step`."""
    dtype = tf.as_dtype(variable.dtype)
    number = optimizer._get_variable_index(variable)
    step = optimizer.iterations.value + 1
    beta_1, beta_2 = optimizer.beta_1, optimizer.beta_2
    rate = tf.cast(learning_rate, dtype) * _correction(beta_2, step, dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=optimizer._momentums[number].value.handle,
        v=optimizer._velocities[number].value.handle,
        beta1_power=_power(beta_1, step, dtype),
        beta2_power=_power(beta_2, step, dtype),
        lr=rate,
        beta1=tf.constant(beta_1, dtype),
        beta2=tf.constant(beta_2, dtype),
        epsilon=tf.constant(optimizer.epsilon, dtype),
        grad=tf.cast(gradient, dtype),
    )


def _power(base: float, step: Any, dtype: Any) -> Any:
    """Return a power as Keras computes it, which rounds the base to float32."""
    return tf.pow(tf.cast(tf.constant(base, tf.float32), dtype), tf.cast(step, dtype))


def _correction(beta_2: float, step: Any, dtype: Any) -> Any:
    """Return the square root of the kernel's second moment over that of Keras.

    The kernel's grow by 1 - beta_2 in `dtype`, which is off by 1e-5 in float32, where Keras'
    grow by the exact number.
    """
    bases = tf.constant([dtype.as_numpy_dtype(beta_2), beta_2], tf.float64)
    rounded, exact = tf.unstack(1 - tf.pow(bases, tf.cast(step, tf.float64)))
    return tf.cast(tf.sqrt(rounded / exact), dtype)
