"""The end of a G for tables (choices among slots), and packs of rows for its D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.errors import ShapeError
from gankit.interfaces.values import COLUMN, Choice
from gankit.layers.base import Array, Portable, Shape, require_flat

EVEN = 1e-6
"""How far uniform numbers are kept from 0 and 1, where Gumbel noise is infinite."""


@dataclass(frozen=True)
class Choose(Portable):
    """Softmax within each choice of a row, and positions scaled down if no mode is chosen: (n,) -> (n,).

    choices: they cover the end of the row without a gap. chance: the condition with a uniform number for each of their
    slots, which becomes Gumbel noise (Jang et al. 2017); None for no noise. temperature: divides the sums of logits and
    noise.
    """

    choices: tuple[Choice, ...]
    chance: str | None = None
    temperature: float = 1.0

    @property
    def condition(self) -> str | None:
        return self.chance

    def output_shape(self, shape: Shape) -> Shape:
        if require_flat(self, shape) != self.choices[-1].stop:
            raise ShapeError(f"Choose: the choices end at {self.choices[-1].stop}, but the input has shape {shape}.")
        return shape

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array | None) -> Array:
        xp, first = ops.xp, self.choices[0].start
        logits = ops.to_float(x[:, first:])
        if condition is not None:
            u = xp.astype(condition, logits.dtype) * (1.0 - 2.0 * EVEN) + EVEN
            logits = logits - xp.log(-xp.log(u))
        logits = logits / self.temperature
        groups = [(choice.start - first, choice.stop - first) for choice in self.choices]
        within = _together(ops, groups, logits)
        # Seen from the greatest of its choice, no exponential overflows; nothing is derived through that.
        fixed = ops.stop_gradient(logits)
        greatest = xp.concat([xp.max(fixed[:, a:b], axis=1, keepdims=True) for a, b in groups], axis=1)
        e = xp.exp(logits - xp.matmul(greatest, within))
        p = e / xp.matmul(xp.matmul(e, xp.permute_dims(within, (1, 0))), within)
        if not first:
            return p
        return xp.concat([ops.to_float(x[:, :first]) * self._told(ops, p), p], axis=1)

    def _told(self, ops: Any, p: Array) -> Array:
        """(N, positions): how probable it is that a position says something."""
        first = self.choices[0].start
        table, rest = np.zeros((p.shape[1], first)), np.ones(first)
        for choice in self.choices:
            if choice.position is not None:
                start = choice.start - first
                table[start : start + choice.modes, choice.position] = 1.0
                rest[choice.position] = 0.0
        return ops.xp.matmul(p, _like(ops, table, p)) + _like(ops, rest, p)


@dataclass(frozen=True)
class KeepColumn(Portable):
    """Replaces G's choice with the one that a condition gives: (n,) -> (n,).

    choices: those that can be given, at the end of the row without a gap. name: the condition, which has their slots: 1
    for the given one, 0 elsewhere.
    """

    choices: tuple[Choice, ...]
    name: str = COLUMN

    @property
    def condition(self) -> str:
        return self.name

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array) -> Array:
        xp, first = ops.xp, self.choices[0].start
        told = xp.astype(condition, x.dtype)
        within = _together(ops, [(c.start - first, c.stop - first) for c in self.choices], told)
        known = xp.matmul(xp.matmul(told, xp.permute_dims(within, (1, 0))), within)
        kept = told + (1.0 - known) * x[:, first:]
        return xp.concat([x[:, :first], kept], axis=1) if first else kept


@dataclass(frozen=True)
class Pack(Portable):
    """Joins `size` examples into one: (n,) -> (size * n,), with 1 / `size` as many examples. Lin et al. 2018.

    D then sees whether examples are alike, as those of a collapsed G are. Put `Unpack` after D's last layer. size: a
    divisor of 10, so that outside training packs are always complete.
    """

    size: int

    def __post_init__(self) -> None:
        if self.size not in (1, 2, 5, 10):
            raise ShapeError(f"Pack: size={self.size!r}; possible are 1, 2, 5 or 10.")

    @property
    def mixes_samples(self) -> bool:
        return self.size > 1

    def output_shape(self, shape: Shape) -> Shape:
        return (self.size * require_flat(self, shape),)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array | None) -> Array:
        if x.shape[0] % self.size:
            raise ShapeError(
                f"Packs of {self.size} of {x.shape[0]} examples: make batch_size a multiple of {self.size}."
            )
        return ops.xp.reshape(x, (x.shape[0] // self.size, -1))


@dataclass(frozen=True)
class Unpack(Portable):
    """Repeats the score of each pack for each of its examples: () -> (), with `size` times as many examples."""

    size: int

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array | None) -> Array:
        each = ops.xp.reshape(x, (x.shape[0], 1))
        return ops.xp.reshape(ops.xp.broadcast_to(each, (x.shape[0], self.size)), (-1,))


def _together(ops: Any, groups: Sequence[tuple[int, int]], x: Array) -> Array:
    """(groups, slots): 1 where a slot belongs to a group."""
    table = np.zeros((len(groups), groups[-1][1]))
    for row, (start, stop) in zip(table, groups, strict=True):
        row[start:stop] = 1.0
    return _like(ops, table, x)


def _like(ops: Any, table: np.ndarray[Any, Any], x: Array) -> Array:
    return ops.xp.astype(ops.asarray(table), x.dtype)
