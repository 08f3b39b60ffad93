"""Same seed, same run: who agrees with the oracle agrees with every other backend that does."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.building import make
from gankit.conformance.compare import DTYPES, agree, bit_equal
from gankit.conformance.follow import follow
from gankit.conformance.games import CONDITIONAL, Recorder, examples, minibatches, oracle_of, small, start
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.layers import place
from gankit.networks import GameSpec
from gankit.play.streams import Streams


def check_initial_parameters_are_cores(subject: Subject) -> None:
    """Runs with the same seed would start from different networks on every framework, and could not be compared."""
    for dtype in DTYPES:
        config = small(dtype=dtype)
        trainer = start(subject.open(dtype), config)
        spec, streams = GameSpec((3, 2, 1), config.latent_dim), Streams(config.seed)
        for role, shape in (("generator", (config.latent_dim,)), ("discriminator", (3, 2, 1))):
            placed = place(make(f"{role}s", getattr(config, role), spec), shape)
            drawn = {
                f"{p.name}/{key}": parameter.init(
                    streams.generator(f"init/{role}/{p.name}/{key}"), parameter.shape, None
                )
                for p in placed
                for key, parameter in p.layer.parameters(p.input_shape).items()
            }
            want = {name: array.astype(dtype) for name, array in drawn.items()}
            got: dict[str, Any] = getattr(trainer, role).parameters
            bit_equal(got, want, f"{role}'s initial parameters, {dtype}", cause="the framework's own initialiser.")


def check_adam_follows_the_oracle(subject: Subject) -> None:
    """The same seed would give a different run on this backend, and its checkpoints would continue differently
    elsewhere."""
    follow(subject, 100 if subject.quick else 1000)


def check_conditional_adam_follows_the_oracle(subject: Subject) -> None:
    """The same seed would give a different conditional run on this backend."""
    follow(subject, 100 if subject.quick else 1000, **CONDITIONAL)


def check_float32_follows_at_first(subject: Subject) -> None:
    """float32, which everybody trains in, would leave the common trajectory at once, and not only after rounding
    errors grow."""
    config, steps = small(dtype="float32"), 20
    trainer = start(subject.open("float32"), config)
    oracle, recorder = oracle_of(trainer), Recorder()
    trainer.fit(steps=steps, callbacks=[recorder])
    for t, (got, batch) in enumerate(zip(recorder.terms, minibatches(config, 0, steps), strict=True)):
        for name, value in oracle.step(batch).items():
            agree(np.array(got[name]), value, f"{name} at step {t + 1} in float32", rtol=1e-4, atol=1e-5)


def check_samples_are_the_same(subject: Subject) -> None:
    """`sample(seed=1)` would give different samples on every framework, or those of G instead of its moving average."""
    for settings in ({}, CONDITIONAL):
        config = small(**settings)
        trainer = start(subject.open(), config)
        oracle = oracle_of(trainer)
        trainer.fit(steps=10)
        for batch in minibatches(config, 0, 10):
            oracle.step(batch)
        z = Streams(1).first_latents("sample", 7, config.latent_dim, config.prior)
        y = np.arange(7) % 3 if config.conditional else None
        for ema in (True, False):
            got = trainer.generate(z, None if y is None else y.astype(np.int32), ema=ema)
            agree(
                got.reshape(7, -1),
                oracle.sample(z, y, ema=ema),
                f"G(z), ema={ema}",
                rtol=1e-8,
                cause="ema and G exchanged.",
            )
        want = np.rint(255 * oracle.sample(z, y, ema=True)).reshape(7, 3, 2, 1)
        agree(trainer.sample(7, seed=1), want, "sample(7, seed=1)", rtol=0)


def check_many_samples_keep_their_labels(subject: Subject) -> None:
    """Samples that are drawn in several parts would be of the first part's classes, in each of the others."""
    config, n = small(**CONDITIONAL), 1_203  # more than one part, and no multiple of the number of classes
    trainer = start(subject.open(), config)
    y = np.random.default_rng(5).integers(0, 3, n).astype(np.int32)
    z = Streams(2).first_latents("sample", n, config.latent_dim, config.prior)
    want = np.rint(255 * oracle_of(trainer).sample(z, y)).reshape(n, 3, 2, 1)
    got = trainer.sample(n, seed=2, labels=y, ema=False).astype(float)
    agree(got, want, f"sample({n}, labels=...)", rtol=0, atol=1.0, cause="labels of another part.")


def check_scores_are_the_same(subject: Subject) -> None:
    """`score`, and every metric based on it, would give different numbers on every framework."""
    trainer = start(subject.open(), small())
    x = examples().x[:7]
    want = oracle_of(trainer).score(x.reshape(7, -1) / 255.0, None)
    agree(trainer.score(x), want, "score", rtol=1e-10, atol=1e-12)


CHECKS: tuple[Check, ...] = (
    check_initial_parameters_are_cores,
    check_adam_follows_the_oracle,
    check_conditional_adam_follows_the_oracle,
    check_float32_follows_at_first,
    check_samples_are_the_same,
    check_many_samples_keep_their_labels,
    check_scores_are_the_same,
)
