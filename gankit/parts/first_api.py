"""Parts written for `PLUGIN_API` 1, as the game calls them today. They go on working until gankit 1.0."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from gankit.interfaces import Array, Given, Key, Moment, Ops


class OldTerm:
    """A penalty that is called with (ops, net, draw, fake, key, *memory)."""

    def __init__(self, penalty: Any) -> None:
        self.penalty = penalty

    def __getattr__(self, name: str) -> Any:
        if name == "penalty":  # asked for before it is there, by a copy
            raise AttributeError(name)
        return getattr(self.penalty, name)

    def __call__(self, moment: Moment) -> Any:
        net = moment.generate if self.penalty.player == "generator" else moment.critic
        memory = (moment.memory,) if getattr(self.penalty, "memory", None) else ()
        return self.penalty(moment.ops, net, moment.draw, moment.fake, moment.key, *memory)


def old_augmentation(change: Callable[[Ops, Array, Key], Array]) -> Callable[..., Any]:
    """An augmentation that knows of no conditions: (ops, x, key) to x."""

    def changed(ops: Ops, x: Array, given: Given, key: Key) -> tuple[Array, Given]:
        return change(ops, x, key), given

    return changed


ADAPTERS: Mapping[str, tuple[int, Callable[[Any], Any]]] = {
    "penalties": (5, OldTerm),
    "augmentations": (3, old_augmentation),
}
"""By kind: how many arguments its parts were called with, at least, and what adapts one."""


def as_today(kind: str, part: Any) -> Any:
    """The part itself, or what makes one written for an earlier `PLUGIN_API` fit. Its arguments tell which it is."""
    if kind not in ADAPTERS or isinstance(part, OldTerm):
        return part
    arguments, adapter = ADAPTERS[kind]
    own = len(inspect.signature(part).parameters)
    return adapter(part) if (own >= arguments if kind == "penalties" else own == arguments) else part
