"""Layers that contain layers, and one that uses the whole batch."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gankit.errors import ConfigError, ShapeError
from gankit.layers.base import (
    Array,
    Layer,
    Layers,
    Parameter,
    Portable,
    Shape,
    buffers,
    conditions_of,
    end_shape,
    parameters,
    place,
    require_image,
)
from gankit.layers.conditioning import ClassesHead, ClassHead
from gankit.layers.shaping import Features
from gankit.parts.initializers import Constant, Normal
from gankit.parts.together import batch_rows, own_rows


@dataclass(frozen=True)
class Branched(Layer):
    """The base of layers with branches of layers inside. Arrays are named by branch: `main/conv0/kernel`."""

    def __post_init__(self) -> None:
        for layer in self._inside:
            if isinstance(layer, Features | ClassHead | ClassesHead):
                raise ConfigError(
                    f"{type(layer).__name__} returns more than one array, but {type(self).__name__} returns only one. "
                    "Put it after the block."
                )

    @property
    @abstractmethod
    def branches(self) -> dict[str, Layers]:
        """The branches, by name."""

    @property
    def _inside(self) -> Layers:
        return tuple(layer for layers in self.branches.values() for layer in layers)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return self._named(parameters, shape)

    def buffers(self, shape: Shape) -> Mapping[str, Parameter]:
        return self._named(buffers, shape)

    def _named(self, family: Any, shape: Shape) -> dict[str, Parameter]:
        return {
            f"{branch}/{name}": parameter
            for branch, layers in self.branches.items()
            for name, parameter in family(place(layers, shape)).items()
        }

    @property
    def mixes_samples(self) -> bool:
        return any(layer.mixes_samples for layer in self._inside)

    @property
    def conditions(self) -> frozenset[str]:
        return conditions_of(self._inside)


@dataclass(frozen=True)
class Residual(Branched):
    """main(x) + shortcut(x); both must have the same output shape. An empty shortcut is x itself. He et al. 2016."""

    main: Layers
    shortcut: Layers = ()

    @property
    def branches(self) -> dict[str, Layers]:
        return {"main": self.main, "shortcut": self.shortcut}

    def output_shape(self, shape: Shape) -> Shape:
        main, shortcut = (end_shape(layers, shape) for layers in self.branches.values())
        if main != shortcut:
            raise ShapeError(f"Residual: main ends in shape {main}, the shortcut in {shortcut}; they must be the same.")
        return main


@dataclass(frozen=True)
class Skip(Branched):
    """x and inner(x), concatenated by channel: (..., c) -> (..., c + c'). Ronneberger et al. 2015.

    Nested ones make a U-Net: `Skip((Conv(64, 4, 2), Skip((...,)), ConvTranspose(32)))`. Each inner part halves the
    image and doubles it again, and the next layer sees the image itself as well.
    """

    inner: Layers

    @property
    def branches(self) -> dict[str, Layers]:
        return {"inner": self.inner}

    def output_shape(self, shape: Shape) -> Shape:
        inner = end_shape(self.inner, shape)
        if not shape or inner[:-1] != shape[:-1]:
            raise ShapeError(
                f"Skip: the input has shape {shape}, and inner ends in {inner}; they are concatenated, so only the "
                "channels may differ. Sides that are halved and doubled must be even."
            )
        return (*shape[:-1], shape[-1] + inner[-1])


@dataclass(frozen=True)
class AsCondition(Branched):
    """inner(x), whose layers also get x as the condition `name`: (n,) -> the output shape of inner.

    Around a whole generator it passes z to every resolution: `AsCondition((..., Conv(64), ConditionAffine("z", (8,)),
    ...))` modulates the channels of a convolution by z, as style-based generators do (Karras et al. 2019).
    """

    inner: Layers
    name: str = "z"

    @property
    def branches(self) -> dict[str, Layers]:
        return {"inner": self.inner}

    def output_shape(self, shape: Shape) -> Shape:
        return end_shape(self.inner, shape)

    @property
    def conditions(self) -> frozenset[str]:
        return conditions_of(self._inside) - {self.name}


@dataclass(frozen=True)
class SpectralNorm(Layer):
    """Divides the kernels of a layer by their largest singular value. Miyato et al. 2018.

    Each array with two or more axes counts as a matrix (everything else, outputs); outputs is its last axis. One power
    iteration per training pass tracks the singular value, from the buffer `<name>_u`, (outputs,). No gradient passes
    through the singular vectors.
    """

    layer: Layer

    def __post_init__(self) -> None:
        if isinstance(self.layer, SpectralNorm | Branched):
            raise ConfigError(f"SpectralNorm takes one layer with a kernel, not {type(self.layer).__name__}.")
        if getattr(self.layer, "kernel", None) == Constant(0.0):
            raise ConfigError(f"{self}: a kernel of zeros has largest singular value 0, so it cannot be divided.")

    def output_shape(self, shape: Shape) -> Shape:
        if not any(len(parameter.shape) > 1 for parameter in self.layer.parameters(shape).values()):
            raise ConfigError(f"SpectralNorm takes a layer with a kernel; {type(self.layer).__name__} has none.")
        return self.layer.output_shape(shape)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return {f"layer/{name}": parameter for name, parameter in self.layer.parameters(shape).items()}

    def buffers(self, shape: Shape) -> Mapping[str, Parameter]:
        inner = {f"layer/{name}": parameter for name, parameter in self.layer.buffers(shape).items()}
        own = {
            f"{name}_u": Parameter(parameter.shape[-1:], Normal(1.0))
            for name, parameter in self.layer.parameters(shape).items()
            if len(parameter.shape) > 1
        }
        return inner | own

    @property
    def mixes_samples(self) -> bool:
        return self.layer.mixes_samples

    @property
    def conditions(self) -> frozenset[str]:
        return conditions_of((self.layer,))


@dataclass(frozen=True)
class MinibatchStddev(Portable):
    """Appends one channel: the standard deviation within groups of examples, averaged. Karras et al. 2018.

    (h, w, c) -> (h, w, c + 1). A group is every (N / group)-th example of the batch. If `group` does not divide N,
    their greatest common divisor is used. D then sees how similar the examples of a batch are. So its scores depend on
    the batch, in evaluation too.
    """

    group: int = 4

    def output_shape(self, shape: Shape) -> Shape:
        height, width, channels = require_image(self, shape)
        return (height, width, channels + 1)

    @property
    def mixes_samples(self) -> bool:
        return True

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        xp, every = ops.xp, batch_rows(ops, x)
        n, height, width, channels = every.shape
        g = math.gcd(n, self.group)
        groups = xp.reshape(every, (g, n // g, height, width, channels))
        centred = groups - xp.mean(groups, axis=0, keepdims=True)
        # Inside the root as in the published code: its gradient is finite where a group is all alike.
        deviation = xp.sqrt(xp.mean(centred * centred, axis=0) + 1e-8)
        each = xp.mean(deviation, axis=(1, 2, 3))  # (n / g,)
        plane = xp.broadcast_to(xp.reshape(each, (1, n // g, 1, 1, 1)), (g, n // g, height, width, 1))
        return xp.concat([x, own_rows(ops, xp.reshape(plane, (n, height, width, 1)))], axis=-1)


def largest_singular_value(ops: Any, kernel: Array, u: Array, *, iterate: bool) -> tuple[Array, Array]:
    """(sigma, next u) of a kernel in the canonical layout, (..., outputs). Backends call this for `SpectralNorm`.

    u: (outputs,) from the last training pass. iterate: whether this is a training pass, which updates u.
    """
    xp = ops.xp
    matrix = xp.reshape(kernel, (-1, kernel.shape[-1]))
    fixed = ops.stop_gradient(matrix)

    def unit(vector: Array) -> Array:
        return vector / xp.sqrt(xp.sum(vector * vector) + 1e-24)

    u = unit(ops.stop_gradient(u))
    v = unit(xp.matmul(fixed, u))
    if iterate:
        u = unit(xp.matmul(v, fixed))
    return xp.sum(v * xp.matmul(matrix, u)), u
