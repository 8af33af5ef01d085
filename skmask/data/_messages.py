"""Parts that error messages share."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["first_rows", "naming", "quote", "shown"]

_N_SHOWN = 5
_LENGTH_SHOWN = 60


def shown(value: Any) -> str:
    """Return a value as a message shows it, cut where it is long."""
    try:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    except ValueError:  # Python refuses to write integers of more than 4300 digits
        return f"an integer of {int(value).bit_length()} bits"
    return text if len(text) <= _LENGTH_SHOWN else text[: _LENGTH_SHOWN - 3] + "..."


def quote(values: Iterable[Any]) -> str:
    """Return at most five values as a message shows them."""
    values = list(values)
    more = f", ... ({len(values)} in all)" if len(values) > _N_SHOWN else ""
    return "[" + ", ".join(map(shown, values[:_N_SHOWN])) + more + "]"


def first_rows(rows: np.ndarray) -> str:
    """Return at most five row numbers as a message shows them."""
    few = ", ".join(str(row) for row in rows[:_N_SHOWN])
    more = f" and {len(rows) - _N_SHOWN} more" if len(rows) > _N_SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {few}{more}"


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Put the name of an argument before messages of other libraries that do not say it."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        said = rf"(?<!['\"])\b{argument}\b(?!['\"])"  # in quotes it is a value
        if isinstance(error, kind) and re.search(said, str(error)):
            raise
        raise kind(f"{argument}: {error}") from error
