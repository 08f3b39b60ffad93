"""Pictures in archives: .zip, .tar, and the .parquet that hubs ship, read where they lie and never unpacked."""

from __future__ import annotations

import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.broken import UnreadableError
from gankit.data.listing import EXTENSIONS, Listing, Several, digest_of, is_image, portions
from gankit.data.picture import Encoded
from gankit.errors import DataError

KINDS = (".zip", ".tar", ".parquet")
LARGEST = 2**28
"""Bytes of a member above which it is none that anybody meant to pack."""
COLUMNS, LABELS = ("image", "img", "images", "jpg", "png", "bytes"), ("label", "labels")
"""What hubs call the pictures and their classes in .parquet; others are taken where there is only one that fits."""
WITH = "pip install 'gankit[parquet]'"


@dataclass(frozen=True)
class Members:
    """The pictures of a .zip or .tar. fetch: the bytes of one, by its row; on any thread."""

    where: str
    names: Sequence[str]
    sizes: Sequence[int]
    stamps: Sequence[int]
    labels: Array | None
    classes: tuple[str, ...] | None
    fetch: Callable[[int], bytes]
    more: str = ""

    def told(self, row: int) -> str:
        return f"{self.where}: {self.names[row]}"

    def read(self, rows: Sequence[int]) -> Iterator[tuple[int, Encoded | UnreadableError]]:
        for row in rows:
            try:
                if self.sizes[row] > LARGEST:
                    raise OSError(f"it would take {self.sizes[row]:,} bytes")
                found: Encoded | UnreadableError = self.fetch(row)
            except Exception as error:  # as decoders do, unpackers raise anything
                found = _unreadable(self.told(row), error)
            yield row, found

    def units(self, rows: Iterable[int]) -> list[list[int]]:
        return portions(rows)

    def checksum(self) -> str:
        return digest_of(self.names, self.sizes, self.stamps, [self.more.encode()])


def of_archive(path: Path, where: str) -> Listing:
    """The pictures of a .zip, .tar or .parquet. Raises DataError for one that is damaged or holds none."""
    path = path.expanduser()
    try:
        return {".zip": _zip, ".tar": _tar, ".parquet": _parquet}[path.suffix.lower()](path, where)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}. Pack it again.") from error


def is_tar_of_pictures(path: Path) -> bool:
    """Whether a .tar is none of CIFAR-10's, by what comes first in it."""
    if path.suffix != ".tar" or not path.is_file():
        return False
    try:
        with tarfile.open(path, "r:") as archive:
            first = archive.next()
    except (tarfile.TarError, OSError):
        return False
    return first is not None and not first.name.startswith("cifar-10-batches")


def parquet_files(folder: Path) -> list[Path]:
    """The shards of a folder as hubs lay it out, the training ones where they say which these are."""
    for place in (folder, folder / "data"):
        if place.is_dir() and (found := sorted(each for each in place.glob("*.parquet") if each.is_file())):
            return [each for each in found if each.name.startswith("train")] or found
    return []


def _zip(path: Path, where: str) -> Listing:
    archive = zipfile.ZipFile(path)  # its lock lets several threads read
    infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    names, order, labels, classes = _sorted(where, infos)
    own = [infos[name] for name in order]
    sizes, sums = [info.file_size for info in own], [info.CRC for info in own]
    return Members(where, names, sizes, sums, labels, classes, lambda row: archive.read(own[row]))


def _tar(path: Path, where: str) -> Listing:
    try:
        with tarfile.open(path, "r:") as archive:
            infos = {info.name: info for info in archive if info.isfile()}
    except tarfile.ReadError as error:
        raise DataError(
            f"{path} is not a plain .tar ({error}). To read one image of a compressed one, all before it must be "
            "unpacked. Unpack it into a folder."
        ) from error
    names, order, labels, classes = _sorted(where, infos)
    own = [infos[name] for name in order]
    about = path.stat()

    def fetch(row: int) -> bytes:
        with open(path, "rb") as file:
            file.seek(own[row].offset_data)
            return file.read(own[row].size)

    sizes, times = [info.size for info in own], [int(info.mtime) for info in own]
    stamp = f"{about.st_size} {about.st_mtime_ns}"
    return Members(where, names, sizes, times, labels, classes, fetch, stamp)


def _sorted(where: str, members: Iterable[str]) -> tuple[list[str], list[str], Array | None, tuple[str, ...] | None]:
    """(names below what all have in common, names as they are packed, labels, classes), in the order of a folder's."""
    images = {
        PurePosixPath(name): name
        for name in members
        if is_image(name) and not any(p.startswith((".", "__MACOSX")) for p in PurePosixPath(name).parts)
    }
    if not images:
        raise DataError(f"{where} has no images. Expected files that end in {', '.join(EXTENSIONS)}.")
    shared = 0
    while len({each.parts[: shared + 1] for each in images}) == 1 and min(len(e.parts) for e in images) > shared + 1:
        shared += 1
    below = sorted((each.parts[shared:], name) for each, name in images.items())
    depths = {len(parts): parts for parts, _ in below}
    if len(depths) > 1 or max(depths) > 2:
        shown = " and ".join("/".join(parts) for parts in depths.values())
        raise DataError(
            f"{where} has images at different depths, or too deep, such as {shown}. Pack only images, or one folder of "
            "images for each class."
        )
    names, order = ["/".join(parts) for parts, _ in below], [name for _, name in below]
    if max(depths) == 1:
        return names, order, None, None
    classes = tuple(sorted({parts[0] for parts, _ in below}))
    numbers = {name: i for i, name in enumerate(classes)}
    return names, order, np.array([numbers[parts[0]] for parts, _ in below], np.int64), classes


# ---- .parquet


@dataclass(frozen=True)
class Shard:
    """The pictures of one .parquet file.

    opened: pyarrow's reader, for one thread at a time. column: of the bytes. starts: the first row of each row group.
    """

    where: str
    opened: Any
    column: str
    starts: Sequence[int]
    size: int
    stamp: str
    labels: Array | None
    classes: tuple[str, ...] | None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> Sequence[str]:
        return [f"row {row}" for row in range(self.opened.metadata.num_rows)]

    @property
    def sizes(self) -> Sequence[int]:
        n = self.opened.metadata.num_rows
        return [self.size // n] * n

    def told(self, row: int) -> str:
        return f"{self.where}: row {row}"

    def read(self, rows: Sequence[int]) -> Iterator[tuple[int, Encoded | UnreadableError]]:
        for group, own in self._by_group(rows).items():
            wanted, at = set(own), self.starts[group]
            with self._lock:
                found = dict[int, bytes | None]()
                for batch in self.opened.iter_batches(64, row_groups=[group], columns=[self.column]):
                    here = wanted & set(range(at, at + batch.num_rows))
                    found |= {row: _bytes_in(batch, row - at) for row in here}
                    at += batch.num_rows
            for row in sorted(wanted):
                content = found[row]
                yield (
                    row,
                    content
                    if content is not None
                    else _unreadable(self.told(row), ValueError("it holds no bytes, only a name at most")),
                )

    def _by_group(self, rows: Iterable[int]) -> dict[int, list[int]]:
        rows = np.asarray(list(rows), np.int64)
        groups = np.searchsorted(self.starts, rows, side="right") - 1
        return {int(group): rows[groups == group].tolist() for group in np.unique(groups)}

    def units(self, rows: Iterable[int]) -> list[list[int]]:
        return list(self._by_group(rows).values())

    def checksum(self) -> str:
        return digest_of(
            [self.where.rpartition("/")[2]], [self.size], [self.opened.metadata.num_rows], [self.stamp.encode()]
        )


def _parquet(path: Path, where: str) -> Listing:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError(f"{path}: reading .parquet needs pyarrow ({error}). Install it: {WITH}") from error
    opened = parquet.ParquetFile(path)
    groups = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
    if not sum(groups):
        raise DataError(f"{path} has no rows.")
    schema, starts = opened.schema_arrow, [sum(groups[:i]) for i in range(len(groups))]
    labels, classes = _labels(opened, schema, where)
    about = path.stat()
    stamp = f"{about.st_mtime_ns} {about.st_size}"
    return Shard(where, opened, _picture_column(schema, where), starts, about.st_size, stamp, labels, classes)


def _picture_column(schema: Any, where: str) -> str:
    types = import_module("pyarrow.types")

    def holds_bytes(kind: Any) -> str | None:
        if types.is_binary(kind) or types.is_large_binary(kind):
            return ""
        inside = [kind.field(i) for i in range(kind.num_fields)] if types.is_struct(kind) else []
        return next((f".{f.name}" for f in inside if f.name == "bytes" and holds_bytes(f.type) == ""), None)

    fitting = {f.name: f"{f.name}{inside}" for f in schema if (inside := holds_bytes(f.type)) is not None}
    named = [name for name in COLUMNS if name in fitting] or list(fitting)
    if not named or (len(named) > 1 and named[0] not in COLUMNS):
        raise DataError(
            f"{where} has the columns {', '.join(schema.names)}; none of them is clearly a column of images. Expected "
            f"bytes, or a struct with bytes, called {' or '.join(COLUMNS[:2])}."
        )
    return fitting[named[0]]


def _labels(opened: Any, schema: Any, where: str) -> tuple[Array | None, tuple[str, ...] | None]:
    types = import_module("pyarrow.types")
    name = next((n for n in LABELS if n in schema.names and types.is_integer(schema.field(n).type)), None)
    if name is None:
        return None, None
    column = opened.read(columns=[name]).column(name)
    labels = np.asarray(column.to_numpy())
    if column.null_count or (labels < 0).any():
        raise DataError(f"{where}: some rows have no {name}. Leave them out, or drop the column.")
    try:  # as the hub's own library writes it
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][name]["names"]
    except (KeyError, TypeError, ValueError):
        told = None
    if not isinstance(told, list) or len(told) <= labels.max():
        told = [f"{i:06d}" for i in range(int(labels.max()) + 1)]
    return labels.astype(np.int64), tuple(map(str, told))


def _bytes_in(batch: Any, row: int) -> bytes | None:
    value = batch.column(0)[row].as_py()
    return value.get("bytes") if isinstance(value, dict) else value


def _unreadable(name: str, error: Exception) -> UnreadableError:
    return UnreadableError(
        f"{name} cannot be read as an image ({type(error).__name__}: {error}). Replace or remove it."
    )


def joined(parts: Sequence[Listing]) -> Listing:
    """One listing of several."""
    return parts[0] if len(parts) == 1 else Several(tuple(parts))
