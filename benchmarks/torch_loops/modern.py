"""R3GAN's game in PyTorch: paired logits, R1 and R2 at every step, residual blocks without normalisation."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup, halvings
from benchmarks.torch_loops.common import Feed, adam, average, frozen, loop, pictures, prepared

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


def widths(side: int, width: int) -> list[int]:
    """Channels at each resolution, from the finest on."""
    return [width * min(4, 2**i) for i in range(halvings(side)[1] + 1)]


def projection(old: int, new: int) -> list[nn.Module]:
    return [] if old == new else [nn.Conv2d(old, new, 1, bias=False)]


def generator(width: int, blocks: int, side: int = 28, channels: int = 1) -> nn.Sequential:
    base, coarse_first = halvings(side)[0], widths(side, width)[::-1]
    old = coarse_first[0]
    layers: list[nn.Module] = [nn.Linear(LATENT, base * base * old), nn.Unflatten(1, (old, base, base))]
    for i, new in enumerate(coarse_first):
        if i:
            layers += [*projection(old, new), nn.Upsample(scale_factor=2, mode="bilinear")]
        layers += [Block(new) for _ in range(blocks)]
        old = new
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 1))


def discriminator(width: int, blocks: int, side: int = 28, channels: int = 1) -> nn.Sequential:
    old = width
    layers: list[nn.Module] = [nn.Conv2d(channels, old, 1)]
    for i, new in enumerate(widths(side, width)):
        if i:
            layers += [nn.AvgPool2d(2), *projection(old, new)]
        layers += [Block(new) for _ in range(blocks)]
        old = new
    last = nn.Conv2d(old, old, halvings(side)[0], groups=old, bias=False)
    return nn.Sequential(*layers, last, nn.Flatten(), nn.Linear(old, 1), nn.Flatten(0))


def best(setup: Setup) -> Loop:
    """Both penalties from D's one pass over real and fake; D frozen in G's phase; fused Adam."""
    m, side, channels = setup.batch, setup.sizes.get("side", 28), setup.sizes.get("channels", 1)
    feed = Feed(pictures(setup.data, side, channels), m)
    sizes = setup.sizes["width"], setup.sizes["blocks"], side, channels
    layout = torch.channels_last if setup.layout == "last" else torch.contiguous_format
    g, d = (net(*sizes).to(memory_format=layout) for net in (generator, discriminator))
    g_optimizer, d_optimizer = (adam(net, 2e-4, 0.0, 0.9) for net in (g, d))
    ema = list(copy.deepcopy(g).parameters())
    called, judge = prepared(g, setup), prepared(d, setup)

    def generate() -> Tensor:
        return called(torch.randn(m, LATENT, device=feed.device))

    def iteration() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            both = torch.cat([feed.images()[0], generate()]).contiguous(memory_format=layout)
        logits = judge(both.requires_grad_())
        (slope,) = torch.autograd.grad(logits.sum(), both, create_graph=True)
        d_loss = F.softplus(logits[m:] - logits[:m]).mean()
        d_optimizer.zero_grad()
        (d_loss + GAMMA * 0.5 / m * slope.square().sum()).backward(inputs=list(d.parameters()))
        d_optimizer.step()
        with frozen(d):
            with torch.no_grad():
                on_real = judge(feed.images()[0].contiguous(memory_format=layout))
            g_loss = F.softplus(on_real - judge(generate())).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        average(ema, g, 0.999)
        return d_loss.detach(), g_loss.detach()

    return loop(iteration, g, d)
