"""What both loggers do alike: points once each, pictures of samples as they appear, an error that says what to type."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gankit import PluginError
from gankit.checkpoint import step_of
from gankit.config import Config
from gankit.runs.loggers import TAGS
from gankit_loggers.memory import Memory


class Tracker(ABC):
    """gankit's three methods for a library that has `init`, `log` and `finish`; `open` and `send` are the library's."""

    library: str
    """The module that is imported, and the name of the extra."""

    def __init__(self) -> None:
        try:
            self.module: Any = importlib.import_module(self.library)
        except ImportError as error:
            raise PluginError(
                f"The {self.library} logger needs {self.library} ({error}). Type pip install 'gankit[{self.library}]'."
            ) from error
        self._samples, self._memory = Path(), None

    def start(self, folder: Path, config: Config, step: int) -> None:
        self._samples = folder / "samples"
        self._memory = Memory(folder / f"{self.library}.jsonl")
        self.open(folder, config, self._memory)

    def log(self, step: int, terms: Mapping[str, float]) -> None:
        if not self._memory.has(step, terms):
            self.send(step, {TAGS.get(name, name): value for name, value in terms.items()})
            self._memory.note(step, terms)
        self._pictures()

    def finish(self) -> None:
        if self._memory is not None:
            self._pictures()  # of the last step, drawn after it was logged
            self.close()

    def _pictures(self) -> None:
        """Send those samples that are new in the run folder: the hook itself hands on numbers."""
        for path in sorted(self._samples.glob("step-*.png")):
            step, what = step_of(path), {"picture": float(path.stat().st_size)}
            if step >= 0 and not self._memory.has(step, what):
                self.send(step, {"samples": self.picture(path)})
                self._memory.note(step, what)

    def picture(self, path: Path) -> Any:
        """A picture as the library has it."""
        return self.module.Image(str(path))

    @abstractmethod
    def open(self, folder: Path, config: Config, memory: Memory) -> None:
        """Begin the run there, or go on with it."""

    @abstractmethod
    def send(self, step: int, values: Mapping[str, Any]) -> None:
        """Numbers or pictures of a step, which may be earlier than the last."""

    @abstractmethod
    def close(self) -> None:
        """Everything is sent."""
