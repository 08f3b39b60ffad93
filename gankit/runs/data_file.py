"""`data.json` of a run folder: what tells the data that a run began with from other data."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gankit import checkpoint
from gankit.config import Config
from gankit.data.fingerprint import changes, contents, fingerprints
from gankit.errors import DataError
from gankit.runs.lines import read_json

Prints = Mapping[str, Any]


def note(file: Path, config: Config, still_wanted: Callable[[], bool]) -> None:
    """Write what is known of the data, where it lies in files; of very many, the hash of their contents a little later,
    as training does not wait for it. still_wanted: whether the run is still there then."""
    if prints := fingerprints(config):
        _write(file, prints)
        _note_contents(file, prints, still_wanted)


def check(file: Path, config: Config, still_wanted: Callable[[], bool]) -> None:
    """Raise DataError, with the difference, where the data is not what the run began with. Runs from before this was
    noted have nothing to compare with, and are not refused."""
    before = read_json(file)
    for name in (config.data, *config.sources.values()):
        then = before.get(name)
        if isinstance(then, dict) and (different := changes(name, then)):
            raise DataError(
                f"{name} is not the data that {file.parent} started with:\n  " + "\n  ".join(different) + "\n"
                f"Restore it, or start over with --new. To continue with the new data, remove {file}."
            )
    _note_contents(file, before, still_wanted)


def call_also(file: Path, name: str, also: str) -> None:
    """What is known of one data set is true of the other."""
    prints = read_json(file)
    if name in prints:
        _write(file, {**prints, also: prints[name]})


def _note_contents(file: Path, prints: Prints, still_wanted: Callable[[], bool]) -> None:
    unread = [name for name, own in prints.items() if isinstance(own, dict) and "sha256" not in own]

    def read() -> None:
        with contextlib.suppress(OSError):  # the names, sizes and times are noted
            found = {name: {**prints[name], "sha256": contents(name)} for name in unread}
            if still_wanted():
                _write(file, {**prints, **found})

    if unread:
        threading.Thread(target=read, name="gankit-contents", daemon=True).start()


def _write(file: Path, prints: Prints) -> None:
    checkpoint.write_atomically(file, (json.dumps(prints, indent=2) + "\n").encode())
