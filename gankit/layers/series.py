"""Convolutions on series (time, channels)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gankit.errors import ConfigError, ShapeError
from gankit.layers.base import Array, Parameter, Portable, Shape
from gankit.layers.dense import affine
from gankit.parts.initializers import Constant, HeNormal, Initializer


@dataclass(frozen=True)
class Conv1d(Portable):
    """Cross-correlation along time, with zero padding: (t, in) -> (t', features).

    t' = (t + 2 padding - dilation (size - 1) - 1) // stride + 1. kernel (size, in, features), bias (features,).

    padding: zeros at each end; by default dilation (size - 1) // 2, which keeps t at stride 1 when the size is odd.
    dilation: the distance in steps between the entries of a kernel.
    """

    features: int
    size: int = 3
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Constant(0.0)

    def __post_init__(self) -> None:
        if min(self.size, self.stride, self.dilation) < 1 or self.pad < 0:
            raise ConfigError(f"{self}: size, stride and dilation must be 1 or more, padding 0 or more.")

    @property
    def pad(self) -> int:
        """The padding, settled."""
        return self.dilation * (self.size - 1) // 2 if self.padding is None else self.padding

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 2:
            raise ShapeError(
                f"Conv1d takes series (time, channels), got {shape}: put Reshape((time, channels)) before it."
            )
        room = shape[0] + 2 * self.pad - self.dilation * (self.size - 1) - 1
        if room < 0:
            raise ShapeError(f"{self} does not fit into a series of {shape[0]} steps, padded by {self.pad}.")
        return (room // self.stride + 1, self.features)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return affine((self.size, shape[1], self.features), self.kernel, self.bias)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        xp, (n, _, channels) = ops.xp, x.shape
        steps = self.output_shape(x.shape[1:])[0]
        if self.pad:
            nothing = [xp.zeros_like(x[:, :1])] * self.pad  # of x, so that an export keeps any number of examples
            x = xp.concat([*nothing, x, *nothing], axis=1)
        stop = (steps - 1) * self.stride + 1
        seen = [x[:, i * self.dilation : i * self.dilation + stop : self.stride] for i in range(self.size)]
        # One matrix product over all that a kernel sees, for each step of time.
        windows = xp.reshape(xp.concat(seen, axis=2), (n * steps, self.size * channels))
        out = xp.matmul(windows, xp.reshape(params["kernel"], (self.size * channels, self.features)))
        out = xp.reshape(out, (n, steps, self.features))
        return out if self.bias is None else out + params["bias"]
