"""`gankit train --dry-run`: what a game is made of, what it needs and how long it takes, before anything is written."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import typer

from gankit.cli.duration import spoken
from gankit.cli.settings import Options

SECONDS = 4.0
"""For how long steps are timed, once whatever is compiled is compiled."""
AT_LEAST = 3
"""Steps, however long they take: the first ones compile and record."""


class Clock:
    """A callback that notes when which step was done, and ends `fit` when it has seen enough."""

    every = 0

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        from gankit.play.interrupt import TimeIsUp

        self.seen.append((time.perf_counter(), step))
        if step > AT_LEAST and self.seen[-1][0] - self.seen[0][0] > SECONDS:
            raise TimeIsUp

    @property
    def seconds(self) -> float:
        """Of one step, by the second half of what was seen: the first still compiles."""
        (first, a), (last, b) = self.seen[len(self.seen) // 2 - (len(self.seen) < 4)], self.seen[-1]
        return (last - first) / max(1, b - a)


def dry_run(options: Options) -> None:
    """Build the game, show its players, play for a few seconds, and say how long all of it would take."""
    from rich.console import Console

    from gankit.building import begin, configure
    from gankit.play.interrupt import TimeIsUp

    config = configure(options.recipe or "mlp", options.data, **options.settings())
    trainer: Any = begin(config, options.backend, options.device or "auto", devices=options.devices)
    console = Console(markup=False, highlight=False)
    console.print(f"{trainer!r}, on {trainer.backend.device}")
    console.print(_data(trainer))
    for role, player in trainer.players.items():
        console.print(_table(role, player))
    console.print(_state(trainer))
    clock = Clock()
    started = time.perf_counter()
    with suppress(TimeIsUp):
        trainer.fit(steps=max(options.steps, AT_LEAST + 1), callbacks=[clock])
    if len(clock.seen) > 1:
        each = clock.seconds
        rate = f"{1 / each:,.0f} it/s" if each < 0.1 else f"{1 / each:.2g} it/s"
        start = clock.seen[0][0] - started
        whole = start + options.steps * each
        console.print(
            f"A step takes {1000 * each:.3g} ms ({rate}). The first steps take {spoken(start)}, including compilation. "
            f"{options.steps:,} steps take about {spoken(whole)}, without samples and checkpoints."
        )
    if (peak := _peak()) is not None:
        console.print(f"This process used at most {_bytes(peak)} of memory.")
    typer.echo("Nothing was written.")


def _data(trainer: Any) -> str:
    spec, data = trainer.spec, trainer.data
    shape = " x ".join(map(str, spec.shape))
    classes = f", {spec.num_classes} classes" if trainer.config.conditional else ""
    given = "".join(f", given {name}: {port}" for name, port in spec.given.items() if name != "label")
    epoch = len(data) / trainer.config.batch_size
    return f"{len(data):,} examples of {shape}{classes}{given}; {epoch:,.0f} steps see each of them once"


def _table(role: str, player: Any) -> Any:
    """A line for each layer that has parameters or changes the shape."""
    from rich.table import Table

    from gankit.layers import parameters
    from gankit.layers.base import size_of

    table = Table(box=None, pad_edge=False, title=f"\n{role}", title_justify="left", title_style="bold")
    table.add_column("layer")
    table.add_column("output", justify="right")
    table.add_column("parameters", justify="right")
    for placed in player.layers:
        count = sum(size_of(each.shape) for each in parameters((placed,)).values())
        if count or placed.output_shape != placed.input_shape:
            shape = " x ".join(map(str, placed.output_shape)) or "1"
            table.add_row(placed.name, shape, f"{count:,}" if count else "")
    table.add_row("in all", "", f"{player.num_parameters:,}")
    return table


def _state(trainer: Any) -> str:
    """How large the state is that lies on the device, and so is a checkpoint."""
    wide, players = 8 if trainer.config.dtype == "float64" else 4, trainer.players.values()
    parts = {
        "parameters": sum(player.num_parameters for player in players),
        "optimizers": sum(player.num_slots for player in players),
        "averages": sum(player.num_parameters for player in players if player.averaged),
    }
    each = ", ".join(f"{what} {_bytes(wide * count)}" for what, count in parts.items() if count)
    return f"\nThe state, and a checkpoint, are {_bytes(wide * sum(parts.values()))}: {each}."


def _bytes(count: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _peak() -> int | None:
    """The most memory that this process had, in bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
