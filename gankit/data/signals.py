"""One-dimensional signals whose spectrum is a fair question: sums of a few slow waves."""

from __future__ import annotations

import numpy as np

from gankit.data.dataset import Dataset, check_split

LENGTH, BINS, WAVES = 64, 8, 3
COUNT = {"train": 20_000, "test": 2_000}


def load(split: str = "train") -> Dataset:
    """Signals (n, 64, 1) float32 in [-1, 1]: three waves of 1 to 8 periods, their amplitudes sharing 1 at random, their
    phases uniform."""
    check_split("signals", split, COUNT)
    rng, n = np.random.default_rng([2014, *split.encode()]), COUNT[split]
    frequency = np.argsort(rng.random((n, BINS)), axis=1)[:, :WAVES] + 1
    amplitude = rng.dirichlet(np.ones(WAVES), n)
    phase = rng.uniform(0.0, 2.0 * np.pi, (n, WAVES))
    time = 2.0 * np.pi * np.arange(LENGTH) / LENGTH
    x = np.sum(amplitude[:, None] * np.cos(time[:, None] * frequency[:, None] + phase[:, None]), axis=2)
    return Dataset(np.clip(x, -1.0, 1.0).astype(np.float32)[..., None], value_range=(-1.0, 1.0), name="signals")
