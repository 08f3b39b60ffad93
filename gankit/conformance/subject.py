"""What is judged: a backend, by its name and a way to open it; or a part, by its kind and name, on a backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gankit.building import make, open_backend
from gankit.config import Part
from gankit.errors import CapabilityError
from gankit.interfaces import Backend
from gankit.plug.capabilities import FLOAT64, PRECISIONS


class NotApplicable(Exception):
    """The check cannot judge this subject here; its message says what is missing."""


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
        if FLOAT64 not in self.capabilities:
            return ("float32",)
        return ("float64",) if self.quick else ("float32", "float64")

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What the backend says that it can do."""
        return self.make("float32").capabilities

    @cached_property
    def known_failures(self) -> Mapping[str, str]:
        """Checks that the backend says it does not pass, each with the reason."""
        return getattr(self.make("float32"), "known_failures", {})

    def open(self, dtype: str = "float64", precision: str = "full") -> Backend:
        """The backend in that dtype and precision; raises CapabilityError where it does not declare them."""
        if wanted := {dtype, precision} & {FLOAT64, *PRECISIONS} - self.capabilities:
            raise CapabilityError(f"needs {', '.join(wanted)}, which the backend does not declare", *wanted)
        return self.make(dtype) if precision == "full" else self.make(dtype, precision)

    def __str__(self) -> str:
        return f"backend {self.name}"


SINGULAR: dict[str, str] = {
    "losses": "loss",
    "penalties": "penalty",
    "generators": "generator",
    "discriminators": "discriminator",
    "encoders": "encoder",
    "metrics": "metric",
    "optimizers": "optimizer",
    "priors": "prior",
    "constraints": "constraint",
    "augmentations": "augmentation",
    "conditions": "conditions",
    "data": "data",
    "recipes": "recipe",
    "loggers": "logger",
    "extractors": "extractor",
}
"""What one part of a kind is called."""


@dataclass(frozen=True)
class Candidate:
    """A registered part under judgement, such as a loss.

    kind: in the registry's plural, "losses". on: the backend that plays it. settings: other than its defaults, with
    which it is judged.
    """

    kind: str
    name: str
    on: Subject
    settings: Mapping[str, Any] = field(default_factory=dict)

    def made(self, *arguments: Any, **settings: Any) -> Any:
        """The part with these settings, as a game makes it; raises ConfigError when they do not fit."""
        return make(self.kind, Part(self.name, {**self.settings, **settings}), *arguments)

    @property
    def quick(self) -> bool:
        """Whether fewer cases are wanted."""
        return self.on.quick

    @property
    def known_failures(self) -> Mapping[str, str]:
        """Checks that the part's class says it does not pass, each with the reason."""
        from gankit.plug import registry

        return getattr(registry.load(self.kind, self.name), "known_failures", {})

    def __str__(self) -> str:
        told = "".join(f", {name}={value!r}" for name, value in self.settings.items())
        return f"{SINGULAR[self.kind]} {self.name}{told} on {self.on.name}"


def registered(name: str, *, quick: bool = False, device: str = "auto") -> Subject:
    """The subject for an installed backend; raises UnknownNameError, naming those that are installed."""
    open_backend(name, device, "float32")

    def made(dtype: str, precision: str = "full") -> Backend:
        return open_backend(name, device, dtype, precision)

    return Subject(name, made, quick, device)
