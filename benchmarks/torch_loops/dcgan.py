"""DCGAN on 28x28 or 64x64, with and without labels, in PyTorch.

Activations are not in place: the backward pass of one that was took three times as long.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup, halvings
from benchmarks.torch_loops.common import (
    Feed,
    adam,
    frozen,
    loop,
    phase,
    pictures,
    prepared,
    uniform_noise,
)

LATENT = 100


class Unflatten(nn.Module):
    """(N, c * side * side) -> (N, c, side, side); last: with the channels last in memory, without moving a number."""

    def __init__(self, side: int, last: bool) -> None:
        super().__init__()
        self.side, self.last = side, last

    def forward(self, x: Tensor) -> Tensor:
        side = self.side
        return x.view(len(x), side, side, -1).permute(0, 3, 1, 2) if self.last else x.view(len(x), -1, side, side)


class Flatten(Unflatten):
    """The inverse."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.permute(0, 2, 3, 1) if self.last else x).flatten(1)


def generator(
    classes: int = 0, *, last: bool = False, side: int = 28, channels: int = 1, width: int = 64
) -> nn.Sequential:
    """(N, latent + classes) -> (N, channels, side, side) in [-1, 1]."""
    base, doublings = halvings(side)
    now = width * 2 ** (doublings - 1)
    layers: list[nn.Module] = [nn.Linear(LATENT + classes, base * base * now, bias=False), Unflatten(base, last)]
    layers += [nn.BatchNorm2d(now), nn.ReLU()]
    for _ in range(doublings - 1):
        layers += [nn.ConvTranspose2d(now, now // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(now // 2), nn.ReLU()]
        now //= 2
    return initialised(nn.Sequential(*layers, nn.ConvTranspose2d(now, channels, 4, 2, 1), nn.Tanh()))


def discriminator(
    classes: int = 0, *, last: bool = False, side: int = 28, channels: int = 1, width: int = 64
) -> nn.Sequential:
    """(N, channels + classes, side, side) -> (N,) logits."""
    base, halved = halvings(side)
    layers: list[nn.Module] = [nn.Conv2d(channels + classes, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    now = width
    for _ in range(halved - 1):
        layers += [nn.Conv2d(now, 2 * now, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * now), nn.LeakyReLU(0.2)]
        now *= 2
    return initialised(nn.Sequential(*layers, Flatten(base, last), nn.Linear(base * base * now, 1), nn.Flatten(0)))


def initialised(net: nn.Sequential) -> nn.Sequential:
    for module in net:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        elif hasattr(module, "weight"):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def stock(setup: Setup) -> Loop:
    return game(setup, last=setup.layout == "last")


def best(setup: Setup) -> Loop:
    """On a CPU, images with their channels last in memory throughout: a change of layout on the way costs more than it
    brings. On CUDA, last only where the setup says so."""
    return game(setup, last=setup.layout == "last" or (setup.layout == "" and setup.device == "cpu"))


def game(setup: Setup, *, last: bool) -> Loop:
    """Stock modules; real and fake apart, as batch norm wants it; D frozen in G's phase; fused Adam.

    Each phase's fakes have the labels of the reals it would be shown.
    """
    m, classes = setup.batch, setup.sizes.get("classes", 0)
    side, channels, width = (setup.sizes.get(*size) for size in (("side", 28), ("channels", 1), ("width", 64)))
    feed = Feed(pictures(setup.data, side, channels), m)
    layout = torch.channels_last if last else torch.contiguous_format
    g, d = (
        net(classes, last=last, side=side, channels=channels, width=width).to(memory_format=layout)
        for net in (generator, discriminator)
    )
    g_optimizer, d_optimizer = (adam(net, 2e-4, 0.5, 0.999) for net in (g, d))
    g_called, d_called = prepared(g, setup), prepared(d, setup)

    def generate(labels: Tensor) -> Tensor:
        z = uniform_noise(m, LATENT, feed.device)
        return g_called(torch.cat([z, F.one_hot(labels, classes)], 1) if classes else z)

    def judge(x: Tensor, labels: Tensor) -> Tensor:
        if classes:
            planes = F.one_hot(labels, classes).float()[:, :, None, None].expand(-1, -1, side, side)
            x = torch.cat([x, planes], 1)
        return d_called(x.contiguous(memory_format=layout))

    def iteration() -> tuple[Tensor, Tensor]:
        phase(setup)
        real, labels = feed.images(-1.0)
        with torch.no_grad():
            fake = generate(labels)
        d_loss = F.softplus(-judge(real, labels)).mean() + F.softplus(judge(fake, labels)).mean()
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        phase(setup)
        with frozen(d):
            labels = feed.labels.index_select(0, feed.indices()) if classes else labels
            g_loss = F.softplus(-judge(generate(labels), labels)).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        return d_loss.detach(), g_loss.detach()

    return loop(iteration, g, d)
