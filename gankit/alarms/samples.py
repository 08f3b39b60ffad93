"""A few samples of G, the same latents at every look, and how varied they are beside as many real examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.alarms.variety import Variety
from gankit.arrays import Array
from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.play.asking import asked
from gankit.play.streams import Streams

EXAMPLES = 128
"""Real ones and samples that are compared: enough for a median, few enough for distances between all of them."""
SEED = 0
"""Of the latents and of the choice of real examples, whatever the game's own seed."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What a look at samples needs, made once for a game and its data: a look comes twice in the time of 400 steps.

    latents: (n, latent_dim). conditions: keywords of `generate`: every class in turn, or those of n examples.
    """

    data: Dataset
    config: Config
    variety: Variety
    latents: Array
    conditions: Mapping[str, Any]

    @classmethod
    def of(cls, trainer: Any, data: Dataset) -> Samples:
        """For a game on two real examples or more."""
        config, streams, n = trainer.config, Streams(SEED), min(EXAMPLES, len(data))
        chosen = np.sort(streams.generator("alarms").permutation(len(data))[:n])
        labels = np.arange(n, dtype=np.int32) % trainer.spec.num_classes if config.conditional else None
        latents = streams.first_latents("sample", n, config.latent_dim, config.prior)
        variety = Variety(trainer.spec.scaling.to_model(data.x[chosen], np.float64))
        return cls(data, config, variety, latents, asked(trainer, n, labels, seed=SEED, data=data))

    def suit(self, trainer: Any, data: Dataset) -> bool:
        """Whether they were made for this game."""
        return self.data is data and self.config is trainer.config

    def drawn(self, trainer: Any, ema: bool = False) -> Array:
        """(n, *shape) in model units, from G itself or from its moving average."""
        return np.asarray(trainer.generate(self.latents, ema=ema, piece=len(self.latents), **self.conditions))
