"""From logits to answers: masks, probabilities, cheapest classes, cut-offs. NumPy only."""

from skmask.decisions._costs import cheapest, savings
from skmask.decisions._cutoffs import best_cutoff, with_at_least
from skmask.decisions._softmax import (
    BELOW_ALLOWED,
    decision_values,
    log_softmax,
    restricted,
    softmax,
)

__all__ = [
    "BELOW_ALLOWED",
    "best_cutoff",
    "cheapest",
    "decision_values",
    "log_softmax",
    "restricted",
    "savings",
    "softmax",
    "with_at_least",
]
