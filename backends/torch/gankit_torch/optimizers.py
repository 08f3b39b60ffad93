"""torch.optim as pure functions. Parameters and slots are updated in place, fused where torch can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from gankit.interfaces import Ops, OptimizerSpec
from gankit.parts.optimizers import Adam, Portable, Sgd, native

Tensors = dict[str, Tensor]


class TorchSgd:
    """torch.optim.SGD. Slot: velocity."""

    def __init__(self, spec: Sgd, device: torch.device) -> None:
        self._fused = _can_fuse(device)

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        return {"velocity": _zeros(params)}

    def updates(self, slots: Mapping[str, Any]) -> int:
        return 0

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, float]
    ) -> tuple[Mapping[str, Any], Tensors]:
        velocity: list[Tensor] = list(slots["velocity"].values())
        gradients = _laid_out(params, grads)
        if numbers["momentum"] == 0:  # torch then leaves the buffers as they were, and a ramp would meet them again
            torch._foreach_copy_(velocity, gradients)
        if by_arrays(next(iter(params.values()))):
            if numbers["momentum"] != 0:
                torch._foreach_mul_(velocity, as_array(numbers["momentum"], velocity[0]))
                torch._foreach_add_(velocity, gradients)
            torch._foreach_sub_(
                list(params.values()), torch._foreach_mul(velocity, as_array(numbers["lr"], velocity[0]))
            )
            return slots, params
        sgd(
            list(params.values()),
            gradients,
            velocity,
            lr=numbers["lr"],
            momentum=numbers["momentum"],
            weight_decay=0.0,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            fused=self._fused,
            foreach=not self._fused,
        )
        return slots, params


class TorchAdam:
    """torch.optim.Adam. Slots: first, second, and the count of updates."""

    def __init__(self, spec: Adam, device: torch.device) -> None:
        self._spec, self._fused = spec, _can_fuse(device)

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        device = next(iter(params.values())).device if self._fused else torch.device("cpu")
        return {"first": _zeros(params), "second": _zeros(params), "count": torch.tensor(float(updates), device=device)}

    def updates(self, slots: Mapping[str, Any]) -> int:
        return int(slots["count"])

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, float]
    ) -> tuple[Mapping[str, Any], Tensors]:
        tensors = (
            list(params.values()),
            _laid_out(params, grads),
            list(slots["first"].values()),
            list(slots["second"].values()),
            [],
        )
        some = next(iter(params.values()))
        options = {
            "lr": as_array(numbers["lr"], some) if by_arrays(some) else numbers["lr"],
            "beta1": float(numbers.get("b1", self._spec.b1)),
            "beta2": float(numbers.get("b2", self._spec.b2)),
            "eps": self._spec.eps,
            "weight_decay": 0.0,
            "amsgrad": False,
            "maximize": False,
        }
        if self._fused:
            # As torch.optim does, without its sorting of tensors by device and dtype: ours have one of each.
            torch._fused_adam_(*tensors, [slots["count"].add_(1)] * len(params), **options)
        else:
            counts = [slots["count"].clone() for _ in params]
            adam(*tensors, counts, foreach=True, **options)
            slots["count"].add_(1)
        return slots, params


TorchOptimizer = TorchSgd | TorchAdam
OPTIMIZERS: dict[type, Callable[[Any, torch.device], TorchOptimizer]] = {Sgd: TorchSgd, Adam: TorchAdam}


def optimizer(spec: OptimizerSpec, device: torch.device, ops: Ops) -> TorchOptimizer | Portable:
    """The native optimizer of a spec, or its own mathematics; raises ConfigError when there is neither."""
    kind = native(spec, OPTIMIZERS, "torch")
    return Portable(spec, ops) if kind is None else kind(spec, device)


def by_arrays(x: Tensor) -> bool:
    """Whether numbers that change from step to step are arrays beside parameters such as x: on CUDA, where a graph of
    the whole step reads them anew. Not in float64, since torch takes such a learning rate in float32."""
    return x.device.type == "cuda" and x.dtype == torch.float32


def as_array(number: float, x: Tensor) -> Tensor:
    """A number, as a 0-d array on the device and in the dtype of x; inside a whole step it lies there already."""
    tensor: Tensor | None = getattr(number, "tensor", None)
    return torch.full((), number, dtype=x.dtype, device=x.device) if tensor is None else tensor


def _zeros(params: Tensors) -> Tensors:
    return {name: torch.zeros_like(p) for name, p in params.items()}


def _laid_out(params: Tensors, grads: Tensors) -> list[Tensor]:
    """The gradients in the memory layout of their parameters.

    Convolutions on channels_last images give their kernels' gradients in that layout, and torch's fused optimizers, who
    trust that all layouts are one, would then move every weight by another weight's gradient, without a word.
    """
    return [
        grads[name] if grads[name].stride() == p.stride() else torch.empty_like(p).copy_(grads[name])
        for name, p in params.items()
    ]


def _can_fuse(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")
