"""What the hand-written PyTorch loops share: data by index_select, masks from raw bits, fused optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.loop import Loop


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a @ b + bias through oneDNN. torch.mm goes to MKL, which reaches half of this on processors that are not Intel's.

    No gradients pass through it.
    """
    if not torch.backends.mkldnn.is_available():
        return torch.mm(a, b) if bias is None else torch.addmm(bias, a, b)
    return torch.ops.mkldnn._linear_pointwise(a, b.T, bias, "none", [], "")


class Feed:
    """Batches of a data set in memory: x (n, ...) and labels (n,), in the order of one shuffled epoch after another."""

    def __init__(self, data: Mapping[str, np.ndarray], batch: int) -> None:
        self.x, self.labels = torch.from_numpy(data["x"]), torch.from_numpy(data["labels"]).long()
        self.batch, self._order, self._at = batch, torch.randperm(len(self.x)), 0

    def indices(self) -> Tensor:
        if self._at + self.batch > len(self._order):
            self._order, self._at = torch.randperm(len(self.x)), 0
        self._at += self.batch
        return self._order[self._at - self.batch : self._at]

    def images(self, low: float = 0.0) -> tuple[Tensor, Tensor]:
        """(images scaled to [low, 1], labels)."""
        at = self.indices()
        x = self.x.index_select(0, at).float().mul_((1 - low) / 255)
        return (x.add_(low) if low else x), self.labels.index_select(0, at)


def uniform_noise(n: int, size: int) -> Tensor:
    """U(-sqrt 3, sqrt 3)."""
    return torch.rand(n, size).mul_(2 * 3**0.5).sub_(3**0.5)


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


def loop(iteration: Callable[[], tuple[Tensor, Tensor]], *nets: nn.Module) -> Loop:
    """A loop of an iteration that returns (D's loss, G's loss)."""

    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            d_loss, g_loss = iteration()
        return {"d_loss": float(d_loss), "g_loss": float(g_loss)}

    return Loop(play, count(*nets))


def average(ema: list[Tensor], net: nn.Module, decay: float) -> None:
    with torch.no_grad():
        torch._foreach_lerp_(ema, list(net.parameters()), 1 - decay)
