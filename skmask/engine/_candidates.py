"""Candidates: the classes that a sparse mask allows for each row, never made dense."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from skmask.engine._job import Job
from skmask.engine._table import Column, Table, padded, round_up_rows

__all__ = ["CLASSES", "COUNTS", "STARTS", "CandidateTable", "table_of"]

# Columns of a table in the place of the mask: where the classes of a row start, how many they
# are, and the classes of all rows one after the other.
STARTS, COUNTS, CLASSES = "starts", "counts", "classes"

# Candidates held at a time.
_AT_ONCE = 1 << 24


class CandidateTable(Table):
    """A table with the candidates of each row in the place of its mask "allowed".

    Parameters
    ----------
    columns : mapping
        As in :class:`Table`.
    batch_size : int
    """

    def __init__(self, columns: Mapping[str, Column], batch_size: int):
        others = {name: column for name, column in columns.items() if name != "allowed"}
        super().__init__(others, batch_size)
        self._mask = sparse.csr_array(columns["allowed"])
        counts = np.diff(self._mask.indptr)
        if counts.sum() > _AT_ONCE:
            at_once = max(int(_AT_ONCE / counts.mean()), batch_size)
            self.is_dense = False
            self.size = min(self.size, round_up_rows(at_once))
        self._n_candidates = round_up_rows(_largest_sum(counts, self.size))

    def arrays(self, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the rows asked for, or all, as arrays of fixed sizes, zeros behind."""
        mask = self._mask if rows is None else self._mask[rows]
        return {
            **super().arrays(rows),
            STARTS: padded(mask.indptr[:-1].astype(np.int32), self.size),
            COUNTS: padded(np.diff(mask.indptr).astype(np.int32), self.size),
            CLASSES: padded(mask.indices.astype(np.int32, copy=False), self._n_candidates),
        }


def _largest_sum(counts: np.ndarray, n_rows: int) -> int:
    """Return the most candidates that so many rows can have."""
    if n_rows >= len(counts):
        return int(counts.sum())
    return int(np.partition(counts, -n_rows)[-n_rows:].sum())


def table_of(job: Job, columns: Mapping[str, Column]) -> Table:
    """Return the table of the training or the held-out rows of a job."""
    kind = CandidateTable if job.by_candidates else Table
    return kind(columns, job.solver.batch_size)
