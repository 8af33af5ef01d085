"""to_onnx and register: models from estimators and pipelines, converters for skl2onnx."""

from typing import Any

import numpy as np
import onnx
import skl2onnx
from onnx import helper
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

import skmask
from skmask.estimators import record_of
from skmask.onnx._decisions import answers_of, check_can_be_exported, label_type, takes_allowed
from skmask.onnx._graph import Graph

__all__ = ["register", "to_onnx"]

_OPSET = 18  # the newest that is the same in the oldest versions allowed
_ESTIMATORS = (
    "CostSensitiveClassifier",
    "MaskedSequenceClassifier",
    "PrototypeClassifier",
    "RestrictedClassClassifier",
    "WeightedMultilabelClassifier",
)


def to_onnx(estimator: Any, X: Any, *, allowed: Any = None, target_opset: int = _OPSET) -> Any:
    """Return an ONNX model of a fitted estimator, or of a pipeline that ends in one.

    The model has the inputs "X" and, for an estimator fitted with a mask, "allowed"; the outputs
    "label" and "probabilities". Probabilities of classes that are not allowed are exactly 0, and no
    decision lands on them. Input is not checked in the model: each row must allow a class.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted. Its network must be one of `skmask.networks`. Steps before it are converted by
        skl2onnx.
    X : array-like of shape (n_samples, n_features) or (n_samples, n_steps, n_features)
        A few rows: their type, float32 or float64, is that of the input; their number, and the
        number of steps, are left open.
    allowed : array-like of shape (n_samples, n_classes) or (n_samples, n_steps, n_classes), \
            default=None
        A few rows of the mask, needed after a fit with one. Their type, bool or a
        number type, is that of the input. Columns are in the order of the estimator's `allowed`.
        "all" leaves the restriction out.
    target_opset : int, default=18
        Version of ONNX's operators, 14 at least.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ValueError, TypeError
        For an estimator that cannot be exported, and for a mask that is missing.

    See Also
    --------
    register : for `skl2onnx.to_onnx`.

    Examples
    --------
    >>> from skmask import RestrictedClassClassifier
    >>> from skmask.datasets import make_restricted_classification
    >>> from skmask.onnx import to_onnx
    >>> X, y, allowed = make_restricted_classification(random_state=0)
    >>> clf = RestrictedClassClassifier(epochs=2, random_state=0).fit(X, y, allowed=allowed)
    >>> model = to_onnx(clf, X[:1], allowed=allowed[:1])
    >>> [each.name for each in model.graph.input], [each.name for each in model.graph.output]
    (['X', 'allowed'], ['label', 'probabilities'])
    """
    if not isinstance(estimator, Pipeline):
        return _model(estimator, np.asarray(X), allowed, target_opset)
    last = estimator[-1]
    before = estimator[:-1]
    if not len(before):
        return _model(last, np.asarray(X), allowed, target_opset)
    first = skl2onnx.to_onnx(before, np.asarray(X), target_opset=target_opset)
    second = _model(last, np.asarray(before.transform(X)), allowed, target_opset, x="features")
    second.ir_version = first.ir_version
    return onnx.compose.merge_models(
        first, second, io_map=[(first.graph.output[0].name, "features")]
    )


def _model(estimator: Any, X: np.ndarray, allowed: Any, opset: int, *, x: str = "X") -> Any:
    """Return the model of an estimator alone, its rows called `x`."""
    _check_is_ours(estimator)
    check_is_fitted(estimator)
    check_can_be_exported(estimator)
    fit = record_of(estimator)
    g = Graph(opset, fit.dtype)
    dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(np.float32)
    inputs = [_info(x, dtype, [None] * X.ndim if X.ndim > 2 else [None, *X.shape[1:]])]
    mask, rank = None, 2
    if takes_allowed(estimator) and not (isinstance(allowed, str) and allowed == "all"):
        if allowed is None:
            raise ValueError(
                "allowed must be given for an estimator fitted with a mask; got None. Pass a few "
                "rows of it, or allowed='all' to leave the restriction out."
            )
        example = np.asarray(allowed)
        rank, n_classes = example.ndim, len(fit["classes_"])
        if rank not in (2, 3) or example.shape[-1] != n_classes:
            raise ValueError(
                "allowed must have a column for each of the "
                f"{n_classes} classes, and a row for each of X; got shape {example.shape}. Pass "
                "a few rows of the mask."
            )
        inputs.append(_info("allowed", example.dtype, [None] * (rank - 1) + [n_classes]))
        mask = g.cast("allowed", np.bool_)
    label, proba = answers_of(g, estimator, g.cast(x, g.dtype), mask, rank)
    return _finished(g, estimator, inputs, label, proba)


def _check_is_ours(estimator: Any) -> None:
    kinds = tuple(getattr(skmask, name) for name in _ESTIMATORS)
    if not isinstance(estimator, kinds):
        raise TypeError(
            "estimator must be one of skmask's, or a Pipeline that ends in one; got "
            f"{type(estimator).__name__}. Use skl2onnx for others."
        )


def _info(name: str, dtype: Any, shape: list[int | None]) -> Any:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape)


def _finished(g: Graph, estimator: Any, inputs: list[Any], label: str, proba: str) -> Any:
    """Return a model with the outputs by their names."""
    fit = record_of(estimator)
    g.nodes.append(helper.make_node("Identity", [label], ["label"]))
    g.nodes.append(helper.make_node("Identity", [proba], ["probabilities"]))
    steps = fit.signature.steps
    by_step = [] if steps is None else [None if steps == "each" else steps]
    of_labels = [len(fit["label_names_"])] if label_is_matrix(estimator) else []
    kind = np.dtype(object) if label_type(estimator) is str else np.dtype(np.int64)
    outputs = [
        _info("label", kind, [None, *by_step, *of_labels]),
        _info("probabilities", g.dtype, [None, *by_step, _n_columns(estimator)]),
    ]
    graph = helper.make_graph(g.nodes, "skmask", inputs, outputs, g.constants)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", g.opset)],
        producer_name="skmask",
        producer_version=skmask.__version__,
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def label_is_matrix(estimator: Any) -> bool:
    """Say whether an estimator predicts a 0 or 1 for each label."""
    return record_of(estimator).values.get("is_one_vs_rest") is False


def _n_columns(estimator: Any) -> int:
    """Return the number of columns of the probabilities."""
    fit = record_of(estimator)
    return len(fit["label_names_"] if label_is_matrix(estimator) else fit["classes_"])


# Converters for skl2onnx.


def register() -> None:
    """Register the estimators with skl2onnx, so that `skl2onnx.to_onnx(pipeline, X)` takes them.

    For estimators that predict from X alone: fitted without a mask, or with `allowed_columns`. For
    a mask of its own use `skmask.onnx.to_onnx`. Probabilities come as one array (no ZipMap).

    Examples
    --------
    >>> import skl2onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import skmask.onnx
    >>> from skmask import CostSensitiveClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> pipe = make_pipeline(StandardScaler(), CostSensitiveClassifier(epochs=2)).fit(X, y)
    >>> skmask.onnx.register()
    >>> model = skl2onnx.to_onnx(pipe, X[:1])
    >>> [each.name for each in model.graph.output]
    ['label', 'probabilities']
    """
    for name in _ESTIMATORS:
        skl2onnx.update_registered_converter(
            getattr(skmask, name), f"Skmask{name}", _shapes, _convert, parser=_parse
        )


def _parse(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> list[Any]:
    operator = scope.declare_local_operator(f"Skmask{type(model).__name__}", model)
    operator.inputs.extend(inputs)
    for name in ("label", "probabilities"):
        operator.outputs.append(scope.declare_local_variable(name, FloatTensorType()))
    return operator.outputs


def _shapes(operator: Any) -> None:
    estimator = operator.raw_operator
    of_labels = [len(record_of(estimator)["label_names_"])] if label_is_matrix(estimator) else []
    kind = StringTensorType if label_type(estimator) is str else Int64TensorType
    is_double = isinstance(operator.inputs[0].type, DoubleTensorType)
    floats = DoubleTensorType if is_double else FloatTensorType
    operator.outputs[0].type = kind([None, *of_labels])
    operator.outputs[1].type = floats([None, _n_columns(estimator)])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    check_can_be_exported(estimator)
    if takes_allowed(estimator):
        raise ValueError(
            "allowed must stand in columns of X (allowed_columns) for skl2onnx, which hands over X "
            "only; got an estimator fitted with the argument. Use skmask.onnx.to_onnx."
        )
    g = Graph(container.target_opset, record_of(estimator).dtype)
    g.prefix = scope.get_unique_operator_name("skmask")
    x = g.cast(operator.inputs[0].full_name, g.dtype)
    label, proba = answers_of(g, estimator, x, None, 2)
    is_double = isinstance(operator.outputs[1].type, DoubleTensorType)
    proba = g.cast(proba, np.float64 if is_double else np.float32)
    for found, wanted in zip((label, proba), operator.outputs, strict=True):
        g.nodes.append(helper.make_node("Identity", [found], [wanted.full_name], g.name()))
    container.initializers.extend(g.constants)
    for node in g.nodes:
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        container.add_node(
            node.op_type,
            list(node.input),
            list(node.output),
            op_version=g.opset,
            name=node.name,
            **attributes,
        )
