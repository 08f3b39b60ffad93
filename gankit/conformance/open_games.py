"""The open games that the step is judged by: data, beginning, and their minibatches in the oracle's units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.building import prepared
from gankit.config import Config
from gankit.conformance.games import ADAM, MIXED, examples, rule, small
from gankit.conformance.open_oracle import Drawn, Moves, Net, OpenOracle, Rows, Sources
from gankit.data.dataset import Dataset
from gankit.interfaces import Backend, Draw
from gankit.play.assembling import assemble
from gankit.play.batches import Batches, Stock, Wants
from gankit.play.game import PHASES
from gankit.plug.making import make

PIXELS = 6
SHARE = 0.4
"""The probability that a pixel is hidden."""


def styled() -> Dataset:
    """The small pictures without labels, each with a condition that they bring: a vector, `style`."""
    data = examples()
    style = np.random.default_rng(17).normal(size=(len(data), 2))
    return Dataset(data.x, None, None, data.value_range, "conformance", {"style": style})


def others() -> Dataset:
    """29 further pictures of the same shape: a second domain."""
    x = np.random.default_rng(23).integers(90, 256, (29, 3, 2, 1)).astype(np.uint8)
    return Dataset(x, None, None, (0, 255), "conformance-b")


def given(**settings: Any) -> Config:
    """p(x | c): c is a vector that the data brings, what is known of x, and where it is known."""
    maker = {"name": "mask", "kind": "pixels", "share": SHARE}
    penalties = [{"name": "l1", "weight": 3.0}, {"name": "r1", "weight": 0.7}]
    return small(**{**MIXED, "given": [maker], "penalties": penalties, "k": 2, **settings})


def crossed(**settings: Any) -> Config:
    """Two pairs of players on two domains, each G there and back at every second step: the game of `cycle`."""
    players = {
        "generator-b": {"kind": "generator", "source": "b"},
        "discriminator-b": {"kind": "discriminator", "source": "b", "optimizer": {"lr": 3e-3}},
    }
    base = {
        **ADAM,
        "discriminator": {"name": "mlp", "hidden": [5], "conditional": False},
        "given": [{"name": "unpaired", "source": "b"}],
        "players": players,
        "sources": {"b": "conformance-b"},
        "penalties": [{"name": "cycle", "weight": 2.0, "every": 2}],
    }
    return small(**{**base, **settings})


def inverted(**settings: Any) -> Config:
    """An encoder beside G, whose latents D judges together with the examples: the game of `bigan`."""
    players = {"encoder": {"network": {"name": "mlp", "hidden": [6]}}}
    base = {**ADAM, "discriminator": {"name": "mlp", "hidden": [5]}, "players": players}
    return small(**{**base, **settings})


def with_labelled(**settings: Any) -> Config:
    """A D that tells classes, 7 examples that keep their labels, and the others without: `semi-supervised`."""
    base = {"discriminator": {"name": "k-class-mlp", "hidden": [5]}, "labelled": 7}
    return small(**{**base, **settings})


def begin(backend: Backend, config: Config, dataset: Dataset | None = None) -> Any:
    """The trainer of a game before its first step; dataset: by default that of one of the games here."""
    own = data_of(config) if dataset is None else dataset
    game = prepared(config, own, sources={"b": others()} if config.sources else {})
    return assemble(game.config, backend, game.spec, game.data, {}, game.sources)


def data_of(config: Config) -> Dataset:
    """The examples that a game is played on."""
    data = examples()
    if config.labelled:
        return data
    return (
        Dataset(data.x, None, None, data.value_range, "conformance") if config.sources or config.players else styled()
    )


def oracle_of(trainer: Any) -> OpenOracle:
    """The same game in the oracle, from the trainer's parameters of this moment."""
    c: Config = trainer.config
    terms = {part.name: part.settings for part in c.penalties}
    takes = tuple(c.conditions)
    rules = {role: rule(getattr(c, f"{role}_optimizer").to_plain()) for role in PHASES}
    pairs = {"": ("generator", "discriminator")}
    for role, table in c.players.items():
        kind = table["kind"]
        plain = {**getattr(c, f"{kind}_optimizer").to_plain(), **table.get("optimizer", {})}
        rules[role] = rule(plain)
    if c.sources:
        pairs["b"] = ("generator-b", "discriminator-b")
    judges = () if c.sources else takes  # the mates of unpaired examples are not known
    nets: dict[str, Net] = {}
    for g, d in pairs.values():
        nets |= {g: Net(takes, 0.0, "sigmoid"), d: Net(judges)}
    cycle = terms.get("cycle", {})
    return OpenOracle(
        {role: player.parameters for role, player in trainer.players.items()},
        nets,
        rules,
        pairs,
        c.schedule,
        c.ema_decay,
        l1=terms.get("l1", {}).get("weight", 0.0),
        cycle=(cycle.get("weight", 0.0), cycle.get("every", 1)),
        r1=terms.get("r1", {}).get("weight", 0.0),
    )


def moves(config: Config, start: int, stop: int) -> Iterator[Moves]:
    """The very minibatches of these iterations, in the oracle's units, with the conditions made of them by hand."""
    data, second = data_of(config), others()
    optimizers = {role: make("optimizers", getattr(config, f"{role}_optimizer")) for role in PHASES}
    terms = [make("penalties", part) for part in config.penalties]
    makers: list[Any] = [] if config.sources else [Noisy()]
    wants = Wants.of(make("losses", config.loss), terms, sources=config.sources, makers=makers)
    stocks = {"b": Stock(len(second))} if config.sources else {}
    stock = Stock(len(data), placed=tuple(data.given))
    batch = Batches(config, optimizers, wants=wants).make(start, stop, stock, stocks)
    x, b = (flat(source.x) / 255.0 for source in (data, second))
    for t in range(stop - start):
        phases = (phase(batch.discriminator, (t, i), data.given, x, b) for i in range(config.k))
        yield Moves(list(phases), phase(batch.generator, (t,), data.given, x, b))


class Noisy:
    """As much noise as the maker of masks asks for: four numbers, and one a pixel."""

    noise = 4 + PIXELS


def phase(draw: Draw, at: tuple[int, ...], brought: Rows, x: Array, b: Array) -> Sources:
    """One minibatch of each source. A draw's real examples, and what lies beside them, are still their places."""
    own = x[np.asarray(draw.real)[at]]
    if "b" not in draw.others:
        conditions = {name: values[np.asarray(draw.given[name])[at]] for name, values in brought.items()}
        known = 1.0 - (np.asarray(draw.given["noise/0"])[at][:, 4:] < SHARE)
        conditions |= {"image": own * known, "mask": known}
        return {"": Drawn(own, conditions, draw.z[at], conditions)}
    other = draw.others["b"]
    theirs = b[np.asarray(other.real)[at]]
    return {
        "": Drawn(own, {}, draw.z[at], {"image": theirs}),
        "b": Drawn(theirs, {}, other.z[at], {"image": own}),
    }


def flat(x: Array) -> Array:
    """(n, pixels) float64."""
    return x.reshape(len(x), -1).astype(float)


def conditions_of(config: Config, n: int) -> Mapping[str, Array]:
    """Conditions for n samples of the game `given`, as a user would write them: pictures in the data's units."""
    rng = np.random.default_rng(29)
    known = (rng.random((n, 3, 2, 1)) < 0.5).astype(np.float64)
    x = examples().x[:n] * known
    return {"style": rng.normal(size=(n, 2)), "image": x.astype(np.uint8), "mask": known}
