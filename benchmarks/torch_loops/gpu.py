"""The loops of every family as a GPU is kept busy: one operation at a time, or through graphs, or through a compiler.

On a CPU `compiled` and `overhead` compile without graphs, and `graphed` does not run.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace

import torch

from benchmarks.loop import Loop, Setup

WARM_UP = 3
"""Periods played before one is captured: by then what is compiled, tuned or allocated once is so."""
TWICE = ("modern", "modern_small")
"""Families that differentiate D twice."""


def eager(setup: Setup) -> Loop:
    """The family's best loop for CUDA, one operation launched after another."""
    made = importlib.import_module(f"benchmarks.torch_loops.{setup.family}")
    loop: Loop = (made.stock if setup.family == "gan_2014" else made.best)(setup)
    return loop


def graphed(setup: Setup) -> Loop:
    """Whole iterations as CUDA graphs, captured by hand."""
    if setup.device != "cuda":
        raise ValueError("a CUDA graph needs device 'cuda'")
    return captured(eager(setup))


def graphed_last(setup: Setup) -> Loop:
    """`graphed`, images with their channels last in memory."""
    return graphed(replace(setup, layout="last"))


def compiled(setup: Setup) -> Loop:
    """Both networks through torch.compile, and whole iterations as CUDA graphs, captured by hand."""
    loop = eager(compiling(setup, "default"))
    return captured(loop) if setup.device == "cuda" else loop


def overhead(setup: Setup) -> Loop:
    """Both networks through torch.compile with its own CUDA graphs, the rest one operation after another."""
    return eager(compiling(setup, "reduce-overhead"))


def compiling(setup: Setup, mode: str) -> Setup:
    if setup.family in TWICE:
        raise ValueError("torch.compile cannot differentiate twice")
    return replace(setup, compile=mode)


def captured(loop: Loop) -> Loop:
    """Its iterations as a CUDA graph for each of a period, in one pool of memory, replayed in turn.

    Captured when first played.
    """
    if loop.iteration is None:
        raise ValueError("nothing here to capture: no iteration that stays on the device")
    iteration, graphs, losses, at = loop.iteration, [], [], 0

    def capture() -> None:
        stream, pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP * loop.period):
                iteration()
        torch.cuda.current_stream().wait_stream(stream)
        for _ in range(loop.period):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool, stream=stream):
                losses.append(iteration())
            graphs.append(graph)

    def play(n: int) -> Mapping[str, float]:
        nonlocal at
        if not graphs:
            capture()
        for _ in range(n):
            graphs[at].replay()
            at = (at + 1) % len(graphs)
        return dict(zip(("d_loss", "g_loss"), map(float, losses[at - 1]), strict=True))

    return replace(loop, play=play, iteration=None)
