"""The commands that play a run's game again, from its config alone: however often it was stopped, it is one game."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from gankit.config import Config
from gankit.plug import registry
from gankit.report.installed import from_a_checkout, requirements
from gankit.report.story import Story, usual

WIDTH = 100
"""The longest command that stays on one line."""


def commands(story: Story) -> list[str]:
    """What to type: install, train, measure, report."""
    folder = story.run.folder.resolve().name
    config = story.changes[0].before if story.changes else story.config
    train = ["gankit", "train", "--recipe", config.recipe, "--data", config.data]
    train += ["--backend", story.backend] if story.backend else []
    train += ["--seed", str(config.seed)] if config.seed else []
    train += _settings(usual(config), config)
    ends = [*(change.step for change in story.changes), story.steps]
    train += ["--steps", str(ends[0])] if ends[0] else []
    later = [
        ["gankit", "train", "--resume", *_settings(change.before, change.after), "--steps", str(end), "--out", folder]
        for change, end in zip(story.changes, ends[1:], strict=True)
    ]
    lines = (
        ["pip", "install", *_requirements(story)],
        [*train, "--out", folder],
        *later,
        ["gankit", "evaluate", folder],
        ["gankit", "report", folder],
    )
    typed = [_wrapped(line) for line in lines]
    if from_a_checkout():
        typed[0] += "  # in a checkout of gankit"
    return typed


def _wrapped(words: list[str]) -> str:
    """The words as they are typed; a long line goes on in others, each beginning with an option."""
    line = shlex.join(words)
    if len(line) <= WIDTH:
        return line
    starts = [i for i, word in enumerate(words) if i == 0 or word.startswith("--")]
    pieces = [shlex.join(words[i:j]) for i, j in zip(starts, [*starts[1:], None], strict=True)]
    return " \\\n    ".join(pieces)


def _settings(before: Config, config: Config) -> list[str]:
    """What `--set` must change of one config to get another."""
    return [word for key, value in _overrides(before.to_plain(), config) for word in ("--set", f"{key}={value}")]


def _overrides(before: Mapping[str, Any], config: Config) -> Iterator[tuple[str, str]]:
    """(setting, TOML) of each."""
    lines = dict(line.split(" = ", 1) for line in config.to_toml().splitlines())  # one setting a line
    for name, value in config.to_plain().items():
        if name in ("recipe", "data", "seed", "conditions") or value == before.get(name):
            continue
        inner = _inside(before.get(name), value)
        if inner is None:
            yield name, lines[name]
        else:
            yield from ((f"{name}.{key}", json.dumps(each)) for key, each in inner.items())


def _inside(before: Any, now: Any) -> dict[str, Any] | None:
    """What changed inside of a part that is the recipe's own; None where it is another, or where JSON is no TOML."""
    if not (isinstance(before, Mapping) and isinstance(now, Mapping) and before.get("name") == now.get("name")):
        return None
    changed = {key: value for key, value in now.items() if value != before.get(key)}
    alike = all(isinstance(value, str | int | float) or _numbers(value) for value in changed.values())
    return changed if alike and before.keys() <= now.keys() else None


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, int | float) for item in value)


def _requirements(story: Story) -> list[str]:
    """gankit and what brings the other parts, in the versions that are installed here, from where they are."""
    version = str(story.sessions[-1].get("gankit", "")) if story.sessions else ""
    wanted = [("backends", story.backend), *_parts(story.config)]
    rows = [row for row in registry.listing().rows if (row.kind, row.name) in wanted and row.distribution != "gankit"]
    return requirements(version, {row.distribution: row.version for row in rows})


def _parts(config: Config) -> Iterator[tuple[str, str]]:
    """(kind, name) of every part that the game is made of."""
    yield from (("recipes", config.recipe), ("trainers", config.trainer), ("data", config.data))
    yield from (("generators", config.generator.name), ("discriminators", config.discriminator.name))
    yield from (("optimizers", part.name) for part in (config.generator_optimizer, config.discriminator_optimizer))
    for kind in ("penalties", "constraints", "augmentations"):
        yield from ((kind, part.name) for part in getattr(config, kind))
    loss: Any = config.loss.to_plain()
    while loss:
        loss = loss if isinstance(loss, Mapping) else {"name": loss}
        yield "losses", str(loss.get("name"))
        loss = loss.get("base")
