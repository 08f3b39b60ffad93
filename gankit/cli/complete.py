"""`gankit complete`: what is hidden of a picture, or of rows, of yours, several times over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.show import ARRAYS, _checkpoint
from gankit.errors import ConfigError, DataError, one_of


def complete(
    run: Annotated[Path, typer.Argument(help="A run folder, or a checkpoint, of a game with masks.")],
    image: Annotated[Path | None, typer.Option(help="The image, with the size of the training images.")] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="An image of the same size: white is known, black is hidden."),
    ] = None,
    rows: Annotated[
        Path | None,
        typer.Option(help="Instead of an image: rows of numbers, .csv or .npy. Empty and NaN cells are hidden."),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many completions, of the image or of each row.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the latents.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The file: .png, .npy or .npz; for rows .csv, .npy or .npz.")] = None,
    backend: Annotated[str | None, typer.Option(help="By default the one that wrote the run.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    step: Annotated[int | None, typer.Option(min=0, help="Which checkpoint; by default the latest.")] = None,
    no_ema: Annotated[bool, typer.Option("--no-ema", help="Use G itself, not its moving average.")] = False,
) -> None:
    """Fill in the hidden part of an image, or the empty cells of rows."""
    if (image is None) == (rows is None):
        raise ConfigError("Complete what? Pass --image IN.png, or --rows IN.csv.")
    possible = (*ARRAYS, ".png" if rows is None else ".csv")
    out = Path("completions.png" if rows is None else "completions.csv") if out is None else out
    if out.suffix not in possible:
        raise ConfigError(f"--out {out}: completions are written as {one_of(possible)}.")
    from gankit.building import load

    trainer: Any = load(_checkpoint(run, step), backend, device)
    ema = False if no_ema else None
    if image is None:
        assert rows is not None
        count = _rows(trainer, rows, out, n, seed, ema)
        typer.echo(f"{out}: {n} completions of each of {count:,} rows after {trainer.steps_done:,} steps")
    else:
        _picture(trainer, image, mask, out, n, seed, ema)
        typer.echo(f"{out}: {n} completions after {trainer.steps_done:,} steps")


def _picture(trainer: Any, image: Path, mask: Path | None, out: Path, n: int, seed: int, ema: bool | None) -> None:
    import numpy as np

    from gankit.cli.show import _write_arrays
    from gankit.play.completing import complete

    picture, known = _read(image, mask, trainer)
    answers = complete(trainer, picture, known, n=n, seed=seed, ema=ema)
    if out.suffix in ARRAYS:
        _write_arrays(out, answers, None)
        return
    from gankit.figures.tiles import beside, sheet

    low = trainer.spec.value_range[0] if trainer.spec.value_range else 0
    asked = np.where(known > 0, picture, np.asarray(low, picture.dtype))
    beside(sheet(asked[None], 1, trainer), sheet(answers, min(n, 8), trainer)).save(out)


def _rows(trainer: Any, path: Path, out: Path, n: int, seed: int, ema: bool | None) -> int:
    """How many rows were completed; each n times, one after the other: (rows, n, columns), or rows * n lines."""
    import io

    import numpy as np

    from gankit.checkpoint import write_atomically
    from gankit.cli.show import _write_arrays
    from gankit.play.completing import complete

    if len(trainer.spec.shape) != 1:
        raise ConfigError(f"--rows: this game's examples have shape {trainer.spec.shape}. Pass --image IN.png.")
    header, table = _table(path, trainer)
    answers = np.stack([complete(trainer, row, n=n, seed=seed + i, ema=ema) for i, row in enumerate(table)])
    if out.suffix in ARRAYS:
        _write_arrays(out, answers, None)
    else:
        text = io.StringIO()
        flat = answers.reshape(-1, answers.shape[-1])
        np.savetxt(text, flat, fmt="%.9g", delimiter=",", header=header, comments="")
        write_atomically(out, text.getvalue().encode())
    return len(table)


def _table(path: Path, trainer: Any) -> tuple[str, Any]:
    """(the line of names, "" without one; (rows, columns) in the game's dtype, NaN where something is hidden)."""
    import csv

    import numpy as np

    if not path.is_file():
        raise DataError(f"--rows {path}: there is no such file.")
    header, width = "", trainer.spec.shape[0]
    try:
        if path.suffix == ".npy":
            table = np.atleast_2d(np.load(path, allow_pickle=False))
        else:
            lines = [line for line in csv.reader(path.read_text("utf-8-sig").splitlines()) if line]
            if any(cell.strip() and not _is_number(cell) for line in lines[:1] for cell in line):
                header, lines = ",".join(lines[0]), lines[1:]
            table = np.array([[float(cell.strip() or "nan") for cell in line] for line in lines], np.float64)
        table = table.astype(trainer.spec.scaling.dtype)
    except ValueError as error:
        raise DataError(f"--rows {path}: not a table of numbers: {error}.") from error
    if table.ndim != 2 or table.shape[1] != width or not len(table):
        raise DataError(f"--rows {path} has shape {table.shape}; this game's rows have {width} columns.")
    whole = [i for i, row in enumerate(table, 1) if not np.isnan(row).any()]
    if whole:
        raise DataError(f"--rows {path}: row {whole[0]} has no hidden cell. Leave a cell empty, or make it NaN.")
    return header, table


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read(image: Path, mask: Path | None, trainer: Any) -> tuple[Any, Any]:
    """(the picture in the game's units, the mask, 1 where it is known), of the sizes that the game wants."""
    import numpy as np

    from gankit.data.folders import picture

    for option, path in (("--image", image), ("--mask", mask)):
        if path is not None and not path.is_file():
            raise DataError(f"{option} {path}: there is no such file.")
    shape = trainer.spec.shape
    if len(shape) != 3:
        raise ConfigError(f"--image: this game's examples have shape {shape}. Pass --rows IN.csv.")
    x = picture(image, shape[2])
    known = _transparency(image) if mask is None else picture(mask, 1)
    for option, path, array in (("--image", image, x), ("--mask", mask or image, known)):
        if array.shape[:2] != shape[:2]:
            raise DataError(
                f"{option} {path} has {array.shape[0]}x{array.shape[1]} pixels; the images of this game have "
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
            f"Which part of {image} is hidden? Pass --mask MASK.png, white where the image is known and black where it "
            "is hidden, or make the hidden part transparent."
        )
    return alpha
