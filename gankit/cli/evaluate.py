"""`gankit evaluate`: what a trained game measures, as a table and as `metrics.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gankit.cli.team import first_of

if TYPE_CHECKING:
    from gankit.metrics.evaluation import Watch
    from gankit.metrics.rows import Evaluation

FILE = "metrics.json"
ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder, or a checkpoint.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many samples.")] = 10_000,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Which metric; repeatable. By default all that apply."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="The data to compare with; by default test, if there is such a split.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="By default the one that wrote the run.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    devices: Annotated[
        str | None, typer.Option(metavar="N", help="How many devices share the work, or all; on JAX.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the content of metrics.json.")] = False,
    weights: Annotated[str, typer.Option(help="raw, ema (the moving average of G), or both.")] = "both",
    checkpoint: Annotated[
        str | None, typer.Option(help="last, best, all, or a step; by default the last and the best.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the samples.")] = 0,
    extractor: Annotated[str | None, typer.Option(help="The feature extractor; by default one for the data.")] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibrate",
            help="Measure real training examples too; by default if there are few.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a trained model. Exits with 1 if a metric fails."""
    speaks = first_of(run, backend, device, devices)
    found = measured(
        run, speaks=speaks, n=n, metrics=metric or None, split=split, backend=backend, device=device, devices=devices,
        checkpoint=checkpoint, weights=weights, seed=seed, extractor=extractor, calibrate=calibrate,
    )  # fmt: skip
    if not speaks:
        return
    if as_json:
        typer.echo(_json(found), nl=False)
    else:
        _show(found, reasons=bool(metric) or not _numbers(found))
        if (run / FILE).is_file() and _numbers(found):
            known = (run / "config.toml").is_file()
            more = f"; `gankit report {run}` adds them to the report" if known else ""
            typer.echo(f"{run / FILE} has the details{more}.")
    complain(found)
    if not _numbers(found):
        typer.secho(f"Nothing was measured: {_unwritten(run)}.", fg="red", err=True)
        raise typer.Exit(1)


def measured(run: Path, *, speaks: bool = True, **settings: Any) -> Evaluation:
    """Measure with a bar, and write what a run folder measures into it; exits 130, with nothing written, on Ctrl-C.

    speaks: whether this process does so; of several workers only the first. settings: of `gankit.evaluate`.
    """
    from gankit.checkpoint import write_atomically
    from gankit.metrics.evaluation import evaluate as measure

    try:
        with _progress() if speaks else nullcontext() as watch:
            found = measure(run, watch=watch, **settings)
    except KeyboardInterrupt as stopped:
        if speaks:
            typer.echo(f"\nInterrupted: {_unwritten(run)}.", err=True)
        raise typer.Exit(128 + getattr(stopped, "number", 2)) from None
    if speaks and run.is_dir() and _numbers(found):  # whole, and at the end: until then the old one stands
        try:
            write_atomically(run / FILE, _json(found).encode())
        except OSError as error:  # a run of somebody else's may be measured all the same
            typer.secho(f"The numbers are not kept: {error}.", fg="yellow", err=True)
    return found


def _numbers(found: Evaluation) -> bool:
    """Whether there is any."""
    return any(row.measurements for row in found)


def _unwritten(run: Path) -> str:
    return "nothing is written" + (f"; {run / FILE} stays as it was" if (run / FILE).is_file() else "")


def complain(found: Evaluation) -> None:
    """Name the metrics that broke, and exit 1 where there are some."""
    for name, reason in found.failed.items():
        typer.secho(f"{name} failed: {reason}", fg="red", err=True)
    if found.failed:
        raise typer.Exit(1)


def _json(found: Evaluation) -> str:
    return json.dumps(found.to_plain(), indent=2, allow_nan=False) + "\n"


def _show(found: Evaluation, reasons: bool) -> None:
    """For each kind of number what it is and depends on, and below it a column for each state of G; as many tables as
    the columns need that the terminal has no room for.

    reasons: whether to say why each of the others does not apply, or only how many they are.
    """
    from rich.console import Console
    from rich.text import Text

    from gankit.metrics.rows import grouped

    lines = found.table()
    heads = [[f"{row.checkpoint}, {row.weights}" for row in found.rows], [f"step {row.step:,}" for row in found.rows]]
    width = 3 + max(len(cell) for cells in (*heads, *(line.cells for line in lines)) for cell in cells)
    console = Console(markup=False, highlight=False)
    console.print(f"{found.data} on {found.backend}, {found.n:,} samples from seed {found.seed}")
    at_once = max(1, console.width // width)
    for first in range(0, len(found.rows), at_once):
        shown = slice(first, first + at_once)
        for cells in heads:
            console.print("".join(cell.rjust(width) for cell in cells[shown]))
        for line in lines:
            console.print(Text(line.metric + ARROWS.get(line.better, ""), "bold").append(f"  {line.protocol}", "dim"))
            console.print("".join(cell.rjust(width) for cell in line.cells[shown]))
    if not reasons and found.skipped:
        one = min(found.skipped)
        console.print(
            f"{len(found.skipped)} metrics do not apply to this game; to see why: --metric {one}, or {FILE}.",
            style="dim",
        )
        return
    for reason, names in grouped(found.skipped).items():
        console.print(f"skipped {', '.join(names)}: {reason}", style="dim")


@contextmanager
def _progress() -> Iterator[Watch]:
    """A bar on stderr where that is a terminal; elsewhere a line for each state of G."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=12), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("opening", total=None)

        def watch(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield watch


class _Lines:
    """Says which state of G is measured, once for each."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, done: int, total: int, what: str) -> None:
        where = what.partition(":")[0]
        if where != self._said:
            print(f"measuring {where} ({done} of {total})", file=sys.stderr, flush=True)
            self._said = where
