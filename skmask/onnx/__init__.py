"""Fitted classifiers as ONNX models, which run without Python, skmask and Keras."""

from importlib import import_module
from typing import Any

__all__ = ["register", "to_onnx"]


def to_onnx(estimator: Any, X: Any, *, allowed: Any = None) -> Any:
    """Return a fitted classifier as an ONNX model.

    Parameters
    ----------
    estimator : skmask classifier, or Pipeline that ends in one
        Fitted. The transformers of a pipeline are written by skl2onnx; samplers of
        imbalanced-learn, which predictions pass by, are left out.
    X : array-like of shape (n_samples, n_features) or (n_samples, n_steps, n_features), or images
        Rows like those to come, which are checked as in `predict`: the model takes input of this
        type, with this number of features, for any number of rows and steps; images of this size.
    allowed : mask as in `predict`, "all", or None, default=None
        A mask of the rows of X makes a mask like it the second input of the model, `allowed`,
        an array of bool of shape (n_samples, n_classes), or for a mask by step
        (n_samples, n_steps, n_classes), for labels (n_samples, n_labels). One of shape
        (n_classes,) becomes part of the model.
        "all": no mask. None: an input if the fit had a mask that is not in columns of X.

    Returns
    -------
    onnx.ModelProto
        Its inputs are "X", or what skl2onnx makes of the columns of a DataFrame in a pipeline,
        and "allowed". Its outputs are "label" and "probabilities", as `predict` and
        `predict_proba` return them; probabilities are float32 if X is, and labels are strings,
        bool, int64 or float64.

    Raises
    ------
    ImportError
        If skl2onnx is not installed, or tf2onnx for a network of one's own.
    ValueError
        If a decision needs the costs of each row, for `threshold="sample_f1"`, for labels that
        ONNX does not have (dates, and integers beyond int64), for a network of one's own for
        sequences, or of layers that tf2onnx does not write, for a kernel of one's own, and for
        rows and masks that `predict` refuses.

    Notes
    -----
    The columns of the input `allowed` are in the order of the parameter `classes`, or sorted
    where it is None; for labels in that of `label_names_`. A model checks nothing: where a mask
    allows no class the probabilities are NaN, and a step is padding where all its features are
    NaN or `mask_value`, wherever it stands.

    Networks of :mod:`skmask.networks` are written without TensorFlow, a network of one's own by
    Keras and tf2onnx, which know most of Keras' layers, but not all. ONNX Runtime computes some
    of them, convolutions and recurrent layers, in float32 only: fit with `dtype="float32"`.
    Blocks of :class:`skmask.networks.Convolutional` are written in float32 after any fit.

    Parameters that are read at prediction, as `decision` and `min_labels`, hold as they are now.

    Examples
    --------
    >>> from onnxruntime import InferenceSession
    >>> from skmask import RestrictedClassClassifier
    >>> from skmask.datasets import make_restricted_classification
    >>> from skmask.onnx import to_onnx
    >>> X, y, allowed = make_restricted_classification(60, 5, 4, 2, random_state=0)
    >>> clf = RestrictedClassClassifier((8,), epochs=2, random_state=0)
    >>> model = to_onnx(clf.fit(X, y, allowed=allowed), X)
    >>> session = InferenceSession(model.SerializeToString())
    >>> labels, proba = session.run(None, {"X": X, "allowed": allowed})
    >>> bool((labels == clf.predict(X, allowed=allowed)).all())
    True
    """
    return _converters().model_of(estimator, X, allowed)


def register() -> None:
    """Let skl2onnx write the classifiers, alone and as steps of pipelines.

    Afterwards `skl2onnx.to_onnx(pipeline, X)` works. Its models take X alone: for a classifier
    whose mask is not in columns of X use :func:`to_onnx`. Its outputs are "label" and
    "probabilities", arrays both, as with the option `zipmap=False`; with the option
    `raw_scores=True` the second holds the values of `decision_function`, a column for each class.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> import skmask.onnx
    >>> skmask.onnx.register()
    """
    _converters().register_converters()


def _converters() -> Any:
    try:
        import_module("onnx")
        import_module("skl2onnx")
    except ImportError as error:
        raise ImportError(
            "skl2onnx must be installed to write ONNX; got none. "
            'Install it with `pip install "skmask[onnx]"`.'
        ) from error
    return import_module("skmask.onnx._convert")
