"""Runs of one game on several backends, and how far they are apart."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import gankit
from gankit import checkpoint

BOUND = 1e-8


class Log:
    """Every logged term of a run."""

    every = 10

    def __init__(self):
        self.lines = []

    def __call__(self, trainer, step, terms):
        self.lines.append({"step": step, **terms})


def leaves(trainer):
    """Every array of the state, parameters, averages and optimizer slots, as a checkpoint holds them."""
    with TemporaryDirectory() as folder:
        return checkpoint.read(trainer.save(Path(folder) / "state"))[0]


def play(backend, steps, **game):
    log = Log()
    trainer = gankit.build(backend=backend, dtype="float64", **game).fit(steps=steps, callbacks=[log])
    return leaves(trainer), log.lines


def assert_same_state(a, b, bound=BOUND):
    assert a.keys() == b.keys()
    apart = {name: float(np.abs(a[name] - b[name]).max()) for name in a}
    worst = max(apart, key=apart.get)
    assert apart[worst] <= bound, f"{worst} differs by {apart[worst]:.1e}"


def assert_same_log(a, b, bound=BOUND):
    assert [list(line) for line in a] == [list(line) for line in b], "the same terms in the same order"
    for x, y in zip(a, b, strict=True):
        for name in x:
            assert abs(x[name] - y[name]) <= bound, f"{name} at step {x['step']}: {x[name]} and {y[name]}"
