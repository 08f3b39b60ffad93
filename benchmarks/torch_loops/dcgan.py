"""DCGAN on 28x28, with and without labels, in PyTorch.

Activations are not in place: the backward pass of one that was took three times as long.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import Feed, frozen, loop, uniform_noise

LATENT = 100


class Unflatten(nn.Module):
    """(N, 128 * 7 * 7) -> (N, 128, 7, 7); last: with the channels last in memory, without moving a number."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, 7, 7, 128).permute(0, 3, 1, 2) if self.last else x.view(-1, 128, 7, 7)


class Flatten(Unflatten):
    """The inverse."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.permute(0, 2, 3, 1) if self.last else x).flatten(1)


def generator(classes: int = 0, *, last: bool = False) -> nn.Sequential:
    """(N, latent + classes) -> (N, 1, 28, 28) in [-1, 1]."""
    return initialised(
        nn.Sequential(
            nn.Linear(LATENT + classes, 7 * 7 * 128, bias=False),
            Unflatten(last),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, 2, 1),
            nn.Tanh(),
        )
    )


def discriminator(classes: int = 0, *, last: bool = False) -> nn.Sequential:
    """(N, 1 + classes, 28, 28) -> (N,) logits."""
    return initialised(
        nn.Sequential(
            nn.Conv2d(1 + classes, 64, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2),
            Flatten(last),
            nn.Linear(7 * 7 * 128, 1),
            nn.Flatten(0),
        )
    )


def initialised(net: nn.Sequential) -> nn.Sequential:
    for module in net:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        elif hasattr(module, "weight"):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def adam(net: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)


def stock(setup: Setup) -> Loop:
    return game(setup, torch.contiguous_format)


def best(setup: Setup) -> Loop:
    """Images with their channels last in memory throughout: a change of layout on the way costs more than it brings."""
    return game(setup, torch.channels_last)


def game(setup: Setup, layout: torch.memory_format) -> Loop:
    """Stock modules; real and fake apart, as batch norm wants it; D frozen in G's phase; fused Adam.

    Each phase's fakes have the labels of the reals it would be shown.
    """
    m, classes = setup.batch, setup.sizes.get("classes", 0)
    feed = Feed({**setup.data, "x": setup.data["x"].reshape(-1, 1, 28, 28)}, m)
    last = layout == torch.channels_last
    g, d = (net(classes, last=last).to(memory_format=layout) for net in (generator, discriminator))
    g_optimizer, d_optimizer = adam(g), adam(d)

    def generate(labels: Tensor) -> Tensor:
        z = uniform_noise(m, LATENT)
        return g(torch.cat([z, F.one_hot(labels, classes)], 1) if classes else z)

    def judge(x: Tensor, labels: Tensor) -> Tensor:
        if classes:
            planes = F.one_hot(labels, classes).float()[:, :, None, None].expand(-1, -1, 28, 28)
            x = torch.cat([x, planes], 1)
        return d(x.contiguous(memory_format=layout))

    def iteration() -> tuple[Tensor, Tensor]:
        real, labels = feed.images(-1.0)
        with torch.no_grad():
            fake = generate(labels)
        d_loss = F.softplus(-judge(real, labels)).mean() + F.softplus(judge(fake, labels)).mean()
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        with frozen(d):
            labels = feed.labels.index_select(0, feed.indices()) if classes else labels
            g_loss = F.softplus(-judge(generate(labels), labels)).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        return d_loss.detach(), g_loss.detach()

    return loop(iteration, g, d)
