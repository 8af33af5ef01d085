"""Rows of a batch, gathered from the columns of a table."""

from collections.abc import Mapping
from typing import Any

from skmask.engine._csr import Csr
from skmask.engine.tensorflow._names import tf

__all__ = ["rows_of", "stored_of"]


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


def stored_of(column: Csr, rows: Any) -> tuple[Any, Any]:
    """Return the place in a batch and the place in a CSR column of each stored number of rows.

    Parameters
    ----------
    column : Csr
    rows : tensor of int32 of shape (B,)

    Returns
    -------
    row_of, places : tensors of int64 of shape (n_stored,)
        Numbers of the rows in the batch, rising, and places in `column.values`.
    """
    starts = tf.gather(column.starts, rows)
    lengths = tf.gather(column.starts, rows + 1) - starts
    row_of = tf.repeat(tf.range(tf.size(lengths, tf.int64)), lengths)
    # The numbers of a row stand together, at a constant distance from their place in the batch.
    distance = starts - tf.cumsum(lengths, exclusive=True)
    return row_of, tf.range(tf.size(row_of, tf.int64)) + tf.gather(distance, row_of)


def _sparse_rows(column: Csr, rows: Any, n_features: int | None) -> Any:
    """Return rows of a CSR matrix as a SparseTensor of shape (B, n_features)."""
    row_of, places = stored_of(column, rows)
    columns = tf.cast(tf.gather(column.columns, places), tf.int64)
    shape = tf.stack([tf.size(rows, tf.int64), tf.constant(n_features, tf.int64)])
    values = tf.gather(column.values, places)
    return tf.SparseTensor(tf.stack([row_of, columns], axis=1), values, shape)
