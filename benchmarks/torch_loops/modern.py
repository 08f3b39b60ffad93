"""R3GAN's game in PyTorch: paired logits, R1 and R2 at every step, residual blocks without normalisation."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import Feed, average, frozen, loop

LATENT, GAMMA = 64, 0.1


class Block(nn.Module):
    """1x1 to twice the width, 3x3 in groups of 16, 1x1 back, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = 2 * channels
        self.wider = nn.Conv2d(channels, inside, 1)
        self.grouped = nn.Conv2d(inside, inside, 3, padding=1, groups=inside // 16)
        self.back = nn.Conv2d(inside, channels, 1, bias=False)
        nn.init.zeros_(self.back.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = F.leaky_relu(self.grouped(F.leaky_relu(self.wider(x), 0.2)), 0.2)
        return x + self.back(h)


def generator(width: int, blocks: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(LATENT, 7 * 7 * 4 * width), nn.Unflatten(1, (4 * width, 7, 7))]
    for old, new in ((4 * width, 4 * width), (4 * width, 2 * width), (2 * width, width)):
        if old != new:
            layers += [nn.Conv2d(old, new, 1, bias=False), nn.Upsample(scale_factor=2, mode="bilinear")]
        layers += [Block(new) for _ in range(blocks)]
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 1))


def discriminator(width: int, blocks: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(1, width, 1)]
    for old, new in ((width, width), (width, 2 * width), (2 * width, 4 * width)):
        if old != new:
            layers += [nn.AvgPool2d(2), nn.Conv2d(old, new, 1, bias=False)]
        layers += [Block(new) for _ in range(blocks)]
    last = nn.Conv2d(4 * width, 4 * width, 7, groups=4 * width, bias=False)
    return nn.Sequential(*layers, last, nn.Flatten(), nn.Linear(4 * width, 1), nn.Flatten(0))


def best(setup: Setup) -> Loop:
    """Both penalties from D's one pass over real and fake; D frozen in G's phase; fused Adam."""
    m, feed = setup.batch, Feed({**setup.data, "x": setup.data["x"].reshape(-1, 1, 28, 28)}, setup.batch)
    sizes = setup.sizes["width"], setup.sizes["blocks"]
    g, d = generator(*sizes), discriminator(*sizes)
    g_optimizer, d_optimizer = (
        torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.0, 0.9), fused=True) for net in (g, d)
    )
    ema = list(copy.deepcopy(g).parameters())

    def iteration() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            both = torch.cat([feed.images()[0], g(torch.randn(m, LATENT))])
        logits = d(both.requires_grad_())
        (slope,) = torch.autograd.grad(logits.sum(), both, create_graph=True)
        d_loss = F.softplus(logits[m:] - logits[:m]).mean()
        d_optimizer.zero_grad()
        (d_loss + GAMMA * 0.5 / m * slope.square().sum()).backward(inputs=list(d.parameters()))
        d_optimizer.step()
        with frozen(d):
            with torch.no_grad():
                on_real = d(feed.images()[0])
            g_loss = F.softplus(on_real - d(g(torch.randn(m, LATENT)))).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        average(ema, g, 0.999)
        return d_loss.detach(), g_loss.detach()

    return loop(iteration, g, d)
