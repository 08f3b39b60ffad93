"""Convolutions that can be differentiated twice without waste.

R1 and the gradient penalties differentiate D's convolutions twice. torch does that with images in the place of
kernels, one group of channels after another. A convolution is linear in its images and in its kernel. So of the three
products that are there already, the image, its gradient and the kernel's gradient, each has derivatives that are made
of the other two, and these come from the same fast kernels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

_aten = torch.ops.aten


class Window(NamedTuple):
    """How a kernel (features, channels / groups, h, w) goes over images; transposed: (channels, features, h, w)."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: int = 1
    transposed: bool = False

    @property
    def arguments(self) -> tuple[Any, ...]:
        """As torch's operations take them: no dilation, and no padding of what comes out."""
        return self.stride, self.padding, (1, 1), self.transposed, (0, 0), self.groups


def convolved(x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """What `F.conv2d` or `F.conv_transpose2d` computes of images (N, channels, h, w), as often differentiable."""
    if not x.is_meta and torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, kernel, bias = x.to(dtype), kernel.to(dtype), None if bias is None else bias.to(dtype)
    out: Tensor = _Convolved.apply(x, kernel, bias, window)
    return out


class _Convolved(torch.autograd.Function):
    """Of images and a kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.window, ctx.features = window, None if bias is None else [len(bias)]
        return _aten.convolution(x, kernel, bias, *window.arguments)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, out: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        of_x, of_kernel, of_bias, _ = ctx.needs_input_grad
        if not torch.is_grad_enabled():
            wanted = [of_x, of_kernel, of_bias]
            return *_aten.convolution_backward(out, x, kernel, ctx.features, *ctx.window.arguments, wanted), None
        return (
            _OfImages.apply(out, x, kernel, ctx.window) if of_x else None,
            _OfKernel.apply(out, x, kernel, ctx.window) if of_kernel else None,
            out.sum((0, 2, 3)) if of_bias else None,
            None,
        )


class _OfImages(torch.autograd.Function):
    """The gradient of the images, from that of what came out, and the kernel; of the images only their form is read."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, x: Tensor, kernel: Tensor, window: Window) -> Tensor:
        ctx.save_for_backward(out, kernel)
        ctx.window = window
        return _aten.convolution_backward(out, x, kernel, None, *window.arguments, [True, False, False])[0]  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
        out, kernel = ctx.saved_tensors
        of_out, _, of_kernel, _ = ctx.needs_input_grad
        return (
            _Convolved.apply(v, kernel, None, ctx.window) if of_out else None,
            None,
            _OfKernel.apply(out, v, kernel, ctx.window) if of_kernel else None,
            None,
        )


class _OfKernel(torch.autograd.Function):
    """The gradient of the kernel, from that of what came out, and the images; of the kernel only its form is read."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, x: Tensor, kernel: Tensor, window: Window) -> Tensor:
        ctx.save_for_backward(out, x)
        ctx.window = window
        return _aten.convolution_backward(out, x, kernel, None, *window.arguments, [False, True, False])[1]  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
        out, x = ctx.saved_tensors
        of_out, of_x, _, _ = ctx.needs_input_grad
        return (
            _Convolved.apply(x, v, None, ctx.window) if of_out else None,
            _OfImages.apply(out, x, v, ctx.window) if of_x else None,
            None,
            None,
        )
