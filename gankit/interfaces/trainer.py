"""A game in training, and its callbacks and loggers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gankit.interfaces.backend import Backend
from gankit.interfaces.parts import Loss

if TYPE_CHECKING:
    from gankit.config import Config
    from gankit.data.dataset import Dataset
    from gankit.data.spec import DataSpec


class Callback(Protocol):
    """`Trainer.fit` calls it after every `every`-th step, with the terms of that step as floats."""

    every: int

    def __call__(self, trainer: Trainer, step: int, terms: Mapping[str, float]) -> None: ...


class Logger(Protocol):
    """Another place for the terms of a run, such as TensorBoard. Created with its settings."""

    def start(self, folder: Path, config: Config, step: int) -> None:
        """Called before the first step of this process. `step` steps are done; later steps may come again."""

    def log(self, step: int, terms: Mapping[str, float]) -> None:
        """Called after every `log_every`-th step."""

    def finish(self) -> None:
        """Called after the last step, or if the run is interrupted."""


class Generator(Protocol):
    """G: maps latents (and conditions) to examples."""

    @property
    def native(self) -> Any:
        """The native module with the current parameters."""


class Discriminator(Protocol):
    """D: maps examples (and conditions) to Scores."""

    @property
    def native(self) -> Any:
        """The native module with the current parameters."""


class Trainer(Protocol):
    """A game in training. `gankit.build` and `gankit.load` return one. `AdversarialTrainer` documents its methods.

    To use a trainer of your own, register it with the hook `gankit_trainers`, and choose it with the setting `trainer`.
    It is created as `Trainer(game, dataset)`. To change how a game trains, derive from `AdversarialTrainer`, which has
    everything that figures, alarms, metrics and the command line need.
    """

    @property
    def config(self) -> Config: ...

    @property
    def generator(self) -> Generator: ...

    @property
    def discriminator(self) -> Discriminator: ...

    @property
    def players(self) -> Mapping[str, Any]: ...

    @property
    def loss(self) -> Loss: ...

    @property
    def backend(self) -> Backend: ...

    @property
    def spec(self) -> DataSpec: ...

    @property
    def data(self) -> Dataset: ...

    @property
    def steps_done(self) -> int: ...

    def fit(self, data: Any = None, *, steps: int, callbacks: Iterable[Callback] = ()) -> Trainer: ...

    def step(self, real: Any, labels: Any = None, *, given: Any = None) -> Mapping[str, float]: ...

    def sample(
        self, n: int, *, labels: Any = None, given: Any = None, seed: int = 0, ema: bool | None = None
    ) -> np.ndarray[Any, Any]: ...

    def generate(self, z: Any, labels: Any = None, *, given: Any = None) -> np.ndarray[Any, Any]: ...

    def score(self, x: Any, labels: Any = None, *, given: Any = None) -> np.ndarray[Any, Any]: ...

    def classify(
        self, x: Any, labels: Any = None, *, given: Any = None, ema: bool | None = None
    ) -> np.ndarray[Any, Any]: ...

    def features(
        self, x: Any, labels: Any = None, *, given: Any = None, ema: bool | None = None
    ) -> np.ndarray[Any, Any]: ...

    def pairs(self, n: int, *, seed: int = 0, data: Dataset | None = None) -> tuple[Any, dict[str, Any]]: ...

    def save(self, path: str | os.PathLike[str]) -> Path: ...

    def restore(self, path: str | os.PathLike[str]) -> Trainer: ...

    def from_the_start(self, data: Dataset | None = None) -> Trainer: ...
