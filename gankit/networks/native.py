"""A network that is a framework's own module instead of layer records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, eq=False)
class Native:
    """A `torch.nn.Module` or `flax.nnx.Module` as a player; it runs on the backend of its framework alone.

    G is called as `module(z)` or `module(z, labels)`, D as `module(x)` or `module(x, labels)`: z is (N, latent_dim),
    labels are (N,) integers, in conditional games. Examples are arrays (N, *shape), images in the layout of the
    framework: (N, channels, height, width) in torch, (N, height, width, channels) in flax. D returns logits (N,), or a
    dict with `logits` and, if it has them, `class_logits` (N, num_classes) and `features`, a tuple of arrays (N, ...).

    Dropout and running statistics inside work as in every game: masks come from (seed, step), and a player's buffers
    change in its own phase only.

    output: what a generator produces: "unit" for [0, 1], "symmetric" for [-1, 1], "free" for data without bounds.
    """

    module: Any
    output: Literal["unit", "symmetric", "free"] = "free"

    @property
    def name(self) -> str:
        """`package.Class` of the module."""
        kind = type(self.module)
        return f"{kind.__module__}.{kind.__qualname__}"
