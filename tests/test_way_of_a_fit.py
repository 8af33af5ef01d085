"""How a fit runs through the classes: few switches between an estimator and its bases."""

import sys
from pathlib import Path

import numpy as np
import pytest

from skmask import (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)

FEW = {"epochs": 1, "random_state": 0}
ESTIMATORS = {
    "restricted": RestrictedClassClassifier((4,), **FEW),
    "cost_sensitive": CostSensitiveClassifier((4,), **FEW),
    "multilabel": WeightedMultilabelClassifier((4,), **FEW),
    "sequence": MaskedSequenceClassifier(4, **FEW),
    "prototype": PrototypeClassifier(solver="adam", **FEW),
}
BASES = {"_base.py", "_softmax.py"}


@pytest.fixture(params=ESTIMATORS)
def name(request):
    return request.param


def switches_of(work, leaf):
    """Count the calls from methods of an estimator to those of its bases, and back."""
    sides = {leaf: "leaf", **dict.fromkeys(BASES, "base")}
    switches = []

    def side_of(frame):
        path = Path(frame.f_code.co_filename)
        is_method = "self" in frame.f_code.co_varnames[: frame.f_code.co_argcount]
        in_estimators = path.parent.name == "estimators"
        return sides.get(path.name) if in_estimators and is_method else None

    def note(frame, event, argument):
        if event != "call" or frame.f_code.co_name.startswith("__"):
            return
        side, caller = side_of(frame), frame.f_back
        while side and caller and not side_of(caller):
            caller = caller.f_back
        if side and caller and side_of(caller) != side:
            switches.append((caller.f_code.co_name, frame.f_code.co_name))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return switches


@pytest.mark.filterwarnings("ignore:The labels")
def test_fit_switches_four_times_between_estimator_and_base_at_most(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    if name == "sequence":
        X = rng.normal(size=(40, 5, 3))
    y = np.arange(40) % 3
    clf = ESTIMATORS[name]
    switches = switches_of(lambda: clf.fit(X, y), f"_{name}.py")
    assert len(switches) <= 4, switches


def test_estimator_overrides_its_two_hooks_and_public_methods_only(name):
    kind = type(ESTIMATORS[name])
    own = {method for method, value in vars(kind).items() if callable(value)}
    inherited = {method for base in kind.__mro__[1:] for method in vars(base)}
    private = {method for method in own & inherited if method.startswith("_")}
    assert private <= {"__init__", "__sklearn_tags__", "_parts", "_read", "_scores"}
