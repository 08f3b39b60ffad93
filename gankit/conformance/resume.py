"""Stopped anywhere and resumed in a new process, a run is the uninterrupted one, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.arrays import Array
from gankit.conformance.compare import agree_by_name, bit_equal, require
from gankit.conformance.follow import TOLERANCE
from gankit.conformance.games import (
    MIXED,
    Recorder,
    examples,
    leaves,
    minibatches,
    oracle_of,
    small,
    start,
    with_dropout,
)
from gankit.conformance.results import Check
from gankit.conformance.running import normalised
from gankit.conformance.subject import Subject
from gankit.errors import CheckpointError

LAST = 70
SAVED = (1, 17, 64, 65)
"""The first step, the middle of a block of the streams, its last step, and the first of the next."""
OPTIMIZERS = ("adamw", "rmsprop", "optimistic-adam")
"""Those of core that are written once for all backends."""
PATIENCE = 600
"""Seconds given to the new process."""


class Saver:
    """A callback that saves after some steps."""

    every = 1

    def __init__(self, folder: Path, steps: tuple[int, ...]) -> None:
        self.folder, self.steps = folder, steps

    def __call__(self, trainer: Any, step: int, terms: Any) -> None:
        if step in self.steps:
            trainer.save(self.folder / f"step-{step}")


def check_resumed_in_a_new_process(subject: Subject) -> None:
    """You could not finish an interrupted run: the result would be a different model, and nobody would notice."""
    config, saved = with_dropout(), (17, 65) if subject.quick else SAVED
    with tempfile.TemporaryDirectory() as name:
        folder, recorder = Path(name), Recorder()
        trainer = start(subject.open(config.dtype), config)
        trainer.fit(steps=LAST, callbacks=[recorder, Saver(folder, saved)])
        want, pictures = leaves(trainer), trainer.sample(4, seed=1)
        continue_elsewhere(subject, folder, saved)
        for step in saved:
            cause = "a count, a key or a slot that is not in the checkpoint; or a switch of the process, such as JAX's "
            cause += "x64, that an earlier game in float64 has turned here and that is off in the new process."
            what = f"saved at step {step}, resumed in a new process to step {LAST}"
            arrays, _ = checkpoint.read(folder / f"resumed-{step}.safetensors")
            got = {leaf: array for leaf, array in arrays.items() if not leaf.startswith("data/")}
            bit_equal(got, want, what, cause=cause)
            terms = json.loads((folder / f"resumed-{step}.json").read_text())
            require(terms == recorder.terms[step:], f"{what}: the terms on the way are not the same.")
            bit_equal({"samples": np.load(folder / f"resumed-{step}.npy")}, {"samples": pictures}, what)


def continue_elsewhere(subject: Subject, folder: Path, saved: tuple[int, ...]) -> None:
    """Play every saved state to the end in one new process; raises AssertionError with what it said when it fails."""
    call = "import sys; from gankit.conformance.resume import carry_on; carry_on(*sys.argv[1:])"
    command = [sys.executable, "-c", call, subject.name, subject.device, str(folder), *map(str, saved)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=os.environ.copy())
    require(child.returncode == 0, f"The new process failed:\n{child.stderr[-1500:]}")


def carry_on(backend: str, device: str, folder: str, *saved: str) -> None:
    """What the new process does."""
    import gankit

    for step in saved:
        path = Path(folder) / f"step-{step}"
        trainer: Any = gankit.load(path, backend=backend, device=device)
        recorder = Recorder()
        trainer.fit(steps=LAST - trainer.steps_done, callbacks=[recorder])
        trainer.save(Path(folder) / f"resumed-{step}")
        np.save(Path(folder) / f"resumed-{step}.npy", trainer.sample(4, seed=1))
        (Path(folder) / f"resumed-{step}.json").write_text(json.dumps(recorder.terms))


def check_resumed_by_another_trainer(subject: Subject) -> None:
    """The checkpoint would lack the optimizer's slots or count, so training would jump when a run is resumed."""
    config = small(**MIXED)
    with tempfile.TemporaryDirectory() as folder:
        first = start(subject.open(config.dtype), config)
        path = first.fit(steps=9).save(Path(folder) / "state")
        second = start(subject.open(config.dtype), config).restore(path)
        require(second.steps_done == 9, f"steps_done is {second.steps_done} after loading step 9.")
        cause = "the optimizer's count, or a slot that is left at zero."
        bit_equal(leaves(second.fit(steps=6)), leaves(first.fit(steps=6)), "9 steps resumed for 6 more", cause=cause)


def check_every_optimizer_is_resumed(subject: Subject) -> None:
    """A game by AdamW, RMSprop or optimistic Adam would begin its corrections anew where it was resumed."""
    for name in OPTIMIZERS:
        settings = {f"{role}_optimizer": {"name": name, "lr": 1e-2} for role in ("generator", "discriminator")}
        config = small(**settings)
        with tempfile.TemporaryDirectory() as folder:
            first = start(subject.open(config.dtype), config)
            path = first.fit(steps=4).save(Path(folder) / "state")
            second = start(subject.open(config.dtype), config).restore(path)
            cause = "the optimizer's count, or a slot that is left at zero."
            what = f"{name}, 4 steps resumed for 3 more"
            bit_equal(leaves(second.fit(steps=3)), leaves(first.fit(steps=3)), what, cause=cause)


def check_running_statistics_are_resumed(subject: Subject) -> None:
    """A resumed game would normalise, sample and score with the statistics of an untrained network."""
    first, second = (normalised(subject.open()) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        second.restore(first.fit(steps=5).save(Path(folder) / "state"))
    bit_equal(leaves(second), leaves(first), "a state saved and restored", cause="a buffer that is not restored.")
    bit_equal(leaves(second.fit(steps=3)), leaves(first.fit(steps=3)), "5 steps resumed for 3 more")


def check_a_constrained_game_is_resumed(subject: Subject) -> None:
    """A constraint may change the memory layout of parameters. They would then be multiplied in another order, and
    the resumed run would round differently."""
    config = small(
        constraints=["max-norm"], dtype="float32", generator={"hidden": [48]}, discriminator={"hidden": [48]}
    )
    with tempfile.TemporaryDirectory() as folder:
        first = start(subject.open(config.dtype), config)
        path = first.fit(steps=3).save(Path(folder) / "state")
        second = start(subject.open(config.dtype), config).restore(path)
        want = leaves(first.fit(steps=3))
        cause = "a layout or a cache that the checkpoint does not bring back."
        bit_equal(leaves(second.fit(steps=3)), want, "3 constrained steps resumed for 3 more", cause=cause)


def check_goes_on_from_the_oracles_checkpoint(subject: Subject) -> None:
    """You could not finish a run of one framework on another."""
    config = small(**MIXED)
    trainer = start(subject.open(config.dtype), config)
    oracle, batches = oracle_of(trainer), list(minibatches(config, 0, 40))
    with tempfile.TemporaryDirectory() as folder:
        arrays, meta = checkpoint.read(trainer.save(Path(folder) / "start"))
        for batch in batches[:20]:
            oracle.step(batch)
        units = {name: array for name, array in arrays.items() if name.startswith("data/")}
        # G's optimizer, SGD, counts nothing
        meta |= {"steps_done": 20, "updates": {"generator": 0, "discriminator": 20}, "backend": "oracle"}
        path = Path(folder) / "oracle.safetensors"
        checkpoint.write(path, {**oracle.leaves(), **units}, meta)
        trainer.restore(path).fit(steps=20)
    for batch in batches[20:]:
        oracle.step(batch)
    what = f"20 steps by the oracle, 20 more by {subject.name}"
    agree_by_name(leaves(trainer), oracle.leaves(), what, atol=TOLERANCE, cause="slots of another meaning or layout.")


def check_every_leaf_is_saved(subject: Subject) -> None:
    """A checkpoint without the moving average or a slot would open, and the run would continue from zeros."""
    config = small()
    got = {name: array.shape for name, array in leaves(start(subject.open(config.dtype), config).fit(steps=1)).items()}
    networks = {"generator": (4, 7, 6), "discriminator": (6, 5, 1)}
    want: dict[str, tuple[int, ...]] = {}
    for role, (entry, hidden, out) in networks.items():
        shapes = {
            "dense0/kernel": (entry, hidden),
            "dense0/bias": (hidden,),
            "dense1/kernel": (hidden, out),
            "dense1/bias": (out,),
        }
        parts = [
            f"{role}/params",
            f"{role}/slots/first",
            f"{role}/slots/second",
            *(["ema"] if role == "generator" else []),
        ]
        want |= {f"{part}/{name}": shape for part in parts for name, shape in shapes.items()}
    require(
        got == want, f"The leaves of a checkpoint differ:\n  got {sorted(got.items())}\n  want {sorted(want.items())}"
    )


def spoiled(subject: Subject, spoil: Callable[[dict[str, Array], str], None], what: str) -> None:
    """Spoil each leaf of a checkpoint in turn: opening it must raise CheckpointError naming that leaf."""
    config = small()
    trainer = start(subject.open(config.dtype), config, examples())
    with tempfile.TemporaryDirectory() as folder:
        arrays, meta = checkpoint.read(trainer.save(Path(folder) / "whole"))
        path = Path(folder) / "spoiled.safetensors"
        for leaf in sorted(arrays):
            damaged = dict(arrays)
            spoil(damaged, leaf)
            checkpoint.write(path, damaged, meta)
            try:
                trainer.restore(path)
            except CheckpointError as error:
                require(leaf in str(error), f"{what} {leaf}: the error does not name it: {error}")
                continue
            raise AssertionError(f"A checkpoint with {what} {leaf} was opened without a word.")


def check_a_dropped_leaf_is_named(subject: Subject) -> None:
    """A damaged checkpoint would open as if it were complete."""

    def drop(arrays: dict[str, Array], leaf: str) -> None:
        del arrays[leaf]

    spoiled(subject, drop, "a dropped")


def check_a_misshaped_leaf_is_named(subject: Subject) -> None:
    """A checkpoint of another architecture would open, and broadcast into this one."""

    def misshape(arrays: dict[str, Array], leaf: str) -> None:
        arrays[leaf] = arrays[leaf][None]

    spoiled(subject, misshape, "a misshaped")


class Broke(Exception):
    """What a callback of the user's raises."""


class BreaksOff:
    """Saves at step 20, and fails at step 40."""

    every = 20

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, trainer: Any, step: int, terms: Any) -> None:
        if step == 40:
            raise Broke
        trainer.save(self.path)


def check_a_run_that_broke_off_is_taken_up(subject: Subject) -> None:
    """After an error in a callback, `restore` and `fit` would play minibatches that were made ready for other steps."""
    through, broken = (start(subject.open(), small()) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        with suppress(Broke):
            broken.fit(steps=60, callbacks=[BreaksOff(path)])
        broken.restore(path).fit(steps=40)
    through.fit(steps=60)
    what = "60 steps, and 40 of which 20 were taken up and 40 more played"
    agree_by_name(leaves(broken), leaves(through), what, atol=1e-12, cause="what was made ready before the error.")


CHECKS: tuple[Check, ...] = (
    check_a_run_that_broke_off_is_taken_up,
    check_resumed_in_a_new_process,
    check_resumed_by_another_trainer,
    check_every_optimizer_is_resumed,
    check_running_statistics_are_resumed,
    check_a_constrained_game_is_resumed,
    check_goes_on_from_the_oracles_checkpoint,
    check_every_leaf_is_saved,
    check_a_dropped_leaf_is_named,
    check_a_misshaped_leaf_is_named,
)
