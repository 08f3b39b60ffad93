"""What a reference is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gankit.arrays import Array


class Given(NamedTuple):
    """The call of a layer, or of a row of them.

    arrays: parameters and buffers by their names inside it: `kernel`, or `main/conv0/kernel`.
    x: (N, *shape). y: (N,) labels, whether it takes them or not.
    train: whether this is a training pass. conditions: the others that it takes, by name.
    """

    arrays: Mapping[str, Array]
    x: Array
    y: Array
    train: bool = False
    conditions: Mapping[str, Array] = {}  # nobody changes it


Still = Callable[[Any, Given], Any]
"""(record, call) -> output, of a layer without buffers."""

Moving = Callable[[Any, Given], tuple[Any, dict[str, Array]]]
"""(record, call) -> (output, buffers after it), of a layer that has some."""
