"""From names to what is judged: backends, and parts on every backend; and judging them from Python."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gankit.building import make
from gankit.config import Part
from gankit.conformance.results import Result
from gankit.conformance.subject import Candidate, Subject, registered
from gankit.conformance.suite import PARTS, run_checks, shortfalls
from gankit.errors import ConfigError, PluginError, UnknownNameError
from gankit.plug import registry
from gankit.plug.making import check_settings

KINDS: dict[str, tuple[str, ...]] = {
    "loss": ("losses",),
    "penalty": ("penalties",),
    "network": ("generators", "discriminators", "encoders"),
    "metric": ("metrics",),
    "optimizer": ("optimizers",),
    "prior": ("priors",),
    "constraint": ("constraints",),
    "augmentation": ("augmentations",),
    "conditions": ("conditions",),
    "data": ("data",),
    "recipe": ("recipes",),
    "logger": ("loggers",),
    "extractor": ("extractors",),
}
"""What a user calls a part, and where the registry has it. A network's name may stand for a G, a D, an encoder."""
GIVEN = {
    **dict.fromkeys(("generators", "discriminators", "encoders", "priors", "conditions", "data"), 1),
    "augmentations": 2,
}
"""How many of a part's first arguments the game fills in, such as the shapes that a network is for."""
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def backends(names: Sequence[str], *, quick: bool = False, device: str = "auto") -> list[Subject]:
    """Those of these names, or all that are installed; raises UnknownNameError, and ConfigError where there is none."""
    chosen = names or registry.names("backends")
    if not chosen:
        raise ConfigError("No backend is installed. Type pip install 'gankit[torch]' or pip install 'gankit[jax]'.")
    return [registered(name, quick=quick, device=device) for name in chosen]


def parts(
    word: str, name: str, on: Sequence[Subject], settings: Mapping[str, Any] = NO_SETTINGS
) -> Iterator[Candidate]:
    """The part of that name on each backend; word: "loss", "penalty", ...

    settings: to judge it with. Of a generator and a discriminator of one name, those that have the settings are judged.
    Raises UnknownNameError, and ConfigError for a setting that no part of the name has.
    """
    there = [kind for kind in KINDS[word] if name in registry.names(kind)]
    if not there:
        registry.load(KINDS[word][0], name)  # raises the error that says what there is
        raise UnknownNameError(f"No {word} {name!r}.")
    if settings:
        refused = {kind: error for kind in there if (error := _refusal(kind, name, settings))}
        there = [kind for kind in there if kind not in refused]
        if not there:
            raise ConfigError("\n".join(map(str, refused.values())))
    for subject in on:
        yield from (Candidate(kind, name, subject, settings) for kind in there)


def _refusal(kind: str, name: str, settings: Mapping[str, Any]) -> ConfigError | None:
    """What a part says of settings that it does not have, or that have another type."""
    target: Any = registry.load(kind, name)
    signature = inspect.signature(target) if callable(target) else inspect.Signature()
    try:
        check_settings(kind, name, signature, settings, GIVEN.get(kind, 0))
    except ConfigError as error:
        return error
    return None


def everything(on: Sequence[Subject]) -> Iterator[Subject | Candidate]:
    """Every backend, and every installed part on each, but for those that want what is not here."""
    yield from on
    for subject in on:
        for kind in PARTS:
            yield from (Candidate(kind, name, subject) for name in registry.names(kind) if not wanting(kind, name))


def wanting(kind: str, name: str) -> str:
    """Why a part cannot be had here without a further install or a download; "" where it can."""
    if kind == "extractors" and name == "inception-v3-compat" and find_spec("torch_fidelity") is None:
        return f"{name} needs torch_fidelity, which is not installed."
    if kind == "loggers":
        try:
            make(kind, Part(name))
        except PluginError as error:
            return str(error) if isinstance(error.__cause__, ImportError) else ""
    if kind == "data" and name in ("mnist", "cifar10"):
        root = Path(os.environ.get("GANKIT_DATA") or os.devnull)
        if not any(path.is_file() for pattern in OF_DATA[name] for path in root.rglob(pattern)):
            return f"{name} is not in GANKIT_DATA, and would be fetched."
    return ""


OF_DATA = {"mnist": ("train-images-idx3-ubyte*",), "cifar10": ("cifar-10-*.tar.gz",)}
"""What the files are called by which a data set is known to be there."""


def check_backend(
    name: str, *, only: Sequence[str] = (), quick: bool = False, device: str = "auto"
) -> tuple[Result, ...]:
    """Judge an installed backend and return the results.

    only: groups to run, those of `gankit.conformance.GROUPS`; by default all.
    quick: shorter trajectories.

    Raises AssertionError with every failure's message, and UnknownNameError when no such backend is installed.
    """
    return _judged(backends([name], quick=quick, device=device), only)


def check_part(
    word: str, name: str, *, on: Sequence[str] = (), quick: bool = False, **settings: Any
) -> tuple[Result, ...]:
    """Judge a registered part on these backends, by default on all that are installed; raises as `check_backend`.

    word: what it is, "loss", "penalty", "network", ... A network's name stands for the generator, the discriminator and
    the encoder of that name. settings: of the part, such as `slope=0.1`, in the place of its defaults.
    """
    return _judged(parts(word, name, backends(on, quick=quick), settings))


def _judge_of(word: str) -> Callable[..., tuple[Result, ...]]:
    """`check_part` of one kind."""

    def check(name: str, *, on: Sequence[str] = (), quick: bool = False, **settings: Any) -> tuple[Result, ...]:
        return check_part(word, name, on=on, quick=quick, **settings)

    check.__name__ = check.__qualname__ = f"check_{word}"
    check.__doc__ = f'`check_part("{word}", name, on=..., quick=..., **settings)`.'
    return check


check_loss, check_penalty, check_network = map(_judge_of, ("loss", "penalty", "network"))
check_metric, check_extractor = map(_judge_of, ("metric", "extractor"))
check_optimizer, check_constraint = map(_judge_of, ("optimizer", "constraint"))
check_prior, check_augmentation, check_conditions = map(_judge_of, ("prior", "augmentation", "conditions"))
check_data, check_recipe, check_logger = map(_judge_of, ("data", "recipe", "logger"))


def _judged(subjects: Iterable[Subject | Candidate], only: Sequence[str] = ()) -> tuple[Result, ...]:
    results = tuple(result for subject in subjects for result in run_checks(subject, only))
    failures = [f"{r.subject}, {r.check}: {r.message}" for r in results if r.outcome == "fail"] + shortfalls(results)
    if failures:
        raise AssertionError(f"{len(failures)} of {len(results)} checks fail.\n\n" + "\n\n".join(failures))
    return results
