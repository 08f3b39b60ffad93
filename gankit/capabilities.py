"""What a backend may say that it can do, so that a game it cannot play is refused in words, and the suite knows.

A backend has `capabilities`, a frozenset of these names, for the device it is open on. What is not among them is
possible everywhere: a backend without dense layers and float32 is none.
"""

from __future__ import annotations

from gankit import layers
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
"""Several workers play one game, and compute what one would."""

PRECISIONS: dict[str, str] = {"tf32": TF32, "bfloat16": BFLOAT16}


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
