"""Models of classifiers, and converters of skl2onnx for them."""

from itertools import zip_longest
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper
from scipy import sparse
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common import data_types
from sklearn.pipeline import Pipeline, make_pipeline

from skmask._version import __version__
from skmask.data._masks import check_allowed, check_allowed_labels, is_of_labels
from skmask.data._messages import shown
from skmask.data._sequences import as_sequences, shape_of
from skmask.estimators import record_of
from skmask.estimators._cost_sensitive import CostSensitiveClassifier
from skmask.estimators._multilabel import WeightedMultilabelClassifier
from skmask.estimators._prototype import PrototypeClassifier
from skmask.estimators._reading import FLOATS, read_features
from skmask.estimators._restricted import RestrictedClassClassifier
from skmask.estimators._sequence import MaskedSequenceClassifier
from skmask.estimators._sequence_rows import read_step_mask, sequences_to_predict
from skmask.estimators._softmax_rows import needs_mask
from skmask.onnx._answers import answers, shapes
from skmask.onnx._graph import Graph, Tensor, stacked
from skmask.onnx._labels import is_by_label, labels_of

__all__ = ["model_of", "register_converters"]

ESTIMATORS = (
    CostSensitiveClassifier,
    MaskedSequenceClassifier,
    PrototypeClassifier,
    RestrictedClassClassifier,
    WeightedMultilabelClassifier,
)
# Versions that runtimes of recent years know.
_OPSETS = {"": 18, "ai.onnx.ml": 3}
_IR_VERSION = 8

_AXES = ("rows", "steps")
_OUTPUTS = ("label", "probabilities")


# Models with the mask as an input.


def model_of(estimator: Any, X: Any, allowed: Any) -> ModelProto:
    """Return the model that :func:`skmask.onnx.to_onnx` documents."""
    estimator, before = _parted(estimator)
    if not isinstance(estimator, ESTIMATORS):
        raise TypeError(
            "estimator must be a classifier of skmask, or a Pipeline that ends in one; got "
            f"{shown(estimator)}. Convert others with skl2onnx."
        )
    fit = record_of(estimator)
    graph = Graph("skmask", _OPSETS[""])
    rows = make_pipeline(*before).transform(X) if before else X
    is_real = _real_steps(estimator, fit, rows)
    start = _transformed(before, X, graph) if before else _as_passed(X, graph, fit)
    mask, of_mask = _mask(fit, graph, is_real, allowed)
    results = answers(estimator, fit, start.rows, start.n_axes, mask)
    outputs = []
    for value, name, shape in zip(results, _OUTPUTS, shapes(fit), strict=True):
        graph.nodes.append(helper.make_node("Identity", [value.name], [name]))
        outputs.append(_info(name, value.dtype, shape))
    whole = helper.make_graph(
        [*start.nodes, *graph.nodes],
        type(estimator).__name__,
        [*start.inputs, *of_mask],
        outputs,
        [*start.constants, *graph.constants],
    )
    model = helper.make_model(
        whole,
        opset_imports=[helper.make_opsetid(*each) for each in start.opsets.items()],
        ir_version=_IR_VERSION,
        producer_name="skmask",
        producer_version=__version__,
    )
    checker.check_model(model)
    return model


def _parted(estimator: Any) -> tuple[Any, list[Any]]:
    """Return the last step of a pipeline, nested ones unpacked, and the transformers before it."""
    before: list[Any] = []
    while isinstance(estimator, Pipeline):
        before += [step for _, step in estimator.steps[:-1]]
        estimator = estimator.steps[-1][1]
    # Without steps that do nothing, and samplers of imbalanced-learn, which act in a fit only.
    return estimator, [step for step in before if hasattr(step, "transform")]


def _real_steps(estimator: Any, fit: Any, X: Any) -> np.ndarray:
    """Return which outputs are no padding, (n,) or (n, n_steps); raise where `predict` would."""
    if not isinstance(estimator, MaskedSequenceClassifier):
        return np.ones(read_features(estimator, X, fit, FLOATS)[0].shape[0], dtype=bool)
    steps = fit.signature.steps
    is_real = sequences_to_predict(estimator, X, fit).steps.is_real
    return is_real if steps == "each" else np.ones((len(is_real), steps or 1), dtype=bool)


class _Start:
    """The part before the classifier: inputs of the model, and nodes of transformers."""

    def __init__(self, rows: Tensor, n_axes: int, inputs: list[ValueInfoProto]):
        self.rows = rows
        self.n_axes = n_axes
        self.inputs = inputs
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.opsets = {"": _OPSETS[""]}


def _as_passed(X: Any, graph: Graph, fit: Any) -> _Start:
    """Return the input of a classifier that stands alone."""
    is_list = isinstance(X, list | tuple)
    dtype = np.dtype(np.float64)
    if not is_list and np.dtype(_array(X).dtype).kind in "biuf":
        dtype = np.dtype(_array(X).dtype)
    if is_list:  # of sequences, or of rows
        n_axes = 1 + max(np.ndim(each) for each in X)
        n_last = np.shape(X[0])[-1]
    else:
        n_axes, n_last = len(X.shape), X.shape[-1]
    shape = _image_shape(fit) or (*[None] * (n_axes - 1), n_last)
    return _Start(graph.value("X", dtype), n_axes, [_info("X", dtype, shape)])


def _image_shape(fit: Any) -> tuple[Any, ...] | None:
    """Return the shape of X, its number of rows open, where rows are images; None elsewhere."""
    shape = fit.signature.input_shape
    return (None, *shape) if len(shape) > 1 and None not in shape else None


def _array(X: Any) -> Any:
    return X if sparse.issparse(X) else np.asarray(X)


def _transformed(steps: list[Any], X: Any, graph: Graph) -> _Start:
    """Return the outputs of the transformers of a pipeline, which skl2onnx writes."""
    if sparse.issparse(X):
        X = X[:1].toarray()
    elif isinstance(X, list | tuple):
        X = np.asarray(X)
    model = to_onnx(make_pipeline(*steps), X, target_opset=_OPSETS)
    (output,) = model.graph.output
    tensor = output.type.tensor_type
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    start = _Start(graph.value(output.name, dtype), len(tensor.shape.dim), list(model.graph.input))
    start.nodes, start.constants = list(model.graph.node), list(model.graph.initializer)
    start.opsets |= {each.domain: each.version for each in model.opset_import if each.domain}
    return start


def _mask(
    fit: Any, graph: Graph, is_real: np.ndarray, allowed: Any
) -> tuple[Any, list[ValueInfoProto]]:
    """Return the mask as `answers` takes it, and the input of the model that it is.

    Parameters
    ----------
    fit : Fit
    graph : Graph
    is_real : ndarray of bool of shape (n,) or (n, n_steps)
        Which outputs are no padding.
    allowed : mask, as passed
    """
    if allowed is not None and "is_restricted" not in fit.values:
        raise ValueError(
            "allowed must be None for a classifier without masks; got a mask. Leave it out."
        )
    if isinstance(allowed, str) and allowed == "all":
        return "all", []
    if fit.values.get("mask_columns") is not None:
        if allowed is not None:
            raise ValueError(
                "allowed must not be given together with allowed_columns; got both. Drop one of "
                "them."
            )
        return None, []
    if allowed is None and not needs_mask(fit):
        return None, []
    labels, by_step = fit["announced"], fit.signature.steps is not None
    n_axes = 3 if by_step else 2
    if allowed is not None:
        n_axes = _axes_of_mask(allowed, by_step=by_step)
        of_steps = read_step_mask(allowed, is_real, labels) if by_step else None
        if of_steps is not None:
            mask = of_steps.values[:, 0]
        elif is_by_label(fit):
            mask = check_allowed_labels(allowed, n_samples=len(is_real), names=labels)
        else:
            mask = check_allowed(allowed, n_samples=len(is_real), classes=labels)
        if n_axes < 2 and is_by_label(fit):
            return mask[0], []
        if n_axes < 2:  # sorted by class, and `answers` sorts
            return mask[0, np.argsort(np.argsort(labels))], []
    given = graph.value("allowed", bool)
    info = _info("allowed", given.dtype, (*[None] * (n_axes - 1), len(labels)))
    return (given.with_axis(1) if by_step and n_axes == 2 else given), [info]


def _axes_of_mask(allowed: Any, *, by_step: bool) -> int:
    """Return 1 for a mask that holds for all rows, 2 for one by row, 3 for one by step."""
    if is_of_labels(allowed):
        return 2
    sequences = as_sequences(allowed, "allowed") if by_step else None
    if sequences is not None and sequences[0].ndim == 2:
        return 3
    return len(shape_of(allowed, "allowed"))


def _info(name: str, dtype: np.dtype, shape: tuple[Any, ...]) -> ValueInfoProto:
    """Return the description of an input or output, whose open lengths have names."""
    lengths = [
        axis if length is None else length
        for length, axis in zip_longest(shape, _AXES[: len(shape)])
    ]
    return helper.make_tensor_value_info(name, _onnx_type(dtype), lengths)


def _onnx_type(dtype: np.dtype) -> int:
    return TensorProto.STRING if dtype.kind == "O" else helper.np_dtype_to_tensor_dtype(dtype)


# Converters for skl2onnx.


def register_converters() -> None:
    """Tell skl2onnx how the classifiers are written."""
    for kind in ESTIMATORS:
        update_registered_converter(
            kind,
            f"Skmask{kind.__name__}",
            _declare_types,
            _convert,
            parser=_parse,
            # Raw scores are asked for by converters of scikit-learn's classifiers around others.
            options={"zipmap": [False], "raw_scores": [False, True]},
        )


def _parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare the classifier and its two outputs."""
    operator = scope.declare_local_operator(f"Skmask{type(model).__name__}", model)
    operator.inputs = inputs
    for name in _OUTPUTS:
        operator.outputs.append(scope.declare_local_variable(name, data_types.FloatTensorType()))
    return operator.outputs


def _declare_types(operator: Any) -> None:
    """Set types and shapes of the outputs."""
    fit = record_of(operator.raw_operator)
    is_float32 = all(isinstance(each.type, data_types.FloatTensorType) for each in operator.inputs)
    of_proba = np.float32 if is_float32 else np.float64
    types = labels_of(fit).dtype, np.dtype(of_proba)
    for output, dtype, shape in zip(operator.outputs, types, shapes(fit), strict=True):
        output.type = _SKL2ONNX[dtype.name](list(shape))


_SKL2ONNX = {
    "bool": data_types.BooleanTensorType,
    "float32": data_types.FloatTensorType,
    "float64": data_types.DoubleTensorType,
    "int64": data_types.Int64TensorType,
    "object": data_types.StringTensorType,
}


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a classifier to a model of skl2onnx."""
    estimator = operator.raw_operator
    fit = record_of(estimator)
    if needs_mask(fit):
        raise ValueError(
            "allowed must be an input of the model after a fit with a mask; got a model of "
            "skl2onnx, which has X alone. Use skmask.onnx.to_onnx, or fit with allowed_columns."
        )
    _check_shapes(fit, [each.type.shape for each in operator.inputs])
    graph = Graph(scope.get_unique_operator_name("skmask"), container.target_opset)
    inputs = [
        graph.value(each.full_name, helper.tensor_dtype_to_np_dtype(_element_type(each)))
        for each in operator.inputs
    ]
    if len(inputs) > 1:  # one for each column
        widest = np.result_type(*(each.dtype for each in inputs))
        inputs = [stacked([each.cast(widest) for each in inputs], 1)]
    n_axes = len(operator.inputs[0].type.shape)
    options = container.get_options(estimator, {"raw_scores": False})
    are_raw = options["raw_scores"]
    results = answers(estimator, fit, inputs[0], n_axes, None, are_raw=are_raw)
    for value, output in zip(results, operator.outputs, strict=True):
        graph.nodes.append(helper.make_node("Identity", [value.name], [output.full_name]))
    container.initializers.extend(graph.constants)
    container.nodes.extend(graph.nodes)
    container.node_domain_version_pair_sets.add(("", container.target_opset))


def _check_shapes(fit: Any, shapes: list[Any]) -> None:
    """Raise where the inputs, which stand beside each other, are not as X was in the fit."""
    of_image = _image_shape(fit)
    if of_image is not None:
        if [tuple(shape[1:]) for shape in shapes] != [of_image[1:]]:
            raise ValueError(
                f"X must have shape {of_image}, as in the fit; got {shapes}. Pass images, or types "
                "of inputs, like those of the fit."
            )
        return
    lengths = [shape[-1] for shape in shapes]
    if not all(isinstance(length, int) for length in lengths):
        return  # open, and only known when the model runs
    wanted: tuple[Any, ...] = (None, fit.values.get("n_features_in_"))
    if "n_step_features" in fit.values:
        wanted = (None, None, fit["n_step_features"])
    found = (*[None] * (len(shapes[0]) - 1), sum(lengths))
    if found != wanted and (len(found), wanted) != (2, (None, None, 1)):
        raise ValueError(
            f"X must have shape {wanted}, as in the fit; got {found}. Pass rows, or types of "
            "inputs, like those of the fit."
        )


def _element_type(variable: Any) -> int:
    return data_types.guess_proto_type(variable.type)
