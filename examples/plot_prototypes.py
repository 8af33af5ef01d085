"""Handwritten digits, told from what they are compared with.

Two prototypes of each digit are chosen among the images; the classifier learns how much it
means to be like one of them in each pixel. Shown are the prototypes, and for one prediction
what each pixel adds to the logit of the digit that was predicted. Run:

    python examples/plot_prototypes.py
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmask import PrototypeClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# A difference of 16, all of a pixel's range, is c.
clf = PrototypeClassifier("laplacian", scale=16.0, n_prototypes=2, alpha=1e-2, random_state=0)
clf.fit(X_train, y_train)
n_trained = clf.weights_.size + clf.bias_.size
print(f"{len(clf.prototypes_)} prototypes, {n_trained} trainable numbers")
print(f"right: {clf.score(X_test, y_test):.1%} of {len(y_test)} digits")

row = X_test[:1]
predicted = clf.predict(row)[0]
adds = clf.contributions(row)[0]  # prototype x pixel
logit = (adds.sum(axis=1) + clf.bias_)[clf.prototype_labels_ == predicted].sum()
scores = clf.decision_function(row)[0]
print(f"a {y_test[0]}, predicted {predicted}: its logit is {logit:.2f}, the sum of its terms")
print(f"the same from decision_function: {scores[clf.classes_ == predicted][0]:.2f}")

figure = plt.figure(figsize=(10, 5), layout="constrained")
above, below = figure.subfigures(2, 1)
above.suptitle("prototypes")
for ax, image, label in zip(
    above.subplots(2, 10).T.ravel(), clf.prototypes_, clf.prototype_labels_, strict=True
):
    ax.imshow(image.reshape(8, 8), cmap="gray_r")
    ax.set_title(label, fontsize=8)
    ax.axis("off")
below.suptitle(f"what each pixel adds to the logit of {predicted}")
of_class = np.flatnonzero(clf.prototype_labels_ == predicted)
axes = below.subplots(1, 1 + len(of_class))
axes[0].imshow(row.reshape(8, 8), cmap="gray_r")
largest = np.abs(adds[of_class]).max()
for ax, prototype in zip(axes[1:], of_class, strict=True):
    image = adds[prototype].reshape(8, 8)
    ax.imshow(image, cmap="coolwarm", vmin=-largest, vmax=largest)
for ax in axes:
    ax.axis("off")
plt.show()
