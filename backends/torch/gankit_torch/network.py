"""A torch module as a pure function of its parameters and buffers, under canonical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gankit.errors import ConfigError
from gankit.interfaces import Given, beside
from gankit.trees import tree_map
from gankit_torch.keys import forked
from gankit_torch.layers import Dropout, canonical_names
from gankit_torch.ops import TorchOps
from gankit_torch.tape import Unrecordable, recording

Tensors = dict[str, Tensor]


class Place(NamedTuple):
    """Where a tensor lives in the module, and the axes of torch's tensor in canonical order (None: the same)."""

    holder: dict[str, Any]
    name: str
    axes: tuple[int, ...] | None


class TorchNetwork:
    """Tensors are in torch's own layout, such as (out, in); exports are canonical, such as (in, out)."""

    def __init__(self, native: nn.Module, ops: TorchOps, precision: str, *, mixes_samples: bool) -> None:
        self.native, self.mixes_samples, self._ops, self._precision = native, mixes_samples, ops, precision
        self._params, self._buffers = {}, {}
        for path, owner in native.named_modules():
            for name, (own, axes) in canonical_names(owner).items():
                full = "/".join([*path.split("."), own] if path else [own])
                holder = owner._parameters if name in owner._parameters else owner._buffers
                # What its author has frozen is kept like a buffer: saved, and not trained.
                trained = holder is owner._parameters and holder[name].requires_grad
                (self._params if trained else self._buffers)[full] = Place(holder, name, axes)
        self._places = self._params | self._buffers
        self._dropouts = [m for m in native.modules() if isinstance(m, Dropout)]

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """The canonical shape of each parameter, and of each buffer."""
        return tuple(  # type: ignore[return-value]
            {full: tuple(turned(holder[name], axes).shape) for full, (holder, name, axes) in places.items()}
            for places in (self._params, self._buffers)
        )

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Tensors, Tensors]:
        tensors = self.restore(arrays)
        return {name: tensors[name] for name in self._params}, {name: tensors[name] for name in self._buffers}

    def apply(
        self,
        params: Tensors,
        buffers: Tensors,
        x: Tensor,
        given: Given = MappingProxyType({}),
        *,
        train: bool,
        key: int | None = None,
    ) -> tuple[Any, Tensors]:
        if self.native.training != train:
            self.native.train(train)
        for i, dropout in enumerate(self._dropouts):
            dropout.key = None if key is None else self._ops.fold_in(key, i)
        if train:  # torch moves running statistics in place, and these are not ours to change
            buffers = {name: buffer.clone() for name, buffer in buffers.items()}
        own = self._hold({**params, **buffers})
        try:
            with self._computing():
                out = self._call(x, given, key)
            moved = {name: holder[attribute] for name, (holder, attribute, _) in self._buffers.items()}
        finally:
            self._hold(own)
        if self._precision == "bfloat16":
            out = tree_map(self._ops.to_float, out)
        return out, moved if train else buffers

    def _call(self, x: Tensor, given: Given, key: int | None) -> Any:
        return self.native(x, given)

    def _computing(self) -> Any:
        """In the game's precision. Casts are not kept: the tensors that they belong to change between calls."""
        if self._precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self._ops.device.type, torch.bfloat16, cache_enabled=False)

    def _hold(self, tensors: Tensors) -> Tensors:
        """Let the module compute with these from now on, and return those it had: torch.func.functional_call without
        its walk over the module."""
        had = {}
        for name, (holder, attribute, _) in self._places.items():
            had[name], holder[attribute] = holder[attribute], tensors[name]
        return had

    def with_params(self, params: Tensors, buffers: Tensors) -> nn.Module:
        """The module on the very memory of these tensors: what training changes next, it sees."""
        for name, (holder, own, _) in self._places.items():
            tensor = params[name] if name in params else buffers[name]
            if isinstance(holder[own], nn.Parameter):
                holder[own].data = tensor
            else:
                holder[own] = tensor
        self.native.eval()
        for dropout in self._dropouts:
            dropout.key = None
        return self.native

    def canonical(self, tensors: Tensors) -> Tensors:
        """Tensors of this network (or slots shaped like them) seen in the canonical layout."""
        return {name: turned(tensor, self._places[name].axes) for name, tensor in tensors.items()}

    def own(self, tensors: Tensors) -> Tensors:
        """The inverse of canonical."""
        return {name: turned(tensor, inverse(self._places[name].axes)).contiguous() for name, tensor in tensors.items()}

    def export(self, tensors: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        return {name: self._ops.to_numpy(tensor) for name, tensor in self.canonical(tensors).items()}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tensors:
        return {
            name: self._ops.asarray(arrays[name] if axes is None else arrays[name].transpose(inverse(axes)))
            for name, (_, _, axes) in self._places.items()
            if name in arrays
        }


class WrappedNetwork(TorchNetwork):
    """A module that the user wrote. Tensors keep torch's names and layout; images go in and out as (N, c, h, w)."""

    def __init__(self, native: nn.Module, ops: TorchOps, precision: str) -> None:
        # Whether examples influence each other cannot be seen from outside, and two passes are right either way.
        super().__init__(native, ops, precision, mixes_samples=True)
        mixing = [m for m in native.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        if ops.workers is not None and mixing:
            raise ConfigError(
                f"{type(native).__qualname__} has {type(mixing[0]).__name__}, which would normalise the rows of each "
                f"of {ops.workers.count} workers by themselves. Use nn.GroupNorm, or a network of gankit's layers."
            )
        tied = len(self._params) - len({id(holder[name]) for holder, name, _ in self._params.values()})
        if tied:
            raise ConfigError(f"{type(native).__qualname__} has {tied} tied parameters, which gankit cannot train.")

    def held(self) -> dict[str, np.ndarray[Any, Any]]:
        """The numbers that the module holds."""
        return self.export({n: p.holder[p.name] for n, p in self._places.items()})

    def _call(self, x: Tensor, given: Given, key: int | None) -> Any:
        if recording():
            raise Unrecordable("A module of the user's may do something else at every step.")
        x, given = _channels_first(x), {name: _channels_first(c) for name, c in given.items()}
        with self._seeded(key):
            out = self.native(x, *beside(given))
        if isinstance(out, Tensor) and out.ndim == 4:
            return out.permute(0, 2, 3, 1)
        return out

    @contextmanager
    def _seeded(self, key: int | None) -> Iterator[None]:
        """torch's global generators, which dropout draws from, as functions of the key; then as they were."""
        if key is None or self._ops.device.type == "meta":
            yield
            return
        with forked(self._ops.device):
            workers = self._ops.workers
            if workers is not None:  # whose rows are others, and want other numbers
                key = self._ops.fold_in(key, workers.rank)
            torch.manual_seed(key & (2**63 - 1))
            yield


def _channels_first(x: Tensor) -> Tensor:
    """As torch's own modules take it: images (N, c, h, w), and classes of int64."""
    if not x.is_floating_point():
        return x.long()
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def turned(tensor: Tensor, axes: tuple[int, ...] | None) -> Tensor:
    """The tensor with its axes in that order."""
    return tensor if axes is None else tensor.permute(axes)


def inverse(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The order of axes that undoes another."""
    return None if axes is None else tuple(sorted(range(len(axes)), key=axes.__getitem__))
