"""Script of tests: fit and store an estimator of each kind, or write what stored ones answer.

Run: python stored_models.py fit FOLDER
     python stored_models.py answer FOLDER {joblib,pickle,skops}
     python stored_models.py store_again FOLDER
     python stored_models.py refit FOLDER {joblib,pickle,skops,again}
"""

import pickle
import sys
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "contributions")


def cases():
    """Return fitted estimators by name, each with rows and arguments of its predictions."""
    from skmask.datasets import make_padded_sequences, make_sparse_multilabel

    X, labels, mask = restricted_rows()
    _, y = np.unique(labels, return_inverse=True)
    costs = np.random.default_rng(0).random((60, 4, 4))
    features, label_matrix = make_sparse_multilabel(200, random_state=0)
    sequences, tags = make_padded_sequences(40, random_state=0)
    tags_allowed = np.ones((*tags.shape, len(np.unique(tags)) - 1), dtype=bool)
    lengths, digits = [row[: 3 + i % 4] for i, row in enumerate(sequences)], np.c_[y, y[::-1]][:40]
    return {
        "restricted": (restricted().fit(X, labels, **mask), X, mask),
        "cost_sensitive": (
            cost_sensitive().fit(X, y, **mask),
            X,
            {**mask, "costs": costs},
        ),
        "actions": (actions().fit(X, labels, **mask), X, mask),
        "multilabel": (multilabel().fit(features, label_matrix), features, {}),
        "prototypes": (prototypes().fit(X, y, **mask), X, mask),
        "tagger": (
            tagger().fit(sequences, tags, allowed=tags_allowed),
            sequences,
            {"allowed": tags_allowed},
        ),
        "encoder_decoder": (encoder_decoder().fit(lengths, digits), lengths, {}),
        "tabm": (tabm().fit(X, labels, **mask), X, mask),
        "tabm_of_labels": (tabm_of_labels().fit(features, label_matrix), features, {}),
        "convolutional": (convolutional().fit(*image_rows(), **mask), image_rows()[0], mask),
    }


def restricted_rows():
    """Return rows, their labels, which are strings, and their mask."""
    from skmask.datasets import make_restricted_classification

    X, y, allowed = make_restricted_classification(60, 5, 4, 2, random_state=0)
    return X, np.array(["a", "b", "c", "d"])[y], {"allowed": allowed}


def restricted():
    """Return one whose parameters hold objects of Keras."""
    import keras

    from skmask import RestrictedClassClassifier

    return RestrictedClassClassifier(
        (8, 8),
        activation="tanh",
        epochs=2,
        optimizer=keras.optimizers.Adam(0.01),
        callbacks=[keras.callbacks.History()],
        random_state=0,
    )


def cost_sensitive():
    from skmask import CostSensitiveClassifier

    return CostSensitiveClassifier(
        (8,), cost_matrix=np.arange(16.0).reshape(4, 4), epochs=2, random_state=0
    )


def actions():
    """Return one with more actions than classes."""
    from skmask import CostSensitiveClassifier

    costs = np.c_[9 * (1 - np.eye(4)), np.ones(4)]
    return CostSensitiveClassifier((8,), cost_matrix=costs, epochs=2, random_state=0)


def multilabel():
    from skmask import WeightedMultilabelClassifier

    return WeightedMultilabelClassifier(
        (8,), epochs=40, threshold="tuned", min_labels=1, learning_rate=0.05, random_state=0
    )


def prototypes():
    from skmask import PrototypeClassifier

    return PrototypeClassifier(n_prototypes=2, random_state=0)


def tagger():
    from skmask import MaskedSequenceClassifier

    return MaskedSequenceClassifier(
        8, bidirectional=True, padding_label="#", epochs=2, random_state=0
    )


def encoder_decoder():
    from skmask import MaskedSequenceClassifier

    return MaskedSequenceClassifier(
        8, cell="gru", architecture="encoder_decoder", epochs=2, random_state=0
    )


def image_rows():
    """Return images of two channels, and their labels."""
    X, labels, _ = restricted_rows()
    return np.random.default_rng(0).normal(size=(len(X), 6, 7, 2)), labels


def tabm():
    from skmask import RestrictedClassClassifier
    from skmask.networks import TabM

    return RestrictedClassClassifier(network=TabM((8, 4), n_members=3), epochs=2, random_state=0)


def tabm_of_labels():
    from skmask.networks import TabM

    return multilabel().set_params(network=TabM((8,), n_members=3, adapters="first"))


def convolutional():
    from skmask import RestrictedClassClassifier
    from skmask.networks import Convolutional

    network = Convolutional((4, 3), hidden_layer_sizes=(5,))
    return RestrictedClassClassifier(network=network, epochs=2, random_state=0)


def answers(clf, X, arguments):
    """Return the answers of all methods by name; `costs` go to `predict` only."""
    found = {}
    for method in METHODS:
        if hasattr(clf, method):
            taken = {} if method == "contributions" else dict(arguments)
            if method != "predict":
                taken.pop("costs", None)
            found[method] = getattr(clf, method)(X, **taken)
    return found


def fit(folder):
    """Write each estimator, its rows and its answers."""
    import skops.io

    for name, (clf, X, arguments) in cases().items():
        joblib.dump(clf, folder / f"{name}.joblib")
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(clf))
        skops.io.dump(clf, folder / f"{name}.skops")
        joblib.dump((X, arguments), folder / f"{name}.rows")
        joblib.dump(answers(clf, X, arguments), folder / f"{name}.fitted")


def loaded(folder, name, kind):
    """Return a stored estimator."""
    path = folder / f"{name}.{kind}"
    if kind == "pickle":
        return pickle.loads(path.read_bytes())
    if kind != "skops":
        return joblib.load(path)
    import skops.io

    import skmask

    return skops.io.load(path, trusted=skmask.TRUSTED_TYPES)


def answer(folder, kind):
    """Write the answers of each stored estimator."""
    if kind == "skops":  # its import fails from here on, as where it is not installed
        sys.modules["tensorflow"] = sys.modules["keras"] = None
    for path in sorted(folder.glob("*.rows")):
        X, arguments = joblib.load(path)
        found = answers(loaded(folder, path.stem, kind), X, arguments)
        joblib.dump(found, folder / f"{path.stem}.{kind}.answers")
    check_no_tensorflow()


def store_again(folder):
    """Write an estimator that was just loaded."""
    joblib.dump(loaded(folder, "restricted", "joblib"), folder / "restricted.again")
    check_no_tensorflow()


def refit(folder, kind):
    """Fit a stored estimator to the rows of its fit again, and write its answers."""
    X, labels, mask = restricted_rows()
    clf = loaded(folder, "restricted", kind).fit(X, labels, **mask)
    joblib.dump(answers(clf, X, mask), folder / f"restricted.{kind}.refitted")


def check_no_tensorflow():
    """Raise where TensorFlow or Keras can be imported, or is."""
    for module in ("tensorflow", "keras"):
        try:
            import_module(module)
        except ImportError:
            continue
        raise AssertionError(f"{module} can be imported")
    parts = [name for name, found in sys.modules.items() if found is not None]
    assert not [name for name in parts if name.split(".")[0] in ("tensorflow", "keras")]


if __name__ == "__main__":
    job, folder, *kind = sys.argv[1:]
    jobs = {"fit": fit, "answer": answer, "store_again": store_again, "refit": refit}
    jobs[job](Path(folder), *kind)
