"""Labels of any kind as numbers of classes."""

from __future__ import annotations

import numpy as np

from gankit.arrays import Array
from gankit.errors import DataError


def is_text(labels: Array) -> bool:
    """Whether these are names of classes."""
    return labels.ndim == 1 and (
        labels.dtype.kind in "UT" or (labels.dtype.kind == "O" and all(isinstance(each, str) for each in labels))
    )


def class_numbers(labels: Array, name: str) -> Array:
    """(n,) int64 from whole numbers of any dtype, or from one-hot rows."""
    if labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind in "buif":
        if not (np.isin(labels, (0, 1)).all() and (np.count_nonzero(labels, axis=1) == 1).all()):
            raise DataError(f"{name}: labels of shape {labels.shape} are not one-hot: each row must hold a single 1.")
        return np.asarray(labels.argmax(axis=1), np.int64)
    if labels.ndim != 1 or labels.dtype.kind not in "buif":
        raise DataError(
            f"{name}: labels must be (n,) whole numbers or (n, C) one-hot rows with C >= 2; "
            f"got shape {labels.shape}, dtype {labels.dtype}. Write a column as labels[:, 0]."
        )
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (np.rint(labels) == labels)).all():
        raise DataError(f"{name}: labels of dtype {labels.dtype} are not all whole numbers. Classes count from 0.")
    return labels.astype(np.int64, copy=False)
