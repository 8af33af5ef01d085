"""."""
from skmask.data._validation import (  # noqa: F401
    check_cost_matrix,
    check_costs,
    check_not_negative,
    costs_of_truth,
)
