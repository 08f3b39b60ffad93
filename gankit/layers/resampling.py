"""Layers without parameters that change the size of images: pooling, upsampling and downsampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gankit.errors import ConfigError, ShapeError
from gankit.layers.base import Array, Portable, Shape, require_image

Method = Literal["nearest", "bilinear"]


@dataclass(frozen=True)
class Upsample(Portable):
    """(h, w, c) -> (h * factor, w * factor, c). Pixel centres are at halves, and borders are repeated."""

    factor: int = 2
    method: Method = "nearest"

    def __post_init__(self) -> None:
        _require_method(self, self.method)

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = require_image(self, shape)
        return (height * self.factor, width * self.factor, channels)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        if self.method == "bilinear":
            return _bilinear(ops, x, *self.output_shape(x.shape[1:])[:2])
        n, height, width, channels = x.shape
        cells = ops.xp.broadcast_to(x[:, :, None, :, None, :], (n, height, self.factor, width, self.factor, channels))
        return ops.xp.reshape(cells, (n, height * self.factor, width * self.factor, channels))


@dataclass(frozen=True)
class Downsample(Portable):
    """(h, w, c) -> (h / factor, w / factor, c): the upper left pixel of each cell, or bilinear at its centre.

    Bilinear by 2 is the mean of each 2 x 2 cell. To average over larger cells, use `AvgPool`.
    """

    factor: int = 2
    method: Method = "bilinear"

    def __post_init__(self) -> None:
        _require_method(self, self.method)

    def output_shape(self, shape: Shape) -> Shape:
        return _divided(self, shape, self.factor)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        if self.method == "nearest":
            return x[:, :: self.factor, :: self.factor, :]
        if self.factor == 2:
            return _cell_means(ops, x, 2)
        return _bilinear(ops, x, x.shape[1] // self.factor, x.shape[2] // self.factor)


@dataclass(frozen=True)
class AvgPool(Portable):
    """The mean of each size x size cell: (h, w, c) -> (h / size, w / size, c)."""

    size: int = 2

    def output_shape(self, shape: Shape) -> Shape:
        return _divided(self, shape, self.size)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return _cell_means(ops, x, self.size)


@dataclass(frozen=True)
class MaxPool(Portable):
    """The maximum of each size x size window, one every `stride` pixels: (h, w, c) -> (h', w', c).

    Windows may overlap. Those at the lower and right border may reach beyond it, so that every pixel counts:
    h' = ceil((h - size) / stride) + 1, as in pylearn2. Ties share the gradient.
    """

    size: int = 2
    stride: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.size:
            raise ConfigError(f"{self}: stride must be from 1 to size, or windows would skip pixels.")

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = require_image(self, shape)
        return (*(max(0, -((self.size - side) // self.stride)) + 1 for side in (height, width)), channels)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        xp, (height, width, _) = ops.xp, self.output_shape(x.shape[1:])
        for axis, count in ((1, height), (2, width)):
            missing = (count - 1) * self.stride + self.size - x.shape[axis]
            if missing > 0:
                beyond = [missing if i == axis else side for i, side in enumerate(x.shape)]
                x = xp.concat([x, xp.astype(ops.asarray(np.full(beyond, -np.inf)), x.dtype)], axis=axis)
            # Rows first, then columns: the maximum of maxima.
            stop = (count - 1) * self.stride + 1
            shifted = [
                x[:, i : i + stop : self.stride] if axis == 1 else x[:, :, i : i + stop : self.stride]
                for i in range(self.size)
            ]
            x = xp.max(xp.stack(shifted), axis=0)
        return x


@dataclass(frozen=True)
class GlobalPool(Portable):
    """The sum, or the mean, over all pixels: (h, w, c) -> (c,)."""

    kind: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.kind not in ("sum", "mean"):
            raise ConfigError(f"{self}: kind is 'sum' or 'mean'.")

    def output_shape(self, shape: Shape) -> Shape:
        return (require_image(self, shape)[2],)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return getattr(ops.xp, self.kind)(x, axis=(1, 2))


def bilinear_weights(n: int, m: int) -> np.ndarray[Any, Any]:
    """(m, n): the weights of n samples in each of m, whose centres lie at halves; beyond the border it repeats."""
    position = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    return np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(n)))


def _bilinear(ops: Any, x: Array, height: int, width: int) -> Array:
    """One matrix product along each axis."""
    xp, (n, h, w, c) = ops.xp, x.shape
    rows, columns = (
        xp.astype(ops.asarray(bilinear_weights(old, new)), x.dtype) for old, new in ((h, height), (w, width))
    )
    x = xp.reshape(xp.matmul(rows, xp.reshape(x, (n, h, w * c))), (n * height, w, c))
    return xp.reshape(xp.matmul(columns, x), (n, height, width, c))


def _cell_means(ops: Any, x: Array, size: int) -> Array:
    # Sums of shifted pictures: for torch a mean over axes of length 2 is the slower way, and for JAX no faster one.
    cells = [x[:, i::size, j::size, :] for i in range(size) for j in range(size)]
    return sum(cells[1:], cells[0]) / size**2


def _divided(layer: Any, shape: Shape, factor: int) -> Shape:
    height, width, channels = require_image(layer, shape)
    if height % factor or width % factor:
        raise ShapeError(f"{layer} cannot divide an image of {height}x{width} by {factor}.")
    return (height // factor, width // factor, channels)


def _require_method(layer: Any, method: str) -> None:
    if method not in ("nearest", "bilinear"):
        raise ConfigError(f"{layer}: method is 'nearest' or 'bilinear'.")
