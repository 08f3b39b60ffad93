"""Metrics of a classifier's predictions for samples: how certain they are, how evenly they cover the classes, and
whether they are the class that G was asked for. Also the error of D, if D is a classifier itself.

Apart from the last one, the classifier is the extractor's. Predictions for samples are compared with those for real
examples, so that the bias of the classifier cancels. If it is often wrong about real examples, its numbers would mean
nothing, and the metrics refuse to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting

TRUSTED = 0.9
"""The least accuracy on real examples with which a classifier is believed."""


@dataclass(frozen=True)
class ClassifierScore:
    """exp(mean KL(p(y|x) || p(y))): high if each sample clearly belongs to one class, and all classes occur.

    It is at least 1 and at most the number of classes. This is the "Inception score" of Salimans et al. 2016
    (section 4), with another classifier. As there, samples are split in `splits` parts. The value is the mean over the
    parts, and the error that of the mean. It sees no difference between one sample per class and many.
    """

    splits: int = 10
    split: str = "test"
    name: ClassVar[str] = "classifier-score"

    def __post_init__(self) -> None:
        if self.splits < 1:
            raise ConfigError(f"classifier-score: splits={self.splits}; expected 1 or more.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        trusted = trust(evidence, self.split)
        p = probabilities(evidence, evidence.samples)
        if len(p) < self.splits:
            raise NotMeasurable(f"{len(p)} samples cannot be split into {self.splits} parts: draw more.")
        scores = np.array([classifier_score(part) for part in np.array_split(p, self.splits)])
        error = float(scores.std(ddof=1) / np.sqrt(self.splits)) if self.splits > 1 else None
        yield Measurement(
            metric=self.name,
            value=float(scores.mean()),
            protocol={**_who(evidence), "n": len(p), "splits": self.splits},
            error=error,
            better="higher",
            details={"std": float(scores.std()), "each": scores.tolist(), "of_real_examples": trusted},
        )


@dataclass(frozen=True)
class ClassBalance:
    """Compares the predicted classes of samples with those of a split of the data.

    Three numbers: "class-kl", KL(shares of samples || shares of data) in nats, 0 at best; "class-deviation", the
    largest difference between the share of a class in samples and in the data; and "classes-covered", how many classes
    have at least `least` of their share in the data. The KL is as in StackedMNIST (Che et al. 2017).
    """

    split: str = "test"
    least: float = 0.1
    name: ClassVar[str] = "class-balance"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        trust(evidence, self.split)
        got = shares(probabilities(evidence, evidence.samples))
        want = shares(probabilities(evidence, evidence.split(self.split).x))
        protocol = {**_who(evidence), "n": len(evidence.samples), "split": self.split}
        both = {"shares": got.tolist(), "data": want.tolist()}
        yield Measurement("class-kl", float(kl(got, want)), protocol, better="lower", details=both)
        deviation = float(np.abs(got - want).max())
        yield Measurement("class-deviation", deviation, protocol, better="lower", details=both)
        occurring = want > 0
        covered = float(np.count_nonzero(got[occurring] >= self.least * want[occurring]))
        details = {**both, "classes": int(np.count_nonzero(occurring))}
        yield Measurement("classes-covered", covered, {**protocol, "least": self.least}, None, "higher", details)


@dataclass(frozen=True)
class ConditionalAccuracy:
    """The share of samples whose predicted class is the one that G was asked for. Only for conditional games."""

    split: str = "test"
    name: ClassVar[str] = "conditional-accuracy"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        if evidence.labels is None:
            raise NotMeasurable("The game is not conditional, so G cannot be asked for a class.")
        trusted = trust(evidence, self.split)
        judged = probabilities(evidence, evidence.samples).argmax(axis=1)
        right, n = judged == evidence.labels, len(judged)
        share = float(right.mean())
        asked = np.unique(evidence.labels)
        yield Measurement(
            metric=self.name,
            value=share,
            protocol={**_who(evidence), "n": n},
            error=float(np.sqrt(share * (1 - share) / n)),
            better="higher",
            details={
                "of_class": {int(c): float(right[evidence.labels == c].mean()) for c in asked},
                "of_real_examples": trusted,
            },
        )


@dataclass(frozen=True)
class ClassificationError:
    """The share of a split's examples to which D gives a wrong class. Only for games whose D predicts classes.

    The row of moving averages uses the moving average of D, if the game keeps one.
    """

    split: str = "test"
    name: ClassVar[str] = "classification-error"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        if evidence.classify is None:
            raise NotMeasurable("There is no D that takes examples without conditions.")
        try:
            evidence.classify(evidence.samples[:1])  # before the data is opened: it may not be here
        except ConfigError as reason:
            raise NotMeasurable(str(reason)) from None
        data = evidence.split(self.split)
        if data.labels is None:
            raise NotMeasurable(f"{data.name} ({self.split}) has no labels.")
        wrong = evidence.classify(data.x).argmax(axis=1) != data.labels
        share, n = float(wrong.mean()), len(wrong)
        yield Measurement(
            metric=self.name,
            value=share,
            protocol={"n": n, "split": self.split},
            error=float(np.sqrt(share * (1 - share) / n)),
            better="lower",
            details={"of_class": {int(c): float(wrong[data.labels == c].mean()) for c in np.unique(data.labels)}},
        )


def probabilities(evidence: Evidence, x: Array) -> Array:
    """(n, classes) float64 by the extractor; raises NotMeasurable where it is no classifier, or there is none."""
    if evidence.extractor is None or evidence.look is None:
        raise NotMeasurable(f"No installed classifier takes examples of shape {evidence.spec.shape}.")
    _, p = evidence.look(x)
    if p is None:
        raise NotMeasurable(f"{evidence.extractor.name} has features, but no classes.")
    return p.astype(np.float64)


def trust(evidence: Evidence, split: str) -> float | None:
    """The classifier's accuracy on a split of the data, None where that has no labels; raises NotMeasurable where it
    is too low to say anything of samples, such as that of a classifier of digits on pictures of clothes."""
    data = evidence.split(split)
    if data.labels is None:
        return None
    accuracy = float(np.mean(probabilities(evidence, data.x).argmax(axis=1) == data.labels))
    if accuracy < TRUSTED:
        raise NotMeasurable(
            f"{evidence.extractor.name if evidence.extractor else 'The extractor'} is right about only {accuracy:.1%} "
            f"of {data.name} ({split}), so it is not a classifier for this data."
        )
    return accuracy


def classifier_score(p: Array) -> float:
    """exp(mean over x of KL(p(y|x) || p(y))) of probabilities (n, classes), p(y) their mean."""
    return float(np.exp(kl(p, p.mean(axis=0)).mean()))


def shares(p: Array) -> Array:
    """The share of examples that each class is the likeliest of: (n, classes) to (classes,)."""
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)


def kl(p: Array, q: Array) -> Array:
    """sum p log(p / q) over the last axis, in nats; 0 log 0 is 0, and it is infinite where q misses what p has."""
    with np.errstate(divide="ignore"):
        ratio = np.divide(p, q, out=np.ones(np.broadcast_shapes(p.shape, q.shape)), where=p > 0)
    return np.asarray(np.sum(p * np.log(ratio), axis=-1))


def _who(evidence: Evidence) -> dict[str, Setting]:
    return {} if evidence.extractor is None else {"classifier": evidence.extractor.name}
