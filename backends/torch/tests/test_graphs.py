"""A phase that is launched as a CUDA graph is the phase, whatever moves, fails or lies. On the CPU, by a stand-in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gankit_torch import ops as torch_ops
from gankit_torch import optimizers
from gankit_torch.backend import TorchBackend
from gankit_torch.graphs import CAPTURES, PROOFS, WARM, Graphs, agree, graphed, graphs_on
from gankit_torch.keys import Trail, fold_in, generator
from gankit_torch.recording import MOST_GRAPHS, Recorded
from gankit_torch.tape import Tape

import gankit
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import CONDITIONAL, Recorder, leaves, small, start, with_dropout
from gankit.conformance.games import examples as digits
from gankit.interfaces import Draw, Player, State
from gankit.trees import leaves as arrays
from gankit.trees import tree_map
from tests.recipe_games import GAMES, examples

CPU = torch.device("cpu")
STEPS = 12
R1 = {"name": "r1", "weight": 0.7}
ANNEALED = {"name": "r1", "weight": {"schedule": "ramp", "start": 0.8, "stop": 0.0, "begin": 0, "end": 9}}
PLANS = {
    "plain": small(),
    "simultaneous": small(schedule="simultaneous", penalties=[R1]),
    "k, parts of a minibatch, a limit": small(k=2, accumulate=2, gradient_clip=0.5, penalties=[R1]),
    "a penalty that acts now and then": small(penalties=[{**R1, "every": 3}]),
    "a weight that changes and ends at 0": small(penalties=[ANNEALED]),
    "penalties that remember": small(penalties=[{"name": "lecam", "weight": 0.3}, {**R1, "every": 2}]),
    "labels": small(**CONDITIONAL, k=2, fake_labels="uniform"),
    "parameters that are replaced": small(constraints=[{"name": "max-norm", "limit": 0.4}], penalties=[R1]),
    "dropout": with_dropout(),
    "dropout, both at once": with_dropout(schedule="simultaneous"),
    "augmented": small(data="digits", augmentations=["translation", "cutout"]),
    "penalties at points that are drawn": small(penalties=["gradient-penalty", "dragan"]),
    "float32": small(dtype="float32", penalties=[R1]),
}


class StandIn:
    """What a CUDA graph does, without CUDA: the same operations on the memory that was read when it was captured, whose
    results come where the first ones lay. Counts its graphs, and their replays.

    lie: what a broken one does instead. after: captures that succeed, before one does not.
    """

    def __init__(self, lie: Any = None, after: int = 10**6) -> None:
        self.lie, self.after, self.captures, self.replays = lie, after, 0, 0
        self.graphs = Graphs(CPU, self)

    def __call__(self, f: Any) -> Any:
        self.captures += 1
        if self.captures > self.after:
            raise RuntimeError("operation not permitted when stream is capturing")
        out = f()

        def play() -> None:
            self.replays += 1
            if self.lie is None:
                for place, new in zip(list(arrays(out)), list(arrays(f())), strict=True):
                    place.copy_(new)
            else:
                self.lie(out)

        return play, out


@pytest.fixture(autouse=True)
def numbers_are_arrays(monkeypatch):
    """As on CUDA, in games in float32."""
    monkeypatch.setattr(optimizers, "by_arrays", lambda x: x.dtype == torch.float32)


@pytest.fixture
def without_graphs(monkeypatch):
    """Plays a game by the arithmetic of games with graphs, and by no graph."""

    def without(play: Any) -> Any:
        none = StandIn()
        none.graphs.possible = False
        with monkeypatch.context() as patched:
            patched.setattr(torch_ops, "graphs_on", lambda device: none.graphs)
            return play()

    return without


@pytest.fixture
def graphs_of(monkeypatch):
    """What takes a stand-in, of which all games then get their graphs."""
    return lambda made: monkeypatch.setattr(torch_ops, "graphs_on", lambda device: made.graphs)


def played(trainer: Any, steps: int = STEPS) -> dict[str, Any]:
    """The state of a game by name, with what each step reported."""
    recorder = Recorder()
    trainer.fit(steps=steps, callbacks=[recorder])
    terms = {f"{name} of step {i}": np.array(x) for i, row in enumerate(recorder.terms) for name, x in row.items()}
    return leaves(trainer) | terms


def small_game(name: str = "plain") -> Any:
    return start(TorchBackend(dtype=PLANS[name].dtype), PLANS[name])


# ---- whole games


@pytest.mark.parametrize("name", PLANS)
def test_a_game_is_the_same_to_the_last_bit(name, graphs_of, without_graphs):
    want = without_graphs(lambda: played(small_game(name)))
    graphs_of(stand_in := StandIn())
    bit_equal(played(small_game(name)), want, name)
    wide = PLANS[name].dtype == "float64"  # then the phases have graphs, else the whole step
    assert stand_in.captures >= 1 + wide and stand_in.replays > PROOFS, "by graphs, beyond the proof"
    assert stand_in.captures <= 6, "and none captured over and over"


def test_what_a_penalty_last_was_is_copied_though_it_is_handed_on_as_it_is(graphs_of):
    """It stays where it is from one of the penalty's steps to the next, and then is elsewhere."""
    graphs_of(stand_in := StandIn())
    start(TorchBackend(dtype="float64"), small(penalties=[{**R1, "every": 7}])).fit(steps=30)
    assert stand_in.captures == 3, "G's, and D's with and without the penalty"


@pytest.mark.parametrize("recipe", ["dcgan", "cdcgan-projection", "sngan", "modern-small"])
def test_a_recipe_is_the_same_to_the_last_bit(recipe, graphs_of, without_graphs):
    """Of convolutions; with batch norm, labels, spectral norm, and penalties that act now and then."""
    data, settings = GAMES[recipe]

    def play():
        return played(gankit.build("torch", recipe=recipe, data=examples(data), batch_size=8, **settings), steps=8)

    want = without_graphs(play)
    graphs_of(stand_in := StandIn())
    bit_equal(play(), want, recipe)
    assert stand_in.captures >= 1 and stand_in.replays >= 1


@pytest.mark.parametrize("steps", [1, 5])
def test_what_came_out_of_a_step_stays_as_it_is(steps, graphs_of):
    """The state's tensors but for parameters and slots, which optimizers change in place; and what was reported."""
    graphs_of(stand_in := StandIn())
    data, settings = GAMES["dcgan"]
    penalties = [{"name": "lecam", "weight": 0.3}, {**R1, "every": 2}]
    settings = {**settings, "penalties": penalties, "batch_size": 8}
    trainer = gankit.build("torch", recipe="dcgan", data=examples(data), **settings)
    reported, run = [], trainer.backend.ops.run

    def noted(*arguments: Any, **options: Any) -> Any:
        state, terms = run(*arguments, **options)
        held = (state.generator.buffers, state.discriminator.buffers, state.memory, terms)
        reported.append((held, tree_map(torch.clone, held)))
        return state, terms

    trainer.backend.ops.run = noted
    for _ in range(STEPS):
        trainer.fit(steps=steps)
    assert stand_in.captures and len(reported) >= STEPS
    for held, then in reported:
        for a, b in zip(arrays(held), arrays(then), strict=True):
            assert torch.equal(a, b)


def test_examples_brought_in_batches_of_many_sizes_have_graphs_for_a_few(monkeypatch, graphs_of):
    monkeypatch.setenv("GANKIT_WITHOUT", "whole")
    x = digits().x

    def play():
        game = gankit.build("torch", data=x, generator={"hidden": [8]}, discriminator={"hidden": [8]}, ema=0)
        terms = {f"{i}": np.array([*game.step(x[: 3 + i % 11]).values()]) for i in range(66)}
        return leaves(game) | terms

    want = play()
    graphs_of(stand_in := StandIn())
    bit_equal(play(), want, "sizes")
    assert stand_in.captures == 2 * MOST_GRAPHS


# ---- when there is no graph


@pytest.mark.parametrize("without", ["graphs", "recorded", "all"])
def test_the_switch(without, graphs_of, monkeypatch):
    graphs_of(stand_in := StandIn())
    monkeypatch.setenv("GANKIT_WITHOUT", without)
    small_game().fit(steps=STEPS)
    assert not stand_in.captures


def test_only_cuda_has_graphs():
    assert graphs_on(CPU) is None and graphs_on(torch.device("meta")) is None
    assert graphs_on(torch.device("cuda", 1)).device == torch.device("cuda", 1)


def test_a_game_that_takes_much_of_the_device_has_none(graphs_of):
    stand_in = StandIn()
    stand_in.graphs.room = lambda: False
    graphs_of(stand_in)
    small_game().fit(steps=STEPS)
    assert not stand_in.captures


def test_a_capture_that_fails_is_told_once_and_changes_nothing(graphs_of):
    """The second one: the first phase's graph is given up as well."""
    want = played(small_game())
    for after in (0, 1):
        graphs_of(stand_in := StandIn(after=after))
        with pytest.warns(UserWarning, match=r"without CUDA graphs: .*not permitted .*GANKIT_WITHOUT=graphs") as told:
            bit_equal(played(small_game()), want, "after a failure")
        assert len(told) == 1 and stand_in.captures == after + 1 and stand_in.replays <= 1


# ---- graphs that lie


def stale(out: Any) -> None:
    """Computes with what it was captured with."""


def off(out: Any) -> None:
    """One number of the gradient is not what it was: as if something in it were not computed any more."""
    next(iter(arrays(out[0]))).view(-1)[0] += 1


def forgetful(out: Any) -> None:
    """Puts nothing where its results should be."""
    for x in arrays(out):
        x.zero_()


@pytest.mark.parametrize("lie", [stale, off, forgetful])
@pytest.mark.parametrize("name", ["plain", "penalties that remember", "k, parts of a minibatch, a limit"])
def test_a_graph_that_computes_something_else_is_found_out_before_it_matters(lie, name, graphs_of, without_graphs):
    want = without_graphs(lambda: played(small_game(name)))
    graphs_of(stand_in := StandIn(lie))
    with pytest.warns(UserWarning, match="computed other numbers than its operations") as told:
        bit_equal(played(small_game(name)), want, lie.__doc__)
    assert len(told) == 1 and stand_in.replays <= 2 * PROOFS


def test_every_graph_is_put_to_the_proof_and_not_only_the_first():
    phase, still = Phase(slope), (numbers(3), torch.zeros((), dtype=torch.float64))

    def play(w: Any, seed: int) -> None:
        x = numbers(5, 3, seed=seed)
        gradient, _, _ = phase(state_of(w, *still), x)
        np.testing.assert_allclose(gradient["w"], x.T @ (x @ w), rtol=1e-12)

    w = numbers(3)
    for i in range(WARM + PROOFS + 3):
        play(w, i)
    phase.stand_in.lie, w = stale, numbers(3, seed=1)
    with pytest.warns(UserWarning, match="other numbers"):
        for i in range(WARM + PROOFS + 3):
            play(w, 20 + i)


def test_a_graph_that_writes_over_what_it_reads_does_no_harm(graphs_of):
    """As a graph whose memory is not its own would: here over a parameter of D, at its first replay."""
    want = played(small_game())
    game: Any = None

    def wild(out: Any) -> None:
        next(iter(game._state.discriminator.params.values())).zero_()

    graphs_of(StandIn(wild))
    game = small_game()
    with pytest.warns(UserWarning, match="other numbers"):
        bit_equal(played(game), want, "wild")


# ---- one phase


class Phase:
    """A function of a state, x and the number `weight` as one player's phase, by graphs."""

    def __init__(self, f: Any, lie: Any = None, **options: Any) -> None:
        self.f, self.stand_in = f, StandIn(lie, **options)
        self.recorded = Recorded(f, torch.float64, self.stand_in.graphs)

    def __call__(self, state: State, x: Any, weight: float = 1.0) -> Any:
        with torch.no_grad():
            return self.recorded(state, Draw(None, {}, x, {}), {"weight": weight}, 1)


def state_of(w: Any, running: Any = None, seen: Any = None) -> State:
    buffers = {} if running is None else {"running": running}
    memory = {} if seen is None else {"p": {"seen": seen}}
    return State({"generator": Player({"w": w}, buffers, {}), "discriminator": Player({}, {}, {})}, {}, memory)


def numbers(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def slope(state: State, draw: Draw, numbers: Any, key: int) -> Any:
    """d/dw of weight * |x w|^2 / 2, a mean that follows x, and the sum of what was ever seen."""
    w = state.generator.params["w"]
    gradient = numbers["weight"] * (draw.z.T @ (draw.z @ w))
    running = 0.5 * state.generator.buffers["running"] + 0.5 * draw.z.mean(0)
    seen = state.memory["p"]["seen"] + draw.z.sum()
    return {"w": gradient}, (running, seen), {"loss": gradient.sum()}


def test_parameters_are_read_where_they_are_and_all_else_is_copied():
    """A whole little game, against its closed form in NumPy."""
    phase, w, running, seen = Phase(slope), numbers(3), numbers(3, seed=1), torch.zeros((), dtype=torch.float64)
    own = [x.numpy().copy() for x in (w, running, seen)]
    for i in range(12):
        x, weight = numbers(5, 3, seed=10 + i), 1.0 + i // 2
        gradient, (running, seen), terms = phase(state_of(w, running, seen), x, weight)
        want = weight * x.numpy().T @ (x.numpy() @ own[0])
        np.testing.assert_allclose(gradient["w"], want, rtol=1e-12)
        np.testing.assert_allclose(terms["loss"], want.sum(), rtol=1e-12)
        own = [own[0] - 0.01 * want, (own[1] + x.numpy().mean(0)) / 2, own[2] + x.numpy().sum()]
        w -= 0.01 * gradient["w"]
        np.testing.assert_allclose(running, own[1], rtol=1e-12)
        np.testing.assert_allclose(seen, own[2], rtol=1e-12)
    assert phase.stand_in.captures == 1 and phase.stand_in.replays == 12 - WARM, "one call records, the third captures"


def test_parameters_that_move_are_met_by_another_graph_and_after_a_few_by_none():
    phase, still = Phase(slope), (numbers(3), torch.zeros((), dtype=torch.float64))
    for move in range(CAPTURES + 2):  # as when a checkpoint is restored
        w = numbers(3, seed=move)
        for i in range(WARM + 1):
            x = numbers(5, 3, seed=20 + i)
            gradient, _, _ = phase(state_of(w, *still), x, 2.0)
            np.testing.assert_allclose(gradient["w"], 2.0 * x.T @ (x @ w), rtol=1e-12)
    assert phase.stand_in.captures == CAPTURES


def test_a_parameter_whose_memory_is_exchanged_is_met_by_another_graph():
    phase, w, still = Phase(slope), numbers(3), (numbers(3), torch.zeros((), dtype=torch.float64))
    for i in range(16):
        if i == 8:
            w.set_(numbers(3, seed=9))
        x = numbers(5, 3, seed=i)
        gradient, _, _ = phase(state_of(w, *still), x)
        np.testing.assert_allclose(gradient["w"], x.T @ (x @ w), rtol=1e-12)
    assert phase.stand_in.captures == 2


def test_a_phase_that_changes_what_it_is_given_is_played_as_it_is():
    """None of gankit's does: the graph would change a copy."""

    def impure(state: State, draw: Draw, numbers: Any, key: int) -> Any:
        seen = state.memory["p"]["seen"]
        seen += 1e-4 * draw.z.sum()
        return {"w": draw.z * 1.0}, (), {"seen": 1000 + seen}

    phase, seen = Phase(impure), torch.ones((), dtype=torch.float64)
    with pytest.warns(UserWarning, match="other numbers"):
        for i in range(1, 11):
            _, _, terms = phase(state_of(numbers(3), None, seen), torch.ones(2, 2, dtype=torch.float64))
            assert float(seen) == pytest.approx(float(terms["seen"]) - 1000) == pytest.approx(1 + 4e-4 * i)


def test_a_number_is_on_the_graphs_device_and_not_on_the_host():
    """A kernel is given a number of the host by value, and a graph would keep that. "meta" stands for CUDA."""
    devices = []

    class Elsewhere(StandIn):
        def __call__(self, f: Any) -> Any:
            devices.extend(x.device.type for x in f.args if x.ndim == 0)
            raise RuntimeError("as far as one gets without a GPU")

    stand_in = Elsewhere()
    stand_in.graphs.device = torch.device("meta")
    recorded = Recorded(lambda s, d, n, key: (n["weight"] * d.z, (), {}), torch.float64, stand_in.graphs)
    with pytest.warns(UserWarning, match="as far as one gets"):
        for _ in range(5):
            recorded(state_of(numbers(3)), Draw(None, {}, numbers(4), {}), {"weight": 2.0}, 1)
    assert devices == ["meta"]


# ---- random numbers


def recorded_draw(f: Any) -> Any:
    """f of (x, key) as it is played by graphs; None where it can't be."""
    x, trail = torch.zeros(4), Trail.start(1)
    with Tape({"state": (), "draw": Draw(None, {}, x, {}), "numbers": {}}, trail) as tape:
        out = (f(x, trail), (), {})
    replay = graphed(tape, out, StandIn().graphs)
    return replay and (lambda x, key: replay((), Draw(None, {}, x, {}), {}, key)[0])


def into_new_memory(x: Any, key: Any) -> Any:
    return torch.empty(4).uniform_(0, 1, generator=generator(key, CPU)) + x


def as_new_memory(x: Any, key: Any) -> Any:
    """And over it: of what is drawn, a result may not take the memory."""
    return torch.relu(torch.rand(4, generator=generator(fold_in(key, 3), CPU)) * 2 - 1) + x


@pytest.mark.parametrize("f", [into_new_memory, as_new_memory])
def test_random_numbers_are_drawn_anew_for_every_replay(f):
    play = recorded_draw(f)
    for key in range(1, 12):
        x = torch.full((4,), float(key))
        assert torch.equal(play(x, key), f(x, key))


def by_chances_that_are_computed(x: Any, key: Any) -> Any:
    return torch.bernoulli(torch.sigmoid(x), generator=generator(key, CPU))


def over_what_was_computed(x: Any, key: Any) -> Any:
    return (x * 2).uniform_(0, 1, generator=generator(key, CPU)) + 1


def over_what_was_read(x: Any, key: Any) -> Any:
    ones = torch.ones(4)
    before = ones + x
    return before * ones.uniform_(0, 1, generator=generator(key, CPU))


def twice(x: Any, key: Any) -> Any:
    drawn = torch.empty(4).uniform_(0, 1, generator=generator(key, CPU))
    before = drawn + x
    return before * drawn.uniform_(0, 1, generator=generator(fold_in(key, 1), CPU))


def in_part(x: Any, key: Any) -> Any:
    drawn = torch.zeros(4)
    drawn[:2].uniform_(0, 1, generator=generator(key, CPU))
    return drawn + x


def changed_later(x: Any, key: Any) -> Any:
    drawn = torch.rand(4, generator=generator(key, CPU))
    before = drawn + x
    return before * drawn.mul_(2)


def changed_through_a_view(x: Any, key: Any) -> Any:
    drawn = torch.empty(2, 2).normal_(generator=generator(key, CPU))
    return drawn.view(4).mul_(2) + x


@pytest.mark.parametrize(
    "f",
    [
        by_chances_that_are_computed,
        over_what_was_computed,
        over_what_was_read,
        twice,
        in_part,
        changed_later,
        changed_through_a_view,
    ],
)
def test_random_numbers_that_cannot_be_drawn_before_all_else_have_no_graph(f):
    assert recorded_draw(f) is None


def test_a_phase_without_a_graph_for_its_random_numbers_is_replayed_plainly():
    phase = Phase(lambda state, draw, numbers, key: (by_chances_that_are_computed(draw.z, key), (), {}))
    for _ in range(8):
        x = numbers(4)
        assert torch.equal(phase(state_of(x), x)[0], by_chances_that_are_computed(x, 1))
    assert phase.recorded.possible and not phase.stand_in.captures


# ---- what agrees


def test_numbers_agree_up_to_the_order_of_their_sums():
    """1e-3 of the largest of a tensor, and noise where a sum is 0; not a tensor that is off by a percent of itself."""
    want = ({"w": numbers(40), "b": 1e-2 * numbers(5), "zero": 1e-9 * numbers(3)}, {"loss": torch.tensor(1e3)})
    noise = tree_map(lambda x: x * (1 + 1e-4), want)
    noise[0]["zero"] = 1e-7 * numbers(3, seed=1)
    assert agree(noise, want)
    for name in ("w", "b"):
        assert not agree(({**want[0], name: want[0][name] * 1.01}, want[1]), want), name
    assert not agree((want[0], {"loss": torch.tensor(1010.0)}), want)


def test_a_game_that_has_diverged_agrees_with_itself():
    nan = (torch.tensor([float("nan"), float("inf"), 1.0]), torch.tensor([1, 2]), torch.zeros(0))
    assert agree((nan,), (nan,))
    assert not agree(((torch.zeros(3), *nan[1:]),), (nan,))
    assert not agree(((nan[0], nan[1] + 1, nan[2]),), (nan,))
