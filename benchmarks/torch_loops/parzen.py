"""The distances of a Parzen window in PyTorch, without the window: all inner products of queries and centres."""

from __future__ import annotations

import torch

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import product

ROWS = 1000


def best(setup: Setup) -> Loop:
    """In blocks that stay in the cache, by the fastest product there is."""
    queries, centres = (torch.from_numpy(setup.data[name]).split(ROWS) for name in ("queries", "x"))

    @torch.no_grad()
    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            for y in centres:
                for x in queries:
                    product(x, y.T)
        return {}

    return Loop(play, ())
