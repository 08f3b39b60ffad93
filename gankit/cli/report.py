"""`gankit report`: a run folder's `report.html` and model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gankit.errors import ConfigError


def report(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Write report.html and README.md of a run again."""
    from gankit.report import write
    from gankit.runs.folder import Run

    if not Run(run).exists():
        raise ConfigError(f"{run} is not a run folder: it has no config.toml. `gankit train` makes run folders.")
    for path in write(run):
        typer.echo(str(path))
