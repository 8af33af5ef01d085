"""Programs kept from fit to fit."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any


class Pool:
    """Idle things by key, lent to one borrower at a time, the longest unused dropped first.

    Parameters
    ----------
    capacity : int
        The most idle things kept.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._idle: OrderedDict[int, tuple[Hashable, Any]] = OrderedDict()
        self._n_returned = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._idle)

    @contextmanager
    def lend(self, key: Hashable, make: Callable[[], Any]) -> Iterator[Any]:
        """Lend an idle thing of this key, or a new one; keep it afterwards.

        Nothing is kept under the key None, nor what an exception came past: nobody knows what
        state it is in.
        """
        thing = self._take(key)
        if thing is None:
            thing = make()
        yield thing
        if key is not None:
            self._keep(key, thing)

    def clear(self) -> None:
        """Drop everything idle."""
        with self._lock:
            self._idle.clear()

    def _take(self, key: Hashable) -> Any:
        with self._lock:
            for ticket, (its_key, _) in reversed(self._idle.items()):
                if its_key == key:
                    return self._idle.pop(ticket)[1]
        return None

    def _keep(self, key: Hashable, thing: Any) -> None:
        with self._lock:
            self._n_returned += 1
            self._idle[self._n_returned] = (key, thing)
            while len(self._idle) > self.capacity:
                self._idle.popitem(last=False)
