"""What lies between two samples. Goodfellow et al. 2014, figure 3."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.images import Picture
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.figures.answers import unseen
from gankit.figures.fitness import require
from gankit.figures.subjects import at_least
from gankit.figures.tiles import GREEN, beside, framed, sheet
from gankit.interfaces import LABEL
from gankit.play.asking import asked
from gankit.play.streams import Streams


def interpolation(
    trainer: Any,
    *,
    rows: int = 8,
    columns: int = 11,
    path: str = "linear",
    ends: str = "samples",
    seed: int = 0,
    ema: bool | None = None,
) -> Picture:
    """Each row goes from G(z0) at its left to G(z1) at its right, in equal steps through the space of z.

    path: "linear", the straight line of the paper; or "spherical", along which the norm does not shrink, so that z
        stays where a normal prior has its mass.
    ends: "samples", of drawn z; or "images", real ones, whose z an encoder finds, each beside its end of the row.
    A game with labels keeps one class a row, each in turn; one with other conditions, those of one training example.

    Raises ConfigError for other paths and ends, without an encoder for images, and where examples are no images.
    """
    require("interpolation", trainer)
    at_least(1, rows=rows)
    at_least(2, columns=columns)
    config = trainer.config
    if ends not in ENDS:
        raise ConfigError(f"No ends {ends!r}; possible: {one_of(ENDS)}.{did_you_mean(ends, ENDS)}")
    if ends == "images":
        return _between_images(trainer, rows, columns, path, seed, ema)
    drawn_z = Streams(seed).first_latents("figures/interpolation", 2 * rows, config.latent_dim, config.prior)
    z = between(drawn_z[0::2], drawn_z[1::2], columns, path)
    labels = None
    if config.conditional:
        labels = np.arange(rows, dtype=np.int32) % trainer.spec.num_classes
    conditions = asked(trainer, rows, labels, seed=seed)
    given = conditions.get("given", {} if labels is None else {LABEL: labels})
    along = {name: values.repeat(columns, axis=0) for name, values in given.items()}
    drawn = trainer.generate(z.reshape(rows * columns, -1), given=along, ema=ema)
    return sheet(trainer.spec.scaling.to_user(drawn), columns, trainer)


def _between_images(trainer: Any, rows: int, columns: int, path: str, seed: int, ema: bool | None) -> Picture:
    require("reconstructions", trainer)
    x, given = trainer.pairs(2 * rows, seed=seed, data=unseen(trainer, None))
    z = trainer.encode(x, given=given, ema=ema)
    along = {name: values[0::2].repeat(columns, axis=0) for name, values in given.items()}
    steps = between(z[0::2], z[1::2], columns, path).reshape(rows * columns, -1)
    row = trainer.spec.scaling.to_user(trainer.generate(steps, given=along, ema=ema))
    left, right = (framed(sheet(x[i::2], 1, trainer), GREEN) for i in (0, 1))
    return beside(beside(left, sheet(row, columns, trainer)), right)


def between(start: Array, stop: Array, count: int, path: str) -> Array:
    """(n, count, d) points on the way from each of start to each of stop, (n, d), ends included.

    "spherical" turns the direction at one speed (Shoemake 1985, slerp) while the norm goes linearly from the one to the
    other.
    """
    if path not in PATHS:
        raise ConfigError(f"No path {path!r}; possible: {one_of(PATHS)}.{did_you_mean(path, PATHS)}")
    t = np.linspace(0.0, 1.0, count)[:, None]
    return np.stack([PATHS[path](a, b, t) for a, b in zip(start, stop, strict=True)])


def _linear(a: Array, b: Array, t: Array) -> Array:
    return np.asarray((1.0 - t) * a + t * b)


def _spherical(a: Array, b: Array, t: Array) -> Array:
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if not all(lengths):
        return _linear(a, b, t)
    u, v = a / lengths[0], b / lengths[1]
    angle = np.arccos(np.clip(u @ v, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # one direction, or opposite ones, between which no way is the shortest
        return _linear(a, b, t)
    direction = (np.sin((1.0 - t) * angle) * u + np.sin(t * angle) * v) / np.sin(angle)
    return np.asarray(_linear(*lengths, t) * direction)  # type: ignore[arg-type]


ENDS = ("samples", "images")
PATHS = {"linear": _linear, "spherical": _spherical}
