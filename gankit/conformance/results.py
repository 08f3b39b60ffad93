"""What a check says: records for a table, and the ways in which a check does not pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gankit.conformance.subject import NotApplicable, Subject
from gankit.errors import CapabilityError

__all__ = ["OUTCOMES", "Check", "NotApplicable", "Outcome", "Result", "counts", "judge", "run", "what_a_user_loses"]

Outcome = Literal["pass", "fail", "expected failure", "not applicable"]
OUTCOMES: tuple[Outcome, ...] = ("pass", "fail", "expected failure", "not applicable")
Check = Callable[[Subject], None]
"""Returns when all is well; raises AssertionError, or NotApplicable. Anything else that it raises is a failure too."""


@dataclass(frozen=True)
class Result:
    """One line of the table.

    subject: what was judged, such as "backend jax" or "loss hinge on jax".
    message: why it failed, is expected to fail, or does not apply; empty when it passed.
    lacks: whether it does not apply for want of a capability.
    """

    subject: str
    group: str
    check: str
    outcome: Outcome
    message: str
    seconds: float
    lacks: bool = False


def run(group: str, check: Callable[[Any], None], subject: Any) -> Result:
    """Run one check of a Subject or a Candidate; never raises what the check raised."""
    started = time.perf_counter()
    outcome, message, lacks = _judged(check, subject)
    reason = subject.known_failures.get(check.__name__)
    if reason is not None and outcome == "fail":
        outcome, message = "expected failure", f"{reason}\n{message}"
    elif reason is not None and outcome == "pass":
        outcome, message = "fail", f"It passes, and is listed in known_failures ({reason}): take it off that list."
    seconds = round(time.perf_counter() - started, 3)
    return Result(str(subject), group, check.__name__, outcome, message, seconds, lacks)


def judge(check: Callable[[Any], None], subject: Any) -> tuple[Outcome, str]:
    """The outcome of a check, with its message, whatever failures are known."""
    return _judged(check, subject)[:2]


def _judged(check: Callable[[Any], None], subject: Any) -> tuple[Outcome, str, bool]:
    try:
        check(subject)
    except NotApplicable as reason:
        return "not applicable", str(reason), False
    except CapabilityError as reason:
        return "not applicable", str(reason), True
    except AssertionError as failure:
        return "fail", f"{failure}\n{what_a_user_loses(check)}", False
    except Exception as error:
        return "fail", f"It raised {type(error).__name__}: {error}\n{what_a_user_loses(check)}", False
    return "pass", "", False


def what_a_user_loses(check: Callable[[Any], None]) -> str:
    """The first sentence of the check's docstring."""
    return " ".join((check.__doc__ or "").split("\n\n")[0].split())


def counts(results: Sequence[Result]) -> dict[Outcome, int]:
    """How many results there are of each outcome."""
    return {outcome: sum(result.outcome == outcome for result in results) for outcome in OUTCOMES}
