"""One process's share of a run: the callbacks around `fit`, and what is done however it ends."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from gankit.cli.duration import seconds, spoken
from gankit.cli.settings import Options
from gankit.cli.team import part, position, tell, typed
from gankit.errors import CheckpointError, DataError, PluginError

if TYPE_CHECKING:
    from gankit.interfaces import Logger, Workers
    from gankit.metrics.best import Evaluate
    from gankit.play.interrupt import Asked
    from gankit.runs.folder import Run
    from gankit.runs.records import Checkpoints

LOST = 1
"""The exit code of a run that did not end as it should: something could not be written, or is not finite."""

LEFT = "Stopped at once. The steps after the last checkpoint are lost."


def warn(text: str) -> None:
    typer.secho(text, fg="yellow", err=True)


class Session:
    """A run folder and its game while this process plays it. workers: who plays it too, and follows."""

    def __init__(
        self,
        run: Run,
        trainer: Any,
        options: Options,
        loggers: Mapping[str, Logger],
        asked: Asked,
        workers: Workers | None = None,
    ) -> None:
        from gankit.runs.records import Checkpoints, SampleGrid
        from gankit.runs.writing import Writing

        self.run, self.trainer, self.options, self.loggers, self.asked = run, trainer, options, loggers, asked
        self.workers = workers
        self.writing = Writing(warn)
        asked.last_words = f"\n{LEFT} To go on:\n  {typed(options)}\n"
        self.grid = SampleGrid(run, options.sample_every, typer.echo)
        self.checkpoints = Checkpoints(run, options.checkpoint_every, options.keep)
        self.measured = _evaluations(run, options, self.checkpoints, trainer)

    def play(self) -> None:
        """To the end, or to where it is stopped; raises typer.Exit unless all of it is done, saved and finite."""
        try:
            self._play()
        except typer.Exit:
            part(self.workers)
            raise
        part(self.workers)

    def _play(self) -> None:
        from gankit.play.interrupt import Stopped, StoppedAtOnce, TimeIsUp
        from gankit.runs.rollback import NotFinite

        options, trainer = self.options, self.trainer
        if options.on_nan != "tell" and not self.run.checkpoints():
            self.writing.attempt(self.checkpoints.save, trainer)  # something to go back to
        span = math.inf if options.budget is None else seconds(options.budget)
        while True:
            try:
                self._fit(span)
            except NotFinite as broken:
                self._go_back(broken.step)
                tell(self.workers, position(self.run, self.trainer))
                continue
            except TimeIsUp:
                typer.echo(
                    f"The {spoken(span)} are used up, after {self.trainer.steps_done:,} of {options.steps:,} steps."
                )
            except DataError as broken:  # a picture that cannot be read, found while others were played on
                if self._save():
                    typer.echo(f"Step {self.trainer.steps_done:,} is saved.", err=True)
                raise broken
            except StoppedAtOnce as stopped:
                self.workers = None  # they are in the middle of a step
                self._interrupted(LEFT, stopped.number)
            except KeyboardInterrupt as stopped:
                number = stopped.number if isinstance(stopped, Stopped) else 2
                if self._save():
                    self._interrupted(f"Interrupted at step {self.trainer.steps_done:,}. Everything is saved.", number)
                self._interrupted(f"Interrupted at step {self.trainer.steps_done:,}. Not everything is saved.", number)
            break
        self._save()
        self._say_what_is_there()
        if self.asked.number is not None:  # in the last step, or after it
            raise typer.Exit(128 + self.asked.number)

    def _fit(self, span: float) -> None:
        from gankit.alarms import Alarms
        from gankit.play.interrupt import Deadline
        from gankit.runs.loggers import Loggers
        from gankit.runs.progress import progress
        from gankit.runs.records import MetricsLog
        from gankit.runs.rollback import FiniteState, FiniteTerms

        options, trainer = self.options, self.trainer
        bar = progress(options.steps, trainer.steps_done)
        logs = Loggers(self.loggers, self.run.folder, options.log_every, warn)
        # The checkpoint comes last of those that write: what it stands for must be on the disk before it.
        writers = [MetricsLog(self.run, options.log_every), Alarms(self.run, warn)]
        callbacks: list[Any] = [self.writing.guarded(writer) for writer in writers]
        if options.on_nan != "tell":
            callbacks += [FiniteTerms(options.log_every), FiniteState(options.checkpoint_every)]
        callbacks.append(logs)
        callbacks += [self.writing.guarded(writer) for writer in (self.grid, *self.measured, self.checkpoints)]
        callbacks.append(bar)
        if options.budget is not None:
            callbacks.append(Deadline(span))
        with bar, logs.start(trainer.config, trainer.steps_done):
            try:
                trainer.fit(steps=options.steps - trainer.steps_done, callbacks=callbacks)
            except (SystemExit, GeneratorExit) as error:
                raise PluginError(
                    f"A part of the game tried to end the program ({type(error).__name__}: {error}), in or after step "
                    f"{trainer.steps_done + 1:,}. Parts must raise errors. `gankit plugins` shows their packages."
                ) from error
        if options.on_nan != "tell":
            FiniteState(1)(trainer, trainer.steps_done, {})

    # ---- a game that is not finite

    def _go_back(self, step: int) -> None:
        """Take up the last finite checkpoint at half the learning rates; raises typer.Exit where that is the end."""
        from gankit import checkpoint
        from gankit.building import opened
        from gankit.runs.rollback import MOST, last_finite, rollbacks, with_lower_rates

        back = last_finite(self.run)
        if back is None:
            warn(
                f"Step {step:,} has NaN or infinity, and so has each checkpoint. Start again with lower learning rates."
            )
            self._lost()
        to, so_far = checkpoint.step_of(back), rollbacks(self.run, step)[1]
        if self.options.on_nan == "stop" or so_far >= MOST:
            tried = f" The learning rates were halved {so_far} times." if so_far else ""
            warn(f"Stopped: step {step:,} has NaN or infinity.{tried} The last finite checkpoint is {back}.")
            self._drop_later(to)
            _report(self.run)
            self._lost()
        warn(
            f"Step {step:,} has NaN or infinity. Going back to {back}, with the learning rates halved "
            f"({so_far + 1} of {MOST} times)."
        )
        config = with_lower_rates(self.run.config(), so_far + 1)
        self._drop_later(to)
        self.run.rewind(to)
        line = {"step": to, "at": step, "rates": 0.5 ** (so_far + 1)}
        self.writing.attempt(_add, self.run.rollbacks_file, (json.dumps(line) + "\n").encode())
        arrays, meta = checkpoint.read(back)
        settings = {
            key: config.to_plain()[key] for key in ("generator_optimizer", "discriminator_optimizer", "players")
        }
        device, devices = self.options.device or "auto", self.options.devices
        self.trainer = opened(back, arrays, meta, self.trainer.backend.name, device, settings=settings, devices=devices)

    def _lost(self) -> NoReturn:
        tell(self.workers, {"exit": LOST})
        self.workers = None  # they leave at once
        raise typer.Exit(LOST)

    def _drop_later(self, step: int) -> None:
        from gankit import checkpoint

        for path in self.run.checkpoints():
            if checkpoint.step_of(path) > step:
                path.unlink(missing_ok=True)

    # ---- the end

    def _save(self) -> bool:
        """Whether the state, its pictures and the report are written."""
        saved = self.writing.attempt(self.checkpoints.save, self.trainer)
        drawn = self.writing.attempt(self.grid.latest, self.trainer)
        self.writing.attempt(self._say_what_is_skipped)
        self.report = _report(self.run)
        return saved and drawn

    def _say_what_is_skipped(self) -> None:
        """Where pictures were found broken since the run began."""
        before = self.run.skipped_file.read_text("utf-8").count("\n") if self.run.skipped_file.is_file() else 0
        found = self.run.note_skipped(self.trainer.config, self.trainer)
        if found > before:
            warn(f"{found:,} images cannot be read; see {self.run.skipped_file}.")

    def _say_what_is_there(self) -> None:
        shown = f"; look at {self.report or self.run.picture}" if self.report or self.run.picture.exists() else ""
        typer.echo(f"{self.trainer.steps_done:,} steps are in {self.run.folder}{shown}")
        for each in self.measured:
            if best := each.best:
                where = self.run.best_checkpoint
                typer.echo(f"Best: step {best['step']:,}, {best['label']} = {best['value']:.4g}, in {where}")
        if self.writing.failed:
            warn("Some files could not be written:\n  " + "\n  ".join(self.writing.failed))
        broken = _is_broken(self.run, self.trainer.steps_done)
        if broken:
            warn(f"After step {self.trainer.steps_done:,} there is NaN or infinity. {broken}")
        if (self.writing.failed or broken) and self.asked.number is None:
            raise typer.Exit(LOST)

    def _interrupted(self, what: str, number: int) -> NoReturn:
        typer.echo(f"\n{what} To go on:\n  {typed(self.options)}", err=True)
        raise typer.Exit(128 + number) from None


def _is_broken(run: Run, step: int) -> str:
    """What to do about a last checkpoint that is not finite; "" where it is."""
    from gankit import checkpoint
    from gankit.runs.rollback import last_finite

    try:
        if checkpoint.outline(run.checkpoint_file(step))[0].get("finite") is not False:
            return ""
    except CheckpointError:
        return ""
    found = last_finite(run)
    back = f"The last finite checkpoint is {found}." if found else "No checkpoint is finite."
    return f"{back} With `--on-nan rollback`, gankit goes back to such a checkpoint and lowers the learning rates."


def _add(path: Path, text: bytes) -> None:
    from gankit.disk import append

    append(path, text)


def _report(run: Run) -> Path | None:
    """Write the report; a run that is done and saved does not fail for want of one."""
    from gankit.report import write

    try:
        return write(run.folder)[0]
    except Exception as error:
        warn(f"The report could not be written ({type(error).__name__}: {error}). Try: gankit report {run.folder}")
        return None


def is_unmeasured(run: Run, done: int, options: Options) -> bool:
    """Whether a run that is played to its end was stopped while it was measured there."""
    from gankit.runs.lines import lines

    due = options.evaluate_every and done == options.steps and done % options.evaluate_every == 0
    return bool(due) and all(line["step"] != done for line in lines(run.evaluations_file))


def _evaluations(run: Run, options: Options, checkpoints: Checkpoints, trainer: Any) -> list[Evaluate]:
    """The callback that measures, where it is asked for."""
    if not options.evaluate_every:
        return []
    from gankit.metrics.best import Evaluate

    evaluate = Evaluate(run, options.evaluate_every, options.evaluate, checkpoints=checkpoints, say=typer.echo)
    evaluate.take_up(trainer)
    return [evaluate]
