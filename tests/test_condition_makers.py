"""Conditions that are computed from the example, beside Pillow."""

from __future__ import annotations

import array_api_strict
import numpy as np
from PIL import Image

from gankit.arrays import Array
from gankit.config import Part
from gankit.conformance.tiny import TinyOps
from gankit.networks.spec import GameSpec
from gankit.plug.making import make

BYTES = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3)).astype(np.uint8)


def made(name: str, **settings: object) -> Array:
    """What a maker makes of the pictures, as numbers from 0 to 255."""
    maker = make("conditions", Part(name, settings), GameSpec(BYTES.shape[1:], 4))
    found = maker.compute(TinyOps(array_api_strict), array_api_strict.asarray(BYTES.astype(np.float64)), None)
    return np.asarray(found["image"])


def test_grey_is_the_luma_of_pillow() -> None:
    want = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in BYTES])
    np.testing.assert_allclose(made("grey")[..., 0], want, atol=0.51)


def test_downsample_is_the_box_filter_of_pillow() -> None:
    """Pillow rounds twice, once for each axis."""
    want = np.stack([np.asarray(Image.fromarray(x).resize((3, 4), Image.Resampling.BOX)) for x in BYTES])
    np.testing.assert_allclose(made("downsample", factor=2), want, atol=1.01)
