"""How many steps are played before the loop looks up: at the clock, for Ctrl-C, at the callbacks."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gankit.play.streams import BLOCK

BREATH = 1.0
"""Seconds between looks at the clock, Ctrl-C and the callbacks: steps are run in chunks of about this long."""


@dataclass
class Pace:
    """How many steps make a chunk: doubled while chunks are short, halved when they get long."""

    limit: int = 4
    since: float = 0.0

    def start(self) -> None:
        self.since = time.perf_counter()

    def took(self, steps: int) -> None:
        seconds = time.perf_counter() - self.since
        if seconds > 2 * BREATH:
            self.limit = max(1, self.limit // 2)
        elif seconds < BREATH and steps >= self.limit:
            self.limit = min(BLOCK, 2 * self.limit)
