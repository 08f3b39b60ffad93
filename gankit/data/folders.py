"""Folders and archives of images as data sets, alone, several together, or in pairs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gankit.arrays import Array
from gankit.data.archives import KINDS, joined, of_archive, parquet_files
from gankit.data.asked import HALVES, PAIRS, Asked, asked, height_and_width
from gankit.data.dataset import Dataset
from gankit.data.decoding import Work, made
from gankit.data.listing import Listing, of_folder
from gankit.data.picture import Form
from gankit.errors import DataError

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def folder(
    path: Paths,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    pad: bool = False,
    flip: bool = False,
    skip_broken: bool = False,
    cache: bool = True,
    workers: int | None = None,
) -> Dataset:
    """The images of a folder: x (n, height, width, channels) uint8 in 0..255, in the order of the file names.

    path: a folder of images (no labels), or a folder with one folder of images per class. Then labels (n,) int64 number
        the classes from 0 in the order of their names. Files without an image extension, and names that begin with a
        dot, are ignored. A .zip or .tar of such a folder, and .parquet files as hubs ship them
        (`pip install 'gankit[parquet]'`), are read without unpacking. You can pass a list of several; classes with the
        same name then become one class.
    size: height and width, or one number for a square. The largest centred part with this aspect ratio is cut out and
        resized with Pillow's Lanczos filter, which averages when it shrinks: for a square, the shorter side becomes
        `size`. By default images keep their size, which must be the same for all.
    channels: 1 (grey, ITU-R 601 luma) or 3 (RGB). The default is 1 if every image is grey, otherwise 3.
    pad: show each whole image on white, instead of cutting out its centre.
    flip: add every image again, mirrored left to right, after the last one: twice as many examples.
    skip_broken: skip files that cannot be read. The data set lists them in `skipped`.
    cache: keep decoded images in the user's cache folder, if they take more than a few megabytes.
    workers: how many threads or processes decode images. The default is one for each core, up to 8. The examples are
        the same for any number.

    Images are first rotated by their EXIF orientation. Transparency is put on white, and 16-bit grey becomes 8-bit.
    Only the first frame of an animation is used.

    Up to 256 MB, in files and decoded, all images are decoded at once and held in memory. Above that, processes decode
    images while they are read, starting with those that are needed, and the result lies on disk. You can index x like
    an array, but it is not one (`np.asarray(x)` waits for all of it). A broken file raises an error when it is found.
    With skip_broken the next good image of its class replaces it, so the number of examples stays the same; smaller
    folders leave it out.

    In text, such as `gankit train --data`, a config or `gankit.build(data=...)`, these options follow the path:
    `faces@64` is size=64, `faces@48x64` is height 48 and width 64, `faces@48x64x1` adds channels=1; `+pad`, `+flip`,
    `+grey`, `+colour` and `+skip-broken` come after it, as in `faces@64+pad`; `cats,dogs@64` are two.

    Raises DataError, naming the file, for images that cannot be read or differ in size, and for folders that mix
    images with folders of images.
    """
    paths = tuple(os.fspath(each) for each in ([path] if isinstance(path, str | os.PathLike) else path))
    if channels not in (None, 1, 3):
        shown = ",".join(paths)
        raise DataError(
            f"{shown}: channels={channels!r}; possible are 1 (grey), 3 (RGB), or None to keep what the files have."
        )
    ask = Asked(paths, "", height_and_width(size), channels, pad, flip, skip_broken)
    listing = joined([each for one in paths for each in _listings(Path(one))])
    form = Form(ask.size, channels or 0, pad)
    found = made(Work(",".join(paths), (listing,), (form,), False, skip_broken, cache, workers), flip=flip)
    x, labels = found.parts[0], listing.labels
    explicit = size is not None or channels is not None
    return Dataset(
        x=x,
        labels=None if labels is None else labels[found.rows],
        num_classes=None if listing.classes is None else len(listing.classes),
        value_range=(0, 255),
        # A name that opens the same examples again: it is all that a config keeps of them.
        name=ask.name(x.shape[1:] if explicit else ()),
        skipped=found.skipped,
    )


def picture(file: Path, channels: int) -> Array:
    """One picture, (height, width, channels) uint8, as `folder` would read it."""
    return Form(None, channels).pixels(file, str(file))


def pairs(
    path: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    *,
    halves: bool = False,
    pad: bool = False,
    flip: bool = False,
    skip_broken: bool = False,
    cache: bool = True,
    workers: int | None = None,
) -> Dataset:
    """Pairs of images: the examples, and the condition of each as `given["image"]`.

    path: a folder with the folders A and B, whose files have the same names. A has the conditions, B the examples. With
        halves, a folder of images twice as wide as high: the left half is the condition and the right half the example,
        as in the data of pix2pix.
    size, channels and the rest: as in `folder`, for both. If one image of a pair cannot be read, the pair is broken.

    In text: `pairs:facades@64`, `halves:facades@64+skip-broken`. Raises DataError, naming the file, if a partner is
    missing.
    """
    path, shape = Path(path), height_and_width(size)
    if halves:
        listings: tuple[Listing, ...] = (joined(_listings(path)),)
        forms: tuple[Form, ...] = (Form(None if shape is None else (shape[0], 2 * shape[1]), channels or 0, pad),)
    else:
        listings = _paired(path)
        forms = (Form(shape, channels or 0, pad),) * 2
    ask = Asked((os.fspath(path),), HALVES if halves else PAIRS, shape, channels, pad, flip, skip_broken)
    where = os.fspath(path) if halves else f"{PAIRS}{path}"
    condition, x = (found := made(Work(where, listings, forms, halves, skip_broken, cache, workers), flip=flip)).parts
    return Dataset(x=x, value_range=(0, 255), name=ask.name(), given={"image": condition}, skipped=found.skipped)


def _paired(path: Path) -> tuple[Listing, ...]:
    """The listings of A and B, row for row."""
    sides = {side: path.expanduser() / side for side in "AB"}
    for side, own in sides.items():
        if not own.is_dir():
            raise DataError(
                f"{path} has no folder {side}. Expected {path}/A, the conditions, and {path}/B, the examples. For "
                f"images that contain both halves, write halves:{path}."
            )
    listings = {side: of_folder(own, os.fspath(own)) for side, own in sides.items()}
    files = {side: [Path(name).stem for name in own.names] for side, own in listings.items()}
    for side, other in ("AB", "BA"):
        alone = sorted(set(files[side]) - set(files[other]))
        if alone:
            raise DataError(
                f"{path}: {len(alone)} of the {len(files[side])} images in {side} have no partner of the same name "
                f"in {other}, such as {alone[0]}. Remove them, or give both the same name."
            )
    return tuple(listings.values())


def _listings(path: Path) -> list[Listing]:
    """Of a folder, an archive, or a folder of .parquet files."""
    where, own = os.fspath(path), path.expanduser()
    if own.suffix.lower() in KINDS and own.is_file():
        return [of_archive(path, where)]
    shards = parquet_files(own)
    return [of_archive(shard, os.fspath(shard)) for shard in shards] or [of_folder(path, where)]


def folder_by_text(text: str) -> Callable[[], Dataset] | None:
    """What opens `faces`, `faces@64+pad` or `pairs:facades@64`; None where there are no such pictures."""
    ask = asked(text)
    if ask is None:
        return None
    choices = {"pad": ask.pad, "flip": ask.flip, "skip_broken": ask.skip_broken}
    if ask.kind:
        return partial(pairs, ask.paths[0], ask.size, ask.channels, halves=ask.kind == HALVES, **choices)
    path = ask.paths[0] if len(ask.paths) == 1 else ask.paths
    return partial(folder, path, ask.size, ask.channels, **choices)
