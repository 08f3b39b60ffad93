"""The input and output of a metric. A metric is written once and runs on every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gankit.arrays import Array
from gankit.data.dataset import Dataset
from gankit.data.spec import DataSpec
from gankit.errors import GankitError
from gankit.interfaces import Backend

Setting = str | int | float | bool | None


class NotMeasurable(GankitError):
    """A metric does not apply to this game, or something that it needs is missing. The message says what."""


@dataclass(frozen=True)
class Measurement:
    """One number, and everything that you must know to compare it with another.

    metric: the name of the kind of number, such as "frechet".
    protocol: everything it depends on, such as {"features": "mnist-cnn", "n": 10000, "split": "test"}; part of its
        label.
    error: the standard error, if there is one.
    better: whether "higher" or "lower" is better; None if neither.
    details: other useful values, such as the grid of sigmas and the score at each; not part of the label.
    """

    metric: str
    value: float
    protocol: Mapping[str, Setting] = field(default_factory=dict)
    error: float | None = None
    better: Literal["higher", "lower"] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`frechet[features=mnist-cnn, n=10000, split=test]`: a bare "FID" compares nothing."""
        return f"{self.metric}[{', '.join(f'{key}={value}' for key, value in self.protocol.items())}]"


class Extractor(Protocol):
    """A network that computes features or classes of examples for metrics. Registered by `gankit_extractors`.

    name: part of the protocol of every number that uses it.
    shape: the shape of its input, such as (28, 28, 1); None for a side of any length. An extractor with such a side is
        used only if you ask for it by name.
    num_features, num_classes: None for no classes.
    """

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int | None, ...]: ...

    num_features: int
    num_classes: int | None

    def open(self, backend: Backend) -> Callable[[Array], tuple[Array, Array | None]]:
        """On a backend's device: examples (n, *shape) in the data's own units, any n, to (features (n, num_features)
        float32, class probabilities (n, num_classes) float32 or None), as NumPy, computed in pieces."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The input of a metric. Everything has the units and dtype of the data (`DataSpec`).

    backend: computes for the metric, in full precision, because a distance is a small difference of large numbers.
    spec: shape, classes and units of an example.
    samples: (n, *shape) from G, drawn with all of the latent's noise.
    labels: (n,) the classes that G was asked for; None in an unconditional game.
    split: opens a split of the data by name: "train", "validation", "test". Raises DataError if there is none.
    extractor: None if none fits the data.
    look: features and probabilities of examples by that extractor; None without an extractor.
    score: D's logits on examples, (n,); None if there is no D, but only samples.
    classify: the probability that D gives each class, (n, classes). Raises ConfigError if D predicts no classes. None
        if `score` is.
    given: the conditions that G was asked for besides labels, by name. truth: the examples of these conditions, if
        there are any. remade: computes the conditions of examples, to compare them with `given`.
    """

    backend: Backend
    spec: DataSpec
    samples: Array
    labels: Array | None
    split: Callable[[str], Dataset]
    extractor: Extractor | None = None
    look: Callable[[Array], tuple[Array, Array | None]] | None = None
    score: Callable[[Array], Array] | None = None
    classify: Callable[[Array], Array] | None = None
    given: Mapping[str, Array] = field(default_factory=dict)
    truth: Array | None = None
    remade: Callable[[Array], Mapping[str, Array]] | None = None


class Metric(Protocol):
    """Computes one or more numbers about a game. Registered by `gankit_metrics`; created with its settings.

    name: the name under which it is registered.
    """

    name: str

    def __call__(self, evidence: Evidence) -> Iterable[Measurement]:
        """Raises NotMeasurable where the game has not what the metric needs."""


__all__ = ["Evidence", "Extractor", "Measurement", "Metric", "NotMeasurable"]
