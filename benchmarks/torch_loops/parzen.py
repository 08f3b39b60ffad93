"""The distances of a Parzen window in PyTorch, without the window: all inner products of queries and centres."""

from __future__ import annotations

import torch

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import product

ROWS = 1000


def best(setup: Setup) -> Loop:
    """On a CPU in blocks that stay in the cache, on CUDA all at once; by the fastest product there is."""
    device = torch.get_default_device()
    rows = ROWS if device.type == "cpu" else len(setup.data["x"])
    queries, centres = (torch.from_numpy(setup.data[name]).to(device).split(rows) for name in ("queries", "x"))

    @torch.no_grad()
    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            for y in centres:
                for x in queries:
                    product(x, y.T)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return {}

    return Loop(play, ())
