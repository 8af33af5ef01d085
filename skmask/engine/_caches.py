"""All that is kept from fit to fit: bounded, for any number of threads, dropped by one call."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

__all__ = ["Pool", "Values", "clear_caches"]

_caches: WeakSet[Any] = WeakSet()


def clear_caches() -> None:
    """Close and drop everything that the engine keeps from fit to fit.

    Programs at work in other threads are left alone and kept afterwards. Predictors made before
    keep working: they compile their function anew.
    """
    for cache in list(_caches):
        cache.clear()


class Pool:
    """Idle programs by key, lent to one borrower at a time, the longest unused closed first.

    Parameters
    ----------
    capacity : int
        The most idle programs kept.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._idle: OrderedDict[int, tuple[Hashable, Any]] = OrderedDict()
        self._n_returned = 0
        self._lock = threading.Lock()
        _caches.add(self)

    def __len__(self) -> int:
        return len(self._idle)

    @contextmanager
    def lend(self, key: Hashable, make: Callable[[], Any]) -> Iterator[Any]:
        """Lend an idle program of this key, or a new one; keep it afterwards.

        Programs of the key None are closed after use. So are those whose borrower raises.
        """
        program = self._take(key)
        if program is None:
            program = make()
        try:
            yield program
        except BaseException:
            program.close()
            raise
        if key is None:
            program.close()
        else:
            self._keep(key, program)

    def clear(self) -> None:
        """Close every idle program."""
        with self._lock:
            dropped = [program for _, program in self._idle.values()]
            self._idle.clear()
        for program in dropped:
            program.close()

    def _take(self, key: Hashable) -> Any:
        with self._lock:
            for ticket, (its_key, _) in reversed(self._idle.items()):
                if its_key == key:
                    return self._idle.pop(ticket)[1]
        return None

    def _keep(self, key: Hashable, program: Any) -> None:
        dropped = []
        with self._lock:
            self._n_returned += 1
            self._idle[self._n_returned] = (key, program)
            while len(self._idle) > self.capacity:
                dropped.append(self._idle.popitem(last=False)[1][1])
        for each in dropped:
            each.close()


class Values:
    """Values by key, shared by all who ask, the longest unused dropped first.

    A value that is dropped stays usable for those who hold it. `clear` closes values that have
    a method `close`.

    Parameters
    ----------
    capacity : int
        The most values kept.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()
        _caches.add(self)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the value of a key, made if it is not there.

        Threads that ask for a new key at the same time may each make it, not under a lock: making
        may ask for another key. All get the value that was kept first.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            value = self._kept.setdefault(key, made)
            while len(self._kept) > self.capacity:
                self._kept.popitem(last=False)
        return value

    def clear(self) -> None:
        """Drop every value, and close those that can be closed."""
        with self._lock:
            dropped = list(self._kept.values())
            self._kept.clear()
        for value in dropped:
            if hasattr(value, "close"):
                value.close()
