"""`gankit reproduce gan-2014-mnist`: train, measure, draw and report, and set the paper's numbers beside ours."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gankit.cli.duration import seconds, spoken
from gankit.cli.evaluate import complain, measured
from gankit.cli.settings import Options
from gankit.cli.train import play
from gankit.errors import ConfigError, GankitError, one_of

if TYPE_CHECKING:
    from gankit.metrics.rows import Evaluation
    from gankit.runs.reproductions import Reproduction

FOR_MEASURING, AT_LEAST, AT_MOST = 0.2, 75.0, 420.0
"""The share of a budget that is kept back for what comes after training, and its least and most seconds: ten thousand
samples, and the calibrations, take some 75 on two cores however short the budget."""
SHOWN = 5
"""Settings that are told of a game in the way."""
BESIDE = ("frechet", "class-kl", "class-deviation", "nearest-training")
"""What is shown beside a score that can be had without a good model."""


def reproduce(
    name: Annotated[str | None, typer.Argument(help="See --list.", show_default=False)] = None,
    backend: Annotated[str | None, typer.Option(help="By default the first that is installed.")] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop after this time, such as 30min or 2h; by default never.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[str | None, typer.Option()] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.  [default: runs/NAME-BACKEND]")] = None,
    n: Annotated[int, typer.Option("--n", min=2, help="How many samples to measure.")] = 10_000,
    list_: Annotated[bool, typer.Option("--list", help="List all results that can be reproduced.")] = False,
) -> None:
    """Reproduce a published result. Repeat the command to resume."""
    from gankit.runs.reproductions import FILE, REPRODUCTIONS, find

    if list_:
        for row in REPRODUCTIONS.values():
            typer.echo(f"{row.name}  {row.summary}")
        return
    if name is None:
        raise ConfigError(f"Reproduce what? Possible: {one_of(REPRODUCTIONS)}.")
    from gankit.checkpoint import write_atomically
    from gankit.runs.folder import Run

    wanted = find(name)
    span = None if budget is None else seconds(budget)
    begun = time.monotonic()
    run = Run(out or Path("runs") / f"{name}-{backend or _first()}")
    options = Options(
        backend=backend, recipe=wanted.recipe, data=wanted.data, steps=wanted.steps, seed=seed, device=device,
        set=wanted.settings, log_every=100, sample_every=10_000, checkpoint_every=5_000, evaluate_every=10_000,
        out=run.folder, budget=None if span is None else f"{_for_training(span):.4f}s",
    )  # fmt: skip
    _check(run, options)
    typer.echo(f"{wanted.summary}. {wanted.note}" + ("" if span is None else f" In {spoken(span)}, as far as it gets."))
    try:
        play(options)
    except typer.Exit:  # Ctrl-C; that told how to train on, which measures nothing
        given = {"backend": backend, "budget": budget, "seed": seed or None, "device": device, "out": run.folder}
        words = [word for key, value in given.items() if value is not None for word in (f"--{key}", str(value))]
        typer.echo(f"Or, to measure it too:\n  {shlex.join(['gankit', 'reproduce', name, *words])}", err=True)
        raise
    write_atomically(run.folder / FILE, (json.dumps(wanted.to_plain(), indent=2) + "\n").encode())
    found = measured(run.folder, n=n, backend=backend, device=device or "auto", calibrate=True)
    _draw(run, wanted, backend, device)
    from gankit.report import write

    page, *_ = write(run.folder)
    _show(found, wanted)
    took = spoken(time.monotonic() - begun)
    steps = found.rows[0].step
    typer.echo(f"{steps:,} of {wanted.steps:,} steps; this command took {took}. All of it: {page}")
    if steps < wanted.steps:
        typer.echo("Repeat the command to continue.")
    complain(found)


def _for_training(span: float) -> float:
    """Seconds of a budget; half of it at the least."""
    return max(span - min(max(FOR_MEASURING * span, AT_LEAST), AT_MOST), span / 2)


def _check(run: Any, options: Options) -> None:
    """Raise ConfigError for a folder that holds another game."""
    from gankit.building import configure
    from gankit.runs.folder import differences

    if not run.exists():
        return
    config = configure(str(options.recipe), options.data, **options.settings())
    if changes := differences(run.config(), config):
        more = f"\n  and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        raise ConfigError(
            f"{run.folder} has a run with different settings:\n  " + "\n  ".join(changes[:SHOWN]) + more + "\n"
            "Nothing was changed. Choose another folder with --out."
        )


def _first() -> str:
    from gankit.plug import registry

    return (registry.names("backends") or ("none",))[0]


def _draw(run: Any, wanted: Reproduction, backend: str | None, device: str | None) -> None:
    from gankit.building import load
    from gankit.figures.kinds import find

    trainer = load(run.folder, backend, device or "auto")
    for name in wanted.figures:
        kind = find(name)
        try:
            kind.draw(run.folder if kind.of == "run" else trainer).save(run.folder / "figures" / f"{name}.png")
        except GankitError as error:  # a run of a few seconds has no curves; the rest is worth having
            typer.secho(f"No figure {name}: {error}", fg="yellow", err=True)


def _show(found: Evaluation, wanted: Reproduction) -> None:
    """The paper's rows, and ours below them."""
    lines = [(row.what, _number(row.value, row.error), row.metric) for row in wanted.published]
    for metric in dict.fromkeys(row.metric for row in wanted.published):
        for row in found.rows:
            which = "the last" if row.checkpoint == "last" else "the one that validation chose"
            lines += [
                (f"this run, step {row.step:,}, {which}, {row.weights}", _number(m.value, m.error), m.label)
                for m in row.measurements
                if m.metric == metric
            ]
        lines += [
            (f"the same of {m.metric.partition('-of-')[2]}", _number(m.value, m.error), m.label)
            for m in found.rows[0].measurements
            if m.metric.startswith(f"{metric}-of-")
        ]
    beside = [m for m in found.rows[0].measurements if m.metric in BESIDE]
    lines += [("beside it, the last", _number(m.value, m.error), m.label) for m in beside]
    width, numbers = max(len(line[0]) for line in lines), max(len(line[1]) for line in lines)
    for what, number, label in lines:
        typer.echo(f"{what:<{width}}  {number:>{numbers}}  {label}")


def _number(value: float, error: float | None) -> str:
    return f"{value:.4g}" if error is None else f"{value:.4g} ± {error:.2g}"
