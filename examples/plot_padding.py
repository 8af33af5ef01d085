"""The same model twice: by an accuracy that counts padding, and by one that does not.

Strings of about seven letters are padded to twenty, and each letter has a label. Who counts
padding as one more label to be guessed sees a model that is right for most of it from the start,
for padding is all it has to know; the letters, which are what was asked for, come later. Run:

    python examples/plot_padding.py
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from skmask import MaskedSequenceClassifier
from skmask.datasets import make_padded_sequences
from skmask.metrics import step_accuracy
from skmask.nn.losses import MaskedCrossentropy

EPOCHS = 15
X, y = make_padded_sequences(2000, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print(f"{(y_test == '#').mean():.0%} of what is there is padding\n")

labels = np.unique(y)  # "#" is the first
codes = np.searchsorted(labels, y_train)
curves = {}


def keras_curves(loss):
    """Return accuracies by epoch with padding counted, as one more class, and without."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(X.shape[1:])
    hidden = keras.layers.LSTM(32, return_sequences=True)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(len(labels))(hidden))
    model.compile(keras.optimizers.Adam(3e-3), loss)
    counted, real = [], []
    for _ in range(EPOCHS):
        model.fit(np.nan_to_num(X_train), codes, batch_size=32, verbose=0)
        predicted = labels[model.predict(np.nan_to_num(X_test), verbose=0).argmax(axis=2)]
        counted.append((predicted == y_test).mean())
        real.append((predicted == y_test)[y_test != "#"].mean())
    return counted, real


# As it is often done: padding counts like any label, in the loss and in the accuracy.
counted, real = keras_curves(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
curves["padding counted"] = counted
curves["the same model, real steps only"] = real

# The same network with a loss that leaves padding out: here its class number is 0.
_, real = keras_curves(MaskedCrossentropy(padding_label=0, from_logits=True))
curves["with MaskedCrossentropy, real steps only"] = real

# The estimator does that by itself, on letters as they are.
clf = MaskedSequenceClassifier(32, padding_label="#", learning_rate=3e-3, random_state=0)
real = []
for _ in range(EPOCHS):
    clf.partial_fit(X_train, y_train, classes=labels[1:])
    real.append(step_accuracy(y_test, clf.predict(X_test), padding_label="#"))
curves["MaskedSequenceClassifier, real steps only"] = real

print(f"{'epoch':>45}{1:>7}{5:>7}{EPOCHS:>7}")
for name, curve in curves.items():
    print(f"{name:45}" + "".join(f"{curve[i - 1]:7.1%}" for i in (1, 5, EPOCHS)))

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, curve in curves.items():
    ax.plot(range(1, EPOCHS + 1), curve, label=name)
ax.set(xlabel="epochs", ylabel="accuracy on strings never seen", ylim=(0, 1))
ax.legend()
plt.show()
