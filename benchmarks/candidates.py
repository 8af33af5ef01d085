"""Masks in training: when they help, when they do not, and what "auto" finds.

Five worlds of candidates on the letters and the vowels of KEEL (26 and 11 classes):

- few at random: the class and 3 others, drawn evenly;
- many at random: the class and half of the others, drawn evenly;
- look-alikes: the class and the 3 others whose means over the training rows are nearest to its own;
- what is there is chosen from: half of the classes, drawn evenly, and the label is the class if it
  is among them, otherwise the one among them whose mean is nearest to the row (the label follows
  from the mask);
- from the row: the quarter of the classes whose means are nearest to the row, and its class.

Trained are `RestrictedClassClassifier`s as they come with `mask_in_loss` of 0, 0.5, 1 and "auto",
and 1 and 0 with `mask_in_input`. The masks of look-alikes give the class away, because it is in
their middle: there the input tells more than the features do. Everyone predicts with the mask.
Accuracy and log-loss over the allowed classes, on the test rows of the first three folds, means
over folds and seeds.

`--choose` runs on a fifth of the training rows in the place of the test rows: what the settings of
"auto" were chosen on.

Run: python benchmarks/candidates.py [--choose] [SET ...]
"""

import sys
from itertools import product

import numpy as np
from _compare import write
from _keel import folds, scaled_parts

from skmask import RestrictedClassClassifier

N_FOLDS, SEEDS, GOAL = 3, (0, 1, 2), 0.003
DATA = {"letter": {"epochs": 30}, "vowel": {"epochs": 100}}
SETTINGS = {
    "0": {"mask_in_loss": 0.0},
    "0.5": {"mask_in_loss": 0.5},
    "1": {"mask_in_loss": 1.0},
    "auto": {"mask_in_loss": "auto"},
    "0, in the input": {"mask_in_loss": 0.0, "mask_in_input": True},
    "1, in the input": {"mask_in_loss": 1.0, "mask_in_input": True},
}


# Worlds: functions of rows, classes and the distances of rows to the means of classes, and of these
# to each other, to masks and labels.


def drawn(rng, y, n_classes, n_others):
    """Return masks of the class and some others, drawn evenly."""
    rank = rng.random((len(y), n_classes))
    rank[np.arange(len(y)), y] = -1
    return rank.argsort(axis=1).argsort(axis=1) <= n_others


def few_at_random(rng, y, to_rows, to_classes):
    """Return the class and three others."""
    return drawn(rng, y, len(to_classes), 3), y


def many_at_random(rng, y, to_rows, to_classes):
    """Return the class and half of the others."""
    return drawn(rng, y, len(to_classes), len(to_classes) // 2), y


def look_alikes(rng, y, to_rows, to_classes):
    """Return the class and the three whose means are nearest to its own."""
    return (to_classes.argsort(axis=1).argsort(axis=1) <= 3)[y], y


def chosen_from_what_is_there(rng, y, to_rows, to_classes):
    """Return half of the classes; the label is the first choice among them."""
    n_classes = len(to_classes)
    allowed = drawn(rng, rng.integers(0, n_classes, len(y)), n_classes, n_classes // 2)
    liking = to_rows.copy()
    liking[np.arange(len(y)), y] = -1
    return allowed, np.where(allowed, liking, np.inf).argmin(axis=1)


def from_the_row(rng, y, to_rows, to_classes):
    """Return the quarter of the classes that is nearest to the row, and its class."""
    n_classes = len(to_classes)
    allowed = to_rows.argsort(axis=1).argsort(axis=1) < n_classes // 4
    allowed[np.arange(len(y)), y] = True
    return allowed, y


WORLDS = {
    "few at random": few_at_random,
    "many at random": many_at_random,
    "look-alikes": look_alikes,
    "chosen from what is there": chosen_from_what_is_there,
    "from the row": from_the_row,
}


def distances(one, other):
    """Return the Euclidean distances of rows to rows."""
    return np.linalg.norm(one[:, np.newaxis] - other, axis=2)


def parts(fold, world, seed, *, choose):
    """Return X, y and masks to train on and to test on."""
    X, y, X_test, y_test = scaled_parts(fold, choose=choose)
    means = np.array([X[y == k].mean(axis=0) for k in range(y.max() + 1)])
    to_classes = distances(means, means)
    rng = np.random.default_rng(seed)
    for rows, codes in ((X, y), (X_test, y_test)):
        allowed, target = WORLDS[world](rng, codes, distances(rows, means), to_classes)
        yield rows.astype(np.float32), target, allowed


def scores(name, fold, world, setting, seed, *, choose):
    """Return accuracy and log-loss on the test rows, and the `mask_in_loss` that was used."""
    (X, y, allowed), (X_test, y_test, allowed_test) = parts(fold, world, seed, choose=choose)
    clf = RestrictedClassClassifier(
        classes=np.arange(allowed.shape[1]), random_state=seed, **DATA[name], **SETTINGS[setting]
    )
    proba = clf.fit(X, y, allowed=allowed).predict_proba(X_test, allowed=allowed_test)
    of_label = proba[np.arange(len(y_test)), y_test]
    log_loss = -np.log(np.maximum(of_label, np.finfo(float).tiny)).mean()
    return (proba.argmax(axis=1) == y_test).mean(), log_loss, clf.mask_in_loss_


def main(sets, *, choose=False):
    """Print and write the tables."""
    rows = []
    for name, world in product(sets, WORLDS):
        found = {}
        for setting in SETTINGS:
            runs = [
                scores(name, fold, world, setting, seed, choose=choose)
                for fold, seed in product(folds(name, N_FOLDS), SEEDS)
            ]
            found[setting] = np.mean(runs, axis=0)
        best = max(found[each][0] for each in ("0", "0.5", "1"))
        reached = found["auto"][0] >= best - GOAL
        rows.append({"data": name, "world": world, "reached": bool(reached)})
        rows[-1] |= {setting: list(map(float, values)) for setting, values in found.items()}
    print("Accuracy (log-loss over the allowed classes) by mask_in_loss\n")
    print(f"| | {' | '.join(SETTINGS)} | mean of what auto took |\n|{'---|' * (len(SETTINGS) + 2)}")
    for row in rows:
        cells = [f"{row[each][0]:.4f} ({row[each][1]:.3f})" for each in SETTINGS]
        mark = "" if row["reached"] else " (missed)"
        print(
            f"| {row['data']}, {row['world']} | {' | '.join(cells)} | {row['auto'][2]:.2f}{mark} |"
        )
    if not choose and len(sets) == len(DATA):
        write("candidates", rows)


if __name__ == "__main__":
    names = [each for each in sys.argv[1:] if not each.startswith("-")]
    main(names or list(DATA), choose="--choose" in sys.argv)
