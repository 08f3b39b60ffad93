"""Frames of one scene over time."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gankit.arrays import Array
from gankit.checkpoint import write_atomically
from gankit.data.images import Picture, png
from gankit.errors import ConfigError

SECONDS, PAUSE = 0.2, 2.0
"""That a frame is shown, and that the last one stays."""


@dataclass(frozen=True, eq=False)
class Animation:
    """Pictures of equal size, after increasing numbers of steps, and one still picture that stands for all.

    A notebook shows it moving, and the still picture where it cannot.
    """

    steps: Sequence[int]
    frames: Sequence[Picture]
    still: Picture

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it whole or not at all, moving as .gif or the still picture as .png; return the path."""
        path = Path(path)
        if path.suffix not in (".gif", ".png"):
            raise ConfigError(f"{path}: an animation is written as .gif, and its still picture as .png.")
        write_atomically(path, self.gif() if path.suffix == ".gif" else png(self.still))
        return path

    def save_frames(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `step-000100.png` and its like, and remove those of another animation that lay there."""
        folder = Path(folder)
        paths = [folder / f"step-{step:06d}.png" for step in self.steps]
        for path, frame in zip(paths, self.frames, strict=True):
            write_atomically(path, png(frame))
        for old in set(folder.glob("step-*.png")) - set(paths):
            old.unlink(missing_ok=True)
        return paths

    def gif(self) -> bytes:
        """An endless GIF of the frames, all in one palette, so that nothing flickers."""
        from PIL import Image

        indices, colours = _in_one_palette(np.stack(self.frames))
        images = [Image.fromarray(frame) for frame in indices]
        for image in images:
            image.putpalette(colours.tobytes())
        first, *others = images
        durations = [round(1000 * SECONDS)] * len(others) + [round(1000 * PAUSE)]
        file = io.BytesIO()
        first.save(file, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return png(self.still)

    def _repr_html_(self) -> str:
        return f'<img alt="" src="data:image/gif;base64,{base64.b64encode(self.gif()).decode()}">'


def _in_one_palette(frames: Array) -> tuple[Array, Array]:
    """Indices of every pixel (frames, height, width) uint8, and the 256 commonest colours (n, 3) uint8.

    Rarer colours go to the nearest of them. Pillow's own palettes turn white into a light grey.
    """
    packed = frames.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    seen, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    all_colours = np.stack([seen >> 16, seen >> 8 & 255, seen & 255], axis=1).astype(np.int64)
    colours = all_colours[np.argsort(-counts, kind="stable")[:256]]
    nearest = [int(np.square(colours - colour).sum(axis=1).argmin()) for colour in all_colours]
    return np.array(nearest, np.uint8)[places].reshape(packed.shape), colours.astype(np.uint8)
