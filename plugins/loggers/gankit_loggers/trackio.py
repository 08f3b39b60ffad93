"""trackio: runs on this machine, or on a Hugging Face Space by TRACKIO_SPACE_ID. `trackio show` shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gankit.config import Config
from gankit_loggers.memory import Memory
from gankit_loggers.tracker import Tracker


class Trackio(Tracker):
    """Terms over the step, the settings as the run's config, and pictures of samples."""

    library = "trackio"

    def open(self, folder: Path, config: Config, memory: Memory) -> None:
        self._run = self.module.init(
            project=os.environ.get("TRACKIO_PROJECT", "gankit"),
            name=f"{folder.name}-{memory.id[:6]}",  # by which it is found again; folders of one name are several runs
            config=config.to_plain(),
            resume="allow",
            embed=False,
        )

    def send(self, step: int, values: Mapping[str, Any]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()
