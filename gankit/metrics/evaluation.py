"""A game judged by metrics: `gankit.evaluate`, which `gankit evaluate` prints.

Samples are drawn with all of the latent's noise, from one seed; in a conditional game, their classes are drawn from the
same seed, as often as each occurs in the training data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gankit.checkpoint import Opened, none_in
from gankit.errors import CheckpointError, ConfigError
from gankit.metrics.bench import Bench, MetricLike
from gankit.metrics.rows import Evaluation, Row, Weights
from gankit.play.sharing import sharing
from gankit.runs.folder import Run

Watch = Callable[[int, int, str], None]
"""(done, of how many, what comes next), called before each metric."""

N = 10_000
"""Samples by default, as in the paper's own protocol."""


def evaluate(
    game: Any,
    *,
    n: int = N,
    metrics: MetricLike | Iterable[MetricLike] | None = None,
    split: str | None = None,
    checkpoint: str | int | None = None,
    weights: str = "both",
    seed: int = 0,
    data: Any = None,
    extractor: str | None = None,
    calibrate: bool | None = False,
    backend: str | None = None,
    device: str = "auto",
    devices: int | str | None = None,
    watch: Watch | None = None,
) -> Evaluation:
    """Measure a game. Returns a row of measurements, with their protocol, for each state of G.

    game: a trainer, which is measured as it is; a run folder; or a checkpoint.
    n: how many samples to draw.
    metrics: names, tables with settings, or objects; by default all that are installed. Metrics that do not apply are
        listed in `skipped` with the reason, and metrics that fail in `failed`; the others still run.
    split: the data to compare with, by default "test" if there is such a split.
    checkpoint: of a run: "last", "best", a step, or "all"; by default the last and the best.
    weights: "raw", "ema" or "both"; a game without a moving average has only "raw".
    seed: the seed for latents and classes of the samples.
    data: the training data, if the config cannot name it.
    extractor: by name; by default one that fits the data.
    calibrate: whether to measure real training examples too, which shows the score of a perfect generator. None: if
        there are few of them, and you name no metric.
    devices: how many devices share the work, or "all", if the backend has several in one process. Workers that were
        started together share it too, for a run folder or a checkpoint: each makes this call and gets all numbers.
    watch: called with the progress.

    Raises ConfigError, UnknownNameError, CheckpointError or DataError before it measures anything.
    """
    if n < 1:
        raise ConfigError(f"n={n}: expected one sample or more.")
    named = None if metrics is None else _listed(metrics)
    states = list(_states(game, checkpoint, backend, device, devices))
    trainer = states[0].trainer
    kinds = _kinds(trainer, weights)
    bench = Bench(trainer, data, split=split, metrics=named, extractor=extractor, calibrate=calibrate)
    if split is not None:
        bench.splits(split)  # one that was asked for and is not there is told once, and not by each metric
    each, rows = len(bench.metrics), list[Row]()
    # A game at hand may be measured by one of several workers, so each measures it alone.
    with sharing() if isinstance(game, str | os.PathLike) else nullcontext():
        for state in states:
            before = {row.weights: row for row in rows if row.step == state.step}  # the best may be the last
            if not before:
                state.open()
            for kind in kinds:
                told = partial(_tell, watch, len(rows) * each, len(states) * len(kinds) * each, f"{state.name}, {kind}")
                row = before.get(kind) or bench.measure(trainer, n, seed, kind, told)
                rows.append(replace(row, checkpoint=state.name))
    return Evaluation(trainer.config.data, bench.backend.name, n, seed, bench.split, tuple(rows))


def _tell(watch: Watch | None, done: int, total: int, where: str, i: int, what: str) -> None:
    if watch is not None:
        watch(done + i, total, f"{where}: {what}")


def _listed(metrics: MetricLike | Iterable[MetricLike]) -> list[MetricLike]:
    return [metrics] if isinstance(metrics, str | Mapping) or callable(metrics) else list(metrics)


def _kinds(trainer: Any, weights: str) -> tuple[Weights, ...]:
    """Which weights of G are measured."""
    kept: tuple[Weights, ...] = ("raw", "ema") if trainer.config.ema else ("raw",)
    kinds = tuple(kind for kind in kept if weights in (kind, "both"))
    if weights not in ("raw", "ema", "both"):
        raise ConfigError(f"weights={weights!r}: possible are 'raw', 'ema' or 'both'.")
    if not kinds:
        raise ConfigError("This game has no moving average of G. Use weights='raw'.")
    return kinds


KEPT = 3
"""Checkpoints that are held in memory while they wait to be measured."""


@dataclass
class _State:
    """A state of G to be measured: a trainer, and the checkpoint that it takes up first.

    read: what is in that, where it may be gone by then: a run that is trained removes its old ones.
    """

    name: str
    step: int
    trainer: Any
    path: Path | None = None
    read: Opened | None = None

    def open(self) -> None:
        if self.read is not None and (adopt := getattr(self.trainer, "adopt", None)) is not None:
            adopt(*self.read)
        elif self.path is not None:
            self.trainer.restore(self.path)


def _states(
    game: Any, which: str | int | None, backend: str | None, device: str, devices: int | str | None
) -> Iterator[_State]:
    """The states that are asked for, all of one trainer."""
    from gankit.building import load, opened

    if not isinstance(game, str | os.PathLike):
        if which is not None or backend is not None or devices is not None:
            raise ConfigError("A trainer is measured as it is. checkpoint=, backend= and devices= need a run folder.")
        yield _State("now", game.steps_done, game)
        return
    from gankit import checkpoint

    path = Path(game)
    if not path.is_dir():
        if which is not None:
            raise ConfigError(f"{path} is a single checkpoint; checkpoint= needs a run folder.")
        found = checkpoint.find(path)
        trainer = load(found, backend, device, devices=devices)
        yield _State(found.stem, trainer.steps_done, trainer)
        return
    chosen = checkpoints_of(Run(path), which)
    first: Any = None
    for name, found in chosen:
        read = checkpoint.opened(path) if name == "last" else (found, *checkpoint.read(found))
        first = first or opened(*read, backend, device, devices=devices)
        kept = read if len(chosen) <= KEPT else None
        yield _State(name, int(read[2]["steps_done"]), first, read[0], kept)


def checkpoints_of(run: Run, which: str | int | None) -> list[tuple[str, Path]]:
    """(name, file) of the checkpoints of a run that are meant; raises CheckpointError where there are none such."""
    there = run.checkpoints()
    best = [("best", run.best_checkpoint)] if run.best_checkpoint.is_file() else []
    if not there and not best:
        raise none_in(run.folder)
    last = [("last", there[-1])] if there else []
    text = str(which)
    if which is None:
        return [*last, *best]
    if text == "all":
        return [*((path.stem, path) for path in there), *best]
    if text in ("last", "best"):
        if found := dict([*last, *best]).get(text):
            return [(text, found)]
        raise CheckpointError(
            f"{run.folder} keeps no {text} checkpoint"
            + (": it was trained without --evaluate-every." if text == "best" else ".")
        )
    if not text.isdecimal():
        raise ConfigError(f"checkpoint={which!r}: possible are 'last', 'best', 'all', or a step.")
    path = run.checkpoint_file(int(text))
    if path not in there:
        steps = ", ".join(str(int(each.stem.removeprefix("step-"))) for each in there) or "none"
        raise CheckpointError(f"{run.folder} has no checkpoint of step {text}. There: {steps}.")
    return [(path.stem, path)]
