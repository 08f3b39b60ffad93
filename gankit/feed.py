"""A data set on its way to the step: whole on the device where it fits, else sent along a chunk at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.batches import Batches
from gankit.data.dataset import Dataset
from gankit.interfaces import Batch, Draw, Ops, State, Step, Terms
from gankit.streams import BLOCK

RESIDENT_BYTES = 2 * 1024**3
CHUNK_BYTES = 64 * 1024**2


class Feed:
    """Chunks of iterations on one data set.

    capacity: the most steps of one chunk: a block of the streams, or fewer where examples must be sent along.
    shared: the arrays on the device that every step reads; the data set, where it lies there.
    """

    def __init__(self, dataset: Dataset, batches: Batches, ops: Ops, conditional: bool) -> None:
        self.dataset = dataset
        self._batches = batches
        # int32: the integers that every backend has, whatever else its process has switched on.
        self._labels = dataset.labels.astype(np.int32) if conditional and dataset.labels is not None else None
        # Memory-mapped files stay where they are, however small.
        self._resident = dataset.x.nbytes <= RESIDENT_BYTES and not isinstance(dataset.x, np.memmap)
        self.shared: tuple[Any, ...] = (ops.asarray(dataset.x),) if self._resident else ()
        step_bytes = dataset.x[:1].nbytes * batches.examples_per_step
        self.capacity = BLOCK if self._resident else max(1, min(BLOCK, CHUNK_BYTES // step_bytes))

    def chunk(self, start: int, stop: int) -> Batch:
        """The iterations start..stop-1: with indices into the data set on the device, or with the examples."""
        batch = self._batches.make(start, stop, len(self.dataset), self._labels)
        return (
            batch
            if self._resident
            else batch._replace(
                discriminator=self._with_examples(batch.discriminator), generator=self._with_examples(batch.generator)
            )
        )

    def _with_examples(self, draw: Draw) -> Draw:
        return draw if draw.real is None else draw._replace(real=self.dataset.x[draw.real])


def in_user_units(step: Step, ops: Ops) -> Any:
    """The step on a batch in the user's units, or on indices into a data set that lies on the device."""

    def prepared(state: State, batch: Batch, offset: Any, scale: Any, *resident: Any) -> tuple[State, Terms]:
        def in_model_units(draw: Draw) -> Draw:
            if draw.real is None:
                return draw
            real = ops.take(resident[0], draw.real) if resident else draw.real
            return draw._replace(real=(ops.to_float(real) - offset) / scale)

        d, g = in_model_units(batch.discriminator), in_model_units(batch.generator)
        return step(state, batch._replace(discriminator=d, generator=g))

    return prepared
