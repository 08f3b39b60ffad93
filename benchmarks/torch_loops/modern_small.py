"""The quick conditional game in PyTorch: sub-pixel convolutions, paired logits, R1 and R2 at every 8th step."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import Feed, adam, average, frozen, loop, pictures, prepared

LATENT, CLASSES, GAMMA, EVERY = 64, 10, 0.1, 8


def generator() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(LATENT + CLASSES, 7 * 7 * 32, bias=False),
        nn.Unflatten(1, (32, 7, 7)),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.PixelShuffle(2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 4, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Sigmoid(),
    )


class Discriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        leaky = nn.LeakyReLU(0.2)
        convolutions = nn.Conv2d(1, 16, 4, 2, 1), leaky, nn.Conv2d(16, 32, 4, 2, 1), leaky
        self.body = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(7 * 7 * 32, 128), leaky)
        self.head, self.labels = nn.Linear(128, 1), nn.Embedding(CLASSES, 128)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = self.body(x)
        return self.head(h)[:, 0] + (h * self.labels(labels)).sum(1)


def best(setup: Setup) -> Loop:
    """Both penalties from D's one pass over real and fake; D frozen in G's phase; fused Adam."""
    m, feed = setup.batch, Feed(pictures(setup.data, 28, 1), setup.batch)
    g, d, done = generator(), Discriminator(), 0
    g_optimizer, d_optimizer = (adam(net, 1e-3, 0.0, 0.99) for net in (g, d))
    ema = list(copy.deepcopy(g).parameters())
    called, judge = prepared(g, setup), prepared(d, setup)

    def generate(labels: Tensor) -> Tensor:
        return called(torch.cat([torch.randn(m, LATENT, device=feed.device), F.one_hot(labels, CLASSES)], 1))

    def iteration() -> tuple[Tensor, Tensor]:
        nonlocal done
        penalised, done = done % EVERY == 0, done + 1
        real, labels = feed.images()
        with torch.no_grad():
            both = torch.cat([real, generate(labels)])
        logits = judge(both.requires_grad_(penalised), torch.cat([labels, labels]))
        d_loss = objective = F.softplus(logits[m:] - logits[:m]).mean()
        if penalised:
            (slope,) = torch.autograd.grad(logits.sum(), both, create_graph=True)
            objective = d_loss + EVERY * GAMMA * 0.5 / m * slope.square().sum()
        d_optimizer.zero_grad()
        objective.backward(inputs=list(d.parameters()))
        d_optimizer.step()
        real, labels = feed.images()
        with frozen(d):
            with torch.no_grad():
                on_real = judge(real, labels)
            g_loss = F.softplus(on_real - judge(generate(labels), labels)).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        average(ema, g, 0.999)
        return d_loss.detach(), g_loss.detach()

    return loop(iteration, g, d, period=EVERY)
