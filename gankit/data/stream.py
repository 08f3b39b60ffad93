"""Iterables of batches, such as a DataLoader: examples come in whatever portions, and go out as many as are wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import Dataset, extremes
from gankit.data.labels import class_numbers
from gankit.data.sources import (
    as_array,
    labels_apart,
    native,
    not_finite,
    open_data,
    told_range,
    x_and_conditions,
    yields_batches,
)
from gankit.data.spec import DataSpec
from gankit.errors import DataError
from gankit.interfaces.values import LABEL

SLACK = 0.01
"""How far, in parts of the range, a batch may leave it: resizing and augmentation overshoot a little."""


@dataclass(frozen=True, eq=False)
class BatchSource:
    """An iterable of batches, and how its images lie; made by `batches`."""

    source: Iterable[Any]
    channels_first: bool | None = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.source)


def batches(source: Iterable[Any], *, channels_first: bool | None = None) -> BatchSource:
    """An iterable of batches as data. You need this function only for images with channels first, as in PyTorch.

    You can pass any iterable of batches directly, as `gankit.build(data=loader)` or `trainer.fit(loader, steps=1000)`:
    a torch DataLoader, a generator, an object of your own with `__iter__`. (A list is an array.) Each batch is examples
    (m, *shape), a tuple or list (x,) or (x, labels), or a mapping with x and labels, as anything that NumPy can view.
    Batches may have any size. gankit splits them again into batches of `batch_size`, in their order. A step takes k of
    these, and one more if the loss shows real examples to G. The iterable has to shuffle. Labels are read only in
    conditional games, which need `num_classes`. A thread reads the next batches during a step. If your iterable must
    run on the calling thread, such as a connection to SQLite, set GANKIT_WITHOUT=ahead.

    channels_first: True turns images (m, C, H, W) into gankit's (m, H, W, C), and samples have this layout too. False
        says that the axis after m does not hold channels. By default shapes that look like channels first are refused.

    The first batch is read when the game is built, and determines the shape and the units: uint8 is 0..255; float
    images are in [0, 1] or [-1, 1] if all values are; other floats are unbounded, and are scaled by the statistics of
    that batch only, so it should be representative. Every later batch is checked against it.

    If an iterable ends, it is started again. If that is not possible, as for a generator, training ends with a
    DataError when no whole step is left; the steps done are kept. A second `fit` on the same object continues where the
    first stopped. Checkpoints do not store the position in an iterable: a resumed run gets what the iterable then
    yields.
    """
    if not yields_batches(source):
        raise DataError(
            f"This {type(source).__name__} yields no batches. Pass arrays, files and names directly as data."
        )
    return BatchSource(source, channels_first)


class BatchStream:
    """An iterable of batches that is being read.

    source: the iterable.
    first: its first batch, which stands for the data where shape, units or statistics are asked for.
    """

    def __init__(
        self, source: Iterable[Any], *, conditional: bool, num_classes: int | None = None, spec: DataSpec | None = None
    ) -> None:
        """spec: of the game, whose units all batches must keep to; by default the first batch tells them.

        Raises DataError when no batch comes, or none that can be trained on.
        """
        self.source = source
        self._conditional, self._num_classes = conditional, num_classes
        self._channels_first = source.channels_first if isinstance(source, BatchSource) else None
        self._kind = type(source.source if isinstance(source, BatchSource) else source).__name__
        self._iterator, self._count = iter(source), 0
        first = self._next()
        if first is None:
            raise DataError(f"This {self._kind} yields no batches. If it is a used-up generator, create it again.")
        self.first = replace(first, value_range=told_range(first.x, first.name))
        self._range = self.first.value_range if spec is None else spec.value_range
        self._check(first)
        self._waiting = deque([first])

    def fill(self, n: int) -> int:
        """Read on until n examples wait or no more come; how many wait. A batch unlike the first is a DataError."""
        waiting = sum(map(len, self._waiting))
        while waiting < n and (batch := self._next()) is not None:
            self._check(batch)
            self._waiting.append(batch)
            waiting += len(batch)
        return waiting

    def take(self, n: int) -> tuple[Array, dict[str, Array]]:
        """The next n of the examples that wait, and their conditions; labels are int32, in a conditional game."""
        parts: list[Dataset] = []
        while n:
            batch = self._waiting.popleft()
            if len(batch) > n:
                self._waiting.appendleft(batch.rows(slice(n, None)))
            parts.append(batch.rows(slice(n)))
            n -= len(parts[-1])
        given = {name: np.concatenate([part.given[name] for part in parts]) for name in self.first.given}
        if self.first.labels is not None:
            given = {LABEL: np.concatenate([part.labels for part in parts]).astype(np.int32), **given}
        return np.concatenate([part.x for part in parts]), given

    # ---- batch by batch

    def _next(self) -> Dataset | None:
        """The next batch, from the beginning again where the iterable ends; None where nothing comes."""
        for _ in range(2):
            for item in self._iterator:
                self._count += 1
                return self._opened(item, f"batch {self._count} of the {self._kind}")
            self._iterator = iter(self.source)
        return None

    def _opened(self, item: Any, name: str) -> Dataset:
        x, labels, given = self._parts(item, name)
        return Dataset(
            x=self._copy(x, name),
            labels=None if labels is None else class_numbers(as_array(labels, name), name),
            num_classes=None if labels is None else self._num_classes,
            name=name,
            given={key: self._copy(values, f"{name}, {key!r}") for key, values in given.items()},
        )

    def _copy(self, x: Any, name: str) -> Array:
        """Examples or conditions in memory of their own: some iterables fill the same memory again."""
        return native(np.array(self._channels_last(as_array(x, name), name)))

    def _parts(self, item: Any, name: str) -> tuple[Any, Any, Mapping[str, Any]]:
        """Examples, labels in a game with labels, and further conditions."""
        given: Mapping[str, Any] = {}
        if isinstance(item, Mapping):
            x, labels, given = x_and_conditions(item, name)
        elif isinstance(item, (tuple, list)):
            if len(item) not in (1, 2):
                raise DataError(f"{name} is a {type(item).__name__} of {len(item)}; it must be x, (x,) or (x, labels).")
            x, labels = item[0], item[1] if len(item) == 2 else None
            if isinstance(labels, Mapping):
                labels, given = labels_apart(labels)
        else:
            x, labels = item, None
        if self._conditional and labels is None:
            raise DataError(f"{name} has no labels, and this game is conditional. Yield pairs (x, labels).")
        return x, labels if self._conditional else None, given

    def _channels_last(self, x: Array, name: str) -> Array:
        if self._channels_first:
            if x.ndim != 4:
                raise DataError(f"{name} has shape {x.shape}; with channels_first=True it must be (m, C, H, W).")
            return np.moveaxis(x, 1, -1)
        if self._channels_first is None and x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] > 4:
            raise DataError(
                f"{name} has shape {x.shape}, which looks like images with channels first; gankit expects them last. "
                "Pass gankit.data.batches(loader, channels_first=True), or channels_first=False if they are not first."
            )
        return x

    def _check(self, batch: Dataset) -> None:
        """Raise DataError when a batch is unlike the first, or leaves the units."""
        first, x = self.first.x, batch.x
        if x.shape[1:] != first.shape[1:] or x.dtype != first.dtype:
            raise DataError(
                f"{batch.name} is {x.dtype} of shape {x.shape}; the first was {first.dtype} of shape {first.shape}. "
                "Only the number of examples may differ."
            )
        if x.dtype == np.uint8 and self._range == (0, 255):
            return
        least, greatest = extremes(x)
        if not np.isfinite([least, greatest]).all():
            raise not_finite(x, batch.name)
        low, high = self._range or (least, greatest)
        slack = SLACK * (high - low)
        if least < low - slack or greatest > high + slack:
            raise DataError(
                f"{batch.name} runs from {least:.6g} to {greatest:.6g}, but the data of this game is declared as "
                f"{low:g} to {high:g}. Scale all batches in the same way."
            )


def open_training(
    source: Any, *, conditional: bool, num_classes: int | None, spec: DataSpec | None = None
) -> Dataset | BatchStream:
    """Whatever a game can be trained on: `open_data`, and iterables of batches; spec: of a game already built."""
    if yields_batches(source):
        return BatchStream(source, conditional=conditional, num_classes=num_classes, spec=spec)
    return open_data(source, num_classes=num_classes, codec=None if spec is None else spec.codec)


def examples_of(data: Dataset | BatchStream) -> Dataset:
    """The examples that shape, units and statistics are taken from: all there are, or a stream's first batch."""
    return data.first if isinstance(data, BatchStream) else data
