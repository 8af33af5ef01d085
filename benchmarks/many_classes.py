"""100,000 classes of which each row allows 50: 20,000 x 50, MLP(100).

The peer is a Keras model with two inputs, features and candidates, which gathers the candidates'
rows of a kernel that is stored by class, and has the position of the label among them as its
target. It does the same work: Keras' Adam steps on all of the kernel in each batch, as that of
skmask does; its SGD without momentum steps on the rows that were gathered, as that of skmask
does. Each contender's `fit` runs on the same rows, shuffled anew in each epoch, after a first fit
that is not counted (tracing, compiling). Times are per step, and per 20,000 rows predicted.

Run: python benchmarks/many_classes.py
"""

import warnings
from functools import partial

import keras
import numpy as np
from _compare import interleaved, ratios, report
from scipy import sparse

from skmask import RestrictedClassClassifier

N_ROWS, N_FEATURES, N_CLASSES, N_CANDIDATES, UNITS = 20_000, 50, 100_000, 50, 100
REPEATS = 3
# Optimizer, batch size, rows: a step of Adam takes as long for few rows as for many.
FITS = [("adam", 32, 1_600), ("adam", 256, 10_000), ("sgd", 32, 10_000), ("sgd", 256, 20_000)]


class CandidateLogits(keras.layers.Layer):
    """Logits of candidates, from the rows of a kernel and a bias that they name."""

    def build(self, hidden_shape, candidates_shape):
        self.kernel = self.add_weight(shape=(N_CLASSES, hidden_shape[-1]), name="kernel")
        self.bias = self.add_weight(shape=(N_CLASSES,), initializer="zeros", name="bias")

    def call(self, hidden, candidates):
        kernel = keras.ops.take(self.kernel, candidates, axis=0)
        bias = keras.ops.take(self.bias, candidates, axis=0)
        return keras.ops.einsum("bu,bku->bk", hidden, kernel) + bias


def data():
    """Return features, candidates and the position of the label among them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    block = N_CLASSES // N_CANDIDATES  # one candidate from each block: none comes twice
    candidates = rng.integers(0, block, (N_ROWS, N_CANDIDATES))
    candidates += block * np.arange(N_CANDIDATES)
    return X, candidates.astype(np.int32), rng.integers(0, N_CANDIDATES, N_ROWS)


def mask_of(candidates):
    """Return the mask of candidates: CSR of bool."""
    starts = np.arange(len(candidates) + 1) * N_CANDIDATES
    values = np.ones(candidates.size, bool)
    shape = (len(candidates), N_CLASSES)
    return sparse.csr_array((values, candidates.ravel(), starts), shape=shape)


def keras_model(optimizer, jit_compile="auto"):
    """Return the peer."""
    X, candidates = keras.Input((N_FEATURES,)), keras.Input((N_CANDIDATES,), dtype="int32")
    hidden = keras.layers.Dense(UNITS, activation="relu")(X)
    model = keras.Model([X, candidates], CandidateLogits()(hidden, candidates))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=jit_compile)
    return model


def fits(optimizer, batch_size, n_rows):
    """Return contenders that fit some of the rows once, by name."""
    X, candidates, position = (part[:n_rows] for part in data())
    y, mask = candidates[np.arange(n_rows), position], mask_of(candidates)
    ours = RestrictedClassClassifier(
        UNITS, classes=np.arange(N_CLASSES), optimizer=optimizer, batch_size=batch_size, epochs=1
    )
    settings = {"batch_size": batch_size, "epochs": 1, "verbose": 0}

    def fit_peer(model):
        model.fit([X, candidates], position, **settings)

    return {
        "skmask": lambda: ours.fit(X, y, allowed=mask),
        "keras.Model.fit": partial(fit_peer, keras_model(optimizer)),
        "keras.Model.fit, XLA": partial(fit_peer, keras_model(optimizer, jit_compile=True)),
    }


def predictions():
    """Return contenders that predict the most probable candidate of all rows, by name."""
    X, candidates, position = data()
    y, mask = candidates[np.arange(N_ROWS), position], mask_of(candidates)
    ours = RestrictedClassClassifier(UNITS, classes=np.arange(N_CLASSES), optimizer="sgd", epochs=1)
    ours.fit(X[:256], y[:256], allowed=mask[:256])
    model = keras_model("sgd")

    def predict(batch_size):
        best = model.predict([X, candidates], batch_size=batch_size, verbose=0).argmax(axis=1)
        return candidates[np.arange(N_ROWS), best]

    return {
        "skmask": lambda: ours.predict(X, allowed=mask),
        "keras.Model.predict": partial(predict, 32),
        "keras.Model.predict, batches of 1024": partial(predict, 1024),
    }


def main():
    """Print and write the table."""
    rows = []
    for optimizer, batch_size, n_rows in FITS:
        contenders = fits(optimizer, batch_size, n_rows)
        for work in contenders.values():
            work()
        n_steps = -(-n_rows // batch_size)
        times = {name: t / n_steps for name, t in interleaved(contenders, REPEATS).items()}
        goals = dict.fromkeys([*contenders][1:], 1)
        rows += ratios(f"step of {optimizer}, batch {batch_size}", times, goals)
    contenders = predictions()
    for work in contenders.values():
        work()
    times = interleaved(contenders, REPEATS)
    rows += ratios("predict 20,000 rows", times, dict.fromkeys([*contenders][1:], 1))
    report("many_classes", rows)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # scikit-learn takes so many classes for a regression
    main()
