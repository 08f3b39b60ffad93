"""The game on a line, from its first step on: p_data, p_g, D, and where G sends z. Goodfellow et al. 2014, figure 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import Part
from gankit.data.dataset import Dataset
from gankit.errors import ConfigError
from gankit.figures import style
from gankit.figures.animation import Animation
from gankit.figures.densities import estimated
from gankit.figures.fitness import require
from gankit.figures.subjects import at_least, examples, of_class, one_class, score
from gankit.figures.theory import is_probability
from gankit.metrics.theory import sigmoid
from gankit.play.streams import Streams

PLACES, SAMPLES, ARROWS = 301, 10_000, 25
SEEN = 0.01
"""Of the highest density: where both densities are lower, p_data / (p_data + p_g) is a ratio of two guesses."""


@dataclass(frozen=True, eq=False)
class Moment:
    """The game after `step` steps: D(x) and p_g at places on the line, (n,) each; G(z) for the arrows' z, (arrows,)."""

    step: int
    d: Array
    p_g: Array
    ends: Array


@dataclass(frozen=True, eq=False)
class Scene:
    """What all moments share. x: (n,) places; p_data: (n,) there; z: (arrows,) first coordinates of latents."""

    x: Array
    p_data: Array
    z: Array
    probability: bool
    plain_z: bool


def game_1d(
    trainer: Any,
    *,
    steps: int | None = None,
    frames: int = 24,
    seed: int = 0,
    label: int | None = None,
    data: Any = None,
    ema: bool | None = None,
) -> Animation:
    """The game of this trainer played again from its first step, which is the same run: same seed, same run.

    It takes as long as that training did; the trainer itself stays as it is. Frames lie closer at the beginning.

    p_data is the known law of the data, or an estimate by kernels from the examples; p_g such an estimate from
    samples. The pale line is D* = p_data / (p_data + p_g) of these two. Arrows start at z with equal probability
    between neighbours, so their ends crowd where G puts its samples; with more than one latent coordinate they follow
    the first, the others at 0.

    steps: how many to play; by default as many as the trainer has done.
    frames: how many pictures, the first and the last state included.
    seed: of the samples.
    label: the class shown in a conditional game, 0 by default.

    Raises ConfigError where examples are not one number, DataError where the data is out of reach.
    """
    require("game-1d", trainer)
    steps = trainer.steps_done if steps is None else steps
    at_least(1, steps=steps)
    at_least(2, frames=frames)
    label = one_class(trainer, label)
    dataset = examples(trainer, data)
    scene = _scene(trainer, dataset, label)
    played = [_moment(player, scene, seed, label, ema) for player in replayed(trainer, moments(steps, frames), dataset)]
    top = 1.15 * float(max(scene.p_data.max(), *(np.quantile(moment.p_g, 0.99) for moment in played[1:])))
    top = min(top, 3.0 * float(scene.p_data.max()))  # a G that collapses is a peak without end
    pictures = [style.painted(_single(scene, moment, top), 8, 5, dpi=100) for moment in played]
    chosen = [played[index] for index in (0, len(played) // 3, 2 * len(played) // 3, -1)]
    return Animation([m.step for m in played], pictures, style.painted(_four(scene, chosen, top), 9, 6.4))


def moments(steps: int, frames: int) -> list[int]:
    """Increasing numbers of steps from 0 to `steps`, closer together at the beginning; fewer where steps are few."""
    return [int(step) for step in np.unique(np.rint(steps * np.linspace(0.0, 1.0, frames) ** 2))]


def replayed(trainer: Any, stops: list[int], data: Dataset) -> Any:
    """The game from its first step, yielded after each number of steps in `stops`."""
    if not hasattr(trainer, "from_the_start"):
        raise ConfigError(f"The trainer {trainer.config.trainer!r} cannot be started anew: it has no from_the_start().")
    player = trainer.from_the_start(data)
    for stop in stops:
        player.fit(steps=stop - player.steps_done)
        yield player


def latents(prior: Part | str, latent_dim: int) -> Array:
    """(ARROWS, width): first coordinates at the middles of parts of equal probability, the others 0; of a prior whose
    coordinates depend on each other, draws in the order of the first."""
    name, shares = prior if isinstance(prior, str) else prior.name, (np.arange(ARROWS) + 0.5) / ARROWS
    if name not in ("normal", "uniform"):
        drawn = Streams(0).first_latents("figures/game-1d", ARROWS, latent_dim, prior)
        return np.asarray(drawn[np.lexsort(drawn.T[::-1])])
    z = np.zeros((ARROWS, latent_dim))
    z[:, 0] = np.sqrt(3.0) * (2 * shares - 1) if name == "uniform" else list(map(NormalDist().inv_cdf, shares))
    return z


def _scene(trainer: Any, dataset: Dataset, label: int | None) -> Scene:
    config, real = trainer.config, of_class(dataset, label)
    x = line(real)
    known = getattr(dataset, "law", None) if label is None else None
    p_data = known.density(x[:, None]) if known is not None else estimated(real, x)
    z = latents(config.prior, config.latent_dim)[:, 0]
    return Scene(x, p_data, z, is_probability(config), config.latent_dim == 1)


def line(points: Array) -> Array:
    """Places from well below the least to well above the greatest points, outliers aside."""
    low, high = np.quantile(np.asarray(points, np.float64), [0.001, 0.999])
    room = 0.5 * (high - low) or 1.0
    return np.linspace(low - room, high + room, PLACES)


def _moment(player: Any, scene: Scene, seed: int, label: int | None, ema: bool | None) -> Moment:
    config = player.config
    logits = score(player, scene.x[:, None], label)
    spread = float(np.ptp(logits)) or 1.0
    d = sigmoid(logits) if scene.probability else (logits - logits.min()) / spread
    drawn = player.sample(SAMPLES, labels=label, seed=seed, ema=ema)
    labels = None if label is None else np.full(ARROWS, label, np.int32)
    ends = player.spec.scaling.to_user(player.generate(latents(config.prior, config.latent_dim), labels, ema=ema))
    return Moment(player.steps_done, d, estimated(drawn, scene.x), np.asarray(ends, np.float64).ravel())


def _single(scene: Scene, moment: Moment, top: float) -> Callable[[Any], None]:
    def paint(figure: Any) -> None:
        above, below = figure.subplots(2, 1, height_ratios=(3, 1))
        _panel(above, below, scene, moment, top)
        style.told(figure, _names(scene))
        above.set_title(f"after {moment.step:,} steps")

    return paint


def _four(scene: Scene, chosen: list[Moment], top: float) -> Callable[[Any], None]:
    def paint(figure: Any) -> None:
        style.told(figure, _names(scene))
        parts = figure.subfigures(2, 2)
        for part, moment, letter in zip(parts.flat, chosen, "abcd", strict=True):
            above, below = part.subplots(2, 1, height_ratios=(3, 1))
            _panel(above, below, scene, moment, top)
            above.set_title(f"({letter}) after {moment.step:,} steps")

    return paint


def _panel(above: Any, below: Any, scene: Scene, moment: Moment, top: float) -> None:
    """Densities and D over the line; below it the line of z, and arrows from each z up to G(z)."""
    x, right = scene.x, above.twinx()
    if scene.probability:
        total = scene.p_data + moment.p_g
        best = np.where(total > SEEN * scene.p_data.max(), scene.p_data / np.maximum(total, 1e-300), np.nan)
        right.plot(x, best, color=style.PALE, linewidth=3.0)
        right.axhline(0.5, color=style.LIGHT, linewidth=0.8)
    right.plot(x, moment.d, color=style.BLUE, linestyle="--")
    above.plot(x, scene.p_data, color=style.BLACK, linestyle=":")
    above.plot(x, moment.p_g, color=style.GREEN)
    above.set(ylim=(0.0, top), yticks=[], xlim=(x[0], x[-1]))
    right.set(ylim=(0.0, 1.15), yticks=(0.0, 0.5, 1.0) if scene.probability else [])
    right.tick_params(axis="y", labelcolor=style.BLUE)
    above.set_zorder(right.get_zorder() + 1)  # densities before D*
    above.patch.set_visible(False)
    for axes in (above, right):
        axes.spines["left"].set_visible(False)
    _arrows(below, scene, moment)


def _arrows(axes: Any, scene: Scene, moment: Moment) -> None:
    x, z = scene.x, scene.z
    middle, reach = (x[0] + x[-1]) / 2, 0.47 * (x[-1] - x[0])
    starts = middle + reach * z / np.abs(z).max()
    look = {"arrowstyle": "->", "color": style.GREY, "linewidth": 0.8, "mutation_scale": 8}
    seen = (x[0] <= moment.ends) & (moment.ends <= x[-1])
    for start, end in zip(starts[seen], moment.ends[seen], strict=True):
        axes.annotate("", (end, 1.0), (start, 0.0), arrowprops=look)
    axes.plot(starts, np.zeros_like(starts), "|", color=style.GREY, markersize=5)
    axes.axhline(0.0, color=style.GREY, linewidth=0.8)
    names = ("z" if scene.plain_z else "z₁", "x")
    axes.set(xlim=(x[0], x[-1]), ylim=(-0.06, 1.0), xticks=[], yticks=(0.0, 1.0), yticklabels=names)
    axes.tick_params(left=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def _names(scene: Scene) -> list[tuple[str, dict[str, Any]]]:
    names: list[tuple[str, dict[str, Any]]] = [
        (r"$p_{\mathrm{data}}$", {"color": style.BLACK, "linestyle": ":"}),
        (r"$p_g$", {"color": style.GREEN}),
    ]
    if not scene.probability:
        return [*names, ("D's score, scaled", {"color": style.BLUE, "linestyle": "--"})]
    return [
        *names,
        ("$D$", {"color": style.BLUE, "linestyle": "--"}),
        (r"$D^* = p_{\mathrm{data}} / (p_{\mathrm{data}} + p_g)$", {"color": style.PALE, "linewidth": 3.0}),
    ]
