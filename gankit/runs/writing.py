"""Writes that fail while a game is played: tried again, told once, and no reason for the game to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gankit import disk

MOST = 2**24
"""Bytes of lines that are kept for a better time."""


@dataclass
class Log:
    """Adds lines to a file. Those that could not be written are written before the next one."""

    path: Path
    _waiting: bytes = b""

    def add(self, text: bytes = b"") -> None:
        """Raises OSError, naming the file, when it still cannot be written."""
        pauses = () if self._waiting else disk.PAUSES
        if len(self._waiting) < MOST:
            self._waiting += text
        for pause in (*pauses, None):
            try:
                if self._waiting:
                    disk.append(self.path, self._waiting)
                self._waiting = b""
                return
            except OSError:
                if pause is None:
                    raise
                time.sleep(pause)


@dataclass
class Writing:
    """Callbacks that write, kept from ending a run by what a disk does.

    failed: what could not be written, the first of each cause.
    """

    say: Callable[[str], None]
    failed: list[str] = field(default_factory=list)
    _told: set[Any] = field(default_factory=set)

    def guarded(self, callback: Any) -> Guarded:
        """The callback with its OSErrors told."""
        return Guarded(callback, self)

    def attempt(self, write: Callable[..., Any], *arguments: Any) -> bool:
        """Whether it was written. An error is told once for each cause."""
        try:
            write(*arguments)
        except OSError as error:
            cause = (error.errno, getattr(write, "__qualname__", type(write).__name__))
            if cause not in self._told:
                self._told.add(cause)
                self.failed.append(str(error))
                self.say(
                    f"Could not write: {error}. {disk.advice(error)}; training goes on, and what is due next is "
                    "tried again."
                )
            return False
        return True


@dataclass
class Guarded:
    """A callback of `Trainer.fit` whose writes may fail."""

    callback: Any
    writing: Writing

    @property
    def every(self) -> int:
        return int(self.callback.every)

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.writing.attempt(self.callback, trainer, step, terms)
