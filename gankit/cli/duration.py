"""Spans of time as people type them: `90s`, `30min`, `1h30min`."""

from __future__ import annotations

import re

from gankit.errors import ConfigError

_UNITS = {"h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)")


def seconds(text: str) -> float:
    """How many seconds a span is; raises ConfigError for anything else, and for none at all."""
    compact = text.strip().lower().replace(" ", "")
    if not re.fullmatch(rf"(?:{_PART.pattern})+", compact):
        raise ConfigError(f"{text!r} is no span of time: write it as 90s, 30min, 2h or 1h30min.")
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(compact))
    if total <= 0:
        raise ConfigError(f"{text!r}: there is nothing that can be done in no time.")
    return total


def spoken(span: float) -> str:
    """`1 h 30 min`, `4 min 50 s`, `0.5 s`: the two largest units that there are any of."""
    whole = round(span)
    if whole < 1:
        return f"{span:.2g} s"
    parts = [(whole // 3600, "h"), (whole % 3600 // 60, "min"), (whole % 60, "s")]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
