"""Data on its way to the step: a data set whole on the device where it fits, all else sent along a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gankit.data.dataset import Dataset, is_memory_mapped
from gankit.data.sources import native_floats
from gankit.data.stream import Stream
from gankit.errors import DataError
from gankit.interfaces import Batch, Draw, Ops, State, Step, Terms
from gankit.play.batches import Batches
from gankit.play.streams import BLOCK

RESIDENT_BYTES = 2 * 1024**3
CHUNK_BYTES = 64 * 1024**2
Units = tuple[Any, Any]
"""Offset and scale of the user's units, on the device."""


class Feed:
    """Chunks of iterations on one data set.

    capacity: the most steps of one chunk: a block of the streams, or fewer where examples must be sent along.
    shared: the arrays on the device that every step reads; the data set, where it lies there.
    returns_early: whether the backend's `run` returns before the device is done. What is made ready on a thread before
        such a call would hold it up, as Python runs one thread at a time.
    """

    def __init__(self, dataset: Dataset, batches: Batches, ops: Ops, conditional: bool, units: Units) -> None:
        self.dataset = dataset
        self._batches = batches
        # int32: the integers that every backend has, whatever else its process has switched on.
        self._labels = dataset.labels.astype(np.int32) if conditional and dataset.labels is not None else None
        # Memory-mapped files stay where they are, however small.
        self._resident = dataset.x.nbytes <= RESIDENT_BYTES and not is_memory_mapped(dataset.x)
        self.shared: tuple[Any, ...] = ()
        if self._resident:
            x = ops.asarray(dataset.x)
            # Bytes are scaled a batch at a time, because as floats they would take four times the memory.
            self.shared = (in_model_units(x, *units) if is_float(ops, x) else x,)
        self.capacity = BLOCK if self._resident else _capacity(dataset, batches)
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
        batch = self._batches.make(start, stop, len(self.dataset), self._labels)
        if not self._resident:
            d, g = self._with_examples(batch.discriminator), self._with_examples(batch.generator)
            batch = batch._replace(discriminator=d, generator=g)
        return self._stage(batch, self.capacity)

    def _with_examples(self, draw: Draw) -> Draw:
        return draw if draw.real is None else draw._replace(real=native_floats(self.dataset.x[draw.real]))


class StreamFeed:
    """Chunks of iterations on an iterable of batches, in the order in which its examples come; otherwise as `Feed`."""

    shared: tuple[Any, ...] = ()

    def __init__(self, stream: Stream, batches: Batches, ops: Ops) -> None:
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
                "and the iterable cannot be begun again. The steps done are kept: save, sample or fit on. To train "
                "for longer, pass what can be begun again: a DataLoader, or an object whose __iter__ is a generator."
            )
        return min(stop, start + waiting // per_step)

    def chunk(self, start: int, stop: int) -> Any:
        """The iterations start..stop-1, which must be `available`, with their examples; see `Feed.chunk`."""
        x, labels = self.dataset.take((stop - start) * self._batches.examples_per_step)
        batch = self._batches.cut(start, stop, x, None if labels is None else labels.astype(np.int32))
        return self._stage(batch, self.capacity)


def staging(ops: Ops) -> tuple[Callable[[Batch, int], Any], bool]:
    """(batches, capacity) to what `ops.run` may be given in their place, and whether that returns early: with a `stage`
    a backend says so. Without one batches stay what they are."""
    stage = getattr(ops, "stage", None)
    return stage or (lambda batches, capacity: batches), stage is not None


def _capacity(dataset: Dataset, batches: Batches) -> int:
    """The most steps of a chunk that carries its examples along."""
    step_bytes = dataset.x[:1].nbytes * batches.examples_per_step
    return max(1, min(BLOCK, CHUNK_BYTES // step_bytes))


def on_examples_in_user_units(step: Step, ops: Ops) -> Any:
    """The step on a batch in the user's units, or on indices into a data set that lies on the device."""

    def prepared(state: State, batch: Batch, *arrays: Any) -> tuple[State, Terms]:
        (offset, scale), resident = arrays[:2], arrays[2:]

        def with_examples(draw: Draw) -> Draw:
            if draw.real is None:
                return draw
            real = ops.take(resident[0], draw.real) if resident else draw.real
            if not (resident and is_float(ops, real)):
                real = in_model_units(ops.to_float(real), offset, scale)
            return draw._replace(real=real)

        d, g = with_examples(batch.discriminator), with_examples(batch.generator)
        return step(state, batch._replace(discriminator=d, generator=g))

    return prepared


def in_model_units(x: Any, offset: Any, scale: Any) -> Any:
    """Examples as G makes them and D sees them, from the user's units."""
    return (x - offset) / scale


def is_float(ops: Ops, x: Any) -> bool:
    """Whether an array on the device holds floats."""
    return bool(ops.xp.isdtype(x.dtype, "real floating"))
