"""Elementwise nonlinearities, and the maximum over pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gankit.errors import ShapeError
from gankit.layers.base import Array, Layer, Layers, Portable, Shape


@dataclass(frozen=True)
class Relu(Layer):
    """max(x, 0); the derivative at exactly 0 is 0."""


@dataclass(frozen=True)
class LeakyRelu(Layer):
    """x if x > 0, otherwise slope * x; the derivative at exactly 0 is the slope."""

    slope: float = 0.2


@dataclass(frozen=True)
class Sigmoid(Layer):
    """1 / (1 + exp(-x)). If a generator ends in it, data is scaled to [0, 1]."""


@dataclass(frozen=True)
class Tanh(Layer):
    """tanh(x). If a generator ends in it, data is scaled to [-1, 1]."""


@dataclass(frozen=True)
class MaxPieces(Portable):
    """The largest of `pieces` groups of channels: (..., pieces * c) -> (..., c). Goodfellow et al. 2013.

    Channel p * c + i of the input is piece p of channel i. After a `Conv` this is a convolutional maxout layer. Ties
    share the gradient.
    """

    pieces: int

    def output_shape(self, shape: Shape) -> Shape:
        if shape[-1] % self.pieces:
            raise ShapeError(f"{self} cannot split {shape[-1]} channels into {self.pieces} pieces.")
        return (*shape[:-1], shape[-1] // self.pieces)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        split = ops.xp.reshape(x, (*x.shape[:-1], self.pieces, x.shape[-1] // self.pieces))
        return ops.xp.max(split, axis=-2)


def output_range(layers: Layers) -> str:
    """The range of a generator's last layer: "unit" for [0, 1], "symmetric" for [-1, 1], otherwise "free"."""
    from gankit.layers.composite import AsCondition
    from gankit.layers.given import KeepKnown
    from gankit.layers.shaping import Flatten, PixelShuffle, Reshape

    kept = Flatten | Reshape | PixelShuffle | KeepKnown  # what is known is in the range already
    activations = [layer for layer in layers if not isinstance(layer, kept)]
    match activations[-1:]:
        case [AsCondition(inner)]:
            return output_range(inner)
        case [Sigmoid()]:
            return "unit"
        case [Tanh()]:
            return "symmetric"
        case _:
            return "free"
