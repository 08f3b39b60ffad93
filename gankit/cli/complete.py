"""`gankit complete`: what a mask hides of a picture of yours, several times over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.show import ARRAYS, _checkpoint
from gankit.errors import ConfigError, DataError


def complete(
    run: Annotated[Path, typer.Argument(help="A run folder, or a checkpoint, of a game with masks.")],
    image: Annotated[Path, typer.Option(help="The picture, of the size that the game makes.")],
    mask: Annotated[
        Path | None,
        typer.Option(help="Of the same size: white where the picture is known, black where it is hidden."),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many completions.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents.")] = 0,
    out: Annotated[Path, typer.Option(help="A picture (.png), or numbers (.npy, .npz).")] = Path("completions.png"),
    backend: Annotated[str | None, typer.Option(help="By default the one that wrote the run.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    step: Annotated[int | None, typer.Option(min=0, help="Of the checkpoint; by default the latest.")] = None,
    no_ema: Annotated[bool, typer.Option("--no-ema", help="Use G itself, not its moving average.")] = False,
) -> None:
    """Complete a picture whose hidden part is masked, or transparent."""
    if out.suffix not in (*ARRAYS, ".png"):
        raise ConfigError(f"--out {out}: completions are written as .png, .npy or .npz.")
    import numpy as np

    from gankit.building import load
    from gankit.play.completing import complete

    trainer: Any = load(_checkpoint(run, step), backend, device)
    picture, known = _read(image, mask, trainer)
    answers = complete(trainer, picture, known, n=n, seed=seed, ema=False if no_ema else None)
    if out.suffix in ARRAYS:
        from gankit.cli.show import _write_arrays

        _write_arrays(out, answers, None)
    else:
        from gankit.figures.tiles import beside, sheet

        low = trainer.spec.value_range[0] if trainer.spec.value_range else 0
        asked = np.where(known > 0, picture, np.asarray(low, picture.dtype))
        beside(sheet(asked[None], 1, trainer), sheet(answers, min(n, 8), trainer)).save(out)
    typer.echo(f"{out}: {n} completions after {trainer.steps_done:,} steps")


def _read(image: Path, mask: Path | None, trainer: Any) -> tuple[Any, Any]:
    """(the picture in the game's units, the mask, 1 where it is known), of the sizes that the game wants."""
    import numpy as np

    from gankit.data.folders import picture

    for option, path in (("--image", image), ("--mask", mask)):
        if path is not None and not path.is_file():
            raise DataError(f"{option} {path}: there is no such file.")
    shape = trainer.spec.shape
    if len(shape) != 3:
        raise ConfigError(f"complete is for pictures; this game's examples have shape {shape}.")
    x = picture(image, shape[2])
    known = _transparency(image) if mask is None else picture(mask, 1)
    for option, path, array in (("--image", image, x), ("--mask", mask or image, known)):
        if array.shape[:2] != shape[:2]:
            raise DataError(
                f"{option} {path} has {array.shape[0]}x{array.shape[1]} pixels; this game's pictures have "
                f"{shape[0]}x{shape[1]}."
            )
    scaling = trainer.spec.scaling
    if not scaling.is_integer:
        low, high = trainer.spec.value_range or (0.0, 1.0)
        x = (low + (high - low) * x / 255.0).astype(scaling.dtype)
    return x, (np.asarray(known) >= 128).astype(np.float32)


def _transparency(image: Path) -> Any:
    """The opacity of each pixel; raises DataError for a picture that is opaque all over."""
    import numpy as np
    from PIL import Image

    with Image.open(image) as opened:
        alpha = np.asarray(opened.convert("RGBA"))[..., 3:]
    if alpha.min() >= 128:
        raise DataError(
            f"What of {image} is hidden? Pass --mask MASK.png, white where the picture is known and black where it is "
            "hidden, or make the hidden part transparent."
        )
    return alpha
