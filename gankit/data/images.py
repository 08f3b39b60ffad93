"""Pictures of samples: images in a grid, points in a plane, written as PNG files."""

from __future__ import annotations

import io
import math
import os
import uuid
from pathlib import Path
from typing import IO, Any

import numpy as np

from gankit.arrays import Array
from gankit.errors import DataError, GankitError, ShapeError

CELL = 32
"""Images smaller than this are enlarged until they can be seen."""

GAP = 2
"""Pixels between cells."""

GAP_GREY = 128  # told apart from both black and white images

WHITE, FRAME, REFERENCE, POINT = (255, 255, 255), (160, 160, 160), (200, 200, 200), (31, 119, 180)


class Picture(np.ndarray[Any, Any]):
    """(height, width, 1 or 3) uint8: a NumPy array that a notebook shows as a picture.

    Slices and results of computations are Pictures too. If their shape is not that of a picture, they show as numbers.
    """

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as PNG, whole or not at all, and return the path."""
        return save_png(path, self)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows; None leaves it with the numbers."""
        return png(self) if _is_finished(self) else None


def grid(
    images: Any,
    columns: int | None = None,
    scale: int | None = None,
    *,
    value_range: tuple[float, float] | None = None,
) -> Picture:
    """Arrange images in a grid, row by row: one picture (height, width, C) of uint8, which a notebook shows.

    images: (n, H, W, C) with C 1 or 3, uint8 or float, such as `trainer.sample(64)`.
    columns: by default as many as make the picture nearly square.
    scale: how many pixels each pixel becomes, per side; by default enough to fill `CELL`.
    value_range: the values of black and white. The default is (0, 255) for uint8 and (0, 1) for float. Values outside
        are clipped, and NaN is black.

    Raises ShapeError for arrays of another shape, DataError for settings below 1 or an empty value range.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.size == 0:
        raise ShapeError(
            f"A grid needs images of shape (n, H, W, 1) or (n, H, W, 3), got {images.shape}. "
            "For grey images without a channel, pass images[..., None]. For points in the plane, use scatter."
        )
    n, height, width, channels = images.shape
    scale = math.ceil(CELL / max(height, width)) if scale is None else scale
    columns = min(n, math.ceil(math.sqrt(n * height / width))) if columns is None else columns
    if scale < 1 or columns < 1:
        raise DataError(f"A grid needs columns and scale of at least 1, got columns={columns}, scale={scale}.")
    cells = _to_uint8(images, value_range).repeat(scale, axis=1).repeat(scale, axis=2)
    row_step, column_step = height * scale + GAP, width * scale + GAP
    shape = (math.ceil(n / columns) * row_step - GAP, columns * column_step - GAP, channels)
    picture = np.full(shape, GAP_GREY, np.uint8)
    for index, cell in enumerate(cells):
        top, left = index // columns * row_step, index % columns * column_step
        picture[top : top + height * scale, left : left + width * scale] = cell
    return picture.view(Picture)


def scatter(
    points: Array,
    *,
    limits: tuple[float, float, float, float],
    reference: Array | None = None,
    size: int = 512,
) -> Picture:
    """Points of a plane in a picture (size, size, 3) of uint8: `points` in blue above `reference` in grey.

    points, reference: (n, 2) numbers; x runs to the right, y upwards.
    limits: (left, right, bottom, top), the same for every picture that is to be compared. Points outside, or not
        finite, are not drawn.

    Raises ShapeError for arrays that are not (n, 2), DataError for empty limits.
    """
    left, right, bottom, top = limits
    if not (left < right and bottom < top):
        raise DataError(f"limits are (left, right, bottom, top), each pair increasing; got {limits}.")
    picture = np.full((size, size, 3), WHITE, np.uint8)
    for layer, colour in ((reference, REFERENCE), (points, POINT)):
        if layer is not None:
            _dots(picture, layer, limits, colour)
    picture[[0, -1]] = FRAME
    picture[:, [0, -1]] = FRAME
    return picture.view(Picture)


def save_png(
    path: str | os.PathLike[str],
    images: Array,
    columns: int | None = None,
    scale: int | None = None,
    *,
    value_range: tuple[float, float] | None = None,
) -> Path:
    """Write `grid(images, ...)`, or a finished picture (height, width, 1 or 3) of uint8 as it is; return the path.

    The file appears whole or not at all, and equal pictures give equal bytes. Missing folders are made.
    Raises what `grid` raises; GankitError when Pillow is not installed; OSError when the disk refuses.
    """
    picture = images if _is_finished(images) else grid(images, columns, scale, value_range=value_range)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        _write(aside, picture)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def png(picture: Array) -> bytes:
    """A finished picture (height, width, 1 or 3) of uint8 as the bytes of a PNG file."""
    file = io.BytesIO()
    _write(file, picture)
    return file.getvalue()


def _is_finished(picture: Array) -> bool:
    shaped = picture.ndim == 3 and picture.shape[-1] in (1, 3) and picture.size > 0
    return shaped and picture.dtype == np.uint8


def _write(file: Path | IO[bytes], picture: Array) -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise GankitError(f"Writing pictures needs Pillow ({error}). Run `pip install pillow`.") from error
    squeezed = picture[..., 0] if picture.shape[-1] == 1 else picture
    # Pillow stores no time of its own; the level is named so that another default cannot change the bytes.
    Image.fromarray(np.ascontiguousarray(squeezed)).save(file, format="PNG", compress_level=6)


def _to_uint8(images: Array, value_range: tuple[float, float] | None) -> Array:
    if images.dtype == np.uint8 and value_range in (None, (0, 255)):
        return images
    low, high = value_range or ((0, 255) if images.dtype == np.uint8 else (0, 1))
    if not low < high:
        raise DataError(f"value_range ({low}, {high}) is empty: give the value of black first, then that of white.")
    grey = (np.nan_to_num(images.astype(np.float64), nan=low) - low) / (high - low)
    return np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def _dots(
    picture: Array, points: Array, limits: tuple[float, float, float, float], colour: tuple[int, int, int]
) -> None:
    """Draw a dot of 3 x 3 pixels around each point, in place."""
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(f"A scatter picture needs points of shape (n, 2), got {points.shape}.")
    left, right, bottom, top = limits
    x, y = points.astype(np.float64).T
    inside = (left <= x) & (x <= right) & (bottom <= y) & (y <= top)  # false for NaN
    last = len(picture) - 1
    columns = np.rint((x[inside] - left) / (right - left) * last).astype(np.intp)
    rows = np.rint((top - y[inside]) / (top - bottom) * last).astype(np.intp)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            picture[np.clip(rows + down, 0, last), np.clip(columns + across, 0, last)] = colour
