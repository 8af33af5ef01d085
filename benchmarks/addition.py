"""Sums of two numbers, character by character: exact answers, and the time of an epoch.

Keras' example of an encoder-decoder, LSTM(128) each, 50,000 questions of up to three digits, a
tenth of them to test. There, accuracy counts the padding of the answers; here it does not. An
epoch is timed beside `keras.Model.fit` on the same rows with the same network, batches and
optimizer: once with padding masked in the questions and in the loss, which is the same work,
and once as in the example, where nothing is masked. Run:

    python benchmarks/addition.py
"""

import keras
import numpy as np
from _compare import interleaved, ratios, report, write
from sklearn.model_selection import train_test_split

from skmask import MaskedSequenceClassifier
from skmask.datasets import make_addition_sequences
from skmask.metrics import sequence_accuracy, step_accuracy
from skmask.nn.losses import MaskedCrossentropy

UNITS, BATCH, EPOCHS = 128, 32, 60


def keras_epoch(X, codes, *, masks):
    """Return a function that trains Keras' model for an epoch.

    Parameters
    ----------
    X : ndarray of shape (n, n_steps, n_characters), NaN at padding
    codes : ndarray of int of shape (n, n_steps_out), 10 at padding
    masks : bool
        Whether padding is masked, or a character like others.
    """
    is_padding = np.isnan(X).all(axis=2, keepdims=True)
    X = np.where(is_padding, 0, X).astype(np.float32)
    if not masks:  # a character of its own, as in the example
        X = np.concatenate([X, is_padding.astype(np.float32)], axis=2)
    inputs = keras.Input(X.shape[1:])
    hidden = keras.layers.Masking()(inputs) if masks else inputs
    hidden = keras.layers.LSTM(UNITS)(hidden)
    hidden = keras.layers.RepeatVector(codes.shape[1])(hidden)
    hidden = keras.layers.LSTM(UNITS, return_sequences=True)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(10 if masks else 11)(hidden))
    if masks:
        loss = MaskedCrossentropy(padding_label=10, from_logits=True)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return lambda: model.fit(X, codes, batch_size=BATCH, epochs=1, verbose=0)


def main():
    """Time epochs, train, and print both tables."""
    X, y = make_addition_sequences(50_000, 3, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.1, random_state=0)
    settings = {
        "units": UNITS,
        "architecture": "encoder_decoder",
        "padding_label": "#",
        "batch_size": BATCH,
        "classes": list("0123456789"),
    }

    codes = np.where(y_train == "#", "10", y_train).astype(np.int32)
    clf = MaskedSequenceClassifier(**settings, random_state=0)
    contenders = {
        "skmask": lambda: clf.partial_fit(X_train, y_train),
        "keras.Model.fit": keras_epoch(X_train, codes, masks=True),
        "keras.Model.fit, nothing masked": keras_epoch(X_train, codes, masks=False),
    }
    for epoch in contenders.values():
        epoch()  # compiles
    times = interleaved(contenders, repeats=5)
    goals = {"keras.Model.fit": 3, "keras.Model.fit, nothing masked": 0}
    report("addition_speed", ratios("epoch of 45,000 sums, LSTM(128) twice", times, goals))

    clf = MaskedSequenceClassifier(**settings, epochs=EPOCHS, random_state=0).fit(X_train, y_train)
    predicted = clf.predict(X_test)
    rows = [
        {
            "rows": "5,000 to test",
            "epochs": clf.n_iter_,
            "valid characters": step_accuracy(y_test, predicted, padding_label="#"),
            "exact answers": sequence_accuracy(y_test, predicted, padding_label="#"),
            "goal": 0.99,
        }
    ]
    print("\n| epochs | valid characters right | at least | answers exact |")
    print("|---|---|---|---|")
    for row in rows:
        mark = "" if row["valid characters"] >= row["goal"] else " (missed)"
        print(
            f"| {row['epochs']} | {row['valid characters']:.4f}{mark} | {row['goal']} "
            f"| {row['exact answers']:.4f} |"
        )
    write("addition", rows)


if __name__ == "__main__":
    main()
