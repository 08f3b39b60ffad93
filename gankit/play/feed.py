"""Data on its way to the step: a data set whole on the device where it fits, all else sent along a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gankit.data.dataset import Dataset, is_memory_mapped
from gankit.data.sources import native_floats
from gankit.data.stream import BatchStream
from gankit.errors import DataError
from gankit.interfaces import LABEL, Batch, Draw, Given, Ops, State, Step, Terms
from gankit.play.batches import Batches, Stock
from gankit.play.conditions import Makers, Seen, made
from gankit.play.streams import BLOCK

RESIDENT_BYTES = 2 * 1024**3
CHUNK_BYTES = 64 * 1024**2
NATURALLY = Seen(0.0, 1.0, pictures=True)
EXAMPLES = ""
"""Under this name lie the examples among the arrays of a source; under theirs, its conditions."""
Units = Mapping[str, tuple[Any, Any]]
"""Offset and scale of the user's units, on the device: of the examples, and of conditions that have units."""


class Feed:
    """Chunks of iterations on one data set, and on further sources beside it.

    capacity: the most steps of one chunk: a block of the streams, or fewer where examples must be sent along.
    shared: what lies on the device for every step to read: by source, the arrays by name.
    returns_early: whether the backend's `run` returns before the device is done. What is made ready on a thread before
        such a call would hold it up, as Python runs one thread at a time.
    """

    def __init__(
        self,
        dataset: Dataset,
        batches: Batches,
        ops: Ops,
        conditions: frozenset[str],
        units: Mapping[str, Units],
        others: Mapping[str, Dataset] | None = None,
    ) -> None:
        self.dataset = dataset
        self._batches = batches
        self._sources = {"": dataset, **(others or {})}
        self._stocks = {"": _stock(dataset, conditions, batches.rows_of(dataset))} | {
            source: _stock(data, frozenset({LABEL, *data.given})) for source, data in (others or {}).items()
        }
        shared = {
            source: _on_device(data, self._stocks[source].placed, ops, units[source])
            for source, data in self._sources.items()
            if _fits(data)
        }
        self.shared: tuple[Any, ...] = (shared,) if shared else ()
        self._resident = frozenset(shared)
        away = [data for source, data in self._sources.items() if source not in shared]
        self.capacity = min((_capacity(data, batches) for data in away), default=BLOCK)
        self._stage, self.returns_early = staging(ops)
        self._ready: tuple[tuple[int, int], Any] | None = None

    def prepare(self, start: int, stop: int) -> None:
        """Make the chunk start..stop-1 ready, on whatever thread: latents take time to draw, examples to read, and both
        to be put on the device."""
        self._ready = ((start, stop), self._chunk(start, stop))

    def available(self, start: int, stop: int) -> int:
        """How far of the iterations start..stop-1 the data reaches: a data set to the end."""
        return stop

    def chunk(self, start: int, stop: int) -> Any:
        """The iterations start..stop-1, with indices into the data set on the device, or with the examples; a Batch, or
        what the backend makes of one beforehand."""
        ready, self._ready = self._ready, None
        return ready[1] if ready is not None and ready[0] == (start, stop) else self._chunk(start, stop)

    def _chunk(self, start: int, stop: int) -> Any:
        main, *others = self._stocks.values()
        batch = self._batches.make(start, stop, main, dict(zip([*self._stocks][1:], others, strict=True)))
        d, g = self._with_examples(batch.discriminator), self._with_examples(batch.generator)
        return self._stage(batch._replace(discriminator=d, generator=g), self.capacity)

    def _with_examples(self, draw: Draw, source: str = "") -> Draw:
        """The draw with examples in the place of indices, where these lie on the host."""
        others = {
            name: self._with_examples(own, name if name in self._sources else source)
            for name, own in draw.others.items()
        }
        if source in self._resident:
            return draw._replace(others=others)
        data, placed = self._sources[source], self._stocks[source].placed

        def taken(given: Given) -> Given:
            return {name: native_floats(data.given[name][x]) if name in placed else x for name, x in given.items()}

        given = taken(draw.given)
        fake_given = given if draw.fake_given is draw.given else taken(draw.fake_given)
        real = None if draw.real is None else native_floats(data.x[draw.real])
        return Draw(real, given, draw.z, fake_given, others)


class StreamFeed:
    """Chunks of iterations on an iterable of batches, in the order in which its examples come; otherwise as `Feed`."""

    shared: tuple[Any, ...] = ()

    def __init__(self, stream: BatchStream, batches: Batches, ops: Ops) -> None:
        self.dataset = stream
        self._batches = batches
        self._stage, self.returns_early = staging(ops)
        self.capacity = _capacity(stream.first, batches)

    def prepare(self, start: int, stop: int) -> None:
        """Read the examples of the iterations start..stop-1, or as many as come; they wait until they are taken."""
        try:
            self.dataset.fill((stop - start) * self._batches.examples_per_step)
        except Exception as error:
            error.add_note("gankit reads batches on a thread of its own; GANKIT_WITHOUT=ahead reads them on yours.")
            raise

    def available(self, start: int, stop: int) -> int:
        """How far of the iterations start..stop-1 the examples reach that still come; DataError where for none."""
        per_step = self._batches.examples_per_step
        waiting = self.dataset.fill((stop - start) * per_step)
        if waiting < per_step:
            raise DataError(
                f"The batches are used up after step {start:,}: {waiting} examples are left, a step takes {per_step}, "
                "and the iterable cannot be started again. The steps done are kept: save, sample or fit. To train "
                "for longer, pass what can start again: a DataLoader, or an object whose __iter__ is a generator."
            )
        return min(stop, start + waiting // per_step)

    def chunk(self, start: int, stop: int) -> Any:
        """The iterations start..stop-1, which must be `available`, with their examples; see `Feed.chunk`."""
        x, given = self.dataset.take((stop - start) * self._batches.examples_per_step)
        return self._stage(self._batches.cut(start, stop, x, given), self.capacity)


def staging(ops: Ops) -> tuple[Callable[[Batch, int], Any], bool]:
    """(batches, capacity) to what `ops.run` may be given in their place, and whether that returns early: with a `stage`
    a backend says so. Without one batches stay what they are."""
    stage = getattr(ops, "stage", None)
    return stage or (lambda batches, capacity: batches), stage is not None


def _stock(data: Dataset, conditions: frozenset[str], rows: Callable[[Any], Any] | None = None) -> Stock:
    # int32: the integers that every backend has, whatever else its process has switched on.
    labels = data.labels.astype(np.int32) if LABEL in conditions and data.labels is not None else None
    return Stock(len(data), labels, tuple(name for name in data.given if name in conditions), rows)


def _fits(data: Dataset) -> bool:
    """Whether a data set is kept on the device. Memory-mapped files stay where they are, however small."""
    arrays = (data.x, *data.given.values())
    return sum(x.nbytes for x in arrays) <= RESIDENT_BYTES and not any(map(is_memory_mapped, arrays))


def _on_device(data: Dataset, placed: tuple[str, ...], ops: Ops, units: Units) -> dict[str, Any]:
    def put(name: str, values: Any) -> Any:
        x = ops.asarray(values)
        # Bytes are scaled a batch at a time, because as floats they would take four times the memory.
        return in_model_units(x, *units[name]) if name in units and is_float(ops, x) else x

    return {EXAMPLES: put(EXAMPLES, data.x)} | {name: put(name, native_floats(data.given[name])) for name in placed}


def _capacity(dataset: Dataset, batches: Batches) -> int:
    """The most steps of a chunk that carries its examples along."""
    per_example = sum(x[:1].nbytes for x in (dataset.x, *dataset.given.values()))
    return max(1, min(BLOCK, CHUNK_BYTES // (per_example * batches.examples_per_step)))


def on_examples_in_user_units(step: Step, ops: Ops, makers: Makers = (), seen: Seen = NATURALLY) -> Any:
    """The step on a batch in the user's units, or on indices into data that lies on the device.

    makers: of conditions, which are made here, where the examples are in model units; seen: the units of makers.
    """

    def prepared(state: State, batch: Batch, units: Mapping[str, Units], *shared: Any) -> tuple[State, Terms]:
        resident = shared[0] if shared else {}

        def arrived(x: Any, name: str, source: str) -> Any:
            own, there = units[source], resident.get(source)
            if there is not None and name in there:
                x = ops.take(there[name], x)
                if is_float(ops, x):
                    return x
            return in_model_units(ops.to_float(x), *own[name]) if name in own else x

        def with_examples(draw: Draw, source: str = "") -> Draw:
            given = {name: arrived(x, name, source) for name, x in draw.given.items()}
            fake_given = given
            if draw.fake_given is not draw.given:
                fake_given = {name: arrived(x, name, source) for name, x in draw.fake_given.items()}
            others = {name: with_examples(own, name if name in units else source) for name, own in draw.others.items()}
            real = None if draw.real is None else arrived(draw.real, EXAMPLES, source)
            return Draw(real, given, draw.z, fake_given, others)

        d, g = (made(makers, ops, with_examples(draw), seen) for draw in (batch.discriminator, batch.generator))
        return step(state, batch._replace(discriminator=d, generator=g))

    return prepared


def in_model_units(x: Any, offset: Any, scale: Any) -> Any:
    """Examples as G makes them and D sees them, from the user's units."""
    return (x - offset) / scale


def is_float(ops: Ops, x: Any) -> bool:
    """Whether an array on the device holds floats."""
    return bool(ops.xp.isdtype(x.dtype, "real floating"))
