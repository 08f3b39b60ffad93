"""Convolutions on images (height, width, channels)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gankit.errors import ConfigError, ShapeError
from gankit.layers.base import Layer, Parameter, Shape, require_image
from gankit.layers.dense import affine
from gankit.parts.initializers import Constant, HeNormal, Initializer


@dataclass(frozen=True)
class Conv(Layer):
    """Cross-correlation with a square kernel and zero padding: (h, w, in) -> (h', w', features).

    h' = (h + 2 padding - size) // stride + 1. kernel (size, size, in / groups, features), bias (features,).

    padding: rows and columns of zeros on every side; by default (size - 1) // 2, which keeps h and w at stride 1 when
        the size is odd, and halves them at stride 2 when they are even.
    groups: splits the input and output channels into so many independent groups.
    """

    features: int
    size: int = 3
    stride: int = 1
    padding: int | None = None
    groups: int = 1
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Constant(0.0)

    def __post_init__(self) -> None:
        _require_window(self, self.size, self.stride, self.pad)
        if self.groups < 1:
            raise ConfigError(f"{self}: groups must be 1 or more.")

    @property
    def pad(self) -> int:
        """The padding, settled."""
        return (self.size - 1) // 2 if self.padding is None else self.padding

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = require_image(self, shape)
        if channels % self.groups or self.features % self.groups:
            raise ConfigError(
                f"{self}: {channels} and {self.features} channels do not split into {self.groups} groups."
            )
        if min(height, width) + 2 * self.pad < self.size:
            raise ShapeError(f"{self} does not fit into an image of {height}x{width}, padded by {self.pad}.")
        return (*((side + 2 * self.pad - self.size) // self.stride + 1 for side in (height, width)), self.features)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return affine((self.size, self.size, shape[2] // self.groups, self.features), self.kernel, self.bias)


@dataclass(frozen=True)
class ConvTranspose(Layer):
    """The transpose of a convolution: each input pixel adds kernel-shaped patches. (h, w, in) -> (h', w', features).

    h' = (h - 1) stride + size - 2 padding; size 4, stride 2 and padding 1 double h. kernel (size, size, in,
    features): entry (i, j) goes to row y * stride + i - padding and column x * stride + j - padding. bias (features,).

    padding: by default (size - stride) // 2, which multiplies h and w by the stride when size - stride is even.
    """

    features: int
    size: int = 4
    stride: int = 2
    padding: int | None = None
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Constant(0.0)

    def __post_init__(self) -> None:
        _require_window(self, self.size, self.stride, self.pad)

    @property
    def pad(self) -> int:
        """The padding, settled."""
        return max(0, self.size - self.stride) // 2 if self.padding is None else self.padding

    def output_shape(self, shape: Shape) -> Shape:
        height, width, _ = require_image(self, shape)
        out = tuple((side - 1) * self.stride + self.size - 2 * self.pad for side in (height, width))
        if min(out) < 1:
            raise ShapeError(f"{self} leaves nothing of an image of {height}x{width}.")
        return (*out, self.features)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return affine((self.size, self.size, shape[2], self.features), self.kernel, self.bias)


def _require_window(layer: Layer, size: int, stride: int, padding: int) -> None:
    if size < 1 or stride < 1 or padding < 0:
        raise ConfigError(f"{layer}: size and stride must be 1 or more, padding 0 or more.")
