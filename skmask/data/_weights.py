"""."""
from skmask.data._validation import (  # noqa: F401
    check_class_weight,
    check_sample_weight,
    check_entry_weight,
    check_by_label,
)
