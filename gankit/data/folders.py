"""Folders of images: decoded with Pillow, one after the other, into one array."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gankit.data.broken import SKIP, Broken, UnreadableError
from gankit.data.dataset import Array, Dataset
from gankit.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".pbm", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "PPM", "TIFF")
"""What Pillow may take a file for, whatever its name: no format here runs a program, as EPS does."""

GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
GREY = ("1", "L", "LA", "La", "I", *GREY_16)
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")

SIZED = re.compile(r"(?P<path>.+)@(?P<height>\d{1,6})(x(?P<width>\d{1,6})(x(?P<channels>\d))?)?")


def folder(
    path: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    skip_broken: bool = False,
) -> Dataset:
    """The images of a folder: x (n, height, width, channels) uint8 in 0..255, in the order of the file names.

    path: a folder that holds the images itself (no labels), or folders of images, one a class: labels (n,) int64 count
        the classes from 0 in the order of their names. Files that are no images by their extension, and names that
        begin with a dot, are passed over.
    size: height and width, or one number for a square. The largest centred part of that proportion is cut out and
        resized with Pillow's Lanczos filter, which averages where it shrinks: for a square, the shorter side becomes
        `size`. By default images stay as they are, and must all be of one size.
    channels: 1 (grey, ITU-R 601 luma) or 3 (RGB); by default 1 where every image is grey, else 3.
    skip_broken: leave out the files that cannot be read; the data set names them as `skipped`.

    Pictures are first turned as their EXIF orientation says, transparency is laid over white, 16-bit grey becomes
    8-bit, and of an animation only the first frame counts.

    In text, such as `gankit train --data`, a config or `gankit.build(data=...)`, size and channels follow the path:
    `faces@64` is size=64, `faces@48x64` is height 48 and width 64, `faces@48x64x1` adds channels=1;
    `faces@64+skip-broken` is skip_broken=True.

    All images are held in memory, height * width * channels bytes each. Where that is too much, decode them into a
    `.npy` file made with `np.lib.format.open_memmap`, and pass that file, which stays on disk.

    Raises DataError, naming the file, for images that cannot be read or differ in size, and for folders that mix
    images with folders of images.
    """
    path, shape = Path(path), _height_and_width(size)
    explicit = size is not None or channels is not None
    if channels not in (None, 1, 3):
        raise DataError(
            f"{path}: channels={channels!r}; possible are 1 (grey) and 3 (RGB), or None for what they have."
        )
    files, labels, classes = _listed(path.expanduser())
    broken = Broken(path, skip_broken)
    if channels is None:
        grey = [broken.attempt(file, lambda file=file: _opened(file, _is_grey)) for file in files]  # type: ignore[misc]
        channels = 1 if all(each is not False for each in grey) else 3
    x, kept = _decoded(path, files, shape, channels, broken)
    # A name that opens the same examples again: it is all that a config keeps of them.
    name = unmistakable(path) + ("@" + "x".join(map(str, x.shape[1:])) if explicit else "") + SKIP * skip_broken
    labels = None if labels is None else labels[kept]
    skipped = tuple(f"{file.relative_to(path.expanduser())}: {why}" for file, why in broken.found.items())
    return Dataset(x=x, labels=labels, num_classes=classes, value_range=(0, 255), name=name, skipped=skipped)


def picture(file: Path, channels: int) -> Array:
    """One picture, (height, width, channels) uint8, as `folder` would read it."""

    def pixels(image: Image) -> Array:
        plain = _plain(image, channels, file)
        return np.asarray(plain).reshape(plain.height, plain.width, channels)

    return _opened(file, pixels)


def pairs(
    path: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    halves: bool = False,
) -> Dataset:
    """Pictures in pairs: the examples, and each one's condition as `given["image"]`.

    path: a folder that holds the folders A and B, with files of the same names: A's are the conditions, B's the
        examples. With halves, a folder of pictures twice as wide as high: the left half is the condition, the right one
        the example, as pix2pix's own data has them.
    size, channels: as in `folder`, of both.

    In text: `pairs:facades@64`, `halves:facades@64`. Raises DataError, naming the file, where names do not pair.
    """
    path = Path(path)
    if halves:
        return _halved(path, size, channels)
    sides = {side: path.expanduser() / side for side in "AB"}
    for side, own in sides.items():
        if not own.is_dir():
            raise DataError(
                f"{path} has no folder {side}. Expected {path}/A, the conditions, and {path}/B, the examples. For "
                f"pictures that hold both halves, write halves:{path}."
            )
    files = {side: [file.stem for file in _contents(own)[0]] for side, own in sides.items()}
    for side, other in ("AB", "BA"):
        alone = sorted(set(files[side]) - set(files[other]))
        if alone:
            raise DataError(
                f"{path}: {len(alone)} of the {len(files[side])} pictures in {side} have no partner of the same name "
                f"in {other}, such as {alone[0]}. Remove them, or name both alike."
            )
    a, b = (folder(own, size, channels) for own in sides.values())
    name = f"pairs:{path}{_told(size, channels)}"
    return Dataset(x=b.x, value_range=(0, 255), name=name, given={"image": a.x})


def _halved(path: Path, size: int | tuple[int, int] | None, channels: int | None) -> Dataset:
    shape = _height_and_width(size)
    whole = folder(path, None if shape is None else (shape[0], 2 * shape[1]), channels)
    width = whole.x.shape[2]
    if width % 2:
        raise DataError(
            f"{path}: pictures of {width} pixels do not fall into two halves. Give a size: halves:{path}@64."
        )
    left, right = whole.x[:, :, : width // 2], whole.x[:, :, width // 2 :]
    return Dataset(x=right, value_range=(0, 255), name=f"halves:{path}{_told(size, channels)}", given={"image": left})


def _told(size: int | tuple[int, int] | None, channels: int | None) -> str:
    """The size and channels that were asked for, as text behind a path."""
    shape = _height_and_width(size)
    if shape is None:
        return ""
    return f"@{shape[0]}x{shape[1]}" + ("" if channels is None else f"x{channels}")


def folder_by_text(text: str) -> Callable[[], Dataset] | None:
    """What opens `faces`, `faces@64` or `pairs:facades@64`; None where there is no such folder. A folder of that very
    name comes first."""
    for prefix, halves in (("pairs:", False), ("halves:", True)):
        if text.startswith(prefix) and not Path(text).expanduser().is_dir():
            sized = SIZED.fullmatch(rest := text.removeprefix(prefix))
            if sized is None or Path(rest).expanduser().is_dir():
                return partial(pairs, rest, halves=halves)
            return partial(pairs, sized["path"], *_asked(sized), halves=halves)
    if Path(text).expanduser().is_dir():
        return lambda: folder(text)
    skip, text = text.endswith(SKIP), text.removesuffix(SKIP)
    if skip and Path(text).expanduser().is_dir():
        return lambda: folder(text, skip_broken=True)
    found = SIZED.fullmatch(text)
    if found is None or not Path(found["path"]).expanduser().is_dir():
        return None
    size, channels = _asked(found)
    return lambda: folder(found["path"], size, channels, skip_broken=skip)


def _asked(found: re.Match[str]) -> tuple[tuple[int, int], int | None]:
    """(size, channels) of `@48x64x1`."""
    height = int(found["height"])
    return (height, int(found["width"] or height)), int(found["channels"]) if found["channels"] else None


def unmistakable(path: Path) -> str:
    """The path as text that cannot be taken for the name of a data set: `faces` is `./faces`."""
    text = os.fspath(path)
    return text if looks_like_path(text) else os.path.join(".", text)


def looks_like_path(text: str) -> bool:
    """Names of datasets have neither dots nor slashes, nor the @ of a size."""
    return any(mark in text for mark in (".", "/", "@", "~", ":", os.sep))


def _height_and_width(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = size if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2 or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in pair):
        raise DataError(f"size={size!r}: expected pixels, such as size=64, or height and width, such as size=(48, 64).")
    return int(pair[0]), int(pair[1])


# ---- which files


def _listed(path: Path) -> tuple[list[Path], Array | None, int | None]:
    """The image files, their labels and how many classes there are; the last two None for a plain folder."""
    if not path.is_dir():
        raise DataError(f"{path} is not a folder. Pass the folder that holds the images.")
    images, classes = _contents(path)
    by_class = [(each, *_contents(each)) for each in classes]
    if images:
        mixed = next((each for each, inside, _ in by_class if inside), None)
        if mixed is not None:
            raise DataError(
                f"{path} holds both images, such as {images[0].name}, and folders of images, such as {mixed.name}. "
                "Move the images into class folders, or the folders elsewhere."
            )
        return images, None, None
    _check_classes(path, by_class)
    labels = np.repeat(np.arange(len(by_class)), [len(inside) for _, inside, _ in by_class])
    return [file for _, inside, _ in by_class for file in inside], labels.astype(np.int64), len(by_class)


def _check_classes(path: Path, by_class: list[tuple[Path, list[Path], list[Path]]]) -> None:
    if not any(inside for _, inside, _ in by_class):
        raise DataError(
            f"{path} holds no images, nor do the folders in it. Expected files that end in {', '.join(EXTENSIONS)}."
        )
    for each, inside, deeper in by_class:
        if not inside:
            raise DataError(f"{each} holds no images, and would be a class of its own. Remove it, or fill it.")
        buried = next((further for further in deeper if _contents(further)[0]), None)
        if buried is not None:
            raise DataError(f"{buried} lies too deep: classes are the folders directly in {path}. Move its images.")


def _contents(path: Path) -> tuple[list[Path], list[Path]]:
    """(images, folders) of a folder, by name."""
    visible = sorted((each for each in path.iterdir() if not each.name.startswith(".")), key=lambda each: each.name)
    folders = [each for each in visible if each.is_dir()]
    return [each for each in visible if each.suffix.lower() in EXTENSIONS and each not in folders], folders


# ---- what is in them


def _decoded(
    path: Path, files: list[Path], shape: tuple[int, int] | None, channels: int, broken: Broken
) -> tuple[Array, list[int]]:
    """((n, height, width, channels) uint8, decoded image by image into one array; the places of those files)."""

    def pixels(file: Path) -> Array:
        image = _opened(file, lambda image: _fitted(_plain(image, channels, file), shape))
        return np.asarray(image).reshape(image.height, image.width, channels)

    x: Array | None = None
    first, kept = files[0], list[int]()
    for i, file in enumerate(files):
        image = broken.attempt(file, lambda file=file: pixels(file))  # type: ignore[misc]
        if image is None:
            continue
        if x is None:
            x, first = _room(path, (len(files) - i, *image.shape)), file
        if image.shape != x.shape[1:]:
            side = min(x.shape[1:3])
            raise DataError(
                f"{first} is {_size(x[0])} and {file} is {_size(image)} (height x width); all must be alike. "
                f"Resize and crop them: gankit.data.folder({str(path)!r}, size={side}), or the text '{path}@{side}'."
            )
        x[len(kept)] = image
        kept.append(i)
    broken.check()
    if x is None:
        why = next(iter(broken.found.values()))
        raise DataError(f"{path} holds {len(files):,} pictures, and none can be read: {why}")
    return x[: len(kept)], kept


def _room(path: Path, shape: tuple[int, ...]) -> Array:
    try:
        return np.empty(shape, np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: more bytes than any array can have
        raise DataError(
            f"{path}: {shape[0]:,} images of shape {shape[1:]} don't fit into memory. Choose a smaller size, or "
            "decode them into a .npy file (np.lib.format.open_memmap) and pass that; it stays on disk."
        ) from error


def _opened(file: Path, f: Callable[[Image], T]) -> T:
    """f(image). Raises DataError, naming the file, whatever Pillow finds wrong with it."""
    from PIL import Image  # here, because only pictures need it

    try:
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for
            raise OSError("it is no file")
        with Image.open(file, formats=FORMATS) as image:
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and image.width * image.height > most:  # Pillow itself only warns up to twice as many
                raise Image.DecompressionBombError(f"it has {image.width:,} x {image.height:,} pixels.")
            return f(image)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableError(
            f"{file}: {error} Remove it; or if you trust it, set PIL.Image.MAX_IMAGE_PIXELS to more pixels than it has."
        ) from error
    except Exception as error:  # a damaged file makes decoders raise anything: OSError, SyntaxError, struct.error, ...
        raise UnreadableError(
            f"{file} cannot be read as an image ({type(error).__name__}: {error}). Replace or remove it."
        ) from error


def _is_grey(image: Image) -> bool:
    return image.mode in GREY


def _plain(image: Image, channels: int, name: object) -> Image:
    """Upright, opaque, 8 bits: mode L or RGB."""
    from PIL import Image as pillow
    from PIL import ImageOps

    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):  # there, I is 16-bit grey
        raise DataError(f"{name} has pixels of 32 bits, whose black and white are unknown. Save it with 8 bits.")
    mode = "L" if channels == 1 else "RGB"
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", *GREY_16):
        levels = np.asarray(upright).astype(np.float64) / 257  # 65535 / 255; Pillow would clip or cut off instead
        return pillow.fromarray(np.rint(levels).astype(np.uint8)).convert(mode)
    if upright.mode in TRANSPARENT or "transparency" in upright.info:
        opaque = pillow.new("RGBA", upright.size, "white")
        opaque.alpha_composite((upright.convert("LA") if upright.mode == "La" else upright).convert("RGBA"))
        return opaque.convert(mode)
    return upright.convert(mode)


def _fitted(image: Image, shape: tuple[int, int] | None) -> Image:
    from PIL import Image as pillow
    from PIL import ImageOps

    if shape is None:
        return image
    return ImageOps.fit(image, (shape[1], shape[0]), method=pillow.Resampling.LANCZOS)


def _size(image: Array) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
