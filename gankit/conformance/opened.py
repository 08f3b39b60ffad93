"""Games of more than two players and a label: conditions of every kind, further players, two sources."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gankit.config import Config
from gankit.conformance.compare import agree, agree_by_name, bit_equal, require
from gankit.conformance.follow import TOLERANCE, compare_terms
from gankit.conformance.games import SGD, Recorder, leaves
from gankit.conformance.open_games import begin, conditions_of, crossed, flat, given, moves, oracle_of
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
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
    limit, sides = 0.2, {"discriminator": ("discriminator", "discriminator-b"), "generator": ("generator", "generator-b")}
    for side, bound in sides.items():
        constraint = {"name": "max-norm", "limit": limit, "player": side}
        trainer = begin(subject.open(), crossed(constraints=[constraint], k=2)).fit(steps=3)
        for role, player in trainer.players.items():
            longest = max(np.linalg.norm(a, axis=0).max() for a in player.parameters.values() if a.ndim == 2)
            kept = bool(longest <= limit + 1e-9)
            what = f"max-norm of {limit} on the {side}: the columns of the {role} have norms up to {longest:.3f}."
            require(kept == (role in bound), what)


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
    check_answers_are_to_the_conditions_asked_for,
    check_open_games_resume,
)
