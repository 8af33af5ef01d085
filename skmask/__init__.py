"""scikit-learn estimators around Keras networks for labels about which something is known.

Names are resolved when they are first used: importing skmask imports neither Keras nor
TensorFlow.
"""

from importlib import import_module
from typing import Any

from skmask._version import __version__

_HOMES = {
    "CostSensitiveClassifier": "skmask.estimators._cost_sensitive",
    "DivergenceError": "skmask.engine",
    "MaskedSequenceClassifier": "skmask.estimators._sequence",
    "PrototypeClassifier": "skmask.estimators._prototype",
    "RestrictedClassClassifier": "skmask.estimators._restricted",
    "WeightedMultilabelClassifier": "skmask.estimators._multilabel",
}
# For `skops.io.load(file, trusted=skmask.TRUSTED_TYPES)`: what a stored estimator consists of, a
# function or a model of the user's own aside.
TRUSTED_TYPES = (
    "skmask.estimators._cost_sensitive.CostSensitiveClassifier",
    "skmask.estimators._multilabel.WeightedMultilabelClassifier",
    "skmask.estimators._prototype.PrototypeClassifier",
    "skmask.estimators._restricted.RestrictedClassClassifier",
    "skmask.estimators._sequence.MaskedSequenceClassifier",
    "skmask.networks._convolutional.Convolutional",
    "skmask.networks._mlp.MLP",
    "skmask.networks._prototype_sums.PrototypeSums",
    "skmask.networks._recurrent.EncoderDecoder",
    "skmask.networks._recurrent.Recurrent",
    "skmask.networks._tabm.TabM",
)

_MODULES = ("datasets", "metrics", "networks", "nn", "onnx")

__all__ = [
    "TRUSTED_TYPES",
    "CostSensitiveClassifier",
    "DivergenceError",
    "MaskedSequenceClassifier",
    "PrototypeClassifier",
    "RestrictedClassClassifier",
    "WeightedMultilabelClassifier",
    "__version__",
    "datasets",
    "metrics",
    "networks",
    "nn",
    "onnx",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"skmask.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'skmask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
