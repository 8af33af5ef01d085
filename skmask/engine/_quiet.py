"""TensorFlow and Keras, imported without their start-up chatter."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# What TensorFlow's C++ side prints before its logging is set up (and so before any
# setting can silence it): a banner and lines such as "I0000 00:00:17 port.cc:153] ...".
_CHATTER = re.compile(rb"^(WARNING: All log messages before absl|[IWE]\d{4} [\d:.]+ )")
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextmanager
def _errors_only() -> Iterator[None]:
    """TensorFlow reads its log level once, at import: give it one for that moment."""
    os.environ[_LOG_LEVEL] = "2"
    try:
        yield
    finally:
        del os.environ[_LOG_LEVEL]


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back stderr; give back every line that is not start-up chatter."""
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


if _LOG_LEVEL in os.environ:  # the user has asked to see something: show it
    import keras
    import tensorflow as tf
else:
    with _errors_only(), _without_chatter():
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")  # complains here, once, where there is none

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "The Keras backend must be 'tensorflow' for skmask's estimators; got "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow (or unset it) before "
        "Python starts."
    )

__all__ = ["keras", "tf"]
