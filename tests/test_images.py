"""Pictures show each sample in its place, compare from frame to frame, and are written whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.data.images import GAP, GAP_GREY, grid, save_png, scatter
from gankit.errors import DataError, ShapeError

Image = pytest.importorskip("PIL.Image", reason="pictures are written with Pillow")

LIMITS = (-2.0, 2.0, -2.0, 2.0)


def flat_images(n: int, height: int = 8, width: int = 8, channels: int = 1) -> Array:
    """Image i is everywhere i + 1."""
    return np.ones((n, height, width, channels), np.uint8) * np.arange(1, n + 1, dtype=np.uint8)[:, None, None, None]


def test_images_stand_row_by_row_with_gaps_between_and_empty_cells_grey() -> None:
    picture = grid(flat_images(5, 40, 40), columns=3)
    step = 40 + GAP
    assert picture.shape == (2 * step - GAP, 3 * step - GAP, 1) and picture.dtype == np.uint8
    for index in range(5):
        top, left = index // 3 * step, index % 3 * step
        assert (picture[top : top + 40, left : left + 40] == index + 1).all()
    assert (picture[40:step] == GAP_GREY).all() and (picture[:, 40:step] == GAP_GREY).all()
    assert (picture[step:, 2 * step :] == GAP_GREY).all()


def test_small_images_are_enlarged_pixel_by_pixel_until_they_can_be_seen() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    picture = grid(image)
    assert picture.shape == (32, 32, 1)
    np.testing.assert_array_equal(picture, image[0].repeat(4, axis=0).repeat(4, axis=1))


@pytest.mark.parametrize(("n", "cells"), [(1, (1, 1)), (2, (1, 2)), (10, (3, 4)), (64, (8, 8))])
def test_the_default_picture_is_nearly_square(n: int, cells: tuple[int, int]) -> None:
    height, width, _ = grid(flat_images(n, 32, 32)).shape
    assert ((height + GAP) / (32 + GAP), (width + GAP) / (32 + GAP)) == cells


def test_wide_images_are_stacked_into_a_nearly_square_picture() -> None:
    height, width, _ = grid(flat_images(16, 32, 128)).shape
    assert 0.5 < height / width < 2


def test_floats_are_drawn_in_their_range_and_clipped_beyond_it() -> None:
    x = np.array([-9.0, -1.0, 0.0, 1.0, 9.0, np.nan]).reshape(6, 1, 1, 1)
    picture = grid(x, columns=6, scale=1, value_range=(-1, 1))
    assert picture[0, :: 1 + GAP, 0].tolist() == [0, 0, 128, 255, 255, 0]
    assert grid(np.full((1, 1, 1, 1), 0.2), scale=1).item() == 51


def test_few_grey_levels_can_be_stretched() -> None:
    assert grid(np.full((1, 1, 1, 1), 16, np.uint8), scale=1, value_range=(0, 16)).item() == 255


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 2), (4, 8, 8, 2), (0, 8, 8, 1)])
def test_arrays_that_are_not_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"\(n, H, W, 1\) or \(n, H, W, 3\)"):
        grid(np.zeros(shape))


@pytest.mark.parametrize("setting", [{"columns": 0}, {"scale": 0}])
def test_settings_below_one_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(DataError, match="at least 1"):
        grid(flat_images(4), **setting)  # type: ignore[arg-type]


def test_an_empty_value_range_is_refused() -> None:
    with pytest.raises(DataError, match="empty"):
        grid(flat_images(4), value_range=(1, 1))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_the_written_file_holds_the_grid(tmp_path: Path, channels: int, mode: str) -> None:
    images = flat_images(6, channels=channels)
    path = save_png(tmp_path / "new" / "samples.png", images)
    with Image.open(path) as picture:
        assert picture.mode == mode
        np.testing.assert_array_equal(np.asarray(picture).reshape(grid(images).shape), grid(images))


def test_a_finished_picture_is_written_as_it_is(tmp_path: Path) -> None:
    picture = scatter(np.zeros((1, 2)), limits=LIMITS, size=64)
    with Image.open(save_png(tmp_path / "scatter.png", picture)) as read:
        np.testing.assert_array_equal(np.asarray(read), picture)


def test_equal_pictures_are_equal_bytes(tmp_path: Path) -> None:
    first, second = (save_png(tmp_path / name, flat_images(9)) for name in ("a.png", "b.png"))
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_a_failed_write_leaves_the_old_picture_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_png(tmp_path / "samples.png", flat_images(4))
    before = path.read_bytes()

    def full_disk(self: object, file: Path, **settings: object) -> None:
        Path(file).write_bytes(b"half a pict")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_png(path, flat_images(5))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["samples.png"]


def test_scatter_draws_x_to_the_right_and_y_upwards() -> None:
    picture = scatter(np.array([[1.0, 1.0]]), limits=LIMITS, size=101)
    coloured = np.argwhere((picture != 255).any(axis=2) & (np.ptp(picture, axis=2) > 0))
    np.testing.assert_array_equal(coloured.mean(axis=0), [25, 75])  # (row, column): a quarter down, three across


def test_scatter_axes_do_not_move_with_the_points() -> None:
    one = scatter(np.array([[0.5, 0.5]]), limits=LIMITS)
    with_far = scatter(np.array([[0.5, 0.5], [1e9, 0.0], [np.nan, 0.0], [0.0, -np.inf]]), limits=LIMITS)
    np.testing.assert_array_equal(one, with_far)


def test_reference_points_are_grey_and_beneath() -> None:
    here, there = np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])
    picture = scatter(here, limits=LIMITS, reference=np.concatenate([here, there]), size=101)
    top, beside = picture[50, 50], picture[50, 75]
    assert np.ptp(top.astype(int)) > 0 and np.ptp(beside.astype(int)) == 0 and beside[0] < 255


@pytest.mark.parametrize("limits", [(1.0, -1.0, 0.0, 1.0), (0.0, 1.0, 2.0, 2.0)])
def test_empty_limits_are_refused(limits: tuple[float, float, float, float]) -> None:
    with pytest.raises(DataError, match="left, right, bottom, top"):
        scatter(np.zeros((1, 2)), limits=limits)


def test_points_of_another_dimension_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(n, 2\)"):
        scatter(np.zeros((5, 3)), limits=LIMITS)
