"""Rows of a batch, gathered from the columns of a table."""

from collections.abc import Mapping
from typing import Any

from skmask.engine._csr import Csr
from skmask.engine.tensorflow._names import tf

__all__ = ["rows_of"]


def rows_of(data: Mapping[str, Any], rows: Any, n_features: int | None) -> dict[str, Any]:
    """Return the rows of these numbers of each column, those of a CSR column as a SparseTensor.

    Parameters
    ----------
    data : mapping of tensors or Csr
    rows : tensor of int32 of shape (B,)
    n_features : int or None
        The width of a CSR column.
    """
    return {
        name: _sparse_rows(column, rows, n_features)
        if isinstance(column, Csr)
        else tf.gather(column, rows)
        for name, column in data.items()
    }


def _sparse_rows(column: Csr, rows: Any, n_features: int | None) -> Any:
    """Return rows of a CSR matrix as a SparseTensor of shape (B, n_features)."""
    starts = tf.gather(column.starts, rows)
    lengths = tf.gather(column.starts, rows + 1) - starts
    n_rows = tf.size(lengths, tf.int64)
    row = tf.repeat(tf.range(n_rows), lengths)
    # The numbers of a row stand together, at a constant distance from their place in the batch.
    distance = starts - tf.cumsum(lengths, exclusive=True)
    places = tf.range(tf.size(row, tf.int64)) + tf.gather(distance, row)
    columns = tf.cast(tf.gather(column.columns, places), tf.int64)
    shape = tf.stack([n_rows, tf.constant(n_features, tf.int64)])
    return tf.SparseTensor(
        tf.stack([row, columns], axis=1), tf.gather(column.values, places), shape
    )
