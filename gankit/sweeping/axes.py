"""What differs between the runs of a sweep: every combination of a grid, and values that are drawn by a seed."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from gankit.config import as_toml
from gankit.errors import ConfigError, did_you_mean, one_of

Values = dict[str, Any]
RANGE = ("low", "high", "log")
SUCH = 'such as {low = 1e-5, high = 1e-3, log = true}, or a list to choose from, such as ["hinge", "minimax"]'


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole ones where both are. log: each order of magnitude alike."""

    low: float
    high: float
    log: bool = False

    def draw(self, source: random.Random) -> float:
        if isinstance(self.low, int) and isinstance(self.high, int):
            if not self.log:
                return source.randint(self.low, self.high)
            at = math.exp(source.uniform(math.log(self.low), math.log(self.high + 1)))
            return min(int(at), self.high)
        if not self.log:
            return float(f"{source.uniform(self.low, self.high):.6g}")  # as it is read, so it is played
        at = float(f"{math.exp(source.uniform(math.log(self.low), math.log(self.high))):.6g}")
        return min(max(at, self.low), self.high)


@dataclass(frozen=True)
class Axes:
    """grid: lists of values by dotted key. drawn: what values are drawn from. draws: how often. seed: of the draws."""

    grid: Mapping[str, Sequence[Any]]
    drawn: Mapping[str, Range | Sequence[Any]]
    draws: int = 1
    seed: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.grid, *self.drawn)

    @property
    def size(self) -> int:
        """How many combinations there are, at most."""
        return math.prod(map(len, self.grid.values())) * (self.draws if self.drawn else 1)

    def combinations(self) -> Iterator[Values]:
        """Each point of the grid with each draw. The first draws stay what they are when more are asked for."""
        seen = set()
        for point in product(*self.grid.values()):
            for i in range(self.draws if self.drawn else 1):
                values = dict(zip(self.grid, point, strict=True))
                values |= {key: self._draw(i, key, source) for key, source in self.drawn.items()}
                text = "\n".join(map(as_toml, values.values()))
                if text not in seen:  # few choices are soon drawn twice
                    seen.add(text)
                    yield values

    def _draw(self, i: int, key: str, source: Range | Sequence[Any]) -> Any:
        hashed = hashlib.sha256(f"{self.seed} {i} {key}".encode()).digest()
        own = random.Random(int.from_bytes(hashed[:8], "big"))
        return source.draw(own) if isinstance(source, Range) else source[own.randrange(len(source))]


def grid_of(table: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The lists of `[grid]`; raises ConfigError for what is none, or has nothing in it."""
    found = {}
    for key, value in _leaves(table, lambda value: not isinstance(value, Mapping)):
        where = f"[grid] {key}"
        if not isinstance(value, list):
            raise ConfigError(f"{where} = {_shown(value)}: expected a list of values, such as [1e-3, 2e-4].")
        found[key] = _choices(where, value)
    if not found:
        raise ConfigError("[grid] is empty: name a setting and its values, such as batch_size = [32, 64].")
    return found


def drawn_of(table: Mapping[str, Any]) -> tuple[dict[str, Range | list[Any]], int, int]:
    """(what to draw from, how often, by which seed) of `[random]`; raises ConfigError for what cannot be."""
    table = dict(table)
    if "runs" not in table:
        raise ConfigError("[random] says how many draws there are: runs = 20.")
    runs, seed = table.pop("runs"), table.pop("seed", 0)
    for name, number, least in (("runs", runs, 1), ("seed", seed, 0)):
        if type(number) is not int or number < least:
            more = " Those of the game are seeds = [0, 1, 2], outside of it." if name == "seed" else ""
            raise ConfigError(f"[random] {name} = {_shown(number)}: expected a whole number of at least {least}.{more}")
    found: dict[str, Range | list[Any]] = {}
    for key, value in _leaves(table, _is_source):
        where = f"[random] {key}"
        if isinstance(value, list):
            found[key] = _choices(where, value)
        elif isinstance(value, Mapping) and value:
            found[key] = _range(where, value)
        else:
            raise ConfigError(f"{where} = {_shown(value)}: expected what to draw from, {SUCH}.")
    if not found:
        raise ConfigError(f"[random] is empty: name a setting and what to draw it from, {SUCH}.")
    return found, runs, seed


def _is_source(value: Any) -> bool:
    """Whether nothing further is nested in it: `{low = 1, high = 2}` is a range, `{lr = {low = …}}` a part's table."""
    return not isinstance(value, Mapping) or not any(isinstance(each, Mapping | list) for each in value.values())


def _leaves(table: Mapping[str, Any], is_leaf: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`a.b = …` is a table in a table for TOML, and `"a.b" = …` a key; for us both are the key a.b."""
    for key, value in table.items():
        if is_leaf(value):
            yield f"{prefix}{key}", value
        else:
            yield from _leaves(value, is_leaf, f"{prefix}{key}.")


def _choices(where: str, values: list[Any]) -> list[Any]:
    if not values:
        raise ConfigError(f"{where} = []: no value to play with. Name one or more, or leave the line away.")
    try:
        texts = [as_toml(value) for value in values]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    text, count = Counter(texts).most_common(1)[0]
    if count > 1:
        raise ConfigError(f"{where}: {text} is there twice.")
    return values


def _range(where: str, table: Mapping[str, Any]) -> Range:
    for name in table:
        if name not in RANGE:
            raise ConfigError(f"{where}: no such word {name!r}.{did_you_mean(name, RANGE)} Possible: {one_of(RANGE)}.")
    low, high, log = (table.get(name, False) for name in RANGE)
    if not all(type(end) in (int, float) and math.isfinite(end) for end in (low, high)) or not low < high:
        raise ConfigError(f"{where} = {_shown(table)}: expected two numbers, low below high, {SUCH}.")
    if type(log) is not bool:
        raise ConfigError(f"{where}: log = {_shown(log)}: expected true or false.")
    if log and low <= 0:
        raise ConfigError(f"{where}: log = true needs low above 0, and it is {low}.")
    return Range(low, high, log)


def _shown(value: Any) -> str:
    try:
        text = as_toml(value)
    except ConfigError:
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
