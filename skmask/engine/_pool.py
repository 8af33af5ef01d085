"""Programs kept from fit to fit."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any


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
