"""The knobs around Algorithm 1, each in float64 against the oracle or a few lines of NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from gankit.building import open_backend
from gankit.conformance.compare import agree, agree_by_name, bit_equal
from gankit.conformance.games import (
    ADAM_D,
    CONDITIONAL,
    IDLE,
    MIXED,
    SGD,
    Recorder,
    examples,
    leaves,
    minibatches,
    oracle_of,
    small,
    start,
)
from gankit.conformance.running import normalised
from gankit.layers import (
    Dense,
    Flatten,
    MinibatchStddev,
    Reshape,
)
from gankit.parts.losses import Conditional, NonSaturating
from gankit.play.step import clipped
from gankit.play.streams import Streams
from gankit.plug.capabilities import BFLOAT16
from tests.backends.capable import need
from tests.backends.pieces import with_rules

DESCENT = {f"{role}_optimizer": {"name": "sgd", "lr": 0.1} for role in ("generator", "discriminator")}


def opened(backend, dtype="float64", precision="full"):
    return open_backend(backend, "auto", dtype, precision)


def assert_follows_the_oracle(backend, steps, changes=None, atol=1e-11, **settings):
    trainer = start(opened(backend), small(**settings))
    oracle, recorder = oracle_of(trainer, **(changes or {})), Recorder()
    trainer.fit(steps=steps, callbacks=[recorder])
    for got, batch in zip(recorder.terms, minibatches(trainer.config, 0, steps), strict=True):
        want = oracle.step(batch)
        assert got.keys() == want.keys()
        for name, value in want.items():
            assert got[name] == pytest.approx(value, rel=atol, abs=atol), name
    agree_by_name(leaves(trainer), oracle.leaves(), f"state after {steps} steps", atol=atol)


# ---- gradient clipping (Pascanu et al. 2013)


def norm(gradient):
    return np.sqrt(sum((g**2).sum() for g in gradient.values()))


def test_a_player_s_whole_gradient_is_shortened_to_the_limit_and_no_shorter_one_is(backend):
    limit, seen = 0.45, []

    def clip(gradient):
        seen.append(norm(gradient))
        return {name: g * min(1.0, limit / norm(gradient)) for name, g in gradient.items()}

    assert_follows_the_oracle(backend, 12, {"clip": clip}, gradient_clip=limit, k=2, **SGD)
    assert min(seen) < limit < max(seen)


def test_clipping_keeps_the_direction_and_leaves_short_gradients_bit_equal(backend):
    ops, rng = opened(backend).ops, np.random.default_rng(0)
    gradient = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=5)}
    on_device = {name: ops.asarray(g) for name, g in gradient.items()}
    length = norm(gradient)
    for limit in (0.3 * length, 0.999 * length):
        got = {name: ops.to_numpy(g) for name, g in clipped(ops, on_device, float(limit)).items()}
        agree_by_name(got, {name: g * limit / length for name, g in gradient.items()}, "clipped", atol=1e-14)
    for limit in (1.001 * length, 1e6):
        bit_equal({n: ops.to_numpy(g) for n, g in clipped(ops, on_device, float(limit)).items()}, gradient, "short")
    zero = {"a": ops.asarray(np.zeros(3))}
    assert not ops.to_numpy(clipped(ops, zero, 1.0)["a"]).any()


# ---- accumulation


def test_accumulated_parts_are_the_whole_minibatch(backend):
    """Penalties, labels and mismatched pairs included; 1e-12 after five steps."""
    loss = {"name": "conditional", "base": "minimax", "mismatched": True}
    settings = {"loss": loss, "penalties": [{"name": "r1", "weight": 0.5}], **DESCENT}
    assert_follows_the_oracle(backend, 5, {"r1": 0.5}, atol=1e-12, accumulate=4, **settings)


# ---- numbers that change over time


def test_the_average_of_g_halves_in_so_many_images(backend):
    """8 images a step: from the 9th step on, where its early ramp ends, the average keeps half of itself."""
    assert_follows_the_oracle(backend, 14, {"ema_decay": 0.5}, ema={"half_life": 8}, **SGD)


def test_each_player_has_an_optimizer_of_its_own(backend):
    """Two time scales (Heusel et al. 2017): D by Adam, G by momentum."""
    assert_follows_the_oracle(backend, 10, atol=1e-10, **MIXED)


def test_schedules_reach_one_compiled_step_as_numbers(backend):
    """A compiled step is never called again; an eager one is called at each step."""
    ramp = {"schedule": "ramp", "start": 0.5, "stop": 0.1, "begin": 0, "end": 30}
    settings = {
        "discriminator_optimizer": {**ADAM_D, "lr": {**ramp, "start": 0.01}, "b1": ramp, "b2": {**ramp, "stop": 0.9}},
        "generator_optimizer": {"name": "sgd", "lr": {"schedule": "cosine", **{**ramp, "schedule": "cosine"}}},
        "penalties": [{"name": "r1", "weight": ramp, "every": 3}],
        "ema": {"half_life": 100},
    }
    trainer = start(opened(backend), small(**settings))
    step, calls = trainer._loop._step, []
    trainer._loop._step = lambda *arguments: (calls.append(1), step(*arguments))[1]
    trainer.fit(steps=2)
    calls.clear()
    trainer.fit(steps=9).fit(steps=20)
    assert len(calls) in (0, 29)


# ---- labels and real examples


def test_fakes_may_have_uniform_labels_of_their_own(backend):
    assert_follows_the_oracle(backend, 10, fake_labels="uniform", k=2, **SGD, **CONDITIONAL)


def test_mismatched_pairs_take_half_of_the_weight_of_the_fakes(backend):
    loss = {"name": "conditional", "base": "non-saturating", "mismatched": True}
    assert_follows_the_oracle(backend, 10, loss=loss, **SGD)


@dataclass(frozen=True)
class Comparing(NonSaturating):
    """G raises its fakes above the real examples in the same places."""

    generator_needs_real: bool = field(default=True, init=False)

    def generator(self, ops, real, fake):
        return ops.xp.mean(ops.softplus(real.logits - fake.logits))


def test_the_generator_is_compared_with_fresh_reals_of_the_labels_of_its_fakes(backend):
    config = small(**{**IDLE, **CONDITIONAL, "discriminator_optimizer": {"name": "sgd", "lr": 0.5}})
    trainer = with_rules(start(opened(backend), config), loss=Conditional(Comparing()))
    oracle, recorder, data = oracle_of(trainer), Recorder(), examples()
    walk = Streams(config.seed).order("order/generator", 0, 7, 8, len(data))
    trainer.fit(steps=7, callbacks=[recorder])
    for got, batch, rows in zip(recorder.terms, minibatches(config, 0, 7), walk, strict=True):
        oracle.step(batch)  # G stands still; D has moved when G is judged
        x, y = data.x[rows].reshape(8, -1) / 255.0, data.labels[rows]
        gap = oracle.score(x, y) - oracle.score(oracle.sample(batch.g_z, y), y)
        assert got["g_loss"] == pytest.approx(np.logaddexp(0, gap).mean(), rel=1e-10)


# ---- penalties that remember


@dataclass(frozen=True)
class Drift:
    """(level - mean)^2, mean being the moving average of the level so far, a half each time."""

    player: str
    every: int = 2
    weight: float = 0.5
    memory: ClassVar = {"mean": 0.25}

    @property
    def name(self):
        return f"{self.player}-drift"

    def __call__(self, ops, net, draw, fake, key, memory):
        level = ops.xp.mean(net(draw.real).logits if self.player == "discriminator" else net(draw.z))
        return (level - memory["mean"]) ** 2, {"mean": 0.5 * memory["mean"] + 0.5 * level}


DRIFTS = (Drift("discriminator"), Drift("generator"))


def drifting(backend, **settings):
    return with_rules(start(opened(backend), small(**settings)), penalties=DRIFTS)


def test_a_penalty_remembers_from_part_to_part_and_step_to_step(backend):
    """k=2, two parts each, both players standing still; the memory moves where the weight is 0, too."""
    trainer = drifting(backend, k=2, accumulate=2, **IDLE)
    oracle, recorder = oracle_of(trainer), Recorder()
    trainer.fit(steps=5, callbacks=[recorder])
    mean = dict.fromkeys(("discriminator", "generator"), 0.25)
    for t, batch in enumerate(minibatches(trainer.config, 0, 5)):
        squares = {}
        levels = {
            "discriminator": [oracle.score(part, None).mean() for x in batch.x for part in (x[:4], x[4:])],
            "generator": [oracle.sample(part, None).mean() for part in (batch.g_z[:4], batch.g_z[4:])],
        }
        for player, values in levels.items():
            squares[player] = []
            for level in values:
                squares[player].append((level - mean[player]) ** 2)
                mean[player] = 0.5 * mean[player] + 0.5 * level
            weight = 0.5 * 2 if t % 2 == 0 else 0.0
            term = recorder.terms[t][f"{player}-drift"]  # the mean over the parts of the player's last update
            assert term == pytest.approx(weight * np.mean(squares[player][-2:]), rel=1e-10, abs=1e-14)
    got = leaves(trainer)
    for player, value in mean.items():
        assert got[f"memory/{player}-drift/mean"] == pytest.approx(value, rel=1e-10)


def test_what_a_penalty_remembers_is_a_constant_of_its_gradient(backend):
    """One step of descent by hand: 2 (level - mean) d level / d D is added, weight 0.5 at every second step, twice."""
    trainer = drifting(backend, **DESCENT)
    o, (batch,) = oracle_of(trainer), minibatches(trainer.config, 0, 1)
    d_loss, _ = o.d_gradient(batch.x[0], None, batch.z[0])
    in_level, _ = o._judge_back(o._judge(batch.x[0], None), np.full(8, 1 / 8))
    level = o.score(batch.x[0], None).mean()
    trainer.fit(steps=1)
    for name, got in trainer.discriminator.parameters.items():
        want = o.d[name] - 0.1 * (d_loss[name] + 2 * (level - 0.25) * in_level[name])
        agree(got, want, name, rtol=1e-11, atol=1e-13)


def test_what_a_penalty_remembers_is_resumed(backend, tmp_path):
    whole, resumed = (drifting(backend, ema=0.0) for _ in range(2))
    resumed.restore(whole.fit(steps=3).save(tmp_path / "state"))
    bit_equal(leaves(resumed), leaves(whole), "saved and restored")
    bit_equal(leaves(resumed.fit(steps=3)), leaves(whole.fit(steps=3)), "3 steps resumed for 3 more")


# ---- bfloat16


def assert_float32(trainer):
    assert {str(array.dtype) for array in leaves(trainer).values()} == {"float32"}
    d, x = trainer._state.discriminator, trainer.backend.ops.asarray(np.zeros((2, 3, 2, 1)))
    out, _ = trainer._game.rules.seats["discriminator"].network.apply(d.params, d.buffers, x, {}, train=False, key=None)
    logits = out["logits"] if isinstance(out, dict) else out
    assert "float32" in str(logits.dtype)


def test_bfloat16_is_near_full_precision_and_trains(backend):
    need(backend, BFLOAT16)
    """Twenty steps with a penalty, the first within 2 % of float64 and visibly not float32."""
    config = small(dtype="float32", precision="bfloat16", penalties=["r1"])
    trainer = start(opened(backend, "float32", "bfloat16"), config)
    oracle, recorder = oracle_of(trainer, r1=1.0), Recorder()
    trainer.fit(steps=20, callbacks=[recorder])
    want = oracle.step(next(minibatches(config, 0, 1)))
    for name in ("d_loss", "g_loss"):
        assert recorder.terms[0][name] == pytest.approx(want[name], rel=0.02)
        assert abs(recorder.terms[0][name] - want[name]) > 1e-6
    assert all(np.isfinite(list(terms.values())).all() for terms in recorder.terms)
    assert_float32(trainer)


def test_in_bfloat16_running_statistics_and_singular_vectors_stay_float32(backend):
    need(backend, BFLOAT16)
    trainer, recorder = normalised(opened(backend, "float32", "bfloat16"), dtype="float32"), Recorder()
    trainer.fit(steps=5, callbacks=[recorder])
    assert all(np.isfinite(list(terms.values())).all() for terms in recorder.terms)
    assert_float32(trainer)


# ---- evaluation


def test_a_d_that_compares_examples_is_shown_no_others_than_those_to_score(backend):
    """Alike examples deviate by 0 from each other, whatever fills up the piece of the batch that is compiled for."""
    d = (MinibatchStddev(4), Flatten(), Dense(1), Reshape(()))
    brought = {"discriminator": d}
    trainer = start(opened(backend), small(discriminator="native"), brought=brought)
    x = np.repeat(examples().x[:1], 5, axis=0)
    planes = np.concatenate([x / 255.0, np.full_like(x, 1.0, np.float64) * 1e-4], axis=3)  # sqrt(0 + 1e-8)
    p = trainer.discriminator.parameters
    want = planes.reshape(5, -1) @ p["dense0/kernel"][:, 0] + p["dense0/bias"]
    agree(trainer.score(x), want, "score", rtol=1e-10)
