"""The terms of 200 float32 steps of every recipe, a JSON line each: `python -m tests.before.play BACKEND FOLDER`.

Run it in the tree before a change and in the one after it, on one machine, and compare the folders: a change that
keeps every game as it is leaves them equal to the last bit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gankit
from tests.parity.test_recipes import game
from tests.recipe_games import GAMES

STEPS = 200


class Lines:
    """Keeps the terms of each step as a line of text."""

    every = 1

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.lines.append(json.dumps({"step": step, **terms}))


def play(backend: str, folder: Path, steps: int = STEPS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for recipe in GAMES:
        lines = Lines()
        gankit.build(backend=backend, device="cpu", **game(recipe, dropout=True)).fit(steps=steps, callbacks=[lines])
        (folder / f"{recipe}.jsonl").write_text("\n".join(lines.lines) + "\n")


if __name__ == "__main__":
    play(sys.argv[1], Path(sys.argv[2]))
