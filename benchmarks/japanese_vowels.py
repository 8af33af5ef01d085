"""Japanese vowels: nine speakers, told by twelve channels over 7 to 29 steps, as they are.

The data come from aeon's wheel: 270 utterances to train on and 370 to test. Its deep
classifiers, and those of sktime, refuse sequences of unequal length. Cell and size are chosen by
cross-validation on the 270; the test rows are used once for each of five seeds. Run:

    python benchmarks/japanese_vowels.py
"""

import numpy as np
from _compare import write
from _wheels import read_from_wheel
from sklearn.model_selection import GridSearchCV, StratifiedKFold

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
    """Choose, fit with five seeds, and print how many speakers are told."""
    (X_train, y_train), (X_test, y_test) = read("TRAIN"), read("TEST")
    steps = np.concatenate(X_train)
    mean, std = steps.mean(axis=0), steps.std(axis=0)
    X_train, X_test = ([(x - mean) / std for x in X] for X in (X_train, X_test))

    search = GridSearchCV(
        MaskedSequenceClassifier(bidirectional=True, epochs=60, random_state=0),
        {"cell": ["lstm", "gru"], "units": [32, 64]},
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        refit=False,
    ).fit(X_train, y_train)
    print("| cell | units | accuracy in cross-validation |\n|---|---|---|")
    for settings, found in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        print(f"| {settings['cell']} | {settings['units']} | {found:.4f} |")

    scores = [
        MaskedSequenceClassifier(
            **search.best_params_, bidirectional=True, epochs=60, random_state=seed
        )
        .fit(X_train, y_train)
        .score(X_test, y_test)
        for seed in SEEDS
    ]
    mark = "" if np.mean(scores) >= GOAL else " (missed)"
    print("\n| speakers told, 370 utterances | seed by seed | mean | at least |\n|---|---|---|---|")
    each = ", ".join(f"{score:.4f}" for score in scores)
    print(f"| skmask, {search.best_params_} | {each} | {np.mean(scores):.4f}{mark} | {GOAL} |")
    write("japanese_vowels", {"chosen": search.best_params_, "scores": scores, "goal": GOAL})


if __name__ == "__main__":
    main()
