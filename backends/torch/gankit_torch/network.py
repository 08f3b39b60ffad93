"""A torch module as a pure function of its parameters, under the canonical names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor, nn

from gankit.layers import Placed
from gankit_torch.layers import Dropout, Stack
from gankit_torch.ops import TorchOps

_CANONICAL = {"weight": "kernel"}  # torch's word for it: ours


class TorchNetwork:
    """Native parameters are torch's own layout, (out, in); exports are canonical, (in, out)."""

    def __init__(self, placed: Sequence[Placed], ops: TorchOps) -> None:
        self.native = Stack(placed, ops)
        self.mixes_samples = any(place.layer.mixes_samples for place in placed)
        self._ops = ops
        self._places = {canonical(path): _owner(self.native, path) for path, _ in self.native.named_parameters()}
        self._dropouts = [m for m in self.native.modules() if isinstance(m, Dropout)]

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return self.restore(arrays), {}

    def apply(
        self,
        params: dict[str, Tensor],
        buffers: dict[str, Tensor],
        x: Tensor,
        labels: Tensor | None = None,
        *,
        train: bool,
        key: int | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if self.native.training != train:
            self.native.train(train)
        for i, dropout in enumerate(self._dropouts):
            dropout.key = None if key is None else self._ops.fold_in(key, i)
        with self._holding(params):
            return self.native(x, labels), buffers

    @contextmanager
    def _holding(self, params: Mapping[str, Tensor]) -> Iterator[None]:
        """The module computes with `params`: torch.func.functional_call without its walk over the module."""
        own = [(owner._parameters, name, owner._parameters[name]) for owner, name in self._places.values()]
        for (slots, name, _), canonical_name in zip(own, self._places, strict=True):
            slots[name] = params[canonical_name]  # type: ignore[assignment]
        try:
            yield
        finally:
            for slots, name, parameter in own:
                slots[name] = parameter

    def with_params(self, params: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> nn.Module:
        """The module on the very memory of `params`: what training changes next, it sees."""
        for name, (owner, attribute) in self._places.items():
            getattr(owner, attribute).data = params[name]
        self.native.eval()
        for dropout in self._dropouts:
            dropout.key = None
        return self.native

    def export(self, tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray[Any, Any]]:
        return {name: _turned(name, self._ops.to_numpy(tensor)) for name, tensor in tensors.items()}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Tensor]:
        return {name: self._ops.asarray(_turned(name, arrays[name])) for name in self._places}


def canonical(path: str) -> str:
    """`dense0.weight` -> `dense0/kernel`."""
    *modules, leaf = path.split(".")
    return "/".join([*modules, _CANONICAL.get(leaf, leaf)])


def _turned(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Between (in, out) and (out, in); its own inverse."""
    return np.asarray(array.T, order="C") if name.endswith("/kernel") else array


def _owner(root: nn.Module, path: str) -> tuple[nn.Module, str]:
    module, _, attribute = path.rpartition(".")
    return root.get_submodule(module), attribute
