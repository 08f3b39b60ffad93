"""Layers that rearrange their input, `Bias`, and `Features`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gankit.errors import ShapeError
from gankit.layers.base import Array, Parameter, Portable, Shape, require_image, size_of
from gankit.parts.initializers import Constant, Initializer


@dataclass(frozen=True)
class Flatten(Portable):
    """(a, b, ...) -> (a * b * ...,), in row-major order."""

    def output_shape(self, shape: Shape) -> Shape:
        return (size_of(shape),)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return ops.xp.reshape(x, (x.shape[0], size_of(x.shape[1:])))


@dataclass(frozen=True)
class Reshape(Portable):
    """Any shape with the same number of entries -> `shape`, in row-major order."""

    shape: Shape

    def output_shape(self, shape: Shape) -> Shape:
        if size_of(shape) != size_of(self.shape):
            raise ShapeError(
                f"{self} cannot follow an output of shape {shape}: "
                f"{size_of(shape)} entries cannot become {size_of(self.shape)}."
            )
        return tuple(self.shape)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return ops.xp.reshape(x, (x.shape[0], *self.shape))


@dataclass(frozen=True)
class PixelShuffle(Portable):
    """Sub-pixel upsampling: (h, w, c * f * f) -> (h * f, w * f, c). Shi et al. 2016.

    Channel (i * f + j) * c + k of the input is channel k of the pixel in row i and column j of each f x f cell.
    """

    factor: int = 2

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = require_image(self, shape)
        if channels % self.factor**2:
            raise ShapeError(f"{self} needs a multiple of {self.factor**2} channels, got {channels}.")
        return (height * self.factor, width * self.factor, channels // self.factor**2)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        n, height, width, channels = x.shape
        f, c = self.factor, channels // self.factor**2
        cells = ops.xp.permute_dims(ops.xp.reshape(x, (n, height, width, f, f, c)), (0, 1, 3, 2, 4, 5))
        return ops.xp.reshape(cells, (n, height * f, width * f, c))


@dataclass(frozen=True)
class ReflectionPad(Portable):
    """Mirrors the image at its border: (h, w, c) -> (h + 2 size, w + 2 size, c). The border pixels themselves are not
    repeated: ..., 2, 1, [0, 1, 2, ...

    Use it in front of a convolution with `padding=0`: zero padding makes the rim dark, this does not.
    """

    size: int = 1

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = require_image(self, shape)
        if not 0 < self.size < min(height, width):
            raise ShapeError(
                f"{self} mirrors {self.size} pixels at each border, so the image must be larger than that; this one is "
                f"{height}x{width}. size must be 1 or more."
            )
        return (height + 2 * self.size, width + 2 * self.size, channels)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        for axis in (1, 2):
            lines = [x[:, i : i + 1] if axis == 1 else x[:, :, i : i + 1] for i in range(x.shape[axis])]
            before, after = lines[self.size : 0 : -1], lines[-2 : -2 - self.size : -1]
            x = ops.xp.concat([*before, x, *after], axis=axis)
        return x


@dataclass(frozen=True)
class Bias(Portable):
    """Adds an array with the shape of an example: an untied bias. bias (*shape)."""

    bias: Initializer = Constant(0.0)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return {"bias": Parameter(shape, self.bias)}

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return x + params["bias"]


@dataclass(frozen=True)
class Features(Portable):
    """The identity. D returns its input beside the logits, as `Scores.features`, for losses that match features."""

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return x
