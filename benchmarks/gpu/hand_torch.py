"""The PyTorch games of `hand.py`. Everything is made on torch's default device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.torch_loops import dcgan, gan_2014, modern, modern_small, toy
from benchmarks.torch_loops.common import average, frozen, uniform_noise

Iteration = Callable[[], tuple[Tensor, Tensor]]
Made = tuple[Iteration, int]
"""An iteration of (D's loss, G's loss), and after how many the operations repeat."""


class Feed:
    """Random examples and their labels, by operations that a CUDA graph can hold."""

    def __init__(self, data: Mapping[str, np.ndarray], batch: int, *, shape: tuple[int, ...] = (), low: float = 0.0):
        device, x = torch.get_default_device(), data["x"]
        self.x = torch.as_tensor(x.reshape(len(x), *shape) if shape else x, device=device)
        self.labels = torch.as_tensor(data["labels"], device=device).long()
        self.batch, self.low = batch, low

    def __call__(self) -> tuple[Tensor, Tensor]:
        at = torch.randint(len(self.x), (self.batch,))
        x = self.x.index_select(0, at)
        if x.dtype == torch.uint8:
            x = x.float().mul_((1 - self.low) / 255)
            x = x.add_(self.low) if self.low else x
        return x, self.labels.index_select(0, at)


def adam(net: nn.Module, lr: float, b1: float, b2: float) -> torch.optim.Adam:
    on_gpu = torch.get_default_device().type == "cuda"
    return torch.optim.Adam(net.parameters(), lr=lr, betas=(b1, b2), fused=True, capturable=on_gpu)


def ready(net: nn.Module, compiled: bool) -> Any:
    return torch.compile(net) if compiled else net


def plain(g: nn.Module, d: nn.Module, feed: Feed, noise: Any, optimizers: Any, half: float, *, joint: bool) -> Made:
    """The non-saturating game. joint: real and fake go through D in one pass."""
    g_optimizer, d_optimizer = optimizers
    sides = torch.cat([torch.full((feed.batch,), -1.0), torch.ones(feed.batch)])

    def iteration() -> tuple[Tensor, Tensor]:
        real, _ = feed()
        with torch.no_grad():
            fake = g(noise())
        if joint:
            d_loss = 2 * half * F.softplus(d(torch.cat([real, fake])).flatten() * sides).mean()
        else:
            d_loss = half * (F.softplus(-d(real)).mean() + F.softplus(d(fake)).mean())
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        with frozen(d):
            g_loss = F.softplus(-d(g(noise()))).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        return d_loss.detach(), g_loss.detach()

    return iteration, 1


def gan_2014_game(m: int, data: Mapping[str, np.ndarray], compiled: bool, precision: str) -> Made:
    g, d = gan_2014.generator(), gan_2014.discriminator()
    optimizers = gan_2014.sgd(g), gan_2014.sgd(d)
    feed = Feed(data, m, shape=(784,))
    nets = ready(g, compiled), ready(d, compiled)
    return plain(*nets, feed, lambda: uniform_noise(m, 100), optimizers, 0.5, joint=True)


def toy_game(m: int, data: Mapping[str, np.ndarray], compiled: bool, precision: str) -> Made:
    g, d = toy.mlp(8, 64, 2, nn.ReLU()), toy.mlp(2, 64, 1, nn.LeakyReLU(0.2))
    optimizers = adam(g, 1e-3, 0.0, 0.99), adam(d, 1e-3, 0.0, 0.99)
    feed = Feed({**data, "x": data["x"].astype("float32")}, m)
    nets = ready(g, compiled), ready(d, compiled)
    return plain(*nets, feed, lambda: torch.randn(m, 8), optimizers, 1.0, joint=True)


def dcgan_game(m: int, data: Mapping[str, np.ndarray], compiled: bool, precision: str) -> Made:
    """At 28 pixels, or at 64."""
    side, channels = data["x"].shape[1], data["x"].shape[3]
    g, d = (dcgan.generator(), dcgan.discriminator()) if side == 28 else (up(side, channels), down(side, channels))
    optimizers = adam(g, 2e-4, 0.5, 0.999), adam(d, 2e-4, 0.5, 0.999)
    x = np.ascontiguousarray(data["x"].transpose(0, 3, 1, 2))
    feed = Feed({**data, "x": x}, m, low=-1.0)
    g, d = (net.to(memory_format=torch.channels_last) for net in (g, d)) if side != 28 else (g, d)
    nets = ready(g, compiled), ready(d, compiled)
    return plain(*nets, feed, lambda: uniform_noise(m, 100), optimizers, 1.0, joint=False)


def up(side: int, channels: int) -> nn.Module:
    """z -> 4x4x512 -> ... -> 64x64."""
    layers: list[nn.Module] = [nn.Linear(100, 16 * 512, bias=False), nn.Unflatten(1, (512, 4, 4))]
    width = 512
    while 4 * 512 // width < side // 2:
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)]
        width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
    return dcgan.initialised(nn.Sequential(*layers))


def down(side: int, channels: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(channels, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
    width, side = 64, side // 2
    while side > 4:
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
        width, side = 2 * width, side // 2
    return dcgan.initialised(nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * 16, 1), nn.Flatten(0)))


def modern_game(m: int, data: Mapping[str, np.ndarray], compiled: bool, precision: str) -> Made:
    """R1 and R2 at every step, from one pass; full width, two blocks a resolution. No double backward is compiled."""
    feed = Feed(data, m, shape=(1, 28, 28))
    g, d = modern.generator(64, 2), modern.discriminator(64, 2)
    g_optimizer, d_optimizer = (adam(net, 2e-4, 0.0, 0.9) for net in (g, d))
    ema = list(copy.deepcopy(g).parameters())

    def half() -> Any:
        return torch.autocast("cuda", torch.bfloat16, cache_enabled=False) if precision == "bfloat16" else nullcontext()

    def iteration() -> tuple[Tensor, Tensor]:
        with torch.no_grad(), half():
            both = torch.cat([feed()[0], g(torch.randn(m, 64)).float()])
        with half():
            logits = d(both.requires_grad_()).float()
        (slope,) = torch.autograd.grad(logits.sum(), both, create_graph=True)
        d_loss = F.softplus(logits[m:] - logits[:m]).mean()
        d_optimizer.zero_grad()
        (d_loss + 0.05 / m * slope.square().sum()).backward(inputs=list(d.parameters()))
        d_optimizer.step()
        with frozen(d):
            with torch.no_grad(), half():
                on_real = d(feed()[0]).float()
            with half():
                g_loss = F.softplus(on_real - d(g(torch.randn(m, 64)).float()).float()).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        average(ema, g, 0.999)
        return d_loss.detach(), g_loss.detach()

    return iteration, 1


def modern_small_game(m: int, data: Mapping[str, np.ndarray], compiled: bool, precision: str) -> Made:
    """Both penalties at every 8th step."""
    every, gamma = modern_small.EVERY, modern_small.GAMMA
    feed = Feed(data, m, shape=(1, 28, 28))
    g, d, done = modern_small.generator(), modern_small.Discriminator(), 0
    g_optimizer, d_optimizer = (adam(net, 1e-3, 0.0, 0.99) for net in (g, d))
    ema = list(copy.deepcopy(g).parameters())
    classes = torch.arange(10)

    def generate(labels: Tensor) -> Tensor:
        return g(torch.cat([torch.randn(m, 64), (labels[:, None] == classes).float()], 1))

    def iteration() -> tuple[Tensor, Tensor]:
        nonlocal done
        penalised, done = done % every == 0, done + 1
        real, labels = feed()
        with torch.no_grad():
            both = torch.cat([real, generate(labels)])
        logits = d(both.requires_grad_(penalised), torch.cat([labels, labels]))
        d_loss = objective = F.softplus(logits[m:] - logits[:m]).mean()
        if penalised:
            (slope,) = torch.autograd.grad(logits.sum(), both, create_graph=True)
            objective = d_loss + every * gamma * 0.5 / m * slope.square().sum()
        d_optimizer.zero_grad()
        objective.backward(inputs=list(d.parameters()))
        d_optimizer.step()
        real, labels = feed()
        with frozen(d):
            with torch.no_grad():
                on_real = d(real, labels)
            g_loss = F.softplus(on_real - d(generate(labels), labels)).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        average(ema, g, 0.999)
        return d_loss.detach(), g_loss.detach()

    return iteration, every


GAMES: Mapping[str, Callable[[int, Mapping[str, np.ndarray], bool, str], Made]] = {
    "gan-2014": gan_2014_game,
    "toy": toy_game,
    "dcgan": dcgan_game,
    "modern": modern_game,
    "modern-small": modern_small_game,
}


def eager(iteration: Iteration) -> Any:
    device = torch.get_default_device()

    def play(n: int) -> dict[str, float]:
        with device:
            for _ in range(n):
                losses = iteration()
        return dict(zip(("d_loss", "g_loss"), map(float, losses), strict=True))

    return play


def graphed(iteration: Iteration, period: int) -> Any:
    """`period` iterations as one CUDA graph each, in one pool of memory, launched in turn."""
    device, stream = torch.get_default_device(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with device, torch.cuda.stream(stream):
        for _ in range(2 * period + (period == 1)):
            iteration()
    torch.cuda.current_stream().wait_stream(stream)
    pool, graphs, out, at = torch.cuda.graph_pool_handle(), [], [], 0
    for _ in range(period):
        graph = torch.cuda.CUDAGraph()
        with device, torch.cuda.graph(graph, pool=pool):
            out.append(iteration())
        graphs.append(graph)

    def play(n: int) -> dict[str, float]:
        nonlocal at
        for _ in range(n):
            graphs[at % period].replay()
            at += 1
        return dict(zip(("d_loss", "g_loss"), map(float, out[(at - 1) % period]), strict=True))

    return play
