"""The torch module that the guide to networks shows plays as it stands there."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import gankit


class Digits(nn.Module):
    """z, (N, 64), to images of 28 pixels, (N, 1, 28, 28), in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(64, 32 * 7 * 7), nn.Unflatten(1, (32, 7, 7)), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.outer = nn.ConvTranspose2d(32, 1, kernel_size=6, stride=4, padding=1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.outer(self.inner(z)))


def test_it_plays_against_a_discriminator_of_records_and_stays_a_module_of_torch():
    images = np.zeros((64, 28, 28, 1), np.uint8)
    gan = gankit.build(
        "torch",
        data=images,
        generator=gankit.Native(Digits(), output="unit"),
        discriminator={"name": "mlp", "hidden": [8]},
        latent_dim=64,
        batch_size=8,
    )
    terms = gan.fit(steps=2).step(images[:8])
    assert np.isfinite(list(terms.values())).all()
    assert gan.sample(3).shape == (3, 28, 28, 1)
    assert gan.sample(3).dtype == np.uint8
    assert isinstance(gan.generator.native, Digits)
