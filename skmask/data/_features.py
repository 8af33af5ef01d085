"""."""
import numpy as np

from skmask.data._validation import (  # noqa: F401
    check_features,
    check_columns,
)


def is_plain_matrix(X, n_features):
    """."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.char in "fd"
        and X.shape[1] == n_features
        and len(X) > 0
        and X.flags.c_contiguous
        and bool(np.isfinite(X).all())
    )
