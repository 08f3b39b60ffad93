"""What tells data in files from other data: names, sizes, and a hash of some of the bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gankit.config import Config
from gankit.data.broken import SKIP
from gankit.data.folders import SIZED, looks_like_path
from gankit.data.tables.table import is_table_file, told_beside

WHOLE = 64 * 2**20
"""Bytes of one file that are hashed: all of a smaller one, else pieces spread over it."""
PIECE = 2**20
OF_EACH = 2**14
"""Of each file in a folder of many."""


def fingerprints(config: Config) -> dict[str, dict[str, Any]]:
    """By name, of the game's data and its further sources; none of what is made, or fetched and checked by itself."""
    names = (config.data, *config.sources.values())
    return {name: found for name in names if (found := fingerprint(name)) is not None}


def fingerprint(name: str) -> dict[str, Any] | None:
    """{"files", "bytes", "sha256"} of a file or folder that data is named after; None where it is named otherwise."""
    path = _path_of(name)
    if path is None:
        return None
    files = sorted(_files(path)) if path.is_dir() else [path, *_beside(path)]
    digest, size = hashlib.sha256(), 0
    for file in files:
        try:
            about = file.stat()
        except OSError:
            continue
        if not stat.S_ISREG(about.st_mode):
            continue
        where = file.relative_to(path).as_posix() if path.is_dir() else file.suffix
        digest.update(f"{where}\0{about.st_size}\0".encode("utf-8", "surrogateescape"))
        most = OF_EACH if path.is_dir() else WHOLE
        for piece in _pieces(file, about.st_size, most):
            digest.update(piece)
        size += about.st_size
    return {"files": len(files), "bytes": size, "sha256": digest.hexdigest()}


def _path_of(name: str) -> Path | None:
    for prefix in ("pairs:", "halves:"):
        name = name.removeprefix(prefix) if not Path(name).expanduser().exists() else name
    name = name if Path(name).expanduser().exists() else name.removesuffix(SKIP)
    sized = SIZED.fullmatch(name)
    candidates = [name, *([sized["path"]] if sized else [])]
    for candidate in candidates:
        path = Path(candidate).expanduser()
        if (looks_like_path(candidate) or candidate != name or path.is_dir()) and path.exists():
            return path
    return None


def _beside(path: Path) -> list[Path]:
    """What belongs to a file: labels of an array, settings of a table."""
    beside = told_beside(path) if is_table_file(path) else path.with_suffix(".labels.npy")
    return [beside] if path.suffix != ".npz" and beside.is_file() else []


def _files(folder: Path) -> Iterator[Path]:
    """Every file that is not hidden; links to folders are not followed."""
    for where, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (Path(where) / name for name in names if not name.startswith("."))


def _pieces(file: Path, size: int, most: int) -> Iterator[bytes]:
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
