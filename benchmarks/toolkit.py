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
from benchmarks.workloads import find
from gankit.building import open_backend
from gankit.metrics.parzen import log_likelihoods
from gankit.metrics.points import Points
from gankit.runs.folder import Run
from gankit.runs.records import MetricsLog

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


def ten_on_torch(setup: Setup) -> Loop:
    return window(setup, "torch", parzen.SIGMAS)


def ten_on_jax(setup: Setup) -> Loop:
    return window(setup, "jax", parzen.SIGMAS)


def window(setup: Setup, backend_name: str, sigmas: tuple[float, ...]) -> Loop:
    """An iteration is the log-likelihood of every query under every sigma."""
    backend = open_backend(backend_name, setup.device, "float32", setup.precision)
    queries, centres = Points(setup.data["queries"]), Points(setup.data["x"])
    direct = parzen.direct_sum(setup)

    def play(n: int) -> Mapping[str, float]:
        for _ in range(n):
            found = log_likelihoods(backend, queries, centres, sigmas)
        return parzen.off(found[: parzen.FEW, sigmas.index(parzen.SIGMA)], direct)

    return Loop(play, ())


def game(setup: Setup, backend: str) -> Loop:
    workload = find(setup.workload)
    if workload.family == "parzen":
        return window(setup, backend, (parzen.SIGMA,))
    settings = dict(workload.settings)
    if "@" in workload.data:
        settings["data"] = setup.data["x"]
    trainer = gankit.build(backend=backend, device=setup.device, precision=setup.precision, **settings)
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
