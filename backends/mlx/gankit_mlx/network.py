"""An MLX module as a pure function of its parameters and buffers, under canonical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from gankit.errors import ConfigError
from gankit.interfaces import Given, beside
from gankit_mlx.layers import Axes, Dropout, Stack, names, turned
from gankit_mlx.ops import MlxOps

Tensors = dict[str, mx.array]


class Place(NamedTuple):
    """Where an array lives in the module, and the axes of MLX's array in canonical order (None: the same)."""

    holder: Any
    name: Any
    axes: Axes
    trained: bool


class MlxNetwork:
    """Tensors are in MLX's own layout, such as (out, in); exports are canonical, such as (in, out)."""

    def __init__(self, native: nn.Module, ops: MlxOps, *, mixes_samples: bool) -> None:
        self.native, self.mixes_samples, self._ops = native, mixes_samples, ops
        self._places = dict(places(native))
        self._dropouts = [m for m in native.modules() if isinstance(m, Dropout)]

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """The canonical shape of each parameter, and of each buffer."""
        families = self._split(self.canonical(self._held()))
        params, buffers = ({name: tuple(tensor.shape) for name, tensor in family.items()} for family in families)
        return params, buffers

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Tensors, Tensors]:
        return self._split(self.restore(arrays))

    def apply(
        self,
        params: Tensors,
        buffers: Tensors,
        x: mx.array,
        given: Given = MappingProxyType({}),
        *,
        train: bool,
        key: mx.array | None = None,
    ) -> tuple[Any, Tensors]:
        if self.native.training != train:
            self.native.train(train)
        own = self._held()
        self._hold({**params, **buffers})
        try:
            out = self._call(x, given, key)
            moved = self._split(self._held())[1]
        finally:
            self._hold(own)
        return out, moved if train else buffers

    def _call(self, x: mx.array, given: Given, key: mx.array | None) -> Any:
        for i, dropout in enumerate(self._dropouts):
            dropout._key = None if key is None else self._ops.fold_in(key, i)
        return self.native(x, given) if isinstance(self.native, Stack) else self.native(x, *beside(given))

    def _held(self) -> Tensors:
        return {full: place.holder[place.name] for full, place in self._places.items()}

    def _hold(self, tensors: Tensors) -> None:
        """Let the module compute with these from now on."""
        for full, place in self._places.items():
            place.holder[place.name] = tensors[full]

    def _split(self, tensors: Tensors) -> tuple[Tensors, Tensors]:
        """(parameters, buffers)."""
        params, buffers = (
            {n: t for n, t in tensors.items() if self._places[n].trained is kind} for kind in (True, False)
        )
        return params, buffers

    def with_params(self, params: Tensors, buffers: Tensors) -> nn.Module:
        """The module, in evaluation mode, on these tensors, which training leaves as they are."""
        self._hold({**params, **buffers})
        for dropout in self._dropouts:
            dropout._key = None
        return self.native.eval()

    def canonical(self, tensors: Tensors) -> Tensors:
        """Tensors of this network (or slots shaped like them) seen in the canonical layout."""
        return {name: turned(tensor, self._places[name].axes) for name, tensor in tensors.items()}

    def own(self, tensors: Tensors) -> Tensors:
        """The inverse of canonical, laid out anew: products of a turned matrix round otherwise than after a restart."""
        return {name: laid_out(turned(tensor, inverse(self._places[name].axes))) for name, tensor in tensors.items()}

    def export(self, tensors: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        return {name: self._ops.to_numpy(tensor) for name, tensor in self.canonical(tensors).items()}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tensors:
        return {
            name: self._ops.asarray(turned(arrays[name], inverse(place.axes)))
            for name, place in self._places.items()
            if name in arrays
        }


class WrappedNetwork(MlxNetwork):
    """A module that the user wrote. Tensors keep MLX's names and layout."""

    def __init__(self, native: nn.Module, ops: MlxOps) -> None:
        # Whether examples influence each other cannot be seen from outside, and two passes are right either way.
        super().__init__(native, ops, mixes_samples=True)
        held = self._held().values()
        if tied := len(held) - len({id(array) for array in held}):
            raise ConfigError(f"{type(native).__qualname__} has {tied} tied parameters, which gankit cannot train.")

    def held(self) -> dict[str, np.ndarray[Any, Any]]:
        """The numbers that the module holds."""
        return self.export(self._held())

    def _call(self, x: mx.array, given: Given, key: mx.array | None) -> Any:
        """MLX's global generator, which its dropout draws from, is a function of the key; then as it was."""
        if key is None:
            return super()._call(x, given, key)
        before = mx.random.state[0].tolist()
        try:
            mx.random.seed(_seed(key.tolist()))
            return super()._call(x, given, key)
        finally:
            mx.random.seed(_seed(before))


def places(holder: Any, path: tuple[str, ...] = (), trained: bool = True) -> Iterator[tuple[str, Place]]:
    """Every array in a module, in its children, and in their lists and dicts, by canonical name."""
    is_module = isinstance(holder, nn.Module)  # which is a dict, too
    for name, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        if is_module and name.startswith("_"):  # private, as MLX has it
            continue
        # What its author has frozen is kept like a buffer: saved, and not trained.
        learns = trained and not (is_module and name in holder._no_grad)
        if isinstance(value, mx.array):
            own, axes = names(holder, name)
            yield "/".join((*path, own)), Place(holder, name, axes, learns)
        elif isinstance(value, dict | list):
            yield from places(value, (*path, str(name)), learns)


def inverse(axes: Axes) -> Axes:
    """The order of axes that undoes another."""
    return None if axes is None else tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _seed(words: list[int]) -> int:
    return words[0] << 32 | words[1]


def laid_out(x: mx.array) -> mx.array:
    """The array in the one layout that arrays from NumPy have."""
    return mx.reshape(mx.flatten(x), x.shape) if x.ndim > 1 else x
