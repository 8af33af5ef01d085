"""Tags of Debian packages: text as a sparse matrix of 40,000 columns, some 260 tags.

Features are TF-IDF of words and pairs of words in the name, the fields and the short description
of a package; labels are the debtags that at least 40 packages have. Three quarters of the packages
to learn from. Each contender is fitted once, in a process of its own. Compared are CPU time and
memory of the fit, its imports and the data not counted: those of the same network of scikit-learn
and of skmask, with the same batches and epochs, and those of a linear model for each tag and of a
linear network with tuned thresholds. Optimizer, learning rate, epochs and the share held out for
thresholds of the latter were chosen on the last quarter of the packages to learn from (README.md).

Run: python benchmarks/debtags.py [FILE]

FILE holds what `apt-cache dumpavail` prints. Without it that command is run, after `apt-get
update`. Where there is no apt, download and unpack the file `dists/bookworm/main/binary-amd64/
Packages.xz` of a mirror of Debian.
"""

import json
import os
import re
import resource
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _compare import write
from scipy import sparse

N_WORDS = 40_000
LEAST_PACKAGES = 40
EPOCHS, BATCH_SIZE, UNITS = 8, 200, 100
FIELDS = ("Package", "Section", "Maintainer", "Depends", "Description")
CPU_GOAL, MEMORY_GOAL = 0.5, 1.5
# Of tuned thresholds: micro-F1 and macro-F1 at least, and CPU time of the linear models at most.
MICRO_GOAL, MACRO_GOAL, TUNED_CPU_GOAL = 0.736, 0.436, 5
# Labels with fewer positives to judge by may be predicted nowhere.
FEW_POSITIVES = 10


# The data.


def packages(text):
    """Return a dict of fields for each package that has tags, by name."""
    found = {}
    for paragraph in re.split(r"\n\n+", text):
        fields = dict(re.findall(r"(?ms)^([\w-]+): ?(.*?)(?=^[\w-]+:|\Z)", paragraph))
        if "Tag" in fields:
            found[fields["Package"].strip()] = fields
    return list(found.values())


def load(text):
    """Return features, a CSR matrix of float32, and labels (n, n_tags), in random order."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import MultiLabelBinarizer

    found = packages(text)
    tags = [{tag.strip() for tag in fields["Tag"].split(",")} for fields in found]
    counts = Counter(tag for each in tags for tag in each)
    frequent = {tag for tag, n in counts.items() if n >= LEAST_PACKAGES}
    kept = [k for k, each in enumerate(tags) if each & frequent]
    kept = [kept[k] for k in np.random.default_rng(0).permutation(len(kept))]
    texts = [" ".join(found[k].get(field, "") for field in FIELDS) for k in kept]
    words = TfidfVectorizer(
        ngram_range=(1, 2), max_features=N_WORDS, sublinear_tf=True, dtype=np.float32
    )
    return words.fit_transform(texts), MultiLabelBinarizer().fit_transform(
        [tags[k] & frequent for k in kept]
    )


# The contenders, which import what they need.


def multilayer_perceptron():
    """Return scikit-learn's network, as it comes but for the epochs."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((UNITS,), batch_size=BATCH_SIZE, max_iter=EPOCHS, random_state=0)


def ours():
    """Return the same network of skmask."""
    import skmask.engine.tensorflow  # noqa: F401  before the clock starts
    from skmask import WeightedMultilabelClassifier

    return WeightedMultilabelClassifier(
        (UNITS,), pos_weight=None, batch_size=BATCH_SIZE, epochs=EPOCHS, random_state=0
    )


def ours_tuned():
    """Return a linear network of skmask with thresholds for a large micro-F1 and macro-F1.

    The loss is a mean over 262 tags and a batch, most entries of which are 0: hence the step size.
    """
    import skmask.engine.tensorflow  # noqa: F401  before the clock starts
    from skmask import WeightedMultilabelClassifier

    return WeightedMultilabelClassifier(
        (),
        pos_weight=None,
        optimizer="sgd",
        learning_rate=2e4,
        batch_size=BATCH_SIZE,
        epochs=20,
        threshold="tuned",
        validation_fraction=0.2,
        random_state=0,
    )


def one_versus_rest():
    """Return a linear model for each tag."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.multiclass import OneVsRestClassifier

    return OneVsRestClassifier(SGDClassifier(loss="log_loss", alpha=1e-6, random_state=0))


CONTENDERS = {
    "MLPClassifier": multilayer_perceptron,
    "skmask": ours,
    "SGDClassifier for each tag": one_versus_rest,
    "skmask linear, tuned": ours_tuned,
}


def used():
    """Return CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory(kind):
    """Return memory of this process in GB (Linux), "VmRSS" for now or "VmHWM" for the peak.

    Not `ru_maxrss`, which counts the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+) kB", status)[1]) * 1024 / 1e9


def measure(name, folder):
    """Fit one contender to the data in a folder; return its row of the table."""
    from sklearn.metrics import f1_score

    X = sparse.csr_matrix(sparse.load_npz(f"{folder}/X.npz"))
    Y = np.load(f"{folder}/Y.npy")
    model = CONTENDERS[name]()
    n_train = X.shape[0] * 3 // 4
    seconds, before = used(), memory("VmRSS")
    model.fit(X[:n_train], Y[:n_train])
    seconds, peak = used() - seconds, memory("VmHWM")
    predicted = model.predict(X[n_train:])
    scores = {
        f"{kind}-F1": f1_score(Y[n_train:], predicted, average=kind, zero_division=0)
        for kind in ("micro", "macro")
    }
    is_lost = ~predicted.any(axis=0) & (Y[n_train:].sum(axis=0) >= FEW_POSITIVES)
    scores["never predicted"] = int(is_lost.sum())
    taken = {"CPU seconds": seconds, "GB": peak - before, "GB in all": peak}
    return {"contender": name, **scores, **taken}


def measured_apart(name, folder):
    """Measure one contender in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, folder]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Print the table."""
    if sys.argv[1:2] == ["--measure"]:
        warnings.simplefilter("ignore")
        print(json.dumps(measure(*sys.argv[2:])))
        return
    if len(sys.argv) > 1:
        text = Path(sys.argv[1]).read_text()
    else:
        text = subprocess.run(
            ["apt-cache", "dumpavail"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    X, Y = load(text)
    print(f"{X.shape[0]} packages, {X.shape[1]} words, {X.nnz} numbers, {Y.shape[1]} tags.\n")
    with TemporaryDirectory() as folder:
        sparse.save_npz(f"{folder}/X.npz", X)
        np.save(f"{folder}/Y.npy", Y)
        rows = [measured_apart(name, folder) for name in CONTENDERS]
    print("| " + " | ".join(rows[0]) + " |")
    print("|---" * len(rows[0]) + "|")
    for row in rows:
        name, *numbers = row.values()
        print(f"| {name} | " + " | ".join(f"{number:.3g}" for number in numbers) + " |")
    peer, mine, linear, tuned = rows
    for what, goal in (("CPU seconds", CPU_GOAL), ("GB", MEMORY_GOAL)):
        ratio = mine[what] / peer[what]
        verdict = "reached" if ratio <= goal else "missed"
        print(f"\n{what}: {ratio:.2f} of MLPClassifier's, at most {goal}: {verdict}.")
    ratio = tuned["CPU seconds"] / linear["CPU seconds"]
    is_reached = (
        tuned["micro-F1"] >= MICRO_GOAL
        and tuned["macro-F1"] >= MACRO_GOAL
        and ratio <= TUNED_CPU_GOAL
        and not tuned["never predicted"]
    )
    print(
        f"\nTuned: micro-F1 {tuned['micro-F1']:.3f} of {MICRO_GOAL}, macro-F1 "
        f"{tuned['macro-F1']:.3f} of {MACRO_GOAL}, CPU time {ratio:.1f} of at most "
        f"{TUNED_CPU_GOAL} times that of linear models, {tuned['never predicted']} tags with "
        f"{FEW_POSITIVES} positives never predicted: {'reached' if is_reached else 'missed'}."
    )
    write("debtags", rows)


if __name__ == "__main__":
    main()
