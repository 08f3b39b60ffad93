"""`gankit export` and `gankit push`: a trained game for people without gankit, and to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="A run folder, a checkpoint, or hf://user/repo.")]
Step = Annotated[
    int | None,
    typer.Option("--checkpoint", "--step", min=0, metavar="STEP", help="Which checkpoint; by default the latest."),
]
Player = Annotated[str, typer.Option(help="Which generator, in a game of several.")]


def export(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            metavar="TARGET",
            help="torch (a torch.export program), onnx, stablehlo (jax.export), or safetensors (a folder for the "
            "Hugging Face Hub).",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The new file or folder; by default named after the run, in this folder.")
    ] = None,
    step: Step = None,
    player: Player = "generator",
) -> None:
    """Write the generator to a file that opens without gankit, and ten lines of Python that open it."""
    from gankit.exporting import export as write

    done = write(run, to, out, step=step, player=player)
    checked = " Checked: it gives what `gankit sample` gives." if done.checked else ""
    typer.echo(f"{done.path}: {done.inputs} to {done.output}, after {done.steps:,} steps.{checked}")
    if not done.snippet:
        typer.echo(
            "It has the game, and no graph for people without gankit: that needs pip install 'gankit[torch,onnx]'"
        )
        return
    if not done.checked:
        typer.echo(f"Not tried, as {done.opens_with} is not installed here: pip install {done.opens_with}")
    typer.echo(f"\n{done.snippet}\nThese lines are in {done.script or done.path / 'README.md'}.")


def push(
    run: Run,
    repo: Annotated[str, typer.Argument(help="user/name, as the Hub writes it.")],
    private: Annotated[bool, typer.Option("--private", help="Of a new repository: for its owner alone.")] = False,
    step: Step = None,
    player: Player = "generator",
) -> None:
    """Put a game on the Hugging Face Hub, with its model card."""
    from gankit.exporting.push import push as upload

    address = upload(run, repo, private=private, step=step, player=player)
    typer.echo(f'It is there. To open it anywhere: gankit.load("{address}")')
