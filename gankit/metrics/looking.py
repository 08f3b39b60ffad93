"""Which extractor looks at a game's examples, and what it has seen already."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from gankit.arrays import Array
from gankit.data.spec import DataSpec
from gankit.errors import PluginError, ShapeError
from gankit.interfaces import Backend
from gankit.metrics.base import Extractor
from gankit.play.sharing import shares
from gankit.plug import registry

Seen = tuple[Array, Array | None]
PIECE = 500
"""Examples that one worker looks at at least. It is a multiple of the pieces of gankit's own extractors, whose numbers
are then those of one worker to the last bit."""


def find_extractor(spec: DataSpec, name: str | None = None) -> Extractor | None:
    """The extractor of that name, or the first by name that is made for this very shape; None where none is.

    Raises UnknownNameError for a name that is not installed, and ShapeError where that one looks at another shape.
    """
    if name is not None:
        extractor = _made(name)
        if not _fits(extractor, spec):
            raise ShapeError(
                f"The extractor {name!r} looks at examples of shape {_worded(extractor.shape)}, "
                f"with a known range if they are images; the data's are of shape {spec.shape}."
            )
        return extractor
    for each in registry.names("extractors"):
        try:
            extractor = _made(each)
        except PluginError:  # one that is broken is nothing to those who did not ask for it
            continue
        if None not in extractor.shape and _fits(extractor, spec):
            return extractor
    return None


class Looker:
    """An extractor on a backend, which looks at the same array once, however many metrics ask.

    Extractors are shown images as bytes, as pictures are stored; anything else in the data's own units.
    """

    def __init__(self, extractor: Extractor, backend: Backend, spec: DataSpec) -> None:
        self._look: Callable[[Array], Seen] = extractor.open(backend)
        self._spec, self._ops, self._features = spec, backend.ops, extractor.num_features
        self._seen: dict[tuple[Any, ...], tuple[Array, Seen]] = {}

    def __call__(self, x: Array) -> Seen:
        """Features, and probabilities where there are classes, of examples (n, *shape)."""
        where = (x.__array_interface__["data"][0], x.shape, x.strides, str(x.dtype))
        if where not in self._seen:
            # The array is kept as well: while it lives, no other can lie in its place.
            self._seen[where] = (x, self._looked(as_shown(x, self._spec)))
        return self._seen[where][1]

    def _looked(self, x: Array) -> Seen:
        """By all workers where they share, in pieces that one would have too."""
        shared = shares(self._ops)
        if shared is None or len(x) <= PIECE:
            return self._look(x)
        rows = PIECE * math.ceil(len(x) / (PIECE * shared.count))
        parts = [x[start : start + rows] for start in range(0, len(x), rows)]
        own = shared.each(self._side_by_side, parts)
        both = shared.whole(np.concatenate(own) if own else np.zeros((0, 0)), list(map(len, parts)))
        return both[:, : self._features], both[:, self._features :] if both.shape[1] > self._features else None

    def _side_by_side(self, x: Array) -> Array:
        features, probabilities = self._look(x)
        return features if probabilities is None else np.concatenate([features, probabilities], axis=1)

    def forget(self, x: Array) -> None:
        """Drop what was seen of an array, which is about to go or to change, and of parts of it."""
        self._seen = {where: kept for where, kept in self._seen.items() if not np.may_share_memory(kept[0], x)}


def as_shown(x: Array, spec: DataSpec) -> Array:
    """Images as bytes from 0 to 255, by the range of the data; anything else as it is."""
    if x.dtype == np.uint8 or len(spec.shape) != 3 or spec.value_range is None:
        return x
    low, high = spec.value_range
    return np.rint(np.clip((x.astype(np.float64) - low) / (high - low), 0.0, 1.0) * 255).astype(np.uint8)


def _made(name: str) -> Extractor:
    return cast(Callable[[], Extractor], registry.load("extractors", name))()


def _fits(extractor: Extractor, spec: DataSpec) -> bool:
    sides = len(extractor.shape) == len(spec.shape) and all(
        want in (None, side) for want, side in zip(extractor.shape, spec.shape, strict=True)
    )
    return sides and (spec.bounded or len(spec.shape) != 3)


def _worded(shape: tuple[int | None, ...]) -> str:
    """`(28, 28, 1)`, or `(any, any, any)`."""
    return f"({', '.join('any' if side is None else str(side) for side in shape)}{',' if len(shape) == 1 else ''})"
