"""A recorded gradient is autograd's, bit for bit, for whatever game; and what cannot be recorded is played as it is."""

from __future__ import annotations

import gc
import linecache
import random
import traceback
import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from gankit_torch import ops as torch_ops
from gankit_torch.backend import TorchBackend
from gankit_torch.keys import Trail, fold_in, generator
from gankit_torch.program import program
from gankit_torch.recording import Recorded, Replayed
from gankit_torch.tape import Tape, Unrecordable
from torch import nn

import gankit
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import CONDITIONAL, leaves, small, start, with_dropout
from gankit.conformance.games import examples as digits
from gankit.parts import losses
from gankit.play.trainer import AdversarialTrainer
from tests.recipe_games import GAMES, examples

R1 = {"name": "r1", "weight": 0.7}
ANNEALED = {"name": "r1", "weight": {"schedule": "ramp", "start": 0.8, "stop": 0.0, "begin": 0, "end": 5}}
PLANS = {
    "with dropout": with_dropout(),
    "simultaneous": with_dropout(schedule="simultaneous"),
    "k, parts of a minibatch, a limit": small(k=2, accumulate=2, gradient_clip=0.5, penalties=[R1]),
    "a penalty that acts now and then": small(penalties=[{**R1, "every": 3}]),
    "a weight that changes and ends at 0": small(penalties=[ANNEALED]),
    "a penalty that remembers": small(penalties=[{"name": "lecam", "weight": 0.3}]),
    "other labels for the fakes": small(**CONDITIONAL, fake_labels="uniform"),
    "the labels of the reals for the fakes": small(**CONDITIONAL),
    "augmented": small(data="digits", augmentations=["translation", "cutout"]),
}


@pytest.fixture
def recordings(monkeypatch):
    """Every function that is recorded in the test."""
    made = []

    class Noted(Recorded):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(torch_ops, "Recorded", Noted)
    return made


def plainly(monkeypatch, play):
    monkeypatch.setenv("GANKIT_WITHOUT", "recorded")
    return play()


@pytest.mark.parametrize("name", PLANS)
def test_a_game_is_the_same_to_the_last_bit(name, recordings, monkeypatch):
    def play():
        return leaves(start(TorchBackend(dtype=PLANS[name].dtype), PLANS[name]).fit(steps=9))

    recorded = play()
    assert len(recordings) == 2 and all(recording.possible for recording in recordings)
    bit_equal(recorded, plainly(monkeypatch, play), name)
    assert len(recordings) == 2, "without recording, nothing is recorded"


@pytest.mark.parametrize("recipe", GAMES)
def test_every_recipe_is_recorded_and_the_same_to_the_last_bit(recipe, recordings, monkeypatch):
    data, settings = GAMES[recipe]

    def play():
        game = gankit.build("torch", recipe=recipe, data=examples(data), batch_size=8, **settings).fit(steps=4)
        return leaves(game)

    recorded = play()
    assert recordings and all(recording.possible for recording in recordings)
    bit_equal(recorded, plainly(monkeypatch, play), recipe)


def test_each_form_of_the_arguments_has_a_recording_of_its_own(recordings):
    x = examples("digits").x
    game = gankit.build("torch", data=x, generator={"hidden": [8]}, discriminator={"hidden": [8]}, batch_size=8, ema=0)
    for size in (8, 5, 8, 5):
        game.step(x[:size])
    d = recordings[0]
    assert len(d._replays) == 2


def test_samples_and_scores_are_the_same_to_the_last_bit(monkeypatch):
    """Of whole parts and of a last one, which is filled up; and after training went on, with the new parameters."""
    data, settings = GAMES["cdcgan"]

    def play():
        game = gankit.build("torch", recipe="cdcgan", data=examples(data), batch_size=8, **settings)
        seen = {}
        for i in range(3):
            x = game.fit(steps=1).sample(1100)
            seen |= {f"sample {i}": x, f"score {i}": game.score(x, np.arange(1100) % 10)}
        assert not np.array_equal(seen["sample 1"], seen["sample 2"])
        return seen

    bit_equal(play(), plainly(monkeypatch, play), "samples and scores")


def test_a_compiled_function_of_arrays_is_replayed_from_its_third_call_on():
    calls = []

    def f(x, y):
        calls.append(len(x))
        return {"sum": x + y[0], "twice": 2 * x}

    replay, x = Replayed(f), numbers(4)
    for n in (4, 4, 4, 4, 3):
        out = replay(x[:n], (x[:n] + 1, None))
        assert torch.equal(out["sum"], 2 * x[:n] + 1) and torch.equal(out["twice"], 2 * x[:n])
    assert calls == [4, 4, 3]
    calls.clear()
    for _ in range(4):
        assert torch.equal(replay(x, (x, None))["sum"], 2 * x), "one array in two places"
        with_number = Replayed(lambda x, i: x * i)
        assert [float(with_number(x[:1], i) / x[0]) for i in (1, 2, 3)] == pytest.approx([1, 2, 3])


# ---- what cannot be recorded


@dataclass(frozen=True)
class Looking(losses.NonSaturating):
    """Looks at a number of D's, which JAX would refuse and torch alone allows."""

    name: ClassVar[str] = "looking"

    def discriminator(self, ops, real, fake):
        value = super().discriminator(ops, real, fake)
        return value * 2 if bool(value > 1.2) else value


class Moody(nn.Module):
    """Its author throws a coin of Python's at every step."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 1)
        self.coin = random.Random(0)

    def forward(self, x):
        return self.layer(x.flatten(1))[:, 0] * self.coin.choice((0.5, 2.0))


def with_loss(loss):
    """The small game with a loss that no plugin has."""
    game = start(TorchBackend(dtype="float64"), small())._game
    return AdversarialTrainer(replace(game, rules=replace(game.rules, loss=loss)), digits())


@pytest.mark.parametrize("odd", ["loss", "module"])
def test_what_may_be_another_thing_at_every_step_is_played_as_it_is(odd, recordings, monkeypatch):
    def play():
        torch.manual_seed(0)
        if odd == "loss":
            return leaves(with_loss(Looking()).fit(steps=6))
        game = gankit.build("torch", data="digits", generator={"hidden": [8]}, discriminator=Moody(), batch_size=8)
        return leaves(game.fit(steps=6))

    recorded = play()
    assert not recordings[-2].possible, "D's phase looks at a number, or calls a module of the user's"
    bit_equal(recorded, plainly(monkeypatch, play), odd)


def test_a_fault_of_a_loss_is_raised_as_its_own():
    @dataclass(frozen=True)
    class Faulty(losses.NonSaturating):
        name: ClassVar[str] = "faulty"

        def discriminator(self, ops, real, fake):
            raise ZeroDivisionError("of the loss itself")

    with pytest.raises(ZeroDivisionError, match="of the loss itself"):
        with_loss(Faulty()).fit(steps=1)


# ---- the tape


def replayed(f, *given, key=1):
    """f as it was recorded on `given`."""
    trail = Trail.start(key)
    with Tape({"x": given}, trail) as tape:
        out = f(*given, trail)
    return program(tape, "x, key", out)


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_a_replay_computes_with_what_it_is_given():
    w, x = numbers(3, 4), numbers(5, 3)

    def slope(w, x, key):
        w = w.detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(torch.tanh(x @ w).pow(2).sum(), w)
        return {"loss": torch.tanh(x @ w.detach()).pow(2).sum(), "gradient": gradient, "none": None}

    replay = replayed(slope, w, x)
    other_w, other_x = numbers(3, 4, seed=1), numbers(5, 3, seed=2)
    out = replay((other_w, other_x), key=1)
    h = np.tanh(other_x.numpy() @ other_w.numpy())
    np.testing.assert_allclose(out["loss"], (h**2).sum(), rtol=1e-12)
    np.testing.assert_allclose(out["gradient"], other_x.numpy().T @ (2 * h * (1 - h**2)), rtol=1e-12)
    assert out["none"] is None and not out["gradient"].requires_grad


def test_what_is_drawn_follows_the_key_of_the_step():
    def draw(x, key):
        device = torch.device("cpu")
        first = torch.rand(4, generator=generator(fold_in(fold_in(key, 3), 1), device))
        return first, torch.randn(4, generator=generator(fold_in(key, 2), device)) + x

    x = torch.zeros(4)
    replay = replayed(draw, x, key=1)
    for key in (1, 2):
        for a, b in zip(replay((x,), key), draw(x, key), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(replay((x,), 1)[0], replay((x,), 2)[0])


def test_changes_in_place_are_made_anew_and_reach_every_view():
    def f(x, key):
        rows = torch.zeros(2, 3)
        half = torch.ones(3) / 2
        rows[0] += x * half
        half += x
        flat = rows.view(6)
        flat.unsqueeze_(0).squeeze_(0).mul_(2)
        return rows, half, torch.full((2,), 7.0)

    replay = replayed(f, torch.arange(3.0))
    for x in (torch.arange(3.0), torch.tensor([5.0, 1.0, 2.0])):
        rows, half, sevens = replay((x,), 1)
        assert torch.equal(rows, torch.stack([x, torch.zeros(3)])) and torch.equal(half, x + 0.5)
        assert torch.equal(sevens, torch.tensor([7.0, 7.0]))


def test_running_statistics_are_moved_although_nobody_reads_the_batch_norm():
    def f(x, running, key):
        mean, var = running.clone(), torch.ones(2)
        nn.functional.batch_norm(x, mean, var, training=True, momentum=0.5)
        return mean

    x, running = numbers(8, 2).float(), torch.tensor([1.0, -1.0])
    replay = replayed(f, x, running)
    for other in (x, numbers(8, 2, seed=1).float() + 3):
        torch.testing.assert_close(replay((other, running), 1), (running + other.mean(0)) / 2)
    assert running.tolist() == [1.0, -1.0]


def test_memory_is_let_go_after_its_last_use():
    """Of a long chain no two results live at a time; what is returned outlives the call."""
    import weakref

    alive, most = weakref.WeakSet(), []

    class Counting(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            alive.add(out)
            most.append(len(alive))
            return out

    def chain(x, key):
        for _ in range(20):
            x = torch.sin(x)
        return x

    x = torch.ones(3)
    replay = replayed(chain, x)
    with Counting():
        replay((x,), 1)
    assert len(most) == 20 and max(most) <= 2


def test_a_result_takes_only_memory_that_nobody_needs_any_more():
    def f(x, key):
        a = x * 2
        b = torch.relu(a)  # over a
        top = b[:2]
        c = torch.exp(b)  # not over b, which `top` sees and is read again
        d = c * c.flip(0)  # over c
        e = torch.tanh(x)  # not over what was given
        h = torch.sqrt(d)  # not over d, which is returned
        return d, torch.sigmoid(e) + top.sum(), h

    x = numbers(4, 3)
    given = x.clone()
    replay = replayed(f, x)
    source = "".join(linecache.getlines(replay.__code__.co_filename))
    for _ in range(2):
        d, s, h = replay((x,), 1)
        b = np.maximum(given.numpy() * 2, 0)
        np.testing.assert_allclose(d, np.exp(b) * np.exp(b)[::-1], rtol=1e-12)
        np.testing.assert_allclose(s, 1 / (1 + np.exp(-np.tanh(given.numpy()))) + b[:2].sum(), rtol=1e-12)
        torch.testing.assert_close(h, torch.sqrt(d))
        assert torch.equal(x, given)
    for name, over in {"relu": True, "exp": False, "mul": True, "tanh": False, "sqrt": False, "sigmoid": True}.items():
        assert (f"{name}__" in source) == over, name


def test_memory_that_was_let_go_is_not_taken_for_a_constant_at_the_same_address():
    """torch tells nobody of a tensor that is made of a NumPy array; it may lie where a result has been."""

    def f(x, key):
        total = x
        for i in range(200):
            torch.sin(total)
            total = total + torch.from_numpy(np.full(64, float(i)))
        return total

    x = numbers(64)
    for given in (x, x + 1):
        torch.testing.assert_close(replayed(f, x)((given,), 1), given + sum(range(200)))


def test_a_tape_refuses_what_it_cannot_know():
    elsewhere = torch.ones(2)
    for f in (
        lambda x, key: x * x.sum().item(),
        lambda x, key: x[x > 0],
        lambda x, key: elsewhere.add_(x),
    ):
        with pytest.raises(Unrecordable):
            replayed(f, torch.ones(2))


def test_a_game_that_is_over_leaves_no_source_behind():
    replay = replayed(lambda x, key: torch.sin(x), torch.ones(3))
    file = replay.__code__.co_filename
    assert linecache.getlines(file)
    del replay
    gc.collect()
    assert not linecache.getlines(file)


def test_a_fault_in_a_replay_shows_the_line():
    replay = replayed(lambda x, key: torch.sin(x) @ x, torch.ones(3))
    with pytest.raises(RuntimeError) as caught:
        replay((torch.ones(3, 2),), 1)
    assert "dot" in "".join(traceback.format_exception(caught.value)).split("recorded operations")[-1]


def test_what_breaks_the_tape_is_told_once_and_costs_nothing_else(monkeypatch):
    """As a new torch may, whose operations come in a form that no tape has seen."""

    def broken(self: Any, *arguments: Any, **options: Any) -> Any:
        raise AttributeError("no operation has an overload any more")

    want = leaves(gankit.build("torch").fit(steps=3))
    monkeypatch.setattr(Tape, "__torch_dispatch__", broken)
    with pytest.warns(UserWarning, match=r"not be recorded \(AttributeError: no operation.*GANKIT_WITHOUT"):
        game = gankit.build("torch").fit(steps=3)
    for name, array in leaves(game).items():
        np.testing.assert_array_equal(array, want[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        game.fit(steps=2)
