"""Metric functions and scorers in scikit-learn's style."""

from skmask.metrics._cost_curve import CostCurve, cost_curve
from skmask.metrics._costs import make_cost_scorer, mean_cost, savings_score
from skmask.metrics._labels import make_multilabel_scorer, multilabel_score
from skmask.metrics._routing import routed_scorer
from skmask.metrics._sequences import make_sequence_scorer, sequence_accuracy, step_accuracy

__all__ = [
    "CostCurve",
    "cost_curve",
    "make_cost_scorer",
    "make_multilabel_scorer",
    "make_sequence_scorer",
    "mean_cost",
    "multilabel_score",
    "routed_scorer",
    "savings_score",
    "sequence_accuracy",
    "step_accuracy",
]
