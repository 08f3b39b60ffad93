"""What users bring to a game in progress, checked before it touches anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.data.sources import can_reopen
from gankit.data.spec import DataSpec
from gankit.data.stream import Stream, examples_of, open_training
from gankit.errors import ConfigError, DataError
from gankit.interfaces import Batch
from gankit.play.batches import Batches

Array = np.ndarray[Any, Any]


class Inputs:
    """The checks of one game: examples of its shape, labels where it is conditional and nowhere else."""

    def __init__(self, config: Config, spec: DataSpec) -> None:
        self._config, self._spec = config, spec

    def training_data(self, source: Any, *known: Dataset | Stream | None) -> Dataset | Stream:
        """Data like that which the game was built on.

        known: what was opened before; an iterable of batches among it is read on where it stands.
        """
        for stream in known:
            if isinstance(stream, Stream) and stream.source is source:
                return stream
        spec = self._spec
        data = open_training(source, conditional=self._config.conditional, num_classes=spec.num_classes, spec=spec)
        dataset = examples_of(data)
        self.examples(dataset.x[:1])
        if self._config.conditional and dataset.labels is None:
            raise DataError(f"{dataset.name} has no labels, and this game is conditional. Pass data=(x, labels).")
        return data

    def own_data(self) -> Dataset | Stream:
        """The data that the game was built on, where its name says how to open it again."""
        name = self._config.data
        if can_reopen(name):
            return self.training_data(name)
        raise DataError(
            f"This game was loaded without its data ({name!r}), which cannot be opened again from here. "
            "Pass it: trainer.fit(data, steps=...)."
        )

    def examples(self, x: Any) -> Array:
        """(n, *shape), uint8 or float."""
        x = np.asarray(x)
        known = x.dtype == np.uint8 or x.dtype.kind == "f"
        if x.shape[1:] != self._spec.shape or not known:
            raise DataError(
                f"Expected examples of shape (n, {_commas(self._spec.shape)}), uint8 or float, like those the game was "
                f"built on; got {x.shape}, {x.dtype}."
            )
        if self._spec.scaling.is_integer and x.dtype.kind == "f":
            raise DataError(
                f"Expected {self._spec.scaling.dtype} examples, like those the game was built on; got {x.dtype}, whose "
                "range may be another. Convert them first."
            )
        return np.asarray(x)

    def labels(self, labels: Any, shape: tuple[int, ...]) -> Array | None:
        """Integers of that shape in a conditional game; None, and nothing else, in an unconditional one."""
        if not self._config.conditional:
            if labels is not None:
                raise ConfigError(
                    f"Labels were given, but this game is unconditional ({self._config.loss.name}). Build it with "
                    "loss='conditional' and num_classes=..., or with recipe='cgan'."
                )
            return None
        classes = self._spec.num_classes
        if labels is None:
            raise DataError(f"This game is conditional: pass labels, {shape} integers below {classes}.")
        y = np.asarray(labels)
        if y.shape != shape or not np.issubdtype(y.dtype, np.integer):
            raise DataError(f"labels must be {shape} integers; got shape {y.shape}, {y.dtype}.")
        if y.size and not 0 <= y.min() <= y.max() < (classes or 0):
            raise DataError(
                f"labels run from {y.min()} to {y.max()}; this game has the classes 0 to {(classes or 0) - 1}."
            )
        return y.astype(np.int32)

    def sample_labels(self, n: int, labels: Any) -> Array | None:
        """(n,) labels for sampling: those given, one for all, or every class in turn."""
        if self._config.conditional and labels is None:
            return np.arange(n, dtype=np.int32) % (self._spec.num_classes or 1)
        if labels is not None and np.ndim(labels) == 0:
            labels = np.full(n, labels)
        return self.labels(labels, (n,))

    def one_step(self, batches: Batches, step: int, real: Any, labels: Any) -> Batch:
        """The batch of one iteration on given examples: (m, *shape), or (j, m, *shape) with j = k or k + 1."""
        k, real = self._config.k, np.asarray(real)
        if k == 1 and real.shape[1:] == self._spec.shape:
            real = real[None]
            labels = None if labels is None else np.asarray(labels)[None]
        if real.shape[2:] != self._spec.shape or len(real) not in (k, k + 1):
            m = f"m, {_commas(self._spec.shape)}"
            possible = f"({m}) or (1, {m})" if k == 1 else f"({k}, {m})"
            raise DataError(
                f"step: examples of shape {real.shape} don't fit a game with k={k}. Pass {possible}, a minibatch for "
                "each of D's steps; one more may follow for G's."
            )
        self.examples(real[0])
        y = self.labels(labels, real.shape[:2])
        return batches.given(step, (real[:k], real[-1]), (None, None) if y is None else (y[:k], y[-1]))


def _commas(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
