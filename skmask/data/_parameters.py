"""Constraints of constructor parameters."""

from numbers import Integral

import numpy as np

from skmask.data._sklearn import AnyInterval

__all__ = ["Interval"]

_LARGEST_INTEGER = 2**31 - 1


class Interval(AnyInterval):
    """scikit-learn's, of numbers that a machine can hold: True is none, nor is 10**400."""

    def __init__(self, type, left, right, *, closed):
        if type is Integral and right is None:
            right, closed = _LARGEST_INTEGER, "both" if closed == "left" else closed
        super().__init__(type, left, right, closed=closed)

    def is_satisfied_by(self, val):
        """Say whether a value of a parameter is legal."""
        if isinstance(val, bool | np.bool_ | np.timedelta64):
            return False
        try:
            return super().is_satisfied_by(val) and bool(np.isfinite(float(val)))
        except OverflowError:
            return False
