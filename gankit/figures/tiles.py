"""Grids of images put together to one picture: side by side, framed, headed by numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.images import GAP, WHITE, Picture, grid

Colour = tuple[int, int, int]

CELL = 64
"""Images smaller than this are enlarged: ten beside each other then fill a page."""
SPACE, LINE = 12, 6
"""Pixels between two grids, and of a frame."""
YELLOW: Colour = (255, 204, 0)
"""Of the nearest training images, as in the paper; seen on black and on white."""
GREEN: Colour = (60, 160, 60)
"""Of the truth, where there are copies beside it."""
INK: Colour = (60, 60, 60)
HEAD = 28
"""Pixels above a grid, for the numbers of its columns."""


def sheet(images: Array, columns: int, trainer: Any) -> Picture:
    """A grid of examples in the game's own units, in three channels."""
    scaling = trainer.spec.scaling
    bounded = scaling.low is not None and not scaling.is_integer
    scale = math.ceil(CELL / max(images.shape[1:3]))
    picture = grid(images, columns, scale, value_range=(scaling.low, scaling.high) if bounded else None)
    return np.broadcast_to(picture, (*picture.shape[:2], 3)).copy().view(Picture)


def framed(picture: Array, colour: Colour, line: int = LINE) -> Picture:
    """The picture with a line around it."""
    height, width, _ = picture.shape
    out = np.full((height + 2 * line, width + 2 * line, 3), colour, np.uint8)
    out[line : line + height, line : line + width] = picture
    return out.view(Picture)


def beside(left: Array, right: Array, space: int = SPACE) -> Picture:
    """Two pictures side by side on white, their middles at one height."""
    height = max(len(left), len(right))
    out = np.full((height, left.shape[1] + space + right.shape[1], 3), WHITE, np.uint8)
    for picture, start in ((left, 0), (right, left.shape[1] + space)):
        top = (height - len(picture)) // 2
        out[top : top + len(picture), start : start + picture.shape[1]] = picture
    return out.view(Picture)


def headed(picture: Array, titles: Sequence[str]) -> Picture:
    """A grid below the title of each of its columns, which are equally wide."""
    from PIL import Image, ImageDraw, ImageFont

    width = picture.shape[1]
    head = Image.new("RGB", (width, HEAD), WHITE)
    draw, font = ImageDraw.Draw(head), ImageFont.load_default(size=18)
    step = (width + GAP) / len(titles)
    for i, title in enumerate(titles):
        draw.text(((i + 0.5) * step - GAP / 2, HEAD / 2), title, fill=INK, font=font, anchor="mm")
    return np.concatenate([np.asarray(head), picture]).view(Picture)
