"""TensorFlow and Keras: imported without chatter, with the threads granted, and fork-safe."""

import gc
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from skmask.engine.tensorflow._xla_cache import requested_directory, use_store

# What TensorFlow's C++ side prints before its logging is set up (and so before any setting
# can silence it): a banner and lines such as "I0000 00:00:17 port.cc:153] ..." or, in 2.20,
# "2026-01-01 00:00:00.1: E cuda_platform.cc:51] ...".
_CHATTER = re.compile(
    rb"WARNING: All log messages before absl"
    rb"|[IWE]\d{4} [\d:.]+ "
    rb"|\d{4}-\d\d-\d\d [\d:.]+: [IWE] "
)
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


_is_held = threading.Lock()


@contextmanager
def _errors_only() -> Iterator[None]:
    """TensorFlow reads its log level once, at import: give it one for that moment."""
    os.environ[_LOG_LEVEL] = "2"
    try:
        yield
    finally:
        del os.environ[_LOG_LEVEL]


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back stderr; give back every line that is not TensorFlow's start-up chatter.

    Does nothing where the user has set TensorFlow's log level, or while another thread is in
    here.
    """
    if _LOG_LEVEL in os.environ or not _is_held.acquire(blocking=False):
        yield
        return
    try:
        with _stderr_held():
            yield
    finally:
        _is_held.release()


@contextmanager
def _stderr_held() -> Iterator[None]:
    try:
        sys.stderr.flush()
        stderr = os.dup(2)
    except (AttributeError, OSError):  # no stderr to speak of: pythonw, a closed descriptor
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            kept = [line for line in held if line.strip() and not _CHATTER.match(line)]
            if kept:
                os.write(2, b"".join(kept))


@contextmanager
def _collected_once() -> Iterator[None]:
    """Collect garbage once at the end, not while hundreds of thousands of objects are made.

    Saves about a third of a second of TensorFlow's import, and another fifth of the first fit.
    Does nothing where the user has switched the collector off.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.collect()
    finally:
        gc.enable()


_cache_directory = requested_directory()

with _collected_once():
    if _LOG_LEVEL in os.environ:  # the user has asked to see something: show it
        import keras
        import tensorflow as tf
    else:
        with without_chatter(), _errors_only():
            import keras
            import tensorflow as tf

# The private names of TensorFlow that the engine uses, once it is there quietly.
from tensorflow.core.protobuf.config_pb2 import CallableOptions  # noqa: E402
from tensorflow.python.client import pywrap_tf_session  # noqa: E402
from tensorflow.python.framework import func_graph  # noqa: E402
from tensorflow.python.framework.ops import gradient_registry  # noqa: E402
from tensorflow.python.ops.resource_variable_ops import BaseResourceVariable  # noqa: E402

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "The Keras backend must be 'tensorflow' for skmask's estimators; got "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow (or unset it) before "
        "Python starts."
    )


# What it returns is of no interest: it is the first to read the flags.
use_store(_cache_directory, tf.__version__, pywrap_tf_session.TF_GetXlaConstantFoldingDisabled)


def _take_granted_threads() -> None:
    """Use no more threads than joblib granted to this worker.

    joblib tells its workers through the variable that OpenMP reads, which TensorFlow's own
    thread pools do not. Settings made before, and an initialised TensorFlow, are left alone.
    """
    granted = os.environ.get("OMP_NUM_THREADS", "")
    settings = tf.config.threading
    if not granted.isdigit() or settings.get_intra_op_parallelism_threads():
        return
    with suppress(RuntimeError):
        settings.set_intra_op_parallelism_threads(int(granted))
        settings.set_inter_op_parallelism_threads(int(granted))


with without_chatter():  # TensorFlow looks for devices on the way
    _take_granted_threads()

_used_in: int | None = None


def _run_a_session() -> None:
    with tf.Graph().as_default() as graph:
        nothing = tf.constant(0)
    with tf.compat.v1.Session(graph=graph) as session:
        session.run(nothing)


def note_use() -> None:
    """Call before TensorFlow computes: raise where it would hang.

    A fork copies TensorFlow's memory but not its threads, so that the first computation in the
    child waits for ever.
    """
    global _used_in
    if _used_in is None:
        _used_in = os.getpid()
        with without_chatter():  # about the devices that are not there, and of the first session
            tf.constant(0)
            _run_a_session()
    elif _used_in != os.getpid():
        raise RuntimeError(
            "skmask must not be used in a process forked after TensorFlow was at work; got a "
            f"fork of process {_used_in}. Start workers with the method 'spawn' or "
            "'forkserver', or use joblib's default backend 'loky'."
        )


@contextmanager
def failures_named() -> Iterator[None]:
    """Raise an error of ours where TensorFlow fails at the work of a network."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(
            "network must fit into memory with the rows of a batch, or of a prediction; it does "
            "not. Make it smaller, or give fewer rows at once."
        ) from error
    except tf.errors.OpError as error:
        raise ValueError(
            "X must hold what network can compute with; got rows for which it fails, as an "
            "Embedding does for an index beyond its input_dim. Correct X or network."
        ) from error


__all__ = [
    "BaseResourceVariable",
    "CallableOptions",
    "failures_named",
    "func_graph",
    "gradient_registry",
    "keras",
    "note_use",
    "tf",
    "without_chatter",
]
