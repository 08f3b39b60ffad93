"""Commands that look: `sample`, `plugins`, `recipes`, `doctor`."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.errors import CheckpointError, ConfigError

ARRAYS, TABLES = (".npy", ".npz"), (".csv", ".parquet")
FIRST = "modern-small"
"""What a newcomer should meet first, where it is installed: good pictures in minutes."""


def sample(
    run: Annotated[Path, typer.Argument(help="A run folder, or a checkpoint.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many samples.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the latents.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file: .png, .npy or .npz; for a table .csv or .parquet.  [default: grid.png or samples.csv]"
        ),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="One class, or several in turn: 3, or 0,1,2.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="The condition: an image or .npy, or NAME=FILE; for a table COLUMN=VALUE.",
        ),
    ] = None,
    backend: Annotated[str | None, typer.Option(help="By default the one that wrote the run.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    step: Annotated[int | None, typer.Option(min=0, help="Which checkpoint; by default the latest.")] = None,
    no_ema: Annotated[bool, typer.Option("--no-ema", help="Use G itself, not its moving average.")] = False,
    by: Annotated[str | None, typer.Option(help="Use D too: rejection or latent-optimisation.")] = None,
) -> None:
    """Draw samples from a trained generator."""
    if out is not None and out.suffix not in (*ARRAYS, *TABLES, ".png"):
        raise ConfigError(
            f"--out {out}: samples are written as .png, .npy or .npz, and samples of a table as .csv or .parquet."
        )
    from gankit.building import load

    trainer: Any = load(_checkpoint(run, step), backend, device)
    rows = getattr(trainer.spec, "codec", None) is not None
    out = out or Path("samples.csv" if rows else "grid.png")
    if rows != (out.suffix in TABLES):
        what = "are rows of a table. Use .csv or .parquet" if rows else "are no rows of a table. Use .png, .npy or .npz"
        raise ConfigError(f"--out {out}: the samples {what}.")
    classes = _classes(labels, n, trainer)
    if given:
        from gankit.cli.conditions import read

        conditions = {"labels": classes, "given": read(given, trainer)}
    else:
        from gankit.play.asking import asked

        conditions = asked(trainer, n, classes, seed=seed)
    if by is not None:
        from gankit.cli.settings import parsed

        conditions = {**conditions, "by": parsed(by)}
    samples = trainer.sample(n, seed=seed, ema=False if no_ema else None, **conditions)
    if rows:
        from gankit.data.tables.table import write_frame

        write_frame(out, samples)
    elif out.suffix in ARRAYS:
        _write_arrays(out, samples, classes)
    else:
        from gankit.runs.records import draw, reference

        draw(out, samples, trainer, _columns(labels, n, trainer), reference(trainer))
    typer.echo(f"{out}: {n} samples after {trainer.steps_done:,} steps")


def _checkpoint(run: Path, step: int | None) -> Path:
    from gankit import checkpoint
    from gankit.runs.folder import Run

    if step is None:
        return run  # the latest, which is chosen and opened at once: a run that is trained removes old ones
    path = Run(run).checkpoint_file(step)
    if not path.is_file():
        there = ", ".join(str(checkpoint.step_of(path)) for path in Run(run).checkpoints()) or "none"
        raise CheckpointError(f"{run} has no checkpoint of step {step}. It has: {there}.")
    return path


def _classes(labels: str | None, n: int, trainer: Any) -> Any:
    """(n,) labels from "3" or "0,1,2", every class in turn by default; None in an unconditional game."""
    import numpy as np

    if labels is None:
        return np.arange(n) % trainer.spec.num_classes if trainer.config.conditional else None
    try:
        given = [int(label) for label in labels.split(",")]
    except ValueError:
        raise ConfigError(f"--labels {labels}: expected one or more classes, such as 3 or 0,1,2.") from None
    return np.resize(given, n)


def _columns(labels: str | None, n: int, trainer: Any) -> int | None:
    """One for each class in turn, where that makes a grid that can be looked at."""
    if not trainer.config.conditional:
        return None
    classes = trainer.spec.num_classes if labels is None else labels.count(",") + 1
    return min(n, classes) if 1 < classes <= 32 else None


def _write_arrays(out: Path, samples: Any, classes: Any) -> None:
    import numpy as np

    from gankit.checkpoint import write_atomically

    file = io.BytesIO()
    if out.suffix == ".npy":
        np.save(file, samples)
    elif classes is None:
        np.savez(file, x=samples)
    else:
        np.savez(file, x=samples, labels=classes)
    write_atomically(out, file.getvalue())


def plugins(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """List all installed parts, and every plugin that cannot be loaded."""
    found = _listing()
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("kind", "name", "summary", "distribution", "version"):
        table.add_column(title, overflow="fold", no_wrap=title != "summary")  # names stay whole, to be copied
    for row in found.rows:
        table.add_row(row.kind, row.name, row.summary, row.distribution, row.version)
    Console(markup=False, highlight=False).print(table)
    for problem in found.problems:
        typer.secho(f"problem: {problem}", fg="red", err=True)
    for slow in found.slow:
        typer.echo(f"slow: {slow}", err=True)


def recipes() -> None:
    """List the recipes, which are complete sets of defaults."""
    found = {row.name: row.summary for row in _listing().rows if row.kind == "recipes"}
    for name, summary in found.items():
        typer.echo(f"{name:<{max(map(len, found))}}  {summary}")
    if FIRST in found:
        typer.echo(f"\nStart with: gankit train --recipe {FIRST} --steps 4400")


def doctor() -> None:
    """Check that everything you installed works. Exits with 1 if something does not."""
    from gankit.cli.doctor import examine

    if not examine(typer.echo):
        raise typer.Exit(1)


def _listing() -> Any:
    import warnings

    from gankit.plug import registry

    with warnings.catch_warnings():  # the problems are printed, one line each
        warnings.simplefilter("ignore", registry.GankitPluginWarning)
        return registry.listing()
