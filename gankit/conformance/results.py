"""What a check says: records for a table, and the two ways in which a check does not pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gankit.conformance.subject import Subject

Outcome = Literal["pass", "fail", "not applicable"]
Check = Callable[[Subject], None]
"""Returns when all is well; raises AssertionError, or NotApplicable. Anything else that it raises is a failure too."""


@dataclass(frozen=True)
class Result:
    """One line of the table. message: why it failed, or why it does not apply; empty when it passed."""

    group: str
    check: str
    outcome: Outcome
    message: str
    seconds: float


class NotApplicable(Exception):
    """The check cannot judge this subject here; its message says what is missing."""


def run(group: str, check: Check, subject: Subject) -> Result:
    """Run one check; never raises what the check raised."""
    started = time.perf_counter()
    outcome, message = judge(check, subject)
    return Result(group, check.__name__, outcome, message, round(time.perf_counter() - started, 3))


def judge(check: Check, subject: Subject) -> tuple[Outcome, str]:
    """The outcome of a check, with its message."""
    try:
        check(subject)
    except NotApplicable as reason:
        return "not applicable", str(reason)
    except AssertionError as failure:
        return "fail", f"{failure}\n{what_a_user_loses(check)}"
    except Exception as error:
        return "fail", f"It raised {type(error).__name__}: {error}\n{what_a_user_loses(check)}"
    return "pass", ""


def what_a_user_loses(check: Check) -> str:
    """The first sentence of the check's docstring."""
    return " ".join((check.__doc__ or "").split("\n\n")[0].split())


def counts(results: Sequence[Result]) -> dict[Outcome, int]:
    """How many results there are of each outcome."""
    outcomes: tuple[Outcome, ...] = ("pass", "fail", "not applicable")
    return {outcome: sum(result.outcome == outcome for result in results) for outcome in outcomes}
