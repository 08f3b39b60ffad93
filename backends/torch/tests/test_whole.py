"""A whole step that is launched as one CUDA graph is the step, whatever changes, fails or lies. By a stand-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gankit_torch import ops as torch_ops
from gankit_torch import whole
from gankit_torch.graphs import PROOFS
from gankit_torch.whole import FORMS, PATIENCE
from test_graphs import StandIn, forgetful, numbers_are_arrays, stale  # noqa: F401

import gankit
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import Recorder, leaves
from gankit.trees import leaves as arrays
from tests.recipe_games import GAMES, examples

R1 = {"name": "r1", "weight": 0.7}
RAMP = {"schedule": "ramp", "start": 2e-3, "stop": 1e-4, "begin": 0, "end": 12}
STEPS = 14
PLANS = {
    "plain": {},
    "rates that change at every step": {"generator_optimizer": {"lr": RAMP}, "discriminator_optimizer": {"lr": RAMP}},
    "simultaneous": {"schedule": "simultaneous"},
    "k, parts of a minibatch, a limit": {"k": 2, "accumulate": 2, "gradient_clip": 0.5},
    "a penalty that acts now and then": {"penalties": [{**R1, "every": 3}]},
    "a weight that changes and ends at 0": {"penalties": [{"name": "r1", "weight": {**RAMP, "start": 0.8, "stop": 0}}]},
    "penalties that remember": {"penalties": [{"name": "lecam", "weight": 0.3}, {**R1, "every": 2}]},
    "parameters that are replaced": {"constraints": [{"name": "max-norm", "limit": 0.4}]},
    "labels": {"recipe": "cgan", "fake_labels": "uniform", "data": "digits"},
    "dropout": {"recipe": "gan-2014"},
    "momentum that changes at every step": {
        "generator_optimizer": {"name": "sgd", "lr": 0.01, "momentum": {**RAMP, "start": 0.5, "stop": 0.7}},
        "discriminator_optimizer": {"name": "sgd", "lr": RAMP, "momentum": 0.0},
    },
    "augmented": {"recipe": "dcgan", "augmentations": ["translation", "cutout"]},
    "penalties at points that are drawn": {"penalties": ["gradient-penalty", "dragan"]},
}


def build(name: str = "plain", **more: Any) -> Any:
    settings = {"recipe": "mlp", "data": "ring", "batch_size": 8, **PLANS[name], **more}
    if settings["recipe"] in ("gan-2014", "dcgan"):
        data, small = GAMES[settings["recipe"]]
        settings |= {"data": examples(data), **small}
    return gankit.build("torch", **settings)


def played(game: Any, steps: int = STEPS, cut: tuple[int, ...] = ()) -> dict[str, Any]:
    """The state by name, with what each step reported; cut: where `fit` ends and begins anew."""
    recorder = Recorder()
    for start, stop in zip((0, *cut), (*cut, steps), strict=True):
        game.fit(steps=stop - start, callbacks=[recorder])
    terms = {f"{name} of step {i}": np.array(x) for i, row in enumerate(recorder.terms) for name, x in row.items()}
    return leaves(game) | terms


def at_once(game: Any, steps: int = STEPS) -> dict[str, Any]:
    """As `played`, with all steps in as few calls of `run` as there can be, and without what they report."""
    return leaves(game.fit(steps=steps))


@pytest.fixture
def by(monkeypatch):
    """Plays with the graphs of a stand-in."""

    def play(stand_in: StandIn, f: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(torch_ops, "graphs_on", lambda device: stand_in.graphs)
            return f()

    return play


def none() -> StandIn:
    """The arithmetic of games with graphs, and no graph."""
    stand_in = StandIn()
    stand_in.graphs.possible = False
    return stand_in


@pytest.mark.parametrize("play", [played, at_once])
@pytest.mark.parametrize("name", PLANS)
def test_a_game_is_the_same_to_the_last_bit(name, play, by):
    want = by(none(), lambda: play(build(name)))
    stand_in = StandIn()
    bit_equal(by(stand_in, lambda: play(build(name))), want, name)
    assert 1 <= stand_in.captures <= 3 and stand_in.replays >= STEPS // 2, "few graphs, of whole steps"


def test_a_resumed_run_is_the_uninterrupted_one(by, tmp_path):
    """It plays its first steps one by one again, and then by a graph of its own."""
    want = by(StandIn(), lambda: at_once(build("penalties that remember"), 2 * STEPS))

    def resumed() -> Any:
        build("penalties that remember").fit(steps=STEPS).save(tmp_path / "half.safetensors")
        return at_once(gankit.load(tmp_path / "half.safetensors", backend="torch"))

    bit_equal(by(StandIn(), resumed), want, "resumed")


def test_what_came_out_of_a_run_stays_as_it_is(by):
    """All but what optimizers change in place: batch norm's statistics, what penalties remember, what was reported."""

    def play() -> None:
        game = build("augmented", penalties=[{"name": "lecam", "weight": 0.3}])
        reported, run = [], game.backend.ops.run

        def noted(*arguments: Any, **options: Any) -> Any:
            state, terms = run(*arguments, **options)
            held = [*arrays((state.generator.buffers, state.discriminator.buffers, state.memory, terms))]
            reported.append((held, [x.clone() for x in held]))
            return state, terms

        game.backend.ops.run = noted
        for _ in range(4):
            game.fit(steps=5)
        for held, then in reported:
            assert all(torch.equal(x, y) for x, y in zip(held, then, strict=True))

    by(stand_in := StandIn(), play)
    assert stand_in.replays > 10


def off(out: Any) -> None:
    """One number of what it reports is not what it was."""
    if isinstance(out, dict):  # of a whole step, and not of a phase
        out["d_loss"].add_(0.1)


@pytest.mark.parametrize("lie", [stale, off, forgetful], ids=lambda lie: lie.__name__)
def test_a_graph_that_computes_something_else_is_found_out_before_it_matters(lie, by):
    want = by(none(), lambda: at_once(build("penalties that remember")))
    with pytest.warns(UserWarning, match="other numbers") as told:
        bit_equal(by(StandIn(lie), lambda: at_once(build("penalties that remember"))), want, lie.__name__)
    assert "not whole steps" in str(told[0].message)


class Lame(StandIn):
    """Reports what it should, and leaves one part of the state where it was."""

    def __init__(self, part: Any) -> None:
        super().__init__()
        self.part = part

    def __call__(self, f: Any) -> Any:
        play, out = super().__call__(f)
        cells = dict(zip(f.__code__.co_freevars, f.__closure__, strict=True)) if hasattr(f, "__code__") else {}
        held = cells.get("held")
        if held is None:  # of a phase
            return play, out

        def lame() -> None:
            tensors = [*arrays(self.part(held.cell_contents.state))]
            before = [x.clone() for x in tensors]
            play()
            for x, old in zip(tensors, before, strict=True):
                x.copy_(old)

        return lame, out


@pytest.mark.parametrize(
    "part",
    [
        lambda state: state.generator.params,
        lambda state: state.discriminator.slots["first"],
        lambda state: state.ema,
        lambda state: state.memory["lecam"],
    ],
    ids=["G", "D's slots", "average", "memory"],
)
def test_a_state_that_does_not_move_is_found_out_though_the_terms_are_right(part, by):
    want = by(none(), lambda: at_once(build("penalties that remember")))
    with pytest.warns(UserWarning, match="other numbers whole"):
        bit_equal(by(Lame(part), lambda: at_once(build("penalties that remember"))), want, "lame")


def test_a_graph_is_put_to_the_proof_again(by, monkeypatch):
    monkeypatch.setattr(whole, "AGAIN", 10)
    stand_in = StandIn()

    def play() -> Any:
        game = build().fit(steps=9)
        stand_in.lie = stale
        game.fit(steps=20)

    with pytest.warns(UserWarning, match="other numbers"):
        by(stand_in, play)


def test_where_a_step_cannot_be_captured_the_phases_are(by):
    class Refuses(StandIn):
        def __call__(self, f: Any) -> Any:
            if getattr(f, "__qualname__", "").startswith("_StepGraph"):
                raise RuntimeError("operation not permitted when stream is capturing")
            return super().__call__(f)

    want = by(none(), lambda: at_once(build()))
    stand_in = Refuses()
    with pytest.warns(UserWarning, match="not whole steps as CUDA graphs: a step could not be captured whole"):
        bit_equal(by(stand_in, lambda: at_once(build())), want, "by phases")
    assert stand_in.captures == 2 and stand_in.replays > 2 * PROOFS


def test_betas_that_change_at_every_step_leave_it_to_the_phases(by):
    """They are part of a launch, so no form of step comes again."""
    adam = {"b2": {"schedule": "ramp", "start": 0.9, "stop": 0.99, "begin": 0, "end": 500}}
    settings = {"generator_optimizer": adam, "discriminator_optimizer": adam}
    want = by(none(), lambda: at_once(build(**settings), PATIENCE + 20))
    stand_in = StandIn()
    bit_equal(by(stand_in, lambda: at_once(build(**settings), PATIENCE + 20)), want, "betas")
    assert stand_in.captures == 2 and stand_in.replays > 2 * PROOFS


def test_forms_are_few(by):
    """Each keeps the memory of a step."""
    weights = [{"name": "r1", "weight": 0.1, "every": every} for every in (2,)]
    many = [*weights, {"name": "r2", "weight": 0.1, "every": 3}, {"name": "lecam", "weight": 0.1, "every": 5}]
    stand_in = StandIn()
    by(stand_in, lambda: at_once(build(penalties=many), 90))
    assert 1 < stand_in.captures <= FORMS


def test_examples_of_another_size_are_played_without_it(by):
    found = {}
    for label, stand_in in (("plain", none()), ("graphs", StandIn())):

        def play() -> Any:
            game = build()
            for size in (64, 32, 64):
                game.fit(_ring(size), steps=6)
            return leaves(game)

        found[label] = by(stand_in, play)
    bit_equal(found["graphs"], found["plain"], "another data set")


def _ring(n: int) -> Any:
    angle = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)


def test_the_switch_leaves_it_to_the_phases(by, monkeypatch):
    monkeypatch.setenv("GANKIT_WITHOUT", "whole")
    by(stand_in := StandIn(), lambda: at_once(build()))
    assert stand_in.captures == 2
