"""gankit: `Trainer.fit` with its usual log, as `gankit train` writes it; or samples; or a Parzen window."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import gankit
from benchmarks import parzen
from benchmarks.loop import Loop, Setup
from benchmarks.workloads import WORKLOADS
from gankit.records import MetricsLog
from gankit.runs import Run

LOG_EVERY = 100


class LastTerms:
    """Remembers the terms of the last step of a turn."""

    def __init__(self) -> None:
        self.every = 1
        self.terms: Mapping[str, float] = {}

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.terms = terms


def on_torch(setup: Setup) -> Loop:
    return game(setup, "torch")


def on_jax(setup: Setup) -> Loop:
    return game(setup, "jax")


def game(setup: Setup, backend: str) -> Loop:
    if setup.workload == "parzen":
        return parzen.window(setup, backend, (parzen.SIGMA,))
    settings = dict(WORKLOADS[setup.workload].settings)
    trainer = gankit.build(backend=backend, **settings)
    parameters = (trainer.generator.num_parameters, trainer.discriminator.num_parameters)
    samples = setup.sizes["samples"]

    def sample(n: int) -> Mapping[str, float]:
        for i in range(n):
            x = trainer.sample(samples, seed=i)
        return {"mean": float(np.mean(x[:100]))}

    folder = Path(tempfile.mkdtemp(prefix="gankit-benchmark-"))
    log, last = MetricsLog(Run(folder), LOG_EVERY), LastTerms()

    def train(n: int) -> Mapping[str, float]:
        last.every = trainer.steps_done + n  # due once, at the end
        trainer.fit(steps=n, callbacks=[log, last])
        return {name: last.terms[name] for name in ("d_loss", "g_loss")}

    return Loop(sample if samples else train, parameters[:1] if samples else parameters)
