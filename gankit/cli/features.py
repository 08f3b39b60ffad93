"""`gankit features`: what a linear classifier makes of D's features, beside what it makes of raw examples."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.show import _checkpoint
from gankit.errors import ConfigError

FILE = "features.json"


def features(
    run: Annotated[Path, typer.Argument(help="A run folder, or a checkpoint.")],
    labelled: Annotated[
        str, typer.Option(metavar="N,N,...", help="How many examples with labels the classifier learns from.")
    ] = "100,1000",
    seed: Annotated[int | None, typer.Option(min=0, help="Of their draw; by default the game's.")] = None,
    split: Annotated[str, typer.Option(help="Of the data, to be right or wrong about.")] = "test",
    data: Annotated[str | None, typer.Option(help="The data, where it has moved.")] = None,
    backend: Annotated[str | None, typer.Option(help="By default the one that wrote the run.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    step: Annotated[int | None, typer.Option(min=0, help="Of the checkpoint; by default the latest.")] = None,
) -> None:
    """Classify by D's features: errors of a linear classifier, beside those on raw examples."""
    try:
        numbers = [int(n) for n in labelled.split(",")]
    except ValueError:
        raise ConfigError(f"--labelled {labelled}: expected a number or several, such as 100 or 100,1000.") from None
    from gankit.building import load
    from gankit.checkpoint import write_atomically
    from gankit.metrics.linear import linear_errors

    trainer: Any = load(_checkpoint(run, step), backend, device)
    found = linear_errors(trainer, numbers, seed=seed, split=split, data=data)
    typer.echo(
        f"{'labelled':>9}  {'D features':>11}  {'raw':>7}   error on {split}, after {trainer.steps_done:,} steps"
    )
    for n in dict.fromkeys(each.labelled for each in found):
        of = {each.of: each.value for each in found if each.labelled == n}
        typer.echo(f"{n:>9,}  {of['features']:>11.2%}  {of['raw']:>7.2%}")
    if run.is_dir():
        rows = {"steps": trainer.steps_done, "errors": [asdict(each) for each in found]}
        write_atomically(run / FILE, (json.dumps(rows, indent=2) + "\n").encode())
