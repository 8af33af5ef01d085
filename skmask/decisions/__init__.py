"""From logits to answers: masks, probabilities, cheapest classes, cut-offs. NumPy only."""

from skmask.decisions._candidates import best_candidates, candidate_softmax
from skmask.decisions._costs import cheapest, savings
from skmask.decisions._cutoffs import (
    macro_f1_cutoffs,
    micro_f1_cutoffs,
    micro_macro_cutoffs,
    over_resamples,
    precision_cutoffs,
    recall_cutoffs,
    with_at_least,
)
from skmask.decisions._label_sets import f1_sets, with_at_most
from skmask.decisions._softmax import (
    BELOW_ALLOWED,
    decision_values,
    log_softmax,
    restricted,
    softmax,
)

__all__ = [
    "BELOW_ALLOWED",
    "best_candidates",
    "candidate_softmax",
    "cheapest",
    "decision_values",
    "f1_sets",
    "log_softmax",
    "macro_f1_cutoffs",
    "micro_f1_cutoffs",
    "micro_macro_cutoffs",
    "over_resamples",
    "precision_cutoffs",
    "recall_cutoffs",
    "restricted",
    "savings",
    "softmax",
    "with_at_least",
    "with_at_most",
]
