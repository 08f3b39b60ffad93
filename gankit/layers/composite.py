"""Layers made of layers, and one that looks at the whole batch."""

from __future__ import annotations

import math
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
    end_shape,
    parameters,
    place,
    require_image,
)
from gankit.layers.conditioning import ClassHead
from gankit.layers.shaping import Features


@dataclass(frozen=True)
class Residual(Layer):
    """main(x) + shortcut(x), both ending in one shape; an empty shortcut is x itself. He et al. 2016.

    Arrays are named `main/conv0/kernel`, `shortcut/conv0/kernel`.
    """

    main: Layers
    shortcut: Layers = ()

    def __post_init__(self) -> None:
        for layer in (*self.main, *self.shortcut):
            if isinstance(layer, Features | ClassHead):
                raise ConfigError(
                    f"{type(layer).__name__} says more than the sum that Residual returns: put it behind the block."
                )

    @property
    def branches(self) -> dict[str, Layers]:
        """Both rows of layers, by name."""
        return {"main": self.main, "shortcut": self.shortcut}

    def output_shape(self, shape: Shape) -> Shape:
        main, shortcut = (end_shape(layers, shape) for layers in self.branches.values())
        if main != shortcut:
            raise ShapeError(f"Residual: main ends in shape {main}, the shortcut in {shortcut}; they are added.")
        return main

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
        return any(layer.mixes_samples for layer in (*self.main, *self.shortcut))

    @property
    def takes_labels(self) -> bool:
        return any(layer.takes_labels for layer in (*self.main, *self.shortcut))


@dataclass(frozen=True)
class MinibatchStddev(Portable):
    """Appends one channel: the standard deviation within groups of examples, averaged. Karras et al. 2018.

    (h, w, c) -> (h, w, c + 1). A group is every (N / group)-th example of the batch; where `group` does not divide N,
    their greatest common divisor is taken. D then sees how alike the examples of a batch are, so its scores depend on
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
        xp, (n, height, width, channels) = ops.xp, x.shape
        g = math.gcd(n, self.group)
        groups = xp.reshape(x, (g, n // g, height, width, channels))
        centred = groups - xp.mean(groups, axis=0, keepdims=True)
        # Inside the root as in the published code: its gradient is finite where a group is all alike.
        deviation = xp.sqrt(xp.mean(centred * centred, axis=0) + 1e-8)
        each = xp.mean(deviation, axis=(1, 2, 3))  # (n / g,)
        plane = xp.broadcast_to(xp.reshape(each, (1, n // g, 1, 1, 1)), (g, n // g, height, width, 1))
        return xp.concat([x, xp.reshape(plane, (n, height, width, 1))], axis=-1)
