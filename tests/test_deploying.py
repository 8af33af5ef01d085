"""The page on deploying: its blocks run, and the service that it shows answers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import joblib
import numpy as np
import pytest

import skmask
from skmask import CostSensitiveClassifier
from skmask.datasets import make_restricted_classification

ROOT = Path(skmask.__file__).parents[1]
SERVICE = ROOT / "examples" / "serve.py"
BLOCKS = re.findall(
    r"^```(python|sh)\n((?!>>>).*?)^```$", (ROOT / "docs" / "deploying.md").read_text(), re.S | re.M
)
SCRIPTS = [text for kind, text in BLOCKS if kind == "python"]
FIT, *OTHERS = SCRIPTS
# What the other one installs is used by test_without_tensorflow.py.
(START,) = (text for kind, text in BLOCKS if kind == "sh" and "uvicorn" in text)
(CLIENT,) = (text for text in OTHERS if "urlopen" in text)


def environment(*paths):
    """Return the environment of a user who works in another folder."""
    binaries = [str(Path(sys.executable).parent), os.environ["PATH"]]
    return {
        **os.environ,
        "PATH": os.pathsep.join(binaries),
        "PYTHONPATH": os.pathsep.join(map(str, [*paths, ROOT])),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def run_script(text, folder):
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the first block of the page leaves, and the service."""
    folder = tmp_path_factory.mktemp("deploying")
    run_script(FIT, folder)
    shutil.copy(SERVICE, folder)
    return folder


@pytest.fixture(scope="module")
def without_tensorflow(tmp_path_factory):
    """A path that keeps processes from importing TensorFlow and Keras."""
    path = tmp_path_factory.mktemp("without_tensorflow")
    text = "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n"
    (path / "sitecustomize.py").write_text(text)
    return path


@pytest.fixture(scope="module")
def address(folder, without_tensorflow):
    """The address of the running service."""
    with running(START, folder, without_tensorflow) as address:
        yield address


@contextmanager
def running(command, folder, without_tensorflow):
    """Start the service, on a port that is free, and give its address."""
    assert "--port 8000" in command
    log = folder / "log.txt"
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["bash", "-c", command.replace("--port 8000", "--port 0")],
            cwd=folder,
            env=environment(without_tensorflow),
            stderr=stream,
            stdout=stream,
            start_new_session=True,
        )
    try:
        yield announced_address(process, log)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def announced_address(process, log):
    while not (found := re.search(r"running on (http://[\d.:]+)", log.read_text())):
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(log.read_text())
    return found[1]


def ask(address, body):
    """Return the status and the answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    request = Request(f"{address}/predict", text.encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    "number", [i for i, text in enumerate(SCRIPTS) if text not in (FIT, CLIENT)]
)
def test_block_of_the_page_runs(folder, number):
    run_script(SCRIPTS[number], folder)


def test_client_of_the_page_runs(folder, address):
    run_script(CLIENT.replace("http://127.0.0.1:8000", address), folder)


def test_page_shows_the_service_as_it_is():
    assert SERVICE.read_text() in SCRIPTS


def test_service_runs_where_tensorflow_cannot_be_imported(folder, without_tensorflow, address):
    done = subprocess.run(
        [sys.executable, "-c", "import tensorflow"],
        env=environment(without_tensorflow),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ModuleNotFoundError" in done.stderr
    assert ask(address, {"X": [[0.0] * 20], "allowed": [[1, 1, 1, 1]]})[0] == 200


def test_service_answers_as_the_estimator_does(folder, address):
    X, _, allowed = make_restricted_classification(300, n_classes=4, n_allowed=2, random_state=0)
    clf = joblib.load(folder / "model.joblib")
    status, answer = ask(address, {"X": X.tolist(), "allowed": allowed.tolist()})
    assert status == 200
    assert answer["labels"] == clf.predict(X, allowed=allowed).tolist()
    np.testing.assert_allclose(
        answer["probabilities"], clf.predict_proba(X, allowed=allowed), rtol=1e-6
    )
    assert (np.array(answer["probabilities"])[~allowed] == 0).all()


def test_service_answers_with_the_cheapest_class(without_tensorflow, tmp_path):
    X, y, _ = make_restricted_classification(100, n_classes=4, n_allowed=2, random_state=0)
    cost_matrix = np.ones((4, 4)) - np.eye(4)
    cost_matrix[:, 0] /= 10  # class 0 is nearly always cheapest
    clf = CostSensitiveClassifier((8,), cost_matrix=cost_matrix, epochs=5, random_state=0)
    clf.set_params(loss="crossentropy").fit(X, y)
    shutil.copy(SERVICE, tmp_path)
    joblib.dump(clf, tmp_path / "model.joblib")
    with running(START, tmp_path, without_tensorflow) as address:
        status, answer = ask(address, {"X": X.tolist()})
    assert status == 200
    assert answer["labels"] == clf.predict(X).tolist()
    assert (np.argmax(answer["probabilities"], axis=1) != answer["labels"]).any()


ROW, ALL = [0.0] * 20, [True] * 4


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"X": [ROW]}, "allowed must be given for prediction"),
        ({"X": [ROW], "allowed": [[False] * 4]}, "allowed must leave every row at least one"),
        ({"X": [ROW], "allowed": [[True] * 3]}, "allowed must have shape"),
        ({"X": [ROW, ROW], "allowed": [ALL]}, "allowed must have shape"),
        ({"X": [[0.0]], "allowed": [ALL]}, "X has 1 features"),
        ({"X": [ROW, [0.0]], "allowed": [ALL, ALL]}, "inhomogeneous"),
        ({"X": [], "allowed": []}, "Expected 2D array"),
        ({"X": [[float("nan"), *ROW[1:]]], "allowed": [ALL]}, "Input X contains NaN"),
        ({"X": [[1e300, *ROW[1:]]], "allowed": [ALL]}, "Input X contains infinity or a value"),
        ({"X": float("nan")}, "body.X"),
        ({"X": [ROW], "allowed": [[2, 1, 1, 1]]}, "body.allowed"),
        ({"allowed": [ALL]}, "body.X: Field required"),
        ('{"X": [', "JSON"),
    ],
)
def test_bad_request_is_answered_by_422_with_the_message(address, body, message):
    status, answer = ask(address, body)
    assert status == 422
    assert message in answer["detail"]
