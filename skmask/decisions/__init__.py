"""From logits to answers: masks, probabilities, cheapest classes, cut-offs. NumPy only."""

from skmask.decisions._candidates import best_candidates, candidate_softmax
from skmask.decisions._costs import cheapest
from skmask.decisions._cutoffs import best_cutoff, with_at_least
from skmask.decisions._softmax import decision_values, log_softmax, restricted, softmax

__all__ = [
    "best_candidates",
    "best_cutoff",
    "candidate_softmax",
    "cheapest",
    "decision_values",
    "log_softmax",
    "restricted",
    "softmax",
    "with_at_least",
]
