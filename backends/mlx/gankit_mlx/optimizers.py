"""Gradient descent as pure functions under the canonical names of slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim

from gankit.interfaces import Ops, OptimizerSpec
from gankit.parts.optimizers import Adam, Portable, Sgd, native
from gankit_mlx.network import laid_out

Tensors = dict[str, mx.array]


class MlxSgd:
    """Slot: velocity. By hand, as mlx.optimizers.SGD leaves it out while momentum is 0, and a ramp may come."""

    def __init__(self, spec: Sgd) -> None:
        pass

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        return {"velocity": _zeros(params)}

    def updates(self, slots: Mapping[str, Any]) -> int:
        return 0

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, float]
    ) -> tuple[Mapping[str, Any], Tensors]:
        velocity = {name: numbers["momentum"] * v + grads[name] for name, v in slots["velocity"].items()}
        return {"velocity": velocity}, {name: p - numbers["lr"] * velocity[name] for name, p in params.items()}


class MlxAdam:
    """mlx.optimizers.Adam with its correction of the bias. Slots: first, second, and the count of updates."""

    def __init__(self, spec: Adam) -> None:
        self._spec = spec

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        return {"first": _zeros(params), "second": _zeros(params), "count": updates}

    def updates(self, slots: Mapping[str, Any]) -> int:
        return int(slots["count"])

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, float]
    ) -> tuple[Mapping[str, Any], Tensors]:
        dtype, count = next(iter(params.values())).dtype, slots["count"] + 1
        betas = [numbers.get("b1", self._spec.b1), numbers.get("b2", self._spec.b2)]
        adam = optim.Adam(0.0, betas, self._spec.eps, bias_correction=True)
        # In the parameters' dtype: powers of a count of integers would be float32.
        adam.state |= {"learning_rate": mx.array(numbers["lr"], dtype), "step": mx.array(count, dtype)}
        moments = {name: {"m": slots["first"][name], "v": slots["second"][name]} for name in params}
        params = {name: adam.apply_single(grads[name], p, moments[name]) for name, p in params.items()}
        first, second = ({name: moment[one] for name, moment in moments.items()} for one in ("m", "v"))
        return {"first": first, "second": second, "count": count}, params


class Restorable:
    """An optimizer that leaves parameters laid out as a checkpoint brings them back.

    A matrix with one row or column can lie in memory in two ways that are the same numbers in the same order, and MLX
    multiplies each of them in another way: a resumed run would round otherwise.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Tensors]:
        slots, params = self._inner.update(slots, params, grads, numbers)
        return slots, {name: laid_out(p) for name, p in params.items()}


OPTIMIZERS: dict[type, Callable[[Any], MlxSgd | MlxAdam]] = {Sgd: MlxSgd, Adam: MlxAdam}


def optimizer(spec: OptimizerSpec, ops: Ops) -> Restorable:
    """The native optimizer of a spec, or its own mathematics; raises ConfigError when there is neither."""
    kind = native(spec, OPTIMIZERS, "mlx")
    return Restorable(Portable(spec, ops) if kind is None else kind(spec))


def _zeros(params: Tensors) -> Tensors:
    zeros = {name: mx.zeros_like(p) for name, p in params.items()}
    mx.eval(zeros)
    return zeros
