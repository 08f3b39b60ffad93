"""The file that says what a sweep plays, and the runs that it comes to."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gankit.cli.settings import Options, told_steps
from gankit.config import NAMES, as_toml
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.runs.folder import flat
from gankit.sweeping.axes import Axes, Range, Values, drawn_of, grid_of

OWN = ("seeds", "metric", "by", "better", "set", "grid", "random")
"""What a spec has beside the options of `gankit train`."""
NOT_THERE = ("seed", "set", "evaluate", "out", "resume", "budget")
"""Options that a sweep says in its own way, or that make no sense in it."""
OPTIONS = {f.name: str(f.type) for f in fields(Options) if f.name not in NOT_THERE}
OPTION_AXES = ("recipe", "data", "backend", "lr")
"""Options that may differ between runs; all else that may is a setting, as `--set` takes it."""
MOST = 10_000
"""Runs: a grid with one list too many has a million, and nobody meant them."""
LONGEST = 100
"""Characters of a run's folder, by which it is told from the others."""
PLAIN = re.compile(r"(?!true$|false$|inf$|nan$)[a-z][a-z0-9-]*")
"""Text that no other value is written like."""


@dataclass(frozen=True)
class Planned:
    """One run. values: of what differs, by key. options: of `gankit train`."""

    name: str
    values: Values
    seed: int
    options: Options

    @property
    def folder(self) -> Path:
        assert self.options.out is not None
        return self.options.out


@dataclass(frozen=True)
class Spec:
    """fixed: options of every run. axes: what differs. metric: to sort by; None: one that fits the data.

    is_term: whether that is in the log anyway, and needs no measuring. by: of a metric's several numbers the one that
    counts. better: "higher" or "lower", where the metric does not say.
    """

    path: Path
    fixed: Options
    axes: Axes
    seeds: tuple[int, ...]
    metric: str | None
    by: str | None
    better: str | None
    is_term: bool

    def runs(self, folder: Path) -> tuple[Planned, ...]:
        """All runs, those of one combination beside each other; their folders lie in `folder`."""
        return tuple(self._planned(values, seed, folder) for values in self.axes.combinations() for seed in self.seeds)

    def _planned(self, values: Values, seed: int, folder: Path) -> Planned:
        name = _name({**values, "seed": seed})
        options = {key: value for key, value in values.items() if key in OPTION_AXES}
        assigned = tuple(f"{key}={as_toml(value)}" for key, value in values.items() if key not in OPTION_AXES)
        given = {f.name: getattr(self.fixed, f.name) for f in fields(Options)}
        given |= {"seed": seed, "out": folder / name, "set": (*self.fixed.set, *assigned), **options}
        return Planned(name, values, seed, Options(**given))


def read(path: Path) -> Spec:
    """The spec of a file; raises ConfigError, naming the file, for anything in it that is not understood."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no TOML: {error}.") from error
    try:
        return _spec(path, table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _spec(path: Path, table: Mapping[str, Any]) -> Spec:
    known = (*OPTIONS, *OWN)
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"there is no {key!r} in a sweep.{_instead(key, known)} Possible: {one_of(known)}.")
        if key in OPTIONS:
            _check_type(f"{key} = {value!r}", value, OPTIONS[key])
    for name in ("set", "grid", "random"):
        if name in table and not isinstance(table[name], Mapping):
            raise ConfigError(f"{name} = {table[name]!r}: expected a table, [{name}], with a line for each setting.")
    fixed_settings = dict(flat("", table.get("set", {})))
    axes = _axes(table)
    for key, values in {**axes.grid, **axes.drawn}.items():
        _check_axis(key, table, fixed_settings)
        for value in () if key not in OPTION_AXES else [values.low] if isinstance(values, Range) else values:
            _check_type(f"{key} = {as_toml(value)}", value, OPTIONS[key])
    options: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    metric, by, better = (_text(table, name) for name in ("metric", "by", "better"))
    given: dict[str, Any] = {key: value for key, value in options.items() if key in OPTIONS}
    given["set"] = tuple(f"{key}={as_toml(value)}" for key, value in fixed_settings.items())
    if better not in (None, "higher", "lower"):
        raise ConfigError(f"better = {better!r}: expected 'higher' or 'lower'.{did_you_mean(better, _WAYS)}")
    steps = given.setdefault("steps", told_steps(given.get("recipe"), None))
    if not (term := _is_term(metric)):
        given |= {"evaluate_every": given.get("evaluate_every") or steps, "evaluate": metric}
    if given.get("evaluate_every") and steps % given["evaluate_every"]:
        raise ConfigError(
            f"evaluate_every = {given['evaluate_every']} never measures the last of {steps} steps, which the table "
            "shows: let it divide them, or leave it away."
        )
    if term and better is None:
        raise ConfigError(f"metric = {metric!r} is a term of the log: say which is better, 'higher' or 'lower'.")
    seeds = _seeds(table.get("seeds", [0]))
    if (count := axes.size * len(seeds)) > MOST:
        raise ConfigError(f"these are {count:,} runs; {MOST:,} are possible. Draw some of them: [random].")
    return Spec(path, Options(**given), axes, seeds, metric, by, better, term)


_WAYS = ("higher", "lower")


def _axes(table: Mapping[str, Any]) -> Axes:
    grid = grid_of(table["grid"]) if "grid" in table else {}
    drawn, draws, seed = drawn_of(table["random"]) if "random" in table else ({}, 1, 0)
    if both := sorted(grid.keys() & drawn.keys()):
        raise ConfigError(f"{both[0]} is in [grid] and in [random]: choose one of them.")
    if not grid and not drawn and len(table.get("seeds", [0])) < 2:
        raise ConfigError(
            "nothing differs between its runs. Add a [grid], such as batch_size = [32, 64], a [random] table, or "
            "several seeds = [0, 1, 2]."
        )
    return Axes(grid, drawn, draws, seed)


def _check_axis(key: str, table: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    if key in fixed or (key in OPTION_AXES and key in table):
        raise ConfigError(f"{key} is fixed, and is to differ: choose one of them.")
    if key == "seed":
        raise ConfigError("the seeds of the runs are a line of their own: seeds = [0, 1, 2].")
    if key in OPTIONS and key not in (*OPTION_AXES, "dtype", "loss", "batch_size"):
        more = " Lists of penalties are: penalties = [[], ['r1']]." if key == "penalty" else ""
        raise ConfigError(f"{key} cannot differ between the runs of a sweep: write it above the tables.{more}")


def _is_term(metric: str | None) -> bool:
    """Whether it is in the log anyway; a name that neither is known as is a metric's that is misspelt."""
    from gankit.plug import registry

    if metric is None or metric in registry.names("metrics"):
        return False
    if metric in (*TERMS, *registry.names("penalties")):
        return True
    known = [*registry.names("metrics"), *TERMS]
    raise ConfigError(
        f"metric = {metric!r} is no metric, and no term of the log.{did_you_mean(metric, known)} Possible: "
        f"{one_of(known)}, and the names of penalties. Of a metric's several numbers one is chosen by = 'its name'."
    )


TERMS = ("d_loss", "g_loss", "D(x)", "D(G(z))")


def _seeds(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value or not all(type(each) is int and each >= 0 for each in value):
        raise ConfigError(f"seeds = {value!r}: expected a list of whole numbers, such as [0, 1, 2].")
    if len(set(value)) < len(value):
        raise ConfigError(f"seeds = {value!r}: one is there twice.")
    return tuple(value)


def _text(table: Mapping[str, Any], name: str) -> str | None:
    value = table.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{name} = {value!r}: expected text in quotes.")
    return value


def _instead(key: str, known: tuple[str, ...]) -> str:
    """What to write in place of a key that a sweep has not."""
    if key == "seed":
        return " Write seeds = [0], a list."
    if key == "evaluate":
        return " Write metric = 'its name'."
    if key == "out":
        return " The folder is an option: gankit sweep SPEC --out FOLDER."
    if key in NAMES:
        return f" Settings are in a table of their own, [set] or [grid], as `--set` takes them: [set] {key} = ..."
    return did_you_mean(key, known)


def _check_type(shown: str, value: Any, annotation: str) -> None:
    """Raise ConfigError unless a value is what the option of `gankit train` takes."""
    kind = annotation.removesuffix(" | None")
    if kind == "int":
        good, expected = type(value) is int and value >= 1, "a whole number of at least 1"
    elif kind == "float":
        good, expected = type(value) in (int, float), "a number"
    elif kind == "str":
        good, expected = isinstance(value, str), "text in quotes"
    else:
        good = isinstance(value, list) and all(isinstance(each, str) for each in value)
        expected = "a list of texts in quotes"
    if not good:
        raise ConfigError(f"{shown}: expected {expected}.")


def _name(values: Mapping[str, Any]) -> str:
    """A folder's name that says what is in it: `batch_size=32_loss=hinge_seed=0`; with a hash where it cannot."""
    whole = "_".join(f"{key}={_in_a_name(value)}" for key, value in values.items())
    plain = re.sub(r"[^A-Za-z0-9.,+=_-]+", "-", whole)
    if plain == whole and len(plain) <= LONGEST:
        return plain
    exact = "\n".join(f"{key}={as_toml(value)}" for key, value in values.items())
    return f"{plain[:LONGEST].strip('-.')}-{hashlib.sha256(exact.encode()).hexdigest()[:8]}"


def _in_a_name(value: Any) -> str:
    if isinstance(value, str) and PLAIN.fullmatch(value):
        return value
    if isinstance(value, list) and value and all(type(each) is int for each in value):
        return ",".join(map(str, value)) + ("," if len(value) == 1 else "")
    return as_toml(value)
