"""What is decoded once is kept in the user's cache folder: one folder for each set of pictures and size.

pictures/3f0c.../x.npy       the pictures, (n, height, width, channels) uint8
pictures/3f0c.../done        a byte for each picture: 1 once it lies in x.npy
pictures/3f0c.../about.json  what it was made of
pictures/3f0c.../in-use      locked by whoever reads it; its time of change is when it was last opened
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from gankit import disk
from gankit.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed, which is lock enough
    fcntl = None  # type: ignore[assignment]

PLACE, LIMIT = "GANKIT_CACHE", "GANKIT_CACHE_LIMIT"
OFF = "off"
DEFAULT_LIMIT = 20 * 10**9
"""Bytes of all entries together."""
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
IN_USE = "in-use"


class CacheWarning(UserWarning):
    """What is decoded cannot be kept."""


def place() -> Path | None:
    """The folder of all entries: `$GANKIT_CACHE`, or gankit's part of the user's cache folder; None where it is off."""
    told = os.environ.get(PLACE, "").strip()
    if told:
        return None if told.lower() == OFF else Path(told).expanduser() / "pictures"
    try:
        home = Path.home()
    except RuntimeError:  # nobody's home
        return None
    if sys.platform == "darwin":
        root = home / "Library" / "Caches"
    elif os.name == "nt":
        root = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return root / "gankit" / "pictures"


def limit() -> int:
    """How many bytes all entries may take together: `$GANKIT_CACHE_LIMIT`, such as 50GB."""
    told = os.environ.get(LIMIT, "").strip()
    if not told:
        return DEFAULT_LIMIT
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", told.upper())
    if found is None:
        raise ConfigError(f"{LIMIT}={told!r}: expected a size, such as 500MB or 50GB.")
    return int(float(found[1]) * UNITS[found[2]])


@dataclass
class Entry:
    """A folder of the cache that nobody removes until `release`."""

    folder: Path
    _lock: int = -1

    def release(self) -> None:
        """Let go."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            with contextlib.suppress(OSError):
                os.close(lock)


def entry(key: str, needs: int) -> Entry | None:
    """The entry of that name, made where there is none; older ones that are not in use make room for its bytes.

    None where there is no cache, it cannot be written to, or the entry would be larger than all of it may be.
    """
    root = place()
    if root is None:
        return None
    if needs > limit():
        text = (
            f"The decoded pictures take {needs / 1e9:,.1f} GB, and the cache may take {limit() / 1e9:,.1f} GB: they "
            f"are decoded again at each start. To keep them: {LIMIT}={-(-needs * 11 // 10**10)}GB"
        )
        warnings.warn_explicit(text, CacheWarning, "gankit", 0, module="gankit")
        return None
    folder = root / key
    try:
        for _ in range(10):
            folder.mkdir(parents=True, exist_ok=True)
            found = _held(folder)
            if found is not None:
                make_room(root, needs, keep=folder)
                return found
    except OSError:  # read-only, or full
        pass
    return None


def make_room(root: Path, needs: int, keep: Path) -> None:
    """Remove the entries that were opened longest ago, never one in use, until the limit holds with `keep` whole."""
    others = sorted((_last_opened(each), each) for each in root.iterdir() if each.is_dir() and each != keep)
    sizes = {each: taken(each) for _, each in others}
    over = sum(sizes.values()) + needs - limit()
    for _, each in others:
        if over <= 0:
            return
        if _removed(each):
            over -= sizes[each]


def taken(folder: Path) -> int:
    """The bytes that a folder takes on the disk."""
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            about = file.stat()
            total += getattr(about, "st_blocks", -(-about.st_size // 512)) * 512
    return total


def _held(folder: Path) -> Entry | None:
    """The entry, locked against removal; None where it was removed at that moment."""
    path = folder / IN_USE
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return None
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        there = os.path.samestat(os.fstat(lock), os.stat(path))
        os.utime(path)
    except OSError:
        there = False
    if not there:
        os.close(lock)
        return None
    return Entry(folder, lock)


def _removed(folder: Path) -> bool:
    """Remove an entry unless somebody uses it."""
    path = folder / IN_USE
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return False
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / "done").unlink(missing_ok=True)  # first: what is half removed must not look whole
        shutil.rmtree(folder, ignore_errors=fcntl is None)
    except OSError:  # in use, or no locks here
        return False
    finally:
        os.close(lock)
    return not folder.exists()


def _last_opened(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return (folder / IN_USE).stat().st_mtime
    return 0.0


def note(folder: Path, name: str, content: bytes) -> None:
    """Write a file of an entry, whole or not at all."""
    disk.write_atomically(folder / name, content)
