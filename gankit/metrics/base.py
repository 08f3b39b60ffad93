"""What a metric is given and what it answers. A metric is written once and runs on every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from gankit.data.dataset import Dataset
from gankit.data.spec import DataSpec
from gankit.errors import GankitError
from gankit.interfaces import Backend

Array = np.ndarray[Any, Any]
Setting = str | int | float | bool | None


class NotMeasurable(GankitError):
    """A metric does not apply to this game, or what it needs is not here; the message says what is missing."""


@dataclass(frozen=True)
class Measurement:
    """One number, and everything one must know to compare it with another.

    metric: the name of the kind of number, such as "frechet".
    protocol: what it depends on, such as {"features": "mnist-cnn", "n": 10000, "split": "test"}; part of its label.
    error: the standard error, where there is one.
    better: whether a better game has a higher or a lower number; None where neither.
    details: what else is worth keeping, such as the grid of sigmas and the score at each; not part of the label.
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
    """A network that looks at examples for a metric. Registered by `gankit_extractors`.

    name: part of every number that is measured with it.
    shape: of the examples it looks at, such as (28, 28, 1); None for a side of any length. One with such a side is used
        where it is asked for by name, and never by default.
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
    """What there is to judge a game by. Everything is in the data's own units and dtype (`DataSpec`).

    backend: whose arrays a metric computes with, in full precision: a distance is a small difference of large numbers.
    spec: shape, classes and units of an example.
    samples: (n, *shape) from G, drawn with all of the latent's noise.
    labels: (n,) the classes that were asked for; None in an unconditional game.
    split: of the data, by name: "train", "validation", "test"; raises DataError where there is none.
    extractor: None where none fits the data.
    look: features and probabilities of examples by that extractor; None with it.
    score: D's logits on examples, (n,), of a game that is at hand; None where only samples are.
    classify: the probabilities that its D gives each class, (n, classes), ConfigError from a D that tells none; None as
        `score`.
    given: the conditions that were asked for beside labels, by name. truth: the examples that they are of, where they
        are of any. remade: the conditions that the game makes of examples, to be held beside those asked for.
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
    """A number, or several, about a game. Registered by `gankit_metrics`; made with its settings.

    name: that it is registered under.
    """

    name: str

    def __call__(self, evidence: Evidence) -> Iterable[Measurement]:
        """Raises NotMeasurable where the game has not what the metric needs."""


__all__ = ["Evidence", "Extractor", "Measurement", "Metric", "NotMeasurable"]
