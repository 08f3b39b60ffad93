"""Parts written for `PLUGIN_API` 1, as the game calls them today. They go on working until gankit 1.0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gankit.interfaces import LABEL, Array, Given, Key, Moment, Ops
from gankit.plug.hookspecs import PLUGIN_API


class OldTerm:
    """A penalty that is called with (ops, net, draw, fake, key, *memory)."""

    def __init__(self, penalty: Any) -> None:
        self.penalty = penalty

    def __getattr__(self, name: str) -> Any:
        if name == "penalty":  # asked for before it is there, by a copy
            raise AttributeError(name)
        return getattr(self.penalty, name)

    def __call__(self, moment: Moment) -> Any:
        net = moment.critic if self.penalty.player == "discriminator" else moment.generate
        memory = (moment.memory,) if getattr(self.penalty, "memory", None) else ()
        return self.penalty(moment.ops, net, moment.draw, moment.fake, moment.key, *memory)


def old_augmentation(change: Callable[[Ops, Array, Key], Array]) -> Callable[..., Any]:
    """An augmentation that knows of no conditions: (ops, x, key) to x."""

    def changed(ops: Ops, x: Array, given: Given, key: Key) -> tuple[Array, Given]:
        return change(ops, x, key), given

    return changed


def old_network(network: Any) -> Any:
    """A network whose `apply` takes labels, or None, in the place of the conditions."""
    apply = network.apply

    def applied(params: Any, buffers: Any, x: Array, given: Given, **options: Any) -> Any:
        return apply(params, buffers, x, given.get(LABEL), **options)

    network.apply = applied
    return network


ADAPTERS: Mapping[str, Callable[[Any], Any]] = {"penalties": OldTerm, "augmentations": old_augmentation}


def as_today(kind: str, api: int, part: Any) -> Any:
    """The part itself, or what makes one written for an earlier `PLUGIN_API` fit."""
    return ADAPTERS[kind](part) if api < PLUGIN_API and kind in ADAPTERS else part
