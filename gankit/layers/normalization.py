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
    """Each channel brought to mean 0 and variance 1 over the batch and all pixels. Ioffe & Szegedy 2015.

    (..., c) -> (..., c); scale (c,), bias (c,); buffers mean (c,), var (c,). In training the batch's own statistics
    are used, the variance with divisor n; in evaluation the running ones. A training pass moves these to
    momentum * old + (1 - momentum) * new, where the new variance has the divisor n - 1, as in PyTorch.

    scale, bias: None for none, such as in front of `LabelAffine`.
    """

    momentum: float = 0.9
    eps: float = 1e-5
    scale: Initializer | None = Constant(1.0)
    bias: Initializer | None = Constant(0.0)

    def __post_init__(self) -> None:
        if (self.scale is None) != (self.bias is None):
            raise ConfigError("BatchNorm: scale and bias are both there or both None.")

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return scale_and_bias(shape[-1], self.scale, self.bias)

    def buffers(self, shape: Shape) -> Mapping[str, Parameter]:
        return {"mean": Parameter(shape[-1:], Constant(0.0)), "var": Parameter(shape[-1:], Constant(1.0))}

    @property
    def mixes_samples(self) -> bool:
        return True


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Each example brought to mean 0 and variance 1 over all its entries. Ba et al. 2016; in D, Gulrajani et al. 2017.

    (..., c) -> (..., c); scale (c,), bias (c,), one of each per channel.
    """

    eps: float = 1e-5
    scale: Initializer = Constant(1.0)
    bias: Initializer = Constant(0.0)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return scale_and_bias(shape[-1], self.scale, self.bias)


@dataclass(frozen=True)
class InstanceNorm(Portable):
    """Each channel of each example brought to mean 0 and variance 1 over its pixels. Ulyanov et al. 2016.

    (..., c) -> (..., c) with one axis or more before c, as of images and series; scale (c,), bias (c,). The variance
    has the divisor n. The contrast of an image is gone behind it, which is why it suits the translation of images.

    scale, bias: None for none, as in Zhu et al. 2017 and in front of a layer that modulates.
    """

    eps: float = 1e-5
    scale: Initializer | None = Constant(1.0)
    bias: Initializer | None = Constant(0.0)

    def __post_init__(self) -> None:
        if (self.scale is None) != (self.bias is None):
            raise ConfigError("InstanceNorm: scale and bias are both there or both None.")

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape[:-1]) < 2:
            raise ShapeError(
                f"InstanceNorm needs two or more values of each channel in an example, got shape {shape}: of one value "
                "only 0 would be left. Put it where the picture is larger, or leave it out."
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
    """How many values a channel has in a batch; raises ShapeError where there is no variance to take of them.

    What backends call for `BatchNorm` in training.
    """
    if values < 2:
        raise ShapeError(
            "BatchNorm needs two or more values of each channel in training, and got one example of one pixel: use a "
            "larger batch_size, or a smaller accumulate."
        )
    return values


def scale_and_bias(channels: int, scale: Initializer | None, bias: Initializer | None) -> dict[str, Parameter]:
    """The affine part of a normalisation, as far as it has one."""
    both = {"scale": scale, "bias": bias}
    return {name: Parameter((channels,), init) for name, init in both.items() if init is not None}
