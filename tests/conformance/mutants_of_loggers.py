"""Loggers with one fault each, written as a stranger would write them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from planted_parts import Broken, heavy


class Lines:
    """As it should be: a line of JSON for each step, in a file of its own."""

    file = "mine.jsonl"

    def start(self, folder, config, step):
        self.path = Path(folder) / self.file

    def log(self, step, terms):
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **terms}) + "\n")

    def finish(self):
        pass


class Table:
    """As it should be: a table of three columns, written at the end, with what was there before."""

    def start(self, folder, config, step):
        self.path, self.rows = Path(folder) / "mine.csv", []
        if self.path.exists():
            lines = self.path.read_text().splitlines()
            self.rows = [row for row in csv.reader(lines) if int(row[0]) <= step]

    def log(self, step, terms):
        self.rows += [(step, name, repr(value)) for name, value in terms.items()]

    def finish(self):
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows(self.rows)


class Two(Lines):
    """Two arguments, as in an older version."""

    def start(self, folder, config):
        super().start(folder, config, 0)


class Endless(Lines):
    finish = None


class Strings(Lines):
    """Takes its folder for a text."""

    def start(self, folder, config, step):
        self.path = folder + "/mine.jsonl"


class Eager(Lines):
    """Opens its file when it is made."""

    def __init__(self):
        Path("mine.jsonl").touch()


class EagerFolder(Lines):
    def __init__(self):
        Path("logs").mkdir(exist_ok=True)


class Unflushed(Lines):
    """Keeps what it is told, and writes every three."""

    def start(self, folder, config, step):
        super().start(folder, config, step)
        self.waiting = []

    def log(self, step, terms):
        self.waiting.append((step, terms))
        if len(self.waiting) == 3:
            for each in self.waiting:
                super().log(*each)
            self.waiting = []


class LossesOnly(Lines):
    def log(self, step, terms):
        super().log(step, {name: value for name, value in terms.items() if name.endswith("loss")})


class Rounded(Lines):
    """Two digits are enough for a curve."""

    def log(self, step, terms):
        super().log(step, {name: round(value, 2) for name, value in terms.items()})


class EverySecond(Lines):
    """Half of the points."""

    def log(self, step, terms):
        if step % 20 == 0:
            super().log(step, terms)


class Anew(Lines):
    """Begins its file again."""

    def start(self, folder, config, step):
        super().start(folder, config, step)
        self.path.write_text("")


class Whole(Table):
    """Writes what it was told in this session, in the place of all."""

    def start(self, folder, config, step):
        super().start(folder, config, step)
        self.rows = []


class NotTwice(Lines):
    """Passes over a step that it has seen."""

    def log(self, step, terms):
        seen = self.path.read_text() if self.path.exists() else ""
        if f'"step": {step},' not in seen:
            super().log(step, terms)


class FixedHeader(Lines):
    """A table whose columns are those of the first step."""

    def start(self, folder, config, step):
        super().start(folder, config, step)
        self.columns = None

    def log(self, step, terms):
        self.columns = self.columns or sorted(terms)
        super().log(step, {name: terms[name] for name in self.columns})


class Strict(Lines):
    """Standard JSON has no NaN."""

    def log(self, step, terms):
        json.dumps(terms, allow_nan=False)
        super().log(step, terms)


class Identifiers(Lines):
    """Names must be identifiers."""

    def log(self, step, terms):
        for name in terms:
            if not name.isascii() or "," in name:
                raise KeyError(name)
        super().log(step, terms)


class SameFile(Lines):
    """In the place of gankit's own log."""

    file = "metrics.jsonl"


class Tidy(Lines):
    """Clears the folder first."""

    def start(self, folder, config, step):
        shutil.rmtree(folder)
        Path(folder).mkdir()
        super().start(folder, config, step)


class Adds(Lines):
    """Leaves a word in the terms."""

    def log(self, step, terms):
        terms["step"] = step
        super().log(step, {name: value for name, value in terms.items() if name != "step"})


class Moves(Lines):
    """Goes to its folder, and stays."""

    def start(self, folder, config, step):
        super().start(Path(folder).resolve(), config, step)
        os.chdir(folder)


class Draws(Lines):
    """A name for its run by NumPy."""

    def start(self, folder, config, step):
        self.id = np.random.randint(10**9)
        super().start(folder, config, step)


class OfTheClass(Lines):
    """Its file is the class's."""

    def start(self, folder, config, step):
        type(self).path = Path(folder) / self.file


class OfTheProcess(Lines):
    """The first folder is for good."""

    folders: ClassVar[list[Any]] = []

    def start(self, folder, config, step):
        self.folders[:] = [path for path in self.folders if Path(path).is_dir()] or [folder]
        super().start(self.folders[0], config, step)


class Exits(Lines):
    """Presses Ctrl-C where it cannot write."""

    def log(self, step, terms):
        try:
            super().log(step, terms)
        except OSError as error:
            raise KeyboardInterrupt from error


class ExitsAtOnce(Lines):
    """Asks for another folder, and ends the process."""

    def start(self, folder, config, step):
        super().start(folder, config, step)
        if not self.path.parent.is_dir():
            raise SystemExit(1)


class MakesRoom(Lines):
    """Deletes the file that is in the place of its folder."""

    def start(self, folder, config, step):
        for parent in (folder, *folder.parents):
            if parent.is_file():
                parent.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        super().start(folder, config, step)


class MakesRoomLater(Lines):
    """The same, when it cannot write."""

    def log(self, step, terms):
        try:
            super().log(step, terms)
        except OSError:
            if self.path.parent.is_file():
                self.path.parent.unlink()
                self.path.parent.mkdir()
            super().log(step, terms)


class Renames(Lines):
    """Writes what it calls a run into the game's own settings."""

    def start(self, folder, config, step):
        super().start(folder, config, step)
        object.__setattr__(config, "seed", step + 1)


class Patient(Lines):
    """Tampers with how the game draws its batches."""

    def start(self, folder, config, step):
        super().start(folder, config, step)
        from gankit.play import streams

        if not hasattr(streams.Streams, "_generator"):
            streams.Streams._generator = streams.Streams.generator
            streams.Streams.generator = lambda self, *words: type(self)._generator(self, *words, "logged")

    def finish(self):
        from gankit.play import streams

        if hasattr(streams.Streams, "_generator"):
            streams.Streams.generator = streams.Streams._generator
            del streams.Streams._generator


HEAVY = """

class Part:
    def start(self, folder, config, step):
        pass

    def log(self, step, terms):
        pass

    def finish(self):
        pass
"""

HONEST = {"lines": Lines, "table": Table}
LOGGERS = tuple(
    Broken("loggers", *fault)
    for fault in (
        ("two arguments", "check_logger_contract", Two),
        ("has no end", "check_logger_contract", Endless),
        ("takes its folder for a text", "check_logger_contract", Strings),
        ("a file when it is made", "check_logger_writes_nothing_before_it_is_started", Eager),
        ("a folder when it is made", "check_logger_writes_nothing_before_it_is_started", EagerFolder),
        ("does not write the rest", "check_logger_keeps_all_that_it_is_told", Unflushed),
        ("keeps losses only", "check_logger_keeps_all_that_it_is_told", LossesOnly),
        ("rounds", "check_logger_keeps_all_that_it_is_told", Rounded),
        ("every second step", "check_logger_keeps_all_that_it_is_told", EverySecond),
        ("begins its file again", "check_logger_keeps_it_when_the_run_goes_on", Anew),
        ("writes this session alone", "check_logger_keeps_it_when_the_run_goes_on", Whole),
        ("passes over what comes again", "check_logger_keeps_it_when_the_run_goes_on", NotTwice),
        ("columns of the first step", "check_logger_takes_every_number", FixedHeader),
        ("refuses NaN", "check_logger_takes_every_number", Strict),
        ("refuses names", "check_logger_takes_every_number", Identifiers),
        ("writes into gankit's log", "check_logger_leaves_the_run_alone", SameFile),
        ("clears the folder", "check_logger_leaves_the_run_alone", Tidy),
        ("adds to the terms", "check_logger_leaves_the_run_alone", Adds),
        ("moves to another folder", "check_logger_leaves_the_run_alone", Moves),
        ("draws by NumPy", "check_logger_leaves_the_run_alone", Draws),
        ("the file of the class", "check_logger_runs_apart", OfTheClass),
        ("the first folder for good", "check_logger_runs_apart", OfTheProcess),
        ("presses Ctrl-C", "check_logger_survives_a_folder_that_cannot_be_written", Exits),
        ("ends the process", "check_logger_survives_a_folder_that_cannot_be_written", ExitsAtOnce),
        ("makes room", "check_logger_leaves_what_is_in_its_way", MakesRoom),
        ("makes room later", "check_logger_leaves_what_is_in_its_way", MakesRoomLater),
        ("other batches", "check_logger_changes_nothing_of_the_game", Patient),
        ("another seed", "check_logger_changes_nothing_of_the_game", Renames),
        ("imports a framework", "check_logger_imports_no_framework", heavy(HEAVY, '("torch", "jax")')),
        ("imports another", "check_logger_imports_no_framework", heavy(HEAVY, '("jax", "torch")')),
    )
)
