"""A long run costs at its end what it cost at its beginning: nothing is compiled anew, nothing is kept."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gankit

STATM = Path("/proc/self/statm")
WARM_UP, STEPS = 1_000, 3_000
LENGTHS = (1, 7, 64, 129, 333, 2, 51)
"""Of the fits, over and over: shorter and longer than chunks and than the blocks that noise is drawn in."""


class Log:
    """As a run keeps its log: so often the terms, and now and then a sample."""

    def __init__(self, every: int) -> None:
        self.every, self.calls, self.last = every, 0, 0.0

    def __call__(self, trainer: Any, step: int, terms: Any) -> None:
        self.calls, self.last = self.calls + 1, terms["d_loss"]
        if self.calls % 10 == 0:
            trainer.sample(3)


def game(backend: str) -> Any:
    points = np.random.default_rng(0).normal(size=(200, 2))
    small = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "latent_dim": 2, "batch_size": 8}
    return gankit.build(backend, data=points, penalties=["r1"], ema=0.9, **small)


def fit(trainer: Any, steps: int, log: Log) -> None:
    """So many steps, in fits of odd lengths."""
    stop, i = trainer.steps_done + steps, 0
    while trainer.steps_done < stop:
        trainer.fit(steps=min(LENGTHS[i % len(LENGTHS)], stop - trainer.steps_done), callbacks=[log])
        i += 1


def programs(trainer: Any) -> list[int]:
    """How many programs JAX has compiled for each function of a game's loop; torch has none."""
    return [loop._cache_size() for loop in getattr(trainer.backend.ops, "_loops", {}).values()]


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not STATM.exists(), reason="needs /proc, which tells the memory in use now")
def test_memory_objects_and_programs_are_constant_over_a_run(backend):
    """Of memory the lesser growth of two stretches counts: a leak grows in both, an allocator's reserve in one."""
    trainer, log = game(backend), Log(23)
    fit(trainer, WARM_UP, log)
    gc.collect()
    memory, objects, compiled = resident(), len(gc.get_objects()), programs(trainer)
    held = [memory]
    for _ in range(2):
        fit(trainer, STEPS, log)
        gc.collect()
        held.append(resident())
    done = WARM_UP + 2 * STEPS
    assert trainer.steps_done == done and log.calls == done // log.every and np.isfinite(log.last)
    assert programs(trainer) == compiled and set(compiled) <= {1}
    assert len(gc.get_objects()) - objects < 300
    grown = min(np.diff(held))
    assert grown < 3e6, f"{grown / 1e6:.1f} MB in {STEPS:,} steps"


def test_nothing_is_compiled_or_traced_once_a_run_is_under_way(backend, monkeypatch):
    """Whatever compiles is counted, not only the step: a stray operation on the host would be a program of its own."""
    if backend != "jax":
        pytest.skip("torch compiles nothing")
    from jax import monitoring

    trainer, log, events = game(backend), Log(23), []
    fit(trainer, 300, log)

    def listen(name: str, seconds: float, **details: Any) -> None:
        if "compil" in name or "trac" in name:
            events.append(name)

    monitoring.register_event_duration_secs_listener(listen)
    try:
        fit(trainer, 300, log)
        assert not events
        game(backend).fit(steps=1)
        assert events, "the listener hears what is compiled"
    finally:
        if hasattr(monitoring, "unregister_event_duration_listener"):  # older ones keep every listener
            monitoring.unregister_event_duration_listener(listen)
