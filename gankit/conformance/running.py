"""Running statistics: each player's move in its own phase, by its own batches, and stay where nobody trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, bit_equal
from gankit.conformance.games import IDLE, leaves, minibatches, small, start
from gankit.conformance.oracle import Minibatches
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import Backend
from gankit.layers import BatchNorm, Dense, Flatten, LeakyRelu, Relu, Reshape, Sigmoid, SpectralNorm

MOMENTUM = 0.8
G = (Dense(7, bias=None), BatchNorm(MOMENTUM), Relu(), Dense(6), Sigmoid(), Reshape((3, 2, 1)))
D = (Flatten(), SpectralNorm(Dense(5, bias=None)), BatchNorm(MOMENTUM), LeakyRelu(), Dense(1), Reshape(()))


def normalised(backend: Backend, **settings: Any) -> Any:
    """A game whose players have batch norm, and D a spectral norm."""
    config = small(generator="native", discriminator="native", **settings)
    return start(backend, config, brought={"generator": G, "discriminator": D})


def check_running_statistics_move_in_their_own_phase(subject: Subject) -> None:
    """G's phase would corrupt the statistics that D is evaluated with, or D's phase those of G, and samples would
    get worse."""
    trainer = normalised(subject.open(), k=2, penalties=[{"name": "r1", "weight": 0.1}], **IDLE)
    by_hand = ByHand(leaves(trainer))
    trainer.fit(steps=3)
    got = leaves(trainer)
    for batch in minibatches(trainer.config, 0, 3):
        by_hand.step(batch)
    for name, want in by_hand.leaves().items():
        cause = "a pass of the other player's phase, or of a penalty, that counts; fakes before reals; the divisor n."
        agree(got[name], want, f"{name} after 3 iterations, k=2", rtol=1e-9, atol=1e-12, cause=cause)


def check_running_statistics_move_once_a_part(subject: Subject) -> None:
    """With `accumulate`, the statistics would be those of one part of each minibatch, and samples would get worse."""
    trainer = normalised(subject.open(), accumulate=2, **IDLE)
    by_hand = ByHand(leaves(trainer))
    trainer.fit(steps=2)
    got = leaves(trainer)
    for batch in minibatches(trainer.config, 0, 2):
        by_hand.step(batch, parts=2)
    for name, want in by_hand.leaves().items():
        cause = "parts of a minibatch that do not count, or that begin where the one before began."
        agree(got[name], want, f"{name} after 2 iterations in two parts", rtol=1e-9, atol=1e-12, cause=cause)


class ByHand:
    """The statistics of `normalised` while its parameters stand still, in NumPy."""

    def __init__(self, state: dict[str, Array]) -> None:
        self.state = {name: array.copy() for name, array in state.items()}

    def step(self, batch: Minibatches, parts: int = 1) -> None:
        """k times, for each part: D sees the real examples, then the fakes. Then G makes the fakes of its own phase."""
        for x, z in zip(batch.x, batch.z, strict=True):
            for own_x, own_z in zip(np.split(x, parts), np.split(z, parts), strict=True):
                self.judge(own_x)
                self.judge(self.generate(own_z, move=False))
        for own_z in np.split(batch.g_z, parts):
            self.generate(own_z, move=True)

    def judge(self, x: Array) -> None:
        """D's first layers in training: one power iteration, then batch norm."""
        kernel, u = (self.state[f"discriminator/{name}"] for name in (KERNEL, U))
        v = unit(kernel @ u)
        self.state[f"discriminator/{U}"] = u = unit(v @ kernel)
        self.count("discriminator", x @ kernel / (v @ kernel @ u))

    def generate(self, z: Array, *, move: bool) -> Array:
        """G in training; `move` says whether its running statistics count this batch."""
        p = {name: self.state[f"generator/params/{name}"] for name in ("dense0/kernel", "dense1/kernel", "dense1/bias")}
        hidden = z @ p["dense0/kernel"]
        if move:
            self.count("generator", hidden)
        normal = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
        return np.asarray(1 / (1 + np.exp(-(np.maximum(normal, 0) @ p["dense1/kernel"] + p["dense1/bias"]))))

    def count(self, player: str, hidden: Array) -> None:
        """Move a player's running mean and variance towards those of a batch."""
        for name, new in (("mean", hidden.mean(axis=0)), ("var", hidden.var(axis=0, ddof=1))):
            leaf = f"{player}/buffers/batchnorm0/{name}"
            self.state[leaf] = MOMENTUM * self.state[leaf] + (1 - MOMENTUM) * new

    def leaves(self) -> dict[str, Array]:
        """Every buffer, by its name in a checkpoint."""
        return {name: array for name, array in self.state.items() if "/buffers/" in name}


KERNEL, U = "params/spectralnorm0/layer/kernel", "buffers/spectralnorm0/kernel_u"


def unit(vector: Array) -> Array:
    """The vector at length 1."""
    return np.asarray(vector / np.linalg.norm(vector))


def check_evaluation_leaves_running_statistics(subject: Subject) -> None:
    """Sampling or scoring would change the statistics that the next samples are normalised with."""
    trainer = normalised(subject.open()).fit(steps=2)
    before = leaves(trainer)
    trainer.sample(5)
    trainer.sample(5, ema=False)
    trainer.score(np.full((4, 3, 2, 1), 9, np.uint8))
    _ = trainer.generator.native, trainer.discriminator.native
    bit_equal(leaves(trainer), before, "the state after sampling and scoring", cause="a pass in training mode.")


def check_samples_use_running_statistics(subject: Subject) -> None:
    """A sample would depend on those beside it: another picture from the same latent, and none at all from one."""
    trainer = normalised(subject.open(), **IDLE)
    trainer.fit(steps=3)
    z = np.random.default_rng(4).normal(size=(5, trainer.config.latent_dim))
    state = leaves(trainer)
    for ema in (False, True):
        many = trainer.generate(z, ema=ema)
        want = evaluated(state, z).reshape(many.shape)
        cause = "G is in training mode while it is sampled."
        agree(many, want, f"G(z) in evaluation, ema={ema}", rtol=1e-9, atol=1e-12, cause=cause)
        one = trainer.generate(z[:1], ema=ema)
        agree(one, want[:1], f"the first of them alone, ema={ema}", rtol=1e-9, atol=1e-12, cause=cause)


def evaluated(state: dict[str, Array], z: Array) -> Array:
    """What `normalised`'s G makes of z by its running statistics; its scale and bias are still 1 and 0."""
    p = {name: state[f"generator/params/{name}"] for name in ("dense0/kernel", "dense1/kernel", "dense1/bias")}
    mean, var = (state[f"generator/buffers/batchnorm0/{name}"] for name in ("mean", "var"))
    hidden = np.maximum((z @ p["dense0/kernel"] - mean) / np.sqrt(var + 1e-5), 0)
    return np.asarray(1 / (1 + np.exp(-(hidden @ p["dense1/kernel"] + p["dense1/bias"]))))


CHECKS: tuple[Check, ...] = (
    check_running_statistics_move_in_their_own_phase,
    check_running_statistics_move_once_a_part,
    check_evaluation_leaves_running_statistics,
    check_samples_use_running_statistics,
)
