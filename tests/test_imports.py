"""Which module may import which, and what importing the package brings along."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "skmask"
STANDARD = set(sys.stdlib_module_names)
# scikit-learn depends on the last two.
NUMERIC = {"numpy", "scipy", "sklearn", "joblib", "threadpoolctl"}
# A module may import what stands here for its longest prefix, and the standard library.
MAY_IMPORT = {
    "skmask": {"skmask._version"},
    "skmask._version": set(),
    "skmask.data": NUMERIC | {"narwhals", "skmask.data"},
    "skmask.networks": NUMERIC | {"skmask.networks"},
    "skmask.decisions": NUMERIC | {"skmask.decisions"},
    "skmask.metrics": NUMERIC | {"skmask.data", "skmask.metrics"},
    "skmask.datasets": NUMERIC | {"skmask.data"},
    "skmask.nn": {"keras", "skmask.networks", "skmask.nn"},
    "skmask.engine": NUMERIC | {"skmask.engine", "skmask.networks"},
    "skmask.engine.tensorflow": NUMERIC
    | {"keras", "tensorflow", "skmask.engine", "skmask.networks", "skmask.nn"},
    "skmask.estimators": NUMERIC
    | {
        "skmask._version",
        "skmask.data",
        "skmask.decisions",
        "skmask.engine",
        "skmask.estimators",
        "skmask.metrics",
        "skmask.networks",
    },
    "skmask.onnx": NUMERIC
    | {
        "onnx",
        "skl2onnx",
        "skmask._version",
        "skmask.data",
        "skmask.decisions",
        "skmask.estimators",
        "skmask.networks",
        "skmask.onnx",
    },
    "skmask.onnx._own": {
        "keras",
        "numpy",
        "onnx",
        "skmask.data",
        "skmask.engine",
        "skmask.onnx",
    },
}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


def is_within(name, prefix):
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value))
def test_imports_of_a_module_go_one_way(module, path):
    rule = max((prefix for prefix in MAY_IMPORT if is_within(module, prefix)), key=len)
    assert module == "skmask" or rule != "skmask", f"say in MAY_IMPORT what {module} may import"
    wrong = [
        name
        for name in imports(path)
        if name.split(".")[0] not in STANDARD
        and not any(is_within(name, allowed) for allowed in MAY_IMPORT[rule])
    ]
    assert wrong == []


def test_importing_the_package_imports_no_tensorflow():
    code = (
        "import sys, skmask, skmask.datasets, skmask.metrics, skmask.networks;"
        "from sklearn.base import clone;"
        "from skmask import CostSensitiveClassifier, MaskedSequenceClassifier;"
        "from skmask import PrototypeClassifier, RestrictedClassClassifier;"
        "from skmask import WeightedMultilabelClassifier as W; repr(clone(W(network=None)));"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_and_fitting_prints_nothing_and_leaves_the_environment(tmp_path):
    code = """
import os, random, numpy as np
before = dict(os.environ)
from skmask import RestrictedClassClassifier
import skmask.engine.tensorflow  # quietly, where `import keras` is not quiet
import keras
random.seed(3); stream = random.getstate()
np.random.seed(3); numpy_stream = np.random.get_state()[1].tolist()
settings = keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon()
X = np.random.default_rng(0).normal(size=(600, 3))
def network(inputs, n_outputs):
    return keras.layers.Dense(n_outputs)(keras.layers.Dropout(0.5)(inputs))
for made in (None, network):
    clf = RestrictedClassClassifier(epochs=2, network=made, random_state=0)
    clf.fit(X, X[:, 0] > 0).predict(X)
assert {name: os.environ.get(name) for name in before} == before
assert 'TF_CPP_MIN_LOG_LEVEL' not in os.environ  # TensorFlow itself adds others
assert random.getstate() == stream
assert np.random.get_state()[1].tolist() == numpy_stream
assert settings == (
    keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon()
)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_enabled", [True, False])
def test_importing_tensorflow_leaves_the_garbage_collector_as_it_was(is_enabled):
    code = (
        f"import gc; gc.enable() if {is_enabled} else gc.disable();"
        "import skmask.engine.tensorflow; print(gc.isenabled(), gc.get_freeze_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(is_enabled), "0"]


def test_public_names_are_all_there():
    import skmask

    assert all(hasattr(skmask, name) for name in skmask.__all__)
    assert set(skmask.__all__) <= set(dir(skmask))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = skmask.nothing


def test_oldest_versions_tested_are_the_oldest_allowed():
    import tomllib

    def bounds(lines, sign):
        pairs = (line.split(sign) for line in lines if sign in line)
        return {name.strip(): version.strip() for name, version in pairs}

    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    allowed = bounds(project["dependencies"], ">=")
    tested = bounds((ROOT.parent / ".ci" / "oldest.txt").read_text().splitlines(), "==")
    for name, version in allowed.items():  # 1.9 is 1.9.0
        assert (tested[name] + ".0").startswith(version + ".")
