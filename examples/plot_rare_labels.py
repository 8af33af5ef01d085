"""Thirty labels, about one of them on each row: who is right 97% of the time says "none".

A plain network, one whose misses cost more, and one whose thresholds are tuned on rows that it
was not trained on: recall, precision and the rows that come out empty. Run:

    python examples/plot_rare_labels.py
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split

from skmask import WeightedMultilabelClassifier
from skmask.datasets import make_sparse_multilabel

# The plain network earns the warning that some labels are never predicted.
warnings.filterwarnings("ignore", "The labels .* are never predicted")

X, Y = make_sparse_multilabel(n_samples=20_000, random_state=0)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, random_state=0)

settings = {
    "plain": {"pos_weight": None},
    "weighted": {"pos_weight": 10.0},
    "balanced": {"pos_weight": "balanced"},
    "tuned": {"pos_weight": None, "threshold": "tuned"},
    "at least one": {"pos_weight": None, "min_labels": 1},
}
results = {}
print(f"{'':14}{'recall':>8}{'precision':>11}{'empty rows':>12}")
for name, parameters in settings.items():
    clf = WeightedMultilabelClassifier(
        (), learning_rate=0.01, epochs=20, random_state=0, **parameters
    )
    predicted = clf.fit(X_train, Y_train).predict(X_test)
    results[name] = {
        "recall": recall_score(Y_test, predicted, average="micro"),
        "precision": precision_score(Y_test, predicted, average="micro"),
        "empty rows": (predicted.sum(axis=1) == 0).mean(),
    }
    recall, precision, empty = results[name].values()
    print(f"{name:14}{recall:8.1%}{precision:11.1%}{empty:12.1%}")

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for i, measure in enumerate(["recall", "precision", "empty rows"]):
    places = [place + 0.25 * i for place in range(len(results))]
    ax.bar(places, [result[measure] for result in results.values()], width=0.25, label=measure)
ax.set_xticks([place + 0.25 for place in range(len(results))], list(results))
ax.set_ylabel("share")
ax.legend()
plt.show()
