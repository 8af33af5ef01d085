"""Keras losses: pure functions, and a serialisable class around each."""

from skmask.nn.losses._costs import (
    CostWeightedCrossentropy,
    ExpectedCost,
    cost_weighted_crossentropy,
    expected_cost,
)
from skmask.nn.losses._labels import (
    AsymmetricLoss,
    FocalLoss,
    WeightedBinaryCrossentropy,
    asymmetric_loss,
    focal_loss,
    weighted_binary_crossentropy,
)
from skmask.nn.losses._sequences import MaskedCrossentropy, masked_crossentropy
from skmask.nn.losses._softmax import RestrictedCrossentropy, restricted_crossentropy

__all__ = [
    "AsymmetricLoss",
    "CostWeightedCrossentropy",
    "ExpectedCost",
    "FocalLoss",
    "MaskedCrossentropy",
    "RestrictedCrossentropy",
    "WeightedBinaryCrossentropy",
    "asymmetric_loss",
    "cost_weighted_crossentropy",
    "expected_cost",
    "focal_loss",
    "masked_crossentropy",
    "restricted_crossentropy",
    "weighted_binary_crossentropy",
]
