"""A trainer whose G and D are formulas, so that what a figure shows can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import Config
from gankit.data.dataset import Dataset, Scaling
from gankit.data.spec import DataSpec
from gankit.play.streams import Streams

PLAIN = Scaling(np.zeros(()), np.ones(()))


class StandIn:
    """G is `g(z, labels)` in model units and D's logits are `d(x)`; asked is what G was last asked for."""

    def __init__(
        self,
        g: Callable[..., Array],
        d: Callable[[Array], Array],
        dataset: Dataset,
        scaling: Scaling = PLAIN,
        **settings: Any,
    ) -> None:
        self.config = Config().with_settings({"latent_dim": 4, **settings})
        classes = dataset.num_classes if self.config.conditional else None
        self.data, self.spec = dataset, DataSpec(dataset.shape, classes, scaling)
        self.backend = SimpleNamespace(name="none", device="none")
        self._g, self._d, self.steps_done = g, d, 10
        self.asked: tuple[Array, Array | None] | None = None

    def generate(self, z: Array, labels: Array | None = None, *, given: Any = None, ema: bool | None = None) -> Array:
        labels = labels if given is None else given.get("label")
        self.asked = (z, labels)
        return self._g(z, labels)

    def sample(self, n: int, *, labels: Any = None, seed: int = 0, ema: bool | None = None) -> Array:
        z = Streams(seed).first_latents("sample", n, self.config.latent_dim, self.config.prior)
        return self.spec.scaling.to_user(self.generate(z, labels, ema=ema))

    def score(self, x: Array, labels: Any = None) -> Array:
        assert x.shape[1:] == self.spec.shape
        return self._d(x)

    def from_the_start(self, data: Any = None) -> StandIn:
        fresh = StandIn(self._g, self._d, self.data)
        fresh.config, fresh.spec, fresh.steps_done = self.config, self.spec, 0
        return fresh

    def fit(self, *, steps: int) -> None:
        self.steps_done += steps


BYTES = Scaling(np.zeros(()), np.full((), 255.0), 0.0, 255.0, "uint8")


def images(**settings: Any) -> StandIn:
    """Grey 4 x 4 images: each pixel a share of the latent's first four coordinates, brighter for a later class."""

    def g(z: Array, labels: Array | None) -> Array:
        base = np.repeat(0.5 + 0.1 * np.tanh(z[:, :4]), 4, axis=1).reshape(-1, 4, 4, 1)
        return base if labels is None else base + 0.1 * np.asarray(labels).reshape(-1, 1, 1, 1)

    x = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    data = Dataset(x, np.arange(50) % 3, 3, (0, 255), "noise")
    return StandIn(g, lambda x: np.zeros(len(x)), data, BYTES, **settings)


def points(d: Callable[[Array], Array], shape: int = 2, **settings: Any) -> StandIn:
    """G(z) is z itself on the line or in the plane."""
    x = np.random.default_rng(0).normal(size=(500, shape))
    data = Dataset(x, np.arange(500) % 3, 3, name="cloud")
    return StandIn(lambda z, labels: z[:, :shape], d, data, **settings)
