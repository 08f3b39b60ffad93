"""Whole files or none: written aside, flushed to the disk, renamed; and the leftovers of writers that died."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import time
from collections.abc import Iterable
from pathlib import Path

Buffer = bytes | bytearray | memoryview

PAUSES = (0.05, 0.5)
"""Seconds before a failed write is tried again: a network drive hiccups, and a moment later it is there."""
ASIDE = re.compile(r"\..+\.(?P<host>[0-9a-f]{8})\.(?P<pid>[0-9]{1,10})\.tmp")
BEFORE = re.compile(
    r"\.(step-[0-9]+|best|config|env|metrics|vitals|alarms|evaluations|samples|report|README)[^/]*\.tmp"
)
"""What older versions wrote aside, without the host; theirs are known by the names of a run folder's own files."""
ADVICE = {
    errno.ENOSPC: "Free some space on that disk",
    errno.EDQUOT: "Free some of your quota on that disk",
    errno.EFBIG: "Allow larger files (ulimit -f)",
    errno.EROFS: "Make that disk writable",
    errno.EACCES: "Allow yourself to write there",
    errno.EPERM: "Allow yourself to write there",
}


def write_atomically(path: Path, content: Buffer | Iterable[Buffer]) -> None:
    """The whole content under that name, or what was there before. Raises OSError, naming the file."""
    pieces = (content,) if isinstance(content, Buffer) else tuple(content)
    for pause in (*PAUSES, None):
        try:
            return _write(path, pieces)
        except OSError as error:
            if pause is None:
                raise named(error, path) from error
            time.sleep(pause)


def named(error: OSError, path: Path) -> OSError:
    """The same error with the name of the file that it is about: that of a write or a flush has none."""
    if error.errno is None:
        return OSError(f"{error}: {str(path)!r}")
    return OSError(error.errno, error.strerror or os.strerror(error.errno), str(path))


def advice(error: OSError) -> str:
    """What to do about a write that failed."""
    return ADVICE.get(error.errno or 0, "See to that disk")


def append(path: Path, lines: bytes) -> None:
    """Add to the end of a file, or leave it as it was. Raises OSError, naming the file."""
    try:
        with open(path, "ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                written = 0
                while written < len(lines):
                    written += file.write(lines[written:]) or 0
            except OSError:
                file.truncate(size)  # half a line would make the next one unreadable as well
                raise
    except OSError as error:
        raise named(error, path) from error


def collect(folder: Path) -> None:
    """Remove what dead processes of this machine, or older versions, left beside the files of a folder."""
    for path in folder.glob(".*.tmp"):
        if is_left_behind(path):
            path.unlink(missing_ok=True)


def is_left_behind(path: Path) -> bool:
    """Whether a file was written aside by a process that is no more. One of another machine may live."""
    found = ASIDE.fullmatch(path.name)
    if found is None:
        return _of_before(path)
    return found["host"] == host() and not alive(int(found["pid"]))


def _of_before(path: Path) -> bool:
    """Whether an older version wrote it aside: `.config.toml.123.tmp`, of a process that is no more."""
    if not BEFORE.fullmatch(path.name):
        return False
    pid = path.name.split(".")[-2]
    return not (pid.isdecimal() and len(pid) <= 10 and alive(int(pid)))


def host() -> str:
    """This machine in eight digits, as no name of a host belongs into a run folder."""
    import zlib

    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def alive(pid: int) -> bool:
    """Whether a process of that number runs here."""
    if os.name != "posix":
        return True  # nothing here asks without a signal that ends it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OverflowError:
        return False
    except OSError:
        return True
    return True


def _write(path: Path, pieces: tuple[Buffer, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{host()}.{os.getpid()}.tmp")
    try:
        with open(aside, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        with contextlib.suppress(OSError):  # what went wrong before says more
            aside.unlink(missing_ok=True)
    if os.name == "posix":  # the rename itself has to reach the disk
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
