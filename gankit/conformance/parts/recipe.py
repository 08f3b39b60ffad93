"""What any recipe is judged by, a stranger's included: its settings, its data, and the game that it names.

python -m gankit.conformance --recipe dcgan
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gankit.building import assemble, configure, prepared
from gankit.config import OWN, Config, Part
from gankit.conformance.compare import bit_equal, require
from gankit.conformance.games import Recorder
from gankit.conformance.parts.common import imports_no_framework, target
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.data.asked import looks_like_path
from gankit.data.dataset import Dataset
from gankit.data.sources import open_data
from gankit.data.tables.table import is_table_file
from gankit.errors import GankitError
from gankit.plug import registry

STEPS, BATCH = 2, 8
"""Of the game: enough for a number that is not finite, and for a player that stands still, to show."""
ROWS = 160
FETCHED = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
"""Data that would be downloaded: noise of its shape stands in for it."""
SHAPES = ((28, 28, 1), (32, 32, 3), (64, 64, 3), (48, 48, 1), (8, 8, 1), (64, 1))
"""Of noise that is tried where the data that the recipe names are a user's own."""
ROLES = ("generator", "discriminator")


def settings(candidate: Candidate) -> Mapping[str, Any]:
    """What the recipe says."""
    recipe = target(candidate)
    is_mapping = isinstance(recipe, Mapping)
    require(is_mapping, f"{candidate.name!r} is {type(recipe).__name__}; a recipe is a mapping of settings.")
    return recipe  # type: ignore[no-any-return]


@cache
def noise(shape: tuple[int, ...], name: str) -> Dataset:
    """Labelled pictures, or series, in which there is nothing to learn."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(ROWS) % 10)
    if len(shape) == 3:
        return Dataset(rng.integers(0, 256, (ROWS, *shape), dtype=np.uint8), labels, 10, (0, 255), name)
    return Dataset(rng.normal(size=(ROWS, *shape)), name=name)


def datasets(config: Config) -> Iterator[Dataset]:
    """What the game can be tried on: the data that it names, else what could be meant."""
    if config.data in FETCHED:
        yield noise(FETCHED[config.data], config.data)
    elif config.data in registry.names("data"):
        yield open_data(config.data).rows(slice(0, ROWS))
    elif is_table_file(Path(config.data)):
        yield _table()
    else:
        yield from (noise(shape, "array") for shape in SHAPES)


def _table() -> Any:
    """Rows with numbers and categories."""
    try:
        import pandas as pd
    except ImportError:
        raise NotApplicable("It plays on a table, and pandas is not installed: pip install 'gankit[tables]'.") from None
    from gankit.data.tables.table import table

    rng = np.random.default_rng(0)
    kind = rng.choice(["one", "two", "three"], ROWS)
    frame = pd.DataFrame({"kind": kind, "size": rng.normal(size=ROWS) + 3.0 * (kind == "two"), "sure": kind != "one"})
    return table(frame).split("train")


def sources(config: Config) -> dict[str, Dataset]:
    """Noise for the further data that the recipe leaves to its user."""
    named = {part.settings["source"] for part in config.given if "source" in part.settings}
    return {name: noise(FETCHED.get(config.data, SHAPES[0]), name) for name in sorted(named - config.sources.keys())}


def game(candidate: Candidate, **more: Any) -> tuple[Any, Config]:
    """A trainer before its first step, on the first data that fit; raises AssertionError where there are none."""
    config, reasons = configure(candidate.name, batch_size=BATCH, **more), []
    further = sources(config)
    config = config.with_settings({"sources": {name: "array" for name in further}} if further else {})
    for data in datasets(config):
        try:
            made = prepared(config, data, {}, further)
            on = candidate.on.open(made.config.dtype, made.config.precision)
            return assemble(made.config, on, made.spec, made.data, {}, made.sources), made.config
        except GankitError as reason:
            reasons.append(f"{data.name} {data.shape}: {reason}")
    raise AssertionError(f"{candidate} is built on none of the data here. {' '.join(reasons)}")


def check_recipe_contract(candidate: Candidate) -> None:
    """`gankit train --recipe` would fail, or a setting of the recipe be passed over."""
    recipe = settings(candidate)
    wrong = [name for name in recipe if not isinstance(name, str)]
    require(not wrong, f"{candidate.name!r}: settings must be named by texts, not {wrong[:3]!r}.")
    named = recipe.keys() & {"recipe"}
    require(not named, f"{candidate.name!r} says 'recipe' itself: that is the name that it is registered under.")
    configure(candidate.name)  # raises ConfigError for a setting that does not exist
    steps = recipe.get("steps", 1)
    whole = isinstance(steps, int) and not isinstance(steps, bool) and steps > 0
    require(whole, f"{candidate.name!r}: steps={steps!r}; it must be how many steps to train, a whole number above 0.")


def check_recipe_is_plain(candidate: Candidate) -> None:
    """A run's config.toml and its checkpoints could not be written, or would be another game when they are read."""
    config = configure(candidate.name)
    plain = config.to_plain()
    try:
        read = tomllib.loads(config.to_toml())
        same = json.loads(json.dumps(plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"{candidate.name!r} cannot be written down: {error}. Settings are texts, numbers, booleans, lists, tables."
        ) from error
    for what, again in (("config.toml", read), ("a checkpoint's header", same)):
        there = Config().with_settings({"penalties": (), **again})
        require(there.to_plain() == plain, f"{candidate.name!r}, read from {what}, is another game.")
    values = [getattr(config, field.name) for field in fields(config)]
    listed = [each for value in values for each in (value if isinstance(value, tuple) else (value,))]
    objects = [each for each in listed if isinstance(each, Part) and each.name == OWN]
    require(not objects, f"{candidate.name!r} has an object for a part, which no file can hold. Say it by its name.")


def check_recipe_keeps_its_settings(candidate: Candidate) -> None:
    """The second game of a process would be another one than the first, whoever changed a setting in between."""
    recipe = settings(candidate)
    before = copy.deepcopy(dict(recipe))
    first = configure(candidate.name).to_plain()
    for config in (configure(candidate.name, seed=7, batch_size=3), configure(candidate.name)):
        try:
            prepared(config, next(datasets(config)), {}, sources(config))
        except GankitError:
            continue  # what it cannot be built on is another check's
    require(dict(recipe) == before, f"{candidate.name!r}: building a game has changed the recipe itself.")
    require(configure(candidate.name).to_plain() == first, f"{candidate.name!r}: read twice it is two games.")


def check_recipe_names_data_that_exist(candidate: Candidate) -> None:
    """`gankit train --recipe` without --data would end in an error, and its numbers could not be had again."""
    for name in (configure(candidate.name).data, *configure(candidate.name).sources.values()):
        there = name in registry.names("data") or looks_like_path(name) or is_table_file(name)  # type: ignore[arg-type]
        require(
            there, f"{candidate.name!r} names the data {name!r}, which nobody has registered, and is no file's name."
        )


def check_recipe_plays(candidate: Candidate) -> None:
    """The game cannot be played: it is not built, is not finite within steps, or a player stands still."""
    trainer, config = game(candidate)
    recorder = Recorder()
    players = {"G": trainer.generator, "D": trainer.discriminator}
    before = {role: player.parameters for role, player in players.items()}
    trainer.fit(steps=STEPS, callbacks=[recorder])
    for step, terms in enumerate(recorder.terms, 1):
        finite = bool(np.isfinite(list(terms.values())).all())
        require(finite, f"{candidate}: step {step} is not finite: {terms}.")
    for role, player in players.items():
        moved = any((array != before[role][name]).any() for name, array in player.parameters.items())
        require(moved, f"{candidate}: {STEPS} steps left every parameter of {role} where it was.")
    if trainer.spec.codec is None:
        x = trainer.sample(2, seed=1, given=trainer.pairs(2)[1] if config.conditions else None)
        require(x.shape == (2, *trainer.spec.shape), f"{candidate}: two samples have shape {x.shape}.")
        require(bool(np.isfinite(x).all()), f"{candidate}: samples are not finite.")


def check_recipe_plays_the_same_again(candidate: Candidate) -> None:
    """The same seed would be another run, and a number that was measured with the recipe could not be had again."""
    first, second = (game(candidate)[0] for _ in range(2))
    for role in ROLES:
        same = f"{candidate}: {role} before the first step, built twice"
        bit_equal(getattr(second, role).parameters, getattr(first, role).parameters, same)
    configs = [json.dumps(trainer.config.to_plain(), sort_keys=True) for trainer in (first, second)]
    require(configs[0] == configs[1], f"{candidate}: built twice it is two games.")
    other = game(candidate, seed=8)[0].generator.parameters
    moved = any((array != other[name]).any() for name, array in first.generator.parameters.items())
    require(moved, f"{candidate}: another seed begins with the same generator. Leave the seed to the user.")


def check_recipe_imports_no_framework(candidate: Candidate) -> None:
    """`gankit recipes` would wait for a framework, or fail where another one is installed."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_recipe_contract,
    check_recipe_is_plain,
    check_recipe_keeps_its_settings,
    check_recipe_names_data_that_exist,
    check_recipe_plays,
    check_recipe_plays_the_same_again,
    check_recipe_imports_no_framework,
)
