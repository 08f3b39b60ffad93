"""The safetensors format with a seal: a SHA-256 of the whole file in its metadata, looked at whenever it is read.

It is read and written here, not by the package of that name: that maps the file into memory, where one cut short under
its reader ends the process; takes a million names as readily as ten; and writes two entries of metadata in any order.

    8 bytes     the length of the header, little-endian
    header      JSON: {"__metadata__": {"gankit": "...", "sha256": "..."}, name: {"dtype", "shape", "data_offsets"}}
    the arrays  in C order, one after the other

The seal is that of the file with 64 zeros in its place. It tells of damage, not of who wrote the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gankit.arrays import Array
from gankit.errors import DamagedError

SEAL, BLANK = "sha256", "0" * 64
METADATA = "__metadata__"
LARGEST_HEADER = 16 * 2**20
"""Bytes: room for a hundred thousand arrays."""
MOST_DIMENSIONS, DEEPEST = 32, 32
PIECE = 4 * 2**20
DTYPES: Mapping[str, str] = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
NAMES: Mapping[np.dtype[Any], str] = {np.dtype(text): name for name, text in DTYPES.items()}

Place = tuple[np.dtype[Any], tuple[int, ...], int, int]


@dataclass(frozen=True)
class Outline:
    """What a file says of itself before its arrays are read.

    places: of each array its dtype, its shape, and where its bytes begin and end among those after the header.
    """

    metadata: Mapping[str, str]
    places: Mapping[str, Place]
    size: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: shape for name, (_, shape, _, _) in self.places.items()}


def pieces(arrays: Mapping[str, Array], text: str) -> list[bytes | memoryview]:
    """A sealed file as buffers to be written in this order. text: what is kept beside the arrays."""
    # The widest first, so that every array lies where its dtype may.
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    table: dict[str, Any] = {METADATA: {"gankit": text, SEAL: BLANK}}
    buffers, end = list[memoryview](), 0
    for name in names:
        # np.ascontiguousarray would turn 0-d into (1,)
        array = np.asarray(arrays[name], order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype not in NAMES:
            raise TypeError(f"{name} has dtype {array.dtype}, which a checkpoint cannot hold.")
        start, end = end, end + array.nbytes
        table[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
        buffers.append(array.reshape(-1).view(np.uint8).data)
    header = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    head = len(header).to_bytes(8, "little") + header
    seal = hashlib.sha256(head)
    for buffer in buffers:
        seal.update(buffer)
    return [head.replace(BLANK.encode(), seal.hexdigest().encode(), 1), *buffers]


def outline(path: Path) -> Outline:
    """What a file says of itself; raises DamagedError unless it can be true."""
    with _opened(path) as file:
        return _outline(path, file)[0]


def read(path: Path) -> tuple[dict[str, Array], Mapping[str, str]]:
    """(arrays, metadata); raises DamagedError unless the file is whole, and OSError where there is none."""
    with _opened(path) as file:
        found, head = _outline(path, file)
        # A file may be empty for terabytes and take no room on the disk; the kernel would promise memory for it.
        if found.size > memory():
            raise DamagedError(f"{path} says that it holds {found.size:,} bytes, more than there is memory.")
        payload = np.empty(found.size, np.uint8)
        told = found.metadata.get(SEAL)
        seal = hashlib.sha256(head if told is None else head.replace(told.encode(), BLANK.encode(), 1))
        for start in range(0, found.size, PIECE):
            piece = payload.data[start : start + PIECE]
            if file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
                raise _not_whole(path, "it ends too early")
            seal.update(piece)
    if told is not None and told != seal.hexdigest():
        raise _not_whole(
            path, f"its bytes are not those that were written (SHA-256 {seal.hexdigest()[:12]}…, not {told[:12]}…)"
        )
    try:
        arrays = {
            name: _aligned(payload[start:end], dtype).reshape(shape)
            for name, (dtype, shape, start, end) in found.places.items()
        }
    except ValueError as error:
        raise _not_whole(path, str(error)) from error
    return arrays, found.metadata


def memory() -> float:
    """Bytes of this machine, as far as it says."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _aligned(part: Array, dtype: np.dtype[Any]) -> Array:
    """The bytes as numbers; copied where another writer put them at an odd place."""
    array = part.view(dtype)
    return array if array.flags.aligned else array.copy()


def loads(text: str | bytes) -> Any:
    """JSON as data: no name twice in a table, nothing nested deeper than anybody writes; raises ValueError."""
    try:
        value = json.loads(text, object_pairs_hook=_table)
        _check(value, DEEPEST)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name is there twice")
    return table


def _check(value: Any, deep: int) -> None:
    if deep < 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, deep)
            _check(item, deep - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, deep - 1)
    elif isinstance(value, str):
        value.encode()  # half a surrogate pair cannot be written again; UnicodeEncodeError is a ValueError
    elif isinstance(value, int) and abs(value) >= 2**64:
        raise ValueError("a number is too great")


def _opened(path: Path) -> BinaryIO:
    """The file, for reading; a pipe of that name would wait for a writer for ever."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedError(f"{path} is no file that could hold a checkpoint.")
    return open(descriptor, "rb")


def _outline(path: Path, file: BinaryIO) -> tuple[Outline, bytes]:
    """(what it says, its first bytes)."""
    whole = os.fstat(file.fileno()).st_size
    first = file.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length > whole - 8:
        raise _not_whole(path, "it ends too early")
    if length > LARGEST_HEADER:
        raise _not_whole(path, f"its header would have {length:,} bytes; {LARGEST_HEADER:,} are the most")
    header = file.read(length)
    try:
        table = loads(header)
        if not isinstance(table, dict):
            raise ValueError("its header is no table")
        metadata = table.pop(METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("its metadata is no table of texts")
        places = dict(_places(table, whole - 8 - length))
    except ValueError as error:
        raise _not_whole(path, str(error)) from error
    if "gankit" in metadata and metadata.keys() - {"gankit", SEAL}:
        raise _not_whole(path, f"nobody writes {sorted(metadata)} into it")
    return Outline(metadata, places, whole - 8 - length), first + header


def _places(table: Mapping[str, Any], size: int) -> Iterator[tuple[str, Place]]:
    """Each array's place; raises ValueError unless they lie side by side and fill the file."""
    found = []
    for name, entry in table.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"it does not say what {name[:80]!r} is")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(kind, str) or kind not in DTYPES:
            raise ValueError(f"{name[:80]!r} has the dtype {str(kind)[:80]!r}; known are {', '.join(DTYPES)}")
        if not (_counts(shape) and _counts(offsets) and len(offsets) == 2 and len(shape) <= MOST_DIMENSIONS):
            raise ValueError(f"{name[:80]!r} has a shape or a place that is none")
        dtype, (start, end) = np.dtype(DTYPES[kind]), offsets
        if math.prod(shape) * dtype.itemsize != end - start:
            raise ValueError(f"{name[:80]!r} does not fill its place")
        found.append((name, (dtype, tuple(shape), start, end)))
    at = 0
    for name, place in sorted(found, key=lambda item: item[1][2:]):
        if place[2] != at:
            raise ValueError(f"{name[:80]!r} does not begin where the array before it ends")
        at = place[3]
        yield name, place
    if at != size:
        raise ValueError(f"its arrays have {at:,} bytes, and {size:,} are there")


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and 0 <= n < 2**63 for n in values)


def _not_whole(path: Path, why: str) -> DamagedError:
    return DamagedError(f"{path} is not a whole checkpoint: {why}. It may have been cut short, or changed, in copying.")
