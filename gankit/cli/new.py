"""`gankit new loss my-loss`: begin a plugin."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def new(
    kind: Annotated[str, typer.Argument(help="loss, network, data, recipe, ...: see docs/write-a-part.md.")],
    name: Annotated[str, typer.Argument(help="What users will type: lower-case letters, digits, hyphens.")],
    into: Annotated[Path, typer.Option(help="Where to make the new folder.")] = Path("."),
) -> None:
    """Start a plugin: a package that installs and passes its tests, for you to change."""
    from gankit.scaffold import write_plugin

    paths = write_plugin(kind, name, into)
    folder = paths[0].parents[1]
    typer.echo(
        f"Wrote {folder}. Now change {paths[0]}\n"
        "Type next:\n"
        f"  pip install -e {shlex.quote(str(folder))}\n"
        f"  python -m gankit.conformance --{kind} {name}"
    )
