"""."""
from skmask.data._validation import (  # noqa: F401
    Interval,
)
