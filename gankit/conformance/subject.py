"""What is judged: a backend, by its name and a way to open it; or a part, by its kind and name, on a backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from typing import Any

from gankit.building import make, open_backend
from gankit.config import Part
from gankit.interfaces import Backend


@dataclass(frozen=True)
class Subject:
    """A backend under judgement.

    name: under which it is registered, so that a new process can open it.
    make: a dtype ("float32", "float64"), and a precision where it is not "full", to the backend in that dtype.
    quick: shorter trajectories and fewer cases of the same checks.
    device: for a new process to open it on.
    """

    name: str
    make: Callable[..., Backend]
    quick: bool = False
    device: str = "auto"

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Those that a check of many cases goes through."""
        return ("float64",) if self.quick else ("float32", "float64")

    def open(self, dtype: str = "float64", precision: str = "full") -> Backend:
        """The backend in that dtype and precision."""
        return self.make(dtype) if precision == "full" else self.make(dtype, precision)


@dataclass(frozen=True)
class Candidate:
    """A registered part under judgement, such as a loss.

    kind: in the registry's plural, "losses". on: the backend that plays it.
    """

    kind: str
    name: str
    on: Subject

    def made(self, *arguments: Any, **settings: Any) -> Any:
        """The part with these settings, as a game makes it; raises ConfigError when they do not fit."""
        return make(self.kind, Part(self.name, settings), *arguments)


def registered(name: str, *, quick: bool = False, device: str = "auto") -> Subject:
    """The subject for an installed backend; raises UnknownNameError, naming those that are installed."""
    open_backend(name, device, "float32")
    return Subject(name, lambda *how: open_backend(name, device, *how), quick, device)
