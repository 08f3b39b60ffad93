"""Games whose samples are known to be good or bad: digits by class, series, points of a plane, numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.parts.common import made
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
        split=of_splits(splits),
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
        split=of_splits(plain),
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
            split=of_splits(plain),
            score=lambda x: 0.0 * x[:, 0],
        )
        yield name, toy, np.asarray(rng.uniform(-20, 20, unseen.x.shape), np.float32)


def of_splits(splits: dict[str, Dataset]) -> Callable[[str], Dataset]:
    def split(name: str) -> Dataset:
        if name not in splits:
            raise DataError(f"There is no split {name!r} here. Possible: {', '.join(splits)}.")
        return splits[name]

    return split


def measured(candidate: Candidate, **settings: Any) -> list[tuple[str, Evidence, Array, list[Measurement]]]:
    """What the metric, with these settings, says of every game that it applies to; raises NotApplicable where that is
    none."""
    metric, said, reasons = candidate.made(**settings) if settings else made(candidate), [], []
    for what, evidence, bad in games(candidate):
        try:
            said.append((what, evidence, bad, list(metric(evidence))))
        except NotMeasurable as reason:
            reasons.append(f"{what}: {reason}")
    if not said:
        raise NotApplicable("It measures none of the games here. " + "; ".join(reasons))
    return said


def others(evidence: Evidence) -> Iterator[tuple[str, Evidence]]:
    """The same evidence with other real examples in a split, or seen through another extractor; and which it was."""
    for name in SPLITS:
        data = evidence.split(name)
        labels = data.labels if evidence.labels is None else evidence.labels
        other = replace(data, x=evidence.samples.astype(data.x.dtype), labels=labels)
        splits = {asked: other if asked == name else evidence.split(asked) for asked in SPLITS}
        yield name, replace(evidence, split=of_splits(splits))
    if evidence.look is not None and evidence.extractor is not None:
        look = evidence.look

        def squinting(x: Array) -> tuple[Array, Array | None]:
            features, sure = look(x)
            if sure is not None:  # a third of all examples is taken for the class beside theirs
                third = (np.arange(len(sure)) % 3 == 0)[:, None]
                sure = np.where(third, np.roll(sure, 1, axis=1), sure)
            return features**2, sure

        yield evidence.extractor.name, replace(evidence, look=squinting)


def worse(evidence: Evidence, samples: Array) -> Evidence:
    """A game that makes noise, and whose D takes every example for one of the class before."""
    told = evidence.classify
    wrong = None if told is None else (lambda x: np.roll(told(x), -1, axis=1))
    return replace(evidence, samples=samples, classify=wrong)
