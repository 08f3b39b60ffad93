"""Callbacks, including plain functions, and the history that every game keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, overload

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.runs.lines import lines, number

EVERY, EARLY = 100, 10
"""Steps from one row of a history to the next: EARLY of them in the first EVERY steps, and EVERY from there on."""
SHOWN = 10
"""Rows that a notebook shows."""


class History(list[dict[str, float]]):
    """The log of a game, a row for every 100th step (every 10th of the first 100): `{"step": 100, "d_loss": ...}`.

    `history["d_loss"]` is a column, (rows,) float64 with NaN where a row has no such term, and
    `pandas.DataFrame(history)` is a frame of them all.
    """

    every = EARLY

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.append({"step": step, **terms})
        self.every = EARLY if step + EARLY <= EVERY else EVERY

    def take_up(self, file: Path, done: int) -> None:
        """What a run's log says of the steps so far."""
        self.rewind(done)
        self[:] = [
            {name: value if name == "step" else _or_nan(value) for name, value in line.items()}
            for line in lines(file)
            if line["step"] <= done
        ]

    def rewind(self, done: int) -> None:
        """Forget what came after so many steps: a checkpoint is taken up."""
        self[:] = [row for row in self if row["step"] <= done]
        self.every = EARLY if done < EVERY else EVERY

    @property
    def columns(self) -> list[str]:
        """The names of what was logged, `step` first."""
        return list(dict.fromkeys(name for row in self for name in row))

    @overload  # type: ignore[override]
    def __getitem__(self, key: str) -> Array: ...
    @overload
    def __getitem__(self, key: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, key: slice) -> list[dict[str, float]]: ...
    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key not in self.columns:
            raise KeyError(f"{key!r}: this history has {', '.join(self.columns) or 'no rows yet'}.")
        return np.array([row.get(key, math.nan) for row in self])

    def _repr_html_(self) -> str:
        """The last rows as a table."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{row.get(name, math.nan):.6g}</td>" for name in self.columns) + "</tr>"
            for row in self[-SHOWN:]
        )
        first = f"the last {SHOWN} of {len(self):,} rows" if len(self) > SHOWN else f"{len(self)} rows"
        return f"<table><caption>{first}</caption><tr>{head}</tr>{rows}</table>"


def _or_nan(value: Any) -> float:
    known = number(value)
    return math.nan if known is None else known


@dataclass(frozen=True)
class Called:
    """A plain function as a callback."""

    function: Callable[[Any, int, Mapping[str, float]], object]
    every: int = EVERY

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.function(trainer, step, terms)


def heard(callbacks: Any) -> list[Any]:
    """The callbacks that a user passed: one or several, objects with `every` or plain functions.

    Raises ConfigError for what cannot be called.
    """
    single = callable(callbacks) or not isinstance(callbacks, Iterable)
    found = [callbacks] if single else list(callbacks)
    for each in found:
        if not callable(each) or isinstance(each, type):
            hint = f" Pass an instance: {each.__name__}()." if isinstance(each, type) else ""
            raise ConfigError(f"callbacks: {each!r} is not a function (trainer, step, terms).{hint}")
    return [each if hasattr(each, "every") else Called(each) for each in found]
