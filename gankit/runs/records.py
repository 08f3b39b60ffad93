"""What a run writes while it trains: callbacks of `Trainer.fit` for metrics, pictures and checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.arrays import Array
from gankit.data.images import save_png, scatter
from gankit.data.sources import open_data
from gankit.data.tables.table import write_frame
from gankit.errors import CheckpointError, DataError, ShapeError
from gankit.play.asking import asked
from gankit.runs.folder import Run
from gankit.runs.writing import Log

ROWS = 10
COLUMNS = 32
"""The most columns of a grid with a column for each class."""
POINTS = 2_000
SEED = 0
"""Of the latents in every picture of a run, whatever the game's own seed."""


@dataclass
class MetricsLog:
    """A JSON line for every `every`-th step: `{"step": 100, "d_loss": 0.69, ...}`. NaN and infinity are null."""

    run: Run
    every: int

    def __post_init__(self) -> None:
        self._log = Log(self.run.metrics_file)

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        line = {"step": step, **{name: value if math.isfinite(value) else None for name, value in terms.items()}}
        self._log.add((json.dumps(line, allow_nan=False) + "\n").encode())


@dataclass
class SampleGrid:
    """A picture of the same latents after every `every`-th step; of a table a .csv of 100 rows.

    That examples are no picture is said once.
    """

    run: Run
    every: int
    say: Callable[[str], None] = print
    _reference: dict[str, Array | None] = field(default_factory=dict)

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self._write(trainer, self.run.sample_file(step))

    def latest(self, trainer: Any) -> bool:
        """Write `samples.png`; False when these examples are no picture."""
        return self._write(trainer, self.run.picture)

    def _write(self, trainer: Any, path: Any) -> bool:
        if getattr(trainer.spec, "codec", None) is not None:
            write_frame(path.with_suffix(".csv"), trainer.sample(ROWS * ROWS, seed=SEED))
            return True
        if not is_picture(trainer.spec.shape):
            if "said" not in self._reference:
                self.say(f"Examples of shape {trainer.spec.shape} are no picture: none are drawn.")
                self._reference["said"] = None
            return False
        if "points" not in self._reference:
            self._reference["points"] = reference(trainer)
        n, labels, columns = layout(trainer)
        samples = trainer.sample(n, seed=SEED, **asked(trainer, n, labels, seed=SEED))
        draw(path, samples, trainer, columns, self._reference["points"])
        return True


@dataclass
class Checkpoints:
    """The whole state after every `every`-th step; the last `keep` stay."""

    run: Run
    every: int
    keep: int = 3

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.save(trainer)

    def save(self, trainer: Any) -> None:
        """Write one now, unless this very step has one, and remove the oldest.

        Neither the best, which has a name of its own, nor the last one that is finite is ever removed.
        """
        done = trainer.steps_done
        self.run.sync_logs()
        if not self.run.config_file.is_file():  # the folder was removed; without its config it would be nobody's
            self.run.begin(trainer.config)
        path = self.run.checkpoint_file(done)
        trainer.save(path)
        older = [other for other in self.run.checkpoints() if checkpoint.step_of(other) <= done]
        spare = older[: -self.keep]
        if spare and not any(map(_is_finite, older[-self.keep :])):
            last = next((other for other in reversed(spare) if _is_finite(other)), None)
            spare = [other for other in spare if other != last]
        for other in spare:
            other.unlink(missing_ok=True)


def _is_finite(path: Path) -> bool:
    """Whether a checkpoint is there, and says nothing of NaN or infinity."""
    try:
        return checkpoint.outline(path)[0].get("finite") is not False
    except CheckpointError:
        return False


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether one example is an image (H, W, 1 or 3), or a point of the plane."""
    return shape == (2,) or (len(shape) == 3 and shape[-1] in (1, 3))


def layout(trainer: Any) -> tuple[int, Array | None, int]:
    """(how many, labels, columns) of a run's pictures: a column for each class in a conditional game."""
    if trainer.spec.shape == (2,):
        return POINTS, None, 1
    if not trainer.config.conditional:
        return ROWS * ROWS, None, ROWS
    columns = min(trainer.spec.num_classes, COLUMNS)
    return ROWS * columns, np.arange(ROWS * columns) % columns, columns


def reference(trainer: Any) -> Array | None:
    """Real points to draw beneath generated ones; None for images, and where the data is out of reach."""
    if trainer.spec.shape != (2,):
        return None
    try:
        return open_data(trainer.config.data).x[:POINTS]
    except DataError:
        return None


def draw(path: Any, samples: Array, trainer: Any, columns: int | None, points: Array | None = None) -> None:
    """Write samples as a grid of images, or as points above the real ones; raises ShapeError for anything else."""
    shape, scaling = trainer.spec.shape, trainer.spec.scaling
    if not is_picture(shape):
        raise ShapeError(f"Samples of shape {shape} are not pictures. Write them as numbers: --out samples.npy")
    if shape == (2,):
        save_png(path, scatter(samples, limits=_limits(trainer, points), reference=points))
    else:
        bounded = scaling.low is not None and not scaling.is_integer
        save_png(path, samples, columns, value_range=(scaling.low, scaling.high) if bounded else None)


def _limits(trainer: Any, points: Array | None) -> tuple[float, float, float, float]:
    """A square around the data with some room, the same for every picture of a run."""
    if points is None:  # every checkpoint knows where the data lay, and how wide
        scaling = trainer.spec.scaling
        (x, y), reach = np.broadcast_to(scaling.offset, 2), 2.5 * float(np.max(scaling.scale))
    else:
        low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
        (x, y), reach = (low + high) / 2, 0.6 * float(np.max(high - low)) or 1.0
    return float(x - reach), float(x + reach), float(y - reach), float(y + reach)
