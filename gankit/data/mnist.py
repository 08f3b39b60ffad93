"""MNIST, from a folder of yours or downloaded once (LeCun, Cortes and Burges 1998; CC BY-SA 3.0)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import Dataset, check_split
from gankit.data.fetching import FOLDER_VARIABLE, fetch, folders
from gankit.data.idx import read_idx
from gankit.errors import DataError

__all__ = ["FOLDER_VARIABLE", "load"]

SPLITS = {
    # The training file's first 50,000 train and its last 10,000 validate, as in Goodfellow et al. 2014.
    "train": ("train", 60_000, slice(0, 50_000)),
    "validation": ("train", 60_000, slice(50_000, 60_000)),
    "full": ("train", 60_000, slice(None)),
    "test": ("t10k", 10_000, slice(None)),
}
"""Split: the file it lies in, how many examples that file holds, and which of them are meant."""

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")

SHA256 = {
    # Of the gzipped files as the mirrors serve them; the same numbers again gzipped would have another sum.
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load(split: str = "train") -> Dataset:
    """MNIST: x (n, 28, 28, 1) uint8 in 0..255, labels (n,) int64 in 0..9.

    split: "train" (50,000), "validation" (10,000), "full" (both, 60,000) or "test" (10,000).

    The idx files, gzipped or not, are looked for in `$GANKIT_DATA/mnist/` and `$GANKIT_DATA/`; otherwise they are
    downloaded with pooch, checked against their SHA-256 and kept in the user's cache folder.
    Raises DataError for another split, for damaged files, and when there is neither a folder nor a download.
    """
    check_split("mnist", split, SPLITS)
    part, count, rows = SPLITS[split]
    images_file, labels_file = _files(f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    images = _read(images_file, (count, 28, 28))
    labels = _read(labels_file, (count,))
    return Dataset(
        x=images[rows, ..., np.newaxis],
        labels=labels[rows].astype(np.int64),
        num_classes=10,
        value_range=(0, 255),
        name="mnist",
    )


def _read(path: Path, shape: tuple[int, ...]) -> Array:
    array = read_idx(path, math.prod(shape))
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(
            f"{path}: expected MNIST's shape {shape} of uint8; found {array.shape} of {array.dtype}. "
            "Delete the file and download it again. For data of your own, pass the arrays themselves."
        )
    return array


def _files(images: str, labels: str) -> tuple[Path, Path]:
    """Both files from one folder of the user's, or both downloaded: never one of each."""
    for folder in folders("mnist"):
        found = [_plain_or_gzipped(folder, name) for name in (images, labels)]
        if found[0] and found[1]:
            return found[0], found[1]
        if found[0] or found[1]:
            missing = labels if found[0] else images
            raise DataError(f"{folder} has only half of MNIST: {missing}[.gz] is missing. Put it beside the other.")
    return _fetch(f"{images}.gz"), _fetch(f"{labels}.gz")


def _plain_or_gzipped(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _fetch(name: str) -> Path:
    urls = [mirror + name for mirror in MIRRORS]
    example = "mnist/train-images-idx3-ubyte.gz and its three siblings"
    return fetch("MNIST", "mnist", urls, f"sha256:{SHA256[name]}", example)
