"""Pictures of a folder that cannot be read: the first ten are named, or all are left out and listed."""

from __future__ import annotations

from collections.abc import Sequence

from gankit.errors import DataError

NAMED = 10
SKIP = "+skip-broken"
"""Behind the path of a folder, and its size: leave out what cannot be read."""


class UnreadableError(DataError):
    """One picture that cannot be read."""


def refusal(where: str, reasons: Sequence[str]) -> DataError:
    """The error that names what cannot be read of a folder, one reason a line, and how to do without."""
    first = list(reasons[:NAMED])
    if len(first) == 1:
        rest = ""
    elif len(first) < NAMED:
        rest = f"\nThese are all {len(first)}."
    else:
        rest = "\nThere may be more."
    return DataError(
        "\n".join(first) + f"{rest} Or leave such pictures out: --skip-broken, or in text {where!r} followed by {SKIP}."
    )
