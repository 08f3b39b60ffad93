"""Handwritten digits, 8x8, inside the package: the dataset that needs no download.

Source: "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning
Repository, https://doi.org/10.24432/C50P49, licence CC BY 4.0; the test part, as shipped by scikit-learn's
`load_digits`. Changed here: the 17 grey levels 0..16 are stored as round(level * 255 / 16).
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from gankit.data.dataset import Dataset, check_split


def load(split: str = "train") -> Dataset:
    """The 1797 digits: x (1797, 8, 8, 1) uint8 in 0..255, labels (1797,) int64 in 0..9.

    Raises DataError for any split but "train": the set is too small to be worth dividing.
    """
    check_split("digits", split, ["train"])
    with (
        files("gankit.data").joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        x, labels = archive["x"], archive["labels"].astype(np.int64)
    return Dataset(x=x, labels=labels, num_classes=10, value_range=(0, 255), name="digits")
