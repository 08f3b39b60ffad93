"""10,000 digits from the paper's G in PyTorch, as the bytes that a user gets."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import count, product, uniform_noise
from benchmarks.torch_loops.gan_2014 import LATENT, generator

PIECE = 1000


def best(setup: Setup) -> Loop:
    """Pieces that fit into the cache, matrix products through oneDNN."""
    g, samples = generator(), setup.sizes["samples"]
    first, second, last = (layer for layer in g if isinstance(layer, nn.Linear))

    def piece() -> torch.Tensor:
        x = uniform_noise(PIECE, LATENT)
        for layer in (first, second):
            x = product(x, layer.weight.T, layer.bias).relu_()
        return product(x, last.weight.T, last.bias).sigmoid_().mul_(255).round_().to(torch.uint8)

    @torch.no_grad()
    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            x = torch.cat([piece() for _ in range(samples // PIECE)]).numpy().reshape(-1, 28, 28, 1)
        return {"mean": float(x[:100].mean())}

    return Loop(play, count(g))
