"""A folder of pictures becomes one array: every picture, upright, in order, under its right label, or an error."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gankit.arrays import Array
from gankit.data import folder, open_data
from gankit.data.sources import can_reopen, data_name
from gankit.errors import DataError, UnknownNameError
from gankit.plug import registry

RNG = np.random.default_rng(0)


def picture(height: int = 6, width: int = 8, channels: int = 3) -> Array:
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


def write(path: Path, pixels: Array, **settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels).save(path, **settings)
    return path


def test_pictures_come_in_the_order_of_their_names_and_pixel_for_pixel(tmp_path: Path) -> None:
    pictures = {name: picture() for name in ("b.png", "a.bmp", "C.PNG", "10.ppm", "9.tif")}
    for name, pixels in pictures.items():
        write(tmp_path / name, pixels)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves beside a file")
    data = open_data(tmp_path)
    assert data.x.dtype == np.uint8 and data.value_range == (0, 255) and data.labels is None
    np.testing.assert_array_equal(data.x, [pictures[name] for name in sorted(pictures)])


def test_class_folders_are_labels_in_the_order_of_their_names(tmp_path: Path) -> None:
    pictures = {name: picture() for name in ("dog/1.png", "cat/2.png", "cat/1.png", "Bird/1.png")}
    for name, pixels in pictures.items():
        write(tmp_path / name, pixels)
    data = open_data(str(tmp_path))
    assert data.num_classes == 3 and data.labels is not None and data.labels.dtype == np.int64
    assert data.labels.tolist() == [0, 1, 1, 2]
    np.testing.assert_array_equal(data.x, [pictures[n] for n in ("Bird/1.png", "cat/1.png", "cat/2.png", "dog/1.png")])


def test_grey_folders_have_one_channel_and_one_coloured_picture_makes_three(tmp_path: Path) -> None:
    grey = picture(channels=1)
    write(tmp_path / "a.png", grey)
    write(tmp_path / "b.pgm", grey)
    np.testing.assert_array_equal(open_data(tmp_path).x, [grey, grey])
    write(tmp_path / "c.png", picture())
    data = open_data(tmp_path)
    np.testing.assert_array_equal(data.x[0], np.repeat(grey, 3, axis=-1))
    assert folder(tmp_path, channels=1).shape == (6, 8, 1)


def test_16_bit_grey_is_brought_to_8_bits_not_clipped(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    write(tmp_path / "a.png", levels)
    np.testing.assert_array_equal(open_data(tmp_path).x[0, ..., 0], np.arange(256).reshape(16, 16))
    write(tmp_path / "a.png", levels)
    Image.fromarray(levels.astype(np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(DataError, match=r"b\.tif has 32-bit pixels"):
        folder(tmp_path, channels=1)


def test_what_is_transparent_is_white_whatever_colour_hides_below(tmp_path: Path) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = (255, 0, 0, 255)
    rgba[3] = (0, 0, 0, 128)
    write(tmp_path / "a.png", rgba)
    np.testing.assert_array_equal(open_data(tmp_path).x[0, :, 0], [[255, 0, 0], [255, 0, 0], [255] * 3, [127] * 3])
    palette = Image.fromarray(np.zeros((4, 4), np.uint8)).convert("P")
    palette.save(tmp_path / "a.png", transparency=0)
    assert (open_data(tmp_path).x == 255).all()


def test_photos_are_turned_upright_before_their_sizes_are_compared(tmp_path: Path) -> None:
    pixels = picture(6, 8)
    write(tmp_path / "a.png", pixels)
    sideways = Image.Exif()
    sideways[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    write(tmp_path / "b.png", np.rot90(pixels), exif=sideways)
    np.testing.assert_array_equal(open_data(tmp_path).x, [pixels, pixels])


def test_sizes_that_differ_name_two_files_and_what_to_type(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture(6, 8))
    write(tmp_path / "b.png", picture(8, 6))
    with pytest.raises(DataError) as raised:
        open_data(tmp_path)
    for part in ("a.png is 6x8", "b.png is 8x6", f"gankit.data.folder({str(tmp_path)!r}, size=6)", f"'{tmp_path}@6'"):
        assert part in str(raised.value)
    assert open_data(f"{tmp_path}@6").x.shape == (2, 6, 6, 3)


def test_the_centre_is_kept_and_averaged_not_squeezed_or_sampled(tmp_path: Path) -> None:
    wide = np.zeros((32, 96, 1), np.uint8)
    wide[:, 32:64] = 200  # the centred square
    wide[1::2, 32:64] = 100
    write(tmp_path / "a.png", wide)
    x = folder(tmp_path, size=8).x[0].astype(int)
    assert x.shape == (8, 8, 1) and np.abs(x[1:-1, 1:-1] - 150).max() <= 3


def test_a_size_that_pictures_have_already_changes_no_pixel(tmp_path: Path) -> None:
    pixels = picture(6, 8)
    write(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(folder(tmp_path, size=(6, 8)).x[0], pixels)


@pytest.mark.parametrize(
    ("suffix", "shape"),
    [("@5", (5, 5, 3)), ("@4x7", (4, 7, 3)), ("@4x7x1", (4, 7, 1)), ("", (6, 8, 3)), ("/", (6, 8, 3))],
)
@pytest.mark.parametrize("typed", ["faces", "./faces", "with@sign"])
def test_the_text_of_a_config_opens_the_folder_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, shape: tuple[int, ...], typed: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(typed) / "a.png", picture())
    assert open_data(typed + suffix).shape == shape
    assert can_reopen(data_name(typed + suffix)) and data_name(typed + suffix) == typed + suffix


@pytest.mark.parametrize("settings", [{}, {"size": 4}, {"channels": 1}, {"size": (4, 7), "channels": 3}], ids=str)
def test_a_dataset_s_name_opens_the_same_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """It is all that a run folder keeps of the data; `digits` is also the name of a data set."""
    monkeypatch.chdir(tmp_path)
    write(Path("digits/a.png"), picture())
    data = folder("digits", **settings)
    assert can_reopen(data_name(data))
    np.testing.assert_array_equal(open_data(data_name(data)).x, data.x)
    np.testing.assert_array_equal(open_data(data_name(Path("digits"))).x, folder("digits").x)


def test_a_data_set_s_name_goes_before_a_folder_and_unknown_names_are_still_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("digits/a.png"), picture())
    assert "digits" in registry.names("data") and len(open_data("digits")) == 1297
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        open_data("digit")
    with pytest.raises(DataError, match="does not exist"):
        open_data("nowhere@64")


def test_a_folder_literally_called_so_comes_before_a_size(tmp_path: Path) -> None:
    write(tmp_path / "faces" / "a.png", picture(6, 8))
    write(tmp_path / "faces@4" / "a.png", picture(5, 5))
    assert open_data(f"{tmp_path}/faces@4").shape == (5, 5, 3)
    assert open_data(f"{tmp_path}/faces@4@3").shape == (3, 3, 3)


def test_images_beside_class_folders_are_refused_rather_than_lost(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture())
    write(tmp_path / "cat" / "b.png", picture())
    with pytest.raises(DataError, match=r"both images, such as a\.png, and folders of images, such as cat"):
        open_data(tmp_path)
    (tmp_path / "cat" / "b.png").unlink()
    assert len(open_data(tmp_path)) == 1  # a folder of other things is none of classes


def test_an_empty_class_and_images_too_deep_are_refused_rather_than_lost(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "a.png", picture())
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match=r"dog has no images, so its class would be empty"):
        open_data(tmp_path)
    write(tmp_path / "dog" / "a.png", picture())
    write(tmp_path / "dog" / "puppies" / "b.png", picture())
    with pytest.raises(DataError, match=r"puppies is too deep"):
        open_data(tmp_path)


def test_a_folder_without_images_says_what_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"have no images.*\.png, \.jpg"):
        open_data(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        folder(tmp_path / "notes.txt")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif", "a.bmp", "a.tif", "a.ppm"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    path = write(tmp_path / name, picture(64, 64))
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "garbage": b"#!/bin/sh\nexit 1\n" * 9, "empty": b""}[damage])
    write(tmp_path / "0.png", picture(64, 64))
    with pytest.raises(DataError, match=rf"{name} cannot be read as an image"):
        open_data(tmp_path)


def test_formats_that_run_programs_are_not_opened_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(DataError, match=r"a\.png cannot be read"):
        open_data(tmp_path)


@pytest.mark.parametrize("side", [10_000, 60_000], ids=["warning", "error"])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side: int) -> None:
    bodies = (b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(bytes(1000)))
    chunks = [struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) for body in bodies]
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with pytest.raises(DataError, match=r"bomb\.png: Image size .*MAX_IMAGE_PIXELS"):
        open_data(tmp_path)


def test_only_the_first_frame_of_an_animation_is_an_example(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4), level, np.uint8)) for level in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    data = folder(tmp_path, channels=1)
    assert len(data) == 1 and (data.x == 10).all()


@pytest.mark.parametrize(
    "settings", [{"size": 0}, {"size": -4}, {"size": 4.0}, {"size": (1, 2, 3)}, {"channels": 4}], ids=str
)
def test_impossible_settings_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    write(tmp_path / "a.png", picture())
    with pytest.raises(DataError, match=next(iter(settings))):
        folder(tmp_path, **settings)


@pytest.mark.parametrize("suffix", ["@0", "@4x0", "@4x4x2"])
def test_impossible_sizes_in_text_are_refused(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / "a.png", picture())
    with pytest.raises(DataError, match=r"size=|channels="):
        open_data(f"{tmp_path}{suffix}")


def test_a_folder_has_no_test_split(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture())
    with pytest.raises(DataError, match="no split 'test'"):
        open_data(tmp_path, split="test")


def test_images_that_do_not_fit_into_memory_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.png", picture())

    def full(*arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("gankit.data.decoding.np.empty", full)
    with pytest.raises(DataError, match=r"open_memmap"):
        open_data(tmp_path)
