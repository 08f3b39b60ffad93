"""What every data source yields: examples in memory, and the scaling between them and the networks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from gankit.arrays import Array
from gankit.data.lazy import Pictures
from gankit.errors import DataError, did_you_mean, one_of
from gankit.interfaces.values import Choice, Port

BLOCK_BYTES = 1 << 23
"""How much is held as float64 at a time when statistics are taken, so memory-mapped data stays on disk."""
FOR_THE_MEAN = 512
"""Pictures: of bytes, their mean is within some 3 levels of that of all."""


class Codec(Protocol):
    """Rows of numbers, and what the user knows them as. `gankit.data.tables.codec` is the one for tables.

    choices: the places in a row where one of several numbers is 1.
    """

    @property
    def choices(self) -> tuple[Choice, ...]: ...

    def encode(self, frame: Any, where: str = ...) -> Array:
        """(n, width) float64; raises DataError for what does not fit."""

    def told(self, name: Any, values: Any, n: int) -> Array:
        """What n rows are told: that a column has a value, one for all or one for each; the condition `column`."""

    def decode(self, x: Array) -> Any:
        """The inverse, of (n, width) floats of which the greatest number of a choice is the one that is chosen."""

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint's header."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples held in memory (or memory-mapped), with or without labels.

    x: (n, *shape) uint8 or float; images are NHWC. Of large folders, `gankit.data.lazy.Pictures`.
    labels: (n,) integers in [0, num_classes), or None.
    num_classes: how many classes there are; None if unknown or unlabelled.
    value_range: the smallest and largest possible value, e.g. (0, 255); None if unbounded.
    name: for messages and run folders.
    given: other conditions of the examples, by name, one row per example: classes (n,), vectors (n, k) and images
        (n, h, w, c).
    skipped: files that could not be read, each with the reason.
    codec: converts rows of numbers to the user's rows, such as those of a table, and back; None if x is the user's data
        itself.

    Raises DataError if fields contradict each other, or if examples are outside `value_range`.
    """

    x: Array
    labels: Array | None = None
    num_classes: int | None = None
    value_range: tuple[float, float] | None = None
    name: str = "array"
    given: Mapping[str, Array] = field(default_factory=dict)
    skipped: Sequence[str] = ()
    codec: Codec | None = None

    def __post_init__(self) -> None:
        if self.x.dtype.kind in "USOMm":
            what = {"U": "texts", "S": "texts", "O": "Python objects"}.get(self.x.dtype.kind, "dates")
            raise DataError(f"{self.name}: the examples are {what}; gankit takes numbers, uint8 or float.")
        if self.x.ndim < 2 or self.x.size == 0:
            raise DataError(
                f"{self.name}: expected examples of shape (n, ...) with n >= 1, got shape {self.x.shape}. "
                "One number per example is written (n, 1)."
            )
        if self.x.dtype != np.uint8 and not np.issubdtype(self.x.dtype, np.floating):
            raise DataError(
                f"{self.name}: examples have dtype {self.x.dtype}; gankit takes uint8 or float. "
                "Convert with x.astype('float32')."
            )
        if self.num_classes is not None and self.num_classes < 1:
            raise DataError(f"{self.name}: num_classes={self.num_classes}; it must be at least 1, or None.")
        if self.labels is not None:
            self._check_labels(self.labels)
        if self.value_range is not None:
            self._check_range(*self.value_range)
        for name, values in self.given.items():
            self._check_condition(name, values)

    def _check_condition(self, name: str, values: Array) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or name == "label":
            raise DataError(
                f"{self.name}: a condition cannot be called {name!r}. Use lower-case letters, digits and hyphens, such "
                "as 'image'. Pass classes called 'label' as labels."
            )
        if values.ndim == 0 or len(values) != len(self.x):
            raise DataError(
                f"{self.name}: the condition {name!r} has shape {values.shape}; it must have a row for each of the "
                f"{len(self.x)} examples."
            )
        port_of(name, values)
        if values.dtype.kind == "f" and not np.isfinite(extremes(values)).all():
            bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
            raise DataError(f"{self.name}: the condition {name!r} holds NaN or infinity, first at index {bad[0]}.")

    def _check_labels(self, labels: Array) -> None:
        if labels.shape != (len(self.x),) or not np.issubdtype(labels.dtype, np.integer):
            raise DataError(
                f"{self.name}: labels must be {len(self.x)} integers, one per example; "
                f"got shape {labels.shape}, dtype {labels.dtype}."
            )
        if labels.min() < 0:
            raise DataError(f"{self.name}: labels run from {labels.min()} to {labels.max()}; classes count from 0.")
        if self.num_classes is not None and labels.max() >= self.num_classes:
            raise DataError(
                f"{self.name}: labels run from {labels.min()} to {labels.max()}, "
                f"but num_classes={self.num_classes} allows 0 to {self.num_classes - 1}."
            )

    def _check_range(self, low: float, high: float) -> None:
        if not (low < high and np.isfinite([low, high]).all()):
            raise DataError(f"{self.name}: value_range ({low}, {high}) must be two finite numbers, the smaller first.")
        if self.x.dtype == np.uint8 and not 0 <= low < high <= 255:
            raise DataError(f"{self.name}: value_range ({low}, {high}) leaves 0 to 255, which is all that uint8 holds.")
        if self.x.dtype == np.uint8 and (low, high) == (0, 255):
            return  # cannot be left: spare a pass over the data
        least, greatest = extremes(self.x)
        if not (low <= least and greatest <= high):
            raise DataError(
                f"{self.name}: examples run from {least} to {greatest}, outside value_range ({low}, {high}). "
                "Widen the range, rescale the data, or pass value_range=None."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.x.shape[1:])

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, which: slice) -> Dataset:
        """Some of the examples, with what belongs to them."""
        labels = None if self.labels is None else self.labels[which]
        given = {name: values[which] for name, values in self.given.items()}
        return replace(self, x=self.x[which], labels=labels, given=given)


def port_of(name: str, values: Array) -> Port:
    """What a condition brought as an array is; raises DataError for an array that can be none."""
    if values.ndim == 1 and values.dtype.kind in "iu" and values.size and values.min() >= 0:
        return Port("class", num_classes=int(values.max()) + 1)
    if values.ndim == 2 and values.dtype.kind == "f":
        return Port("vector", values.shape[1:])
    if values.ndim == 4 and (values.dtype == np.uint8 or values.dtype.kind == "f"):
        return Port("image", values.shape[1:])
    raise DataError(
        f"The condition {name!r} has shape {values.shape}, {values.dtype}. Possible: classes (n,), whole numbers from "
        "0; vectors (n, k), float; images (n, h, w, c), uint8 or float."
    )


@dataclass(frozen=True, eq=False)
class Scaling:
    """The affine map between the user's units and what the networks see: `model = (x - offset) / scale`.

    offset, scale: float64, broadcastable to one example.
    low, high: bounds of the user's units; samples are clipped to them. None when unbounded.
    dtype: the user's dtype, which samples are returned in ("uint8", "float32", ...).
    """

    offset: Array
    scale: Array
    low: float | None = None
    high: float | None = None
    dtype: str = "float32"

    @property
    def is_integer(self) -> bool:
        """Whether the user's units are whole numbers, so samples must be rounded."""
        return bool(np.issubdtype(np.dtype(self.dtype), np.integer))

    def to_model(self, x: Array, dtype: str | np.dtype[Any]) -> Array:
        """Examples (n, *shape) in model units, computed in float64 and cast once, to `dtype`."""
        return np.asarray((x.astype(np.float64) - self.offset) / self.scale, dtype=dtype)

    def to_user(self, model: Array) -> Array:
        """Samples in the user's units and dtype; integers are rounded, not truncated."""
        # Whole numbers are far apart beside float32's rounding; others are worth float64.
        wide = model.dtype if self.is_integer else np.dtype(np.float64)
        x = model * self.scale.astype(wide)
        x += self.offset.astype(wide)
        if self.low is not None or self.high is not None:
            np.clip(x, self.low, self.high, out=x)
        if self.is_integer:
            np.rint(x, out=x)
        return np.asarray(x, dtype=self.dtype)


def scaling(dataset: Dataset, output: str) -> Scaling:
    """The scaling that brings a dataset into the range of the generator's last activation.

    output: "unit" (sigmoid, [0, 1]), "symmetric" (tanh, [-1, 1]) or "free" (linear).

    Data with a `value_range` is mapped by that range, the same for every feature (offset and scale are 0-d),
    and "free" is then the same as "symmetric". Data without one is mapped feature by feature (offset and scale
    have the shape of one example): "free" by mean and standard deviation, the others by least and greatest
    value; a constant feature keeps scale 1. What has a codec is left as it is. Raises DataError for another `output`.
    """
    if output not in ("unit", "symmetric", "free"):
        known = ("unit", "symmetric", "free")
        raise DataError(f"No output range {output!r}; possible: {one_of(known)}.{did_you_mean(output, known)}")
    if dataset.codec is not None:  # it has brought them into units that networks can work in
        return Scaling(np.zeros(()), np.ones(()), dtype=dataset.x.dtype.name)
    dtype = "float32" if dataset.x.dtype == np.float16 else dataset.x.dtype.name  # float16 where memory-mapped
    if dataset.value_range is not None:
        low, high = dataset.value_range
        offset, scale = _onto(output, np.asarray(low, np.float64), np.asarray(high, np.float64))
        return Scaling(offset, scale, low, high, dtype)
    least, greatest = _feature_extremes(dataset.x)
    if output == "free":
        offset, scale = _mean(dataset.x), _std(dataset.x)
    else:
        offset, scale = _onto(output, least, greatest)
    # Decided by the extremes: rounding leaves the deviation of a constant 0.1 at about 1e-17, not at 0.
    constant = least == greatest
    return Scaling(np.where(constant, least, offset), np.where(constant, 1.0, scale), dtype=dtype)


def feature_mean(dataset: Dataset, scaling: Scaling) -> Array:
    """The mean example in model units, float64 of one example's shape: where an output bias can start.

    Of pictures that are still to be decoded some stand for all, and always the same ones.
    """
    x = dataset.x.spread(FOR_THE_MEAN) if isinstance(dataset.x, Pictures) else dataset.x
    return np.asarray((_mean(x) - scaling.offset) / scaling.scale)


def check_split(name: str, split: str, possible: Iterable[str]) -> None:
    """Raise DataError, naming what is possible, when a dataset has no such split."""
    known = tuple(possible)
    if split not in known:
        raise DataError(f"{name} has no split {split!r}; possible: {one_of(known)}.{did_you_mean(split, known)}")


def is_memory_mapped(x: Array) -> bool:
    """Whether the numbers lie in a file: `np.asarray` and slices of a memory map no longer say so themselves."""
    base: Any = x
    if isinstance(base, Pictures):
        return True
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def blocks(x: Array) -> Iterator[Array]:
    """Consecutive views of x that each cover about `BLOCK_BYTES` as float64; at least one example."""
    rows = max(1, BLOCK_BYTES // max(1, 8 * x[0].size))
    return (x[start : start + rows] for start in range(0, len(x), rows))


def extremes(x: Array) -> tuple[float, float]:
    """The least and greatest number in x, both NaN when x has one."""
    least, greatest = zip(*((float(block.min()), float(block.max())) for block in blocks(x)), strict=True)
    return float(np.min(least)), float(np.max(greatest))  # NumPy's, because Python's min loses a NaN


def _onto(output: str, low: Array, high: Array) -> tuple[Array, Array]:
    """Offset and scale that send low and high to 0 and 1 ("unit"), or to -1 and 1."""
    if output == "unit":
        return low, np.asarray(high - low)
    return np.asarray((low + high) / 2), np.asarray((high - low) / 2)


def _feature_extremes(x: Array) -> tuple[Array, Array]:
    """Per-feature least and greatest value, float64 of one example's shape."""
    least = np.min([block.min(axis=0) for block in blocks(x)], axis=0)
    greatest = np.max([block.max(axis=0) for block in blocks(x)], axis=0)
    return np.asarray(least, np.float64), np.asarray(greatest, np.float64)


def _mean(x: Array) -> Array:
    """Per-feature mean, float64 of one example's shape."""
    return np.asarray(sum(block.sum(axis=0, dtype=np.float64) for block in blocks(x)) / len(x))


def _std(x: Array) -> Array:
    """Per-feature standard deviation (divisor n). Two passes: E[x²] - E[x]² loses all digits far from 0."""
    mean = _mean(x)
    return np.asarray(np.sqrt(sum(np.square(block - mean).sum(axis=0) for block in blocks(x)) / len(x)))
