"""The few examples of a data set that keep their labels: what semi-supervised games learn classes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gankit.arrays import Array
from gankit.config import LABELLED, Config
from gankit.data.dataset import Dataset
from gankit.data.spec import DataSpec
from gankit.data.stream import BatchStream
from gankit.errors import ConfigError, DataError
from gankit.play.streams import Streams


def drawn_sources(config: Config, data: Dataset | BatchStream, spec: DataSpec | None = None) -> dict[str, Dataset]:
    """The further sources that are drawn from a game's own data: "labelled", where the config asks for it.

    spec: of a game already built, which knows how many classes there are.
    """
    if not config.draws_labelled:
        return {}
    classes = None if spec is None else spec.sources[LABELLED].num_classes
    return {LABELLED: labelled_part(data, config.labelled, config.seed, classes)}


def told_classes(config: Config, others: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """The sources that are brought, "labelled" with its number of classes: the config's, or one more than its greatest
    label."""

    def told(data: Dataset) -> Dataset:
        if data.labels is None or data.num_classes is not None:
            return data
        return replace(data, num_classes=config.num_classes or int(data.labels.max()) + 1)

    return {name: told(data) if name == LABELLED else data for name, data in others.items()}


def labelled_part(data: Dataset | BatchStream, n: int, seed: int, num_classes: int | None = None) -> Dataset:
    """The n examples of `labelled_rows`, with their labels; arguments and errors are the same."""
    rows = labelled_rows(data, n, seed, num_classes)
    assert isinstance(data, Dataset) and data.labels is not None
    classes = num_classes or data.num_classes or int(data.labels.max()) + 1
    given = {name: values[rows] for name, values in data.given.items()}
    return Dataset(data.x[rows], data.labels[rows], classes, data.value_range, data.name, given)


def labelled_rows(data: Dataset | BatchStream, n: int, seed: int, num_classes: int | None = None) -> Array:
    """(n,) places of examples: as many of each class as of every other, to within one; the same for the same seed.

    The examples of each class are drawn without replacement, and lie in the order in which the data has them. Where n
    is no multiple of the classes, the first ones have one more.

    num_classes: by default what the data says, or one more than its greatest label.

    Raises DataError for data without labels, with more classes, or with a class that has no examples; ConfigError where
    there are fewer examples of a class than are asked for, or fewer asked for than there are classes.
    """
    if isinstance(data, BatchStream):
        raise DataError(
            f"labelled={n} are drawn from the whole data, and batches that come by have no whole. Pass the data set, "
            "or the labelled examples apart: sources={'labelled': (x, labels)}."
        )
    if data.labels is None:
        raise DataError(
            f"labelled={n}: {data.name} has no labels. Pass data=(x, labels), or the labelled examples apart: "
            "sources={'labelled': (x, labels)}."
        )
    seen = int(data.labels.max()) + 1
    classes = num_classes or data.num_classes or seen
    if seen > classes:
        raise DataError(f"{data.name} has labels up to {seen - 1}; this game has the classes 0 to {classes - 1}.")
    counts = np.bincount(data.labels, minlength=classes)
    if empty := [int(c) for c in np.flatnonzero(counts == 0)]:
        raise DataError(
            f"labelled={n}: {data.name} has no example of class {empty[0]}, of {classes} classes. Pass data that has, "
            f"or say how many classes there are: num_classes={int(np.unique(data.labels).size)}, labels from 0 on."
        )
    if n < classes:
        raise ConfigError(f"labelled={n} is less than one of each of the {classes} classes; ask for {classes} or more.")
    if n > len(data):
        raise ConfigError(f"labelled={n}: {data.name} has only {len(data)} examples; ask for that many at most.")
    wanted = n // classes + (np.arange(classes) < n % classes)
    if (short := np.flatnonzero(wanted > counts)).size:
        c, most = int(short[0]), int(counts.min()) * classes
        raise ConfigError(
            f"labelled={n} asks for {wanted[c]} examples of class {c}, and {data.name} has {counts[c]}. Each class "
            f"gives as many as the others: ask for {most} at most."
        )
    rng = Streams(seed).generator("labelled")
    chosen = [rng.permutation(np.flatnonzero(data.labels == c))[: wanted[c]] for c in range(classes)]
    return np.sort(np.concatenate(chosen))
