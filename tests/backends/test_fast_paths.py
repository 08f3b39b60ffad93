"""Every fast path computes what the plain way does, and is really taken. See `gankit.switches`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

import gankit
from gankit import switches
from gankit.building import open_backend
from gankit.conformance.compare import agree_by_name, bit_equal
from gankit.conformance.games import CONDITIONAL, Recorder, leaves, small, start
from gankit.data.digits import load as digits
from gankit.interfaces import Scores
from gankit.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    Flatten,
    LeakyRelu,
    Relu,
    Reshape,
    Sigmoid,
    SpectralNorm,
)
from gankit.parts.losses import NonSaturating
from gankit.parts.penalties import R1, R2, half_squared_gradient, input_gradient
from gankit.play.batches import Batches
from gankit.play.feed import Feed
from gankit.play.judging import Critic, Slope
from tests.backends.pieces import with_rules

BOTH = [{"name": "r1", "weight": 0.7}, {"name": "r2", "weight": 0.3}]  # unlike: a mix-up must not cancel out
HEAD = (Dense(1), Reshape(()))
NORMALISED = (Flatten(), Dense(5, bias=None), BatchNorm(), LeakyRelu(), *HEAD)
SPECTRAL = (Flatten(), SpectralNorm(Dense(5)), LeakyRelu(), *HEAD)
CONVOLUTIONAL = {
    "generator": (Dense(32), Reshape((4, 4, 2)), Relu(), ConvTranspose(2, 4, 2, 1), LeakyRelu(), Conv(1, 1), Sigmoid()),
    "discriminator": (
        *(Conv(4, 4, 2, 1), LeakyRelu(), Conv(4, 1), LeakyRelu(), Conv(4, 3, groups=2), LeakyRelu()),
        *(Conv(4, 3, groups=4, bias=None), Flatten(), *HEAD),
    ),
}
MISMATCHED = {"loss": {"name": "conditional", "base": "non-saturating", "mismatched": True}}


@dataclass(frozen=True)
class Comparing(NonSaturating):
    """G raises its fakes above real examples, and D these above the fakes, as relativistic losses do."""

    generator_needs_real: bool = field(default=True, init=False)

    def discriminator(self, ops, real, fake):
        return ops.xp.mean(ops.softplus(fake.logits - real.logits))

    def generator(self, ops, real, fake):
        return ops.xp.mean(ops.softplus(real.logits - fake.logits))


@dataclass(frozen=True)
class Plan:
    """A game in float64: settings of `small`, D's layers where they are others, and rules that no config names."""

    penalties: list[Any]
    settings: dict[str, Any] = field(default_factory=dict)
    d: Any = None
    rules: dict[str, Any] = field(default_factory=dict)


PLANS = {
    "r1 and r2": Plan(BOTH),
    "r1": Plan(BOTH[:1]),
    "r2": Plan(BOTH[1:]),
    "r1, and r2 at every second step": Plan([BOTH[0], {"name": "r2", "weight": 0.3, "every": 2}]),
    "conditional": Plan(BOTH, {**CONDITIONAL, "fake_labels": "uniform"}),
    "mismatched": Plan(BOTH, MISMATCHED),
    "batch norm": Plan(BOTH, d=NORMALISED),
    "spectral norm": Plan(BOTH, d=SPECTRAL),
    "spectral norm, r1": Plan(BOTH[:1], d=SPECTRAL),
    "spectral norm and batch norm": Plan(BOTH, d=(Flatten(), SpectralNorm(Dense(5, bias=None)), *NORMALISED[2:])),
    "a loss that compares": Plan(BOTH, {"k": 2, "accumulate": 2}, rules={"loss": Comparing()}),
}


def begun(backend: str, plan: Plan) -> Any:
    """The game before its first step, with the fast paths that are on now."""
    settings = {"penalties": plan.penalties, **plan.settings}
    brought = {} if plan.d is None else {"discriminator": plan.d}
    config = small(**settings, **({} if plan.d is None else {"discriminator": "native"}))
    return with_rules(start(open_backend(backend, "auto", "float64"), config, brought=brought), **plan.rules)


def played(trainer: Any, steps: int) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """(the whole state after so many steps, the terms of each)."""
    recorder = Recorder()
    trainer.fit(steps=steps, callbacks=[recorder])
    return leaves(trainer), recorder.terms


def assert_one_game(fast: Any, plain: Any, steps: int) -> None:
    """Both end in the same state, by the same terms, to float64's rounding; and the penalties are not idle."""
    before = leaves(fast)
    (state, terms), (want, wanted) = played(fast, steps), played(plain, steps)
    for step, (a, b) in enumerate(zip(terms, wanted, strict=True)):
        assert a == pytest.approx(b, rel=1e-10, abs=1e-12), f"step {step}"
    agree_by_name(state, want, f"state after {steps} steps", atol=1e-10)
    moved = [name for name, array in state.items() if not np.allclose(array, before[name], rtol=1e-3, atol=1e-6)]
    assert any("discriminator/params" in name for name in moved) and any("generator/params" in name for name in moved)
    for name in ("r1", "r2"):
        assert all(values.get(name, 1.0) > 1e-9 for values in terms[:1]), f"{name} is too small to show anything"


# ---- D's slopes from the pass that judges


@pytest.mark.parametrize("name", PLANS)
def test_slopes_from_the_pass_that_judges_are_those_of_a_pass_of_their_own(backend, monkeypatch, name):
    fast = begun(backend, PLANS[name])
    monkeypatch.setenv("GANKIT_WITHOUT", "slopes")
    assert_one_game(fast, begun(backend, PLANS[name]), steps=12)


class Noted:
    """A network that writes its letter down whenever it is applied in training."""

    def __init__(self, network: Any, letter: str, notes: list[str]) -> None:
        self._network, self._letter, self._notes = network, letter, notes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def apply(self, *arguments: Any, **options: Any) -> Any:
        self._notes.append(self._letter)
        return self._network.apply(*arguments, **options)


class Played(Exception):
    """Raised where G is to move: by then the step has asked everything of both networks, once."""


class Unmoving:
    """G's optimizer, if the step is not to be played to its end: on JAX, not to be compiled."""

    def init(self, params: Any, updates: int = 0) -> dict[str, Any]:
        return {}

    def update(self, *arguments: Any) -> Any:
        raise Played


LAZY = Plan([{"name": "r1", "weight": 0.7, "every": 2}])


@pytest.mark.parametrize(
    ("plan", "fast", "plain"),
    [
        (PLANS["r1 and r2"], "gd gd", "gddd gd"),
        (PLANS["conditional"], "gd gd", "gddd gd"),
        (PLANS["batch norm"], "gdddd gd", "gdddd gd"),
        (LAZY, "gdd gd", "gdd gd"),
        (Plan([]), "gd gd", "gd gd"),
    ],
    ids=["r1 and r2", "conditional", "batch norm", "lazy r1", "no penalty"],
)
def test_d_is_applied_as_seldom_as_is_exact(backend, monkeypatch, plan, fast, plain):
    """In D's phase: G, then D on real and fake, then what penalties still need. On JAX, while it traces."""
    for without, want in (("", fast), ("slopes", plain)):
        monkeypatch.setenv("GANKIT_WITHOUT", without)
        trainer, notes = begun(backend, plan), []
        seats = trainer._game.rules.seats
        players = {role: {"network": Noted(seat.network, role[0], notes)} for role, seat in seats.items()}
        players["generator"]["optimizer"] = Unmoving()
        with pytest.raises(Played):
            with_rules(trainer, players=players).fit(steps=1)
        assert "".join(notes) == want.replace(" ", ""), without


@dataclass(frozen=True)
class Strangers:
    """R1 as somebody would write it who never heard of slopes."""

    weight: float = 0.7
    every: int = 1
    player: str = "discriminator"
    name: ClassVar[str] = "r1"

    def __call__(self, ops, net, draw, fake, key):
        return half_squared_gradient(ops, net, draw.real, draw.labels)


def test_a_penalty_that_asks_for_no_slopes_gets_the_same_numbers(backend):
    plans = (Plan([], rules={"penalties": penalties}) for penalties in ((R1(0.7), R2(0.3)), (Strangers(), R2(0.3))))
    assert_one_game(*(begun(backend, plan) for plan in plans), steps=5)


def test_slopes_are_used_at_the_very_examples_and_labels_that_they_belong_to(backend):
    """D(x) = 1/2 |x|^2 has the slope x; the one that is known already is marked by another value."""
    ops = open_backend(backend, "auto", "float64").ops
    x, labels, known = (ops.asarray(np.full((3, 2), value)) for value in (2.0, 0.0, 7.0))
    own = {"label": labels}
    critic = Critic(lambda x, given: Scores(0.5 * ops.xp.sum(x * x, axis=1)), own, (Slope(x, own, known),))
    known_at = ((x, labels), (x, own), (x, dict(own)))  # labels alone, as `PLUGIN_API` 1 has it, or all conditions
    others = ((x + 0.0, labels), (x, labels + 0.0), (x, None), (x, {**own, "pose": x}))
    for (at, y), want in [(pair, 7.0) for pair in known_at] + [(pair, 2.0) for pair in others]:
        np.testing.assert_array_equal(ops.to_numpy(input_gradient(ops, critic, at, y)), np.full((3, 2), want))


# ---- all of them, on a game of convolutions


def convolutional(backend: str) -> Any:
    config = small(generator="native", discriminator="native", penalties=BOTH, data="digits")
    return start(open_backend(backend, "auto", "float64"), config, digits(), CONVOLUTIONAL)


def test_convolutions_of_every_kind_are_the_same_game_without_each_path(backend, monkeypatch):
    """1x1, strided, grouped, depthwise and transposed ones, differentiated twice; and by no path at all."""
    named = [name for name, what in switches.FAST.items() if what.startswith(backend)]  # core's are on trial elsewhere
    if not named:
        pytest.skip(f"{backend} has no fast path of its own")
    fast, terms = played(convolutional(backend), 4)
    for without in [*named, "all"]:
        monkeypatch.setenv("GANKIT_WITHOUT", without)
        plain, wanted = played(convolutional(backend), 4)
        for a, b in zip(terms, wanted, strict=True):
            assert a == pytest.approx(b, rel=1e-9, abs=1e-12), without
        agree_by_name(fast, plain, f"without {without}", atol=1e-10)


# ---- the next chunk made ready on a thread


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "sent along"])
def test_looking_ahead_changes_no_bit_of_a_run_or_a_sample(backend, monkeypatch, resident):
    """Over 150 steps, which cross the blocks that noise is drawn in, in chunks of many lengths."""
    if not resident:
        monkeypatch.setattr("gankit.play.feed.RESIDENT_BYTES", 0)
    states = []
    for without in ("", "ahead"):
        monkeypatch.setenv("GANKIT_WITHOUT", without)
        trainer = begun(backend, Plan([], {**CONDITIONAL, "k": 2}))
        trainer.fit(steps=150, callbacks=[Every(7), Every(10)])
        sample = trainer.sample(40, labels=1)
        score = trainer.score(sample, np.ones(40, int))
        states.append({**leaves(trainer), "sample": sample, "score": score})
    bit_equal(*states, "with and without looking ahead")


class Every:
    """A callback that is called now and then, and raises after some step."""

    def __init__(self, every: int, fails_at: int | None = None) -> None:
        self.every, self.fails_at = every, fails_at

    def __call__(self, trainer: Any, step: int, terms: Any) -> None:
        if step == self.fails_at:
            raise ArithmeticError("enough")


def compiled(trainer: Any) -> Any:
    """The game after a step, in whose time it was compiled, which says nothing about the pace of the others."""
    trainer.fit(steps=1)
    trainer._loop._pace.limit = 4
    return trainer


def test_all_chunks_but_the_first_are_made_on_a_thread_and_each_once(backend, monkeypatch):
    made, make = [], Feed._chunk

    def chunk(feed: Feed, start: int, stop: int) -> Any:
        made.append((threading.current_thread().name, start, stop))
        return make(feed, start, stop)

    monkeypatch.setattr(Feed, "_chunk", chunk)
    for without in ("", "ahead"):
        monkeypatch.setenv("GANKIT_WITHOUT", without)
        trainer = compiled(begun(backend, Plan([])))
        made.clear()
        trainer.fit(steps=40, callbacks=[Every(9)])
        threads, starts, stops = zip(*made, strict=True)
        assert list(starts) == [1, *stops[:-1]] and stops[-1] == 41, "every step once, in order"
        assert {9, 18, 27, 36} < {*stops} and max(np.subtract(stops, starts)) > 4
        ahead = {name.startswith("gankit-feed") for name in threads[1:]}
        assert threads[0] == threading.current_thread().name and ahead == {without == ""}
    assert not [t for t in threading.enumerate() if t.name.startswith("gankit-feed")], "fit leaves no thread behind"


def test_the_thread_starts_where_it_holds_nothing_up(backend, monkeypatch):
    """Before the call that plays the chunk, and after it where it returns at once: there, both would want Python."""
    trainer = begun(backend, Plan([]))
    ops, events, submit = trainer.backend.ops, [], ThreadPoolExecutor.submit
    run = ops.run

    def submitted(self: Any, *arguments: Any) -> Any:
        events.append("submitted")
        return submit(self, *arguments)

    def played(*arguments: Any, **settings: Any) -> Any:
        events.append("played")
        return run(*arguments, **settings)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submitted)
    monkeypatch.setattr(ops, "run", played)
    trainer.fit(steps=9, callbacks=[Every(4)])  # before the history has its first row
    both = ["played", "submitted"] if getattr(ops, "stage", None) else ["submitted", "played"]
    assert events == [*both, *both, "played"], "the last chunk has none after it"


def on_files(backend: str, path: Any) -> Any:
    if not path.exists():
        np.save(path, np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32))
    return gankit.build(backend, data=path, **SMALL)


SMALL: dict[str, Any] = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "batch_size": 8}


def test_a_disk_that_fails_ends_fit_between_two_steps_and_the_next_goes_on(backend, monkeypatch, tmp_path):
    whole, trainer = (
        on_files(backend, tmp_path / "x.npy").fit(steps=30),
        compiled(on_files(backend, tmp_path / "x.npy")),
    )
    read, threads = Feed._with_examples, []

    def failing(feed: Feed, draw: Any) -> Any:
        if draw.real is not None:
            threads.append(threading.current_thread().name)
        if len(threads) == 3:
            raise OSError("Input/output error")
        return read(feed, draw)

    with monkeypatch.context() as broken:
        broken.setattr(Feed, "_with_examples", failing)
        with pytest.raises(OSError, match="Input/output error"):
            trainer.fit(steps=29)
    assert threads[0] == threading.current_thread().name and threads[2].startswith("gankit-feed")
    done = trainer.steps_done
    assert 1 < done < 30
    bit_equal(leaves(trainer), leaves(on_files(backend, tmp_path / "x.npy").fit(steps=done)), "the steps done")
    bit_equal(leaves(trainer.fit(steps=30 - done)), leaves(whole), "the next fit")


class Portions:
    """A re-iterable of batches of 20 of 100 examples; one of them cannot be read at the first attempt."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.x = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
        self.fails_at, self.at, self.given = fails_at, 0, 0

    def __iter__(self) -> Portions:
        return self

    def __next__(self) -> Any:
        if self.at == self.fails_at:
            self.fails_at = None
            raise RuntimeError("a worker died")
        start = 20 * (self.at % 5)
        self.at, self.given = self.at + 1, self.given + 20
        return self.x[start : start + 20]


def on_portions(backend: str, **options: Any) -> Any:
    return gankit.build(backend, data=Portions(**options), **SMALL)


def test_a_batch_that_fails_on_the_thread_reaches_the_caller_and_nothing_is_lost(backend):
    """The third batch, read for the second chunk: 4 steps of 8 examples are done, and 8 of 40 examples wait."""
    whole, trainer = on_portions(backend).fit(steps=30), on_portions(backend, fails_at=2)
    with pytest.raises(RuntimeError, match="a worker died"):
        trainer.fit(steps=30)
    assert trainer.steps_done == 4
    bit_equal(leaves(trainer), leaves(on_portions(backend).fit(steps=4)), "the steps done")
    bit_equal(leaves(trainer.fit(steps=26)), leaves(whole), "the next fit")


@pytest.mark.parametrize("without", ["", "ahead"])
def test_examples_read_ahead_are_used_by_the_next_fit_in_their_order(backend, monkeypatch, without):
    """fit ends where its steps are done, which reads no further, or in a callback, when the next chunk is read."""
    monkeypatch.setenv("GANKIT_WITHOUT", without)
    taken, cut = [], Batches.cut

    def noted(batches: Batches, *arguments: Any) -> Any:
        batch = cut(batches, *arguments)
        taken.append(batch.discriminator.real.reshape(-1, 3))
        return batch

    monkeypatch.setattr(Batches, "cut", noted)
    trainer = compiled(on_portions(backend))
    source = trainer._dataset.source
    trainer.fit(steps=6)
    assert source.given == 60, "7 steps of 8, in batches of 20"
    with pytest.raises(ArithmeticError, match="enough"):
        trainer.fit(steps=40, callbacks=[Every(4, fails_at=12)])
    assert trainer.steps_done == 12
    assert source.given == (100 if without else 140), "the 4 steps after the 12th were read already, or not"
    trainer.fit(steps=8)
    np.testing.assert_array_equal(np.concatenate(taken), np.concatenate([source.x, source.x])[: 20 * 8])
    monkeypatch.setattr(Batches, "cut", cut)
    bit_equal(leaves(trainer), leaves(on_portions(backend).fit(steps=20)), "20 steps in three parts")
