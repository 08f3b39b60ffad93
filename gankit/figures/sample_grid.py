"""Samples beside the training images nearest to them. Goodfellow et al. 2014, figure 2."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.data.images import Picture
from gankit.figures.fitness import require
from gankit.figures.nearest import nearest
from gankit.figures.subjects import at_least, examples
from gankit.figures.tiles import YELLOW, beside, framed, sheet
from gankit.play.asking import asked
from gankit.play.streams import Streams


def samples(
    trainer: Any, *, rows: int = 8, columns: int = 9, seed: int = 0, data: Any = None, ema: bool | None = None
) -> Picture:
    """Fair random draws; in yellow, the training image nearest to the last sample of each row.

    Nothing is chosen: these are the first rows * columns samples of the seed, in a game with labels of classes drawn
    uniformly; where there are other conditions, of those of as many training examples. Nearest is least in L2 over
    pixels, among all training images and all classes.

    data: the training images, where the game cannot open them itself.
    ema: as in `Trainer.sample`.

    Raises ConfigError where examples are no images, DataError where the training images are out of reach.
    """
    require("samples", trainer)
    at_least(1, rows=rows, columns=columns)
    opened, n = examples(trainer, data), rows * columns
    real = opened.x
    labels = None
    if trainer.config.conditional:
        rng = Streams(seed).generator("figures/labels")
        labels = rng.integers(trainer.spec.num_classes, size=n, dtype=np.int32)
    drawn = trainer.sample(n, seed=seed, ema=ema, **asked(trainer, n, labels, seed=seed, data=opened))
    neighbours = real[nearest(drawn[columns - 1 :: columns], real)]
    return beside(sheet(drawn, columns, trainer), framed(sheet(neighbours, 1, trainer), YELLOW))
