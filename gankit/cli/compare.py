"""`gankit compare`: several runs side by side, as a table and as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, 2 to 8.", metavar="{run} {run}...")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("compare.html"),
) -> None:
    """Compare runs: settings, curves, numbers and samples."""
    from rich.console import Console
    from rich.table import Table

    from gankit.report.compare import NONE, write
    from gankit.report.compare import compare as read

    found = read(runs)
    table = Table(box=None, pad_edge=False)
    for title in ("", *found.names):
        table.add_column(title, overflow="fold")
    for name, values in [*found.differing, *found.facts]:
        table.add_row(name, *values)
    if found.numbers is not None:
        heads = [head.rpartition(", ")[0] for head, _ in found.numbers.heads]
        for kind in found.numbers.rows:
            cells = dict(zip(heads, kind.cells, strict=True))
            said = [cells.get(name) for name in found.names]
            table.add_row(
                f"{kind.metric} {kind.arrow}  {kind.protocol}",
                *(NONE if cell is None else cell.value + (f" ({cell.own})" if cell.own else "") for cell in said),
            )
    Console(markup=False, highlight=False).print(table)
    write(found, out)
    typer.echo(f"{out} has the curves and the samples.")
