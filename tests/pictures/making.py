"""Folders and archives of pictures that tests are made of."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gankit.arrays import Array
from gankit.data import decoding, folder, open_data

RNG = np.random.default_rng(0)
Decoded = list[str]


def picture(height: int = 6, width: int = 8, channels: int = 3) -> Array:
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(pixels: Array, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, form)
    return file.getvalue()


def folder_of(path: Path, n: int, *, classes: int = 0, broken: tuple[int, ...] = ()) -> Path:
    """n pictures, in class folders where there are classes."""
    for i in range(n):
        file = path / (f"class-{i * classes // n}" if classes else "") / f"{i:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(picture())[: 40 if i in broken else None])
    return path


def small(source: Any, **settings: Any) -> Any:
    """The same as it is opened where it fits into memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "IN_MEMORY", 2**28)
        patch.setenv("GANKIT_CACHE", "off")
        return open_data(source) if isinstance(source, str) else folder(source, **settings)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def packed(kind: str, folder: Path, top: str = "") -> Path:
    path = folder.with_name(f"{folder.name}.{kind}")
    files = {f"{top}{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*") if file.is_file()}
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"__MACOSX/{top}._a.png", b"what macOS leaves")
            for name, file in reversed(files.items()):
                archive.write(file, name)
    else:
        with tarfile.open(path, "w") as archive:
            for name, file in reversed(files.items()):
                archive.add(file, name)
    return path


def paired(path: Path, *, broken: tuple[int, ...] = (), halves: bool = False, n: int = 8) -> Path:
    for i in range(n):
        a, b = picture(6, 6), picture(6, 6, 1)
        files = {"": np.concatenate([a, b.repeat(3, -1)], 1)} if halves else {"A": a, "B": b}
        for side, pixels in files.items():
            (path / side).mkdir(parents=True, exist_ok=True)
            bad = i in broken and side in ("", "A" if i % 2 else "B")
            (path / side / f"{i}.png").write_bytes(encoded(pixels)[: 40 if bad else None])
    return path
