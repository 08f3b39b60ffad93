"""Series as lines: samples beside real ones."""

from __future__ import annotations

from typing import Any

from gankit.data.images import Picture
from gankit.figures import style
from gankit.figures.fitness import require
from gankit.figures.subjects import at_least, examples
from gankit.play.asking import asked
from gankit.play.streams import Streams


def series(
    trainer: Any, *, rows: int = 6, columns: int = 4, seed: int = 0, data: Any = None, ema: bool | None = None
) -> Picture:
    """Samples in green, and to their right as many real series in black, on one scale. Nothing is chosen: the samples
    are the first of the seed, and so are the real series.

    Channels of one series are drawn over each other. data: the real series, where the game cannot open them itself.

    Raises ConfigError where examples are no series, DataError where real ones are out of reach.
    """
    require("series", trainer)
    at_least(1, rows=rows, columns=columns)
    opened, n = examples(trainer, data), rows * columns
    drawn = trainer.sample(n, seed=seed, ema=ema, **asked(trainer, n, seed=seed, data=opened))
    real = opened.x[Streams(seed).generator("figures/series").permutation(len(opened))[:n]]
    low, high = min(drawn.min(), real.min()), max(drawn.max(), real.max())
    room = 0.05 * float(high - low or 1.0)

    def paint(figure: Any) -> None:
        axes = figure.subplots(rows, 2 * columns, squeeze=False)
        for row, cells in enumerate(axes):
            for column, cell in enumerate(cells):
                ours = column < columns
                shown, place = (drawn, column) if ours else (real, column - columns)
                if (i := row * columns + place) < len(shown):
                    cell.plot(shown[i], color=style.GREEN if ours else style.BLACK, linewidth=1.2)
                cell.set(xticks=[], yticks=[], ylim=(low - room, high + room))
        axes[0, 0].set_title("samples")
        axes[0, columns].set_title("real")

    return style.painted(paint, 1.3 * 2 * columns, 0.9 * rows)
