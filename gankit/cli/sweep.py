"""`gankit sweep`: the runs of a spec, some at once, each a `gankit train` of its own, and a table of what came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gankit.errors import RunInUseError

if TYPE_CHECKING:
    from gankit.sweeping.spec import Planned, Spec

FAILED = 1
"""The exit code where a run failed, or has no number."""


def sweep(
    spec: Annotated[Path, typer.Argument(metavar="SPEC.toml", help="What to play; see docs/sweep.md.")],
    out: Annotated[Path | None, typer.Option(help="The folder of the runs.  [default: sweeps/SPEC]")] = None,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="How many runs are played at once.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command of each run that is left to play; write nothing.")
    ] = False,
) -> None:
    """Play a game with many settings and seeds. The same command again goes on where it was stopped."""
    from gankit.play.interrupt import ENDS, deferred_interrupt
    from gankit.sweeping.checks import check, check_folders, is_finished
    from gankit.sweeping.spec import read

    found = read(spec)
    folder = out or Path("sweeps") / spec.stem
    runs = found.runs(folder / "runs")
    check(found, runs)
    check_folders(found, runs)
    left = [run for run in runs if not is_finished(run)]
    typer.echo(_said(found, runs, left), err=dry_run)
    if dry_run:
        for run in left:
            typer.echo(run.options.command())
        return
    with deferred_interrupt(ENDS) as asked:
        asked.last_words = f"\nStopped at once; what plays saves and ends by itself. {_onwards(spec, out, jobs)}\n"
        failed = _played(found, folder, left, jobs, asked)
        if asked() and not all(map(is_finished, runs)):
            done = sum(map(is_finished, runs))
            typer.echo(f"\nInterrupted with {done} of {len(runs)} runs done; the others are saved.", err=True)
            typer.echo(_onwards(spec, out, jobs), err=True)
            raise typer.Exit(128 + int(asked.number or 2))
    _conclude(found, folder, runs, failed)


def _played(spec: Spec, folder: Path, left: Sequence[Planned], jobs: int, asked: Any) -> dict[str, str]:
    from gankit.checkpoint import write_atomically
    from gankit.runs.owner import Owner
    from gankit.sweeping.playing import play
    from gankit.sweeping.showing import show

    try:
        owner = Owner(folder)
    except RunInUseError:
        raise RunInUseError(f"Another `gankit sweep` is at work in {folder}. Wait for it, or stop it.") from None
    with owner:
        write_atomically(folder / "sweep.toml", spec.path.read_bytes())
        with show(left) as shown:
            return play(left, jobs, folder / "logs", shown, asked)


def _conclude(spec: Spec, folder: Path, runs: Sequence[Planned], failed: Mapping[str, str]) -> None:
    """Write and print the table; exits 1 where it has gaps."""
    from rich.console import Console
    from rich.table import Table

    from gankit.sweeping.table import cells, outcome, write

    found = outcome(spec, runs, failed)
    files = write(found, folder)
    heads, rows = cells(found)
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)
    names = [path.name for path in files]
    typer.echo(f"{folder} has {', '.join(names[:-1])} and {names[-1]}.")
    if strangers := _strangers(folder / "runs", runs):
        typer.echo(f"Not in the table, for the spec has them no more: {', '.join(strangers)}.")
    gaps = [each for each in found.results if each.value is None]
    for each in gaps:
        state = "" if each.state == "done" else f"{each.state}: "
        typer.secho(f"{each.run.name}: {state}{each.why}", fg="yellow", err=True)
    if gaps:
        again = " The same command again tries those that failed." if failed else ""
        what = f"{len(gaps)} of {len(runs)} runs have no number; {folder / 'logs'} has what they said.{again}"
        typer.secho(what, fg="yellow", err=True)
        raise typer.Exit(FAILED)


def _said(spec: Spec, runs: Sequence[Planned], left: Sequence[Planned]) -> str:
    """`12 runs: 4 combinations of batch_size and loss, 3 seeds; 5 are done.`"""
    combinations, seeds = len(runs) // len(spec.seeds), len(spec.seeds)
    keys = " and ".join(", ".join(spec.axes.keys).rsplit(", ", 1))
    of = f"{combinations} {'combination' if combinations == 1 else 'combinations'} of {keys}, " if keys else ""
    done = f"; {len(runs) - len(left)} done already" if len(left) < len(runs) else ""
    return f"{len(runs)} runs: {of}{seeds} {'seed' if seeds == 1 else 'seeds'}{done}."


def _onwards(spec: Path, out: Path | None, jobs: int) -> str:
    words = ["gankit", "sweep", str(spec)]
    words += [] if out is None else ["--out", str(out)]
    words += [] if jobs == 1 else ["--jobs", str(jobs)]
    return f"To go on:\n  {shlex.join(words)}"


def _strangers(folder: Path, runs: Sequence[Planned]) -> list[str]:
    """Run folders that are of no run of the spec."""
    known = {run.folder.name for run in runs}
    return sorted(path.parent.name for path in folder.glob("*/config.toml") if path.parent.name not in known)
