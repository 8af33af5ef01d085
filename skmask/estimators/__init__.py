"""The estimators, and how a fit is put together: scikit-learn only."""

from skmask.estimators._record import Fit, record_of

__all__ = ["Fit", "record_of"]
