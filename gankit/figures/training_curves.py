"""What the players report over a run, and where theory has them end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.arrays import Array
from gankit.config import Config
from gankit.data.images import Picture
from gankit.data.spec import DataSpec
from gankit.errors import CheckpointError, ConfigError
from gankit.figures import style
from gankit.figures.theory import Equilibrium, equilibrium
from gankit.runs.folder import Run

LOSSES = {"d_loss": ("D", style.BLUE), "g_loss": ("G", style.GREEN)}
SCORES = {"D(x)": ("D(x)", style.BLACK), "D(G(z))": ("D(G(z))", style.GREEN)}
PARTS = 60
"""A smooth line is the mean over one of so many parts of the run, in steps; of fewer lines none is taken."""


def curves(run: str | os.PathLike[str]) -> Picture:
    """Losses above, D(x) and D(G(z)) below, each line of metrics.jsonl faint and their running mean in full.

    Dashed: D = 1/2, and d_loss where V(D, G) = -log 4, in games whose loss is the paper's.

    Raises ConfigError for a folder that holds no run, or nothing logged yet.
    """
    folder = Run(Path(run))
    if not folder.config_file.is_file():
        raise ConfigError(f"{run} is not a run folder: it has no config.toml. Training curves need a run folder.")
    terms = logged(folder)
    if len(terms.get("step", ())) == 0:
        raise ConfigError(f"Nothing is logged in {folder.metrics_file} yet.")
    config = folder.config()
    return style.painted(lambda figure: _paint(figure, terms, config, _equilibrium(folder, config)), 8, 6.4)


def logged(run: Run) -> dict[str, Array]:
    """Every term by name, each (lines,) float64, NaN where it was not finite or not there; "step" among them."""
    lines = list(_lines(run.metrics_file))
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: np.array([_number(line.get(name)) for line in lines]) for name in names}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines only: the last one of a run that is going on may be torn."""
    if path.is_file():
        for line in path.read_text("utf-8").splitlines():
            try:
                read = json.loads(line)
            except ValueError:
                continue
            if isinstance(read, dict) and "step" in read:
                yield read


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _equilibrium(run: Run, config: Config) -> Equilibrium:
    found = run.checkpoints()
    if not config.conditional or not found:
        return equilibrium(config)
    try:
        spec = DataSpec.from_checkpoint(*checkpoint.read(found[-1]))
    except (CheckpointError, KeyError):
        return equilibrium(config)
    return equilibrium(config, spec.shape, spec.num_classes)


def running_mean(steps: Array, values: Array, width: float) -> Array:
    """Mean of the values within half a width, in steps, of each; NaN counts as missing. steps: ascending.

    At the start the window narrows on both sides, and so stays centred: a mean over later values alone would hide how a
    loss begins, which is where it moves most. At the end it has one side only.
    """
    known = np.isfinite(values)
    half = np.minimum(0.5 * width, steps - steps[0])
    windows = zip(np.searchsorted(steps, steps - half), np.searchsorted(steps, steps + half, "right"), strict=True)
    # One by one, not as differences of one long sum, in which a loss that once ran away leaves no digits for others.
    means = [
        values[first:after][known[first:after]].sum() / max(known[first:after].sum(), 1) for first, after in windows
    ]
    return np.where(known, means, np.nan)


def _paint(figure: Any, terms: dict[str, Array], config: Config, rest: Equilibrium) -> None:
    above, below = figure.subplots(2, 1, sharex=True)
    below.set(ylim=(-0.03, 1.03), yticks=(0.0, 0.5, 1.0), xlabel=f"steps of {config.recipe} on {config.data}")
    below.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    at_rest = f"; dashed: V = \N{MINUS SIGN}log 4, where D's is {rest.d_loss:.3f}" if rest.d_loss is not None else ""
    above.set_title("losses" + at_rest)
    _lines_of(above, terms, LOSSES, rest.d_loss)
    below.set_title("D's output; dashed: D = ½" if rest.d is not None else "sigmoid of D's score")
    _lines_of(below, terms, SCORES, rest.d)


def _lines_of(axes: Any, terms: dict[str, Array], names: dict[str, tuple[str, str]], rest: float | None) -> None:
    """Lines with their names at their ends, and a dashed one where they come to rest."""
    steps, ends = terms["step"], []
    if rest is not None:
        axes.axhline(rest, color=style.GREY, linestyle=(0, (5, 4)), linewidth=1.0)
    many = len(steps) >= 2 * PARTS
    for name, (label, colour) in names.items():
        values = terms.get(name)
        if values is None or not np.isfinite(values).any():
            continue
        smooth = running_mean(steps, values, (steps[-1] - steps[0]) / PARTS) if many else values
        axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.3 if many else 0.0)
        axes.plot(steps, smooth, color=colour, marker="o" if len(steps) == 1 else None)
        ends.append((float(smooth[np.isfinite(smooth)][-1]), label, colour))
    low, high = axes.get_ylim()
    for place, (_, label, colour) in zip(apart([end[0] for end in ends], 0.09 * (high - low)), ends, strict=True):
        axes.annotate(
            label, (1.01, place), xycoords=("axes fraction", "data"), color=colour, weight="bold", va="center"
        )


def apart(places: Sequence[float], least: float) -> list[float]:
    """Two places, moved from each other where they are closer than `least`; their middle and order stay."""
    if len(places) < 2 or abs(places[0] - places[1]) >= least:
        return list(places)
    middle, side = (places[0] + places[1]) / 2, 1 if places[0] >= places[1] else -1
    return [middle + side * least / 2, middle - side * least / 2]
