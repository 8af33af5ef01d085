"""A service's start, one row and a million, after fits on 5,000 x 20, 20 classes, MLP(100).

A start is a fresh process that imports what it needs, loads a stored model and predicts one row.
The million is compared with the same network run by TensorFlow, too, its rows and outputs checked
and the softmax taken in the type of the results, as skmask does.

Run: python benchmarks/serving.py
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from statistics import median

import joblib
import keras
import numpy as np
from _compare import interleaved, ratios, report, write
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier

from skmask import RestrictedClassClassifier
from skmask.engine import tensorflow
from skmask.estimators import record_of

CALLS = 20
STARTS = 7
CHUNK = 16384
# The most memory held, in MB, is printed: that of `getrusage` would count the parent's.
START = """
import sys
import joblib
joblib.load(sys.argv[1]).predict_proba([[0.0] * 20])
assert "tensorflow" not in sys.modules
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM")))
"""


def through_tensorflow(clf):
    """Return a function of rows to probabilities that runs the network in TensorFlow."""
    import tensorflow as tf

    record = record_of(clf)
    forward = tensorflow.forward_function(record.keras_graph, record.state.weights)

    def predict_proba(X):
        assert np.isfinite(X.sum())
        proba = np.empty((len(X), len(clf.classes_)), X.dtype)
        for start in range(0, len(X), CHUNK):
            logits = forward(X[start : start + CHUNK])
            assert np.isfinite(logits.sum())
            logits = logits.astype(X.dtype, copy=False)
            proba[start : start + CHUNK] = tf.raw_ops.Softmax(logits=logits)
        return proba

    return predict_proba


def starts(models):
    """Return rows on the time and the memory of a fresh process, for each stored model."""
    memory = {name: [] for name in models}
    with tempfile.TemporaryDirectory() as folder:

        def start(name):
            command = [sys.executable, "-c", START, paths[name]]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            memory[name].append(float(done.stdout))

        paths = {name: Path(folder) / name for name in models}
        for name, model in models.items():
            joblib.dump(model, paths[name])
            start(name)  # into the cache of files
        work = {name: lambda name=name: start(name) for name in models}
        times = interleaved(work, STARTS)
    rows = ratios("fresh process, one row", times, {"MLPClassifier": 1 / 1.2})
    ours, theirs = (median(memory[name]) for name in ("skmask", "MLPClassifier"))
    most = {
        "work": "peak memory of a fresh process",
        "peer": "MLPClassifier",
        "peer_megabytes": theirs,
        "skmask_megabytes": ours,
        "ratio": theirs / ours,
        "goal": 1 / 1.2,
        "reached": theirs / ours >= 1 / 1.2,
    }
    return rows, most


def main():
    """Print and write the table."""
    X, y = make_classification(5000, 20, n_informative=15, n_classes=20, random_state=0)
    models = {
        "skmask": RestrictedClassClassifier(epochs=2, random_state=0).fit(X, y),
        "MLPClassifier": MLPClassifier(max_iter=2, random_state=0).fit(X, y),
    }
    rows, most = starts(models)

    row = X[:1]
    one = {
        name: lambda model=model: [model.predict_proba(row) for _ in range(CALLS)]
        for name, model in models.items()
    }
    keras_model = keras.Sequential([models["skmask"].model_, keras.layers.Softmax()])
    one["keras.Model.predict"] = lambda: [keras_model.predict(row, verbose=0) for _ in range(CALLS)]
    for work in one.values():
        work()
    times = {name: taken / CALLS for name, taken in interleaved(one, 11).items()}
    goals = {"keras.Model.predict": 60, "MLPClassifier": 1}
    rows += ratios("predict_proba, one row", times, goals)

    million = np.random.default_rng(0).normal(size=(1_000_000, 20))
    with_tensorflow = through_tensorflow(models["skmask"])
    for name, X in {"float64": million, "float32": million.astype(np.float32)}.items():
        many = {
            "skmask": lambda X=X: models["skmask"].predict_proba(X),
            "MLPClassifier": lambda X=X: models["MLPClassifier"].predict_proba(X),
            "TensorFlow": lambda X=X: with_tensorflow(X),
        }
        np.testing.assert_allclose(many["TensorFlow"]()[:100], many["skmask"]()[:100], atol=1e-6)
        goals = {"MLPClassifier": 2, "TensorFlow": 1}
        rows += ratios(f"predict_proba, 1,000,000 x 20, {name}", interleaved(many, 5), goals)
    report("serving", rows)

    mark = "" if most["reached"] else " (missed)"
    print(
        f"\nPeak memory of a fresh process: MLPClassifier {most['peer_megabytes']:.0f} MB, "
        f"skmask {most['skmask_megabytes']:.0f} MB, {most['ratio']:.2g}{mark} times less, "
        f"at least {most['goal']:.2g}"
    )
    write("serving", [*rows, most])


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # MLPClassifier says that it has not converged
    main()
