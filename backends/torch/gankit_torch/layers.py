"""The native module of each layer record. A new layer is one class here and one line in `MODULES`.

Between modules, images are (N, height, width, channels) as everywhere in gankit. The convolutions see them as torch's
(N, channels, height, width) without moving a number, in the memory format that torch calls channels_last.

A module says in `gankit_arrays` which canonical array each of its tensors is: torch's name -> (canonical name, the axes
of torch's tensor in canonical order, or None where they are the same).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gankit import layers, switches
from gankit.errors import ConfigError
from gankit.interfaces import Given, as_given
from gankit.layers import Placed
from gankit.parts.together import batch_size
from gankit_torch.convolutions import Window, convolved
from gankit_torch.keys import forked, generator
from gankit_torch.normalising import normalised
from gankit_torch.ops import TorchOps
from gankit_torch.products import linear
from gankit_torch.workers import TorchWorkers

Arrays = Mapping[str, tuple[str, tuple[int, ...] | None]]


class Stack(nn.Module):
    """A network made of layer records, its children named as in checkpoints: `dense0`, `relu0`, ..."""

    def __init__(self, placed: Sequence[Placed], ops: TorchOps) -> None:
        super().__init__()
        self._features = [place.name for place in placed if isinstance(place.layer, layers.Features)]
        self._conditional = {place.name for place in placed if layers.conditions_of((place.layer,))}
        with forked(ops.device):  # torch draws a start for each layer, which core's own replaces
            for place in placed:
                self.add_module(place.name, module(place, ops))

    def forward(self, x: Tensor, given: Given | Tensor | None = None) -> Any:
        """given: conditions by name; the labels alone will do."""
        features, given = [], as_given(given)
        for name, child in self._modules.items():
            if name in self._features:
                features.append(x)
            x = child(x, given) if name in self._conditional else child(x)
        if not features:
            return x
        return {**(x if isinstance(x, Mapping) else {"logits": x}), "features": tuple(features)}


class Portable(nn.Module):
    """A layer whose mathematics is core's; its parameters are in the canonical layout."""

    def __init__(self, place: Placed, ops: TorchOps) -> None:
        super().__init__()
        self._layer, self._ops = place.layer, ops
        self._names = list(place.layer.parameters(place.input_shape))
        for name, parameter in place.layer.parameters(place.input_shape).items():
            self.register_parameter(name, nn.Parameter(ops.empty(parameter.shape)))

    def forward(self, x: Tensor, given: Given | None = None) -> Any:
        params = {name: self._parameters[name] for name in self._names}
        return self._layer.computed(self._ops, params, x, given or {})

    def extra_repr(self) -> str:
        return repr(self._layer)


class Dense(nn.Linear):
    gankit_arrays: ClassVar[Arrays] = {"weight": ("kernel", (1, 0))}

    def __init__(self, inputs: int, outputs: int, **options: Any) -> None:
        super().__init__(inputs, outputs, **options)
        self._linear = linear if switches.on("onednn") else F.linear

    def forward(self, x: Tensor) -> Tensor:
        return self._linear(x, self.weight, self.bias)


class Maxout(Dense):
    """The largest of several affine maps; ties share the gradient, as in every backend."""

    def __init__(self, inputs: int, units: int, pieces: int, **options: Any) -> None:
        super().__init__(inputs, pieces * units, **options)
        self.units, self.pieces = units, pieces

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).reshape(-1, self.pieces, self.units).amax(dim=1)


class Conv(nn.Conv2d):
    gankit_arrays: ClassVar[Arrays] = {"weight": ("kernel", (2, 3, 1, 0))}

    def __init__(self, channels: int, features: int, size: int, *, stride: int, padding: int, **options: Any) -> None:
        super().__init__(channels, features, size, stride=stride, padding=padding, **options)
        # A product of pixels and kernel: with R1 `modern` then plays 1.2 times as fast on a CPU, 1.4 times on an H200.
        single = (size, stride, padding, self.groups) == (1, 1, 0, 1)
        self._pointwise = single and switches.on("pointwise")

    def forward(self, x: Tensor) -> Tensor:
        if self._pointwise:
            return F.linear(x, self.weight.view(self.out_channels, -1), self.bias)
        window = Window(self.stride, self.padding, self.groups)
        return _last(convolved(_first(x), self.weight, self.bias, window))


class ConvTranspose(nn.ConvTranspose2d):
    gankit_arrays: ClassVar[Arrays] = {"weight": ("kernel", (2, 3, 0, 1))}

    def forward(self, x: Tensor) -> Tensor:
        window = Window(self.stride, self.padding, transposed=True)
        return _last(convolved(_first(x), self.weight, self.bias, window))


class BatchNorm(nn.BatchNorm1d):
    """nn.BatchNorm1d on vectors, series and images alike."""

    gankit_arrays: ClassVar[Arrays] = {
        "weight": ("scale", None),
        "running_mean": ("mean", None),
        "running_var": ("var", None),
    }

    def __init__(self, channels: int, momentum: float, ops: TorchOps, **options: Any) -> None:
        super().__init__(channels, momentum=1.0 - momentum, **options)  # torch's momentum is the share of the new
        self._ops = ops
        self.num_batches_tracked = None  # counts for the momentum None, which we don't use

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            layers.require_several(batch_size(self._ops, x) * (x[0].numel() // x.shape[-1]))
            if self._ops.workers is not None and self._ops.workers.dealt:
                return self._by_all(x)
        channels_second = _first(x)
        normal = F.batch_norm(
            channels_second,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )
        return _last(normal)

    def _by_all(self, x: Tensor) -> Tensor:
        """By the statistics of all workers' rows."""
        wide = x.to(self.running_mean.dtype)
        normal, mean, var = normalised(_first(wide), self.weight, self.bias, self.eps, self._ops.workers)
        n = batch_size(self._ops, x) * (x[0].numel() // x.shape[-1])
        for running, new in ((self.running_mean, mean), (self.running_var, var * (n / (n - 1)))):
            running.lerp_(new, self.momentum)
        return _last(normal).to(x.dtype)


class LayerNorm(nn.LayerNorm):
    """Statistics over the whole example, scale and bias per channel."""

    gankit_arrays: ClassVar[Arrays] = {"weight": ("scale", None)}

    def __init__(self, shape: tuple[int, ...], ops: TorchOps, **options: Any) -> None:
        super().__init__(shape, elementwise_affine=False, **options)
        self.weight, self.bias = nn.Parameter(ops.empty(shape[-1:])), nn.Parameter(ops.empty(shape[-1:]))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, eps=self.eps) * self.weight + self.bias


class Dropout(nn.Module):
    """Inverted dropout. `key` is set by the training step; without one it draws from torch's global generator."""

    def __init__(self, keep: float, workers: TorchWorkers | None = None) -> None:
        super().__init__()
        self.keep, self._workers = keep, workers
        self.kept_of_65536 = max(1, round(keep * 2**16))
        self.key: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.kept_of_65536 == 2**16:
            return x
        source = None if self.key is None else generator(self.key, x.device)
        # 16 bits decide, four numbers from each draw: torch's own masks cost the CPU more than the layer after them.

        def drawn(shape: Sequence[int]) -> Tensor:
            numbers = math.prod(shape)
            words = torch.empty((numbers + 3) // 4, dtype=torch.int64, device=x.device)
            words.random_(-(2**63), None, generator=source)
            return words.view(torch.int16)[:numbers].view(shape)

        bits = drawn(x.shape) if self._workers is None else self._workers.drawn(drawn, x.shape)
        kept = bits < self.kept_of_65536 - 2**15
        return x * kept.to(x.dtype).mul_(1.0 / self.keep)


class SpectralNorm(nn.Module):
    """A layer that computes with its kernels divided by their largest singular values."""

    def __init__(self, layer: nn.Module, ops: TorchOps) -> None:
        super().__init__()
        self.layer, self._ops = layer, ops
        self._kernels = {name: p for name, p in canonical_names(layer).items() if layer._parameters[name].ndim > 1}
        for name, (own, axes) in self._kernels.items():
            self.register_buffer(f"{own}_u", ops.empty((_turned(layer._parameters[name], axes).shape[-1],)))

    def forward(self, x: Tensor, *given: Given) -> Any:
        raw = {name: self.layer._parameters[name] for name in self._kernels}
        try:
            for name, (own, axes) in self._kernels.items():
                kernel, u = _turned(raw[name], axes), self._buffers[f"{own}_u"]
                with torch.autocast(kernel.device.type, enabled=False):  # u is a buffer, and stays what it is
                    sigma, u = layers.largest_singular_value(self._ops, kernel, u, iterate=self.training)
                if self.training:
                    self._buffers[f"{own}_u"] = u
                self.layer._parameters[name] = raw[name] / sigma  # type: ignore[assignment]
            return self.layer(x, *given)
        finally:
            self.layer._parameters.update(raw)


class Residual(nn.Module):
    """main(x) + shortcut(x)."""

    def __init__(self, main: Stack, shortcut: Stack) -> None:
        super().__init__()
        self.main, self.shortcut = main, shortcut

    def forward(self, x: Tensor, given: Given | None = None) -> Tensor:
        return self.main(x, given) + self.shortcut(x, given)


class Skip(nn.Module):
    """x beside inner(x)."""

    def __init__(self, inner: Stack) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, given: Given | None = None) -> Tensor:
        return torch.cat([x, self.inner(x, given)], dim=-1)


class AsCondition(nn.Module):
    """inner(x), which finds x among its conditions."""

    def __init__(self, inner: Stack, name: str) -> None:
        super().__init__()
        self.inner, self.name = inner, name

    def forward(self, x: Tensor, given: Given | None = None) -> Tensor:
        out: Tensor = self.inner(x, {**(given or {}), self.name: x})
        return out


def canonical_names(owner: nn.Module) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """The canonical name and axes of each parameter and buffer that the module itself holds."""
    arrays: Arrays = getattr(owner, "gankit_arrays", {})
    held = [name for family in (owner._parameters, owner._buffers) for name, t in family.items() if t is not None]
    return {name: arrays.get(name, (name, None)) for name in held}


def _turned(tensor: Tensor, axes: tuple[int, ...] | None) -> Tensor:
    return tensor if axes is None else tensor.permute(axes)


def _first(x: Tensor) -> Tensor:
    """(N, ..., c) seen as (N, c, ...)."""
    return x.movedim(-1, 1) if x.ndim > 2 else x


def _last(x: Tensor) -> Tensor:
    """(N, c, ...) seen as (N, ..., c)."""
    return x.movedim(1, -1) if x.ndim > 2 else x


def _dense(place: Placed, layer: layers.Dense, ops: TorchOps) -> nn.Module:
    return Dense(place.input_shape[0], layer.features, **_options(ops, layer))


def _maxout(place: Placed, layer: layers.Maxout, ops: TorchOps) -> nn.Module:
    return Maxout(place.input_shape[0], layer.units, layer.pieces, **_options(ops, layer))


def _conv(place: Placed, layer: layers.Conv, ops: TorchOps) -> nn.Module:
    window = {"stride": layer.stride, "padding": layer.pad, "groups": layer.groups}
    return Conv(place.input_shape[2], layer.features, layer.size, **window, **_options(ops, layer))


def _conv_transpose(place: Placed, layer: layers.ConvTranspose, ops: TorchOps) -> nn.Module:
    window = {"stride": layer.stride, "padding": layer.pad}
    return ConvTranspose(place.input_shape[2], layer.features, layer.size, **window, **_options(ops, layer))


def _batch_norm(place: Placed, layer: layers.BatchNorm, ops: TorchOps) -> nn.Module:
    options = {"eps": layer.eps, "affine": layer.scale is not None, "device": ops.device, "dtype": ops.dtype}
    return BatchNorm(place.input_shape[-1], layer.momentum, ops, **options)


def _spectral_norm(around: Placed, layer: layers.SpectralNorm, ops: TorchOps) -> nn.Module:
    return SpectralNorm(module(around._replace(layer=layer.layer), ops), ops)


def _stacks(around: Placed, ops: TorchOps) -> list[Stack]:
    return [Stack(layers.place(branch, around.input_shape), ops) for branch in around.layer.branches.values()]


def _options(ops: TorchOps, layer: Any) -> dict[str, Any]:
    return {"bias": layer.bias is not None, "device": ops.device, "dtype": ops.dtype}


MODULES: dict[type[layers.Layer], Callable[[Placed, Any, TorchOps], nn.Module]] = {
    layers.Dense: _dense,
    layers.Maxout: _maxout,
    layers.Conv: _conv,
    layers.ConvTranspose: _conv_transpose,
    layers.BatchNorm: _batch_norm,
    layers.LayerNorm: lambda place, layer, ops: LayerNorm(place.input_shape, ops, eps=layer.eps),
    layers.SpectralNorm: _spectral_norm,
    layers.Residual: lambda place, layer, ops: Residual(*_stacks(place, ops)),
    layers.Skip: lambda place, layer, ops: Skip(*_stacks(place, ops)),
    layers.AsCondition: lambda place, layer, ops: AsCondition(*_stacks(place, ops), layer.name),
    layers.Dropout: lambda place, layer, ops: Dropout(layer.keep, ops.workers),
    layers.Relu: lambda place, layer, ops: nn.ReLU(),
    layers.LeakyRelu: lambda place, layer, ops: nn.LeakyReLU(layer.slope),
    layers.Sigmoid: lambda place, layer, ops: nn.Sigmoid(),
    layers.Tanh: lambda place, layer, ops: nn.Tanh(),
}


def module(place: Placed, ops: TorchOps) -> nn.Module:
    """The native module of one record; raises ConfigError for a record this backend does not know."""
    kind = type(place.layer)
    if kind in MODULES:
        return MODULES[kind](place, place.layer, ops)
    if isinstance(place.layer, layers.Portable):
        return Portable(place, ops)
    known = ", ".join(sorted(known.__name__ for known in MODULES))
    raise ConfigError(f"The torch backend has no layer {kind.__name__}. It has {known}, and every portable one.")
