"""Arrays of pictures that are decoded when they are first asked for."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from gankit.arrays import Array
from gankit.data.store import Store


class Keeper:
    """Whoever holds it may read a store; when nobody does any more, the store stops."""

    def __init__(self, store: Store) -> None:
        self.store = store
        weakref.finalize(self, store.stop)


class Pictures:
    """Pictures on disk, (n, height, width, channels) uint8, read as an array is: rows by number, slice or mask.

    A row that is not decoded yet is decoded before all others, and waited for; threads decode the rest meanwhile. What
    NumPy takes for an array, `np.asarray(x)`, waits for all of it; so slices and rows are better. Slices stay on disk.

    start: where in a row of the store the picture begins. mirrored: whether the pictures come once more after the last,
    mirrored left to right.
    """

    dtype: np.dtype[Any] = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, keeper: Keeper, start: int, shape: tuple[int, int, int], mirrored: bool) -> None:
        self._keeper, self._start, self._shape, self._mirrored = keeper, start, shape, mirrored
        self._width = int(np.prod(shape))

    def __len__(self) -> int:
        return len(self._keeper.store) * (1 + self._mirrored)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self), *self._shape)

    @property
    def size(self) -> int:
        return len(self) * self._width

    nbytes = size

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            first, *rest = key or (...,)
            if first is Ellipsis:
                return np.asarray(self)[key]
            # A single row has no axis before the others; the axis of all other choices stays.
            return self[first][tuple(rest)] if isinstance(first, (int, np.integer)) else self[first][:, *rest]
        if isinstance(key, slice):
            return self._sliced(range(*key.indices(len(self))))
        if key is Ellipsis:
            return np.asarray(self)
        rows = np.asarray(key)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"a mask of shape {rows.shape} for {len(self):,} pictures")
            rows = np.flatnonzero(rows)
        if rows.size == 0:
            return np.empty((*rows.shape, *self._shape), np.uint8)
        if rows.dtype.kind not in "iu" or rows.min() < -len(self) or rows.max() >= len(self):
            raise IndexError(f"rows {key!r} of {len(self):,} pictures")
        return self._rows(np.where(rows < 0, rows + len(self), rows).ravel()).reshape(*rows.shape, *self._shape)

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        x = self._sliced(range(len(self)))
        return x.copy() if copy and dtype is None else x if dtype is None else x.astype(dtype)

    def spread(self, n: int) -> Array:
        """n pictures at most, at even distances: for statistics that are not worth decoding all."""
        return np.asarray(self[np.unique(np.linspace(0, len(self) - 1, n).astype(np.int64))])

    def __repr__(self) -> str:
        return f"<{len(self):,} pictures of shape {self._shape}, decoded as they are asked for>"

    def _sliced(self, rows: range) -> Array:
        n = len(self._keeper.store)
        if rows.step == 1 and len(rows) and rows.stop <= n:
            view = self._keeper.store.view(rows.start, rows.stop)
            if view is not None:
                return view[:, self._start : self._start + self._width].reshape(len(rows), *self._shape)
        if not rows:
            return np.empty((0, *self._shape), np.uint8)
        return self._rows(np.arange(rows.start, rows.stop, rows.step))

    def _rows(self, rows: Array) -> Array:
        n = len(self._keeper.store)
        found = self._keeper.store.read(rows % n)[:, self._start : self._start + self._width]
        x = np.ascontiguousarray(found).reshape(len(rows), *self._shape)
        turned = rows >= n
        if turned.any():
            x[turned] = x[turned][:, :, ::-1]
        return x


class Skipped(Sequence[str]):
    """What could not be read so far, each with the reason: it grows while a game is played."""

    def __init__(self, keeper: Keeper, names: Sequence[str]) -> None:
        self._keeper, self._names = keeper, names

    def _lines(self) -> list[str]:
        return [f"{self._names[row]}: {why}" for row, why in sorted(self._keeper.store.broken.copy().items())]

    def __len__(self) -> int:
        return len(self._keeper.store.broken)

    @overload
    def __getitem__(self, i: int) -> str: ...

    @overload
    def __getitem__(self, i: slice) -> list[str]: ...

    def __getitem__(self, i: int | slice) -> str | list[str]:
        return self._lines()[i]
