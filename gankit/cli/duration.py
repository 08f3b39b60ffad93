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
    """`1 h 30 min`, `12 min`, `8 s`."""
    hours, rest = divmod(round(span), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{left} s"
