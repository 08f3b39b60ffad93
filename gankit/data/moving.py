"""Films that are made on the fly: a handwritten digit that moves on a straight line and bounces off the walls."""

from __future__ import annotations

import numpy as np

from gankit.arrays import Array
from gankit.data import digits as still
from gankit.data.dataset import Dataset, check_split

SIDE, FRAMES = 16, 3
COUNT = {"train": 8_000, "test": 1_000}
FASTEST = 2
FOR_TRAINING = 1_500
"""Of the 1,797 digits; the films of "test" show the others."""


def digits(split: str = "train") -> Dataset:
    """Films (n, 16, 16, 3) uint8: three frames in grey, one a channel, of a digit of `digits`, and its class.

    It moves by -2 to 2 pixels a frame in each direction, and turns round where it would leave the picture. The same
    films in every process; those of "test" show other handwriting.
    """
    check_split("moving-digits", split, COUNT)
    source = still.whole().rows(slice(FOR_TRAINING) if split == "train" else slice(FOR_TRAINING, None))
    rng, n = np.random.default_rng([2014, *split.encode()]), COUNT[split]
    chosen = rng.integers(0, len(source), n)
    pictures, room = source.x[chosen, :, :, 0], SIDE - source.shape[0]
    start, speed = rng.integers(0, room + 1, (n, 2)), rng.integers(-FASTEST, FASTEST + 1, (n, 2))
    films = np.zeros((n, SIDE, SIDE, FRAMES), np.uint8)
    for frame in range(FRAMES):
        place = bounced(start + frame * speed, room)
        for film, picture, (row, column) in zip(films, pictures, place, strict=True):
            film[row : row + picture.shape[0], column : column + picture.shape[1], frame] = picture
    assert source.labels is not None
    return Dataset(films, source.labels[chosen], source.num_classes, (0, 255), "moving-digits")


def bounced(place: Array, room: int) -> Array:
    """Where a ball is that goes on through the walls at 0 and `room` in a mirrored world."""
    return np.asarray(room - np.abs(np.mod(place, 2 * room) - room))
