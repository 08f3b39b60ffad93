"""What a G makes of conditions: each beside several answers to it, and the example that it is of."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.images import Picture
from gankit.errors import ConfigError
from gankit.figures import style
from gankit.figures.fitness import require
from gankit.figures.subjects import at_least
from gankit.figures.tiles import YELLOW, beside, framed, sheet
from gankit.play.asking import further


def conditions(
    trainer: Any, *, rows: int = 8, columns: int = 4, seed: int = 0, data: Any = None, ema: bool | None = None
) -> Picture:
    """A row for each condition: the condition, G's answers to it with different latents, and in yellow the truth.

    The conditions are those of so many examples, drawn by the seed, of the test split where the data has one. A G that
    takes no latents gives one answer, and one column is drawn. Series are drawn as lines, vectors as bars. In an
    unpaired game there is no truth to show.

    Raises ConfigError for a game without conditions, or with labels alone.
    """
    require("conditions", trainer)
    at_least(1, rows=rows, columns=columns)
    truth, given = trainer.pairs(rows, seed=seed, data=unseen(trainer, data))
    repeated = {name: values.repeat(columns, axis=0) for name, values in given.items()}
    answers = trainer.sample(rows * columns, given=repeated, seed=seed, ema=ema)
    if columns > 1 and all(_alike(answers.reshape(rows, columns, *answers.shape[1:]))):
        answers, columns = answers[::columns], 1
    shown = None if trainer.config.sources else truth
    if len(trainer.spec.shape) != 3:
        return _lines({name: given[name] for name in further(trainer)}, answers, shown, columns)
    pictures = [_tile(given[name], trainer) for name in further(trainer) if given[name].ndim == 4]
    picture = sheet(answers, columns, trainer)
    for condition in reversed(pictures):
        picture = beside(sheet(condition, 1, trainer), picture)
    return picture if shown is None else beside(picture, framed(sheet(shown, 1, trainer), YELLOW))


def unseen(trainer: Any, data: Any) -> Any:
    """The examples whose conditions are asked for: the test split, or what the game has."""
    from gankit.errors import DataError
    from gankit.metrics.bench import Splits, source_of

    splits = Splits(source_of(trainer) if data is None else data, trainer.config)
    try:
        return splits(splits.first("test", "train"))
    except DataError:
        return None


def _alike(answers: Array) -> Any:
    """Whether all answers to each condition are one; answers: (rows, columns, *shape)."""
    return (np.array_equal(row, np.broadcast_to(row[:1], row.shape)) for row in answers)


def _tile(condition: Array, trainer: Any) -> Array:
    """A condition as a picture of the examples' size, in their units: pixels repeated, frames in a row one behind the
    other as the last, masks in black and white."""
    height, width, channels = trainer.spec.shape
    low, high = trainer.spec.value_range or (0.0, 1.0)
    x = condition
    if x.shape[3] not in (1, 3):
        x = x[..., -1:]
    if x.dtype != np.dtype(trainer.spec.scaling.dtype):  # a mask, 0 or 1
        x = (low + (high - low) * x.astype(np.float64)).astype(trainer.spec.scaling.dtype)
    times = max(1, height // x.shape[1]), max(1, width // x.shape[2])
    x = x.repeat(times[0], axis=1).repeat(times[1], axis=2)[:, :height, :width]
    if x.shape[1:3] != (height, width):
        raise ConfigError(f"A condition of {condition.shape[1:3]} pixels cannot be drawn beside {(height, width)}.")
    return x if x.shape[3] == channels else x.repeat(channels, axis=3) if channels == 3 else x[..., :1]


def _lines(given: dict[str, Array], answers: Array, truth: Array | None, columns: int) -> Picture:
    """Series: a row of plots for each condition, which is drawn as bars where it is a vector."""
    vectors = [values for values in given.values() if values.ndim == 2]
    rows, width = len(answers) // columns, len(vectors) + columns + (truth is not None)

    def paint(figure: Any) -> None:
        axes = figure.subplots(rows, width, squeeze=False)
        for row, cells in enumerate(axes):
            for values, cell in zip(vectors, cells, strict=False):
                cell.bar(np.arange(1, values.shape[1] + 1), values[row], color=style.GREY)
            for column, cell in enumerate(cells[len(vectors) : len(vectors) + columns]):
                cell.plot(answers[row * columns + column].reshape(len(answers[0]), -1), color=style.GREEN)
            if truth is not None:
                cells[-1].plot(truth[row].reshape(len(truth[0]), -1), color=style.BLACK)
        for cell in axes.flat:
            cell.set(xticks=[], yticks=[])

    return style.painted(paint, 1.7 * width, 1.1 * rows)
