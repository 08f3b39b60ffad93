"""Does a backend follow the oracle? Term by term at every step, then every array of the state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from gankit.conformance.compare import agree, agree_by_name
from gankit.conformance.games import Recorder, leaves, minibatches, oracle_of, small, start
from gankit.conformance.subject import Subject

TOLERANCE = 1e-8
"""Promised over 1,000 steps in float64."""
UNCHANGED: Mapping[str, Any] = MappingProxyType({})


def follow(subject: Subject, steps: int, changes: Mapping[str, Any] = UNCHANGED, **settings: Any) -> None:
    """Play `steps` of a small game and compare; raises AssertionError at the first term that differs.

    changes: fields of the oracle that the game's config does not say.
    """
    config = small(**settings)
    trainer = start(subject.open(config.dtype), config)
    oracle = oracle_of(trainer, **changes)
    recorder = Recorder()
    trainer.fit(steps=steps, callbacks=[recorder])
    compare_terms(recorder.terms, oracle, minibatches(config, 0, steps))
    cause = "the optimizer, or the moving average: the terms still agreed."
    agree_by_name(leaves(trainer), oracle.leaves(), f"state after {steps} steps", atol=TOLERANCE, cause=cause)


def compare_terms(
    terms: list[dict[str, float]], oracle: Any, batches: Iterable[Any], tolerance: float = TOLERANCE
) -> None:
    """The terms of each step against the oracle's, which plays along."""
    for t, (got, batch) in enumerate(zip(terms, batches, strict=True)):
        want = oracle.step(batch)
        if set(got) != set(want):
            raise AssertionError(f"The step reports {sorted(got)}; expected {sorted(want)}.")
        cause = (
            "the networks, the loss, or D's first move."
            if t == 0
            else "the optimizer, its schedule, or a phase that moves the wrong player: the first step agreed."
        )
        for name, value in want.items():
            agree(np.array(got[name]), value, f"{name} at step {t + 1}", rtol=tolerance, atol=tolerance, cause=cause)
