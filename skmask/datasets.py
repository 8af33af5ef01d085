"""Generators for the problems that the package solves."""

import numpy as np
from sklearn.utils import check_random_state

__all__ = ["make_cost_sensitive_classification", "make_restricted_classification"]


def make_cost_sensitive_classification(
    n_samples=1000,
    n_features=10,
    n_classes=3,
    *,
    ratio=10.0,
    class_sep=2.5,
    random_state=None,
):
    """Make classes that overlap, and errors of which some cost more than others.

    Each class has a centre; a row lies around the centre of its class, with unit variance. To
    call a row a class below its own costs 1, and a class above it `ratio`: with B and C for 1
    and 2, a B is cheaply called an A, and dearly a C.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.
    n_features : int, default=10
        Number of features.
    n_classes : int, default=3
        Number of classes, 2 or more.
    ratio : float, default=10.0
        How many times more the dear errors cost than the cheap ones.
    class_sep : float, default=2.5
        Typical distance of two centres, in standard deviations of a class. Smaller is harder.
    random_state : int, RandomState instance or None, default=None
        Decides the data.

    Returns
    -------
    X : ndarray of float64 of shape (n_samples, n_features)
        The features.
    y : ndarray of int of shape (n_samples,)
        The labels, 0 to `n_classes` - 1.
    cost_matrix : ndarray of float64 of shape (n_classes, n_classes)
        Rows are true classes, columns predicted ones: 0 on the diagonal, `ratio` above it and 1
        below it.

    Raises
    ------
    ValueError
        If there are fewer than two classes.

    Examples
    --------
    >>> from skmask.datasets import make_cost_sensitive_classification
    >>> X, y, cost_matrix = make_cost_sensitive_classification(6, random_state=0)
    >>> X.shape, y.shape
    ((6, 10), (6,))
    >>> cost_matrix.tolist()
    [[0.0, 10.0, 10.0], [1.0, 0.0, 10.0], [1.0, 1.0, 0.0]]
    """
    if n_classes < 2:
        raise ValueError(f"n_classes must be 2 or more; got {n_classes}. Ask for two classes.")
    rng = check_random_state(random_state)
    X, y = _around_centres(n_samples, n_features, n_classes, class_sep, rng)
    cost_matrix = np.triu(np.full((n_classes, n_classes), float(ratio)), 1)
    cost_matrix += np.tril(np.ones((n_classes, n_classes)), -1)
    return X, y, cost_matrix


def _around_centres(n_samples, n_features, n_classes, class_sep, rng):
    """Return rows with unit variance around centres that are `class_sep` apart, and labels."""
    centres = rng.standard_normal((n_classes, n_features))
    centres *= class_sep / np.sqrt(2 * n_features)
    y = rng.randint(n_classes, size=n_samples)
    return centres[y] + rng.standard_normal((n_samples, n_features)), y


def make_restricted_classification(
    n_samples=1000,
    n_features=20,
    n_classes=20,
    n_allowed=5,
    *,
    class_sep=3.0,
    random_state=None,
):
    """Make rows of which each knows the few classes that are possible for it.

    Each class has a centre; a row lies around the centre of its class, with unit variance, and
    allows this class and others at random. With many classes the centres overlap: who ignores
    the mask confuses a row's class with classes that were never possible.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.
    n_features : int, default=20
        Number of features.
    n_classes : int, default=20
        Number of classes.
    n_allowed : int, default=5
        Classes possible for each row, from 1 to `n_classes`.
    class_sep : float, default=3.0
        Typical distance of two centres, in standard deviations of a class. Smaller is harder.
    random_state : int, RandomState instance or None, default=None
        Decides the data.

    Returns
    -------
    X : ndarray of float64 of shape (n_samples, n_features)
        The features.
    y : ndarray of int of shape (n_samples,)
        The labels, 0 to `n_classes` - 1.
    allowed : ndarray of bool of shape (n_samples, n_classes)
        True: this class is possible for this row. `n_allowed` in each row, `y` among them.

    Raises
    ------
    ValueError
        If `n_allowed` is not between 1 and `n_classes`.

    Examples
    --------
    >>> from skmask.datasets import make_restricted_classification
    >>> X, y, allowed = make_restricted_classification(6, n_allowed=3, random_state=0)
    >>> X.shape, y.shape, allowed.shape
    ((6, 20), (6,), (6, 20))
    >>> allowed.sum(axis=1).tolist()
    [3, 3, 3, 3, 3, 3]
    """
    if not 1 <= n_allowed <= n_classes:
        raise ValueError(
            f"n_allowed must be between 1 and n_classes={n_classes}; got {n_allowed}. Allow "
            "fewer classes."
        )
    rng = check_random_state(random_state)
    X, y = _around_centres(n_samples, n_features, n_classes, class_sep, rng)
    preference = rng.uniform(size=(n_samples, n_classes))
    preference[np.arange(n_samples), y] = -1  # the true class comes first
    allowed = preference.argsort(axis=1).argsort(axis=1) < n_allowed
    return X, y, allowed
