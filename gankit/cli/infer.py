"""`gankit infer`: an encoder for the G of a run, trained in a folder of its own inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.settings import Options, assigned
from gankit.cli.show import _checkpoint
from gankit.errors import ConfigError


def infer(
    run: Annotated[Path, typer.Argument(help="A run folder with a trained generator.")],
    steps: Annotated[int, typer.Option(min=1, help="How many steps in total, including those done before.")] = 3_000,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, as players.encoder.network.width=64; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The encoder's seed; by default that of the run.")] = None,
    backend: Annotated[str | None, typer.Option(help="By default the one that wrote the run.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    step: Annotated[int | None, typer.Option(min=0, help="Which checkpoint of G; by default the latest.")] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Save and stop after this time, such as 10min or 2h.")
    ] = None,
) -> None:
    """Train an encoder, which finds the latent of an image. Repeat the command to resume."""
    from gankit.building import ENCODER_FOLDER, load
    from gankit.cli.train import play
    from gankit.runs.folder import Run
    from gankit.runs.inferring import inferring, r_squared

    if not Run(run).exists():
        raise ConfigError(f"{run} is not a run folder. Train first: gankit train --out {run}")
    own = Run(run / ENCODER_FOLDER)
    if not own.checkpoints():
        settings = assigned(set_ or ()) | ({} if seed is None else {"seed": seed})
        trainer: Any = inferring(load(_checkpoint(run, step), backend, device), settings, device)
        own.begin(trainer.config)
        own.note_data(trainer.config)
        # G is in it: without a checkpoint the run could not begin again.
        trainer.save(own.checkpoint_file(0))
    elif set_ or seed is not None or step is not None:
        raise ConfigError(
            f"{own.folder} already has an encoder, and --set, --seed and --step are for a new one. Move that folder "
            "away to start over, or continue without these options."
        )
    options = Options(out=own.folder, steps=steps, backend=backend, device=device, budget=budget, sample_every=10**9)
    play(options)
    encoder: Any = load(own.folder, backend, device)
    typer.echo(
        f"{own.folder}: R2 of z {r_squared(encoder):.2f} on new samples, after {encoder.steps_done:,} steps. Look: "
        f"gankit figure reconstructions {run}"
    )
