"""From whatever the user has (arrays, tensors, files, a name) to a `Dataset`."""

from __future__ import annotations

import array
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data import cifar10
from gankit.data.archives import is_tar_of_pictures
from gankit.data.asked import looks_like_path, unmistakable
from gankit.data.dataset import Codec, Dataset, blocks, check_split, extremes, is_memory_mapped
from gankit.data.folders import folder_by_text
from gankit.data.labels import class_numbers, is_text
from gankit.data.tables.table import TABLE, Table, is_frame, is_table_file, table
from gankit.errors import DataError

X_KEYS = ("x", "images", "data", "arr_0")
LABEL_KEYS = ("labels", "y")
GIVEN = "given/"
"""Before the name of a condition among the keys of a mapping or an .npz."""
ARRAY, MAPPING, BATCHES = NAMELESS = ("array", "mapping", "batches")
"""What data without a name is called."""
LARGE, MOST_TIMES = 2**28, 100
"""Bytes, and times as many as are there, above which what is packed is not unpacked."""
ARCHIVES = (".tar.gz", ".tgz", ".tar")


def open_data(
    source: Any, *, split: str = "train", num_classes: int | None = None, codec: Codec | None = None
) -> Dataset:
    """A `Dataset` from any of these sources.

    - a `Dataset`;
    - examples (n, ...): anything NumPy can view, CPU tensors included;
    - a tuple `(x, labels)`, or `(x, {"image": ...})` with conditions by name; a list counts as one when its second item
      is 1-D and its first is not;
    - a mapping with x (or images, data, arr_0) and, if labelled, labels (or y), and conditions as `given/image`; a
      `.npz` file with those keys;
    - pairs of images, `pairs:facades@64` and `halves:facades@64`: see `gankit.data.pairs`;
    - a `.npy` file, which stays on disk, memory-mapped, as does `(np.load(path, mmap_mode="r"), labels)`; labels for
      `faces.npy` may be in `faces.labels.npy`;
    - a folder of images, or of a folder for each class; `faces@64` resizes and crops; a .zip, .tar or .parquet of
      them; several, `cats,dogs@64`: see `gankit.data.folder`;
    - an official archive of CIFAR-10, or the folder that it unpacks to: see `gankit.data.cifar10.load`;
    - a table: a pandas DataFrame, or a .csv, .csv.gz, .tsv or .parquet file: see `gankit.data.table`;
    - the name of an installed data set. If a folder has the same name, write `./name` for the folder.

    Installed data sets, CIFAR-10's archives and tables have other splits besides "train".

    Pass iterables of batches, such as a torch DataLoader, to `gankit.build` or `Trainer.fit`: see
    `gankit.data.batches`.

    uint8 examples get value_range (0, 255), and (n, H, W) becomes (n, H, W, 1). Float images (n, H, W, C) with C
    from 1 to 4 get (0, 1) or (-1, 1) if all values lie within; other floats are unbounded. float16 and bool become
    float32, longdouble float64. Labels may be whole numbers of any dtype, one-hot rows (n, C), or texts, whose classes
    are numbered in alphabetical order; they become int64 (n,).

    num_classes: overrides the source. Arrays do not say how many classes there are.
    codec: the conversion to numbers of the table that a game was built on, for more rows of this table.

    Raises DataError for missing or unreadable files, NaN or infinity, and labels that do not fit.
    """
    dataset = _open(source, split, codec)
    if num_classes is None:
        return dataset
    if dataset.labels is None:
        raise DataError(f"{dataset.name}: num_classes={num_classes}, but there are no labels. Pass (x, labels).")
    return replace(dataset, num_classes=num_classes)


def can_reopen(name: str) -> bool:
    """Whether `open_data` finds again, from here, what a config calls by that name."""
    if name in (*NAMELESS, TABLE):
        return False
    from gankit.plug.registry import names

    return name in names("data") or Path(name).expanduser().exists() or folder_by_text(name) is not None


def data_name(source: Any) -> str:
    """What a config calls this data: a name that `open_data` finds again wherever there is one."""
    if isinstance(source, str):
        return source
    if isinstance(source, os.PathLike):
        return unmistakable(Path(source))
    if isinstance(source, Dataset):
        return source.name
    if is_frame(source):
        return TABLE
    return BATCHES if yields_batches(source) else ARRAY


def yields_batches(source: Any) -> bool:
    """Whether this is an iterable of batches, such as a DataLoader or a generator, and nothing that NumPy can view."""
    viewable = (str, bytes, os.PathLike, Mapping, tuple, list, Dataset)
    interfaces = ("__array__", "__array_interface__", "__dlpack__", "__buffer__")
    return (
        hasattr(source, "__iter__")
        and not isinstance(source, (*viewable, memoryview, bytearray, array.array))
        and not any(hasattr(source, name) for name in interfaces)
    )


def _open(source: Any, split: str, codec: Codec | None) -> Dataset:
    if isinstance(source, str) and _is_name(source):
        return _registered(source, split)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(os.fspath(source), split, codec)
    if is_frame(source):
        return table(source, codec=codec).split(split)
    if isinstance(source, Table):
        return source.split(split)
    check_split(source.name if isinstance(source, Dataset) else "An array", split, ["train"])
    if isinstance(source, Dataset):
        return source
    if isinstance(source, Mapping):
        x, labels, given = x_and_conditions(source, MAPPING)
        return from_arrays(x, labels, MAPPING, given)
    if isinstance(source, tuple) or _is_pair(source):
        if len(source) != 2:
            raise DataError(
                f"A tuple must be (x, labels) or (x, {{name: condition}}); got {len(source)} items. For examples, pass "
                "one array."
            )
        labels, given = labels_apart(source[1]) if isinstance(source[1], Mapping) else (source[1], {})
        return from_arrays(source[0], labels, ARRAY, given)
    _check_viewable(source)
    return from_arrays(source, None, ARRAY)


def _check_viewable(source: Any) -> None:
    """Refuse, before NumPy would walk through it, what holds or yields examples in its own way."""
    kind = type(source).__name__
    if yields_batches(source):
        raise DataError(f"This {kind} yields batches. Pass it to gankit.build(data=...) or trainer.fit(data, ...).")
    if hasattr(source, "__getitem__") and not hasattr(source, "__iter__") and not hasattr(source, "__array__"):
        raise DataError(
            f"This {kind} gives one example at a time. Pass something that yields batches, such as "
            "torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)."
        )


def _is_name(source: str) -> bool:
    """Whether to ask the registry: what is no path, and no folder but where a dataset has its name."""
    if looks_like_path(source):
        return False
    if not Path(source).is_dir():
        return True
    from gankit.plug.registry import names

    return source in names("data")


def _is_pair(source: Any) -> bool:
    if not isinstance(source, list) or len(source) != 2:
        return False
    try:
        return np.ndim(source[0]) > 1 and np.ndim(source[1]) == 1
    except ValueError:  # ragged: told in full when it becomes an array
        return False


def _registered(name: str, split: str) -> Dataset:
    from gankit.plug.registry import load  # here, so that arrays need no plugin discovery

    load_split = load("data", name)
    if not callable(load_split):
        raise DataError(f"The plugin for data {name!r} is {type(load_split).__name__}; it must be f(split) -> Dataset.")
    dataset = load_split(split=split)
    if not isinstance(dataset, Dataset):
        raise DataError(f"The plugin for data {name!r} returned {type(dataset).__name__}; it must return a Dataset.")
    return dataset


def _from_path(text: str, split: str, codec: Codec | None) -> Dataset:
    path = Path(text).expanduser()
    if is_table_file(path):
        return table(path, codec=codec).split(split)
    packed = path.name.endswith(ARCHIVES) and not is_tar_of_pictures(path)
    if packed or (path.is_dir() and cifar10.is_unpacked(path)):
        return cifar10.load_from(path, split)
    check_split(str(path), split, ["train"])
    opened = folder_by_text(text)
    return _from_file(path) if opened is None else opened()


def _from_file(path: Path) -> Dataset:
    if not path.is_file() or path.suffix not in (".npz", ".npy"):
        wrong = "is not a .npz or .npy file" if path.exists() else "does not exist"
        raise DataError(
            f"{path} {wrong}. Possible: a .npz or .npy file, a table (.csv, .parquet), a folder of images (folder, "
            "folder@64, folder@48x64), a .zip, .tar or .parquet of images, an array, or the name of a dataset."
        )
    try:
        x, labels, given = (*_npy(path), {}) if path.suffix == ".npy" else _npz(path)
    except DataError:
        raise
    except Exception as error:
        if "Python objects" in str(error) or "allow_pickle" in str(error):
            raise DataError(
                f"{path} cannot be read: it has Python objects, which gankit does not open, because they can run code. "
                "Save numbers instead, for example with np.save(path, np.stack(list_of_arrays))."
            ) from error
        # A damaged header makes NumPy's reader raise anything: TokenError, SyntaxError, ...
        raise DataError(f"{path} cannot be read: {error}. Save it again with np.savez or np.save.") from error
    return from_arrays(x, labels, path.name, given)


def _npy(path: Path) -> tuple[Array, Array | None]:
    """Memory-mapped: this refuses pickles, and whatever is not .npy inside."""
    labels = path.with_suffix(".labels.npy")
    return (
        np.lib.format.open_memmap(path, mode="r"),
        np.lib.format.open_memmap(labels, mode="r") if labels.is_file() else None,
    )


def _npz(path: Path) -> tuple[Array, Array | None, Mapping[str, Any]]:
    # Opened here, because NumPy leaves its own handle open when the archive is damaged.
    with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
        for member in archive.zip.infolist() if archive.zip else ():
            if member.file_size > LARGE and member.file_size > MOST_TIMES * max(1, member.compress_size):
                raise DataError(
                    f"{path}: {member.filename} would unpack from {member.compress_size:,} to {member.file_size:,} "
                    "bytes, like a zip bomb. If you trust it, save it as .npy and pass that."
                )
        return x_and_conditions(archive, path.name)


def x_and_conditions(arrays: Mapping[str, Any], name: str) -> tuple[Any, Any, dict[str, Any]]:
    """The examples, the labels or None, and what is called `given/...`; nothing else is read."""
    x_key, label_key = (next((key for key in keys if key in arrays), None) for keys in (X_KEYS, LABEL_KEYS))
    if x_key is None:
        raise DataError(
            f"{name}: no examples among the keys {sorted(map(str, arrays))}. "
            f"Name them one of {', '.join(X_KEYS)}, and labels, if any, one of {', '.join(LABEL_KEYS)}."
        )
    given = {key.removeprefix(GIVEN): arrays[key] for key in arrays if str(key).startswith(GIVEN)}
    return arrays[x_key], None if label_key is None else arrays[label_key], given


def labels_apart(given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The labels among conditions, or None, and the rest."""
    rest = dict(given)
    return rest.pop("label", None), rest


def from_arrays(x: Any, labels: Any, name: str, given: Mapping[str, Any] | None = None) -> Dataset:
    """A `Dataset` from what NumPy can view."""
    examples, classes = native(as_array(x, name)), None
    if labels is not None:
        labels = as_array(labels, name)
        if is_text(labels):
            found, labels = np.unique(labels.astype(str), return_inverse=True)
            classes = len(found)
    return Dataset(
        x=examples,
        labels=None if labels is None else class_numbers(labels, name),
        num_classes=classes,
        value_range=told_range(examples, name),
        name=name,
        given={key: _condition(values, f"{name}, {key!r}") for key, values in (given or {}).items()},
    )


def _condition(values: Any, name: str) -> Array:
    """A condition in a dtype that every backend takes: classes as int32, else as examples are."""
    x = as_array(values, name)
    return x.astype(np.int32) if x.dtype.kind in "iu" and x.dtype != np.uint8 else native(x)


def as_array(source: Any, name: str) -> Array:
    """A view where NumPy can have one: no copy of arrays, memory maps and CPU tensors."""
    try:
        if not hasattr(source, "__array__") and hasattr(source, "__dlpack__"):
            return np.from_dlpack(source)
        return np.asarray(source)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:  # ragged; on a GPU; wants a gradient; bfloat16
        raise DataError(
            f"{name}: NumPy cannot convert this {type(source).__name__} ({error}). "
            "Pass an array, or for a tensor x.detach().cpu().float()."
        ) from error


def native(x: Array) -> Array:
    """x in a dtype and byte order that every backend takes; what it refuses is left for `Dataset` to name.

    Floats that are memory-mapped stay as they are on disk, and are converted as they are read.
    """
    if x.dtype == np.uint8 and x.ndim == 3:
        return x[..., np.newaxis]
    if x.dtype.kind == "b":
        return x.astype(np.float32)
    return x if is_memory_mapped(x) else native_floats(x)


def native_floats(x: Array) -> Array:
    """Floats as float32 or float64 in the machine's byte order; anything else as it is."""
    if x.dtype.kind != "f":
        return x
    return x.astype(np.float32 if x.dtype.itemsize <= 4 else np.float64, copy=False)


def told_range(x: Array, name: str) -> tuple[float, float] | None:
    """The range examples promise to keep. Raises DataError when one is not finite."""
    if x.dtype == np.uint8:
        return (0, 255)
    if x.dtype.kind != "f" or x.ndim < 2 or x.size == 0:
        return None  # `Dataset` refuses it, in better words
    least, greatest = extremes(x)
    if not np.isfinite([least, greatest]).all():
        raise not_finite(x, name)
    if x.ndim != 4 or x.shape[-1] > 4 or least < -1 or greatest > 1:
        return None
    return (0.0, 1.0) if least >= 0 else (-1.0, 1.0)


def not_finite(x: Array, name: str) -> DataError:
    bad = [~np.isfinite(block).reshape(len(block), -1).all(axis=1) for block in blocks(x)]
    where = np.flatnonzero(np.concatenate(bad))
    return DataError(
        f"{name}: {len(where)} of {len(x)} examples hold NaN or infinity, the first at index {where[0]}. "
        "Drop them with x[np.isfinite(x).reshape(len(x), -1).all(axis=1)], or fill them."
    )
