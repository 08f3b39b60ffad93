"""From whatever the user has (arrays, tensors, files, a name) to a `Dataset`."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gankit.data.dataset import Array, Dataset, blocks, check_split, extremes
from gankit.errors import DataError

X_KEYS = ("x", "images", "data", "arr_0")
LABEL_KEYS = ("labels", "y")


def open_data(source: Any, *, split: str = "train", num_classes: int | None = None) -> Dataset:
    """A `Dataset` from any of these sources.

    - a `Dataset`;
    - examples (n, ...): anything NumPy can view, CPU tensors included;
    - a tuple `(x, labels)`; a list counts as one when its second item is 1-D and its first is not;
    - a mapping with x (or images, data, arr_0) and, if labelled, labels (or y); a `.npz` file with those keys;
    - a `.npy` file, which stays on disk, memory-mapped;
    - the name of an installed dataset, the only source that has more splits than "train".

    uint8 examples get value_range (0, 255), and (n, H, W) becomes (n, H, W, 1). Float images (n, H, W, C) with C
    from 1 to 4 get (0, 1) or (-1, 1) when they lie within; other floats are unbounded. float16 and bool become
    float32, longdouble float64. Labels may be whole numbers of any dtype, or one-hot rows (n, C); they become
    int64 (n,).

    num_classes: overrides what the source says; arrays say nothing.

    Raises DataError for missing or unreadable files, NaN or infinity, and labels that do not fit.
    """
    dataset = _open(source, split)
    if num_classes is None:
        return dataset
    if dataset.labels is None:
        raise DataError(f"{dataset.name}: num_classes={num_classes}, but there are no labels. Pass (x, labels).")
    return replace(dataset, num_classes=num_classes)


def _open(source: Any, split: str) -> Dataset:
    if isinstance(source, str) and not _looks_like_path(source):
        return _registered(source, split)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        check_split(str(path), split, ["train"])
        return _from_file(path)
    check_split(source.name if isinstance(source, Dataset) else "An array", split, ["train"])
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Mapping):
        return _from_arrays(*_x_and_labels(source, "mapping"), "mapping")
    if isinstance(source, tuple) or _is_pair(source):
        if len(source) != 2:
            raise DataError(f"A tuple must be (x, labels); got {len(source)} items. For examples, pass one array.")
        return _from_arrays(source[0], source[1], "array")
    return _from_arrays(source, None, "array")


def _looks_like_path(source: str) -> bool:
    """Names of datasets have neither dots nor slashes."""
    return any(mark in source for mark in (".", "/", os.sep))


def _is_pair(source: Any) -> bool:
    if not isinstance(source, list) or len(source) != 2:
        return False
    try:
        return np.ndim(source[0]) > 1 and np.ndim(source[1]) == 1
    except ValueError:  # ragged: told in full when it becomes an array
        return False


def _registered(name: str, split: str) -> Dataset:
    from gankit.registry import load  # here, so that arrays need no plugin discovery

    load_split = load("data", name)
    if not callable(load_split):
        raise DataError(f"The plugin for data {name!r} is {type(load_split).__name__}; it must be f(split) -> Dataset.")
    dataset = load_split(split=split)
    if not isinstance(dataset, Dataset):
        raise DataError(f"The plugin for data {name!r} returned {type(dataset).__name__}; it must return a Dataset.")
    return dataset


def _from_file(path: Path) -> Dataset:
    if not path.is_file() or path.suffix not in (".npz", ".npy"):
        wrong = "is not a .npz or .npy file" if path.exists() else "does not exist"
        raise DataError(f"{path} {wrong}. Possible: a .npz or .npy file, an array, or the name of a dataset.")
    try:
        x, labels = _npy(path) if path.suffix == ".npy" else _npz(path)
    except DataError:
        raise
    except (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Save it again with np.savez or np.save.") from error
    return _from_arrays(x, labels, path.name)


def _npy(path: Path) -> tuple[Array, None]:
    return np.lib.format.open_memmap(path, mode="r"), None  # refuses pickles, and whatever is not .npy inside


def _npz(path: Path) -> tuple[Array, Array | None]:
    # Opened here, because NumPy leaves its own handle open when the archive is damaged.
    with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
        return _x_and_labels(archive, path.name)


def _x_and_labels(arrays: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    """The examples, and the labels or None; nothing else is read."""
    x_key, label_key = (next((key for key in keys if key in arrays), None) for keys in (X_KEYS, LABEL_KEYS))
    if x_key is None:
        raise DataError(
            f"{name}: no examples among the keys {sorted(map(str, arrays))}. "
            f"Name them one of {', '.join(X_KEYS)}, and labels, if any, one of {', '.join(LABEL_KEYS)}."
        )
    return arrays[x_key], None if label_key is None else arrays[label_key]


def _from_arrays(x: Any, labels: Any, name: str) -> Dataset:
    examples = _examples(_as_array(x, name), name)
    return Dataset(
        x=examples,
        labels=None if labels is None else _labels(_as_array(labels, name), name),
        value_range=_value_range(examples, name),
        name=name,
    )


def _as_array(source: Any, name: str) -> Array:
    """A view where NumPy can have one: no copy of arrays, memory maps and CPU tensors."""
    try:
        if not hasattr(source, "__array__") and hasattr(source, "__dlpack__"):
            return np.from_dlpack(source)
        return np.asarray(source)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:  # ragged; on a GPU; wants a gradient; bfloat16
        raise DataError(
            f"{name}: NumPy cannot take this {type(source).__name__} ({error}). "
            "Pass an array, or for a tensor x.detach().cpu().float()."
        ) from error


def _examples(x: Array, name: str) -> Array:
    """x in a dtype and byte order that every backend takes; what it refuses is left for `Dataset` to name."""
    if x.dtype == np.uint8 and x.ndim == 3:
        return x[..., np.newaxis]
    if x.dtype.kind == "b" or x.dtype == np.float16:
        return x.astype(np.float32)
    if x.dtype.kind == "f":
        native = np.float64 if x.dtype.itemsize > 8 else x.dtype.newbyteorder("=")
        return x.astype(native, copy=False)
    return x


def _value_range(x: Array, name: str) -> tuple[float, float] | None:
    """The range examples promise to keep. Raises DataError when one is not finite."""
    if x.dtype == np.uint8:
        return (0, 255)
    if x.dtype.kind != "f" or x.ndim < 2 or x.size == 0:
        return None  # `Dataset` refuses it, in better words
    least, greatest = extremes(x)
    if not np.isfinite([least, greatest]).all():
        raise _not_finite(x, name)
    if x.ndim != 4 or x.shape[-1] > 4 or least < -1 or greatest > 1:
        return None
    return (0.0, 1.0) if least >= 0 else (-1.0, 1.0)


def _not_finite(x: Array, name: str) -> DataError:
    bad = [~np.isfinite(block).reshape(len(block), -1).all(axis=1) for block in blocks(x)]
    where = np.flatnonzero(np.concatenate(bad))
    return DataError(
        f"{name}: {len(where)} of {len(x)} examples hold NaN or infinity, the first at index {where[0]}. "
        "Drop them with x[np.isfinite(x).reshape(len(x), -1).all(axis=1)], or fill them."
    )


def _labels(labels: Array, name: str) -> Array:
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
