"""Conditions from files: what `gankit sample RUN --given FILE` answers to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gankit.data.folders import picture
from gankit.errors import ConfigError, DataError, did_you_mean, one_of
from gankit.interfaces import COLUMN
from gankit.play.asking import further


def read(files: Sequence[str], trainer: Any) -> dict[str, Any]:
    """Conditions by name, each of the shape of one, from pictures and `.npy` files: FILE, or NAME=FILE of several; of
    tables, COLUMN=CATEGORY."""
    if COLUMN in trainer.spec.given:
        return dict(_column(text) for text in files)
    names = further(trainer)
    if not names:
        raise ConfigError("--given: this game has no conditions, except perhaps labels. For labels use --labels.")
    found: dict[str, Any] = {}
    for text in files:
        name, equals, file = text.partition("=")
        if not equals:
            if len(names) > 1 and len(files) < len(names):
                raise ConfigError(f"--given {text}: which condition is this? Type {' or '.join(names)}=FILE.")
            name, file = names[0], text
        if name not in names:
            raise ConfigError(
                f"--given {text}: no condition {name!r}.{did_you_mean(name, names)} Possible: {one_of(names)}."
            )
        found[name] = _condition(name, Path(file), trainer)
    return found


def _column(text: str) -> tuple[str, str | None]:
    """(column, category) of "income=>50K"; None for an empty cell."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--given {text}: name a column and a category: --given COLUMN=CATEGORY.")
    return name, value or None


def _condition(name: str, path: Path, trainer: Any) -> Any:
    port = trainer.spec.given[name]
    if not path.is_file():
        raise DataError(f"--given {path}: there is no such file.")
    if path.suffix == ".npy":
        x = np.load(path, allow_pickle=False)
    elif port.kind in ("image", "mask"):
        x = picture(path, 1 if port.shape[2] == 1 else 3)
    else:
        raise DataError(f"--given {path}: the condition {name!r} is {port}; save it with np.save as .npy.")
    if x.shape != port.shape:
        raise DataError(f"--given {path} has shape {x.shape}; the condition {name!r} is {port}.")
    low, high = trainer.spec.value_range or (0.0, 1.0)
    if path.suffix != ".npy" and not trainer.spec.scaling.is_integer:
        x = low + (high - low) * x / 255.0
    return x if port.kind == "image" else x.astype(np.float64) / (255.0 if path.suffix != ".npy" else 1.0)
