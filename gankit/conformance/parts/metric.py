"""What any metric is judged by, a stranger's included.

python -m gankit.conformance --metric frechet
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import require
from gankit.conformance.parts.common import imports_no_framework, made, settings, target
from gankit.conformance.parts.metric_games import SPLITS, N, measured, of_splits, others, worse
from gankit.conformance.parts.settings_act import others as other_values
from gankit.conformance.results import NotApplicable
from gankit.conformance.subject import Candidate
from gankit.data.dataset import Dataset
from gankit.errors import DataError, GankitError
from gankit.metrics import Evidence, Measurement, NotMeasurable

__all__ = ["CHECKS", "N"]


def check_metric_contract(candidate: Candidate) -> None:
    """You could not tell its numbers from others in a table or a file."""
    metric = made(candidate)
    require(metric.name == candidate.name, f"Its name is {metric.name!r}, and it is registered as {candidate.name!r}.")
    for what, evidence, _, measurements in measured(candidate):
        require(bool(measurements), f"{what}: it yields no Measurement, and raises no NotMeasurable that says why.")
        labels = [m.label for m in measurements]
        require(len(set(labels)) == len(labels), f"{what}: two measurements have one label: {labels}.")
        for m in measurements:
            require(
                isinstance(m, Measurement), f"{what}: it yields {type(m).__name__}, not gankit.metrics.Measurement."
            )
            require(isinstance(m.value, float), f"{what}, {m.label}: value is {type(m.value).__name__}, not float.")
            require(bool(np.isfinite(m.value)), f"{what}, {m.label}: the value is {m.value} on real examples.")
            require(m.error is None or m.error >= 0, f"{what}, {m.label}: the standard error is {m.error}.")
            require(m.better in ("higher", "lower", None), f"{what}, {m.label}: better={m.better!r}.")
            n = m.protocol.get("n")
            counted = isinstance(n, int) and 0 < n <= len(evidence.samples)
            require(counted, f"{what}, {m.label}: the protocol must say of how many samples: n={n!r}.")


def check_metric_says_what_it_used(candidate: Candidate) -> None:
    """You would compare a number with one for another split, or for other features. A bare "FID" compares nothing."""
    metric = made(candidate)
    for what, evidence, _, measurements in measured(candidate):
        first = {m.metric: m for m in measurements}
        for used, changed in others(evidence):
            try:
                second = list(metric(changed))
            except NotMeasurable:
                continue
            for m in second:
                told = " ".join(str(value) for value in m.protocol.values())
                same = m.metric not in first or m.value == first[m.metric].value
                require(
                    same or used in told, f"{what}, {m.label}: it depends on {used!r}, and the label does not say so."
                )


def check_metric_repeats(candidate: Candidate) -> None:
    """The same samples would get a different number the next time."""
    metric = made(candidate)
    for what, evidence, _, first in measured(candidate):
        for one, other in zip(first, metric(evidence), strict=True):
            same = one.label == other.label and one.value == other.value
            cause = "randomness without a seed of its own."
            require(same, f"{what}: {one.label} is {one.value}, then {other.value}. Likely cause: {cause}")


def check_metric_prefers_real_examples(candidate: Candidate) -> None:
    """A worse game would get the better number: its direction is wrong, or real and fake are exchanged."""
    metric, compared = made(candidate), False
    for what, evidence, bad, measurements in measured(candidate):
        good = {m.metric: m for m in measurements if m.better is not None}
        for m in metric(worse(evidence, bad)):
            if m.metric not in good:
                continue
            compared = True
            gap = m.value - good[m.metric].value
            fair = gap < 0 if m.better == "higher" else gap > 0
            values = f"{good[m.metric].value:.6g} for real examples, {m.value:.6g} for noise"
            require(fair, f"{what}, {m.metric}: {values}, and better={m.better!r}.")
    if not compared:
        raise NotApplicable("None of its numbers says whether higher or lower is better.")


def check_metric_changes_nothing(candidate: Candidate) -> None:
    """The next metric would measure different samples."""
    metric = made(candidate)
    for what, evidence, _, _ in measured(candidate):
        held = [evidence.samples, *(evidence.split(name).x for name in SPLITS)]
        before = [array.copy() for array in held]
        list(metric(evidence))
        same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(held, before, strict=True))
        require(same, f"{what}: samples or data are changed in place.")


def check_metric_refuses_in_words(candidate: Candidate) -> None:
    """`gankit evaluate` would end in a traceback if a game has no labels, no extractor, or no such split."""
    metric, nothing = made(candidate), of_splits({})
    for what, evidence, _, _ in measured(candidate):
        for lacking, less in {
            "labels": replace(evidence, labels=None),
            "an extractor": replace(evidence, extractor=None, look=None),
            "D": replace(evidence, score=None, classify=None),
            "any split": replace(evidence, split=nothing),
        }.items():
            try:
                list(metric(less))
            except (NotMeasurable, DataError):
                continue
            except Exception as error:
                raise AssertionError(
                    f"{what}, without {lacking}: {type(error).__name__}: {error}. Raise gankit.metrics.NotMeasurable."
                ) from error


def check_metric_imports_no_framework(candidate: Candidate) -> None:
    """The metric would work on one backend only, and every user would wait for that framework."""
    imports_no_framework(candidate)


def check_metric_ignores_order(candidate: Candidate) -> None:
    """The same samples in another order would be another number: each is set against the example in its place, or only
    the first few are looked at."""
    metric = made(candidate)
    for what, evidence, bad, first in measured(candidate):
        noise = {m.label: m.value for m in metric(worse(evidence, bad))}
        for of, other in shuffled(evidence):
            for one, again in zip(first, metric(other), strict=True):
                # What is made of parts, or of pairs drawn by a seed, moves a little: by its error, not by its range.
                scope = abs(noise.get(one.label, one.value) - one.value)
                allowed = 1e-6 * abs(one.value) + 6 * (one.error or 0.0) + 0.02 * scope
                same = abs(again.value - one.value) <= allowed
                require(
                    same, f"{what}, {one.label}: {one.value:.6g}, and {again.value:.6g} with {of} in another order."
                )


def shuffled(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    """The same evidence with the samples, or the real examples of every split, in another order."""
    rng = np.random.default_rng(5)
    rows = rng.permutation(len(evidence.samples))
    labels = None if evidence.labels is None else evidence.labels[rows]
    yield "the samples", replace(evidence, samples=evidence.samples[rows], labels=labels)
    splits = {name: evidence.split(name) for name in SPLITS}
    turned = {name: reordered(data, rng.permutation(len(data.x))) for name, data in splits.items()}
    yield "the real examples", replace(evidence, split=of_splits(turned))


def reordered(data: Dataset, rows: Array) -> Dataset:
    """The same examples and labels in that order."""
    return replace(data, x=data.x[rows], labels=None if data.labels is None else data.labels[rows])


def check_metric_uses_what_it_names(candidate: Candidate) -> None:
    """A number would be said to be by a split, or by features, that it never looked at."""
    metric = made(candidate)
    named: dict[str, bool] = {}
    for _, evidence, _, measurements in measured(candidate):
        first = {m.metric: m.value for m in measurements}
        told = {str(value) for m in measurements for value in m.protocol.values()}
        for used, changed in others(evidence):
            if used not in told:
                continue
            try:
                values = {m.metric: m.value for m in metric(changed)}
            except NotMeasurable:
                values = {}
            named[used] = named.get(used, False) or values != first
    idle = [used for used, acts in named.items() if not acts]
    require(not idle, f"Its labels name {', '.join(idle)}, and nothing changes with another. Name what is used.")


def check_metric_settings_act(candidate: Candidate) -> None:
    """A user would set a number in vain: the metric measures the same whatever a setting says."""
    must = settings(candidate)
    usual, tried = values_of(candidate, must), 0
    for setting in inspect.signature(target(candidate)).parameters.values():
        values: list[Any] = [*other_values(setting)]
        if setting.name == "split":
            values = [name for name in SPLITS if name != setting.default]
        elif type(setting.default) is int:
            values += [N // 4, N // 2, 2, 1]  # defaults are for more samples than there are here
        if setting.name in must or not values:
            continue
        found = []
        for value in values:
            try:
                found.append(values_of(candidate, {**must, setting.name: value}))
            except GankitError:  # not among what is possible
                continue
        tried += len(found)
        acts = not found or any(other != usual for other in found)
        require(acts, f"{candidate.name!r} measures the same whatever {setting.name} is. Use it, or remove it.")
    if not tried:
        raise NotApplicable("It has no number, no switch and no split to set.")


def values_of(candidate: Candidate, own: Mapping[str, Any]) -> list[Any]:
    """All that the metric measures with these settings, of good samples and of noise, in every game it applies to."""
    metric, found = candidate.made(**own), list[Any]()
    for _, evidence, bad, measurements in measured(candidate, **own):
        found += [(m.metric, m.value, m.error, dict(m.details)) for m in measurements]
        with suppress(NotMeasurable):
            found += [(m.metric, m.value, m.error, dict(m.details)) for m in metric(worse(evidence, bad))]
    return found


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_metric_contract,
    check_metric_says_what_it_used,
    check_metric_uses_what_it_names,
    check_metric_settings_act,
    check_metric_ignores_order,
    check_metric_repeats,
    check_metric_prefers_real_examples,
    check_metric_changes_nothing,
    check_metric_refuses_in_words,
    check_metric_imports_no_framework,
)
