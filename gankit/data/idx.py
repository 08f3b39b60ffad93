"""The idx format of MNIST and its relatives, read without trusting what the header promises.

Format (LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist): two zero bytes, a dtype code, the number of
axes, each axis as a big-endian 32-bit count, then the numbers, big-endian, last axis fastest.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Protocol

import numpy as np

from gankit.arrays import Array
from gankit.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

GZIP_MAGIC = b"\x1f\x8b"
MAX_AXES = 32
"""NumPy 1's limit, far above any idx file that exists."""

BLOCK = 1 << 20
MOST = 1 << 32


class _Stream(Protocol):
    """What a raw and a gzipped file have in common."""

    def read(self, size: int = ..., /) -> bytes: ...
    def tell(self) -> int: ...


def read_idx(path: str | os.PathLike[str], most: int = MOST) -> Array:
    """The array in an idx file, gzipped or not (its first bytes tell, not its name), in native byte order.

    most: bytes of numbers that it may have; a few megabytes of gzip can hold gigabytes.
    Memory grows with the bytes that are really there, never with the bytes the header promises.
    Raises DataError, naming the file and the remedy, when it is missing, unreadable, not idx, cut short or too long.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(2) == GZIP_MAGIC:
                file.seek(0)
                with gzip.open(file) as unzipped:
                    return _parse(path, unzipped, None, most)
            file.seek(0)
            return _parse(path, file, os.fstat(file.fileno()).st_size, most)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. Download it, or correct the path.") from error
    except (OSError, EOFError, zlib.error) as error:  # BadGzipFile is an OSError, a truncated stream an EOFError
        raise _fault(path, "a readable idx file, raw or gzipped", f"{type(error).__name__}: {error}") from error


def _parse(path: Path, stream: _Stream, length: int | None, most: int) -> Array:
    """Header, then numbers. `length` is the whole file's, None when only reading to the end can tell (gzip)."""
    dtype, shape = _header(path, stream)
    promised = math.prod(shape) * dtype.itemsize
    if promised > most:
        raise _fault(path, f"at most {most:,} bytes of numbers", f"a header that promises {promised:,}")
    expected = f"{promised:,} bytes of numbers, for shape {shape} of {dtype.name}"
    if length is not None and length - stream.tell() != promised:
        raise _fault(path, expected, f"{length - stream.tell():,} bytes")
    content = _read_at_most(stream, promised + 1)  # the one byte more shows that a file is too long
    if len(content) < promised:
        raise _fault(path, expected, f"{len(content):,} bytes: the file is cut short")
    if len(content) > promised:
        raise _fault(path, expected, "more bytes after them: the file is too long")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(path: Path, stream: _Stream) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    """The dtype as stored, and the shape."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or not 1 <= magic[3] <= MAX_AXES:
        codes = " ".join(f"{code:02x}" for code in DTYPES)
        raise _fault(
            path,
            f"the magic bytes 00 00, a dtype (one of {codes}) and 1 to {MAX_AXES} axes",
            magic.hex(" ") or "an empty file",
        )
    axes = stream.read(4 * magic[3])
    if len(axes) < 4 * magic[3]:
        raise _fault(path, f"{4 * magic[3]} bytes of shape for {magic[3]} axes", f"{len(axes)}: the file is cut short")
    shape = struct.unpack(f">{magic[3]}I", axes)
    if 0 in shape:
        raise _fault(path, "at least one entry along each axis", f"shape {shape}")
    return np.dtype(DTYPES[magic[2]]), shape


def _read_at_most(stream: _Stream, count: int) -> bytearray:
    """Up to `count` bytes, in blocks, so that a false promise allocates nothing."""
    content = bytearray()
    while len(content) < count and (block := stream.read(min(BLOCK, count - len(content)))):
        content += block
    return content


def _fault(path: Path, expected: str, found: str) -> DataError:
    return DataError(f"{path}: expected {expected}; found {found}. Delete the file and download it again.")
