"""Every figure by name: what it shows, how it is drawn, and of which games."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gankit.data.images import Picture
from gankit.errors import ConfigError
from gankit.figures import (
    answers,
    class_grid,
    filled_in,
    latent_paths,
    lines,
    one_dimension,
    plane,
    reconstructions,
    sample_grid,
    training_curves,
)
from gankit.figures.animation import Animation
from gankit.figures.fitness import UNFIT, Unfit
from gankit.plug import registry


@dataclass(frozen=True)
class Figure:
    """A figure. An entry of `gankit_figures` names one.

    draw: maps a trainer, or a run folder, to a `gankit.Picture`; its keyword arguments are the figure's settings.
    unfit: why the figure does not fit a trainer's game, as a sentence, or None if it fits, which is the default.
    of: the argument of `draw`: "trainer" or "run".
    """

    draw: Callable[..., Picture | Animation]
    unfit: Unfit = lambda trainer: None
    of: Literal["trainer", "run"] = "trainer"

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of its keywords."""
        parameters = inspect.signature(self.draw).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


SAMPLES = Figure(sample_grid.samples, UNFIT["samples"])
INTERPOLATION = Figure(latent_paths.interpolation, UNFIT["interpolation"])
RECONSTRUCTIONS = Figure(reconstructions.reconstructions, UNFIT["reconstructions"])
COMPLETIONS = Figure(filled_in.completions, UNFIT["completions"])
CLASSES = Figure(class_grid.classes, UNFIT["classes"])
CONDITIONS = Figure(answers.conditions, UNFIT["conditions"])
GAME_1D = Figure(one_dimension.game_1d, UNFIT["game-1d"])
SCATTER = Figure(plane.scatter, UNFIT["scatter"])
SERIES = Figure(lines.series, UNFIT["series"])
CURVES = Figure(training_curves.curves, of="run")


def names() -> tuple[str, ...]:
    """The figures that are installed, the built-in ones first."""
    return registry.names("figures")


def summaries() -> dict[str, str]:
    """What each figure shows, by name."""
    rows = {row.name: row.summary for row in registry.listing().rows if row.kind == "figures"}
    return {name: rows[name] for name in names()}


def find(name: str) -> Figure:
    """The figure of that name; raises UnknownNameError, naming the closest."""
    figure = registry.load("figures", name)
    if not isinstance(figure, Figure):
        raise ConfigError(f"The figure {name!r} is a {type(figure).__name__}; an entry names a gankit.figures.Figure.")
    return figure


def applicable(trainer: Any) -> list[str]:
    """The figures that can be drawn of a game."""
    return [name for name in names() if find(name).unfit(trainer) is None]
