"""A training step in steady state: 20,000 x 30, 20 classes, MLP(100), Adam, batch 32.

Each contender's `fit` runs three epochs on the same rows, shuffled anew in each epoch, after a
first fit that is not counted (tracing, compiling). Times are per step.

Run: python benchmarks/training.py
"""

import keras
import numpy as np
from _compare import interleaved, ratios, report
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier

from skmask import RestrictedClassClassifier

N_ROWS, N_FEATURES, N_CLASSES, BATCH, EPOCHS, REPEATS = 20_000, 30, 20, 32, 3, 5


def main():
    """Print and write the table."""
    X, y = make_classification(
        N_ROWS, N_FEATURES, n_informative=20, n_classes=N_CLASSES, random_state=0
    )
    X = X.astype(np.float32)

    model = keras.Sequential(
        [
            keras.Input((N_FEATURES,)),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(N_CLASSES),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ours = RestrictedClassClassifier(batch_size=BATCH, epochs=EPOCHS, random_state=0)
    theirs = MLPClassifier(
        batch_size=BATCH, max_iter=EPOCHS, alpha=0, tol=0, n_iter_no_change=99, random_state=0
    )
    contenders = {
        "skmask": lambda: ours.fit(X, y),
        "keras.Model.fit": lambda: model.fit(X, y, batch_size=BATCH, epochs=EPOCHS, verbose=0),
        "MLPClassifier": lambda: theirs.fit(X, y),
        **skorch(X, y),
    }
    for work in contenders.values():
        work()
    steps = EPOCHS * -(-N_ROWS // BATCH)
    times = {name: t / steps for name, t in interleaved(contenders, REPEATS).items()}
    goals = {"keras.Model.fit": 8, "MLPClassifier": 2, "skorch": 1}
    report("training", ratios("training step, 20,000 x 30, 20 classes", times, goals))


def skorch(X, y):
    """Return skorch's contender, where it is installed."""
    try:
        import torch
        from skorch import NeuralNetClassifier
    except ImportError:
        return {}
    net = torch.nn.Sequential(
        torch.nn.Linear(N_FEATURES, 100), torch.nn.ReLU(), torch.nn.Linear(100, N_CLASSES)
    )
    clf = NeuralNetClassifier(
        net,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        batch_size=BATCH,
        max_epochs=EPOCHS,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    y = y.astype(np.int64)
    return {"skorch": lambda: clf.fit(X, y)}


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")  # MLPClassifier says that it has not converged
    main()
