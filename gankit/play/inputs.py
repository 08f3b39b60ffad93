"""What users bring to a game in progress, checked before it touches anything."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.data.sources import can_reopen, open_data
from gankit.data.spec import DataSpec
from gankit.data.stream import BatchStream, examples_of, open_training
from gankit.errors import ConfigError, DataError, did_you_mean, one_of
from gankit.interfaces import COLUMN, LABEL, Batch, ConditionMaker, Given, Port
from gankit.play.asking import own_draws
from gankit.play.batches import Batches
from gankit.play.conditions import split_by


class Inputs:
    """The checks of one game: examples of its shape, its conditions and no others.

    makers: of the conditions that are made of the examples, in training.
    """

    def __init__(self, config: Config, spec: DataSpec, makers: tuple[ConditionMaker, ...] = ()) -> None:
        self._config, self._spec, self._makers = config, spec, makers
        self._made = frozenset(name for maker in makers for name in maker.ports)

    # ---- data

    def training_data(self, source: Any, *known: Dataset | BatchStream | None) -> Dataset | BatchStream:
        """Data like that which the game was built on.

        known: what was opened before; an iterable of batches among it is read on where it stands.
        """
        for stream in known:
            if isinstance(stream, BatchStream) and stream.source is source:
                return stream
        spec = self._spec
        data = open_training(source, conditional=self._config.conditional, num_classes=spec.num_classes, spec=spec)
        data = split_by(self._config, data)
        dataset = examples_of(data)
        self.examples(dataset.x[:1])
        if self._config.conditional and dataset.labels is None:
            raise DataError(f"{dataset.name} has no labels, and this game is conditional. Pass data=(x, labels).")
        self._check_given(dataset.given, len(dataset), spec.given.keys() - self._made - {LABEL}, dataset.name)
        return data

    def own_data(self) -> Dataset | BatchStream:
        """The data that the game was built on, where its name says how to open it again."""
        name = self._config.data
        if can_reopen(name):
            return self.training_data(name)
        raise DataError(
            f"This game was loaded without its data ({name!r}), which cannot be opened again from here. "
            "Pass it: trainer.fit(data, steps=...)."
        )

    def own_sources(self) -> dict[str, Dataset]:
        """The further sources that the game was built on, where their names say how to open them again."""
        for source, name in self._config.sources.items():
            if not can_reopen(name):
                raise DataError(
                    f"This game was loaded without its source {source!r} ({name!r}), which cannot be opened again from "
                    f"here. Pass it: gankit.load(path, sources={{{source!r}: ...}})."
                )
        return {source: open_data(name) for source, name in self._config.sources.items()}

    def examples(self, x: Any) -> Array:
        """(n, *shape), uint8 or float."""
        x = np.asarray(self._spec.as_array(x))
        known = x.dtype == np.uint8 or x.dtype.kind == "f"
        if x.shape[1:] != self._spec.shape or not known:
            raise DataError(
                f"Expected examples of shape (n, {_commas(self._spec.shape)}), uint8 or float, like those the game was "
                f"built on; got {x.shape}, {x.dtype}."
            )
        if self._spec.scaling.is_integer and x.dtype.kind == "f":
            raise DataError(
                f"Expected {self._spec.scaling.dtype} examples, like those the game was built on; got {x.dtype}, whose "
                "range may be another. Convert them first."
            )
        return np.asarray(x)

    # ---- conditions

    def given(self, labels: Any, given: Any, lead: tuple[int, ...], needed: Set[str] | None = None) -> dict[str, Array]:
        """The game's conditions, (*lead, ...), in the user's units; labels: the short form of given["label"].

        needed: which must be there; by default all.
        """
        asked = dict(given or {})
        if labels is not None and LABEL in asked:
            raise ConfigError("Labels were given twice, as labels and as given['label'].")
        labels = asked.pop(LABEL, labels)
        own = self.labels(labels, lead)
        needed = self._spec.given.keys() if needed is None else needed
        self._check_given(asked, lead[0], needed - {LABEL}, "given", lead)
        return ({} if own is None else {LABEL: own}) | {
            name: self.condition(name, v, lead) for name, v in asked.items()
        }

    def condition(self, name: str, values: Any, lead: tuple[int, ...]) -> Array:
        """One condition, (*lead, *shape), checked."""
        port, x = self._spec.given[name], np.asarray(values)
        if port.kind == "class":
            return _classes(name, x, lead, port)
        if x.shape != (*lead, *port.shape) or (x.dtype != np.uint8 and x.dtype.kind != "f"):
            raise DataError(
                f"The condition {name!r} must be {port.kind}s of shape ({_commas((*lead, *port.shape))}), uint8 or "
                f"float; got {x.shape}, {x.dtype}."
            )
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise DataError(f"The condition {name!r} holds NaN or infinity.")
        return x

    def _check_given(
        self, given: Mapping[str, Any], n: int, needed: Any, what: str, lead: tuple[int, ...] | None = None
    ) -> None:
        possible = sorted(self._spec.given)
        for name in given:
            if lead is not None and name not in self._spec.given:
                there = f"Its conditions: {one_of(possible)}." if possible else "It has none."
                raise ConfigError(f"This game has no condition {name!r}.{did_you_mean(name, possible)} {there}")
        for name in sorted(needed):
            if name not in given:
                raise DataError(
                    f"{what}: the condition {name!r} is missing, {self._spec.given[name]}. Pass it: "
                    f"given={{{name!r}: ...}}, a row for each of the {n} examples."
                )

    def labels(self, labels: Any, shape: tuple[int, ...]) -> Array | None:
        """Integers of that shape in a game with labels; None, and nothing else, in one without."""
        if LABEL not in self._spec.given:
            if labels is not None:
                raise ConfigError(
                    f"Labels were given, but this game is unconditional ({self._config.loss.name}). Build it with "
                    "loss='conditional' and num_classes=..., or with recipe='cgan'."
                )
            return None
        classes = self._spec.num_classes
        if labels is None:
            raise DataError(f"This game is conditional: pass labels, {shape} integers below {classes}.")
        y = np.asarray(labels)
        if y.shape != shape or not np.issubdtype(y.dtype, np.integer):
            raise DataError(f"labels must be {shape} integers; got shape {y.shape}, {y.dtype}.")
        if y.size and not 0 <= y.min() <= y.max() < (classes or 0):
            raise DataError(
                f"labels run from {y.min()} to {y.max()}; this game has the classes 0 to {(classes or 0) - 1}."
            )
        return y.astype(np.int32)

    def sample_given(self, n: int, labels: Any, given: Any, seed: int = 0) -> dict[str, Array]:
        """The conditions of n samples: those given, one for all, and by default every class in turn.

        seed: of those that can be drawn as often as they occur.
        """
        given = {**own_draws(self._makers, n, seed), **self._told(given or {}, n)}
        if LABEL in self._spec.given and labels is None and LABEL not in (given or {}):
            labels = np.arange(n, dtype=np.int32) % (self._spec.num_classes or 1)
        if labels is not None and np.ndim(labels) == 0:
            labels = np.full(n, labels)
        asked = dict(given or {})
        for name in asked.keys() & self._spec.given.keys():
            values = np.asarray(asked[name])
            if values.shape == self._spec.given[name].shape:  # one for all
                asked[name] = np.broadcast_to(values, (n, *values.shape))
        return self.given(labels, asked, (n,))

    def _told(self, given: Given, n: int) -> dict[str, Any]:
        """Conditions by name; a column of a table may be named, with the category that it is to have."""
        codec, asked = self._spec.codec, dict(given)
        columns = [name for name in asked if name not in self._spec.given]
        if codec is None or COLUMN not in self._spec.given or not columns:
            return asked
        if len(columns) > 1:
            raise ConfigError(f"You can give one column, not {one_of(columns)}. Draw more rows, and select from them.")
        return asked | {COLUMN: codec.told(columns[0], asked.pop(columns[0]), n)}

    def in_model_units(self, given: Given) -> dict[str, Array]:
        """Conditions as networks see them: pictures in the range of the examples."""
        return {name: self._scaled(name, values) for name, values in given.items()}

    def _scaled(self, name: str, values: Array) -> Array:
        if self._spec.given[name].kind == "class":
            return values
        own = self._spec.unit(name)
        return values.astype(self._config.dtype) if own is None else own.to_model(values, self._config.dtype)

    # ---- a step of the user's own

    def one_step(self, batches: Batches, step: int, real: Any, labels: Any, given: Any = None) -> Batch:
        """The batch of one iteration on given examples: (m, *shape), or (j, m, *shape) with j = k or k + 1."""
        k, real = self._config.k, np.asarray(real)
        if self._config.source_names:
            raise ConfigError("This game has several sources, which step cannot take. Use fit.")
        if k == 1 and real.shape[1:] == self._spec.shape:
            real = real[None]
            labels = None if labels is None else np.asarray(labels)[None]
            given = {name: np.asarray(values)[None] for name, values in (given or {}).items()}
        if real.shape[2:] != self._spec.shape or len(real) not in (k, k + 1):
            m = f"m, {_commas(self._spec.shape)}"
            possible = f"({m}) or (1, {m})" if k == 1 else f"({k}, {m})"
            raise DataError(
                f"step: examples of shape {real.shape} don't fit a game with k={k}. Pass {possible}, a minibatch for "
                "each of D's steps; one more may follow for G's."
            )
        self.examples(real[0])
        y = self.given(labels, given, real.shape[:2], self._spec.given.keys() - self._made)
        d, g = ({name: values[part] for name, values in y.items()} for part in (slice(k), -1))
        return batches.given(step, (real[:k], real[-1]), (d, g))


def _classes(name: str, x: Array, lead: tuple[int, ...], port: Port) -> Array:
    if (
        x.shape != lead
        or x.dtype.kind not in "iu"
        or (x.size and not 0 <= x.min() <= x.max() < (port.num_classes or 0))
    ):
        raise DataError(f"The condition {name!r} must be {lead} {port}; got shape {x.shape}, {x.dtype}.")
    return x.astype(np.int32)


def _commas(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
