"""Matrix products through oneDNN, where torch has a faster library aboard than the one it asks.

On the CPU torch.mm in float32 goes to MKL, which on processors that are not Intel's reaches half of what oneDNN does:
forward and backward of a dense layer on 200 examples, 784 to 1200, takes 5.2 ms by `F.linear` and 2.5 ms by this.
`GANKIT_WITHOUT=onednn`, or `torch.backends.mkldnn.flags(enabled=False)`, leaves everything to torch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

WORTH_IT, NARROW = 2**22, 64
"""Multiplications in a product below which calling costs more than is gained, and the shortest side that gains."""
_LINEAR = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch.backends.mkldnn.is_available() else None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear` to rounding, as often differentiable; through oneDNN where that is faster."""
    return _Linear.apply(x, weight, bias) if faster(x, weight) else F.linear(x, weight, bias)


def faster(x: Tensor, weight: Tensor) -> bool:
    """Whether x @ weight.T is one for oneDNN."""
    return (
        x.shape[0] * weight.numel() >= WORTH_IT
        and x.ndim == 2
        and min(x.shape[0], *weight.shape) >= NARROW
        and x.dtype == weight.dtype == torch.float32
        and x.is_cpu
        and _LINEAR is not None
        and torch.backends.mkldnn.enabled
        and not torch.is_autocast_enabled("cpu")
    )


class _Linear(torch.autograd.Function):
    """x @ weight.T + bias, its gradients by itself, so that theirs are too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _LINEAR(x, weight, bias, "none", [], "")  # type: ignore[misc]

    @staticmethod
    def backward(ctx: Any, out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _Linear.apply(out, weight.T, None) if of_x else None,
            _Linear.apply(out.T, x.T, None) if of_weight else None,
            out.sum(0) if of_bias else None,
        )
