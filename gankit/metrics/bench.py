"""The bench that games are measured on: their data, the extractor that fits, and the metrics, each kept from harming
the others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from gankit.arrays import Array
from gankit.config import Config, Part
from gankit.data.dataset import Codec, Dataset
from gankit.data.sources import can_reopen, open_data
from gankit.data.stream import examples_of
from gankit.errors import CapabilityError, ConfigError, DataError, DeviceError, GankitError, WorkersError
from gankit.interfaces import LABEL, Backend
from gankit.metrics.base import Evidence, Extractor, Measurement, Metric, NotMeasurable
from gankit.metrics.looking import Looker, find_extractor
from gankit.metrics.rows import Row, Weights
from gankit.play.asking import further
from gankit.play.conditions import split_by
from gankit.play.streams import Streams
from gankit.plug import registry

MetricLike = str | Mapping[str, Any] | Metric

SPLIT_SETTINGS = ("split", "test_split")
"""What metrics call the split of the data that samples are compared with."""


Tell = Callable[[int, str], None]
"""(metrics done, what comes next)."""


def _to_nobody(done: int, what: str) -> None:
    pass


FEW = 5_000
"""Training examples that take no time to speak of to be measured too."""


class Bench:
    """What games of one shape and data are measured with: the data, the extractor, the metrics."""

    def __init__(
        self,
        trainer: Any,
        data: Any = None,
        *,
        split: str | None = None,
        preferred: str = "test",
        metrics: Sequence[MetricLike] | None = None,
        extractor: str | None = None,
        calibrate: bool | None = False,
    ) -> None:
        self.splits = Splits(data if data is not None else source_of(trainer), trainer.config, trainer.spec.codec)
        self.split = split or self.splits.first(preferred, "train")
        self.backend = _in_full_precision(trainer)
        self.extractor: Extractor | None = find_extractor(trainer.spec, extractor)
        self._spec = trainer.spec
        # Opened when a metric first asks. One that was asked for by name is opened now: what is wrong with it is then
        # said once, before anything is measured, and not by every metric.
        self._looker = None if extractor is None else self._opened()
        names = registry.names("metrics") if metrics is None else metrics
        if calibrate is None:
            calibrate = metrics is None and self._has_few()
        wishes = {**dict.fromkeys(SPLIT_SETTINGS, self.split), **({"calibrate": True} if calibrate else {})}
        self.metrics = [_Contender.of(metric, wishes, asked=metrics is not None) for metric in names]

    def _has_few(self) -> bool:
        """Whether there are so few examples that to measure them too takes no time to speak of."""
        try:
            return len(self.splits("train")) <= FEW
        except DataError:
            return False

    def measure(self, trainer: Any, n: int, seed: int, weights: Weights, tell: Tell = _to_nobody) -> Row:
        """All metrics on n fresh samples."""
        tell(0, "drawing samples")
        evidence = self._evidence(trainer, n, seed, weights)
        measurements, skipped, failed = list[Measurement](), list[tuple[str, str]](), list[tuple[str, str]]()
        for i, contender in enumerate(self.metrics):
            tell(i, contender.name)
            try:
                measurements += contender.measure(evidence)
            except (NotMeasurable, DataError) as reason:  # such as a split that the data does not have
                skipped.append((contender.name, str(reason)))
            except WorkersError:  # without the others there are no more numbers
                raise
            except Exception as error:  # whatever a plugin does wrong, the other numbers are worth having
                failed.append((contender.name, f"{contender.source}: {_described(error)}"))
        if self._looker is not None:
            self._looker.forget(evidence.samples)
        return Row("now", trainer.steps_done, weights, tuple(measurements), tuple(skipped), tuple(failed))

    def _evidence(self, trainer: Any, n: int, seed: int, weights: Weights) -> Evidence:
        labels = self._classes(trainer, n, seed) if trainer.config.conditional else None
        conditions: dict[str, Any] = {"labels": labels}
        truth, unpaired = None, bool(trainer.config.sources)
        if further(trainer):  # those of examples that G was not trained on, where there are any
            truth, given = trainer.pairs(n, seed=seed, data=self.splits(self.split))
            labels, conditions = given.get(LABEL), {"given": given}
        chosen = {"ema": weights == "ema"} if trainer.config.ema else {}
        averaged = weights == "ema" and trainer.config.averages == "both"
        return Evidence(
            backend=self.backend,
            spec=trainer.spec,
            samples=trainer.spec.as_array(trainer.sample(n, seed=seed, **conditions, **chosen)),
            labels=labels,
            split=self.splits,
            extractor=self.extractor,
            look=None if self.extractor is None else self._look,
            # D of a conditional game wants conditions too, which a metric does not have for all examples.
            score=None if trainer.spec.given else trainer.score,
            classify=None if trainer.spec.given else lambda x: trainer.classify(x, ema=averaged),
            given={name: v for name, v in conditions.get("given", {}).items() if name != LABEL},
            truth=None if unpaired else truth,
            remade=trainer.conditions_of if trainer.config.given else None,
        )

    def _look(self, x: Array) -> tuple[Array, Array | None]:
        if self._looker is None:
            self._looker = self._opened()
        return self._looker(x)

    def _opened(self) -> Looker:
        assert self.extractor is not None
        try:
            return Looker(self.extractor, self.backend, self._spec)
        except CapabilityError as error:
            raise NotMeasurable(f"The extractor {self.extractor.name} cannot be opened here: {error}") from error

    def _classes(self, trainer: Any, n: int, seed: int) -> Array:
        """(n,) classes, as often as they occur in the training data; all alike where that is out of reach."""
        classes = trainer.spec.num_classes
        try:
            labels = self.splits("train").labels
        except DataError:
            labels = None
        counts = np.ones(classes) if labels is None else np.bincount(labels, minlength=classes)
        return Streams(seed).generator("evaluate/labels").choice(classes, n, p=counts / counts.sum())


class Splits:
    """The splits of a data source by name, each opened once. `Evidence.split`."""

    def __init__(self, source: Any, config: Config, codec: Codec | None = None) -> None:
        self._source, self._config, self._codec, self._opened = source, config, codec, dict[str, Dataset]()

    def __call__(self, name: str) -> Dataset:
        """Raises DataError where there is no such split, or nothing says where the data is."""
        if self._source is None:
            raise DataError(
                "The game was trained on data that its config cannot name. Pass it: gankit.evaluate(game, data=...)."
            )
        if name not in self._opened:
            opened = open_data(self._source, split=name, codec=self._codec)
            # The game's own data, which a trainer hands over, is cut in two already.
            whole = not isinstance(self._source, Dataset)
            self._opened[name] = examples_of(split_by(self._config, opened)) if whole else opened
        return self._opened[name]

    def first(self, *names: str) -> str:
        """The first of these splits that there is, else the first named."""
        for name in names:
            try:
                self(name)
            except DataError:
                continue
            return name
        return names[0]


@dataclass
class _Contender:
    """A metric, or what went wrong when it was made."""

    name: str
    metric: Metric | None
    source: str
    problem: Exception | None = None

    @classmethod
    def of(cls, given: MetricLike, wishes: Mapping[str, Any], asked: bool) -> _Contender:
        """Raises what is wrong with a metric that the user asked for; keeps what is wrong with any other."""
        if not isinstance(given, str | Mapping):
            return cls(given.name, given, type(given).__module__)
        settings = {} if isinstance(given, str) else dict(given)
        name = given if isinstance(given, str) else settings.pop("name", None)
        if not isinstance(name, str):
            raise ConfigError(f"{dict(settings)!r}: the table of a metric needs a 'name'.")
        source = _distribution(name)
        try:
            return cls(name, made(name, settings, wishes), source)
        except Exception as error:
            if asked and isinstance(error, GankitError):
                raise
            return cls(name, None, source, error)

    def measure(self, evidence: Evidence) -> list[Measurement]:
        if self.metric is None:
            assert self.problem is not None
            raise self.problem
        found = list(self.metric(evidence))
        if wrong := [type(each).__name__ for each in found if not isinstance(each, Measurement)]:
            raise TypeError(f"it yields {wrong[0]} where a gankit.metrics.Measurement is expected")
        return found


def made(name: str, settings: Mapping[str, Any], wishes: Mapping[str, Any]) -> Metric:
    """A metric by name, with its settings, and the wishes that it has a setting for and that these leave open."""
    from gankit.building import make

    target = cast(Callable[..., Any], registry.load("metrics", name))
    takes = inspect.signature(target).parameters
    granted = {setting: value for setting, value in wishes.items() if setting in takes}
    return cast(Metric, make("metrics", Part(name, {**granted, **settings})))


def source_of(trainer: Any) -> Any:
    """What the game's data is opened from, split by split; None where nothing says so."""
    name: str = trainer.config.data
    if can_reopen(name):
        return name
    try:
        return getattr(trainer, "data", None)
    except DataError:
        return None


def _in_full_precision(trainer: Any) -> Backend:
    """The game's backend, or one like it: a number must not depend on the precision that the game is played in."""
    backend: Backend = trainer.backend
    if trainer.config.precision == "full":
        return backend
    from gankit.building import open_backend

    try:
        return open_backend(backend.name, backend.device, backend.dtype)
    except DeviceError:  # a device's name is for people, and not all can be asked for by it
        return open_backend(backend.name, "auto", backend.dtype)


def _distribution(name: str) -> str:
    """`gankit 0.1.0`: who provides the metric."""
    found = [row for row in registry.listing().rows if row.kind == "metrics" and row.name == name]
    return f"{found[0].distribution} {found[0].version}" if found else "nobody"


def _described(error: Exception) -> str:
    return str(error) if isinstance(error, GankitError) else f"{type(error).__name__}: {error}"
