"""Handwritten digits in form fields: what it buys to say which digits can stand there.

The last digit of a house number is even on one side of the street and odd on the other, and
the side is known from the form, in training and later on: of ten classes five are possible.
Run:

    python examples/quickstart.py
"""

import numpy as np
import sklearn
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skmask import RestrictedClassClassifier

N_SPLITS = 10

# With this, a mask finds its way through pipelines and searches by itself.
sklearn.set_config(enable_metadata_routing=True)

X, y = load_digits(return_X_y=True)
allowed = np.arange(10) % 2 == (y % 2)[:, np.newaxis]  # what the side of the street says

pipe = make_pipeline(
    MinMaxScaler(),
    RestrictedClassClassifier((8,), learning_rate=0.01, epochs=60, random_state=0),
)


def split(seed):
    """Return X, y and allowed of 300 digits to learn from and of the rest."""
    return train_test_split(X, y, allowed, train_size=300, stratify=y, random_state=seed)


def judge(predicted, y, allowed):
    """Return the accuracy and the number of predictions that cannot be."""
    return (predicted == y).mean(), (~allowed[np.arange(len(y)), predicted]).sum()


results = {"at fit and prediction": [], "at prediction only": [], "nowhere": []}
for seed in range(N_SPLITS):
    X_train, X_test, y_train, y_test, allowed_train, allowed_test = split(seed)
    pipe.fit(X_train, y_train, allowed=allowed_train)
    predicted = pipe.predict(X_test, allowed=allowed_test)
    results["at fit and prediction"].append(judge(predicted, y_test, allowed_test))
    pipe.fit(X_train, y_train)
    predicted = pipe.predict(X_test, allowed=allowed_test)
    results["at prediction only"].append(judge(predicted, y_test, allowed_test))
    results["nowhere"].append(judge(pipe.predict(X_test), y_test, allowed_test))

print(f"300 digits to learn from, {len(y_test)} to read, means over {N_SPLITS} splits\n")
print(f"{'mask':24}{'accuracy':>10}{'impossible predictions':>25}")
for title, judged in results.items():
    accuracy, impossible = np.mean(judged, axis=0)
    print(f"{title:24}{accuracy:10.3f}{impossible:25.1f}")

X_train, X_test, y_train, y_test, allowed_train, allowed_test = split(0)
grid = {
    "restrictedclassclassifier__hidden_layer_sizes": [(), (8,), (100,)],
    "restrictedclassclassifier__learning_rate": [1e-3, 1e-2, 3e-2],
}
search = GridSearchCV(pipe, grid).fit(X_train, y_train, allowed=allowed_train)
print("\nGridSearchCV over the pipeline, the mask routed to every fold:")
for name, value in search.best_params_.items():
    print(f"  {name.removeprefix('restrictedclassclassifier__')} = {value}")
print(f"  accuracy {search.best_score_:.3f} in cross-validation, ", end="")
print(f"{search.score(X_test, y_test, allowed=allowed_test):.3f} on the digits to read")
