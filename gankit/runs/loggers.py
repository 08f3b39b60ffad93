"""Where a run's terms go beside its own folder: the loggers of `gankit train --logger NAME`, and TensorBoard's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from gankit.config import Config, Part
from gankit.errors import PluginError
from gankit.interfaces import Logger
from gankit.plug.isolation import describe, pressed

Say = Callable[[str], None]

TAGS: Mapping[str, str] = {"D(x)": "D/real", "D(G(z))": "D/fake"}
"""TensorBoard allows no parentheses in a name."""


class TensorBoard:
    """Event files for TensorBoard, by tensorboardX: each term a scalar, D(x) as D/real, D(G(z)) as D/fake; the config
    a text.

    folder: inside the run's. `tensorboard --logdir runs` finds all of them.
    """

    def __init__(self, folder: str = "tensorboard") -> None:
        try:
            self._make = importlib.import_module("tensorboardX").SummaryWriter
        except ImportError as error:
            raise PluginError(
                f"The tensorboard logger needs tensorboardX ({error}). Type pip install 'gankit[tensorboard]'."
            ) from error
        self._folder = folder
        self._writer: Any = None

    def start(self, folder: Path, config: Config, step: int) -> None:
        # Steps after the checkpoint that was taken up come again; TensorBoard then hides those it has of them.
        # Files are named after the second they are begun in; the suffix tells those of one second apart.
        writes = {"logdir": str(folder / self._folder), "filename_suffix": f".{step}"}
        self._writer = self._make(purge_step=step + 1, **writes)
        if step == 0:
            settings = "".join(f"    {line}\n" for line in config.to_toml().splitlines())  # code, in Markdown
            self._writer.add_text("config", settings, 0)

    def log(self, step: int, terms: Mapping[str, float]) -> None:
        for name, value in terms.items():
            self._writer.add_scalar(TAGS.get(name, name), value, step)

    def finish(self) -> None:
        if self._writer is not None:
            self._writer.close()


class Loggers:
    """A callback of `Trainer.fit` that hands the terms on, used in a `with` block around it.

    A logger that fails is told of once and asked no more: no log is worth a run.
    """

    def __init__(self, loggers: Mapping[str, Logger], folder: Path, every: int, say: Say) -> None:
        self.every = every
        self._loggers, self._folder, self._say = dict(loggers), folder, say

    def start(self, config: Config, step: int) -> Loggers:
        """Tell them of the game and of the step where it goes on."""
        self._each("start", self._folder, config, step)
        return self

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self._each("log", step, terms)

    def __enter__(self) -> Loggers:
        return self

    def __exit__(self, *error: object) -> None:
        self._each("finish")

    def _each(self, method: str, *arguments: Any) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                getattr(logger, method)(*arguments)
            except BaseException as error:  # SystemExit too: a plugin's failure is no reason for the run to end
                if pressed(error):
                    raise
                del self._loggers[name]
                self._say(f"The logger {name!r} failed in {method}: {describe(error)}. It is switched off.")


def open_loggers(names: Sequence[str]) -> dict[str, Logger]:
    """The loggers of those names, each once; raises UnknownNameError, or PluginError where one lacks what it needs."""
    from gankit.building import make

    return {name: cast(Logger, make("loggers", Part(name))) for name in names}
