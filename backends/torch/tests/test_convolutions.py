"""gankit's convolutions are torch's, to the third derivative, and in bfloat16 where autocast says so."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from gankit_torch.convolutions import Window, convolved
from torch.autograd import grad

WINDOWS = {
    "3x3": (3, Window((1, 1), (1, 1))),
    "strided": (4, Window((2, 2), (1, 1))),
    "in groups": (3, Window((1, 1), (1, 1), groups=2)),
    "a group a channel": (6, Window((1, 1), (0, 0), groups=4)),
    "1x1": (1, Window((1, 1), (0, 0))),
    "transposed": (4, Window((2, 2), (1, 1), transposed=True)),
}


def made(size, window, bias=True):
    draw = torch.Generator().manual_seed(0)
    shape = (4, 8, size, size) if window.transposed else (8, 4 // window.groups, size, size)
    x, kernel, b = (
        torch.randn(s, dtype=torch.float64, generator=draw).requires_grad_() for s in ((2, 4, 6, 6), shape, (8,))
    )
    return x, kernel, b if bias else None


def torchs(x, kernel, bias, window):
    f = F.conv_transpose2d if window.transposed else F.conv2d
    return f(x, kernel, bias, window.stride, window.padding, groups=window.groups)


def derivatives(f, size, window, bias):
    """The result, its slopes, the gradient of a penalty on these, and the gradient of that."""
    inputs = made(size, window, bias)
    leaves = [x for x in inputs if x is not None]
    y = f(*inputs, window)
    (slopes,) = grad(y.sin().sum(), leaves[0], create_graph=True)
    second = grad(slopes.square().sum() + y.sum(), leaves, create_graph=True)
    return [y, slopes, *second, *grad(sum(t.cos().sum() for t in second), leaves)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", WINDOWS)
def test_derivatives_are_torchs_to_the_third(kind, bias):
    got, want = (derivatives(f, *WINDOWS[kind], bias) for f in (convolved, torchs))
    for ours, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_autocast_convolves_in_bfloat16_and_gives_gradients_in_the_dtype_of_the_leaves():
    size, window = WINDOWS["3x3"]
    x, kernel, bias = (t.detach().float().requires_grad_() for t in made(size, window))
    with torch.autocast("cpu", torch.bfloat16):
        y = convolved(x, kernel, bias, window)
    assert y.dtype == torch.bfloat16
    gradients = grad(y.float().square().sum(), (x, kernel, bias))
    want = grad(torchs(x, kernel, bias, window).square().sum(), (x, kernel, bias))
    for ours, theirs in zip(gradients, want, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.05 * float(theirs.abs().max()))
