"""gankit's Parzen window of 10,000 centres on 10,000 digits, and how far any is from the direct sum.

Opponents: the bare distance product (`torch_loops.parzen`, `jax_loops.parzen`), which no window can do without, and
scikit-learn's KernelDensity. In 784 dimensions its trees return wrong densities (scikit-learn #25799), so each answer
is compared with a direct sum in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.loop import Setup

N = 10_000
SIGMAS = tuple(np.logspace(-1, 0, 10).tolist())
SIGMA = SIGMAS[2]  # the one that suits digits
FEW = 20
"""Queries whose answers are compared: the direct sum is slow."""


def digits() -> dict[str, Any]:
    """queries, of the test split, and centres, of the training split: (N, 784) float32 in [0, 1]."""
    from gankit.data import open_data

    splits = {"queries": "test", "x": "train"}
    return {
        name: (open_data("mnist", split=split).x[:N].reshape(N, -1) / 255).astype(np.float32)
        for name, split in splits.items()
    }


def direct_sum(setup: Setup) -> np.ndarray:
    """The log-likelihoods of the first few queries at SIGMA, (FEW,), in float64: too slow to be part of a turn."""
    centres, queries = (setup.data[name].astype(np.float64) for name in ("x", "queries"))
    squared = np.array([np.square(centres - x).sum(axis=1) for x in queries[:FEW]])
    heights = np.log(len(centres)) + centres.shape[1] * np.log(SIGMA * np.sqrt(2 * np.pi))
    return np.asarray(np.logaddexp.reduce(-squared / (2 * SIGMA**2), axis=1) - heights)


def off(found: np.ndarray, direct: np.ndarray) -> dict[str, float]:
    """The greatest error of log-likelihoods, in nats."""
    return {"off_nats": float(np.abs(found - direct).max())}
