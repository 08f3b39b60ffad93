"""Every check by group, the floor on their number, and the ways to run them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gankit.conformance import (
    brought,
    canonical,
    choosing,
    convolutional,
    coordination,
    corners,
    declared,
    derivatives,
    descents,
    drawn,
    dropout,
    entry,
    knobs,
    layers,
    losses,
    opened,
    ops_arrays,
    ops_math,
    ops_run,
    precision,
    probes,
    resume,
    running,
    seed,
    step,
    theory,
    workers,
)
from gankit.conformance.parts import (
    augmentation,
    condition,
    constraint,
    data,
    extractor,
    logger,
    loss,
    metric,
    network,
    optimizer,
    penalty,
    prior,
    recipe,
)
from gankit.conformance.results import Check, Result, counts, run
from gankit.conformance.subject import SINGULAR, Candidate, Subject

GROUPS: dict[str, tuple[Check, ...]] = {
    "entry": entry.CHECKS,
    "ops": (*ops_math.CHECKS, *ops_arrays.CHECKS, *ops_run.CHECKS),
    "layers": (
        *layers.CHECKS,
        *derivatives.CHECKS,
        *corners.CHECKS,
        *canonical.CHECKS,
        *precision.CHECKS,
        *dropout.CHECKS,
        *declared.CHECKS,
    ),
    "losses": losses.CHECKS,
    "step": (
        *step.CHECKS,
        *convolutional.CHECKS,
        *running.CHECKS,
        *knobs.CHECKS,
        *probes.CHECKS,
        *brought.CHECKS,
        *coordination.CHECKS,
        *descents.CHECKS,
    ),
    "open game": opened.CHECKS,
    "training": (*theory.CHECKS, *choosing.CHECKS),
    "same seed": (*seed.CHECKS, *drawn.CHECKS),
    "resume": resume.CHECKS,
    "data parallel": workers.CHECKS,
}
"""What a backend is judged by."""

PARTS: dict[str, tuple[Callable[[Candidate], None], ...]] = {
    "losses": loss.CHECKS,
    "penalties": penalty.CHECKS,
    "generators": network.CHECKS,
    "discriminators": network.CHECKS,
    "encoders": network.CHECKS,
    "metrics": metric.CHECKS,
    "optimizers": optimizer.CHECKS,
    "priors": prior.CHECKS,
    "constraints": constraint.CHECKS,
    "augmentations": augmentation.CHECKS,
    "conditions": condition.CHECKS,
    "data": data.CHECKS,
    "recipes": recipe.CHECKS,
    "loggers": logger.CHECKS,
    "extractors": extractor.CHECKS,
}
"""What a part of each kind is judged by, on a backend."""

FLOORS: Mapping[str, int] = {
    "entry": 17,
    "ops": 31,
    "layers": 33,
    "losses": 11,
    "step": 50,
    "open game": 8,
    "training": 8,
    "same seed": 11,
    "resume": 10,
    "data parallel": 6,
    "loss": 15,
    "penalty": 10,
    "generator": 13,
    "discriminator": 14,
    "encoder": 14,
    "metric": 8,
    "optimizer": 7,
    "prior": 9,
    "constraint": 8,
    "augmentation": 11,
    "conditions": 2,
    "data": 7,
    "recipe": 6,
    "logger": 8,
    "extractor": 7,
}
"""The fewest checks of a group, or of a kind of part, that must run: a suite that judges nothing is not green."""


OPTIONAL = frozenset({"data parallel"})
"""Groups that judge one capability, and nothing of a backend without it."""


def checks_for(subject: Subject | Candidate) -> Mapping[str, Sequence[Callable[[Any], None]]]:
    """The checks that judge a backend or a part, by group."""
    return GROUPS if isinstance(subject, Subject) else {SINGULAR[subject.kind]: PARTS[subject.kind]}


def run_checks(
    subject: Subject | Candidate, only: Iterable[str] = (), report: Callable[[Result], None] = lambda result: None
) -> tuple[Result, ...]:
    """Run every check, or those of some groups; `report` is called with each result as it comes.

    Where a part fails its contract, the first of its checks, the others are not asked: each would say the same again in
    words of its own. The checks go from what is simple to what is built on it, so a failure after another one names
    that.
    """
    results: list[Result] = []
    groups, first = checks_for(subject), ""
    for group in tuple(only) or groups:
        for check in groups[group]:
            result = run(group, check, subject)
            if result.outcome == "fail" and first:
                hint = f"It may follow from {first}, the first that failed: look there first."
                result = replace(result, message=f"{result.message}\n{hint}")
            elif result.outcome == "fail":
                first = result.check
            results.append(result)
            report(result)
            if isinstance(subject, Candidate) and results[0].outcome == "fail":
                return tuple(results)
    return tuple(results)


def shortfalls(results: Sequence[Result]) -> list[str]:
    """A sentence for each subject and group in which too few checks ran.

    For want of capabilities up to half of a floor may be missing: a backend with less than that cannot be judged here.
    """
    said = []
    for subject, group in dict.fromkeys((result.subject, result.group) for result in results):
        those = [r for r in results if (r.subject, r.group) == (subject, group)]
        if group in OPTIONAL and all(r.lacks for r in those):
            continue
        if those[0].outcome == "fail":  # red already, and the rest may not have been asked
            continue
        ran = sum(r.outcome != "not applicable" for r in those)
        floor = FLOORS[group] - min(sum(r.lacks for r in those), FLOORS[group] // 2)
        if ran < floor:
            said.append(f"{subject}: only {ran} checks of {group!r} ran; at least {floor} must.")
    return said


def summary(results: Sequence[Result]) -> str:
    """`70 passed, 0 failed, 1 not applicable`."""
    n = counts(results)
    expected = f", {n['expected failure']} failed as expected" if n["expected failure"] else ""
    return f"{n['pass']} passed, {n['fail']} failed{expected}, {n['not applicable']} not applicable"
