"""."""
from skmask.data._validation import (  # noqa: F401
    check_allowed,
    check_labels_allowed,
    is_of_labels,
)
