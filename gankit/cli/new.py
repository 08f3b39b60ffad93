"""`gankit new loss my-loss`: begin a plugin."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def new(
    kind: Annotated[str, typer.Argument(help="loss, network, data, recipe, ...: see docs/write-a-part.md.")],
    name: Annotated[str, typer.Argument(help="What users will type: lower-case letters, digits, hyphens.")],
    into: Annotated[Path, typer.Option(help="The folder that the new one is made in.")] = Path("."),
) -> None:
    """Begin a plugin: a package that installs and passes the conformance suite, for you to change."""
    from gankit.scaffold import write_plugin

    paths = write_plugin(kind, name, into)
    folder = paths[0].parents[1]
    typer.echo(
        f"{folder} is written. What is yours to change: {paths[0]}\n"
        "What to type next:\n"
        f"  pip install -e {shlex.quote(str(folder))}\n"
        f"  python -m gankit.conformance --{kind} {name}"
    )
