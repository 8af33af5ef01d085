"""The README's problem with a Keras model of one's own: two inputs, and Model.fit.

Of 20 classes some are possible for each row, and which is known. Run:

    python examples/keras_model.py
"""

import keras
import numpy as np

from skmask.datasets import make_restricted_classification
from skmask.nn.layers import RestrictLogits
from skmask.nn.losses import RestrictedCrossentropy

X, y, allowed = make_restricted_classification(2000, random_state=0)
train, test = slice(0, 1000), slice(1000, 2000)

keras.utils.set_random_seed(0)
features = keras.Input((20,), name="features")
mask = keras.Input((20,), dtype="bool", name="allowed")
hidden = keras.layers.Dense(100, activation="relu")(features)
logits = RestrictLogits()([keras.layers.Dense(20)(hidden), mask])
model = keras.Model([features, mask], logits)
model.compile("adam", RestrictedCrossentropy(), metrics=["accuracy"])
model.fit([X[train], allowed[train]], y[train], epochs=20, verbose=0)

predicted = model.predict([X[test], allowed[test]], verbose=0).argmax(axis=1)
print(f"accuracy: {(predicted == y[test]).mean():.3f}")
print(f"impossible predictions: {(~allowed[test][np.arange(1000), predicted]).sum()}")
