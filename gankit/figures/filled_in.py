"""What a G makes of pictures with a part hidden, beside the training image that would fill the gap and the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.data.images import Picture
from gankit.figures.answers import unseen
from gankit.figures.fitness import require
from gankit.figures.nearest import nearest
from gankit.figures.subjects import at_least, examples
from gankit.figures.tiles import GREEN, YELLOW, beside, framed, sheet
from gankit.play.completing import ports_of


def completions(
    trainer: Any, *, rows: int = 8, columns: int = 6, seed: int = 0, data: Any = None, ema: bool | None = None
) -> Picture:
    """A row for each picture: what is known of it, G's completions with different latents, in yellow the completion by
    the training image that is nearest where the picture is known, in green the truth.

    The pictures and masks are drawn by the seed, from the test split where the data has one. Nearest is least in L2
    over known pixels, among all training images.

    Raises ConfigError for a game without masks, DataError where the training images are out of reach.
    """
    require("completions", trainer)
    at_least(1, rows=rows, columns=columns)
    image, mask = ports_of(trainer) or ("", "")
    training = np.asarray(examples(trainer, data).x)
    truth, given = trainer.pairs(rows, seed=seed, data=unseen(trainer, data))
    repeated = {name: values.repeat(columns, axis=0) for name, values in given.items()}
    answers = trainer.sample(rows * columns, given=repeated, seed=seed, ema=ema)
    known = given[mask] > 0.5
    copies = np.empty_like(truth)
    for i, (x, visible) in enumerate(zip(truth, known, strict=True)):
        copy = training[nearest((x * visible)[None], training * visible)[0]]
        copies[i] = np.where(visible, x, copy)
    picture = beside(sheet(given[image], 1, trainer), sheet(answers, columns, trainer))
    picture = beside(picture, framed(sheet(copies, 1, trainer), YELLOW))
    return beside(picture, framed(sheet(truth, 1, trainer), GREEN))
