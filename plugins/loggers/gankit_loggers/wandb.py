"""Weights & Biases. Where to, and whether at all, is said as everywhere with it: `wandb login`, WANDB_MODE=offline,
WANDB_PROJECT, WANDB_ENTITY."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gankit.config import Config
from gankit_loggers.memory import Memory
from gankit_loggers.tracker import Tracker


class WeightsAndBiases(Tracker):
    """Terms over `step`, the settings as the run's config, and pictures of samples. Its files are in the run folder."""

    library = "wandb"

    def open(self, folder: Path, config: Config, memory: Memory) -> None:
        self._run = self.module.init(
            project=os.environ.get("WANDB_PROJECT", "gankit"),
            dir=str(folder),
            id=memory.id,
            name=folder.name,
            config=config.to_plain(),
            resume="allow",
            settings=self.module.Settings(console="off"),  # stdout stays as it is
        )
        # Its own counter only goes up, and a picture comes after the terms of its step.
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def send(self, step: int, values: Mapping[str, Any]) -> None:
        self._run.log({"step": step, **values})

    def close(self) -> None:
        self._run.finish()
