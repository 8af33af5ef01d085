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
    if is_adam and not optimizer.amsgrad:
        optimizer.update_step = partial(_adam_step, optimizer)
    return optimizer


def _adam_step(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    """Update a variable and its two moments, in place of `Adam.update_step`."""
    dtype = tf.as_dtype(variable.dtype)
    number = optimizer._get_variable_index(variable)
    step = tf.cast(optimizer.iterations.value + 1, dtype)
    beta_1, beta_2 = (tf.constant(beta, dtype) for beta in (optimizer.beta_1, optimizer.beta_2))
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=optimizer._momentums[number].value.handle,
        v=optimizer._velocities[number].value.handle,
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=tf.cast(learning_rate, dtype),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.constant(optimizer.epsilon, dtype),
        grad=tf.cast(gradient, dtype),
    )
