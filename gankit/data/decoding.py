"""From a listing to arrays: few at once, in memory; many while they are read; what was decoded is kept on disk."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data import cache, kept
from gankit.data.broken import NAMED, UnreadableError, refusal
from gankit.data.decoder import Decoder, OnThisThread
from gankit.data.kept import DONE, InMemory, OnDisk, Rows
from gankit.data.lazy import Keeper, Pictures, Skipped
from gankit.data.listing import Listing
from gankit.data.picture import Form, is_grey
from gankit.data.rows import RowOf, Shape
from gankit.data.store import Store
from gankit.errors import DataError

IN_MEMORY, AT_ONCE = 2**28, 2**28
"""Bytes, decoded and in files, up to which pictures are decoded before the first step and held in memory."""
WORTH = 2**23
"""Bytes in files from which on what was decoded is kept: less is decoded again sooner than it is looked up."""
PROCESSES = 2**26
"""Bytes in files from which on it is worth to start processes that decode."""
VERSION = 1
"""Of how pictures are made: other numbers in them must not be taken for these."""


@dataclass(frozen=True)
class Work:
    """What is to be made of pictures.

    where: for messages. listings: one, or two of the same length whose rows belong together. forms: of each.
    halved: whether each picture is two, side by side. skip: do without those that cannot be read.
    cached: whether what is decoded is kept. threads: that decode; by default one for each core, up to 8.
    """

    where: str
    listings: tuple[Listing, ...]
    forms: tuple[Form, ...]
    halved: bool = False
    skip: bool = False
    cached: bool = True
    threads: int | None = None

    def __len__(self) -> int:
        return len(self.listings[0].names)

    @property
    def encoded_bytes(self) -> int:
        """What the files come to."""
        return sum(max(0, size) for listing in self.listings for size in listing.sizes)

    def key(self) -> str:
        """The name under which it is kept: another one where other numbers come out."""
        told = [VERSION, self.halved, [listing.checksum() for listing in self.listings], [*map(str, self.forms)]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def refuse(self, broken: dict[int, str]) -> None:
        raise refusal(self.where, list(broken.values()))


@dataclass(frozen=True)
class Made:
    """Pictures as arrays.

    parts: one array, or two whose rows belong together, (n, height, width, channels) uint8. rows: (n,) of the
    listing. skipped: what could not be read.
    """

    parts: tuple[Any, ...]
    rows: Array
    skipped: Sequence[str]


def made(work: Work, *, flip: bool = False) -> Made:
    """Arrays of pictures. flip: all once more, mirrored left to right.

    Raises DataError for what cannot be read; of large ones later, when it comes to light.
    """
    key = work.key() if work.cached and work.encoded_bytes >= WORTH and cache.place() is not None else None
    work, shapes, first = _settled(work, key)
    n, width = len(work), sum(int(np.prod(shape)) for shape in shapes)
    large = n * width > IN_MEMORY or work.encoded_bytes > AT_ONCE
    rows, done = _rows(work, key, n, width, shapes, first, large)
    groups = work.listings[0].labels
    row_of = RowOf(work.forms, shapes, work.halved, work.where, first)
    kind = Decoder if work.encoded_bytes * (1 - done.mean()) >= PROCESSES else OnThisThread
    decoder = partial(kind, work.listings, row_of)
    refuse = None if work.skip else work.refuse
    store = Store(rows, done, decoder, work.listings[0].units, refuse, groups, work.threads)
    if large:
        keeper = Keeper(store)
        starts = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes[:-1])]).tolist()
        parts = tuple(Pictures(keeper, at, shape, flip) for at, shape in zip(starts, shapes, strict=True))
        store.start()
        return Made(parts, np.tile(np.arange(n), 1 + flip), Skipped(keeper, work.listings[0].names))
    try:
        return _whole(work, store, shapes, flip)
    finally:
        store.stop()


def _whole(work: Work, store: Store, shapes: Sequence[Shape], flip: bool) -> Made:
    store.ensure(range(len(work)), all_at_once=True)
    broken = dict(sorted(store.broken.items()))
    rows = np.setdiff1d(np.arange(len(work)), list(broken))
    if not rows.size:
        why = next(iter(broken.values()))
        raise DataError(f"{work.where} has {len(work):,} images, and none of them can be read: {why}")
    try:
        whole = store.kept(rows)
        parts, at = [], 0
        for shape in shapes:
            stop = at + int(np.prod(shape))
            x = np.ascontiguousarray(whole[:, at:stop]).reshape(-1, *shape)
            parts.append(np.concatenate([x, x[:, :, ::-1]]) if flip else x)
            at = stop
    except MemoryError as error:
        raise _no_room(work, (len(work), *shapes[0])) from error
    names = work.listings[0].names
    skipped = tuple(f"{names[row]}: {why}" for row, why in broken.items())
    return Made(tuple(parts), np.tile(rows, 1 + flip), skipped)


# ---- shapes


def _settled(work: Work, key: str | None) -> tuple[Work, tuple[Shape, ...], str]:
    """(the work with all forms known, shapes of the parts, what tells the shape): as noted, or from the pictures."""
    about = _about(key)
    if about is not None:
        known = zip(work.forms, about["channels"], strict=True)
        noted = tuple(replace(form, channels=channels) for form, channels in known)
        return replace(work, forms=noted), tuple(tuple(s) for s in about["shapes"]), about["first"]
    forms, shapes, first = list[Form](), list[Shape](), ""
    for listing, form in zip(work.listings, work.forms, strict=True):
        form = replace(form, channels=form.channels or _channels(listing))
        if form.size is None:
            row, image = _first(work, listing, form)
            first, shape = listing.told(row), image.shape
        else:
            shape = (*form.size, form.channels)
        if work.halved and shape[1] % 2:
            path = listing.where
            raise DataError(
                f"{path}: images {shape[1]} pixels wide cannot be cut in two halves. Give a size: halves:{path}@64."
            )
        shapes += [(shape[0], shape[1] // 2, shape[2])] * 2 if work.halved else [shape]
        forms.append(form)
    return replace(work, forms=tuple(forms)), tuple(shapes), first


def _channels(listing: Listing) -> int:
    """1 where every picture is grey, else 3: the first coloured one decides."""
    for unit in listing.units(range(len(listing.names))):
        for row, encoded in listing.read(unit):
            try:
                if not isinstance(encoded, UnreadableError) and not is_grey(encoded, listing.told(row)):
                    return 3
            except UnreadableError:  # told when it is decoded
                continue
    return 1


def _first(work: Work, listing: Listing, form: Form) -> tuple[int, Array]:
    """The first picture that can be read, whose shape is that of all."""
    broken: dict[int, str] = {}
    for unit in listing.units(range(len(listing.names))):
        for row, encoded in listing.read(unit):
            try:
                if isinstance(encoded, UnreadableError):
                    raise encoded
                return row, form.pixels(encoded, listing.told(row))
            except UnreadableError as error:
                broken[row] = str(error)
                if not work.skip and len(broken) >= NAMED:
                    work.refuse(broken)
    if not work.skip:
        work.refuse(broken)
    raise DataError(
        f"{work.where} has {len(broken):,} images, and none of them can be read: {next(iter(broken.values()))}"
    )


# ---- where rows are kept


def _rows(
    work: Work, key: str | None, n: int, width: int, shapes: Sequence[Shape], first: str, large: bool
) -> tuple[Rows, Array]:
    """Where the rows are kept, and which are there already."""
    header = kept.header((n, *shapes[0]) if len(shapes) == 1 else (n, width))
    entry = None if key is None else cache.entry(key, n * width + len(header))
    if entry is not None:
        try:
            file, done = _opened(entry, work, n, width, header, shapes, first)
            return OnDisk(file, len(header), (n, width), entry.folder / "done", entry.release), done
        except OSError:  # a full disk, or one that became read-only
            entry.release()
    if not large:
        try:
            return InMemory(np.empty((n, width), np.uint8)), np.zeros(n, bool)
        except (MemoryError, ValueError) as error:
            raise _no_room(work, (n, *shapes[0])) from error
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < n * width:
        raise DataError(
            f"{work.where}: {n:,} decoded images of shape {shapes[0]} take {n * width / 1e9:,.1f} GB, but "
            f"{tempfile.gettempdir()} has only {free / 1e9:,.1f} GB. Choose a smaller size, or a disk with more space: "
            f"{cache.PLACE}=/path for the cache (and {cache.LIMIT}, now {cache.limit() / 1e9:,.0f} GB), or TMPDIR."
        )
    aside = tempfile.TemporaryFile(prefix="gankit-", buffering=0)  # noqa: SIM115
    return OnDisk(aside, 0, (n, width), None, lambda: None), np.zeros(n, bool)


def _opened(
    entry: cache.Entry, work: Work, n: int, width: int, header: bytes, shapes: Sequence[Shape], first: str
) -> tuple[Any, Array]:
    """The file of an entry, and which rows it has. Two processes may do this at a time: they write the same."""
    path, note, whole = entry.folder / "x.npy", entry.folder / "done", len(header) + n * width
    if not kept.fits(path, header, whole):
        note.unlink(missing_ok=True)
        if shutil.disk_usage(entry.folder).free < n * width:
            raise OSError("the disk is full")
        kept.begun(path, header, whole)
    file = open(path, "r+b", buffering=0)  # noqa: SIM115
    try:
        about = {
            "of": work.where,
            "pictures": n,
            "shapes": shapes,
            "channels": [form.channels for form in work.forms],
            "first": first,
        }
        if not (entry.folder / "about.json").is_file():
            cache.note(entry.folder, "about.json", json.dumps(about, indent=1).encode())
        done = np.fromfile(note, np.uint8) == DONE if note.is_file() else np.zeros(n, bool)
    except BaseException:
        file.close()
        raise
    return file, done if done.shape == (n,) else np.zeros(n, bool)


def _about(key: str | None) -> dict[str, Any] | None:
    """What an entry says of itself."""
    root = cache.place()
    if key is None or root is None:
        return None
    try:
        about = json.loads((root / key / "about.json").read_bytes())
        return about if {"shapes", "channels", "first"} <= about.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _no_room(work: Work, shape: tuple[int, ...]) -> DataError:
    return DataError(
        f"{work.where}: {shape[0]:,} images of shape {shape[1:]} don't fit into memory. Choose a smaller size, or "
        "decode them into a .npy file (np.lib.format.open_memmap) and pass that; it stays on disk."
    )
