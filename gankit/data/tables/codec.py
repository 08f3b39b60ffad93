"""A whole table as a matrix of numbers, and back: plain data, which a checkpoint's header holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.tables.column import SCALARS, Column, fitted
from gankit.data.tables.columns import CATEGORY, LEFT_OUT, Found, pandas
from gankit.errors import DataError, did_you_mean, one_of
from gankit.interfaces.values import Choice


@dataclass(frozen=True)
class Codec:
    """How rows become numbers.

    columns: in the order of the table. target: the column that others are to predict; None where there is none.
    """

    columns: tuple[Column, ...]
    target: str | int | None = None

    @classmethod
    def fit(cls, frame: Any, found: Sequence[Found], target: str | int | None, where: str) -> Codec:
        """The codec of a DataFrame's rows. Raises DataError where no column is left that varies."""
        columns = tuple(
            fitted(each, frame[each.name], f"{where}, column {each.name!r}") for each in found if each.kind != LEFT_OUT
        )
        codec = cls(columns, target)
        if not codec.width:
            raise DataError(f"{where}: no column varies, so there is nothing to learn.")
        return codec

    @property
    def width(self) -> int:
        """How many numbers a row is."""
        return sum(column.width for column in self.columns)

    @cached_property
    def places(self) -> dict[Any, tuple[int | None, int, int]]:
        """By column, where its position lies in a row, and the start and stop of its choice: positions come first, then
        the choices of columns that have them, then those that are choices alone."""
        numbers = [column for column in self.columns if column.modes]
        at, found = len(numbers), dict[Any, tuple[int | None, int, int]]()
        for column in [*numbers, *(column for column in self.columns if not column.modes)]:
            position, size = len(found) if column.modes else None, column.width - bool(column.modes)
            found[column.name] = position, at, at + size
            at += size
        return found

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Where in a row one of several numbers is 1, from left to right."""
        by_name = {column.name: column for column in self.columns}
        return tuple(
            Choice(start, stop, by_name[name].shares, position, len(by_name[name].modes))
            for name, (position, start, stop) in self.places.items()
            if stop > start
        )

    def choice_of(self, name: Any) -> tuple[Column, int, int]:
        """A column of categories, by name, and where its choice lies. Raises DataError for another column."""
        there = [column for column in self.columns if not column.modes and column.slots > 1]
        for column in there:
            if str(column.name) == str(name):
                return column, *self.places[column.name][1:]
        names = [str(column.name) for column in there]
        raise DataError(
            f"No column {name!r} has categories.{did_you_mean(str(name), names)} Possible: {one_of(names)}."
        )

    def told(self, name: Any, values: Any, n: int) -> Array:
        """(n, slots of all columns of categories): 1 for the category that each of n rows is told, a value for each or
        one for all. Raises DataError for another column or value; None is an empty cell."""
        column, start, _ = self.choice_of(name)
        first = min(
            start for c in self.columns if not c.modes for _, start, stop in [self.places[c.name]] if stop > start
        )
        out = np.zeros((n, self.width - first))
        each = [values] * n if isinstance(values, SCALARS) or values is None else list(values)
        if len(each) != n:
            raise DataError(f"{name!r}: {len(each)} values for {n} rows; pass one for each row, or one for all rows.")
        known = [str(value) for value in column.values] + ([str(None)] if column.missing else [])
        for row, value in zip(out, each, strict=True):
            if str(value) not in known:
                hint = did_you_mean(str(value), known)
                raise DataError(f"The column {name!r} is never {value!r}.{hint} Possible: {one_of(known)}.")
            row[start - first + known.index(str(value))] = 1.0
        return out

    def encode(self, frame: Any, where: str = "table", *, known: bool = True) -> Array:
        """(n, width) float64. known: whether a category that is new is an error; else none is chosen."""
        if not isinstance(frame, pandas().DataFrame):
            raise DataError(f"{where} is a {type(frame).__name__}; this game needs rows as a pandas DataFrame.")
        names = [column.name for column in self.columns]
        if missing := [name for name in names if name not in frame.columns]:
            hint = did_you_mean(str(missing[0]), map(str, frame.columns))
            raise DataError(
                f"{where} has no column {missing[0]!r}.{hint} There are: {one_of(map(str, frame.columns))}."
            )
        x = np.empty((len(frame), self.width))
        for column in self.columns:
            x[:, self._own(column)] = column.encode(frame[column.name], f"{where}, column {column.name!r}", known=known)
        return x

    def decode(self, x: Array) -> Any:
        """(n, width) to a DataFrame with the columns, dtypes and kinds of values that the codec was fitted on."""
        frame = pandas().concat([column.decode(x[:, self._own(column)]) for column in self.columns], axis=1)
        frame.columns = [column.name for column in self.columns]
        return frame

    def _own(self, column: Column) -> list[int]:
        """The places of a column in a row."""
        position, start, stop = self.places[column.name]
        return [*([] if position is None else [position]), *range(start, stop)]

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint's header."""
        return {"columns": [column.to_plain() for column in self.columns], "target": self.target}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Codec:
        """The inverse of `to_plain`; raises ValueError for what is none."""
        columns = plain.get("columns")
        if not isinstance(columns, list) or not all(isinstance(column, Mapping) for column in columns):
            raise ValueError("the table has no columns")
        return cls(tuple(map(Column.from_plain, columns)), plain.get("target"))


def default_target(columns: Sequence[Column]) -> str | int | None:
    """The last column with categories."""
    return next((c.name for c in reversed(columns) if c.kind in (CATEGORY, "boolean") and c.slots > 1), None)
