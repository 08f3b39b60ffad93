"""What a label does: the same noise, asked for every class."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.data.images import Picture
from gankit.figures.fitness import require
from gankit.figures.subjects import at_least
from gankit.figures.tiles import headed, sheet
from gankit.play.streams import Streams

MOST = 32
"""Classes that fit beside each other; of more, the first are shown."""


def classes(trainer: Any, *, rows: int = 10, seed: int = 0, ema: bool | None = None) -> Picture:
    """A column for each class, a row for each latent: G(z_row | column).

    Raises ConfigError for an unconditional game, and where examples are no images.
    """
    require("classes", trainer)
    at_least(1, rows=rows)
    config, columns = trainer.config, min(trainer.spec.num_classes, MOST)
    z = Streams(seed).first_latents("figures/classes", rows, config.latent_dim, config.prior)
    labels = np.tile(np.arange(columns, dtype=np.int32), rows)
    drawn = trainer.generate(z.repeat(columns, axis=0), labels, ema=ema)
    picture = sheet(trainer.spec.scaling.to_user(drawn), columns, trainer)
    return headed(picture, [str(label) for label in range(columns)])
