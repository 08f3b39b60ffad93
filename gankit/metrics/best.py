"""Measure during training: a line every so many steps, and a copy of the best checkpoint on validation data.

The test split is not used: if you choose a checkpoint by a number, this number no longer measures it fairly.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gankit import checkpoint
from gankit.disk import append
from gankit.errors import CheckpointError, ConfigError, one_of
from gankit.metrics.base import Measurement
from gankit.metrics.bench import Bench, MetricLike, made
from gankit.metrics.rows import plain, plain_measurement
from gankit.play.interrupt import check
from gankit.plug import registry
from gankit.runs.folder import Run
from gankit.runs.lines import lines, number
from gankit.runs.records import Checkpoints

Line = dict[str, Any]

N = 2_000
"""Samples: a tenth of an evaluation's time. What is compared is of one n, whatever its bias."""
PREFERRED: tuple[MetricLike, ...] = ("frechet", "modes", "sliced-wasserstein")
"""The first of these that applies is measured where none is asked for."""
DECIDING = {"modes": "modes-jsd"}
"""Of several numbers the one that decides, where it is not the first: covered modes say nothing of quality."""


@dataclass
class Evaluate:
    """A callback of `Trainer.fit`: `trainer.fit(steps=9000, callbacks=[Evaluate("runs/mine", every=1000)])`.

    run: the run folder. `evaluations.jsonl` gets a line for every `every`-th step. `checkpoints/best.safetensors` is
        the state with the best number so far; its header says which. The best step also gets a checkpoint of its own,
        so that a resumed run never starts before its best step.
    metric: a name, a table or an object. The default is the Fréchet distance if an extractor fits the data, otherwise
        the modes of toy data, or the sliced Wasserstein distance.
    by: which number decides, if the metric has several; by default the first that is better higher or lower.
    n: samples, from the moving average of G if the game keeps one, always from the same latents.
    split: the data to compare with; by default "validation" if there is such a split, otherwise "train".
    data: the training data, if the config cannot name it.
    checkpoints: the checkpoints of the run.
    say: called with a message if nothing could be measured.
    """

    run: Run | str | os.PathLike[str]
    every: int = 1000
    metric: MetricLike | None = None
    by: str | None = None
    n: int = N
    seed: int = 0
    split: str | None = None
    data: Any = None
    checkpoints: Checkpoints | None = None
    say: Callable[[str], None] = print
    _bench: Bench | None = field(default=None, init=False, repr=False)
    _said: set[str] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        self._run = self.run if isinstance(self.run, Run) else Run(Path(self.run))
        if self.every < 1:
            raise ConfigError(f"Evaluate(every={self.every}): every how many steps to measure, 1 or more.")
        if self.split == "test":
            raise ConfigError(
                "Evaluate(split='test'): the best checkpoint is chosen by these numbers, and what the test split has "
                "chosen it cannot judge. Use 'validation' or 'train'; gankit.evaluate measures on the test split."
            )
        if self.metric is not None:
            settle(self.metric)

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        if self._bench is None:
            self._bench = self._opened(trainer)
        measurements = self._measured(trainer, self._bench)
        if not measurements:
            return
        deciding = self._deciding(measurements)
        line = {
            "step": step,
            "weights": _weights(trainer),
            "asked": self._asked(),
            **plain_measurement(deciding),
            "measurements": [plain_measurement(m) for m in measurements],
        }
        before = [old for old in self._lines() if old["step"] < step]
        best = _best([*before, line]) is line
        self._write(before, {**line, "best": best})
        if best:
            # First the checkpoint: a run that is resumed then goes on from here, or from later.
            (self.checkpoints or Checkpoints(self._run, self.every)).save(trainer)
            self._promote(line)

    def take_up(self, trainer: Any = None) -> None:
        """Put the best checkpoint in its place, where the process was killed on the way to it; measure the step where
        the trainer is, where it was stopped while it did."""
        step = getattr(trainer, "steps_done", 0)
        if step and step % self.every == 0 and all(line["step"] != step for line in self._lines()):
            self(trainer, step, {})
        best = self.best
        if best is not None and self._run.checkpoint_file(best["step"]).is_file():
            try:
                kept = checkpoint.read(self._run.best_checkpoint)[1].get("best")
                there = kept.get("step") if isinstance(kept, dict) else None
            except CheckpointError:
                there = None
            if there != best["step"]:
                self._promote(best)

    @property
    def best(self) -> Line | None:
        """The line of the best step so far."""
        return _best(list(self._lines()))

    def _opened(self, trainer: Any) -> Bench:
        metrics = [name for name in PREFERRED if name in registry.names("metrics")]
        return Bench(
            trainer,
            self.data,
            split=self.split,
            preferred="validation",
            metrics=metrics if self.metric is None else [self.metric],
        )

    def _measured(self, trainer: Any, bench: Bench) -> tuple[Measurement, ...]:
        """By the metric that was asked for, or from the first time on by the first that applies."""
        contenders, reasons = bench.metrics, list[str]()
        if not contenders:
            reasons.append(f"none of {one_of(map(str, PREFERRED))} is installed.")
        for contender in contenders:
            bench.metrics = [contender]
            row = bench.measure(trainer, self.n, self.seed, _weights(trainer), lambda done, what: check())
            if row.measurements:
                return row.measurements
            reasons += [f"{name}: {reason}" for name, reason in (*row.skipped, *row.failed)]
            if row.failed:  # it does apply, and the next time it may work: a resumed run must not choose another
                break
        bench.metrics = contenders
        for reason in reasons:
            if reason not in self._said:
                self._said.add(reason)
                self.say(f"Not measured while training: {reason}")
        return ()

    def _deciding(self, measurements: tuple[Measurement, ...]) -> Measurement:
        assert self._bench is not None
        by = self.by or DECIDING.get(self._bench.metrics[0].name)
        named = [m for m in measurements if by in (None, m.metric) and m.better is not None]
        if self.by is not None and not named:
            there = one_of({m.metric for m in measurements if m.better is not None})
            raise ConfigError(f"Evaluate(by={self.by!r}): no such number decides. Possible: {there}.")
        return (named or list(measurements))[0]

    def _asked(self) -> Line:
        """What must be alike for two lines to be compared."""
        assert self._bench is not None
        [contender] = self._bench.metrics
        metric = dict(self.metric) if isinstance(self.metric, Mapping) else contender.name
        return {"metric": plain(metric), "by": self.by, "n": self.n, "seed": self.seed, "split": self._bench.split}

    def _lines(self) -> Iterator[Line]:
        """Those of the file that are whole."""
        for line in lines(self._run.evaluations_file):
            value, better = line.get("value"), line.get("better")
            if (value is None or number(value) is not None) and better in (None, "higher", "lower"):
                yield line

    def _write(self, before: list[Line], line: Line) -> None:
        """Add a line; those of this step and later, of a game that was played before this one, make way."""
        path, text = self._run.evaluations_file, (json.dumps(line, allow_nan=False) + "\n").encode()
        old = path.read_bytes() if path.is_file() else b""
        if len(old.splitlines()) == old.count(b"\n") == len(before):
            path.parent.mkdir(parents=True, exist_ok=True)
            append(path, text)
        else:
            kept = "".join(json.dumps(each) + "\n" for each in before)
            checkpoint.write_atomically(path, kept.encode() + text)

    def _promote(self, line: Line) -> None:
        """Make the best checkpoint a copy of that step's, with the number in its header."""
        arrays, meta = checkpoint.read(self._run.checkpoint_file(line["step"]))
        best = {name: line.get(name) for name in ("step", "weights", "metric", "label", "value")}
        checkpoint.write(self._run.best_checkpoint, arrays, {**meta, "best": best})


def _best(lines: list[Line]) -> Line | None:
    """The line with the best number, the first of equals; of those that ask for the same as the last one."""
    best: Line | None = None
    for line in lines:
        value, better = line.get("value"), line.get("better")
        if line.get("asked") != lines[-1].get("asked") or value is None or better is None:
            continue
        if best is None or (value < best["value"] if better == "lower" else value > best["value"]):
            best = line
    return best


def _weights(trainer: Any) -> Any:
    return "ema" if trainer.config.ema else "raw"


def settle(metric: MetricLike) -> None:
    """Raise what is wrong with a metric's name or settings before a run is begun."""
    if isinstance(metric, str):
        made(metric, {}, {})
    elif isinstance(metric, Mapping):
        settings = dict(metric)
        made(str(settings.pop("name", "")), settings, {})
