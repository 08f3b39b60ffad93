"""Whether this process is one of several that were started for one game."""

from __future__ import annotations

import os

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets, and whoever starts workers as it does."""


def launched() -> int:
    """How many processes were started for this one game; 1 where nobody says."""
    size = os.environ.get("WORLD_SIZE", "")
    return int(size) if size.isdecimal() and all(os.environ.get(name) for name in NEEDED) else 1
