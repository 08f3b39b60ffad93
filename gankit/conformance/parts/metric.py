"""Any metric, on games whose samples are known to be good or bad: digits by class, points of a plane, numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from gankit.conformance.compare import Array, require
from gankit.conformance.parts.common import imports_no_framework, made
from gankit.conformance.results import NotApplicable
from gankit.conformance.subject import Candidate
from gankit.data import signals, toys
from gankit.data.dataset import Dataset, scaling
from gankit.data.digits import whole as digits
from gankit.data.spec import DataSpec
from gankit.errors import DataError
from gankit.interfaces import Backend
from gankit.metrics import Evidence, Measurement, NotMeasurable

SPLITS = ("train", "validation", "test")
N = 400
"""Samples, and examples of each split: enough for a covariance of 16 features, or a density in the plane."""


class Neighbours:
    """An extractor of digits that needs no training: 4x4 pixels averaged, and the class of the nearest known digit."""

    name: str = "neighbours"
    shape: tuple[int, ...] = (16, 16, 1)
    num_features: int = 16
    num_classes: int | None = 10

    def __init__(self, x: Array, labels: Array) -> None:
        self.x, self.of_class = x.reshape(len(x), -1) / 255.0, labels == np.arange(10)[:, None]

    def open(self, backend: Backend) -> Callable[[Array], tuple[Array, Array | None]]:
        return self

    def __call__(self, x: Array) -> tuple[Array, Array]:
        pixels = x.reshape(len(x), -1) / 255.0
        apart = (pixels**2).sum(axis=1)[:, None] - 2 * pixels @ self.x.T + (self.x**2).sum(axis=1)
        nearest = np.stack([apart[:, rows].min(axis=1) for rows in self.of_class], axis=1)
        sure = np.exp(-0.5 * (nearest - nearest.min(axis=1, keepdims=True)))
        features = x.reshape(len(x), 4, 4, 4, 4).mean(axis=(2, 4)).reshape(len(x), -1) / 255.0
        return features.astype(np.float32), (sure / sure.sum(axis=1, keepdims=True)).astype(np.float32)


def games(candidate: Candidate) -> Iterator[tuple[str, Evidence, Array]]:
    """(what it is, evidence whose samples are real examples unseen in any split, samples of no worth)."""
    backend, rng = candidate.on.open("float32"), np.random.default_rng(3)
    everything = digits()
    x, labels = everything.x.repeat(2, axis=1).repeat(2, axis=2), everything.labels
    assert labels is not None
    parts = [Dataset(x[i * N :][:N], labels[i * N :][:N], 10, (0, 255), "conformance") for i in range(4)]
    spec = DataSpec(parts[0].shape, 10, scaling(parts[0], "unit"))
    known = np.arange(len(x)) // N
    extractor = Neighbours(x[np.isin(known, (0, 1, 4))], labels[np.isin(known, (0, 1, 4))])  # not of test, nor samples
    splits = dict(zip(SPLITS, parts, strict=False))
    evidence = Evidence(
        backend=backend,
        spec=spec,
        samples=parts[3].x,
        labels=parts[3].labels,
        split=_from(splits),
        extractor=extractor,
        look=extractor,
        score=lambda x: x.reshape(len(x), -1).mean(axis=1) / 100.0 - 1.0,
        classify=lambda x: extractor(x)[1],
    )
    yield "digits by class", evidence, np.asarray(rng.integers(0, 256, parts[3].x.shape), np.uint8)
    whole, unseen = signals.load("train"), signals.load("test")
    plain = {split: whole.rows(slice(i * N, (i + 1) * N)) for i, split in enumerate(SPLITS)}
    series = Evidence(
        backend=backend,
        spec=DataSpec(whole.shape, None, scaling(whole, "free")),
        samples=unseen.x[:N],
        labels=None,
        split=_from(plain),
        score=lambda x: 0.0 * x[:, 0, 0],
    )
    yield "series", series, np.asarray(rng.uniform(-0.2, 1, unseen.x[:N].shape), np.float32)
    for name, load in (("ring", toys.ring), ("gaussian-1d", toys.gaussian)):
        plain = {split: load(split, n=N) for split in SPLITS}
        unseen = load("test", n=N, seed=9)
        toy = Evidence(
            backend=backend,
            spec=DataSpec(unseen.shape, None, scaling(unseen, "free")),
            samples=unseen.x.astype(np.float32),
            labels=None,
            split=_from(plain),
            score=lambda x: 0.0 * x[:, 0],
        )
        yield name, toy, np.asarray(rng.uniform(-20, 20, unseen.x.shape), np.float32)


def _from(splits: dict[str, Dataset]) -> Callable[[str], Dataset]:
    def split(name: str) -> Dataset:
        if name not in splits:
            raise DataError(f"There is no split {name!r} here. Possible: {', '.join(splits)}.")
        return splits[name]

    return split


def measured(candidate: Candidate) -> list[tuple[str, Evidence, Array, list[Measurement]]]:
    """What the metric says of every game that it applies to; raises NotApplicable where that is none."""
    metric, said, reasons = made(candidate), [], []
    for what, evidence, bad in games(candidate):
        try:
            said.append((what, evidence, bad, list(metric(evidence))))
        except NotMeasurable as reason:
            reasons.append(f"{what}: {reason}")
    if not said:
        raise NotApplicable("It measures none of the games here. " + "; ".join(reasons))
    return said


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


def others(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    """The same evidence with other real examples in a split, or seen through another extractor; and which it was."""
    for name in SPLITS:
        data = evidence.split(name)
        labels = data.labels if evidence.labels is None else evidence.labels
        other = replace(data, x=evidence.samples.astype(data.x.dtype), labels=labels)
        splits = {asked: other if asked == name else evidence.split(asked) for asked in SPLITS}
        yield name, replace(evidence, split=_from(splits))
    if evidence.look is not None and evidence.extractor is not None:
        look = evidence.look

        def squinting(x: Array) -> tuple[Array, Array | None]:
            features, sure = look(x)
            return features**2, None if sure is None else 0.98 * sure + 0.002

        yield evidence.extractor.name, replace(evidence, look=squinting)


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


def worse(evidence: Evidence, samples: Array) -> Evidence:
    """A game that makes noise, and whose D takes every example for one of the class before."""
    told = evidence.classify
    wrong = None if told is None else (lambda x: np.roll(told(x), -1, axis=1))
    return replace(evidence, samples=samples, classify=wrong)


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
    metric, nothing = made(candidate), _from({})
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


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_metric_contract,
    check_metric_says_what_it_used,
    check_metric_repeats,
    check_metric_prefers_real_examples,
    check_metric_changes_nothing,
    check_metric_refuses_in_words,
    check_metric_imports_no_framework,
)
