"""The native module of each layer record. A new layer is one class here and one line in `MODULES`.

A module says in `gankit_arrays` which canonical array each of its arrays is: MLX's name -> (canonical name, the axes of
MLX's array in canonical order, or None where they are the same).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import mlx.core as mx
import mlx.nn as nn

from gankit import layers
from gankit.errors import ConfigError
from gankit.interfaces import Given, as_given
from gankit.layers import Placed
from gankit_mlx import convolution
from gankit_mlx.ops import MlxOps

Axes = tuple[int, ...] | None
Arrays = Mapping[str, tuple[str, Axes]]


class Stack(nn.Module):
    """A network made of layer records, its children named as in checkpoints: `dense0`, `relu0`, ..."""

    def __init__(self, placed: Sequence[Placed], ops: MlxOps) -> None:
        super().__init__()
        self._order = [
            (p.name, bool(layers.conditions_of((p.layer,))), isinstance(p.layer, layers.Features)) for p in placed
        ]
        for place in placed:
            self[place.name] = module(place, ops)

    def __call__(self, x: mx.array, given: Given | mx.array | None = None) -> Any:
        """given: conditions by name; the labels alone will do."""
        features, given = [], as_given(given)
        for name, conditional, marks in self._order:
            if marks:
                features.append(x)
            x = self[name](x, given) if conditional else self[name](x)
        if not features:
            return x
        return {**(x if isinstance(x, Mapping) else {"logits": x}), "features": tuple(features)}


class Portable(nn.Module):
    """A layer whose mathematics is core's; its parameters are in the canonical layout."""

    def __init__(self, place: Placed, ops: MlxOps) -> None:
        super().__init__()
        self._layer, self._ops = place.layer, ops
        self._names = tuple(place.layer.parameters(place.input_shape))
        for name, parameter in place.layer.parameters(place.input_shape).items():
            self[name] = mx.zeros(parameter.shape)

    def __call__(self, x: mx.array, given: Given | None = None) -> Any:
        return self._layer.computed(self._ops, {name: self[name] for name in self._names}, x, given or {})


class Dense(nn.Linear):
    gankit_arrays: ClassVar[Arrays] = {"weight": ("kernel", (1, 0))}


class Maxout(Dense):
    """The largest of several affine maps; ties share the gradient, as in every backend."""

    def __init__(self, inputs: int, units: int, pieces: int, bias: bool) -> None:
        super().__init__(inputs, pieces * units, bias)
        self.units, self.pieces = units, pieces

    def __call__(self, x: mx.array) -> mx.array:
        return super().__call__(x).reshape(-1, self.pieces, self.units).max(axis=1)


class Conv(nn.Conv2d):
    gankit_arrays: ClassVar[Arrays] = {"weight": ("kernel", (1, 2, 3, 0))}

    def __init__(self, channels: int, layer: layers.Conv, *, patches: bool) -> None:
        window = {"stride": layer.stride, "padding": layer.pad, "groups": layer.groups}
        super().__init__(channels, layer.features, layer.size, **window, bias=layer.bias is not None)
        self.layer, self.patches = layer, patches

    def __call__(self, x: mx.array) -> mx.array:
        layer = self.layer
        y = convolution.conv(x, self.weight, layer.stride, layer.pad, layer.groups, patches=self.patches)
        return y + self.bias if "bias" in self else y


class ConvTranspose(nn.ConvTranspose2d):
    gankit_arrays: ClassVar[Arrays] = {"weight": ("kernel", (1, 2, 3, 0))}

    def __init__(self, channels: int, layer: layers.ConvTranspose, *, patches: bool) -> None:
        window = {"stride": layer.stride, "padding": layer.pad}
        super().__init__(channels, layer.features, layer.size, **window, bias=layer.bias is not None)
        self.layer, self.patches = layer, patches

    def __call__(self, x: mx.array) -> mx.array:
        y = convolution.conv_transpose(x, self.weight, self.layer.stride, self.layer.pad, patches=self.patches)
        return y + self.bias if "bias" in self else y


class BatchNorm(nn.BatchNorm):
    """By hand: MLX's own takes the running variance with the divisor n."""

    gankit_arrays: ClassVar[Arrays] = {
        "weight": ("scale", None),
        "running_mean": ("mean", None),
        "running_var": ("var", None),
    }

    def __call__(self, x: mx.array) -> mx.array:
        mean, var = self.running_mean, self.running_var
        if self.training:
            n, axes = layers.require_several(x.size // x.shape[-1]), tuple(range(x.ndim - 1))
            mean, var = mx.mean(x, axes), mx.var(x, axes)
            for name, new in (("running_mean", mean), ("running_var", var * (n / (n - 1)))):
                self[name] = (1.0 - self.momentum) * self[name] + self.momentum * mx.stop_gradient(new)
        y = (x - mean) * mx.rsqrt(var + self.eps)
        return y * self.weight + self.bias if "weight" in self else y


class LayerNorm(nn.Module):
    """Statistics over the whole example, scale and bias per channel; `mx.fast.layer_norm` computes in float32 only."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.scale, self.bias, self.eps = mx.ones((channels,)), mx.zeros((channels,)), eps

    def __call__(self, x: mx.array) -> mx.array:
        axes = tuple(range(1, x.ndim))
        mean, var = mx.mean(x, axes, keepdims=True), mx.var(x, axes, keepdims=True)
        return (x - mean) * mx.rsqrt(var + self.eps) * self.scale + self.bias


class Dropout(nn.Module):
    """Inverted dropout. `_key` is set by the training step; without one it draws from MLX's global generator."""

    def __init__(self, keep: float) -> None:
        super().__init__()
        self.keep, self._key = keep, None

    def __call__(self, x: mx.array) -> mx.array:
        if not self.training or self.keep == 1.0:
            return x
        kept = mx.random.uniform(shape=x.shape, key=self._key) < self.keep
        return x * (kept.astype(x.dtype) * (1.0 / self.keep))


class SpectralNorm(nn.Module):
    """A layer that computes with its kernels divided by their largest singular values."""

    def __init__(self, layer: nn.Module, ops: MlxOps) -> None:
        super().__init__()
        self.layer, self._ops = layer, ops
        kernels = [name for name, array in layer.items() if isinstance(array, mx.array) and array.ndim > 1]
        self._kernels = [(name, *names(layer, name)) for name in kernels]
        for name, own, axes in self._kernels:
            self[f"{own}_u"] = mx.zeros(turned(layer[name], axes).shape[-1:])
        self.freeze(keys=[f"{own}_u" for _, own, _ in self._kernels], recurse=False)

    def __call__(self, x: mx.array, *given: Given) -> Any:
        raw = {name: self.layer[name] for name, _, _ in self._kernels}
        try:
            for name, own, axes in self._kernels:
                kernel, u = turned(raw[name], axes), self[f"{own}_u"]
                sigma, u = layers.largest_singular_value(self._ops, kernel, u, iterate=self.training)
                self[f"{own}_u"], self.layer[name] = u, raw[name] / sigma
            return self.layer(x, *given)
        finally:
            self.layer.update(raw)


class Residual(nn.Module):
    """main(x) + shortcut(x)."""

    def __init__(self, main: Stack, shortcut: Stack) -> None:
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def __call__(self, x: mx.array, given: Given | None = None) -> mx.array:
        return self.main(x, given) + self.shortcut(x, given)


class Skip(nn.Module):
    """x beside inner(x)."""

    def __init__(self, inner: Stack) -> None:
        super().__init__()
        self.inner = inner

    def __call__(self, x: mx.array, given: Given | None = None) -> mx.array:
        return mx.concatenate([x, self.inner(x, given)], axis=-1)


class AsCondition(nn.Module):
    """inner(x), which finds x among its conditions."""

    def __init__(self, inner: Stack, name: str) -> None:
        super().__init__()
        self.inner, self.name = inner, name

    def __call__(self, x: mx.array, given: Given | None = None) -> mx.array:
        out: mx.array = self.inner(x, {**(given or {}), self.name: x})
        return out


class Elementwise(nn.Module):
    """A function without parameters. MLX's own activations are compiled, by the C++ compiler that it finds."""

    def __init__(self, function: Callable[[mx.array], mx.array]) -> None:
        super().__init__()
        self._function = function

    def __call__(self, x: mx.array) -> mx.array:
        return self._function(x)


def names(holder: Any, name: Any) -> tuple[str, Axes]:
    """The canonical name and axes of an array that a module holds, or a list or a dict inside of one."""
    return getattr(type(holder), "gankit_arrays", {}).get(name, (str(name), None))


def turned(array: Any, axes: Axes) -> Any:
    """The array, MLX's or NumPy's, with its axes in that order."""
    return array if axes is None else array.transpose(axes)


def _leaky_relu(place: Placed, layer: layers.LeakyRelu, ops: MlxOps) -> nn.Module:
    return Elementwise(lambda x: mx.where(x > 0, x, layer.slope * x))  # at exactly 0 the slope, as in every backend


def _batch_norm(place: Placed, layer: layers.BatchNorm, ops: MlxOps) -> nn.Module:
    # MLX's momentum is the share of the new.
    return BatchNorm(place.input_shape[-1], layer.eps, 1.0 - layer.momentum, affine=layer.scale is not None)


def _spectral_norm(around: Placed, layer: layers.SpectralNorm, ops: MlxOps) -> nn.Module:
    return SpectralNorm(module(around._replace(layer=layer.layer), ops), ops)


def _stacks(around: Placed, ops: MlxOps) -> list[Stack]:
    return [Stack(layers.place(branch, around.input_shape), ops) for branch in around.layer.branches.values()]


MODULES: dict[type[layers.Layer], Callable[[Placed, Any, MlxOps], nn.Module]] = {
    layers.Dense: lambda at, layer, ops: Dense(at.input_shape[0], layer.features, layer.bias is not None),
    layers.Maxout: lambda at, layer, ops: Maxout(at.input_shape[0], layer.units, layer.pieces, layer.bias is not None),
    layers.Conv: lambda at, layer, ops: Conv(at.input_shape[2], layer, patches=ops.on_cpu),
    layers.ConvTranspose: lambda at, layer, ops: ConvTranspose(at.input_shape[2], layer, patches=ops.on_cpu),
    layers.BatchNorm: _batch_norm,
    layers.LayerNorm: lambda at, layer, ops: LayerNorm(at.input_shape[-1], layer.eps),
    layers.SpectralNorm: _spectral_norm,
    layers.Residual: lambda at, layer, ops: Residual(*_stacks(at, ops)),
    layers.Skip: lambda at, layer, ops: Skip(*_stacks(at, ops)),
    layers.AsCondition: lambda at, layer, ops: AsCondition(*_stacks(at, ops), layer.name),
    layers.Dropout: lambda at, layer, ops: Dropout(layer.keep),
    layers.Relu: lambda at, layer, ops: Elementwise(ops.relu),
    layers.LeakyRelu: _leaky_relu,
    layers.Sigmoid: lambda at, layer, ops: Elementwise(ops.sigmoid),
    layers.Tanh: lambda at, layer, ops: Elementwise(mx.tanh),
}


def module(place: Placed, ops: MlxOps) -> nn.Module:
    """The native module of one record; raises ConfigError for a record this backend does not know."""
    kind = type(place.layer)
    if kind in MODULES:
        return MODULES[kind](place, place.layer, ops)
    if isinstance(place.layer, layers.Portable):
        return Portable(place, ops)
    known = ", ".join(sorted(known.__name__ for known in MODULES))
    raise ConfigError(f"The mlx backend has no layer {kind.__name__}. It has {known}, and every portable one.")
