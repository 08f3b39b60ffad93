"""What a run has sent to a tracker, kept in its folder: the id that it goes by there, and each point that is there.

A run that is resumed plays some steps again. What it then logs is what it logged before, and is not sent twice. After a
rollback, or with other settings, the points of a step are others, and are sent.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path

from gankit.disk import append
from gankit.runs.lines import lines


class Memory:
    """A file of JSON lines: {"step": 0, "id": …} first, then {"step": …, "sent": a checksum} for every point."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = list(lines(path))
        self._sent = {(line["step"], line.get("sent")) for line in found}
        known = [str(line["id"]) for line in found if "id" in line]
        self.id = known[0] if known else uuid.uuid4().hex[:10]
        self.is_new = not known
        if self.is_new:
            self._add({"step": 0, "id": self.id})

    def has(self, step: int, terms: Mapping[str, float]) -> bool:
        """Whether exactly this was sent before."""
        return (step, _checksum(terms)) in self._sent

    def note(self, step: int, terms: Mapping[str, float]) -> None:
        """That it is sent now."""
        self._sent.add((step, _checksum(terms)))
        self._add({"step": step, "sent": _checksum(terms)})

    def _add(self, line: Mapping[str, object]) -> None:
        append(self._path, (json.dumps(line) + "\n").encode())


def _checksum(terms: Mapping[str, float]) -> int:
    return zlib.crc32(json.dumps(dict(terms), sort_keys=True).encode())
