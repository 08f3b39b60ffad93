"""Normalisation of activations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gankit.errors import ConfigError, ShapeError
from gankit.layers.base import Array, Layer, Parameter, Portable, Shape
from gankit.parts.initializers import Constant, Initializer


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Scales each channel to mean 0 and variance 1 over the batch and all pixels. Ioffe & Szegedy 2015.

    (..., c) -> (..., c); scale (c,), bias (c,); buffers mean (c,), var (c,). Training uses the statistics of the batch,
    with divisor n for the variance. Evaluation uses running statistics. A training pass changes these to
    momentum * old + (1 - momentum) * new, where the new variance has divisor n - 1, as in PyTorch.

    scale, bias: None for none, for example in front of `LabelAffine`.
    """

    momentum: float = 0.9
    eps: float = 1e-5
    scale: Initializer | None = Constant(1.0)
    bias: Initializer | None = Constant(0.0)

    def __post_init__(self) -> None:
        if (self.scale is None) != (self.bias is None):
            raise ConfigError("BatchNorm: give both scale and bias, or None for both.")

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return scale_and_bias(shape[-1], self.scale, self.bias)

    def buffers(self, shape: Shape) -> Mapping[str, Parameter]:
        return {"mean": Parameter(shape[-1:], Constant(0.0)), "var": Parameter(shape[-1:], Constant(1.0))}

    @property
    def mixes_samples(self) -> bool:
        return True


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Scales each example to mean 0 and variance 1 over all its entries. Ba et al. 2016; in D, Gulrajani et al. 2017.

    (..., c) -> (..., c); scale (c,) and bias (c,), one per channel.
    """

    eps: float = 1e-5
    scale: Initializer = Constant(1.0)
    bias: Initializer = Constant(0.0)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return scale_and_bias(shape[-1], self.scale, self.bias)


@dataclass(frozen=True)
class InstanceNorm(Portable):
    """Scales each channel of each example to mean 0 and variance 1 over its pixels. Ulyanov et al. 2016.

    (..., c) -> (..., c) with one or more axes before c, as in images and series; scale (c,), bias (c,). The variance
    has divisor n. It removes the contrast of an image, so it suits image translation.

    scale, bias: None for none, as in Zhu et al. 2017, and in front of a layer that modulates.
    """

    eps: float = 1e-5
    scale: Initializer | None = Constant(1.0)
    bias: Initializer | None = Constant(0.0)

    def __post_init__(self) -> None:
        if (self.scale is None) != (self.bias is None):
            raise ConfigError("InstanceNorm: give both scale and bias, or None for both.")

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape[:-1]) < 2:
            raise ShapeError(
                f"InstanceNorm needs two or more values per channel in an example, got shape {shape}. One value would "
                "always become 0. Put it where the image is larger, or leave it out."
            )
        return shape

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return scale_and_bias(shape[-1], self.scale, self.bias)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        xp, pixels = ops.xp, tuple(range(1, x.ndim - 1))
        centred = x - xp.mean(x, axis=pixels, keepdims=True)
        normal = centred / xp.sqrt(xp.mean(centred * centred, axis=pixels, keepdims=True) + self.eps)
        return normal if self.scale is None else normal * params["scale"] + params["bias"]


def require_several(values: int) -> int:
    """How many values a channel has in a batch. Raises ShapeError if there is only one, which has no variance.

    Backends call this for `BatchNorm` in training.
    """
    if values < 2:
        raise ShapeError(
            "In training BatchNorm needs two or more values per channel, but it got one example of one pixel. Use a "
            "larger batch_size, or a smaller accumulate."
        )
    return values


def scale_and_bias(channels: int, scale: Initializer | None, bias: Initializer | None) -> dict[str, Parameter]:
    """The affine part of a normalisation, as far as it has one."""
    both = {"scale": scale, "bias": bias}
    return {name: Parameter((channels,), init) for name, init in both.items() if init is not None}
