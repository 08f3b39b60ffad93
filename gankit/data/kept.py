"""Where decoded rows are kept: in memory, or in a file that outlives the process or does not."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gankit import disk
from gankit.arrays import Array
from gankit.errors import DataError

DONE = 1
"""In the note of an entry: this row is there."""


class Rows(Protocol):
    """Where rows are kept: (n, width) uint8. All of it is called from several threads, on different rows."""

    def write(self, row: int, content: Array) -> None: ...

    def read(self, rows: Sequence[int] | Array) -> Array:
        """(len(rows), width)."""

    def whole(self) -> Array:
        """(n, width), a view."""

    @property
    def lasting(self) -> bool:
        """Whether rows outlive the process."""

    def settled(self, done: Array) -> None:
        """These, (n,) bool, are written: put them on the disk, where they are to outlive the process."""

    def close(self) -> None: ...


class InMemory:
    """Rows in an array."""

    lasting = False

    def __init__(self, array: Array) -> None:
        self._array = array

    def write(self, row: int, content: Array) -> None:
        self._array[row] = content

    def read(self, rows: Sequence[int] | Array) -> Array:
        return self._array[rows]

    def whole(self) -> Array:
        return self._array

    def settled(self, done: Array) -> None:
        pass

    def close(self) -> None:
        pass


class OnDisk:
    """Rows in a file behind a header. Read and written as a file, so that a full disk is an error rather than a signal,
    and what was read does not stay in the process's memory.

    note: the file for the bytes of `settled`; None where nothing outlives the process. close_too: what else ends.
    """

    def __init__(
        self, file: Any, start: int, shape: tuple[int, int], note: Path | None, close_too: Callable[[], None]
    ) -> None:
        self._file, self._start, self._shape, self._note, self._close_too = file, start, shape, note, close_too
        self._fd, self._lock = file.fileno(), threading.Lock()
        self.lasting = note is not None
        self._together = hasattr(os, "preadv") and hasattr(os, "pwrite")

    def write(self, row: int, content: Array) -> None:
        at, data = self._start + row * self._shape[1], memoryview(content.data)
        try:
            while data and self._together:
                done = os.pwrite(self._fd, data, at)
                data, at = data[done:], at + done
            with self._lock:
                if data:
                    self._file.seek(at)
                    self._file.write(data)
        except OSError as error:
            raise DataError(
                f"Decoded images cannot be written to {self._file.name} ({error}). {disk.advice(error)}; or choose "
                "another disk: GANKIT_CACHE=/path for the cache, TMPDIR for temporary files."
            ) from error

    def read(self, rows: Sequence[int] | Array) -> Array:
        width = self._shape[1]
        out = np.empty((len(rows), width), np.uint8)
        for place, row in zip(out, np.asarray(rows).tolist(), strict=True):
            at = self._start + row * width
            if self._together:
                count = os.preadv(self._fd, [place.data], at)
            else:
                with self._lock:
                    self._file.seek(at)
                    count = self._file.readinto(place)
            if count != width:
                raise DataError(f"{self._file.name} ends at row {row:,}, so it was cut short. Remove it.")
        return out

    def whole(self) -> Array:
        with self._lock:  # it looks for the end of the file, and goes there
            return np.memmap(self._file, np.uint8, "r", self._start, self._shape)

    def settled(self, done: Array) -> None:
        if self._note is None or not os.fstat(self._fd).st_nlink:  # somebody cleared the cache
            return
        with contextlib.suppress(OSError):  # a note that cannot be written costs a later run some time, and no more
            os.fsync(self._fd)  # before the note: it must not promise what is not there
            with contextlib.suppress(FileNotFoundError):  # another process may be filling the same file
                others = np.fromfile(self._note, np.uint8)
                done = done | (others == DONE) if others.shape == done.shape else done
            disk.write_atomically(self._note, done.astype(np.uint8).tobytes())

    def close(self) -> None:
        self._file.close()
        self._close_too()


def fits(path: Path, header: bytes, whole: int) -> bool:
    """Whether there is a file of that header and size."""
    if not path.is_file() or path.stat().st_size != whole:
        return False
    with open(path, "rb") as file:
        return file.read(len(header)) == header


def begun(path: Path, header: bytes, whole: int) -> None:
    """A file of that header and size under this name; where another process was quicker, that one's."""
    path.unlink(missing_ok=True)
    aside = path.with_name(f".{path.name}.{disk.host()}.{os.getpid()}.tmp")
    with open(aside, "wb") as file:
        file.write(header)
        file.truncate(whole)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(aside, path)
    aside.unlink(missing_ok=True)


def header(shape: tuple[int, ...]) -> bytes:
    """Of a .npy file of bytes, so that NumPy opens what is kept."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return out.getvalue()
