"""The lines of a run's logs, read as data: whatever else stands in such a file is passed over."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LAST = 2**53
"""No step comes after it."""


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that have a step; nothing where there is no such file."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError):
        return
    for text in content.splitlines(keepends=True):
        line = parsed(text)
        if line is not None:
            yield line


def parsed(text: bytes) -> dict[str, Any] | None:
    """A line of JSON that ends as it should and has a step; None for any other."""
    if not text.endswith(b"\n"):
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or type(line.get("step")) is not int or not 0 <= line["step"] <= LAST:
        return None
    return line


def number(value: Any) -> float | None:
    """A finite number that can be computed with, and None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        plain = float(value)
    except OverflowError:
        return None
    return plain if math.isfinite(plain) else None


def read_json(path: Path) -> dict[str, Any]:
    """What a file of JSON says; nothing where there is none, or none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
