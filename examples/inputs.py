"""A table of numbers and categories: an embedding for the category, in a pipeline.

Flats in a town: what they are for (to live in, to let, to work in) depends on their size, rent and
quarter. The quarter is a category of which there may be new ones later. An ``OrdinalEncoder``
numbers it, the network learns a vector for each quarter, and ``inputs=`` says which columns of the
table go where.
"""

import pickle

import keras
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from skmask import RestrictedClassClassifier

QUARTERS = [f"quarter {number}" for number in range(12)]


def make_flats(n_flats, rng):
    """Return a table of flats, and what they are for: it depends on the quarter most."""
    quarter = rng.integers(len(QUARTERS), size=n_flats)
    flats = pd.DataFrame(
        {
            "size": rng.gamma(6, 12, n_flats),
            "quarter": np.array(QUARTERS)[quarter],
            "rent": rng.gamma(8, 120, n_flats),
        }
    )
    is_large = flats["size"] > 70
    use = np.array(["let", "live", "work"])[(quarter * 5 % 7 + is_large) % 3]
    return flats, use


def network(inputs, n_outputs):
    """Return logits from the numbers, and from a vector of two numbers for each quarter."""
    known_and_one_more = len(QUARTERS) + 1
    quarter = keras.layers.Embedding(known_and_one_more, 2)(inputs["quarter"])
    both = [inputs["numbers"], keras.layers.Flatten()(quarter)]
    hidden = keras.layers.Dense(16, "relu")(keras.layers.Concatenate()(both))
    return keras.layers.Dense(n_outputs)(hidden)


encoder = OrdinalEncoder(
    categories=[QUARTERS], handle_unknown="use_encoded_value", unknown_value=len(QUARTERS)
)
columns = make_column_transformer(
    (StandardScaler(), ["size", "rent"]), (encoder, ["quarter"]), verbose_feature_names_out=False
).set_output(transform="pandas")
classifier = RestrictedClassClassifier(
    network=network,
    inputs={"numbers": ["size", "rent"], "quarter": "quarter"},
    learning_rate=0.02,
    epochs=30,
    random_state=0,
)
model = make_pipeline(columns, classifier)

rng = np.random.default_rng(0)
flats, use = make_flats(600, rng)
scores = cross_val_score(model, flats, use, cv=3)
print(f"right, with quarters as vectors: {scores.mean():.0%}")

plain = make_pipeline(columns, RestrictedClassClassifier((16,), learning_rate=0.02, epochs=30))
scores = cross_val_score(plain, flats, use, cv=3)
print(f"right, with quarters as numbers: {scores.mean():.0%}")

stored = pickle.dumps(model.fit(flats, use))
new = pd.DataFrame({"size": [90, 30], "quarter": ["quarter 3", "a new one"], "rent": [900, 500]})
print("new flats:", *pickle.loads(stored).predict(new))
