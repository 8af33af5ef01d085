"""Calling a B a C costs ten times as much as calling it an A: two confusion matrices.

The same network, once for the fewest errors and once for the lowest cost. The second makes
more errors, of the kind that is cheap. Run:

    python examples/plot_unequal_errors.py
"""

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score
from sklearn.model_selection import train_test_split

from skmask import CostSensitiveClassifier
from skmask.datasets import make_cost_sensitive_classification
from skmask.metrics import mean_cost, savings_score

X, y, cost_matrix = make_cost_sensitive_classification(3000, ratio=10, random_state=0)
labels = ["A", "B", "C"]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

classifiers = {
    "without costs": CostSensitiveClassifier((20,), epochs=30, random_state=0),
    "with costs": CostSensitiveClassifier(
        (20,), epochs=30, random_state=0, cost_matrix=cost_matrix
    ),
}
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
print(f"{'':16}{'accuracy':>10}{'mean cost':>11}{'savings':>9}")
for ax, (name, clf) in zip(axes, classifiers.items(), strict=True):
    predicted = clf.fit(X_train, y_train).predict(X_test)
    cost = mean_cost(y_test, predicted, cost_matrix)
    accuracy = accuracy_score(y_test, predicted)
    savings = savings_score(y_test, predicted, cost_matrix)
    print(f"{name:16}{accuracy:10.3f}{cost:11.3f}{savings:9.1%}")
    ConfusionMatrixDisplay.from_predictions(
        y_test, predicted, display_labels=labels, ax=ax, colorbar=False
    )
    ax.set_title(f"{name}: {cost:.2f} per row")
plt.show()
