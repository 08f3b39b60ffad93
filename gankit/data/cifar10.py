"""CIFAR-10, from its official archives (Krizhevsky 2009, "Learning multiple layers of features from tiny images").

Both forms of https://www.cs.toronto.edu/~kriz/cifar.html are read, packed or unpacked. The "binary version" is records
of one byte of label and 3 x 1024 bytes of red, green and blue, row by row. The "python version" is pickles written by
Python 2; unpickling runs whatever a file asks for, so here it can ask for nothing but one array of bytes.
"""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import Dataset, check_split
from gankit.data.fetching import fetch, folders
from gankit.errors import DataError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"

RECORDS = 10_000
"""Images in each of the six files."""
PIXELS = 3 * 32 * 32
GZIP_MAGIC = b"\x1f\x8b"
BLOCK = 1 << 20

TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
SPLITS = {"train": TRAIN, "validation": TRAIN, "full": TRAIN, "test": ("test_batch",)}
"""Split: the files it lies in."""


def load(split: str = "train") -> Dataset:
    """CIFAR-10: x (n, 32, 32, 3) uint8 in 0..255, labels (n,) int64 in 0..9.

    split: "train" (the first 45,000 of the training images), "validation" (the last 5,000), "full" (both, 50,000) or
        "test" (10,000).

    The official archives, binary or python, packed or unpacked, are looked for in `$GANKIT_DATA/cifar10/` and
    `$GANKIT_DATA/`; otherwise the binary one is downloaded with pooch (170 MB), checked against its MD5 and kept in the
    user's cache folder.
    Raises DataError for another split, for damaged files, and when there is neither a folder nor a download.
    """
    check_split("cifar10", split, SPLITS)
    path = next((path for folder in folders("cifar10") for path in _candidates(folder) if path.exists()), None)
    if path is None:
        path = fetch("CIFAR-10", "cifar10", [URL], f"md5:{MD5}", f"cifar10/{BINARY.archive} or {PYTHON.archive}")
    return load_from(path, split, "cifar10")


def load_from(path: Path, split: str = "train", name: str | None = None) -> Dataset:
    """CIFAR-10 from one of its archives, or from the folder that was packed into it."""
    name = path.name if name is None else name
    check_split(name, split, SPLITS)
    parts = _unpacked(path, SPLITS[split]) if path.is_dir() else _packed(path, SPLITS[split])
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    first_of_validation = len(images) - len(images) // 10
    rows = {"train": slice(0, first_of_validation), "validation": slice(first_of_validation, None)}
    kept = rows.get(split, slice(None))
    return Dataset(x=images[kept], labels=labels[kept], num_classes=10, value_range=(0, 255), name=name)


def is_unpacked(path: Path) -> bool:
    """Whether a folder is one that was packed into an official archive."""
    return any((path / (file + form.suffix)).is_file() for form in FORMS for file in (TRAIN[0], *SPLITS["test"]))


def _candidates(folder: Path) -> list[Path]:
    named = [folder / name for form in FORMS for name in (form.folder, form.archive)]
    return [folder, *named] if is_unpacked(folder) else named


# ---- the two forms


@dataclass(frozen=True)
class Form:
    """How the six files are named, how large they may be, and what reads one: (where it is, content) to its arrays."""

    folder: str
    archive: str
    suffix: str
    bytes_per_record: int
    exact: bool
    parse: Callable[[str, bytes], tuple[Array, Array]]

    def check_size(self, where: str, size: int) -> None:
        """Before it is read: a file that promises too much costs no memory."""
        most = self.bytes_per_record * RECORDS
        if size > most or (self.exact and size != most):
            raise _fault(where, f"{'' if self.exact else 'at most '}{most:,} bytes", f"{size:,}")


def _parse_binary(where: str, content: bytes) -> tuple[Array, Array]:
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, 1 + PIXELS)
    return _checked(where, records[:, 1:], records[:, 0])


def _parse_pickle(where: str, content: bytes) -> tuple[Array, Array]:
    try:
        batch = unpickled(where, content)
        pixels, labels = batch[b"data"], batch[b"labels"]
        if not isinstance(labels, list) or not all(type(label) is int for label in labels):
            raise TypeError("labels are no list of whole numbers")
        return _checked(where, pixels.array(), np.asarray(labels))
    except DataError:
        raise
    except Exception as error:  # a damaged pickle makes `pickle` raise anything
        raise _fault(where, "a pickled CIFAR-10 batch", f"{type(error).__name__}: {error}") from error


def _checked(where: str, pixels: Array, labels: Array) -> tuple[Array, Array]:
    """Images (RECORDS, 32, 32, 3) uint8 and labels (RECORDS,) int64, from planes and numbers."""
    if pixels.shape != (RECORDS, PIXELS) or labels.shape != (RECORDS,):
        expected = f"{RECORDS:,} images of {PIXELS:,} bytes, each with a label"
        raise _fault(where, expected, f"shape {pixels.shape}, and labels {labels.shape}")
    if not 0 <= labels.min() <= labels.max() <= 9:
        raise _fault(where, "labels from 0 to 9", f"labels from {labels.min()} to {labels.max()}")
    images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.astype(np.int64)


BINARY = Form("cifar-10-batches-bin", "cifar-10-binary.tar.gz", ".bin", 1 + PIXELS, True, _parse_binary)
PYTHON = Form("cifar-10-batches-py", "cifar-10-python.tar.gz", "", 2**12, False, _parse_pickle)
FORMS = (BINARY, PYTHON)


def unpickled(where: str, content: bytes) -> Any:
    """What Python 2 pickled, with stand-ins for NumPy's classes. Raises DataError where the pickle asks for others.

    NumPy itself never sees the pickle, and the stand-ins are made anew each time: nothing it does to them lasts.
    """

    class Dtype:
        def __init__(self, name: bytes, align: object, copy: object) -> None:
            self.name = name

        def __setstate__(self, state: object) -> None:
            pass  # byte order and fields, of which bytes have none

    class Bytes2D:
        """An array of NumPy's as pickled: its `__setstate__` is given (version, shape, dtype, is_fortran, bytes)."""

        def __setstate__(self, state: Any) -> None:
            _, self.shape, self.dtype, self.is_fortran, self.content = state

        def array(self) -> Array:
            if self.dtype.name != b"u1" or type(self.content) is not bytes:
                raise TypeError("the pixels are no array of bytes")
            order: Any = "F" if self.is_fortran else "C"
            return np.frombuffer(self.content, np.uint8).reshape(self.shape, order=order)

    allowed = {
        ("numpy.core.multiarray", "_reconstruct"): lambda kind, shape, code: Bytes2D(),
        ("numpy", "ndarray"): Bytes2D,
        ("numpy", "dtype"): Dtype,
    }

    class Restricted(pickle.Unpickler):
        def find_class(self, module: str, name: str, /) -> Any:
            if (module, name) not in allowed:
                raise DataError(
                    f"{where} is a pickle that asks for {module}.{name}, which no CIFAR-10 file does; nothing was run. "
                    "Don't trust it: delete it, and download the archive from cs.toronto.edu/~kriz/cifar.html."
                )
            return allowed[module, name]

    return Restricted(io.BytesIO(content), encoding="bytes").load()


# ---- packed and unpacked


def _unpacked(path: Path, files: tuple[str, ...]) -> list[tuple[Array, Array]]:
    form = next((form for form in FORMS if (path / (files[0] + form.suffix)).is_file()), None)
    if form is None:
        raise _incomplete(path, [files[0]])
    parts = []
    for file in (path / (file + form.suffix) for file in files):
        try:
            form.check_size(str(file), file.stat().st_size)
            parts.append(form.parse(str(file), file.read_bytes()))
        except FileNotFoundError as error:
            raise _incomplete(path, [file.name]) from error
        except OSError as error:
            raise _fault(str(file), "a readable file", f"{error}") from error
    return parts


def _packed(path: Path, files: tuple[str, ...]) -> list[tuple[Array, Array]]:
    """The files' arrays, read in one pass over the archive; nothing is unpacked to the disk."""
    wanted = {f"{form.folder}/{file}{form.suffix}": (form, file) for form in FORMS for file in files}
    found: dict[str, tuple[Array, Array]] = {}
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            stream = _Bounded(str(path), gzip.GzipFile(fileobj=raw) if packed else raw)
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
                for member in archive:
                    form, file = wanted.get(member.name.removeprefix("./"), (None, ""))
                    content = archive.extractfile(member) if form and member.isreg() and file not in found else None
                    if form and content:
                        where = f"{path}: {member.name}"
                        form.check_size(where, member.size)
                        found[file] = form.parse(where, content.read())
            while stream.read(BLOCK):
                pass  # gzip's checksum comes at the end
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist. Download it from {URL}, or correct the path.") from error
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise _fault(str(path), "a whole tar archive", f"{type(error).__name__}: {error}") from error
    if missing := [file for file in files if file not in found]:
        raise _incomplete(path, missing)
    return [found[file] for file in files]


class _Bounded:
    """A stream that ends in an error once it has given more than any official archive holds."""

    def __init__(self, where: str, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._where, self._stream = where, stream
        self._most = self._left = 8 * PYTHON.bytes_per_record * RECORDS

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise _fault(self._where, f"at most {self._most:,} bytes inside", "more")
        return content


def _incomplete(path: Path, missing: list[str]) -> DataError:
    inside = " or ".join(f"{form.folder}/{TRAIN[0]}{form.suffix}" for form in FORMS)
    return DataError(
        f"{path} lacks CIFAR-10's {', '.join(missing)}. Expected one of its official archives, with {inside} and five "
        f"more in it, or the folder that it unpacks to. Download it from {URL}."
    )


def _fault(where: str, expected: str, found: str) -> DataError:
    return DataError(f"{where}: expected {expected}; found {found}. Delete the file and download it again from {URL}.")
