"""Keras' settings and seeds as a network of ours has them: its own, in the thread at work only."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from skmask.engine.tensorflow._names import keras

# Imported by name: `import keras.src...` at the top would come before the silenced import.
_config: Any = import_module("keras.src.backend.config")
_global_state: Any = import_module("keras.src.backend.common.global_state")
_seed_generator: Any = import_module("keras.src.random.seed_generator")

_own = threading.local()


class _RandomByThread:
    """Python's `random`, or a generator of its own in a thread that works on a network."""

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_own, "random", random), name)


def _floatx(own: Any, config: Any) -> str:
    return getattr(own, "floatx", None) or config._FLOATX


# Once and for all, so that no other thread ever sees a change. Keras draws the seeds of what is
# unseeded from `random`, by this name in this one place. Its float type is one for all threads,
# and the function that returns it is imported by name all over Keras: it keeps its identity.
_seed_generator.python_random = _RandomByThread()
_config.floatx.__code__ = _floatx.__code__
_config.floatx.__defaults__ = (_own, _config)


@contextmanager
def keras_settings(policy: str, seed: int = 0) -> Iterator[None]:
    """Let Keras, in this thread, work under a dtype policy; leave it as it was.

    Within, the policy and the float type are those of `policy`, whatever is set outside; seeds
    that Keras draws follow from `seed`; and what Keras keeps for the thread, variables that wait
    for their values and a generator of seeds, is dropped at the end.

    Parameters
    ----------
    policy : str, the name of a Keras dtype policy
    seed : int, default=0
    """
    ours = keras.dtype_policies.get(policy)
    within = {"dtype_policy": ours, "global_seed_generator": None, "uninitialized_variables": []}
    before = {name: _global_state.get_global_attribute(name) for name in within}
    own_before = dict(vars(_own))
    try:
        _set(within)
        _own.random, _own.floatx = random.Random(seed), ours.variable_dtype
        yield
    finally:
        _set(before)
        vars(_own).clear()
        vars(_own).update(own_before)


def _set(attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        _global_state.set_global_attribute(name, value)
