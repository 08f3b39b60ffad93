"""Who plays: the players that a config names, before they have networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gankit.config import Config, Part, spelt
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.play.game import ENCODER, KINDS, PHASES, D, G

SETTINGS = ("network", "optimizer", "phase", "kind", "source")
"""Of a player in the setting `players`."""


@dataclass(frozen=True)
class Plan:
    """A player before it has a network: see `gankit.play.game.Seat`."""

    role: str
    network: Part
    optimizer: Part
    phase: str
    kind: str
    source: str = ""
    frozen: bool = False


def plans(config: Config) -> tuple[Plan, ...]:
    """All players of a game, G and D first; raises ConfigError for a player that has no place in it."""
    main = (
        Plan(G, config.generator, config.generator_optimizer, G, G),
        Plan(D, config.discriminator, config.discriminator_optimizer, D, D),
    )
    players = main + tuple(_plan(role, table, config) for role, table in config.players.items())
    _check_pairs(players)
    roles = [plan.role for plan in players]
    for role in config.frozen:
        if role not in roles:
            raise ConfigError(f"frozen: no player {role!r}.{did_you_mean(role, roles)} Possible: {one_of(roles)}.")
    frozen = tuple(replace(plan, frozen=plan.role in config.frozen) for plan in players)
    if all(plan.frozen for plan in frozen if plan.phase == G):
        raise ConfigError(f"frozen={list(config.frozen)}: no player is left to train in G's phase.")
    return frozen


def _plan(role: str, table: Any, config: Config) -> Plan:
    if role in PHASES or not isinstance(table, Mapping):
        raise ConfigError(
            f"players.{role}={table!r}: expected a table for a player beside the generator and the discriminator, such "
            "as players.generator-b={kind = 'generator', source = 'b'}."
        )
    for name in table:
        if name not in SETTINGS:
            raise ConfigError(
                f"players.{role} has no setting {name!r}.{did_you_mean(name, SETTINGS)} Possible: {one_of(SETTINGS)}."
            )
    kind = _choice(f"players.{role}.kind", table.get("kind", role.partition("-")[0]), KINDS)
    encodes = kind == ENCODER
    # An encoder is on G's side: the two make pairs that D cannot tell apart.
    phase = _choice(f"players.{role}.phase", table.get("phase", G if encodes else kind), (G,) if encodes else PHASES)
    source = table.get("source", "")
    if source and source not in config.sources:
        raise ConfigError(
            f"The {role} uses a source {source!r}, which this game lacks. Pass it: "
            f"sources={{{source!r}: ...}}, or --source {source}=DATA."
        )
    return Plan(
        role,
        _like(table.get("network", {}), Part("mlp") if encodes else getattr(config, kind)),
        _like(table.get("optimizer", {}), getattr(config, f"{G if encodes else kind}_optimizer")),
        phase,
        kind,
        source,
    )


def _choice(name: str, value: Any, possible: tuple[str, ...]) -> str:
    if value not in possible:
        raise ConfigError(
            f"{name}={value!r} is not possible.{did_you_mean(str(value), possible)} Choose {one_of(possible)}."
        )
    return str(value)


def _like(value: Any, default: Part) -> Part:
    """A part from a name or a table, on top of the one that the player's kind has in this game."""
    table = {"name": value} if isinstance(value, str) else dict(value)
    name = table.pop("name", default.name)
    return Part(name, {**(default.settings if name == default.name else {}), **spelt(table)})


def _check_pairs(players: tuple[Plan, ...]) -> None:
    for plan in players:
        alike = [p.role for p in players if (p.kind, p.source) == (ENCODER, plan.source)]
        if plan.kind == ENCODER and len(alike) > 1:
            raise ConfigError(
                f"{one_of(alike)} encode the examples of one source, {plan.source!r}. D judges one latent of an "
                "example: leave the others out."
            )
    for kind, other in ((D, G), (G, D), (ENCODER, D)):
        for plan in players:
            beside = [p.role for p in players if p.kind == other and p.source == plan.source]
            if plan.kind == kind and len(beside) != 1:
                raise ConfigError(
                    f"The {plan.role} of source {plan.source!r} needs one {other} of that source, and there are "
                    f"{len(beside)}. Name each in players, with the same source."
                )
