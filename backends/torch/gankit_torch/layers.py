"""The native module of each layer record. A new layer is one function here and one line in `MODULES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gankit import layers
from gankit.errors import ConfigError
from gankit.layers import Placed
from gankit_torch.ops import TorchOps, generator


class Stack(nn.Module):
    """A network made of layer records, its children named as in checkpoints: `dense0`, `relu0`, ..."""

    def __init__(self, placed: Sequence[Placed], ops: TorchOps) -> None:
        super().__init__()
        for place in placed:
            self.add_module(place.name, module(place, ops))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        for child in self.children():
            x = child(x, labels) if isinstance(child, ConcatLabels) else child(x)
        return x


class Maxout(nn.Linear):
    """The largest of several affine maps; ties share the gradient, as in every backend."""

    def __init__(self, inputs: int, units: int, pieces: int, **options: Any) -> None:
        super().__init__(inputs, pieces * units, **options)
        self.units, self.pieces = units, pieces

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).reshape(-1, self.pieces, self.units).amax(dim=1)


class Dropout(nn.Module):
    """Inverted dropout. `key` is set by the training step; without one it draws from torch's global generator."""

    def __init__(self, keep: float) -> None:
        super().__init__()
        self.keep = keep
        self.key: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.keep == 1.0:
            return x
        source = None if self.key is None else generator(self.key, x.device)
        kept = torch.rand(x.shape, generator=source, device=x.device, dtype=torch.float32) < self.keep
        return x * (kept.to(x.dtype) * (1.0 / self.keep))


class ConcatLabels(nn.Module):
    """Appends the one-hot label to a vector."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        one_hot = labels[:, None] == torch.arange(self.num_classes, device=labels.device)
        return torch.cat([x, one_hot.to(x.dtype)], dim=1)


class Reshape(nn.Module):
    """Everything after the batch axis in a new shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape)


def _options(ops: TorchOps, layer: Any) -> dict[str, Any]:
    return {"bias": layer.bias is not None, "device": ops.device, "dtype": ops.dtype}


def _dense(place: Placed, layer: layers.Dense, ops: TorchOps) -> nn.Module:
    return nn.Linear(place.input_shape[0], layer.features, **_options(ops, layer))


def _maxout(place: Placed, layer: layers.Maxout, ops: TorchOps) -> nn.Module:
    return Maxout(place.input_shape[0], layer.units, layer.pieces, **_options(ops, layer))


MODULES: dict[type[layers.Layer], Callable[[Placed, Any, TorchOps], nn.Module]] = {
    layers.Dense: _dense,
    layers.Maxout: _maxout,
    layers.Dropout: lambda place, layer, ops: Dropout(layer.keep),
    layers.Relu: lambda place, layer, ops: nn.ReLU(),
    layers.LeakyRelu: lambda place, layer, ops: nn.LeakyReLU(layer.slope),
    layers.Sigmoid: lambda place, layer, ops: nn.Sigmoid(),
    layers.Tanh: lambda place, layer, ops: nn.Tanh(),
    layers.Flatten: lambda place, layer, ops: Reshape(place.output_shape),
    layers.Reshape: lambda place, layer, ops: Reshape(place.output_shape),
    layers.ConcatLabels: lambda place, layer, ops: ConcatLabels(layer.num_classes),
}


def module(place: Placed, ops: TorchOps) -> nn.Module:
    """The native module of one record; raises ConfigError for a record this backend does not know."""
    kind = type(place.layer)
    if kind not in MODULES:
        known = ", ".join(sorted(known.__name__ for known in MODULES))
        raise ConfigError(f"The torch backend has no layer {kind.__name__}. It has {known}.")
    return MODULES[kind](place, place.layer, ops)
