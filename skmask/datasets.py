"""Generators for the problems that the package solves."""

import numpy as np
from sklearn.utils import check_random_state

__all__ = [
    "make_cost_sensitive_classification",
    "make_restricted_classification",
    "make_sparse_multilabel",
]


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


def make_sparse_multilabel(n_samples=30_000, n_labels=30, *, p_feature=0.1, random_state=None):
    """Make rows with about one of many labels each, and features that rarely tell which.

    Each label is positive with probability 1 / `n_labels`. There is a feature for each label:
    where the label is positive it is 1 with probability `p_feature`, otherwise 0. So a feature
    of 1 is proof, but it comes with few of the positives: who is punished for false alarms and
    misses alike says "none".

    Parameters
    ----------
    n_samples : int, default=30_000
        Number of rows.
    n_labels : int, default=30
        Number of labels, and of features; 2 or more.
    p_feature : float, default=0.1
        Probability that a positive label shows.
    random_state : int, RandomState instance or None, default=None
        Decides the data.

    Returns
    -------
    X : ndarray of float64 of shape (n_samples, n_labels)
        The features, 0 or 1.
    Y : ndarray of int of shape (n_samples, n_labels)
        The labels, 0 or 1.

    Raises
    ------
    ValueError
        If there are fewer than two labels, or `p_feature` is no probability.

    Examples
    --------
    >>> from skmask.datasets import make_sparse_multilabel
    >>> X, Y = make_sparse_multilabel(100, random_state=0)
    >>> X.shape, Y.shape
    ((100, 30), (100, 30))
    >>> bool((Y[X == 1] == 1).all())
    True
    """
    if n_labels < 2:
        raise ValueError(f"n_labels must be 2 or more; got {n_labels}. Ask for two labels.")
    if not 0 <= p_feature <= 1:
        raise ValueError(
            f"p_feature must be between 0 and 1; got {p_feature}. It is a probability."
        )
    rng = check_random_state(random_state)
    Y = (rng.uniform(size=(n_samples, n_labels)) < 1 / n_labels).astype(int)
    X = Y * (rng.uniform(size=Y.shape) < p_feature)
    return X.astype(float), Y
