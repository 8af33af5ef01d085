"""Stored estimators answer where neither TensorFlow nor Keras is installed, or imported."""

import os
import re
import shlex
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pytest

from skmask import RestrictedClassClassifier

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_name("stored_models.py")
PAGE = (ROOT / "docs" / "deploying.md").read_text()
(INSTALL,) = re.findall(r"^```sh\n(pip .*?)^```$", PAGE, re.S | re.M)
INSTALLED = ("numpy", "scipy", "scikit-learn")
NAMES = (
    "restricted", "cost_sensitive", "actions", "multilabel", "prototypes", "tagger",
    "encoder_decoder", "convolutional", "tabm", "tabm_of_labels",
)  # fmt: skip


def run_python(python, *arguments, path=""):
    """Run a script with one thread in BLAS, so that sums are taken in the same order."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_here(*arguments):
    """Run a script with the interpreter of the tests, where TensorFlow is installed."""
    return run_python(sys.executable, *arguments, path=str(ROOT))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stored estimators, with what they answer in the process that fitted them."""
    folder = tmp_path_factory.mktemp("stored")
    run_here(SCRIPT, "fit", folder)
    return folder


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """An interpreter with what the page on deploying installs, in the versions of this one."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    commands = INSTALL.replace("pip install", f"{python} -m pip install --quiet")
    commands = commands.replace("--no-deps skmask", f"--no-deps {shlex.quote(str(ROOT))}")
    for name in INSTALLED:
        commands = commands.replace(f" {name}", f" {name}=={version(name)}")
    subprocess.run(["bash", "-euc", commands], check=True)
    return python


@pytest.fixture(scope="module")
def answered(folder, bare_python):
    """Say that the answers of the stored models are in the folder."""
    run_python(bare_python, SCRIPT, "answer", folder, "joblib")
    run_python(bare_python, SCRIPT, "answer", folder, "pickle")
    run_here(SCRIPT, "answer", folder, "skops")  # where TensorFlow cannot be imported


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    for method, values in expected.items():
        assert found[method].dtype == values.dtype
        assert found[method].shape == values.shape
        assert found[method].tobytes() == values.tobytes(), method


@pytest.mark.parametrize("kind", ["joblib", "pickle", "skops"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("answered")
def test_stored_model_answers_alike_without_tensorflow(folder, name, kind):
    found = joblib.load(folder / f"{name}.{kind}.answers")
    assert_same_bits(found, joblib.load(folder / f"{name}.fitted"))


def test_answering_imports_no_package_that_scikit_learn_does_not(folder):
    code = """
import sys
from pathlib import Path
import joblib, sklearn.callback, sklearn.neural_network
before = set(sys.modules)
sys.path.insert(0, sys.argv[2])
from stored_models import answers
for path in Path(sys.argv[1]).glob("*.rows"):
    answers(joblib.load(path.with_suffix(".joblib")), *joblib.load(path))
imported = {name.split(".")[0] for name in set(sys.modules) - before}
imported -= {name.split(".")[0] for name in before}
print(sorted(imported - sys.stdlib_module_names), "tensorflow" in sys.modules)
"""
    assert run_here("-c", code, folder, SCRIPT.parent) == "['skmask', 'stored_models'] False\n"


def test_stored_cases_use_masks_thresholds_and_padding(folder):
    answers = {name: joblib.load(folder / f"{name}.fitted") for name in NAMES}
    for name in ("restricted", "cost_sensitive", "prototypes"):
        _, arguments = joblib.load(folder / f"{name}.rows")
        assert (answers[name]["predict_proba"][~arguments["allowed"]] == 0).all()
    assert len(np.unique(joblib.load(folder / "multilabel.joblib").thresholds_)) > 1
    assert np.isnan(answers["tagger"]["predict_proba"]).any()
    assert "contributions" in answers["prototypes"]


def test_model_of_a_newer_format_is_refused(restricted):
    state = restricted.__getstate__()
    known = state["fitted"]["format"]
    state["fitted"] |= {"format": known + 1, "skmask_version": "9.8.7"}
    message = (
        rf"format {known} or older; got format {known + 1}, written by skmask 9\.8\.7\. Update"
    )
    with pytest.raises(ValueError, match=message):
        RestrictedClassClassifier().__setstate__(state)


def test_parameters_of_keras_are_plain_where_keras_is_not_installed(folder, bare_python):
    code = """
import sys, joblib
from sklearn.base import clone
clf = joblib.load(sys.argv[1])
assert clf.callbacks is None
assert clf.optimizer["class_name"].lower() == "adam"
assert "optimizer" in repr(clone(clf))
"""
    run_python(bare_python, "-c", code, folder / "restricted.joblib")


@pytest.mark.parametrize("kind", ["joblib", "pickle", "skops"])
def test_stored_model_with_parameters_of_keras_can_be_fitted_again(folder, kind):
    run_here(SCRIPT, "refit", folder, kind)
    found = joblib.load(folder / f"restricted.{kind}.refitted")
    assert_same_bits(found, joblib.load(folder / "restricted.fitted"))


def test_model_stored_where_keras_is_not_installed_can_be_fitted_again(folder, bare_python):
    run_python(bare_python, SCRIPT, "store_again", folder)
    run_here(SCRIPT, "refit", folder, "again")
    found = joblib.load(folder / "restricted.again.refitted")
    assert_same_bits(found, joblib.load(folder / "restricted.fitted"))
