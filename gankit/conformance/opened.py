"""Games of more than two players and a label: conditions of every kind, further players, two sources."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import Config
from gankit.conformance.compare import agree, agree_by_name, bit_equal, require
from gankit.conformance.follow import TOLERANCE, compare_terms
from gankit.conformance.games import SGD, Recorder, examples, leaves, minibatches
from gankit.conformance.open_games import begin, conditions_of, crossed, flat, given, inverted, moves, oracle_of
from gankit.conformance.open_oracle import Net, softplus
from gankit.conformance.oracle import Params
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import LATENT
from gankit.play.streams import Streams


def check_conditions_follow_the_oracle(subject: Subject) -> None:
    """Images, vectors and masks would reach only one player, or belong to other examples. The game would learn p(x)
    although you asked for p(x|c)."""
    follow(subject, given(), 30 if subject.quick else 150)


def check_conditions_in_one_move_follow_the_oracle(subject: Subject) -> None:
    """With a simultaneous update, G would get other conditions than those that D sees with its samples."""
    follow(subject, given(schedule="simultaneous", k=1), 20 if subject.quick else 100)


def check_further_players_follow_the_oracle(subject: Subject) -> None:
    """A second pair of players would not train, use the first pair's optimizer, or get the first pair's data."""
    follow(subject, crossed(), 30 if subject.quick else 150)


def check_further_players_by_sgd_follow_the_oracle(subject: Subject) -> None:
    """Schedules would reach only the first two players; or the second domain would get other examples than were
    drawn, at worst the partners of the first domain's."""
    players = {
        "generator-b": {"kind": "generator", "source": "b"},
        "discriminator-b": {"kind": "discriminator", "source": "b"},
    }
    follow(subject, crossed(**SGD, players=players, k=3), 20 if subject.quick else 100)


def check_constraints_hold_for_all_players_of_a_phase(subject: Subject) -> None:
    """A constraint on D would let the second domain's D go, or a constraint on one player would bind its opponent."""
    limit = 0.2
    for side in ("discriminator", "generator"):
        constraint = {"name": "max-norm", "limit": limit, "player": side}
        trainer = begin(subject.open(), crossed(constraints=[constraint], k=2)).fit(steps=3)
        for role, player in trainer.players.items():
            longest = max(np.linalg.norm(a, axis=0).max() for a in player.parameters.values() if a.ndim == 2)
            kept = bool(longest <= limit + 1e-9)
            what = f"max-norm of {limit} on the {side}: the columns of the {role} have norms up to {longest:.3f}."
            require(kept == role.startswith(side), what)


@dataclass(frozen=True)
class Comparing:
    """G raises its fakes above the real examples in the same places, and E the other way round."""

    generator_needs_real: bool = True

    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(ops.softplus(fake.logits - real.logits))

    def generator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(ops.softplus(real.logits - fake.logits))


def check_an_encoder_learns_against_g(subject: Subject) -> None:
    """E would learn to make its pairs look real, as they do already, so that it never inverts G."""
    follow_an_encoder(subject, "non-saturating", lambda real, fake: softplus(-fake) + softplus(real))
    follow_an_encoder(subject, Comparing(), lambda real, fake: 2.0 * softplus(real - fake))


def follow_an_encoder(subject: Subject, loss: Any, value: Callable[[Array, Array], Array]) -> None:
    """One step of E alone; value: of the logits of real and of fake pairs, to what G and E minimise together."""
    still, encoder = {"name": "sgd", "lr": 0.0}, {"name": "mlp", "hidden": [5], "norm": False}
    config = inverted(
        loss=loss,
        players={"encoder": {"network": encoder, "optimizer": {"name": "sgd", "lr": 1.0}}},
        generator_optimizer=still,
        discriminator_optimizer=still,
    )
    trainer, recorder = begin(subject.open(), config), Recorder()
    g, d, e = (trainer.players[role].parameters for role in ("generator", "discriminator", "encoder"))
    rows = Streams(config.seed).order("order/generator", 0, 1, config.batch_size, len(examples()))[0]
    x, z = flat(examples().x[rows]) / 255.0, next(minibatches(config, 0, 1)).g_z
    made = Net(slope=0.0, end="sigmoid").forward(g, z, {}).out

    def objective(params: Params) -> float:
        pairs = ((x, Net().forward(params, x, {}).out), (made, z))
        real, fake = (Net((LATENT,)).forward(d, a, {LATENT: b}).out for a, b in pairs)
        return float(value(real, fake).mean())

    trainer.fit(steps=1, callbacks=[recorder])
    name = loss if isinstance(loss, str) else "a loss that compares"
    got = np.array(recorder.terms[0]["g_loss"])
    agree(got, objective(e), f"what G and E minimise by {name}", rtol=1e-9, atol=1e-12)
    moved = {n: a - differences(objective, e, n) for n, a in e.items()}
    cause = "E that climbs where it is to descend, or that is taught by G's part of the objective."
    now = trainer.players["encoder"].parameters
    agree_by_name(now, moved, f"E after a step of gradient descent by {name}", atol=1e-7, cause=cause)


def differences(f: Callable[[Params], float], at: Params, name: str, h: float = 1e-5) -> Array:
    """The derivative of f in one of its arrays, number by number."""
    found = np.zeros_like(at[name])
    for place in np.ndindex(found.shape):
        step = np.zeros_like(found)
        step[place] = h
        found[place] = (f({**at, name: at[name] + step}) - f({**at, name: at[name] - step})) / (2 * h)
    return found


def follow(subject: Subject, config: Config, steps: int) -> None:
    """Play an open game beside the oracle: each term of each step, then the whole state."""
    trainer, recorder = begin(subject.open(config.dtype), config), Recorder()
    oracle = oracle_of(trainer)
    trainer.fit(steps=steps, callbacks=[recorder])
    compare_terms(recorder.terms, oracle, moves(config, 0, steps))
    cause = "an optimizer, a moving average, or what a term remembers: the terms still agreed."
    agree_by_name(leaves(trainer), oracle.leaves(), f"state after {steps} steps", atol=TOLERANCE, cause=cause)


def check_answers_are_to_the_conditions_asked_for(subject: Subject) -> None:
    """`sample(given=...)` and `score(given=...)` would use other conditions, or other units than in training."""
    trainer, n = begin(subject.open(), given()).fit(steps=3), 5
    oracle, z = oracle_of(trainer), latents(trainer, n)
    asked = conditions_of(trainer.config, n)
    units = {"style": asked["style"], "image": flat(asked["image"]) / 255.0, "mask": flat(asked["mask"])}
    answers = trainer.sample(n, given=asked, ema=False)
    want = oracle.generate("generator", z, units)
    agree(flat(answers) / 255.0, want, "sample(given=...)", rtol=0.0, atol=0.51 / 255)  # uint8
    other = trainer.sample(n, given={**asked, "style": asked["style"][::-1] * 50.0}, ema=False)
    require(bool((other != answers).any()), "Samples do not depend on the vector that they are asked for.")
    got = trainer.score(answers, given=asked)
    logits = oracle.score("discriminator", flat(answers) / 255.0, units)
    agree(got, logits, "score(given=...)", rtol=1e-9, atol=1e-9)


def latents(trainer: Any, n: int) -> np.ndarray[Any, Any]:
    """What `sample` draws for seed 0."""
    c = trainer.config
    return np.asarray(Streams(0).first_latents("sample", n, c.latent_dim, c.prior), np.float64)


def check_open_games_resume(subject: Subject) -> None:
    """The checkpoint would lack an additional player, its average, or the memory of a term."""
    for config in (given(dtype="float32"), crossed(dtype="float32", ema=0.9)):
        with tempfile.TemporaryDirectory() as folder:
            first = begin(subject.open(config.dtype), config)
            path = first.fit(steps=7).save(Path(folder) / "state")
            second = begin(subject.open(config.dtype), config).restore(path)
            bit_equal(leaves(second), leaves(first), "an open game, saved and restored")
            cause = "a player, a slot or a memory that is not in the checkpoint."
            bit_equal(leaves(second.fit(steps=4)), leaves(first.fit(steps=4)), "7 steps resumed for 4", cause=cause)


CHECKS: tuple[Check, ...] = (
    check_conditions_follow_the_oracle,
    check_conditions_in_one_move_follow_the_oracle,
    check_further_players_follow_the_oracle,
    check_further_players_by_sgd_follow_the_oracle,
    check_constraints_hold_for_all_players_of_a_phase,
    check_an_encoder_learns_against_g,
    check_answers_are_to_the_conditions_asked_for,
    check_open_games_resume,
)
