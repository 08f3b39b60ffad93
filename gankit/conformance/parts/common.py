"""What the checks of any loss, penalty or network have in common: the part as a game gets it, and a game to play."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gankit.config import Config
from gankit.conformance.compare import require
from gankit.conformance.games import Recorder, small, start
from gankit.conformance.subject import Candidate
from gankit.interfaces import Backend
from gankit.plug import registry
from gankit.plug.capabilities import FLOAT64

FRAMEWORKS = ("torch", "jax", "jaxlib", "flax", "mlx", "tensorflow", "cupy")
"""Modules that a part written once for every backend must not import."""

LATENT_DIM = 4
"""Of the games on a prior under judgement."""

WRITTEN_AS_FUNCTIONS = ("data", "recipes", "conditions", "augmentations", "extractors")
"""Kinds whose targets are called with something of the game, or not called at all."""

Game = tuple[Callable[..., Config], Callable[[Backend, Config], Any]]
"""How the config of a small game is made, from settings, and how the game begins."""


def settings(candidate: Candidate) -> dict[str, Any]:
    """What it is judged with, and what it cannot be made without: a loss around another is given the non-saturating
    one to play."""
    base = inspect.signature(target(candidate)).parameters.get("base")
    needed = {"base": "non-saturating"} if base is not None and base.default is base.empty else {}
    return {**needed, **candidate.settings}


def target(candidate: Candidate) -> Any:
    """What the part's entry names: a class or a function."""
    return registry.load(candidate.kind, candidate.name)


def made(candidate: Candidate) -> Any:
    """The part, with no settings but those that it must have."""
    return candidate.made(*([LATENT_DIM] if candidate.kind == "priors" else []), **settings(candidate))


def wish(candidate: Candidate, **more: Any) -> dict[str, Any]:
    """The part as a user writes it into a game."""
    return {"name": candidate.name, **settings(candidate), **more}


def exact(candidate: Candidate) -> Backend:
    """The backend, in float64 where it has that."""
    return candidate.on.open("float64" if FLOAT64 in candidate.on.capabilities else "float32")


def play(
    candidate: Candidate, *, steps: int, base: Game = (small, start), **game: Any
) -> tuple[Any, list[dict[str, float]]]:
    """A small game with the part in it, in float32: (the trainer, the terms of every step).

    base: the game that it is put into.
    Raises AssertionError when a term or a parameter is not finite, or when a player did not move.
    """
    (settings, begin), recorder = base, Recorder()
    trainer = begin(candidate.on.open("float32"), settings(**{"dtype": "float32", "ema": 0.0, **game}))
    players: Mapping[str, Any] = {"G": trainer.generator, "D": trainer.discriminator}
    before = {role: player.parameters for role, player in players.items()}
    trainer.fit(steps=steps, callbacks=[recorder])
    what = f"{candidate}, a small game"
    for step, terms in enumerate(recorder.terms, 1):
        require(bool(np.isfinite(list(terms.values())).all()), f"{what}: step {step} is not finite: {terms}.")
    for role, player in players.items():
        arrays: dict[str, Any] = player.parameters
        wrong = [name for name, array in arrays.items() if not np.isfinite(array).all()]
        require(not wrong, f"{what}: after {steps} steps {role} is not finite in {', '.join(wrong)}.")
        moved = any((array != before[role][name]).any() for name, array in arrays.items())
        require(moved, f"{what}: {steps} steps left every parameter of {role} where it was.")
    return trainer, recorder.terms


def imports_no_framework(candidate: Candidate) -> None:
    """Raise AssertionError when importing the part in a new process brings a framework with it."""
    modules = sorted({row.target.partition(":")[0] for row in _rows(candidate)} | {_home(candidate)})
    code = (
        "import importlib, json, sys\n"
        f"for module in {modules!r}: importlib.import_module(module)\n"
        f"print('imported:', *(name for name in {FRAMEWORKS!r} if name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    said = done.stderr.strip().rpartition("\n")[2]
    require(done.returncode == 0, f"{', '.join(modules)} cannot be imported in a new process: {said}")
    found = done.stdout.rpartition("imported:")[2].split()
    require(
        not found,
        f"Importing {', '.join(modules)} imports {', '.join(found)}. The part then works where that is installed, and "
        f"every user waits for it. Use `ops` and `ops.xp`; remove the import.",
    )


def _home(candidate: Candidate) -> str:
    """The module that the part is written in; of a recipe, which is a mapping, the one that says what a mapping is."""
    part = target(candidate)
    whole = isinstance(part, type) or candidate.kind not in WRITTEN_AS_FUNCTIONS
    return str((type(made(candidate)) if whole else part if callable(part) else type(part)).__module__)


def _rows(candidate: Candidate) -> list[registry.Registered]:
    return [row for row in registry.listing().rows if (row.kind, row.name) == (candidate.kind, candidate.name)]
