"""What the hand-written PyTorch loops share: data by index_select, masks from raw bits, fused optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a @ b + bias through oneDNN. torch.mm goes to MKL, which reaches half of this on processors that are not Intel's.

    No gradients pass through it.
    """
    if a.is_cuda or not torch.backends.mkldnn.is_available():
        return torch.mm(a, b) if bias is None else torch.addmm(bias, a, b)
    return torch.ops.mkldnn._linear_pointwise(a, b.T, bias, "none", [], "")


class Feed:
    """Batches of a data set on the default device: x (n, ...) and labels (n,), in one shuffled epoch after another.

    On CUDA each batch is drawn anew: its indices then come from the device, in a CUDA graph too.
    """

    def __init__(self, data: Mapping[str, np.ndarray], batch: int) -> None:
        self.device = torch.get_default_device()
        self.x = torch.from_numpy(data["x"]).to(self.device)
        self.labels = torch.from_numpy(data["labels"]).long().to(self.device)
        self.batch, self._order, self._at = batch, torch.randperm(len(self.x)), 0

    def indices(self) -> Tensor:
        if self.device.type != "cpu":
            return torch.randint(len(self.x), (self.batch,), device=self.device)
        if self._at + self.batch > len(self._order):
            self._order, self._at = torch.randperm(len(self.x)), 0
        self._at += self.batch
        return self._order[self._at - self.batch : self._at]

    def images(self, low: float = 0.0) -> tuple[Tensor, Tensor]:
        """(images scaled to [low, 1], labels)."""
        at = self.indices()
        x = self.x.index_select(0, at).float().mul_((1 - low) / 255)
        return (x.add_(low) if low else x), self.labels.index_select(0, at)


def pictures(data: Mapping[str, np.ndarray], side: int, channels: int) -> dict[str, np.ndarray]:
    """The data with x as (n, channels, side, side)."""
    x = data["x"].reshape(-1, side, side, channels).transpose(0, 3, 1, 2)
    return {**data, "x": np.ascontiguousarray(x)}


def prepared(net: nn.Module, setup: Setup) -> Callable[..., Tensor]:
    """The net as iterations call it: compiled, and computing in bfloat16, where the setup says so."""
    called: Callable[..., Tensor] = net
    if setup.compile:
        called = torch.compile(net, mode=setup.compile, dynamic=False)  # else a second batch size makes sizes variables
    if setup.precision != "bfloat16":
        return called

    def call(*arguments: Tensor) -> Tensor:
        with torch.autocast(setup.device, torch.bfloat16):
            out = called(*arguments)
        return out.float()

    return call


def phase(setup: Setup) -> None:
    """A player's phase begins: what compiled networks returned before is no longer needed, nor is any gradient."""
    if setup.compile == "reduce-overhead":
        torch.compiler.cudagraph_mark_step_begin()


def adam(net: nn.Module, lr: float, b1: float, b2: float) -> torch.optim.Adam:
    """Fused; fit for a CUDA graph where the net is on CUDA."""
    on_cuda = next(net.parameters()).is_cuda
    return torch.optim.Adam(net.parameters(), lr=lr, betas=(b1, b2), fused=True, capturable=on_cuda)


def uniform_noise(n: int, size: int, device: torch.device | None = None) -> Tensor:
    """U(-sqrt 3, sqrt 3)."""
    return torch.rand(n, size, device=device).mul_(2 * 3**0.5).sub_(3**0.5)


class Masks:
    """Dropout masks from 16 raw bits an element: torch's bernoulli_ takes 13 ns for one, single-threaded."""

    def __init__(self) -> None:
        self._bits = np.random.SFC64(0)

    def __call__(self, shape: tuple[int, int], keep: float) -> Tensor:
        """(shape) float: 1 / keep with probability `keep`, to 1 part in 65,536, else 0."""
        count = shape[0] * shape[1]
        raw = self._bits.random_raw((count + 3) // 4).view(np.int16)[:count].reshape(shape)
        return torch.from_numpy(raw).lt(round(keep * 65_536) - 32_768).float().mul_(1 / keep)


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """No gradients for its weights: in G's phase they would be computed and thrown away."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)


def count(*nets: nn.Module) -> tuple[int, ...]:
    return tuple(sum(p.numel() for p in net.parameters()) for net in nets)


def loop(iteration: Callable[[], tuple[Tensor, Tensor]], *nets: nn.Module, period: int = 1) -> Loop:
    """A loop of an iteration that returns (D's loss, G's loss)."""

    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            d_loss, g_loss = iteration()
        return {"d_loss": float(d_loss), "g_loss": float(g_loss)}

    return Loop(play, count(*nets), iteration=iteration, period=period)


def average(ema: list[Tensor], net: nn.Module, decay: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(ema, list(net.parameters()), 1 - decay)
