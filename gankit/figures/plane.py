"""A game on the plane: samples, real points, and the level lines of D."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.images import Picture
from gankit.figures import style
from gankit.figures.fitness import require
from gankit.figures.subjects import at_least, examples, of_class, one_class, score
from gankit.figures.theory import is_probability
from gankit.metrics.theory import sigmoid

SIDE = 161
"""Places along each axis at which D is asked."""
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


def scatter(
    trainer: Any, *, n: int = 2_000, seed: int = 0, label: int | None = None, data: Any = None, ema: bool | None = None
) -> Picture:
    """n samples in green below n real points in black, and where D(x) is 0.1, 0.3, 0.5, 0.7 and 0.9.

    Where the loss gives D another meaning than a probability, the lines are of its raw score.

    label: the class shown in a conditional game, 0 by default: D(x|y) is another function for each.
    data: the real points, where the game cannot open them itself.

    Raises ConfigError where examples are no points of a plane, DataError where the real ones are out of reach.
    """
    require("scatter", trainer)
    at_least(1, n=n)
    label = one_class(trainer, label)
    points = examples(trainer, data)
    real = of_class(points, label)[:n]
    fake = trainer.sample(n, labels=label, seed=seed, ema=ema)
    x, y = axes(real if label is None else np.asarray(points.x))  # samples of one class may lie where another is
    d = surface(trainer, x, y, label)
    return style.painted(lambda figure: _paint(figure, real, fake, (x, y), d, trainer, label), 7, 7.3)


def axes(points: Array) -> tuple[Array, Array]:
    """Places along x and along y, a square around the points with some room."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    reach = 0.65 * float(np.max(high - low)) or 1.0
    x, y = (np.linspace(middle - reach, middle + reach, SIDE) for middle in (low + high) / 2)
    return x, y


def surface(trainer: Any, x: Array, y: Array, label: int | None = None) -> Array:
    """D(x), or D's raw score where it is no probability, at every place: (len(y), len(x))."""
    places = np.stack(np.meshgrid(x, y), axis=-1)
    logits = score(trainer, places.reshape(-1, 2), label).reshape(places.shape[:2])
    return sigmoid(logits) if is_probability(trainer.config) else logits


def _paint(
    figure: Any, real: Array, fake: Array, places: tuple[Array, Array], d: Array, trainer: Any, label: int | None
) -> None:
    (x, y), probability = places, is_probability(trainer.config)
    axes = figure.add_subplot()
    levels = [level for level in LEVELS if d.min() < level < d.max()] if probability else _round_levels(d)
    if levels:
        widths = [2.0 if probability and level == 0.5 else 1.0 for level in levels]
        lines = axes.contour(x, y, d, levels=levels, colors=style.BLUE, linewidths=widths, linestyles="solid", zorder=4)
        axes.clabel(lines, fmt="%g", fontsize=10, inline=True, zorder=5)
    # Small real points above larger samples: either is seen where both are, however narrow the data's modes are.
    axes.scatter(*real.T, s=4, color=style.BLACK, linewidths=0, alpha=0.5, zorder=3)
    axes.scatter(*fake.T, s=9, color=style.GREEN, linewidths=0, alpha=0.7, zorder=2)
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    outside = int(np.sum(~_inside(fake, x, y)))
    dot = {"linestyle": "", "marker": "o", "markersize": 5}
    told: list[tuple[str, dict[str, Any]]] = [
        ("real", {"color": style.BLACK, **dot}),
        ("samples" + (f" ({outside:,} of {len(fake):,} outside)" if outside else ""), {"color": style.GREEN, **dot}),
    ]
    if levels:
        told.append(("D(x)" if probability else "D's score", {"color": style.BLUE, "linewidth": 1.0}))
    style.told(figure, told)
    of = "" if label is None else f", class {label}"
    axes.set_title(f"{trainer.config.data} after {trainer.steps_done:,} steps{of}")


def _round_levels(d: Array) -> list[float]:
    from importlib import import_module

    ticks = import_module("matplotlib.ticker").MaxNLocator(7).tick_values(float(d.min()), float(d.max()))
    return [float(tick) for tick in ticks if d.min() < tick < d.max()]


def _inside(points: Array, x: Array, y: Array) -> Array:
    low, high = (x[0], y[0]), (x[-1], y[-1])
    return np.asarray(((low <= points) & (points <= high)).all(axis=1))
