"""A run of the command line that needs no framework: everything but the game itself is real."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gankit.config import Config
from gankit.runs.folder import Run


def begun(folder: Path) -> Run:
    run = Run(folder)
    run.begin(Config())
    return run


class Playing:
    """A trainer that does nothing but call."""

    def __init__(self, interrupted_at: int | None = None) -> None:
        self.config, self.steps_done = Config(), 0
        self._interrupted_at = interrupted_at
        self.spec = SimpleNamespace(shape=(5,))
        self.loss, self.data = None, ()

    def fit(self, *, steps: int, callbacks: list[Any]) -> None:
        terms = {"d_loss": 1.0, "g_loss": 1.0, "D(x)": 0.5, "D(G(z))": 0.5}
        for self.steps_done in range(1, steps + 1):
            for callback in callbacks:
                if callback.every and self.steps_done % callback.every == 0:
                    callback(self, self.steps_done, terms)
            if self.steps_done == self._interrupted_at:
                raise KeyboardInterrupt

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
