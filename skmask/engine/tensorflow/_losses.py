"""Losses and metrics of a batch, as sums that an epoch adds up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any

from skmask.engine._job import PENALTY, Loss
from skmask.engine.tensorflow._names import tf
from skmask.nn import losses, metrics

__all__ = ["check_consumes", "counted_rows", "loss_sums", "penalty_of", "without_penalty"]


def check_consumes(loss: Loss, names: Iterable[str]) -> None:
    """Raise for inputs that have no effect: a mask, above all, that the loss does not take."""
    function = _function(losses, loss.function)
    taken = {*signature(function).parameters}
    for _, metric in loss.metrics:
        taken |= {*loss.of_metrics} & {*signature(_function(metrics, metric)).parameters}
    unused = sorted({*names} - taken)
    if unused:
        raise TypeError(
            f"loss must have a parameter for each of its inputs; got {function.__name__} "
            f"without {', '.join(unused)}. Add the parameter, or leave the input out."
        )


def loss_sums(loss: Loss, batch: Mapping[str, Any], logits: Any, valid: Any) -> tuple[Any, Any]:
    """Return the mean loss of a batch, and all sums that an epoch adds up.

    Parameters
    ----------
    loss : Loss
    batch : mapping of tensors
        Columns of the batch, and constants.
    logits : tensor of shape (B, ...)
    valid : tensor of shape (B,)
        1 for rows that count, 0 for others.

    Returns
    -------
    mean : tensor of shape ()
        Over the entries whose weight is not 0.
    sums : tensor of float64 of shape (1 + n_metrics, 2)
        Numerators and denominators of ratios, those of the loss first.
    """
    inputs = {name: value for name, value in batch.items() if name not in ("X", "weight")}
    by_entry = _called(_function(losses, loss.function), inputs, logits, **dict(loss.settings))
    weight = tf.cast(batch["weight"], valid.dtype)
    weight = weight * _with_axes(valid, weight)
    weight = tf.broadcast_to(_with_axes(weight, by_entry), tf.shape(by_entry))
    total = tf.reduce_sum(by_entry * weight)
    ratios = [(total, tf.reduce_sum(weight))]
    for _, metric in loss.metrics:
        values, counts = _called(_function(metrics, metric), inputs, logits)
        ratios.append((tf.reduce_sum(values * weight), tf.reduce_sum(counts * weight)))
    n_counted = tf.reduce_sum(tf.cast(weight > 0, weight.dtype))
    mean = tf.math.divide_no_nan(total, n_counted)
    return mean, tf.cast(tf.convert_to_tensor(ratios), tf.float64)


def penalty_of(
    model: Any, is_penalised: Sequence[bool], constants: Mapping[str, Any], n_rows: Any
) -> Any:
    """Return the L2 penalty: its factor / 2 times a sum of squares, over a number of rows.

    Parameters
    ----------
    model : keras.Model
    is_penalised : sequence of bool, for each of its variables
    constants : mapping with `PENALTY`
    n_rows : tensor of shape ()
    """
    pairs = zip(model.variables, is_penalised, strict=True)
    squares = tf.add_n([tf.reduce_sum(tf.square(v.value)) for v, counts in pairs if counts])
    factor = tf.cast(constants[PENALTY], squares.dtype) / 2
    return factor * tf.math.divide_no_nan(squares, tf.cast(n_rows, squares.dtype))


def counted_rows(weight: Any, valid: Any) -> Any:
    """Return how many rows of a batch have a weight that is not 0, at one step at least."""
    counts = tf.cast(weight > 0, valid.dtype) * _with_axes(valid, weight)
    return tf.reduce_sum(tf.reduce_max(counts, axis=list(range(1, weight.shape.rank))))


def without_penalty(constants: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constants that the loss takes."""
    return {name: value for name, value in constants.items() if name != PENALTY}


def _function(module: Any, function: Any) -> Callable[..., Any]:
    return getattr(module, function) if isinstance(function, str) else function


def _called(function: Callable[..., Any], inputs: Mapping[str, Any], logits: Any, **kw: Any) -> Any:
    wanted = signature(function).parameters
    given = {name: value for name, value in inputs.items() if name in wanted and name != "y"}
    return function(inputs["y"], logits, **given, **kw)


def _with_axes(values: Any, like: Any) -> Any:
    """Return values with axes of length 1 behind, as many as it takes to multiply them."""
    for _ in range(like.shape.rank - values.shape.rank):
        values = tf.expand_dims(values, -1)
    return values
