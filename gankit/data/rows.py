"""From the bytes of pictures to a row of a store, and which bytes these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.broken import UnreadableError
from gankit.data.listing import Listing
from gankit.data.picture import Encoded, Form, size_text
from gankit.errors import DataError

Shape = tuple[int, int, int]
Found = Array | UnreadableError
Portion = list[tuple[int, list[str], list[Encoded]] | tuple[int, UnreadableError]]
"""Rows, each with the names and the bytes of its pictures, or with what is wrong with the archive there."""


@dataclass(frozen=True)
class RowOf:
    """Pictures that belong together as one row of bytes; may be sent to another process.

    forms: of each. shapes: of the parts. halved: whether each picture is two, side by side.
    where, first: for messages: the source, and the picture that told the shape.
    """

    forms: tuple[Form, ...]
    shapes: tuple[Shape, ...]
    halved: bool
    where: str
    first: str

    def __call__(self, names: Sequence[str], encoded: Sequence[Encoded]) -> Found:
        """(width,) uint8, or which picture cannot be read. Raises DataError for one of another size."""
        parts: list[Array] = []
        try:
            for name, form, each in zip(names, self.forms, encoded, strict=True):
                parts += self._parts(form.pixels(each, name))
        except UnreadableError as error:
            return error
        for part, shape in zip(parts, self.shapes, strict=True):
            if part.shape != shape:
                self._differs(names[0], part, shape)
        return np.concatenate([part.reshape(-1) for part in parts])

    def _parts(self, image: Array) -> list[Array]:
        if not self.halved:
            return [image]
        width = image.shape[1] // 2
        return [image[:, :width], image[:, width:]]

    def _differs(self, name: str, image: Array, shape: Shape) -> None:
        side = min(shape[:2])
        raise DataError(
            f"{self.first} is {shape[0]}x{shape[1]} and {name} is {size_text(image)} (height x width); all must have "
            f"the same size. Resize and crop them: gankit.data.folder({self.where!r}, size={side}), or the text "
            f"'{self.where}@{side}'."
        )


def portion(listings: Sequence[Listing], rows: Sequence[int]) -> Iterator[Any]:
    """What `Portion` holds, row by row, as it is read."""
    if len(listings) == 1:
        listing = listings[0]
        for row, encoded in listing.read(rows):
            failed = isinstance(encoded, UnreadableError)
            yield (row, encoded) if failed else (row, [listing.told(row)], [encoded])
        return
    both = [dict(listing.read(rows)) for listing in listings]
    for row in rows:
        found = [each[row] for each in both]
        broken = next((each for each in found if isinstance(each, UnreadableError)), None)
        yield (row, broken) if broken else (row, [listing.told(row) for listing in listings], found)
