"""Batch norm by the rows of all workers. torch's SyncBatchNorm refuses the CPU and has no second derivative.

Each worker computes with torch's own kernels on its rows. Forward they tell each other mean and variance, backward two
sums, in one message each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gankit_torch.workers import TorchWorkers


def normalised(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, workers: TorchWorkers
) -> tuple[Tensor, Tensor, Tensor]:
    """(x normalised, the mean of all workers' rows, their variance with the divisor n).

    x: (n, channels, ...) this worker's rows. weight, bias: (channels,). Mean and variance are (channels,), and have no
    gradient.
    """
    return _Normalised.apply(x, weight, bias, eps, workers)  # type: ignore[no-any-return,no-untyped-call]


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, workers: TorchWorkers
    ) -> tuple[Tensor, Tensor, Tensor]:
        every = workers.stacked(torch.stack(torch.batch_norm_update_stats(x, None, None, 0.0)))
        means, variances = every.unbind(1)
        # As Chan et al. 1979: the mean of squares less the squared mean would lose what they have in common.
        mean = means.mean(0)
        var = (means - mean).square_().add_(variances).mean(0)
        ctx.save_for_backward(x, weight, bias, mean, var)
        ctx.eps, ctx.workers = eps, workers
        ctx.mark_non_differentiable(mean, var)
        return _scaled(x, weight, bias, mean, var, eps), mean, var

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        x, weight, bias, mean, var = ctx.saved_tensors
        eps, workers = ctx.eps, ctx.workers
        if torch.is_grad_enabled():  # the gradient will be differentiated in its turn
            inputs = [t for t in (x, weight, bias) if t is not None]
            with torch.enable_grad():
                out = plainly(x, weight, bias, eps, workers)
                found = iter(torch.autograd.grad(out, inputs, gradient, create_graph=True))
            return *(None if t is None else next(found) for t in (x, weight, bias)), None, None
        mask = [False, True, True]
        backward = torch.ops.aten.native_batch_norm_backward
        _, of_weight, of_bias = backward(gradient, x, weight, mean, var, None, None, False, eps, mask)
        of_x = None
        if ctx.needs_input_grad[0]:
            n = workers.count * (x.numel() // x.shape[1])
            by_weight, by_bias = workers.summed(torch.stack((of_weight, of_bias))).div_(n).unbind()
            slope = torch.rsqrt(var + eps) if weight is None else torch.rsqrt(var + eps).mul_(weight)
            of_x = _scaled(x, -slope * by_weight, -slope * by_bias, mean, var, eps)
            of_x.addcmul_(gradient, slope.view(-1, *[1] * (x.ndim - 2)))
        return of_x, None if weight is None else of_weight, None if bias is None else of_bias, None, None


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    return torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, eps)[0]


def plainly(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, workers: TorchWorkers) -> Tensor:
    """`normalised` as operations that may be differentiated any number of times."""
    axes, shape = (0, *range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
    centred = x - workers.mean(x.mean(axes, keepdim=True))
    normal = centred * torch.rsqrt(workers.mean((centred * centred).mean(axes, keepdim=True)) + eps)
    if weight is None or bias is None:
        return normal
    return normal * weight.view(shape) + bias.view(shape)
