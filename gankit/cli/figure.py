"""`gankit figure`: draw one of a run, into the run's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gankit.cli.show import _checkpoint
from gankit.errors import ConfigError, did_you_mean, one_of


def figure(
    name: Annotated[str | None, typer.Argument(help="See --list.", show_default=False)] = None,
    run: Annotated[Path | None, typer.Argument(help="A run folder, or a checkpoint.", show_default=False)] = None,
    list_: Annotated[bool, typer.Option("--list", help="List all figures.")] = False,
    out: Annotated[Path | None, typer.Option(help="A .png file.  [default: RUN/figures/NAME.png]")] = None,
    backend: Annotated[str | None, typer.Option(help="By default the one that wrote the run.")] = None,
    device: Annotated[str, typer.Option()] = "auto",
    step: Annotated[int | None, typer.Option(min=0, help="Which checkpoint; by default the latest.")] = None,
    no_ema: Annotated[bool, typer.Option("--no-ema", help="Use G itself, not its moving average.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="The seed of the latents.  [default: 0]")] = None,
    data: Annotated[str | None, typer.Option(help="The real examples, if they have moved.")] = None,
    label: Annotated[int | None, typer.Option(min=0, help="scatter, game-1d: which class to show.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="How many rows a grid has.")] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="samples, interpolation: how many columns.")] = None,
    path: Annotated[str | None, typer.Option(help="interpolation: linear or spherical.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="scatter: how many points.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="game-1d: how many steps to repeat; by default all.")] = None,
    frames: Annotated[int | None, typer.Option(min=2, help="game-1d: how many frames.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting of the figure.")
    ] = None,
) -> None:
    """Draw a figure of a run."""
    from gankit.figures.fitness import require
    from gankit.figures.kinds import find, names, summaries

    if list_:
        known = summaries()
        for each, summary in known.items():
            typer.echo(f"{each:<{max(map(len, known))}}  {summary}")
        return
    if name is None:
        raise ConfigError(f"Which figure? Type gankit figure NAME RUN. NAME is one of {one_of(names())}.")
    kind = find(name)
    if run is None:
        raise ConfigError(f"Which run? Type gankit figure {name} RUN. RUN is a run folder or a checkpoint.")
    if out is not None and out.suffix != ".png":
        raise ConfigError(f"--out {out}: figures are written as .png.")
    asked = {
        "backend": backend, "device": None if device == "auto" else device, "step": step, "no-ema": no_ema or None,
        "seed": seed, "data": data, "label": label, "rows": rows, "columns": columns, "path": path, "n": n,
        "steps": steps, "frames": frames,
    }  # fmt: skip
    own = _own_settings(kind, name, set_ or [])
    _check(kind, name, [flag for flag, value in asked.items() if value is not None])
    settings = {each: value for each, value in asked.items() if each in kind.settings and value is not None} | own
    if no_ema:
        settings["ema"] = False
    subject = _subject(kind, run, step, backend, device)
    if kind.of == "trainer":
        require(name, subject)
    drawn = kind.draw(subject, **settings)
    for written in _write(drawn, out or _default(run, name)):
        typer.echo(str(written))


def _own_settings(kind: Any, name: str, told: list[str]) -> dict[str, Any]:
    """Settings as `--set key=value`, which a figure of another distribution has no flags for."""
    from gankit.cli.settings import assigned

    found = assigned(told)
    for key in found:
        if key not in kind.settings:
            near, there = did_you_mean(key, kind.settings), one_of(kind.settings) if kind.settings else "none"
            raise ConfigError(f"The figure {name!r} has no setting {key!r}.{near} Its settings: {there}.")
    return found


def _check(kind: Any, name: str, flags: list[str]) -> None:
    """Raise ConfigError for an option that this figure would ignore."""
    possible = [] if kind.of == "run" else ["backend", "device", "step"]
    possible += ["no-ema" if setting == "ema" else setting for setting in kind.settings]
    for flag in flags:
        if flag not in possible:
            known = ", ".join(f"--{each}" for each in ("out", *possible))
            raise ConfigError(f"The figure {name!r} takes no --{flag}. It takes: {known}.")


def _subject(kind: Any, run: Path, step: int | None, backend: str | None, device: str) -> Any:
    if kind.of == "run":
        return run
    from gankit.building import load

    return load(_checkpoint(run, step), backend, device)


def _default(run: Path, name: str) -> Path:
    """RUN/figures/NAME.png, for a checkpoint of RUN too."""
    folder = run if run.is_dir() else run.parent
    if folder.name == "checkpoints":
        folder = folder.parent
    return folder / "figures" / f"{name}.png"


def _write(drawn: Any, out: Path) -> list[Path]:
    """The picture; of an animation the still one, the moving one, and the folder of its frames beside it."""
    from gankit.figures.animation import Animation

    written = [drawn.save(out)]
    if isinstance(drawn, Animation):
        frames = out.with_suffix("")
        drawn.save_frames(frames)
        written += [drawn.save(out.with_suffix(".gif")), frames]
    return written
