"""Layers on vectors, and dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gankit.errors import ConfigError
from gankit.layers.base import Layer, Parameter, Shape, require_flat
from gankit.parts.initializers import Constant, HeNormal, Initializer


@dataclass(frozen=True)
class Dense(Layer):
    """y = x W + b. (in,) -> (features,); kernel (in, features), bias (features,)."""

    features: int
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Constant(0.0)

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return (self.features,)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return affine((shape[0], self.features), self.kernel, self.bias)


@dataclass(frozen=True)
class Maxout(Layer):
    """The largest of `pieces` affine maps (Goodfellow et al. 2013). (in,) -> (units,).

    kernel (in, pieces * units), bias (pieces * units,): column p * units + u is piece p of unit u. The convolutional
    kind is a `Conv` followed by `MaxPieces`.
    """

    units: int
    pieces: int
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Constant(0.0)

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return (self.units,)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return affine((shape[0], self.pieces * self.units), self.kernel, self.bias)


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, keeps each entry with probability `keep` and divides it by `keep`. In evaluation, the identity.

    The backend draws a mask for each example and entry, from a key made of (seed, step).
    """

    keep: float

    def __post_init__(self) -> None:
        if not 0.0 < self.keep <= 1.0:
            raise ConfigError(f"Dropout(keep={self.keep}): keep is the share of entries that stay, in (0, 1].")


def affine(shape: Shape, kernel: Initializer, bias: Initializer | None) -> dict[str, Parameter]:
    """A kernel, outputs last, and its bias if it has one."""
    parameters = {"kernel": Parameter(shape, kernel)}
    return parameters if bias is None else parameters | {"bias": Parameter((shape[-1],), bias)}
