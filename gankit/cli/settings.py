"""From what is typed to settings: `--set generator.hidden=[64,64]` and the flags that mirror `gankit.build`."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from gankit.errors import ConfigError

SUCH = '{schedule = "ramp", start = 1e-3, stop = 1e-5, begin = 0, end = 5000}'


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything `gankit train` was told; None is what was not."""

    backend: str | None = None
    recipe: str | None = None
    data: str | None = None
    steps: int = 5_000
    seed: int | None = None
    dtype: str | None = None
    device: str | None = None
    devices: str | None = None
    loss: str | None = None
    penalty: tuple[str, ...] = ()
    lr: float | None = None
    batch_size: int | None = None
    given: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    log_every: int = 100
    sample_every: int = 1_000
    checkpoint_every: int = 1_000
    evaluate_every: int = 0
    evaluate: str | None = None
    logger: tuple[str, ...] = ()
    budget: str | None = None
    keep: int = 3
    on_nan: str = "tell"
    out: Path | None = None
    resume: bool = False

    def names_a_game(self) -> bool:
        """Whether anything was said about the game itself, rather than about how to run it."""
        named = (self.recipe, self.data, self.seed, self.dtype, self.loss, self.lr, self.batch_size)
        return bool(self.penalty or self.set or self.given or self.source) or any(value is not None for value in named)

    def command(self) -> str:
        """The command that says the same, ready to be typed."""
        words = ["gankit", "train"]
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default:
                for each in value if isinstance(value, tuple) else (value,):
                    words += [f"--{f.name.replace('_', '-')}", *([] if each is True else [str(each)])]
        return shlex.join(words)

    def without_paths(self) -> Options:
        """For env.json, which others may read."""
        data = None if self.data is None else Path(self.data).name
        return replace(self, out=None, data=data)

    def settings(self) -> dict[str, Any]:
        """Arguments of `gankit.building.configure`."""
        settings: dict[str, Any] = {} if self.seed is None else {"seed": self.seed}
        if self.dtype is not None:
            settings["dtype"] = self.dtype
        if self.loss is not None:
            settings["loss"] = {"name": self.loss}
        if self.lr is not None:
            settings |= {f"{role}_optimizer": {"lr": self.lr} for role in ("generator", "discriminator")}
        if self.batch_size is not None:
            settings["batch_size"] = self.batch_size
        if self.penalty:
            settings["penalties"] = list(self.penalty)
        if self.given:
            settings["given"] = self.given[0] if len(self.given) == 1 else list(self.given)
        if self.source:
            settings["sources"] = dict(_named(text) for text in self.source)
        return assigned(self.set, settings)


def _named(text: str) -> tuple[str, str]:
    """("b", "faces@64") of "b=faces@64"."""
    name, equals, data = text.partition("=")
    if not equals or not name.strip() or not data.strip():
        raise ConfigError(f"--source {text!r}: expected NAME=DATA, such as b=faces@64.")
    return name.strip(), data.strip()


def assigned(assignments: Sequence[str], onto: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Settings from `key=value` texts; dots in a key lead into a table, later ones win.

    Raises ConfigError for a text without "=", or a key that leads nowhere.
    """
    settings = dict(onto or {})
    for text in assignments:
        key, equals, value = text.partition("=")
        path = [part.strip() for part in key.split(".")]
        if not equals or not all(path):
            raise ConfigError(f"--set {text!r}: expected key=value, such as k=2 or generator.hidden=[64,64].")
        if path[0] in ("recipe", "data"):
            raise ConfigError(f"--set {text!r}: type --{path[0]} {value.strip()} instead.")
        try:
            found = parsed(value.strip())
        except ConfigError as error:
            raise ConfigError(f"--set {key.strip()}: {error}") from None
        _assign(settings, path, found, text)
    return settings


def parsed(value: str) -> Any:
    """The value that a text is in TOML or JSON, such as 3, 1e-3, true, [64, 64], {name = "adam"} or {"name": "adam"}.

    Numbers with commas between them, 64,64, are a list. Anything else is the text itself; but what begins as a table
    or a list, and is none, raises ConfigError.
    """
    for text, read in ((f"value = {value}", tomllib.loads), (f'{{"value": {value}}}', json.loads)):
        with suppress(ValueError):
            if list(document := read(text)) == ["value"]:
                return document["value"]
    if re.fullmatch(r"[-+.\de]+(,[-+.\de]+)+", value.replace(" ", "")):
        return parsed(f"[{value}]")
    if value.startswith(("{", "[")):
        raise ConfigError(f"{value!r} is neither a table nor a list in TOML or JSON. Put quotes around text: {SUCH}.")
    return value


def _assign(table: dict[str, Any], path: Sequence[str], value: Any, text: str) -> None:
    for key in path[:-1]:
        inner = table.get(key, {})
        if isinstance(inner, str):
            inner = {"name": inner}
        if not isinstance(inner, Mapping):
            raise ConfigError(f"--set {text!r}: {key} is {inner!r}, which has no settings of its own.")
        table[key] = dict(inner)
        table = table[key]
    old = table.get(path[-1])
    table[path[-1]] = {**old, "name": value} if isinstance(old, dict) and isinstance(value, str) else value


def told_steps(recipe: str | None, out: Path | None) -> int:
    """How long a game is trained where nobody says: the recipe that is named, or that of the run to go on with."""
    from gankit.plug.listing import usual_steps
    from gankit.runs.folder import Run

    if recipe is None and out is not None and Run(out).exists():
        recipe = Run(out).config().recipe
    return usual_steps(recipe or "mlp")
