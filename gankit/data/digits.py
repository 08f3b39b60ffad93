"""Handwritten digits, 8x8, inside the package: the dataset that needs no download.

Source: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning
Repository, https://doi.org/10.24432/C50P49, licence CC BY 4.0; the test part, as shipped by scikit-learn's
`load_digits`. Changed here: the 17 grey levels 0..16 are stored as round(level * 255 / 16).

The splits are gankit's own, in the order of the set: the first 1,297 to train on, 200 for validation, the last 300 as
the test. Who wrote which is not in the set, so one hand may be in two of them.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from gankit.data.dataset import Dataset, check_split

SPLITS = {"train": slice(1297), "validation": slice(1297, 1497), "test": slice(1497, None)}


def load(split: str = "train") -> Dataset:
    """The digits of a split: x (n, 8, 8, 1) uint8 in 0..255, labels (n,) int64 in 0..9.

    Raises DataError for any split but "train", "validation" and "test".
    """
    check_split("digits", split, SPLITS)
    return whole().rows(SPLITS[split])


def whole() -> Dataset:
    """All 1,797 of them."""
    with (
        files("gankit.data").joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        x, labels = archive["x"], archive["labels"].astype(np.int64)
    return Dataset(x=x, labels=labels, num_classes=10, value_range=(0, 255), name="digits")
