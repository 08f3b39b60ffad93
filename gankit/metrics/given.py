"""Whether G makes what it was asked for: its answers beside the truth, and the conditions made of them beside those
that were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting

Array = np.ndarray[Any, Any]
ASKED = "No condition but labels was asked for."


@dataclass(frozen=True)
class PairedError:
    """The mean distance of an answer to the example that its condition is of, a number for each pixel.

    Numbers are in parts of the data's range, where that is known. Beside the mean of |answer - truth| stand, in the
    details, "squared", and what answers without a G would get: "of_constant", the training data's median, pixel by
    pixel; "of_condition", the last channel of the condition, or all of it, where it is a picture of the same size.

    n: answers at most.
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
    """The conditions that the game makes of G's answers beside those that it was asked for.

    Of a picture: the peak signal-to-noise ratio in dB, 10 log10(1 / mean squared error), in parts of the range; of a
    vector: Pearson's correlation, a mean over answers.

    n: answers at most.
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
