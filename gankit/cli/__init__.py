"""The command line. `gankit --help` imports no framework and no NumPy: a command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
import warnings

import typer

from gankit import GankitError, __version__
from gankit.cli import (
    compare,
    complete,
    evaluate,
    export,
    features,
    figure,
    infer,
    new,
    report,
    reproduce,
    show,
    sweep,
    train,
)
from gankit.cli.output import any_encoding
from gankit.cli.stopping import stoppable
from gankit.runs.progress import hushed

__all__ = ["app", "main"]

FORMAT = warnings.formatwarning

app = typer.Typer(
    name="gankit",
    help="Train, sample and measure generative adversarial networks (GANs) with PyTorch or JAX.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train.demo)
app.command()(train.train)
app.command()(show.sample)
app.command()(complete.complete)
app.command()(evaluate.evaluate)
app.command()(figure.figure)
app.command()(features.features)
app.command()(infer.infer)
app.command()(report.report)
app.command()(compare.compare)
app.command()(sweep.sweep)
app.command()(export.export)
app.command()(export.push)
app.command()(reproduce.reproduce)
app.command()(new.new)
app.command()(show.plugins)
app.command()(show.recipes)
app.command()(show.doctor)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"gankit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Train, sample and measure generative adversarial networks (GANs) with PyTorch or JAX."""


def main() -> None:
    """The console script: gankit's own errors become one line, everything else keeps its traceback."""
    # Threads of OpenMP that wait by spinning make a small game on a busy machine 50 times slower (torch, 2 cores); that
    # never spin, one on idle cores up to 1.8 times. GNU's library spins so often, and then sleeps, whatever the policy:
    # as fast as for ever on idle cores; more spins cost twice as much at the worst on busy ones (docs/speed.md).
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}
    any_encoding()
    warnings.formatwarning = _one_line
    with hushed(), stoppable() as asked:
        try:
            _run()
        except SystemExit as ending:
            if asked.number is not None and ending.code:  # whoever sent the signal wants to know that it was heard
                sys.exit(128 + asked.number)
            raise


def _one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of gankit's own without the line of code that gave it, which is nothing to a user."""
    return (
        f"{category.__name__}: {message}\n"
        if category.__module__.startswith("gankit")
        else FORMAT(message, category, filename, lineno, line)
    )


def _run() -> None:
    try:
        app()
    except KeyboardInterrupt as stopped:
        sys.exit(128 + getattr(stopped, "number", 2))
    except (GankitError, OSError) as error:
        if os.environ.get("GANKIT_DEBUG", "") not in ("", "0"):
            raise
        if isinstance(error, BrokenPipeError):  # `gankit plugins | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)
