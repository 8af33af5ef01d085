"""Which rows are held out of training, and which must stay in it."""

import numpy as np

from skmask.data._messages import quote

__all__ = ["held_out_rows", "rarest_label"]

# Rows that have no label, and rows whose labels are too rare to be kept in proportion.
_NO_LABEL, _RARE = -1, -2


def rarest_label(y: np.ndarray, share: float) -> np.ndarray:
    """Return which rows to keep in proportion: the number of the rarest label of each row.

    Labels too rare for a share of their rows to hold one are put together, except those that
    only one row has: `held_out_rows` leaves that row in training.

    Parameters
    ----------
    y : ndarray of bool of shape (n_samples, n_labels)
    share : float
        Of the rows, to be held out.

    Returns
    -------
    ndarray of int of shape (n_samples,)
        Negative for rows without a label, and for rare labels put together.
    """
    n_positive = y.sum(axis=0)
    rarest = np.where(y, n_positive, np.inf).argmin(axis=1)
    rarest[~y.any(axis=1)] = _NO_LABEL
    labels, n_rows = np.unique(rarest, return_counts=True)
    is_lone = (labels >= 0) & (n_positive[labels] == 1)
    is_enough = n_rows * min(share, 1 - share) >= 2
    return np.where(np.isin(rarest, labels[is_lone | is_enough]), rarest, _RARE)


def held_out_rows(
    strata: np.ndarray,
    fraction: float,
    seed: int,
    *,
    labels: np.ndarray,
    cause: str,
    cure: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the rows to train on, and of a stratified part held out.

    Parameters
    ----------
    strata : ndarray of int of shape (n_samples,)
        Strata to keep in proportion. A row that is alone in its stratum stays in training.
    fraction : float
        Share of the other rows to hold out.
    seed : int
    labels : ndarray of shape (n_labels,)
        Names of the strata of 0 and more, for messages.
    cause, cure : str
        For messages: the parameter that wants rows held out, and how to do without.
    """
    _, group, n_rows = np.unique(strata, return_inverse=True, return_counts=True)
    is_alone = n_rows[group] == 1
    if is_alone.all():
        raise ValueError(
            f"{cause} must find two rows of a class at least, to hold out one of them; got one "
            f"row for each of the classes {_called(strata, labels)}. Add rows, or {cure}."
        )
    others = np.flatnonzero(~is_alone)
    n_held_out, n_strata = int(np.ceil(fraction * len(others))), int((n_rows > 1).sum())
    if min(n_held_out, len(others) - n_held_out) < n_strata:
        raise ValueError(
            "validation_fraction must hold out a row for each class that has two or more, "
            f"{_called(strata[others], labels)}, and leave as many in training; got {fraction} of "
            f"their {len(others)} rows, which is {n_held_out}. Choose another, add rows, or {cure}."
        )
    from sklearn.model_selection import train_test_split  # a tenth of a second to import

    kept, held_out = train_test_split(
        others, test_size=fraction, stratify=strata[others], random_state=seed
    )
    return np.r_[kept, np.flatnonzero(is_alone)], held_out


def _called(strata: np.ndarray, labels: np.ndarray) -> str:
    """Return the names of strata for a message."""
    return quote(labels[np.unique(strata[strata >= 0])])
