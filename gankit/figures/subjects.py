"""What figures ask of the game that they show."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import Dataset
from gankit.data.sources import BATCHES, open_data
from gankit.errors import ConfigError, DataError


def at_least(least: int, **numbers: int) -> None:
    """Raise ConfigError for a number below the least that makes sense."""
    for name, number in numbers.items():
        if number < least:
            raise ConfigError(f"{name}={number}: expected a whole number of at least {least}.")


def examples(trainer: Any, data: Any = None) -> Dataset:
    """The real examples: those given, else those the game is played on. Raises DataError where they are out of reach.

    An iterable of batches shows only its first, which no figure should pass off as the data.
    """
    if data is not None:
        dataset = open_data(data)
    elif trainer.config.data == BATCHES:
        raise DataError("This game is fed batches, and a figure needs the examples together. Pass them: data=x.")
    else:
        try:
            dataset = trainer.data
        except DataError as error:
            raise DataError(f"{error} Or give them to the figure: data=x, or --data PATH.") from error
    if dataset.shape != trainer.spec.shape:
        raise DataError(
            f"Expected examples of shape {trainer.spec.shape}, like the game's; {dataset.name} has {dataset.shape}."
        )
    return dataset


def one_class(trainer: Any, label: int | None) -> int | None:
    """The class that a figure of one D(x|y) shows: 0 by default, and none in an unconditional game."""
    if not trainer.config.conditional:
        if label is not None:
            raise ConfigError(f"label={label}: this game is unconditional ({trainer.config.loss.name}).")
        return None
    label = 0 if label is None else label
    if not 0 <= label < trainer.spec.num_classes:
        raise ConfigError(f"label={label}: this game has the classes 0 to {trainer.spec.num_classes - 1}.")
    return label


def of_class(dataset: Dataset, label: int | None) -> Array:
    """The examples of one class, or all; raises DataError when there are none."""
    if label is None:
        return dataset.x
    if dataset.labels is None:
        raise DataError(f"{dataset.name} has no labels, and this game is conditional. Pass data=(x, labels).")
    chosen = dataset.x[dataset.labels == label]
    if not len(chosen):
        raise DataError(f"{dataset.name} has no example of class {label}.")
    return np.asarray(chosen)


def score(trainer: Any, x: Array, label: int | None) -> Array:
    """D's logits on points (n, d) in the data's own units: (n,) float64."""
    scaling, labels = trainer.spec.scaling, None if label is None else np.full(len(x), label, np.int32)
    if scaling.is_integer:  # the nearest whole numbers that there are
        x = np.rint(np.clip(x, scaling.low, scaling.high))
    return np.asarray(trainer.score(x.astype(scaling.dtype), labels), np.float64)
