"""The conditions of tables: a category of one column, drawn so that rare ones are seen, and chance for every choice.

Xu et al. 2019, section 4.3, "training by sampling".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.data.dataset import Dataset
from gankit.errors import ConfigError
from gankit.interfaces import CHANCE, COLUMN, Array, Given, Ops, Port
from gankit.interfaces.values import Choice
from gankit.networks.spec import GameSpec

HostArray = np.ndarray[Any, Any]
DRAWS = 3
"""Of the numbers that are drawn for an example: which column, which of its categories, which row."""


@dataclass(frozen=True)
class Column:
    """A category of one column, one-hot over those of all columns, and a uniform number for each slot of a row.

    In training a column is drawn uniformly. Then one of its categories is drawn, by the logarithm of its frequency
    (`even`) or by its frequency, and then a row that has it, which is the real example. So the row has the category of
    the condition. Outside training categories are drawn as often as they occur.

    choices: all choices of a row. told: those that are columns of categories, the last ones.
    """

    ports: Mapping[str, Port]
    choices: tuple[Choice, ...]
    told: tuple[Choice, ...]
    even: bool

    @property
    def noise(self) -> int:
        return DRAWS + self._slots

    @property
    def _slots(self) -> int:
        return self.choices[-1].stop - self.choices[0].start

    def __call__(self, ops: Ops, x: Array, noise: Array | None) -> Given:
        xp, chance = ops.xp, noise[:, DRAWS:]  # type: ignore[index]
        if not self.told:
            return {CHANCE: chance}
        columns, first = len(self.told), self.told[0].start
        of_slot = np.repeat(np.arange(columns), [c.stop - c.start for c in self.told]).astype(np.float64)
        drawn = xp.floor(noise[:, :1] * columns)  # type: ignore[index]
        return {COLUMN: x[:, first:] * ops.to_float(drawn == ops.asarray(of_slot)), CHANCE: chance}

    def rows(self, dataset: Dataset) -> Callable[[HostArray], HostArray] | None:
        """Which rows of the data belong to numbers that were drawn: (..., noise) to (...) int32; None where no column
        has categories, and every row is as good as another."""
        if not self.told:
            return None
        # By column and category, the rows that have it, one after the other.
        found, starts, counts, tables = [], [], [], []
        at = 0
        for choice in self.told:
            category = dataset.x[:, choice.start : choice.stop].argmax(axis=1)
            own = np.bincount(category, minlength=choice.stop - choice.start)
            found.append(np.argsort(category, kind="stable"))
            starts.append(at + np.concatenate([[0], np.cumsum(own)[:-1]]))
            counts.append(own)
            weights = np.log1p(own) if self.even else own
            tables.append(_cumulative(weights))
            at += len(category)
        order = np.concatenate(found).astype(np.int32)

        def rows(noise: HostArray) -> HostArray:
            column = np.floor(noise[..., 0] * len(self.told)).astype(np.int64)
            out = np.empty(noise.shape[:-1], np.int32)
            for i, table in enumerate(tables):
                which, pick = noise[column == i, 1], noise[column == i, 2]
                category = np.searchsorted(table, which, side="right")
                out[column == i] = order[starts[i][category] + np.floor(pick * counts[i][category]).astype(np.int64)]
            return out

        return rows

    def drawn(self, noise: HostArray) -> dict[str, HostArray]:
        """Conditions that nobody told, as often as they occur: (n, noise) uniform numbers to each of them."""
        out = {CHANCE: noise[:, DRAWS:]}
        if self.told:
            first = self.told[0].start
            own = np.zeros((len(noise), self.told[-1].stop - first))
            column = np.floor(noise[:, 0] * len(self.told)).astype(np.int64)
            for i, choice in enumerate(self.told):
                category = np.searchsorted(_cumulative(np.array(choice.shares)), noise[:, 1], side="right")
                mine = np.flatnonzero(column == i)
                own[mine, choice.start - first + category[mine]] = 1.0
            out[COLUMN] = own
        return {name: out[name] for name in self.ports}


def _cumulative(weights: HostArray) -> HostArray:
    """Up to 1 exactly, and so at the last that can be drawn: no number below 1 lies beyond."""
    upto = np.cumsum(weights, dtype=np.float64)
    return np.asarray(upto / upto[-1])


def column(spec: GameSpec, *, even: bool = True) -> Column:
    """The maker of `column` and `chance`, for tables."""
    if not spec.choices:
        raise ConfigError(
            "column: takes a table with categories, or with numbers of several modes, such as a .csv file."
        )
    told = tuple(choice for choice in spec.choices if choice.position is None)
    slots = spec.choices[-1].stop - spec.choices[0].start
    ports = {COLUMN: Port(COLUMN, (told[-1].stop - told[0].start,))} if told else {}
    return Column({**ports, CHANCE: Port(CHANCE, (slots,))}, spec.choices, told, even)
