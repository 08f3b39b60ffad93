"""Layers that take a condition which is a vector or an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gankit.errors import ShapeError
from gankit.layers.base import Array, Parameter, Portable, Shape, size_of
from gankit.layers.conditioning import concat_vector, per_channel
from gankit.parts.initializers import Constant, Initializer


@dataclass(frozen=True)
class _TakesCondition(Portable):
    """name: the name of the condition. shape: its shape for one example."""

    name: str
    shape: Shape

    @property
    def condition(self) -> str:
        return self.name


@dataclass(frozen=True)
class TakeCondition(_TakesCondition):
    """Replaces the input with the condition. It is the first layer of a network that maps an image to an image.

    (n,) -> shape. beside: whether to keep the input, a vector, as constant planes after the channels of the image:
    (n,) -> (h, w, c + n). Without it z has no effect (pix2pix, Isola et al. 2017).
    """

    beside: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        if not self.beside:
            return self.shape
        if len(shape) != 1:
            raise ShapeError(f"TakeCondition({self.name!r}, beside=True) takes vectors, got {shape}.")
        return (*self.shape[:-1], self.shape[-1] + shape[0])

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array) -> Array:
        return concat_vector(ops, condition, x) if self.beside else condition


@dataclass(frozen=True)
class ConcatCondition(_TakesCondition):
    """Appends a vector or an image to the channels of the input.

    To a vector: (n,) -> (n + size,); an image is flattened. To an image (h, w, c): a vector becomes constant planes; an
    image is resized to the input by the mean over pixels, or by repeating them: (h, w, c + its channels).
    """

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) == 1 or len(self.shape) < len(shape):
            return (*shape[:-1], shape[-1] + size_of(self.shape))
        if len(shape) != len(self.shape) or any(not _whole(a, b) for a, b in zip(self.shape[:-1], shape, strict=False)):
            raise ShapeError(
                f"ConcatCondition({self.name!r}): an image of shape {self.shape} cannot be resized to {shape}; one "
                "must be larger by a whole number."
            )
        return (*shape[:-1], shape[-1] + self.shape[-1])

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array) -> Array:
        xp, c = ops.xp, condition
        if len(x.shape) == 2 or len(c.shape) < len(x.shape):
            return concat_vector(ops, x, xp.reshape(c, (c.shape[0], -1)))
        for axis in range(1, len(x.shape) - 1):
            c = resized(ops, c, axis, x.shape[axis])
        return xp.concat([x, xp.astype(c, x.dtype)], axis=-1)


@dataclass(frozen=True)
class KeepKnown(Portable):
    """m * c + (1 - m) * x: the pixels of an image c where a mask m is 1, those of the input where it is 0.

    name, mask: the two conditions, c with the shape of the input and m (h, w, 1). Put it at the end of a G that
    completes images, so that known pixels pass through unchanged.
    """

    name: str = "image"
    mask: str = "mask"

    @property
    def conditions(self) -> frozenset[str]:
        return frozenset({self.name, self.mask})

    def computed(self, ops: Any, params: Mapping[str, Array], x: Array, given: Mapping[str, Array]) -> Array:
        known = ops.xp.astype(given[self.mask], x.dtype)
        return known * ops.xp.astype(given[self.name], x.dtype) + (1.0 - known) * x

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array | None) -> Array:
        raise NotImplementedError  # it takes two conditions: see `computed`


@dataclass(frozen=True)
class ConditionAffine(_TakesCondition):
    """x * (1 + v . scale) + v . bias, per channel, for a vector v: FiLM. Perez et al. 2018.

    scale and bias (n, c). They start at 0, so the layer is the identity at first.
    """

    kernel: Initializer = Constant(0.0)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        table = Parameter((size_of(self.shape), shape[-1]), self.kernel)
        return {"scale": table, "bias": table}

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array) -> Array:
        xp = ops.xp
        v = xp.astype(xp.reshape(condition, (x.shape[0], -1)), x.dtype)
        scale, bias = (per_channel(ops, xp.matmul(v, params[name]), x) for name in ("scale", "bias"))
        return x * (1.0 + scale) + bias


def resized(ops: Any, x: Array, axis: int, side: int) -> Array:
    """x with so many places along an axis: means of neighbours, or each repeated."""
    xp, shape = ops.xp, tuple(x.shape)
    own = shape[axis]
    if own == side:
        return x
    if own > side:
        return xp.mean(xp.reshape(x, (*shape[:axis], side, own // side, *shape[axis + 1 :])), axis=axis + 1)
    times = side // own
    wide = xp.broadcast_to(
        xp.reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :])), (*shape[: axis + 1], times, *shape[axis + 1 :])
    )
    return xp.reshape(wide, (*shape[:axis], side, *shape[axis + 1 :]))


def _whole(a: int, b: int) -> bool:
    return a % b == 0 or b % a == 0
