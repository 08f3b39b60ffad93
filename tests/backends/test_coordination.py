"""min_x max_y xy, where plain descent spirals outwards: each way of coordinating the players, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.building import open_backend
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import leaves
from gankit.errors import ConfigError
from gankit.interfaces import Batch, Draw, Player, Scores, State
from gankit.parts.optimistic import OptimisticAdam, OptimisticSgd
from gankit.parts.optimizers import Adam, Sgd
from gankit.play.game import D, G, Game, Seat
from gankit.play.step import algorithm_1

LR, STEPS, M = 0.3, 60, 4


class Point:
    """A player that is one number: G makes it of any z, D multiplies what it sees by it."""

    mixes_samples = False

    def __init__(self, makes):
        self.makes = makes

    def apply(self, params, buffers, x, given, *, train, key):
        return (0.0 * x + params["p"] if self.makes else x[:, 0] * params["p"]), buffers


class Bilinear:
    """D goes down xy in y and G up it in x: reals are 0, so that D(real) is."""

    generator_needs_real = conditional = False

    def discriminator(self, ops, real, fake: Scores):
        return ops.xp.mean(fake.logits) - ops.xp.mean(real.logits)

    def generator(self, ops, real, fake: Scores):
        return -ops.xp.mean(fake.logits)


def play(backend, spec, steps=STEPS, **rules):
    """(steps + 1, 2): x and y, from (1, 1)."""
    opened = open_backend(backend, "cpu", "float64")
    ops, asarray = opened.ops, opened.ops.asarray
    seats = {role: Seat(Point(role == G), opened.optimizer(spec), role, role) for role in (G, D)}
    step = algorithm_1(Game(ops, seats, Bilinear(), **rules))
    params = {role: {"p": asarray(np.ones(1))} for role in (G, D)}
    state = State({role: Player(p, {}, seats[role].optimizer.init(p)) for role, p in params.items()}, {}, {})
    numbers = {f"{role}/{n}": v for role in (G, D) for n, v in spec.numbers(np.zeros(1)).items()}
    z, real, key = np.ones((1, 1, M, 1)), np.zeros((1, 1, M, 1)), np.array([[0], [1]], np.uint32)
    batch = Batch(Draw(real, {}, z, {}), Draw(None, {}, z[0], {}), numbers, (key[0], key[1]))
    seen = [np.ones(2)]
    for _ in range(steps):
        state, _ = ops.run(step, state, batch, capacity=1)
        seen.append(np.array([float(ops.to_numpy(state.players[role].params["p"])[0]) for role in (G, D)]))
    return np.array(seen)


def norms(path):
    return np.linalg.norm(path, axis=1)


def test_plain_descent_spirals_outwards(backend):
    path = play(backend, Sgd(lr=LR), schedule="simultaneous")
    np.testing.assert_allclose(norms(path), np.sqrt(2) * np.sqrt(1 + LR**2) ** np.arange(STEPS + 1), rtol=1e-10)


def test_extra_gradient_comes_to_the_equilibrium(backend):
    """Its map is 1 - lr^2 +- i lr. Gidel et al. 2019."""
    path = play(backend, Sgd(lr=LR), schedule="extra-gradient")
    factor = np.hypot(1 - LR**2, LR)
    np.testing.assert_allclose(norms(path), np.sqrt(2) * factor ** np.arange(STEPS + 1), rtol=1e-10)
    assert norms(path)[-1] < 0.2


def test_optimistic_descent_comes_to_the_equilibrium(backend):
    """Against the recursion itself, in NumPy."""
    path = play(backend, OptimisticSgd(lr=LR), steps=200, schedule="simultaneous")
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # G's gradient is -y, D's is x
    points, last = [np.ones(2)], None
    for _ in range(200):
        g = turn @ points[-1]
        points.append(points[-1] - LR * (g if last is None else 2 * g - last))
        last = g
    np.testing.assert_allclose(path, points, rtol=1e-9, atol=1e-12)
    assert norms(path)[-1] < 0.01


def test_consensus_comes_to_the_equilibrium(backend):
    """1/2 |v|^2 is 1/2 (x^2 + y^2) here: every step shrinks by its gradient too. Mescheder et al. 2017."""
    path = play(backend, Sgd(lr=LR), schedule="simultaneous", consensus=0.5)
    factor = np.hypot(1 - 0.5 * LR, LR)
    np.testing.assert_allclose(norms(path), np.sqrt(2) * factor ** np.arange(STEPS + 1), rtol=1e-10)
    assert norms(path)[-1] < 0.1


def test_optimistic_adam_comes_closer_than_adam(backend):
    adam = play(backend, Adam(lr=0.02, b1=0.5, b2=0.9), steps=400, schedule="simultaneous")
    optimistic = play(backend, OptimisticAdam(lr=0.02, b1=0.5, b2=0.9), steps=400, schedule="simultaneous")
    first, second, last, points = np.zeros(2), np.zeros(2), np.zeros(2), [np.ones(2)]
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    for t in range(400):
        g = turn @ points[-1]
        first, second = 0.5 * first + 0.5 * g, 0.9 * second + 0.1 * g * g
        way = first / (1 - 0.5 ** (t + 1)) / (np.sqrt(second / (1 - 0.9 ** (t + 1))) + 1e-8)
        points.append(points[-1] - 0.02 * (way if t == 0 else 2 * way - last))
        last = way
    np.testing.assert_allclose(optimistic, points, rtol=1e-6, atol=1e-9)
    assert norms(optimistic)[-50:].mean() < 0.8 * norms(adam)[-50:].mean()


SMALL = {"data": "ring", "generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "batch_size": 16}
WAYS = {
    "extra-gradient": {"schedule": "extra-gradient"},
    "consensus": {"schedule": "simultaneous", "consensus": 0.1},
    "optimistic": {
        "schedule": "simultaneous",
        "generator_optimizer": {"name": "optimistic-adam", "lr": 1e-3},
        "discriminator_optimizer": {"name": "optimistic-adam", "lr": 1e-3},
    },
    "balance": {"k": 2, "balance": {"low": 0.05, "high": 0.1}},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_coordinated_game_resumes_to_the_same_bits(backend, way, tmp_path):
    whole = gankit.build(backend, **SMALL, **WAYS[way]).fit(steps=5)
    path = whole.save(tmp_path / "half")
    bit_equal(leaves(gankit.load(path, backend).fit(steps=5)), leaves(whole.fit(steps=5)), f"{way}: 5 steps and 5 more")


@pytest.mark.parametrize(("low", "high", "change"), [(-1.0, -0.99, -1 / 16), (0.99, 1.0, 1 / 16)])
def test_outside_its_band_d_moves_less_or_more_often(backend, low, high, change, tmp_path):
    """Steps an iteration change by 1/16, from 1/4 to k; fractions are owed. Against the rule itself."""
    gan = gankit.build(backend, **SMALL, k=3, balance={"low": low, "high": high}).fit(steps=50)
    steps, owed, moves = 1.0, 1.0, 0
    for _ in range(50):
        moves += int(owed)
        steps = min(max(steps + change, 0.25), 3.0)
        owed = owed % 1 + steps
    _, meta = checkpoint.read(gan.save(tmp_path / "state"))
    assert meta["updates"] == {"generator": 50, "discriminator": moves}


def test_what_cannot_be_coordinated_is_said():
    with pytest.raises(ConfigError, match="schedule='extra-gradient' updates both players together, so k=2"):
        gankit.Config().with_settings({"schedule": "extra-gradient", "k": 2})
    with pytest.raises(ConfigError, match="expected a band of"):
        gankit.Config().with_settings({"balance": {"low": 0.6, "high": 0.2}})
    with pytest.raises(ConfigError, match="updates all players together. Use schedule='alternating'"):
        gankit.Config().with_settings({"balance": {"low": 0.2, "high": 0.6}, "schedule": "extra-gradient"})
    with pytest.raises(ConfigError, match="gradients of both players at the same point. Use schedule='simultaneous'"):
        gankit.Config().with_settings({"consensus": 0.1})
