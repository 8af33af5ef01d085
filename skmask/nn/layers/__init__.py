"""Keras layers: restricted logits, members, prototypes, and sequences with padding."""

from skmask.nn.layers._members import (
    MemberDense,
    MemberDropout,
    MemberHeads,
    MemberMean,
    MemberScale,
)
from skmask.nn.layers._prototypes import GroupSum, PrototypeKernel, elementwise_kernel
from skmask.nn.layers._restrict import RestrictLogits, restrict_logits
from skmask.nn.layers._sequences import MaskedGRU, MaskedLSTM, StepMasking, real_steps

__all__ = [
    "GroupSum",
    "MaskedGRU",
    "MaskedLSTM",
    "MemberDense",
    "MemberDropout",
    "MemberHeads",
    "MemberMean",
    "MemberScale",
    "PrototypeKernel",
    "RestrictLogits",
    "StepMasking",
    "elementwise_kernel",
    "real_steps",
    "restrict_logits",
]
