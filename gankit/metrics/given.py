"""Whether G makes what it was asked for. Its samples are compared with the truth, and their conditions with those that
G was given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting

ASKED = "No condition but labels was asked for."


@dataclass(frozen=True)
class PairedError:
    """The mean distance, per pixel, of a sample to the example that its condition comes from.

    Distances are fractions of the range of the data, if the range is known. The value is the mean of |sample - truth|.
    The details have "squared", and the scores of simple answers: "of_constant", the median of the training data for
    each pixel; "of_condition", the last channel of the condition, or all of it, if it is an image of the same size.

    n: at most so many samples.
    """

    n: int = 10_000
    split: str = "test"
    train_split: str = "train"
    name: ClassVar[str] = "paired-error"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        if not evidence.given:
            raise NotMeasurable(ASKED)
        if evidence.truth is None:
            raise NotMeasurable("The game is unpaired: nobody knows what an answer should have been.")
        scale = span(evidence)
        truth, answer = (x[: self.n].astype(np.float64) / scale for x in (evidence.truth, evidence.samples))
        constant = np.median(evidence.split(self.train_split).x[: self.n], axis=0) / scale
        each = np.abs(answer - truth).reshape(len(truth), -1).mean(axis=1)
        details = {
            "squared": float(np.square(answer - truth).mean()),
            "of_constant": float(np.abs(constant - truth).mean()),
            "squared_of_constant": float(np.square(constant - truth).mean()),
        }
        for name, values in evidence.given.items():
            if values.ndim == 4 and values.shape[1:3] == truth.shape[1:3]:
                own = values[: self.n].astype(np.float64) / scale
                if own.shape[3] != truth.shape[3]:
                    own = own[..., -1:]
                details[f"of_{name}"] = float(np.abs(own - truth).mean())
                details[f"squared_of_{name}"] = float(np.square(own - truth).mean())
        error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None
        protocol: dict[str, Setting] = {"n": len(truth), "split": self.split}
        yield Measurement(self.name, float(each.mean()), protocol, error, "lower", details)


@dataclass(frozen=True)
class Consistency:
    """Compares the conditions of G's samples with those that G was given.

    For images: the peak signal-to-noise ratio in dB, 10 log10(1 / mean squared error), in fractions of the range. For
    vectors: Pearson's correlation, the mean over samples.

    n: at most so many samples.
    """

    n: int = 10_000
    name: ClassVar[str] = "consistency"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        if not evidence.given:
            raise NotMeasurable(ASKED)
        if evidence.remade is None:
            raise NotMeasurable("The game's conditions come with the data: none can be made of an answer.")
        remade, found = evidence.remade(evidence.samples[: self.n]), False
        for name, values in remade.items():
            asked, kind = evidence.given[name][: self.n].astype(np.float64), evidence.spec.given[name].kind
            own = np.asarray(values, np.float64)
            if kind == "image":
                mse = float(np.square((own - asked) / span(evidence)).mean())
                found = True
                yield Measurement(
                    f"{self.name}-psnr", float(10.0 * np.log10(1.0 / max(mse, 1e-12))), {"of": name, "n": len(own)},
                    better="higher",
                )  # fmt: skip
            elif kind == "vector":
                each, found = correlation(own, asked), True
                error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None
                protocol: dict[str, Setting] = {"of": name, "n": len(own)}
                yield Measurement(f"{self.name}-correlation", float(each.mean()), protocol, error, "higher")
        if not found:
            raise NotMeasurable("None of the game's conditions is a picture or a vector that is made of examples.")


def correlation(a: Array, b: Array) -> Array:
    """(n,) Pearson's r of the rows; 0 where one of two rows is constant."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    norm = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    return np.asarray(np.divide((a * b).sum(axis=1), norm, out=np.zeros(len(a)), where=norm > 0))


def span(evidence: Evidence) -> float:
    """How far apart the least and the greatest value of an example can be; 1 where nobody knows."""
    bounds = evidence.spec.value_range
    return 1.0 if bounds is None else float(bounds[1] - bounds[0])
