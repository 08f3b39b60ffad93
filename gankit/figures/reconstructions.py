"""What an encoder and G make of real images together. Donahue et al. 2017, figure 2."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.data.images import Picture
from gankit.figures.answers import unseen
from gankit.figures.fitness import require
from gankit.figures.nearest import nearest
from gankit.figures.subjects import at_least
from gankit.figures.tiles import GREEN, YELLOW, beside, framed, sheet


def reconstructions(
    trainer: Any, *, rows: int = 10, samples: int = 1_000, seed: int = 0, data: Any = None, ema: bool | None = None
) -> Picture:
    """A row for each image: in green the image, beside it G(E(x)), in yellow the nearest, in L2, of so many samples.

    The images are drawn by the seed, from the test split where the data has one.

    Raises ConfigError for a game without an encoder, and where examples are no images.
    """
    require("reconstructions", trainer)
    at_least(1, rows=rows, samples=samples)
    truth, given = trainer.pairs(rows, seed=seed, data=unseen(trainer, data))
    ours = trainer.reconstruct(truth, given=given, ema=ema)
    drawn = trainer.sample(samples, seed=seed, ema=ema)
    near = drawn[np.array(nearest(truth, drawn))]
    found = beside(framed(sheet(truth, 1, trainer), GREEN), sheet(ours, 1, trainer))
    return beside(found, framed(sheet(near, 1, trainer), YELLOW))
