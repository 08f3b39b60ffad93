"""The stages, the most valuable question first."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Save = Callable[[dict[str, Any]], None]
"""Writes what a stage has found so far. "wrong" in it lists what should be otherwise, a line each."""


@dataclass(frozen=True)
class Options:
    """device: cuda or cpu. quick: small games, to see that everything runs. out: the folder of the JSON files."""

    device: str
    quick: bool
    out: Path


@dataclass(frozen=True)
class Stage:
    """target: "module:function" of (options, save). seconds: its limit. beside_others: it times nothing, so that
    others may run meanwhile."""

    name: str
    target: str
    seconds: int
    beside_others: bool = False

    def limit(self, options: Options) -> int:
        return 300 if options.quick else self.seconds

    def play(self, options: Options) -> None:
        module, _, function = self.target.partition(":")
        file = options.out / f"{self.name}.json"
        getattr(importlib.import_module(f"benchmarks.gpu.{module}"), function)(
            options, lambda found: write(file, found)
        )


STAGES = {
    stage.name: stage
    for stage in (
        Stage("suite-torch", "agreement:suite_torch", 150, beside_others=True),
        Stage("suite-jax", "agreement:suite_jax", 200, beside_others=True),
        Stage("tests", "agreement:tests", 120, beside_others=True),
        Stage("same-run", "agreement:same_run", 200, beside_others=True),
        Stage("resume", "agreement:resume", 200, beside_others=True),
        Stage("replays", "replays:replays", 100, beside_others=True),
        Stage("graphs", "graphs:graphs", 100),
        Stage("speed", "speed:speed", 240),
        Stage("busy", "speed:busy", 60),
        Stage("feeding", "speed:feeding", 60),
        Stage("quality", "quality:quality", 200),
        Stage("edges", "edges:edges", 120),
    )
}


def write(file: Path, found: dict[str, Any]) -> None:
    """Whole or not at all: the process may be ended at any moment."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1) + "\n")
    part.replace(file)
