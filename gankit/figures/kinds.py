"""Every figure by name: what it shows, how it is drawn, and of which games."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gankit.data.images import Picture
from gankit.errors import UnknownNameError, did_you_mean, one_of
from gankit.figures import answers, class_grid, latent_paths, one_dimension, plane, sample_grid, training_curves
from gankit.figures.animation import Animation


@dataclass(frozen=True)
class Kind:
    """A figure that can be asked for.

    draw: from a trainer, or from a run folder, and settings by keyword.
    of: what `draw` is given.
    """

    name: str
    summary: str
    draw: Callable[..., Picture | Animation]
    of: Literal["trainer", "run"] = "trainer"

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of its keywords."""
        parameters = inspect.signature(self.draw).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("samples", "fair draws, the nearest training images beside them", sample_grid.samples),
        Kind("interpolation", "from one latent to another", latent_paths.interpolation),
        Kind("classes", "the same noise asked for every class", class_grid.classes),
        Kind("conditions", "conditions, G's answers to each, and the truth", answers.conditions),
        Kind("game-1d", "p_data, p_g, D and G on a line, as they move", one_dimension.game_1d),
        Kind("scatter", "samples in green, real points in black, level lines of D", plane.scatter),
        Kind("curves", "losses, D(x) and D(G(z))", training_curves.curves, of="run"),
    )
}


def find(name: str) -> Kind:
    """The figure of that name; raises UnknownNameError, naming the closest."""
    if name not in KINDS:
        raise UnknownNameError(f"No figure {name!r}.{did_you_mean(name, KINDS)} Possible: {one_of(KINDS)}.")
    return KINDS[name]
