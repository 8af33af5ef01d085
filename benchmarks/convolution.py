"""An epoch of a small convolutional network: 1,797 digits of 8 x 8, Adam, batch 32.

The digits come as rows of 64 numbers, which the first layer of both networks reshapes. Each
contender's `fit` runs three epochs on the same rows, shuffled anew in each epoch, after a first
fit that is not counted (tracing, compiling). Times are per epoch.

Run: python benchmarks/convolution.py
"""

import keras
import numpy as np
from _compare import interleaved, ratios, report
from sklearn.datasets import load_digits

from skmask import RestrictedClassClassifier

BATCH, EPOCHS, REPEATS = 32, 3, 5


def network(inputs, n_outputs):
    """Return the logits of two convolutions with pooling."""
    hidden = keras.layers.Reshape((8, 8, 1))(inputs)
    for filters in (16, 32):
        hidden = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(hidden)
        hidden = keras.layers.MaxPooling2D()(hidden)
    hidden = keras.layers.Flatten()(hidden)
    return keras.layers.Dense(n_outputs)(keras.layers.Dense(64, activation="relu")(hidden))


def main():
    """Print and write the table."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)

    inputs = keras.Input((64,))
    model = keras.Model(inputs, network(inputs, 10))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ours = RestrictedClassClassifier(
        network=network, batch_size=BATCH, epochs=EPOCHS, random_state=0
    )
    contenders = {
        "skmask": lambda: ours.fit(X, y),
        "keras.Model.fit": lambda: model.fit(X, y, batch_size=BATCH, epochs=EPOCHS, verbose=0),
    }
    for work in contenders.values():
        work()
    times = {name: t / EPOCHS for name, t in interleaved(contenders, REPEATS).items()}
    work = "epoch of a convolutional network, 1,797 x 64, batch 32"
    report("convolution", ratios(work, times, {"keras.Model.fit": 1}))


if __name__ == "__main__":
    main()
