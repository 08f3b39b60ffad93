"""From names to what is judged: backends, and parts on every backend; and judging them from Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from gankit.building import make
from gankit.config import Part
from gankit.conformance.results import Result
from gankit.conformance.subject import Candidate, Subject, registered
from gankit.conformance.suite import PARTS, run_checks, shortfalls
from gankit.errors import ConfigError, PluginError, UnknownNameError
from gankit.plug import registry

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


def backends(names: Sequence[str], *, quick: bool = False, device: str = "auto") -> list[Subject]:
    """Those of these names, or all that are installed; raises UnknownNameError, and ConfigError where there is none."""
    chosen = names or registry.names("backends")
    if not chosen:
        raise ConfigError("No backend is installed. Type pip install 'gankit[torch]' or pip install 'gankit[jax]'.")
    return [registered(name, quick=quick, device=device) for name in chosen]


def parts(word: str, name: str, on: Sequence[Subject]) -> Iterator[Candidate]:
    """The part of that name on each backend; word: "loss", "penalty", ... Raises UnknownNameError."""
    there = [kind for kind in KINDS[word] if name in registry.names(kind)]
    if not there:
        registry.load(KINDS[word][0], name)  # raises the error that says what there is
        raise UnknownNameError(f"No {word} {name!r}.")
    for subject in on:
        yield from (Candidate(kind, name, subject) for kind in there)


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


def check_loss(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered loss on these backends, by default on all that are installed; raises as `check_backend`."""
    return _judged(parts("loss", name, backends(on, quick=quick)))


def check_penalty(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered penalty on these backends, by default on all that are installed; raises as `check_backend`."""
    return _judged(parts("penalty", name, backends(on, quick=quick)))


def check_network(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge the registered generator, discriminator, or both, of that name; raises as `check_backend`."""
    return _judged(parts("network", name, backends(on, quick=quick)))


def check_metric(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered metric on these backends, by default on all that are installed; raises as `check_backend`."""
    return _judged(parts("metric", name, backends(on, quick=quick)))


def check_optimizer(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered optimizer on these backends, by default on all installed ones; raises as `check_backend`."""
    return _judged(parts("optimizer", name, backends(on, quick=quick)))


def check_prior(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered prior on these backends, by default on all that are installed; raises as `check_backend`."""
    return _judged(parts("prior", name, backends(on, quick=quick)))


def check_constraint(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered constraint on these backends, by default on all installed ones; raises as `check_backend`."""
    return _judged(parts("constraint", name, backends(on, quick=quick)))


def check_augmentation(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered augmentation on these backends, by default on all that there are; as `check_backend`."""
    return _judged(parts("augmentation", name, backends(on, quick=quick)))


def check_conditions(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered maker of conditions on these backends, by default on all there are; as `check_backend`."""
    return _judged(parts("conditions", name, backends(on, quick=quick)))


def check_data(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered data set on these backends, by default on all installed ones; raises as `check_backend`."""
    return _judged(parts("data", name, backends(on, quick=quick)))


def check_recipe(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered recipe on these backends, by default on all installed ones; raises as `check_backend`."""
    return _judged(parts("recipe", name, backends(on, quick=quick)))


def check_logger(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered logger on these backends, by default on all installed ones; raises as `check_backend`."""
    return _judged(parts("logger", name, backends(on, quick=quick)))


def check_extractor(name: str, *, on: Sequence[str] = (), quick: bool = False) -> tuple[Result, ...]:
    """Judge a registered extractor on these backends, by default on all installed ones; raises as `check_backend`."""
    return _judged(parts("extractor", name, backends(on, quick=quick)))


def _judged(subjects: Iterable[Subject | Candidate], only: Sequence[str] = ()) -> tuple[Result, ...]:
    results = tuple(result for subject in subjects for result in run_checks(subject, only))
    failures = [f"{r.subject}, {r.check}: {r.message}" for r in results if r.outcome == "fail"] + shortfalls(results)
    if failures:
        raise AssertionError(f"{len(failures)} of {len(results)} checks fail.\n\n" + "\n\n".join(failures))
    return results
