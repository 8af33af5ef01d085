"""Stored estimators answer where neither TensorFlow nor Keras is installed, or imported."""

import os
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
# With these come joblib, threadpoolctl and narwhals, on which scikit-learn depends.
INSTALLED = ("numpy", "scipy", "scikit-learn")
NAMES = ("restricted", "cost_sensitive", "multilabel", "prototypes", "tagger", "encoder_decoder")


def run_python(python, *arguments):
    """Run a script with one thread in BLAS, so that sums are taken in the same order."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Stored estimators, with what they answer in the process that fitted them."""
    folder = tmp_path_factory.mktemp("stored")
    run_python(sys.executable, SCRIPT, "fit", folder)
    return folder


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """An interpreter without TensorFlow that finds the package in this checkout."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    packages = [f"{name}=={version(name)}" for name in INSTALLED]
    run_python(python, "-m", "pip", "install", "--quiet", *packages)
    return python


@pytest.fixture(scope="module")
def answered_by_joblib(folder, bare_python):
    """Say that the answers of the models stored by joblib are in the folder."""
    run_python(bare_python, SCRIPT, "answer", folder, "joblib")


@pytest.fixture(scope="module")
def answered_by_skops(folder):
    """Say that the answers of the models stored by skops are in the folder."""
    run_python(sys.executable, SCRIPT, "answer", folder, "skops")


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    for method, values in expected.items():
        assert found[method].dtype == values.dtype
        assert found[method].shape == values.shape
        assert found[method].tobytes() == values.tobytes(), method


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("answered_by_joblib")
def test_joblib_model_answers_alike_where_tensorflow_is_not_installed(folder, name):
    found = joblib.load(folder / f"{name}.joblib.answers")
    assert_same_bits(found, joblib.load(folder / f"{name}.fitted"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("answered_by_skops")
def test_skops_model_answers_alike_where_tensorflow_cannot_be_imported(folder, name):
    found = joblib.load(folder / f"{name}.skops.answers")
    assert_same_bits(found, joblib.load(folder / f"{name}.fitted"))


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
    state["fitted"]["format"] += 1
    with pytest.raises(ValueError, match="The stored model must be of format"):
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
