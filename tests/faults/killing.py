"""A writer of checkpoints that is killed at random moments, again and again: `python killing.py FOLDER KILLS SEED`."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.config import Config
from gankit.runs.folder import Run
from gankit.runs.records import Checkpoints


class Saved:
    """A trainer that only knows how to be saved: what it holds says at which step."""

    def __init__(self, step: int, size: int = 50_000) -> None:
        self.steps_done, self.config, self._size = step, Config(), size
        self.spec = SimpleNamespace(shape=(5,))

    def save(self, path: Path) -> None:
        checkpoint.write(path, {"x": np.full(self._size, float(self.steps_done))}, {"steps_done": self.steps_done})


def write_for_ever(run: Run, step: int, told: int) -> None:
    """Save step after step, and tell each when it is saved."""
    saves: Any = Checkpoints(run, 1)
    while True:
        step += 1
        saves.save(Saved(step))
        os.write(told, step.to_bytes(8, "little"))


def main(folder: Path, kills: int, seed: int) -> None:
    run, draw, last = Run(folder), random.Random(seed), 0
    run.begin(Config())
    for _ in range(kills):
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            write_for_ever(run, last, tell)
        os.close(tell)
        last = int.from_bytes(os.read(told, 8), "little")
        time.sleep(draw.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while rest := os.read(told, 8):
            last = int.from_bytes(rest, "little")
        os.close(told)
        said = list[str]()
        path, arrays, _ = checkpoint.newest(run.checkpoints(), said.append, folder)
        step = checkpoint.step_of(path)
        assert step >= last, f"step {last} was saved, and {path} is the latest"
        assert not said, said
        assert (arrays["x"] == step).all()
        run.collect()
        assert not list(folder.glob("checkpoints/.*")), "something was left behind"
        last = step
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
