"""Conditions that are computed from the example, beside Pillow and plain NumPy."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from PIL import Image

from gankit.arrays import Array
from gankit.config import Part
from gankit.conformance.tiny import TinyOps
from gankit.data.dataset import Dataset
from gankit.networks.spec import GameSpec
from gankit.plug.making import make

BYTES = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3)).astype(np.uint8)


def all_made(name: str, x: Array, noise: Array | None = None, **settings: object) -> dict[str, Array]:
    """What a maker makes of examples, by name."""
    xp = array_api_strict
    maker = make("conditions", Part(name, settings), GameSpec(x.shape[1:], 4))
    found = maker(TinyOps(xp), xp.asarray(x.astype(np.float64)), None if noise is None else xp.asarray(noise))
    return {own: np.asarray(c) for own, c in found.items()}


def made(name: str, **settings: object) -> Array:
    """What a maker makes of the pictures, as numbers from 0 to 255."""
    return all_made(name, BYTES, **settings)["image"]


def test_grey_is_the_luma_of_pillow() -> None:
    want = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in BYTES])
    np.testing.assert_allclose(made("grey")[..., 0], want, atol=0.51)


def test_downsample_is_the_box_filter_of_pillow() -> None:
    """Pillow rounds twice, once for each axis."""
    want = np.stack([np.asarray(Image.fromarray(x).resize((3, 4), Image.Resampling.BOX)) for x in BYTES])
    np.testing.assert_allclose(made("downsample", factor=2), want, atol=1.01)


@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_edges_are_sobel_s_in_each_pixel(strength: float) -> None:
    x = BYTES / 255.0
    framed = np.pad(x.mean(axis=3), ((0, 0), (1, 1), (1, 1)), mode="edge")
    sobel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 4
    want = np.zeros((*x.shape[:3], 1))
    for i, row, column in np.ndindex(x.shape[:3]):
        window = framed[i, row : row + 3, column : column + 3]
        want[i, row, column] = min(1.0, strength * np.hypot((window * sobel).sum(), (window * sobel.T).sum()))
    assert (want < 1).mean() > 0.1, "some are not clipped"
    np.testing.assert_allclose(all_made("edges", x, strength=strength)["image"], want, atol=1e-12)


@pytest.mark.parametrize(("side", "rows", "columns"), [(0, (0, 4), (0, 6)), (1, (4, 8), (0, 6)), (2, (0, 8), (0, 3))])
def test_a_half_is_hidden(side: int, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    """The rest is known, to the last bit. side: lower, upper, right."""
    noise = np.full((3, 4 + 48), 0.9)
    noise[:, 1] = side / 4 + 0.1
    found = all_made("mask", BYTES, noise, kind="half")
    want = np.zeros((3, 8, 6, 1))
    want[:, slice(*rows), slice(*columns)] = 1
    np.testing.assert_array_equal(found["mask"], want)
    np.testing.assert_array_equal(found["image"], BYTES * want)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_box_has_its_share_of_each_side_and_lies_anywhere(share: float) -> None:
    x = np.ones((400, 8, 8, 1))
    noise = np.random.default_rng(1).random((400, 4 + 64))
    hidden = 1 - all_made("mask", x, noise, kind="box", share=share)["mask"][..., 0]
    rows, columns = hidden.any(axis=2), hidden.any(axis=1)
    np.testing.assert_array_equal(hidden, rows[:, :, None] & columns[:, None, :])
    assert set(rows.sum(axis=1)) == set(columns.sum(axis=1)) == {8 * share}
    places = 8 - 8 * share + 1
    assert len(set(rows.argmax(axis=1))) == len(set(columns.argmax(axis=1))) == places


def test_pixels_are_hidden_with_their_probability_and_kinds_are_mixed() -> None:
    x = np.ones((600, 8, 8, 1))
    noise = np.random.default_rng(2).random((600, 4 + 64))
    pixels = all_made("mask", x, noise, kind="pixels", share=0.3)["mask"]
    assert pixels.mean() == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / pixels.size))
    mixed = all_made("mask", x, noise, kind="mixed", share=0.3)["mask"]
    each = [all_made("mask", x, noise, kind=kind, share=0.3)["mask"] for kind in ("half", "box", "pixels")]
    shares = [(mixed == own).all(axis=(1, 2, 3)).mean() for own in each]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.1) and sum(shares) == pytest.approx(1)


def test_columns_of_a_row_are_hidden_each_by_itself() -> None:
    x = np.random.default_rng(3).normal(size=(2_000, 5))
    noise = np.random.default_rng(4).random((2_000, 6))
    found = all_made("mask", x, noise, kind="columns", share=0.2)
    assert found["mask"].mean() == pytest.approx(0.8, abs=0.02)
    assert abs(np.corrcoef(found["mask"].T) - np.eye(5)).max() < 0.1
    np.testing.assert_array_equal(found["known"], x * found["mask"])
    mixed = all_made("mask", x, noise, kind="mixed")["mask"].mean(axis=1)
    assert mixed.mean() == pytest.approx(0.5, abs=0.03) and {0.0, 1.0} < set(mixed), "all and nothing occur"


def test_the_spectrum_is_that_of_the_fourier_transform() -> None:
    x = np.random.default_rng(5).normal(size=(3, 32, 1))
    want = 2 / 32 * np.abs(np.fft.rfft(x[..., 0], axis=1))[:, 1:9]
    np.testing.assert_allclose(all_made("spectrum", x)["spectrum"], want, rtol=1e-10)


def test_the_frames_before_the_last_one_are_the_condition() -> None:
    films = np.random.default_rng(6).integers(0, 256, (4, 8, 6, 5)).astype(np.uint8)
    maker = make("conditions", Part("previous", {"frames": 3}), GameSpec(films.shape[1:], 4))
    cut = maker.split(Dataset(films, None, None, (0, 255), "films"))
    np.testing.assert_array_equal(cut.x, films[..., 4:])
    np.testing.assert_array_equal(cut.given["image"], films[..., 1:4])
