"""Which pictures there are, in which order and of which class: of folders, archives, and several of them."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np

from gankit.arrays import Array
from gankit.data.broken import UnreadableError
from gankit.data.picture import Encoded
from gankit.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".pbm", ".tif", ".tiff")
AT_ONCE = 8
"""Pictures that a thread takes on at a time."""
LOOKED_INTO, START = 64, 2**14
"""Of how many files the checksum has seen so many of the first bytes: names, sizes and times alone may be those of
others, as frames without compression are all of one size and archives may be unpacked with one time for all."""


class Listing(Protocol):
    """Pictures in their order.

    where: the source as the user wrote it. names: of the pictures, within it.
    sizes: in bytes, as they lie there; -1 for what cannot be looked at.
    labels: (n,) int64, counting the classes in the order of their names; None where there are none.
    """

    @property
    def where(self) -> str: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def sizes(self) -> Sequence[int]: ...

    @property
    def labels(self) -> Array | None: ...

    @property
    def classes(self) -> tuple[str, ...] | None: ...

    def told(self, row: int) -> str:
        """What messages call a picture."""

    def read(self, rows: Sequence[int]) -> Iterator[tuple[int, Encoded | UnreadableError]]:
        """The bytes of these pictures, in whatever order is best; on any thread."""

    def units(self, rows: Iterable[int]) -> list[list[int]]:
        """These rows in portions that are best read together."""

    def checksum(self) -> str:
        """Of the listing: another one where a picture was added, removed or exchanged."""


def portions(rows: Iterable[int]) -> list[list[int]]:
    """Rows in their order, a few at a time."""
    rows = list(rows)
    return [rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE)]


def digest_of(names: Iterable[str], sizes: Iterable[int], stamps: Iterable[int], more: Iterable[bytes] = ()) -> str:
    """One checksum of names, sizes and stamps, and of further bytes."""
    text = "\n".join(f"{name}\0{size}\0{stamp}" for name, size, stamp in zip(names, sizes, stamps, strict=True))
    found = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
    for piece in more:
        found.update(piece)
    return found.hexdigest()


@dataclass(frozen=True)
class Files:
    """The pictures of a folder."""

    where: str
    root: Path
    names: Sequence[str]
    sizes: Sequence[int]
    stamps: Sequence[int]
    labels: Array | None
    classes: tuple[str, ...] | None

    def told(self, row: int) -> str:
        return str(self.root / self.names[row])

    def read(self, rows: Sequence[int]) -> Iterator[tuple[int, Encoded | UnreadableError]]:
        return ((row, self.root / self.names[row]) for row in rows)

    def units(self, rows: Iterable[int]) -> list[list[int]]:
        return portions(rows)

    def checksum(self) -> str:
        chosen = np.unique(np.linspace(0, len(self.names) - 1, LOOKED_INTO).astype(int))
        starts = (_start(self.root / self.names[i]) for i in chosen if self.sizes[i] >= 0)
        return digest_of(self.names, self.sizes, self.stamps, starts)


def _start(file: Path) -> bytes:
    try:
        if not file.is_file():  # a pipe would be waited for
            return b""
        with open(file, "rb") as opened:
            return opened.read(START)
    except OSError:
        return b""


@dataclass(frozen=True)
class Several:
    """Several listings one after the other; classes of one name are one class."""

    parts: tuple[Listing, ...]
    labels: Array | None = field(init=False)
    classes: tuple[str, ...] | None = field(init=False)
    starts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        labelled = [part for part in self.parts if part.classes is not None]
        if labelled and len(labelled) < len(self.parts):
            other = next(part for part in self.parts if part.classes is None)
            raise DataError(
                f"{labelled[0].where} has a folder for each class, but {other.where} has images without class folders. "
                "Use class folders in all of them, or in none."
            )
        orders = {part.classes for part in labelled}
        every = {name for order in orders for name in order or ()}
        classes = next(iter(orders)) if len(orders) == 1 else tuple(sorted(every))
        place = {name: i for i, name in enumerate(classes or ())}
        numbers = [np.array([place[name] for name in part.classes or ()], np.int64)[part.labels] for part in labelled]
        object.__setattr__(self, "labels", np.concatenate(numbers) if labelled else None)
        object.__setattr__(self, "classes", classes if labelled else None)
        ends = list(accumulate(len(part.names) for part in self.parts))
        object.__setattr__(self, "starts", (0, *ends[:-1]))

    @property
    def where(self) -> str:
        return ",".join(part.where for part in self.parts)

    @property
    def names(self) -> Sequence[str]:
        return [os.path.join(part.where, name) for part in self.parts for name in part.names]

    @property
    def sizes(self) -> Sequence[int]:
        return [size for part in self.parts for size in part.sizes]

    def _place(self, row: int) -> tuple[int, int]:
        which = bisect_right(self.starts, row) - 1
        return which, row - self.starts[which]

    def told(self, row: int) -> str:
        which, own = self._place(row)
        return self.parts[which].told(own)

    def _by_part(self, rows: Iterable[int]) -> list[tuple[Listing, int, list[int]]]:
        found: dict[int, list[int]] = {}
        for row in rows:
            which, own = self._place(row)
            found.setdefault(which, []).append(own)
        return [(self.parts[which], self.starts[which], own) for which, own in found.items()]

    def read(self, rows: Sequence[int]) -> Iterator[tuple[int, Encoded | UnreadableError]]:
        for part, start, own in self._by_part(rows):
            yield from ((start + row, encoded) for row, encoded in part.read(own))

    def units(self, rows: Iterable[int]) -> list[list[int]]:
        return [[start + row for row in unit] for part, start, own in self._by_part(rows) for unit in part.units(own)]

    def checksum(self) -> str:
        return hashlib.sha256("".join(part.checksum() for part in self.parts).encode()).hexdigest()


# ---- folders


def of_folder(path: Path, where: str) -> Files:
    """The pictures of a folder, or of a folder for each class. Raises DataError for one that mixes both."""
    root = path.expanduser()
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. Pass the folder that holds the images.")
    images, folders = _contents(root)
    inside = {name: _contents(root / name) for name in folders}
    if images:
        mixed = next((name for name, (own, _) in inside.items() if own), None)
        if mixed is not None:
            raise DataError(
                f"{root} has both images, such as {images[0].name}, and folders of images, such as {mixed}. "
                "Move the images into class folders, or move the folders away."
            )
        return _files(where, root, [(entry.name, entry) for entry in images])
    _check_classes(root, inside)
    entries = [(f"{name}/{entry.name}", entry) for name, (own, _) in inside.items() for entry in own]
    labels = np.repeat(np.arange(len(inside)), [len(own) for own, _ in inside.values()])
    return _files(where, root, entries, labels.astype(np.int64), tuple(inside))


def _files(
    where: str,
    root: Path,
    entries: Sequence[tuple[str, os.DirEntry[str]]],
    labels: Array | None = None,
    classes: tuple[str, ...] | None = None,
) -> Files:
    def looked_at(entry: os.DirEntry[str]) -> tuple[int, int]:
        try:
            about = entry.stat()
        except OSError:  # a link that leads nowhere: told when it is opened
            return -1, -1
        return about.st_size, about.st_mtime_ns

    found = [looked_at(entry) for _, entry in entries]
    sizes, stamps = [size for size, _ in found], [stamp for _, stamp in found]
    return Files(where, root, [name for name, _ in entries], sizes, stamps, labels, classes)


def _contents(path: Path) -> tuple[list[os.DirEntry[str]], list[str]]:
    """(images, names of folders) of a folder, by name."""
    with os.scandir(path) as found:
        visible = sorted((each for each in found if not each.name.startswith(".")), key=lambda each: each.name)
    folders = [each.name for each in visible if _is_folder(each)]
    own = set(folders)
    return [each for each in visible if is_image(each.name) and each.name not in own], folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def is_image(name: str) -> bool:
    """Whether a file is a picture by the end of its name."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def _check_classes(root: Path, inside: dict[str, tuple[list[os.DirEntry[str]], list[str]]]) -> None:
    if not any(own for own, _ in inside.values()):
        raise DataError(f"{root} and its folders have no images. Expected files that end in {', '.join(EXTENSIONS)}.")
    for name, (own, deeper) in inside.items():
        if not own:
            raise DataError(f"{root / name} has no images, so its class would be empty. Remove it, or add images.")
        buried = next((further for further in deeper if _contents(root / name / further)[0]), None)
        if buried is not None:
            raise DataError(
                f"{root / name / buried} is too deep: the classes are the folders directly in {root}. Move its images."
            )
