"""What may be put around Algorithm 1: penalties, constraints, clipping, parts of a minibatch, labels, memories."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, agree_by_name, bit_equal, require
from gankit.conformance.follow import TOLERANCE, follow
from gankit.conformance.games import (
    ADAM_D,
    ADAM_G,
    CLASSES,
    CONDITIONAL,
    IDLE,
    SGD,
    Recorder,
    examples,
    leaves,
    minibatches,
    oracle_of,
    small,
    start,
)
from gankit.conformance.oracle import Adam, Params
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import Moment
from gankit.play.streams import Streams

LIMIT = 0.4


def check_penalty_follows_the_oracle(subject: Subject) -> None:
    """A gradient penalty would be a different objective; a scheduled weight would stay constant; and a lazy penalty
    would be 0 in every line of a log that never meets it."""
    weight = {"schedule": "ramp", "start": 1.0, "stop": 0.2, "begin": 0, "end": 10}

    def expected(t: int) -> float:  # every second step, twice as strong
        return 2 * (1.0 - 0.08 * min(t, 10)) if t % 2 == 0 else 0.0

    penalty = {"name": "r1", "weight": weight, "every": 2}
    follow(subject, 30 if subject.quick else 100, {"r1": expected, "lazy": True}, penalties=[penalty], k=2)


def check_penalty_of_every_step_follows_the_oracle(subject: Subject) -> None:
    """A penalty that always acts reuses the pass that scores examples. D would learn from only one of the two."""
    penalty = {"name": "r1", "weight": 0.7}
    follow(subject, 30 if subject.quick else 100, {"r1": lambda t: 0.7}, penalties=[penalty])


def check_scheduled_betas_follow_the_oracle(subject: Subject) -> None:
    """Adam's betas would keep their first value, or be bias-corrected as if they did (R3GAN increases b2)."""
    b2 = {"schedule": "cosine", "start": 0.9, "stop": 0.99, "begin": 5, "end": 20}
    b1 = {"schedule": "ramp", "start": 0.5, "stop": 0.1, "begin": 0, "end": 8}
    lr = {"schedule": "decay", "start": 2e-3, "factor": 1.05, "floor": 1e-3}
    rule = Adam(
        lr=lambda t: max(2e-3 / 1.05**t, 1e-3),
        b1=lambda t: 0.5 - 0.05 * min(t, 8),
        b2=lambda t: 0.945 - 0.045 * np.cos(np.pi * min(max(t - 5, 0), 15) / 15),
    )
    optimizers = {
        "discriminator_optimizer": {**ADAM_D, "lr": lr, "b1": b1, "b2": b2},
        "generator_optimizer": ADAM_G,
    }
    follow(subject, 30 if subject.quick else 100, {"d_rule": rule}, **optimizers)


def check_constraints_see_the_canonical_layout(subject: Subject) -> None:
    """A limit on the weights into a unit would limit the weights out of it on frameworks with the other layout."""

    def shortened(params: Params) -> dict[str, Any]:
        norms = {name: np.linalg.norm(p, axis=0) for name, p in params.items() if name.endswith("kernel")}
        return params | {name: params[name] * (np.minimum(n, LIMIT) / (n + 1e-7)) for name, n in norms.items()}

    constraint = {"name": "max-norm", "limit": LIMIT}
    for settings in ({}, {"k": 3}):  # after each of D's updates, not after the last alone
        steps = 20 if subject.quick else 60
        follow(subject, steps, {"constrain": shortened}, constraints=[constraint], **settings)


def check_a_momentum_ramp_from_zero_follows_the_oracle(subject: Subject) -> None:
    """Optimizers that keep no velocity while momentum is 0 would start theirs late, or never."""
    momentum = {"schedule": "ramp", "start": 0.0, "stop": 0.8, "begin": 2, "end": 9}
    rules = {role: {**settings, "momentum": momentum} for role, settings in SGD.items()}
    follow(subject, 20, **rules)


def check_clipping_is_of_a_players_whole_gradient(subject: Subject) -> None:
    """`gradient_clip` would turn the gradient, array by array, or let through a part of what it should shorten."""
    limit, norms = 0.45, []

    def clip(gradient: Params) -> Params:
        norms.append(np.sqrt(sum((g**2).sum() for g in gradient.values())))
        return {name: g * min(1.0, limit / norms[-1]) for name, g in gradient.items()}

    follow(subject, 15, {"clip": clip}, gradient_clip=limit, k=2, **SGD)
    require(min(norms) < limit < max(norms), f"The check judges nothing: norms from {min(norms)} to {max(norms)}.")


def check_accumulated_parts_are_the_whole_minibatch(subject: Subject) -> None:
    """A batch too large for the device would be another game in parts: other labels, other weights of its terms."""
    loss = {"name": "conditional", "base": "minimax", "mismatched": True}
    penalty = {"name": "r1", "weight": 0.5}
    follow(subject, 8, {"r1": 0.5}, accumulate=4, loss=loss, penalties=[penalty], k=2, **SGD)


def check_fakes_with_labels_of_their_own_follow_the_oracle(subject: Subject) -> None:
    """With `fake_labels = "uniform"` D would judge fakes under the labels of the reals, or G make them under those."""
    follow(subject, 15 if subject.quick else 60, fake_labels="uniform", k=2, **SGD, **CONDITIONAL)


def check_mismatched_labels_follow_the_oracle(subject: Subject) -> None:
    """Real examples under wrong labels would weigh as much as the fakes, or come under right ones now and then."""
    loss = {"name": "conditional", "base": "non-saturating", "mismatched": True}
    for batch in minibatches(small(loss=loss), 0, 60):
        assert batch.wrong_y is not None
        right = int((batch.wrong_y == batch.y).sum())
        require(not right, f"Of the labels that are to be wrong, {right} of a minibatch are right.")
    follow(subject, 15 if subject.quick else 60, loss=loss, k=2, **SGD)


@dataclass(frozen=True)
class Comparing:
    """G raises its fakes above the real examples in the same places."""

    generator_needs_real: bool = True
    conditional: bool = True

    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(ops.softplus(-real.logits)) + ops.xp.mean(ops.softplus(fake.logits))

    def generator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(ops.softplus(real.logits - fake.logits))


def check_pairs_are_under_one_label(subject: Subject) -> None:
    """A relativistic G would be set against reals of another class, or against those that D has seen already."""
    optimizers = {**IDLE, "discriminator_optimizer": {"name": "sgd", "lr": 0.5}}
    config = replace(small(loss=Comparing(), **optimizers), conditions=("label",))
    data, recorder, steps = examples(), Recorder(), 7
    trainer = start(subject.open(), config)
    oracle = oracle_of(trainer, loss="non-saturating", num_classes=CLASSES)
    walk = Streams(config.seed).order("order/generator", 0, steps, config.batch_size, len(data))
    trainer.fit(steps=steps, callbacks=[recorder])
    assert data.labels is not None
    for t, (got, batch, rows) in enumerate(zip(recorder.terms, minibatches(config, 0, steps), walk, strict=True)):
        oracle.step(batch)  # G stands still; D has moved when G is judged
        x, y = data.x[rows].reshape(len(rows), -1) / 255.0, data.labels[rows]
        gap = oracle.score(x, y) - oracle.score(oracle.sample(batch.g_z, y), y)
        want = np.logaddexp(0, gap).mean()
        agree(np.array(got["g_loss"]), want, f"G's loss against reals, step {t + 1}", rtol=1e-9, atol=1e-12)


@dataclass(frozen=True)
class Drift:
    """(level - mean)^2, where level is D's mean logit on reals, or G's mean pixel, and mean its moving average."""

    player: str
    weight: float = 0.5
    every: ClassVar[int] = 2
    memory: ClassVar[dict[str, float]] = {"mean": 0.25}

    @property
    def name(self) -> str:
        return f"{self.player}-drift"

    def __call__(self, m: Moment) -> Any:
        level = m.ops.xp.mean(m.critic(m.draw.real).logits if self.player == "discriminator" else m.generate(m.draw.z))
        mean = m.memory["mean"]
        return (level - mean) ** 2, {"mean": 0.5 * mean + 0.5 * level}


def drifting(subject: Subject, **settings: Any) -> Any:
    """A game in which nobody moves, with a term for each player that remembers."""
    terms = [Drift(player) for player in ("discriminator", "generator")]
    return start(subject.open(), small(penalties=terms, **IDLE, **settings))


def check_terms_remember(subject: Subject) -> None:
    """A penalty with a memory (LeCam) would forget it, share it with another one, or move it now and then only."""
    trainer = drifting(subject, k=2, accumulate=2)
    oracle, steps = oracle_of(trainer), 5
    trainer.fit(steps=steps)
    mean = {"discriminator": 0.25, "generator": 0.25}
    for batch in minibatches(trainer.config, 0, steps):
        levels = {
            "discriminator": [oracle.score(part, None).mean() for x in batch.x for part in np.split(x, 2)],
            "generator": [oracle.sample(part, None).mean() for part in np.split(batch.g_z, 2)],
        }
        for player, values in levels.items():
            for level in values:
                mean[player] = 0.5 * mean[player] + 0.5 * level
    got = leaves(trainer)
    for player, want in mean.items():
        what = f"what a term of the {player} remembers after {steps} steps, k=2, in two parts"
        agree(got[f"memory/{player}-drift/mean"], want, what, rtol=1e-9, cause="it moves at its own steps only.")


def check_terms_that_remember_have_their_weight(subject: Subject) -> None:
    """A penalty with a memory (LeCam) would act as strongly whatever its weight is."""
    moved, rules = dict[float, Array](), {**IDLE, "discriminator_optimizer": {"name": "sgd", "lr": 0.5}}
    for weight in (0.0, 1.0, 2.0):
        trainer = start(subject.open(), small(penalties=[Drift("discriminator", weight)], **rules)).fit(steps=1)
        moved[weight] = np.concatenate([p.ravel() for p in trainer.discriminator.parameters.values()])
    pull = moved[1.0] - moved[0.0]
    require(float(np.abs(pull).max()) > 1e-6, "A term that remembers moves D no more at weight 1 than at weight 0.")
    what = "how far a term that remembers moves D, at weight 2 and twice at weight 1"
    agree(moved[2.0] - moved[0.0], 2 * pull, what, rtol=1e-8, atol=1e-12)


@dataclass(frozen=True)
class Weather:
    """A number that is drawn, and nothing else."""

    name: ClassVar[str] = "weather"
    player: ClassVar[str] = "discriminator"
    every: ClassVar[int] = 1
    weight: ClassVar[float] = 1.0

    def __call__(self, m: Moment) -> Any:
        return m.ops.xp.mean(m.ops.uniform(m.key, (50,)))


def check_terms_draw_anew_at_every_step(subject: Subject) -> None:
    """What a penalty draws at its first step would serve for the whole run: it would look along a few lines only."""
    steps, recorder = 40, Recorder()
    start(subject.open(), small(penalties=[Weather()])).fit(steps=steps, callbacks=[recorder])
    drawn = np.array([terms["weather"] for terms in recorder.terms])
    same = steps - len(set(drawn.tolist()))
    require(not same, f"A term draws {same} of {steps} numbers again. Likely cause: a step recorded with its noise.")
    spread = np.sqrt(1 / 12 / 50)  # of a mean of 50 numbers uniform on [0, 1)
    agree(drawn.mean(), 0.5, "mean of what a term draws", rtol=0, atol=5 * spread / np.sqrt(steps))
    agree(drawn.std(), spread, "spread of what a term draws", rtol=0.6)


def check_what_terms_remember_is_resumed(subject: Subject) -> None:
    """A resumed run would begin its memory anew: another objective than that of the run that was stopped."""
    first, second = drifting(subject), drifting(subject)
    with tempfile.TemporaryDirectory() as folder:
        second.restore(first.fit(steps=3).save(Path(folder) / "state"))
    bit_equal(leaves(second), leaves(first), "a game whose terms remember, saved and restored")
    bit_equal(leaves(second.fit(steps=3)), leaves(first.fit(steps=3)), "3 steps resumed for 3 more")


def check_streamed_labels_stay_in_step(subject: Subject) -> None:
    """Data too large for the device would arrive with the labels of other examples."""
    for settings in ({}, {"fake_labels": "uniform"}):
        config, data, steps = small(**CONDITIONAL, **SGD, **settings), examples(), 9
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "x.npy", data.x)
            mapped = replace(data, x=np.load(Path(folder) / "x.npy", mmap_mode="r"))
            trainer = start(subject.open(), config, mapped)
            oracle = oracle_of(trainer)
            trainer.fit(steps=4).fit(steps=steps - 4)
        for batch in minibatches(config, 0, steps):
            oracle.step(batch)
        what = f"a conditional run on memory-mapped data, {settings}"
        agree_by_name(leaves(trainer), oracle.leaves(), what, atol=TOLERANCE)


def check_batches_that_come_follow_the_oracle(subject: Subject) -> None:
    """With a DataLoader, examples would have the labels of others, or D and G would get each other's minibatches."""
    config, data, steps = small(**CONDITIONAL, **SGD, k=2), examples(), 6
    assert data.labels is not None
    rows = np.random.default_rng(3).integers(len(data), size=(steps, 2, config.batch_size))
    portions = ((data.x[part], data.labels[part]) for part in np.array_split(rows.ravel(), 7))
    trainer = start(subject.open(), config)
    oracle = oracle_of(trainer)
    trainer.fit(portions, steps=steps)
    for batch, own in zip(minibatches(config, 0, steps), rows, strict=True):
        y = data.labels[own]
        x = data.x.reshape(len(data), -1)[own] / 255.0
        oracle.step(batch._replace(x=x, y=y, fake_y=y, g_y=y[-1]))
    agree_by_name(leaves(trainer), oracle.leaves(), "a conditional run on batches that come, k=2", atol=TOLERANCE)


CHECKS: tuple[Check, ...] = (
    check_penalty_follows_the_oracle,
    check_penalty_of_every_step_follows_the_oracle,
    check_scheduled_betas_follow_the_oracle,
    check_constraints_see_the_canonical_layout,
    check_a_momentum_ramp_from_zero_follows_the_oracle,
    check_clipping_is_of_a_players_whole_gradient,
    check_accumulated_parts_are_the_whole_minibatch,
    check_fakes_with_labels_of_their_own_follow_the_oracle,
    check_mismatched_labels_follow_the_oracle,
    check_pairs_are_under_one_label,
    check_terms_remember,
    check_terms_that_remember_have_their_weight,
    check_terms_draw_anew_at_every_step,
    check_what_terms_remember_is_resumed,
    check_streamed_labels_stay_in_step,
    check_batches_that_come_follow_the_oracle,
)
