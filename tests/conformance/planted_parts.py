"""What a part with a fault is told by: its kind, its name, and the check that has to catch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Broken:
    """A part with a fault, and the check that has to catch it.

    part: what its entry would name; or the text of a module that has it as `Part`; or, for a `bound` one, what makes it
        from the name of a backend, such as a framework's own module.
    immune: backends on which the fault does nothing.
    backend: a fault of the backend, which is to be seen in a network on it.
    """

    kind: str
    name: str
    check: str
    part: Any
    immune: frozenset[str] = frozenset()
    bound: bool = False
    backend: Callable[[Any], Any] = lambda backend: backend


HEAVY = """
from gankit.parts.losses import NonSaturating

for framework in ("jax", "torch", "mlx.core"):  # whichever is here
    try:
        __import__(framework)
        break
    except ImportError:
        continue


class Part(NonSaturating):
    pass
"""


def heavy(module, order):
    """The text of a module that imports a framework first, whichever of `order` is here."""
    return WHICHEVER.format(order=order) + module


WHICHEVER = """
for framework in {order}:  # whichever is here
    try:
        __import__(framework)
        break
    except ImportError:
        continue
"""
