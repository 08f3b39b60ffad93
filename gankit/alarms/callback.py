"""Watch a game during training: a callback of `Trainer.fit` that warns of collapse and failure, and stops nothing."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gankit.alarms.advice import Findings, explain
from gankit.alarms.objective import Objective, objective
from gankit.alarms.samples import Samples
from gankit.alarms.watch import COLLAPSE, NOT_FINITE, WINS, Look, Watch
from gankit.arrays import Array
from gankit.data.dataset import Dataset, extremes
from gankit.errors import CheckpointError, DataError
from gankit.runs.lines import lines
from gankit.runs.writing import Log

if TYPE_CHECKING:
    from gankit.runs.folder import Run


SAMPLED = 2
"""Looks from one at samples to the next, where all is well: drawing them costs as much as half a step of training."""
SOONER = 4
"""How many times as often it looks while something seems about to go wrong."""


@dataclass(frozen=True)
class Alarm:
    """One alarm of a run.

    name: "collapse", "discriminator-wins", "runaway" or "not-finite".
    what: what happened, and the likely cause.
    tries: what to try, the best first.
    """

    step: int
    name: str
    what: str
    tries: tuple[str, ...] = ()

    def __str__(self) -> str:
        tries = f"\n  Try: {'; '.join(self.tries)}." if self.tries else ""
        return f"Alarm at step {self.step:,}: {self.what}{tries}"


def to_stderr(text: str) -> None:
    """In yellow where that is a terminal."""
    yellow, plain = ("\033[33m", "\033[0m") if sys.stderr.isatty() else ("", "")
    print(f"{yellow}{text}{plain}", file=sys.stderr, flush=True)


class Alarms:
    """A callback that warns, once per episode, when G collapses, D wins, a loss diverges or a number is not finite.

        alarms = gankit.alarms.Alarms()
        gan.fit(steps=20_000, callbacks=[alarms])
        alarms.raised

    Normally it checks the terms at every `every`-th step, by default when the log needs them too. At every second check
    it also compares 128 samples of G with as many real examples. If something seems about to go wrong, it checks four
    times as often. `docs/reading-a-run.md` has the rules, and how they were chosen.

    run: a folder. `vitals.jsonl` in it keeps what the checks saw, and `alarms.jsonl` the alarms, so that a resumed run
        continues from there. say: called with each alarm as text.
    """

    def __init__(self, run: Run | None = None, say: Callable[[str], None] = to_stderr, *, every: int = 100) -> None:
        self._quiet = every
        self.raised: list[Alarm] = []
        self._run, self._say = run, say
        self._logs = {} if run is None else {path: Log(path) for path in (run.vitals_file, run.alarms_file)}
        self._watch = Watch() if run is None else _replayed(run.vitals_file)
        self._game: Objective | None = None
        self._asked: Any = None
        self._samples: Samples | None = None
        self._out_of_reach = False
        self._unwritten: OSError | None = None

    @property
    def every(self) -> int:
        """Steps from look to look: a function of the looks so far, so a resumed run looks where the whole one does."""
        return max(1, self._quiet // SOONER) if self._watch.uneasy else self._quiet

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        look = self._look(trainer, step, terms)
        if self._run is not None:
            self._add(self._run.vitals_file, look.to_plain())
        raised, over = self._watch.see(look)
        for name in raised:
            self._raise(name, look, trainer)
        if self._run is not None:
            for name in over:
                self._add(self._run.alarms_file, {"step": step, "alarm": name, "over": True})
        if self._unwritten is not None:  # told last: what was seen counts, whether it could be written or not
            error, self._unwritten = self._unwritten, None
            raise error

    def _add(self, path: Path, line: Mapping[str, Any]) -> None:
        try:
            self._logs[path].add((json.dumps(line, allow_nan=False, ensure_ascii=False) + "\n").encode())
        except OSError as error:
            self._unwritten = error

    # ---- looking

    def _look(self, trainer: Any, step: int, terms: Mapping[str, float]) -> Look:
        broken = tuple(name for name, value in terms.items() if not math.isfinite(value))
        if broken:
            return Look(step, broken)
        term = max(terms, key=lambda name: abs(terms[name]))
        # A frozen D has no loss, and nobody is ahead of it.
        game = self._objective(trainer) if "d_loss" in terms else None
        advantage = None if game is None else game.advantage(terms["d_loss"])
        left = None if game is None else game.left_to_g(terms["D(x)"], terms["D(G(z))"])
        spread = nearest = None
        if step % (SAMPLED * self.every) == 0 and (samples := self._samples_of(trainer)) is not None:
            drawn = samples.drawn(trainer)
            if not np.isfinite(drawn).all():
                return Look(step, ("samples",))
            spread, nearest = samples.variety(drawn)
        return Look(step, (), term, abs(terms[term]), advantage, left, spread, nearest)

    def _objective(self, trainer: Any) -> Objective | None:
        if self._asked is not trainer.loss:
            self._asked, self._game = trainer.loss, objective(trainer.loss)
        return self._game

    def _data(self, trainer: Any) -> Dataset | None:
        """The examples that the game is played on; None where they are out of reach, which is asked once."""
        if self._out_of_reach:
            return None
        try:
            data: Dataset = trainer.data
        except DataError:
            self._out_of_reach = True
            return None
        return data

    def _samples_of(self, trainer: Any) -> Samples | None:
        """What samples are measured by; None where there are too few real examples to measure them against."""
        data = self._data(trainer)
        if data is None or len(data) < 2:
            return None
        if self._samples is None or not self._samples.suit(trainer, data):
            self._samples = Samples.of(trainer, data)
        return self._samples

    # ---- telling

    def _raise(self, name: str, look: Look, trainer: Any) -> None:
        what, tries = explain(name, look, trainer.config, self._game, self._findings(name, look, trainer))
        alarm = Alarm(look.step, name, what, tuple(tries))
        self.raised.append(alarm)
        if self._run is not None:
            self._add(
                self._run.alarms_file,
                {"step": look.step, "alarm": name, "what": what, "try": list(tries)},
            )
        self._say(f"{alarm}{self._way_back() if name == NOT_FINITE else ''}")

    def _findings(self, name: str, look: Look, trainer: Any) -> Findings:
        if name == NOT_FINITE:
            parameters = {role: _not_finite(player.parameters) for role, player in trainer.players.items()}
            data = self._data(trainer)
            floats = data is not None and data.x.dtype.kind == "f"  # bytes are finite, and may still have to be decoded
            broken = data is not None and floats and not np.isfinite(extremes(data.x)).all()
            return Findings(self._watch.last_finite, parameters, broken)
        if name == COLLAPSE:
            ema = None
            if trainer.config.ema and self._samples is not None:
                ema = self._samples.variety(self._samples.drawn(trainer, ema=True))[0]
            return Findings(ema_spread=ema, wins=self._watch.is_raised(WINS))
        return Findings()

    def _way_back(self) -> str:
        """The last checkpoint that is finite. Only said: which there are depends on how often a run was stopped."""
        from gankit import checkpoint

        for path in [] if self._run is None else reversed(self._run.checkpoints()):
            try:
                arrays, _ = checkpoint.read(path)
            except CheckpointError:
                continue
            if all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
                return f"\n  The last checkpoint without NaN: {path}"
        return ""


def _not_finite(parameters: Mapping[str, Array]) -> tuple[list[str], int]:
    return [name for name, array in parameters.items() if not np.isfinite(array).all()], len(parameters)


def _replayed(path: Path) -> Watch:
    """A watch that has seen what a run's log has."""
    watch = Watch()
    for line in lines(path):
        watch.see(Look.from_plain(line))
    return watch
