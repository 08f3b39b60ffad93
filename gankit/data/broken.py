"""Pictures of a folder that cannot be read: all of the first ten are named, or all are left out and listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gankit.errors import DataError

T = TypeVar("T")

NAMED = 10
SKIP = "+skip-broken"
"""Behind the path of a folder, and its size: leave out what cannot be read."""


class UnreadableError(DataError):
    """One picture that cannot be read."""


class Broken:
    """What cannot be read of a folder.

    skip: whether to go on without it; else DataError is raised, once enough is known to name.
    """

    def __init__(self, folder: Path, skip: bool) -> None:
        self.folder, self.skip = folder, skip
        self.found: dict[Path, str] = {}

    def attempt(self, file: Path, read: Callable[[], T]) -> T | None:
        """What was read of a file, or None."""
        if file in self.found:
            return None
        try:
            return read()
        except UnreadableError as error:
            self.found[file] = str(error)
            if not self.skip and len(self.found) >= NAMED:
                self.check()
        return None

    def check(self) -> None:
        """Raise DataError, naming them, for those that are not to be skipped."""
        if self.found and not self.skip:
            first = list(self.found.values())
            if len(first) == 1:
                rest = ""
            elif len(first) < NAMED:
                rest = f"\nThese are all {len(first)}."
            else:
                rest = "\nThere may be more."
            raise DataError(
                "\n".join(first) + f"{rest} Or leave such pictures out: --skip-broken, or in text {str(self.folder)!r} "
                f"followed by {SKIP}."
            )
