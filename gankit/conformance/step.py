"""Algorithm 1 on the backend: against the oracle, phase by phase, and however a run is cut."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gankit.conformance.compare import agree_by_name, bit_equal, require
from gankit.conformance.follow import TOLERANCE, compare_terms, follow
from gankit.conformance.games import (
    CONDITIONAL,
    SGD,
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
from gankit.conformance.subject import Subject
from gankit.errors import ShapeError
from gankit.interfaces import Backend


def check_sgd_momentum_follows_the_oracle(subject: Subject) -> None:
    """The paper's own optimizer, with its schedules, would train a different game on this backend."""
    follow(subject, 100 if subject.quick else 1000, **SGD)


def check_conditional_sgd_follows_the_oracle(subject: Subject) -> None:
    """Labels would not reach both players, or belong to other examples."""
    follow(subject, 50 if subject.quick else 300, **SGD, **CONDITIONAL)


def check_minimax_follows_the_oracle(subject: Subject) -> None:
    """The game of eq. 1 would be a different game."""
    follow(subject, 50 if subject.quick else 200, loss="minimax")


def check_simultaneous_schedule_follows_the_oracle(subject: Subject) -> None:
    """The authors' released configuration updates both players at once, from the same point and on the same samples.
    This game would differ."""
    follow(subject, 50 if subject.quick else 200, schedule="simultaneous", **SGD)


def check_k_steps_draw_fresh_batches_and_latents(subject: Subject) -> None:
    """k steps of D on one batch, or against one z, are not Algorithm 1: D would overfit that batch."""
    config = small(k=3)
    steps = 30 if subject.quick else 100
    trainer = start(subject.open(), config)
    right, reused = oracle_of(trainer), oracle_of(trainer)
    recorder = Recorder()
    trainer.fit(steps=steps, callbacks=[recorder])
    compare_terms(recorder.terms, right, minibatches(config, 0, steps))
    for b in minibatches(config, 0, steps):
        reused.step(b._replace(x=b.x[[0, 0, 0]], z=b.z[[0, 0, 0]]))
    got, want, wrong = leaves(trainer), right.leaves(), reused.leaves()
    agree_by_name(got, want, f"k=3: state after {steps} steps", atol=TOLERANCE, cause="a batch or z is used twice.")
    gap = max(np.abs(want[name] - wrong[name]).max() for name in want)
    require(
        gap > 1e-4, f"The k minibatches of an iteration are the same one: reuse changes the state by {gap:.2g} only."
    )


def check_step_on_given_examples(subject: Subject) -> None:
    """`Trainer.step`, for loops of your own, would train a different game than `fit`."""
    config = small()
    trainer, data = start(subject.open(), config), examples()
    oracle, terms, batches = oracle_of(trainer), [], []
    for t, batch in enumerate(minibatches(config, 0, 5)):
        given = data.x[8 * t : 8 * t + 8]
        terms.append(trainer.step(given))
        batches.append(batch._replace(x=given.reshape(1, 8, -1) / 255.0))
    compare_terms(terms, oracle, batches)
    agree_by_name(leaves(trainer), oracle.leaves(), "state after 5 steps by hand", atol=TOLERANCE)


def check_only_the_discriminator_moves_in_its_phase(subject: Subject) -> None:
    """D's phase would move G too, towards examples that D rejects easily."""
    moves_only(subject, ("discriminator", "sgd"), ("generator", "adam"))


def check_only_the_generator_moves_in_its_phase(subject: Subject) -> None:
    """G's phase would spoil D, the only source of G's gradient."""
    moves_only(subject, ("generator", "adam"), ("discriminator", "sgd"))


def moves_only(subject: Subject, moves: tuple[str, str], stays: tuple[str, str]) -> None:
    """With the learning rate of one player at 0, five steps move the other alone."""
    (mover, optimizer), (still, other) = moves, stays
    settings = {f"{mover}_optimizer": {"name": optimizer, "lr": 0.1}, f"{still}_optimizer": {"name": other, "lr": 0.0}}
    trainer = start(subject.open(), small(**settings))
    before = {player: getattr(trainer, player).parameters for player in (mover, still)}
    trainer.fit(steps=5)
    bit_equal(getattr(trainer, still).parameters, before[still], f"{still}'s parameters at learning rate 0 ({other})")
    for name, array in getattr(trainer, mover).parameters.items():
        require(
            bool((array != before[mover][name]).any()), f"{mover}: {name} did not move in five steps of {optimizer}."
        )


class ColumnLogits:
    """A backend whose networks return (N, 1) where they should return (N,)."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def network(self, placed: Sequence[Any]) -> Any:
        return ColumnNetwork(self.backend.network(placed))


class ColumnNetwork:
    """The network of a `ColumnLogits`."""

    def __init__(self, network: Any) -> None:
        self.network = network

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def apply(self, *inputs: Any, **options: Any) -> Any:
        out, buffers = self.network.apply(*inputs, **options)
        if isinstance(out, Mapping):
            return {**out, "logits": out["logits"][:, None]}, buffers
        return (out[:, None] if out.ndim == 1 else out), buffers


def check_column_logits_are_rejected(subject: Subject) -> None:
    """A discriminator that returns (N, 1) would silently train on all N x N pairs of scores."""
    backend: Any = ColumnLogits(subject.open())
    for what in ("fit", "score"):
        trainer = start(backend, small())
        try:
            trainer.fit(steps=1) if what == "fit" else trainer.score(examples().x[:4])
        except ShapeError as error:
            require("(8, 1)" in str(error) or "1)" in str(error), f"The error does not name the shape: {error}")
            continue
        raise AssertionError(f"{what} took logits of shape (N, 1); it must raise ShapeError.")


def check_two_runs_are_bit_equal(subject: Subject) -> None:
    """Nothing could be repeated, neither a figure nor a bug."""
    config = with_dropout()
    first, second = (leaves(start(subject.open(config.dtype), config).fit(steps=12)) for _ in range(2))
    bit_equal(second, first, "second run of the same seed", cause="a key that is ignored, or a state outside the step.")


def check_cuts_do_not_matter(subject: Subject) -> None:
    """The result of a run would depend on how often it saves, logs or stops."""
    config = with_dropout()
    trainer = start(subject.open(config.dtype), config)
    cause = "a state outside the step, or another program for another number of steps."
    with tempfile.TemporaryDirectory() as folder:
        beginning = trainer.save(Path(folder) / "beginning")
        whole = leaves(trainer.fit(steps=21))
        trainer.restore(beginning)
        bit_equal(
            leaves(trainer.fit(steps=7).fit(steps=13).fit(steps=1)), whole, "7 + 13 + 1 steps against 21", cause=cause
        )
        trainer.restore(beginning)
        bit_equal(
            leaves(trainer.fit(steps=21, callbacks=[Recorder()])),
            whole,
            "21 steps with a callback after each",
            cause=cause,
        )


def check_nothing_is_compiled_twice(subject: Subject) -> None:
    """Everybody would wait for the compiler again and again. A compiled step is called once, an eager step each
    time."""
    config = small()
    trainer: Any = start(subject.open(config.dtype), config)
    step, calls = trainer._loop._step, []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return step(*arguments)

    trainer._loop._step = counted
    trainer.fit(steps=5)  # may compile
    calls.clear()
    trainer.fit(steps=5).fit(steps=3)
    require(
        len(calls) in (0, 8),
        f"8 more steps called the step function {len(calls)} times; expected 0 (compiled) or 8 (eager). Likely cause: "
        "the program is made anew for another number of steps, or because the state's form changes.",
    )


def check_looking_does_not_disturb(subject: Subject) -> None:
    """Looking at samples, scores or the native module during a run would change the run."""
    config = with_dropout()
    trainer = start(subject.open(config.dtype), config)
    with tempfile.TemporaryDirectory() as folder:
        beginning = trainer.save(Path(folder) / "beginning")
        unseen = leaves(trainer.fit(steps=8))
        trainer.restore(beginning)
        trainer.fit(steps=4)
        trainer.sample(3)
        trainer.score(np.zeros((2, 8, 8, 1), np.uint8))
        _ = trainer.generator.native, trainer.discriminator.native
        cause = "evaluation mode, parameters or a key that stay behind in the native module."
        bit_equal(leaves(trainer.fit(steps=4)), unseen, "a run that was looked at", cause=cause)


def check_float32_stays_float32(subject: Subject) -> None:
    """A float32 run would contain float64 arrays: slower, larger, and refused by its own checkpoint."""
    config = small(dtype="float32")
    for name, array in leaves(start(subject.open("float32"), config).fit(steps=3)).items():
        require(
            array.dtype == np.float32,
            f"{name} is {array.dtype} in a float32 run. Likely cause: a float64 number of the step.",
        )


def check_streamed_data_is_the_same_run(subject: Subject) -> None:
    """Data too large for the device is sent in blocks. It would train a different model."""
    config, data = small(), examples()
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "x.npy", data.x)
        mapped = replace(data, x=np.load(Path(folder) / "x.npy", mmap_mode="r"))
        trainer = start(subject.open(), config, mapped)
        oracle = oracle_of(trainer)
        trainer.fit(steps=9)
    for batch in minibatches(config, 0, 9):
        oracle.step(batch)
    agree_by_name(leaves(trainer), oracle.leaves(), "a run on memory-mapped data", atol=TOLERANCE)


def check_plays_on_another_thread(subject: Subject) -> None:
    """You could not train a game on another thread than the one that built it, as notebooks and servers do."""
    config = small()
    here, there = (start(subject.open(config.dtype), config) for _ in range(2))
    with ThreadPoolExecutor(1) as thread:
        thread.submit(there.fit, steps=3).result()
        elsewhere = thread.submit(leaves, there).result()
    bit_equal(elsewhere, leaves(here.fit(steps=3)), "3 steps on another thread")


CHECKS: tuple[Check, ...] = (
    check_sgd_momentum_follows_the_oracle,
    check_conditional_sgd_follows_the_oracle,
    check_minimax_follows_the_oracle,
    check_simultaneous_schedule_follows_the_oracle,
    check_k_steps_draw_fresh_batches_and_latents,
    check_step_on_given_examples,
    check_only_the_discriminator_moves_in_its_phase,
    check_only_the_generator_moves_in_its_phase,
    check_column_logits_are_rejected,
    check_two_runs_are_bit_equal,
    check_cuts_do_not_matter,
    check_nothing_is_compiled_twice,
    check_looking_does_not_disturb,
    check_float32_stays_float32,
    check_streamed_data_is_the_same_run,
    check_plays_on_another_thread,
)
