"""Candidates of a batch: one after the other, or in a rectangle where rows have about as many."""

from typing import Any, Protocol

from skmask.engine._csr import Csr
from skmask.engine._job import Loss
from skmask.engine.tensorflow._names import tf
from skmask.engine.tensorflow._rows import stored_of

__all__ = ["InRectangle", "OneByOne"]


class Layout(Protocol):
    """How the candidates of a batch lie in its tensors."""

    def gathered(self, mask: Csr, rows: Any) -> dict[str, Any]:
        """Return the candidates of the rows of a batch, as inputs of the loss.

        Parameters
        ----------
        mask : Csr
        rows : tensor of int32 of shape (B,)
        """

    def logits(self, kernel: Any, bias: Any, hidden: Any, batch: Any) -> Any:
        """Return the logits of candidates.

        Parameters
        ----------
        kernel : tensor of shape (n_classes, n_units)
        bias : tensor of shape (n_classes,)
        hidden : tensor of shape (B, n_units)
        batch : mapping with what `gathered` returns
        """

    def loss(self, metrics: tuple[str, ...]) -> Loss:
        """Return the cross-entropy over candidates, and their accuracy by these names."""


class OneByOne:
    """Candidates of all rows in one vector. No shape depends on their number."""

    def gathered(self, mask: Csr, rows: Any) -> dict[str, Any]:
        row_of, places = stored_of(mask, rows)
        return {"row_of": row_of, "classes": tf.gather(mask.columns, places)}

    def logits(self, kernel: Any, bias: Any, hidden: Any, batch: Any) -> Any:
        classes = batch["classes"]
        products = tf.gather(kernel, classes) * tf.gather(hidden, batch["row_of"])
        return tf.reduce_sum(products, axis=-1) + tf.gather(bias, classes)

    def loss(self, metrics: tuple[str, ...]) -> Loss:
        return Loss(_crossentropy, metrics=tuple((name, _hits) for name in metrics))


class InRectangle:
    """Candidates in a matrix with a row for each row of the batch.

    A short row has its first candidate again at its end, which does not count. Hidden rows are not
    gathered for each candidate, and XLA, which needs shapes that it knows, can compile the program.

    Parameters
    ----------
    width : int
        No row has more candidates.
    """

    def __init__(self, width: int):
        self.width = width

    def gathered(self, mask: Csr, rows: Any) -> dict[str, Any]:
        starts = tf.gather(mask.starts, rows)[:, tf.newaxis]
        ends = tf.gather(mask.starts, rows + 1)[:, tf.newaxis]
        places = starts + tf.range(self.width, dtype=starts.dtype)
        is_there = places < ends
        classes = tf.gather(mask.columns, tf.where(is_there, places, starts))
        return {"classes": classes, "is_there": is_there}

    def logits(self, kernel: Any, bias: Any, hidden: Any, batch: Any) -> Any:
        of_classes = tf.gather(kernel, batch["classes"])
        products = tf.reduce_sum(of_classes * hidden[:, tf.newaxis], axis=-1)
        logits = products + tf.gather(bias, batch["classes"])
        return tf.where(batch["is_there"], logits, -float("inf"))

    def loss(self, metrics: tuple[str, ...]) -> Loss:
        return Loss(_row_crossentropy, metrics=tuple((name, _row_hits) for name in metrics))


def _crossentropy(y: Any, logits: Any, row_of: Any, classes: Any) -> Any:
    """Cross-entropy of the softmax over the candidates of each row.

    Parameters
    ----------
    y : tensor of int of shape (n_rows,)
        Numbers of classes that are among the candidates of their row.
    logits, row_of, classes : tensors of shape (n_candidates,)
        Of all rows one after the other; each row has at least one.

    Returns
    -------
    tensor of shape (n_rows,)
    """
    highest = tf.stop_gradient(tf.math.segment_max(logits, row_of))
    total = tf.math.segment_sum(tf.exp(logits - tf.gather(highest, row_of)), row_of)
    of_label = tf.where(classes == tf.gather(y, row_of), logits, tf.zeros_like(logits))
    return highest + tf.math.log(total) - tf.math.segment_sum(of_label, row_of)


def _hits(y: Any, logits: Any, row_of: Any, classes: Any) -> tuple[Any, Any]:
    """Return 1 for rows whose best candidate is their class, 0 for others, and 1 for all.

    Parameters
    ----------
    y, logits, row_of, classes : tensors
        As in `_crossentropy`.
    """
    highest = tf.gather(tf.math.segment_max(logits, row_of), row_of)
    best = tf.where(logits == highest, classes, classes.dtype.max)
    return _counted(tf.math.segment_min(best, row_of) == y, logits.dtype)


def _row_crossentropy(y: Any, logits: Any, classes: Any, is_there: Any) -> Any:
    """Cross-entropy of the softmax over the candidates of each row.

    Parameters
    ----------
    y : tensor of int of shape (n_rows,)
        Numbers of classes that are among the candidates of their row.
    logits, classes, is_there : tensors of shape (n_rows, width)
        Logits are -inf where no candidate is.

    Returns
    -------
    tensor of shape (n_rows,)
    """
    is_label = (classes == y[:, tf.newaxis]) & is_there
    of_label = tf.reduce_sum(tf.where(is_label, logits, tf.zeros_like(logits)), axis=1)
    return tf.reduce_logsumexp(logits, axis=1) - of_label


def _row_hits(y: Any, logits: Any, classes: Any, is_there: Any) -> tuple[Any, Any]:
    """Return 1 for rows whose best candidate is their class, 0 for others, and 1 for all.

    Parameters
    ----------
    y, logits, classes, is_there : tensors
        As in `_row_crossentropy`.
    """
    highest = tf.reduce_max(logits, axis=1, keepdims=True)
    best = tf.where((logits == highest) & is_there, classes, classes.dtype.max)
    return _counted(tf.reduce_min(best, axis=1) == y, logits.dtype)


def _counted(is_right: Any, dtype: Any) -> tuple[Any, Any]:
    is_right = tf.cast(is_right, dtype)
    return is_right, tf.ones_like(is_right)
