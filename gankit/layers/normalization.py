"""Normalisation of activations and of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gankit.errors import ConfigError, ShapeError
from gankit.initializers import Constant, Initializer, Normal
from gankit.layers.base import Array, Layer, Parameter, Shape


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
class SpectralNorm(Layer):
    """A layer whose kernels are divided by their largest singular value. Miyato et al. 2018.

    Each array of two or more axes counts as the matrix (everything else, outputs), outputs being its last axis.
    The singular value is followed by one power iteration a training pass, from the buffer `<name>_u`, (outputs,); no
    gradient passes through the singular vectors.
    """

    layer: Layer

    def __post_init__(self) -> None:
        from gankit.layers.composite import Residual

        if isinstance(self.layer, SpectralNorm | Residual):
            raise ConfigError(f"SpectralNorm goes around one layer with a kernel, not {type(self.layer).__name__}.")
        if getattr(self.layer, "kernel", None) == Constant(0.0):
            raise ConfigError(f"{self}: a kernel of zeros cannot be divided by its largest singular value, which is 0.")

    def output_shape(self, shape: Shape) -> Shape:
        if not any(len(parameter.shape) > 1 for parameter in self.layer.parameters(shape).values()):
            raise ConfigError(f"SpectralNorm goes around a layer with a kernel; {type(self.layer).__name__} has none.")
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
    def takes_labels(self) -> bool:
        return self.layer.takes_labels


def largest_singular_value(ops: Any, kernel: Array, u: Array, *, iterate: bool) -> tuple[Array, Array]:
    """(sigma, next u) of a kernel in the canonical layout, (..., outputs): what backends call for `SpectralNorm`.

    u: (outputs,) from the last training pass. iterate: whether this is one, and u moves on.
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
