"""Networks as data: parameters, shapes of weights, and the forward pass in NumPy."""

from skmask.networks._base import ACTIVATIONS, Network, Signature, Weight, layer_sizes
from skmask.networks._convolutional import NORM_EPSILON, Convolutional
from skmask.networks._mlp import MLP
from skmask.networks._prototype_sums import (
    DISTANCE_AT_MOST,
    EXPONENT_AT_MOST,
    KERNELS,
    PrototypeSums,
    is_product_safe,
    kernel_values,
)
from skmask.networks._recurrent import CELLS, EncoderDecoder, Recurrent
from skmask.networks._tabm import TabM

__all__ = [
    "ACTIVATIONS",
    "CELLS",
    "DISTANCE_AT_MOST",
    "EXPONENT_AT_MOST",
    "KERNELS",
    "MLP",
    "NORM_EPSILON",
    "Convolutional",
    "EncoderDecoder",
    "Network",
    "PrototypeSums",
    "Recurrent",
    "Signature",
    "TabM",
    "Weight",
    "is_product_safe",
    "kernel_values",
    "layer_sizes",
]
