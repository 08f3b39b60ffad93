"""What to ask a G for that nobody told otherwise: conditions of the data's own examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import Dataset
from gankit.errors import DataError
from gankit.interfaces import LABEL, ConditionMaker
from gankit.play.streams import Streams


def further(trainer: Any) -> list[str]:
    """The names of a game's conditions beside labels, which everybody can make up, and those that draw themselves."""
    return [name for name, port in trainer.spec.given.items() if name != LABEL and not port.drawn]


def own_draws(makers: Iterable[ConditionMaker], n: int, seed: int) -> dict[str, Array]:
    """n conditions of each maker that can draw them without an example."""
    found: dict[str, Array] = {}
    for i, maker in enumerate(makers):
        if (drawn := getattr(maker, "drawn", None)) is not None:
            found |= drawn(Streams(seed).generator(f"given/{i}").random((n, maker.noise)))
    return found


def asked(trainer: Any, n: int, labels: Any = None, *, seed: int = 0, data: Dataset | None = None) -> dict[str, Any]:
    """Conditions for n samples as keywords of `Trainer.sample`: those labels; in a game with other conditions than
    labels, the conditions of n examples of the data. Raises DataError where these are out of reach."""
    if not further(trainer):
        return {"labels": labels}
    _, given = trainer.pairs(n, seed=seed, data=data)
    return {"given": given if labels is None else {**given, LABEL: labels}}


def crossing(makers: Iterable[Any], sources: Callable[[], Mapping[str, Dataset]]) -> dict[str, Dataset]:
    """The further data sets that are conditions of an unpaired game, by the condition's name."""
    return {name: sources()[m.source] for m in makers for name in m.ports if hasattr(m, "source")}


def made_of(trainer: Any, makers: Sequence[Any], inference: Any, x: Array, seed: int) -> dict[str, Array]:
    """See `AdversarialTrainer.conditions_of`; x: examples that were looked at already."""
    if not (makers and len(x)):
        return {}
    spec, streams = trainer.spec, Streams(seed)
    noise = [streams.generator(f"given/{i}").random((len(x), m.noise)) for i, m in enumerate(makers)]
    made = inference.conditions(makers, spec.scaling.to_model(x, trainer.config.dtype), noise)
    return {name: spec.scaling.to_user(v) if spec.given[name].scaled else v for name, v in made.items()}


def pairs(trainer: Any, sources: Any, n: int, seed: int, data: Dataset | None) -> tuple[Array, dict[str, Array]]:
    """See `AdversarialTrainer.pairs`; sources: the further data sets of an unpaired game, by the condition they are."""
    dataset = trainer.data if data is None else data
    rows = Streams(seed).generator("pairs").permutation(len(dataset))
    x = np.asarray(dataset.x[np.resize(rows, n)])
    given = {name: np.asarray(values[np.resize(rows, n)]) for name, values in dataset.given.items()}
    given = {name: values for name, values in given.items() if name in trainer.spec.given}
    if LABEL in trainer.spec.given:
        if dataset.labels is None:
            raise DataError(f"{dataset.name} has no labels, and this game is conditional. Pass data=(x, labels).")
        given[LABEL] = dataset.labels[np.resize(rows, n)].astype(np.int32)
    for name, other in sources.items():
        theirs = Streams(seed).generator(f"pairs/{name}").permutation(len(other))
        given[name] = np.asarray(other.x[np.resize(theirs, n)])
    return x, {**given, **trainer.conditions_of(x, seed=seed)}
