"""One picture: opened with Pillow, made plain (upright, opaque, 8 bits), brought to a size."""

from __future__ import annotations

import io
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gankit.data.broken import UnreadableError
from gankit.errors import DataError

if TYPE_CHECKING:
    from typing import Any

    from PIL.Image import Image

    Array = np.ndarray[Any, Any]

T = TypeVar("T")
Encoded = Path | bytes
"""A file, or what came out of an archive."""

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "PPM", "TIFF")
"""What Pillow may take a file for, whatever its name: no format here runs a program, as EPS does."""
GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
GREY = ("1", "L", "LA", "La", "I", *GREY_16)
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
FINER = 4
"""How many times as fine as the result a JPEG is decoded at least: of photos this saves most of the work, and Lanczos
still sees every detail that a picture of the asked size can show."""


@dataclass(frozen=True)
class Form:
    """What pictures are made into.

    size: (height, width); None for their own. channels: 1 (grey, ITU-R 601 luma) or 3 (RGB).
    pad: show all of a picture, on white, rather than cut out its centre.
    """

    size: tuple[int, int] | None
    channels: int
    pad: bool = False

    def pixels(self, encoded: Encoded, name: str) -> Array:
        """One picture, (height, width, channels) uint8. Raises DataError, with that name."""

        def read(image: Image) -> Array:
            if self.size is not None and image.format == "JPEG":
                side = FINER * max(self.size)
                image.draft(None, (side, side))
            made = _fitted(_plain(image, self.channels, name), self.size, self.pad)
            return np.array(made, np.uint8).reshape(made.height, made.width, self.channels)

        return opened(encoded, name, read)


def is_grey(encoded: Encoded, name: str) -> bool:
    """Whether a picture has no colours, by its header."""
    return opened(encoded, name, lambda image: image.mode in GREY)


def opened(encoded: Encoded, name: str, f: Callable[[Image], T]) -> T:
    """f(image). Raises DataError, with that name, whatever Pillow finds wrong with it."""
    from PIL import Image  # here, because only pictures need it

    try:
        if isinstance(encoded, Path) and not stat.S_ISREG(encoded.stat().st_mode):  # a pipe would be waited for
            raise OSError("it is no file")
        source = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
        with Image.open(source, formats=FORMATS) as image:
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and image.width * image.height > most:  # Pillow itself only warns up to twice as many
                raise Image.DecompressionBombError(f"it has {image.width:,} x {image.height:,} pixels.")
            return f(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableError(
            f"{name}: {error} Remove it. If you trust it, set PIL.Image.MAX_IMAGE_PIXELS above its number of pixels."
        ) from error
    except Exception as error:  # a damaged file makes decoders raise anything: OSError, SyntaxError, struct.error, ...
        raise UnreadableError(
            f"{name} cannot be read as an image ({type(error).__name__}: {error}). Replace or remove it."
        ) from error


def size_text(image: Array) -> str:
    """`48x64`, height first."""
    return f"{image.shape[0]}x{image.shape[1]}"


def _plain(image: Image, channels: int, name: str) -> Image:
    """Upright, opaque, 8 bits: mode L or RGB."""
    from PIL import Image as pillow
    from PIL import ImageOps

    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):  # there, I is 16-bit grey
        raise DataError(f"{name} has 32-bit pixels, so the values of black and white are unknown. Save it with 8 bits.")
    mode = "L" if channels == 1 else "RGB"
    ImageOps.exif_transpose(
        image, in_place=True
    )  # in place, as both this and `convert` would copy what is right already
    if image.mode in ("I", *GREY_16):
        levels = np.asarray(image).astype(np.float64) / 257  # 65535 / 255; Pillow would clip or cut off instead
        return pillow.fromarray(np.rint(levels).astype(np.uint8)).convert(mode)
    if image.mode in TRANSPARENT or "transparency" in image.info:
        opaque = pillow.new("RGBA", image.size, "white")
        opaque.alpha_composite((image.convert("LA") if image.mode == "La" else image).convert("RGBA"))
        return opaque.convert(mode)
    return image if image.mode == mode else image.convert(mode)


def _fitted(image: Image, size: tuple[int, int] | None, pad: bool) -> Image:
    from PIL import Image as pillow
    from PIL import ImageOps

    if size is None:
        return image
    lanczos, wide = pillow.Resampling.LANCZOS, (size[1], size[0])
    return ImageOps.pad(image, wide, lanczos, color="white") if pad else ImageOps.fit(image, wide, lanczos)
