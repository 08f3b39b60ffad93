"""Normalisation of activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gankit.errors import ConfigError, ShapeError
from gankit.initializers import Constant, Initializer
from gankit.layers.base import Layer, Parameter, Shape


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
