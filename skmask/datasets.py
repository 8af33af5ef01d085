"""Generators for the problems that the package solves."""

import numpy as np
from sklearn.utils import check_random_state

__all__ = [
    "make_addition_sequences",
    "make_cost_sensitive_classification",
    "make_padded_sequences",
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
    and 2, a B is cheap to call an A, and expensive to call a C.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.
    n_features : int, default=10
        Number of features.
    n_classes : int, default=3
        Number of classes, 2 or more.
    ratio : float, default=10.0
        Cost of an expensive error over that of a cheap one.
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


def make_padded_sequences(
    n_samples=1000,
    n_steps=20,
    n_chars=6,
    *,
    mean_length=7.0,
    flip_y=0.05,
    padding="#",
    random_state=None,
):
    """Make strings of different length, padded to one, with a label for each character.

    The label of a character is the letter as many places behind it in the alphabet, round the
    end, as the character before it has places from the start: to know it takes a memory of one
    step. Most strings are short, so that most of what is there is padding.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of strings.
    n_steps : int, default=20
        Length to which they are padded.
    n_chars : int, default=6
        Letters in the alphabet, 2 to 26.
    mean_length : float, default=7.0
        Of the strings, before those that are too long are cut: 1 and a Poisson number.
    flip_y : float, default=0.05
        Share of labels that are replaced by any letter.
    padding : str, default="#"
        The label at padding; one character, not a lower-case letter.
    random_state : int, RandomState instance or None, default=None
        Decides the data.

    Returns
    -------
    X : ndarray of float64 of shape (n_samples, n_steps, n_chars)
        The characters, one-hot; NaN at padding.
    y : ndarray of str of shape (n_samples, n_steps)
        The labels, `padding` at padding.

    Raises
    ------
    ValueError
        For an alphabet or a padding that is none, a length below 1, and a share outside of
        [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from skmask.datasets import make_padded_sequences
    >>> X, y = make_padded_sequences(3, 10, random_state=0)
    >>> X.shape, y.shape
    ((3, 10, 6), (3, 10))
    >>> bool((np.isnan(X).all(axis=2) == (y == "#")).all())
    True
    """
    if not 2 <= n_chars <= 26:
        raise ValueError(f"n_chars must be between 2 and 26; got {n_chars}. They are letters.")
    if mean_length < 1:
        raise ValueError(f"mean_length must be 1 or more; got {mean_length}. Ask for a step.")
    if not 0 <= flip_y <= 1:
        raise ValueError(f"flip_y must be between 0 and 1; got {flip_y}. It is a share.")
    alphabet = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    if len(padding) != 1 or padding in alphabet:
        raise ValueError(
            f"padding must be one character that is no lower-case letter; got {padding!r}. Use '#'."
        )
    rng = check_random_state(random_state)
    lengths = np.minimum(1 + rng.poisson(mean_length - 1, size=n_samples), n_steps)
    is_padding = np.arange(n_steps) >= lengths[:, np.newaxis]
    chars = rng.randint(n_chars, size=(n_samples, n_steps))
    before = np.pad(chars[:, :-1], [(0, 0), (1, 0)])
    any_letter = rng.randint(n_chars, size=chars.shape)
    is_flipped = rng.uniform(size=chars.shape) < flip_y
    codes = np.where(is_flipped, any_letter, (chars + before) % n_chars)
    return _one_hot(chars, n_chars, is_padding), np.where(is_padding, padding, alphabet[codes])


def _one_hot(codes, n_codes, is_padding):
    """Return a column for each code, NaN in steps that are padding."""
    X = (codes[..., np.newaxis] == np.arange(n_codes)).astype(float)
    X[is_padding] = np.nan
    return X


def make_addition_sequences(n_samples=1000, n_digits=3, *, reverse=True, random_state=None):
    """Make sums of two numbers, character by character, and their answers.

    The problem of Keras' example of an encoder-decoder [1]_: "12+345" to "357", each padded to
    the longest there may be. No question comes twice, and not with its numbers exchanged.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of questions.
    n_digits : int, default=3
        Most digits of a number; how many it has is drawn first, each as likely.
    reverse : bool, default=True
        Give the question from its end to its start, which is easier to learn from.
    random_state : int, RandomState instance or None, default=None
        Decides the data.

    Returns
    -------
    X : ndarray of float64 of shape (n_samples, 2 * n_digits + 1, 11)
        The characters +, 0, ..., 9, one-hot; NaN at padding.
    y : ndarray of str of shape (n_samples, n_digits + 1)
        The digits of the answer, "#" at padding.

    Raises
    ------
    ValueError
        If there are not as many questions.

    References
    ----------
    .. [1] "Sequence to sequence learning for performing number addition", Keras code examples,
       2015.

    Examples
    --------
    >>> from skmask.datasets import make_addition_sequences
    >>> X, y = make_addition_sequences(4, random_state=0)
    >>> X.shape, y.shape
    ((4, 7, 11), (4, 4))
    """
    n_numbers = 10**n_digits
    n_possible = n_numbers * (n_numbers + 1) // 2
    if n_samples > n_possible // 2:
        raise ValueError(
            f"n_samples must be at most half of the {n_possible} questions there are with "
            f"n_digits={n_digits}; got {n_samples}. Ask for fewer, or for more digits."
        )
    rng = check_random_state(random_state)
    pairs: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()
    while len(pairs) < n_samples:
        bounds = 10 ** rng.randint(1, n_digits + 1, size=(n_samples, 2))
        for a, b in (rng.uniform(size=bounds.shape) * bounds).astype(int).tolist():
            if (a, b) not in seen and len(pairs) < n_samples:
                seen.update([(a, b), (b, a)])
                pairs.append((a, b))
    questions = [f"{a}+{b}"[:: -1 if reverse else 1] for a, b in pairs]
    codes = _characters(questions, 2 * n_digits + 1)
    is_padding = codes == "#"
    numbers = np.searchsorted(_ADDITION, np.where(is_padding, "0", codes))
    y = _characters([str(a + b) for a, b in pairs], n_digits + 1)
    return _one_hot(numbers, len(_ADDITION), is_padding), y


_ADDITION = np.array(list("+0123456789"))  # sorted


def _characters(strings, n_steps):
    """Return the characters of strings, "#" behind."""
    return np.array([list(string.ljust(n_steps, "#")) for string in strings])
