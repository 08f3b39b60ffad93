"""Every check by group, the floor on their number, and the ways to run them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gankit.conformance import (
    canonical,
    corners,
    derivatives,
    dropout,
    knobs,
    layers,
    losses,
    ops_arrays,
    ops_math,
    ops_run,
    precision,
    resume,
    running,
    seed,
    step,
)
from gankit.conformance.results import Check, Result, counts, run
from gankit.conformance.subject import Subject, registered

GROUPS: dict[str, tuple[Check, ...]] = {
    "ops": (*ops_math.CHECKS, *ops_arrays.CHECKS, *ops_run.CHECKS),
    "layers": (
        *layers.CHECKS,
        *derivatives.CHECKS,
        *corners.CHECKS,
        *canonical.CHECKS,
        *precision.CHECKS,
        *dropout.CHECKS,
    ),
    "losses": losses.CHECKS,
    "step": (*step.CHECKS, *running.CHECKS, *knobs.CHECKS),
    "same seed": seed.CHECKS,
    "resume": resume.CHECKS,
}
FLOORS: dict[str, int] = {"ops": 26, "layers": 24, "losses": 11, "step": 20, "same seed": 6, "resume": 7}
"""The fewest checks of a group that must really run: a suite that judges nothing must not be green."""


def run_checks(
    subject: Subject, only: Iterable[str] = (), report: Callable[[Result], None] = lambda result: None
) -> tuple[Result, ...]:
    """Run every check, or those of some groups; `report` is called with each result as it comes."""
    results = []
    for group in tuple(only) or GROUPS:
        for check in GROUPS[group]:
            results.append(run(group, check, subject))
            report(results[-1])
    return tuple(results)


def shortfalls(results: Sequence[Result]) -> list[str]:
    """A sentence for each group in which too few checks ran."""
    said = []
    for group in dict.fromkeys(result.group for result in results):
        ran = sum(r.group == group and r.outcome != "not applicable" for r in results)
        if ran < FLOORS[group]:
            said.append(f"Only {ran} checks of {group!r} ran; at least {FLOORS[group]} must.")
    return said


def check_backend(
    name: str, *, only: Sequence[str] = (), quick: bool = False, device: str = "auto"
) -> tuple[Result, ...]:
    """Judge an installed backend and return the results.

    only: groups to run, of `ops`, `layers`, `losses`, `step`, `same seed` and `resume`; by default all.
    quick: shorter trajectories.

    Raises AssertionError with every failure's message, and UnknownNameError when no such backend is installed.
    """
    results = run_checks(registered(name, quick=quick, device=device), only)
    failures = [f"{r.check}: {r.message}" for r in results if r.outcome == "fail"] + shortfalls(results)
    if failures:
        raise AssertionError(f"{name} fails {len(failures)} of {len(results)} checks.\n\n" + "\n\n".join(failures))
    return results


def summary(results: Sequence[Result]) -> str:
    """`70 passed, 0 failed, 1 not applicable`."""
    n = counts(results)
    return f"{n['pass']} passed, {n['fail']} failed, {n['not applicable']} not applicable"
