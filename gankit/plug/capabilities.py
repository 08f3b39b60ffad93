"""What a backend may say that it can do, so that a game it cannot play is refused in words, and the suite knows.

A backend has `capabilities`, a frozenset of these names, for the device it is open on. What is not among them is
possible everywhere: a backend without dense layers and float32 is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import fields
from typing import Any

from gankit import layers
from gankit.errors import CapabilityError
from gankit.interfaces import Backend
from gankit.layers import Layer, Portable

FLOAT64 = "float64"
"""Arithmetic in float64: what "same seed, same run" is held to."""
BFLOAT16 = "bfloat16"
"""precision="bfloat16"."""
TF32 = "tf32"
"""precision="tf32": a wish that devices without such products may pass over."""
OWN_MODULES = "own-modules"
"""`Backend.wrap` takes a module that the user wrote in this framework."""

DATA_PARALLEL = "data-parallel"
"""Several workers share each minibatch, and compute what one would (`gankit.interfaces.Workers`)."""

PRECISIONS: frozenset[str] = frozenset({TF32, BFLOAT16})
"""Settings of `precision` that are capabilities too."""


def layer(kind: type[Layer]) -> str:
    """The capability of having a layer: `layer(Conv)` is `"layer:Conv"`."""
    return f"layer:{kind.__name__}"


EVERY_LAYER: frozenset[str] = frozenset(
    layer(kind)
    for kind in vars(layers).values()
    if isinstance(kind, type) and issubclass(kind, Layer) and kind not in (Layer, Portable)
)
"""All of core's layers. `Portable` ones run wherever the rest does."""

ALL: frozenset[str] = EVERY_LAYER | {FLOAT64, BFLOAT16, TF32, OWN_MODULES, DATA_PARALLEL}


def kinds(records: Iterable[Any]) -> Iterator[type[Layer]]:
    """The kinds of layer in a network, those inside of others too, without the `Portable` ones."""
    for record in records:
        if isinstance(record, Layer):
            if not isinstance(record, Portable):
                yield type(record)
            yield from kinds(getattr(record, field.name) for field in fields(record))
        elif isinstance(record, tuple):
            yield from kinds(record)


def needs(records: Iterable[Any]) -> frozenset[str]:
    """What a network asks of a backend: `{"layer:Conv", "layer:Dense"}`."""
    return EVERY_LAYER & {layer(kind) for kind in kinds(records)}


def demand(backend: Backend, needed: Set[str], what: str) -> None:
    """Raises CapabilityError unless the backend has all that is needed; `what` needs it, for the message."""
    if lacks := sorted(needed - backend.capabilities):
        where = f"the {backend.name} backend does not have on {backend.device}"
        raise CapabilityError(f"{what} needs {', '.join(lacks)}, which {where}.", *lacks)
