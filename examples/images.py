"""Handwritten digits as images, where a digit read too low costs ten times as much.

Amounts on forms: a digit read too high costs the difference, one read too low ten times that. A
convolutional network, without Keras code, decides for the most probable digit, and for the one
that is cheapest to be wrong with; then its filters are searched by the cost. Run:

    python examples/images.py
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from skmask import CostSensitiveClassifier
from skmask.metrics import make_cost_scorer, mean_cost
from skmask.networks import Convolutional

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32).reshape(-1, 8, 8)  # images, their pixels from 0 to 1
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=300, stratify=y, random_state=0
)

true, read = np.indices((10, 10))
cost_matrix = np.where(read < true, 10 * (true - read), read - true)

clf = CostSensitiveClassifier(
    network=Convolutional(filters=(16, 32)), cost_matrix=cost_matrix, epochs=60, random_state=0
)
clf.fit(X_train, y_train)
print(f"{len(y_train)} images to learn from, {len(y_test)} to read\n")
print(f"{'decision':20}{'accuracy':>10}{'read too low':>14}{'mean cost':>11}")
for decision in ("argmax", "min_expected_cost"):
    predicted = clf.set_params(decision=decision).predict(X_test)
    cost = mean_cost(y_test, predicted, cost_matrix)
    too_low = (predicted < y_test).mean()
    print(f"{decision:20}{(predicted == y_test).mean():10.3f}{too_low:14.3f}{cost:11.3f}")

grid = {"network__filters": [(8,), (16,), (16, 32)]}
scorer = make_cost_scorer(cost_matrix)
search = GridSearchCV(clf, grid, scoring=scorer, cv=3).fit(X_train, y_train)
print(f"\nGridSearchCV takes network__filters={search.best_params_['network__filters']}: ", end="")
print(f"mean cost {mean_cost(y_test, search.predict(X_test), cost_matrix):.3f}")
