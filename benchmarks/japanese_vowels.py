"""Japanese vowels: nine speakers, told by twelve channels over 7 to 29 steps, as they are.

The data come from aeon's wheel: 270 utterances to train on and 370 to test. Its deep
classifiers, and those of sktime, refuse sequences of unequal length. Everything is chosen by
cross-validation on the 270; the test rows are used once per seed. Run:

    python benchmarks/japanese_vowels.py
"""

from _compare import write
from _wheels import read_from_wheel

import numpy as np

from skmask import MaskedSequenceClassifier

GOAL = 0.97
SEEDS = range(5)


def read(part):
    """Return sequences of shape (n_steps, 12) and labels of "TRAIN" or "TEST"."""
    name = f"aeon/datasets/data/JapaneseVowels/JapaneseVowels_{part}.ts"
    text = read_from_wheel("aeon==1.6.0", name).decode()
    rows = [line for line in text.splitlines() if line and line[0] not in "#@"]
    X, y = [], []
    for row in rows:
        *channels, label = row.split(":")
        X.append(np.array([channel.split(",") for channel in channels], float).T)
        y.append(label)
    return X, np.array(y)


def main():
    """Fit with five seeds and print how many speakers are told."""
    X_train, y_train = read("TRAIN")
    X_test, y_test = read("TEST")
    print(len(X_train), len(X_test), sorted({len(x) for x in X_train}))


if __name__ == "__main__":
    main()
