"""What tells data in files from other data: names, sizes, and a hash of some of the bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gankit.config import Config
from gankit.data.asked import asked, looks_like_path
from gankit.data.tables.table import is_table_file, told_beside

WHOLE = 64 * 2**20
"""Bytes of one file that are hashed: all of a smaller one, else pieces spread over it."""
PIECE = 2**20
OF_EACH = 2**14
"""Of each file in a folder of many."""


MANY = 2_000
"""Files from which on their contents are read only when a look at the folder leaves a doubt."""

Print = dict[str, Any]
Placed = tuple[str, str]
"""What a file is called, and where it lies."""


def fingerprints(config: Config) -> dict[str, Print]:
    """By name, of the game's data and its further sources; none of what is made, or fetched and checked by itself."""
    names = (config.data, *config.sources.values())
    return {name: found for name in names if (found := fingerprint(name)) is not None}


def fingerprint(name: str) -> Print | None:
    """{"files", "bytes", "sha256"} of files or folders that data is named after; None where it is named otherwise.

    Of very many files {"files", "bytes", "listing", "times"}: hashes of names and sizes, and of these with the times of
    change. `contents` adds their "sha256".
    """
    paths = _paths_of(name)
    if not paths:
        return None
    files = [file for path in paths for file in _all_of(path)]
    return _looked_at(files) if len(files) > MANY else _read(files)


def contents(name: str) -> str:
    """The "sha256" that `fingerprint` leaves out."""
    return str(_read([file for path in _paths_of(name) for file in _all_of(path)])["sha256"])


def changes(name: str, then: Mapping[str, Any]) -> list[str]:
    """How data is other than its fingerprint says, a line for each difference; contents are read where times differ."""
    files = [file for path in _paths_of(name) for file in _all_of(path)]
    if not files:
        return []
    if "times" not in then:
        return _differences(then, _read(files))
    now = _looked_at(files)
    if now["times"] == then["times"]:
        return []
    if different := _differences({k: v for k, v in then.items() if k in ("files", "bytes", "listing")}, now):
        return different
    return _differences({"sha256": then["sha256"]}, _read(files)) if "sha256" in then else []


def _differences(then: Mapping[str, Any], now: Print) -> list[str]:
    return [f"{key}: {then.get(key)} → {now.get(key)}" for key in then if then.get(key) != now.get(key)]


def _looked_at(files: list[Placed]) -> Print:
    """By names, sizes and times."""
    listing, times, size = hashlib.sha256(), hashlib.sha256(), 0
    for where, _, about in _regular(files):
        told = f"{where}\0{about.st_size}\0".encode("utf-8", "surrogateescape")
        listing.update(told)
        times.update(told + str(about.st_mtime_ns).encode())
        size += about.st_size
    return {"files": len(files), "bytes": size, "listing": listing.hexdigest(), "times": times.hexdigest()}


def _read(files: list[Placed]) -> Print:
    """By names, sizes and some of the bytes."""
    digest, size = hashlib.sha256(), 0
    for where, file, about in _regular(files):
        digest.update(f"{where}\0{about.st_size}\0".encode("utf-8", "surrogateescape"))
        for piece in _pieces(file, about.st_size, WHOLE if where[:1] in ("", ".") else OF_EACH):
            digest.update(piece)
        size += about.st_size
    return {"files": len(files), "bytes": size, "sha256": digest.hexdigest()}


def _regular(files: list[Placed]) -> Iterator[tuple[str, str, os.stat_result]]:
    for where, file in files:
        try:
            about = os.stat(file)
        except OSError:
            continue
        if stat.S_ISREG(about.st_mode):
            yield where, file, about


def _all_of(path: Path) -> list[Placed]:
    """Each file: within a folder called by its place there, else by its suffix."""
    if path.is_dir():
        return sorted(_files(os.fspath(path)), key=lambda placed: placed[0].split("/"))
    return [(file.suffix, os.fspath(file)) for file in (path, *_beside(path))]


def _paths_of(name: str) -> list[Path]:
    ask = asked(name)
    if ask is not None:
        found = [(text, Path(text).expanduser()) for text in ask.paths]
        return [path for text, path in found if path.exists() and (looks_like_path(name) or path.is_dir())]
    path = Path(name).expanduser()
    return [path] if looks_like_path(name) and path.exists() else []


def _beside(path: Path) -> list[Path]:
    """What belongs to a file: labels of an array, settings of a table."""
    beside = told_beside(path) if is_table_file(path) else path.with_suffix(".labels.npy")
    return [beside] if path.suffix != ".npz" and beside.is_file() else []


def _files(folder: str) -> Iterator[Placed]:
    """Every file that is not hidden; links to folders are not followed."""
    for where, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        below = "" if where == folder else os.path.relpath(where, folder).replace(os.sep, "/") + "/"
        yield from ((below + name, os.path.join(where, name)) for name in names if not name.startswith("."))


def _pieces(file: str, size: int, most: int) -> Iterator[bytes]:
    """A whole file, or as many bytes of it, spread evenly."""
    piece = min(PIECE, most)
    count = max(1, min(most, size) // piece)
    with open(file, "rb") as opened:
        if size <= most:
            yield opened.read()
            return
        for i in range(count):
            opened.seek((size - piece) * i // max(1, count - 1))
            yield opened.read(piece)
