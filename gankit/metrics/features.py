"""What metrics on an extractor's features share: the features themselves, and how their protocol is worded."""

from __future__ import annotations

from typing import NamedTuple

from gankit.arrays import Array
from gankit.metrics.base import Evidence, NotMeasurable, Setting
from gankit.metrics.points import drawn_without_replacement, real_examples


class Features(NamedTuple):
    """Features of samples (n, d) and of real examples (m, d), float32 as the extractor gives them.

    protocol: {"features", "n", "reals", "split"}.
    """

    fake: Array
    real: Array
    protocol: dict[str, Setting]


def features(evidence: Evidence, n: int | None, split: str, least: int) -> Features:
    """Of the first n samples and the first n examples of a split, or of all.

    Raises NotMeasurable without an extractor or such a split, and where either are fewer than `least`.
    """
    fake, real = seen(evidence, evidence.samples)[:n], seen(evidence, real_examples(evidence, split))[:n]
    for what, found in (("samples", fake), (f"examples of split {split!r}", real)):
        require(found, least, what)
    return Features(fake, real, wording(evidence, fake, real, split))


def calibration(evidence: Evidence, like: Features, split: str, train_split: str, least: int) -> Features:
    """The same with training examples, drawn at random, in the place of samples: as many, or all there are."""
    everything = seen(evidence, real_examples(evidence, train_split))
    fake = everything[drawn_without_replacement(len(everything), len(like.fake))]
    require(fake, least, f"examples of split {train_split!r}")
    return Features(fake, like.real, {"of": train_split, **wording(evidence, fake, like.real, split)})


def seen(evidence: Evidence, x: Array) -> Array:
    """The features of all these examples."""
    if evidence.extractor is None or evidence.look is None:
        raise NotMeasurable(f"No extractor is installed that looks at examples of shape {evidence.spec.shape}.")
    return evidence.look(x)[0]


def require(found: Array, least: int, what: str) -> None:
    if len(found) < least:
        raise NotMeasurable(f"This needs {least} {what} at least; there are {len(found)}.")


def wording(evidence: Evidence, fake: Array, real: Array, split: str) -> dict[str, Setting]:
    name = None if evidence.extractor is None else evidence.extractor.name
    return {"features": name, "n": len(fake), "reals": len(real), "split": split}
