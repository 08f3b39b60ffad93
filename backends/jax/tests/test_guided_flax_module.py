"""The flax module beside the torch one that the guide to networks shows."""

from __future__ import annotations

import jax
import numpy as np
from flax import nnx

import gankit


class Digits(nnx.Module):
    """z, (N, 64), to images of 28 pixels, (N, 28, 28, 1), in [0, 1]."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.inner = nnx.Linear(64, 7 * 7 * 32, rngs=rngs)
        self.norm = nnx.BatchNorm(32, rngs=rngs)
        self.outer = nnx.ConvTranspose(32, 1, (6, 6), strides=(4, 4), rngs=rngs)

    def __call__(self, z: jax.Array) -> jax.Array:
        hidden = jax.nn.relu(self.norm(self.inner(z).reshape(-1, 7, 7, 32)))
        return jax.nn.sigmoid(self.outer(hidden))


def test_it_plays_against_a_discriminator_of_records_and_stays_a_module_of_flax():
    images = np.zeros((64, 28, 28, 1), np.uint8)
    gan = gankit.build(
        "jax",
        data=images,
        generator=gankit.Native(Digits(nnx.Rngs(0)), output="unit"),
        discriminator={"name": "mlp", "hidden": [8]},
        latent_dim=64,
        batch_size=8,
    )
    terms = gan.fit(steps=2).step(images[:8])
    assert np.isfinite(list(terms.values())).all()
    assert gan.sample(3).shape == (3, 28, 28, 1)
    assert gan.sample(3).dtype == np.uint8
    assert isinstance(gan.generator.native, Digits)
