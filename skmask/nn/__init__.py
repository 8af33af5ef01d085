"""Keras building blocks for people with a Keras model of their own."""

from skmask.nn import layers, losses, metrics, networks

__all__ = ["layers", "losses", "metrics", "networks"]
