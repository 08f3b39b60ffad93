"""Thousands of digits from the paper's G in PyTorch, as the bytes that a user gets."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import count, product, uniform_noise
from benchmarks.torch_loops.gan_2014 import LATENT, generator

PIECE, PIECE_ON_CUDA = 1000, 10_000


def best(setup: Setup) -> Loop:
    """On a CPU, pieces that fit into the cache, matrix products through oneDNN. On CUDA, larger ones, each fetched into
    pinned memory while the next is computed."""
    g, samples, device = generator(), setup.sizes["samples"], torch.get_default_device()
    first, second, last = (layer for layer in g if isinstance(layer, nn.Linear))

    def piece(n: int) -> torch.Tensor:
        x = uniform_noise(n, LATENT, device)
        for layer in (first, second):
            x = product(x, layer.weight.T, layer.bias).relu_()
        return product(x, last.weight.T, last.bias).sigmoid_().mul_(255).round_().to(torch.uint8)

    def on_cpu() -> torch.Tensor:
        return torch.cat([piece(PIECE) for _ in range(samples // PIECE)])

    fetching = torch.cuda.Stream() if device.type == "cuda" else None

    def on_cuda() -> torch.Tensor:
        out = torch.empty(samples, 784, dtype=torch.uint8, pin_memory=True)
        for rows in out.split(PIECE_ON_CUDA):
            x = piece(len(rows))
            fetching.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(fetching):
                rows.copy_(x, non_blocking=True)
            x.record_stream(fetching)
        fetching.synchronize()
        return out

    drawn = on_cuda if device.type == "cuda" else on_cpu

    @torch.no_grad()
    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            x = drawn().numpy().reshape(-1, 28, 28, 1)
        return {"mean": float(x[:100].mean())}

    return Loop(play, count(g))
