"""What few labels come to: the semi-supervised game on MNIST, its baselines, its features. Section 7.4 of the paper.

    python -m benchmarks.semi_supervised --backend jax --labelled 100 --seed 0 --steps 6000

trains one game and writes `<arm>-<labelled>-<backend>-<seed>.json`: the error of D on the test split, by its moving
average and by itself, after the last step; the curve is on validation examples, which are held out of the training
data, and decides nothing. The seed draws the labels as well as all else. Arms:

    game      the recipe as it is
    alone     the same network on the labelled examples alone: the same augmentation and dropout, the same optimizer
    no-game   the labelled examples and consistency on the unlabelled ones, and no adversary: what the game adds to it
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import gankit
from gankit.building import configure
from gankit.data import open_data
from gankit.metrics.linear import linear_errors

RESULTS = Path(__file__).parent / "results" / "semi_supervised"
PACKAGES = ("gankit", "numpy", "torch", "jax", "flax", "scikit-learn")
SHORT = {"generator": {"hidden": [8]}}
"""A G that nobody learns from need not be large."""
NO_GAME = {"loss": {"name": "feature-matching", "base": {"name": "non-saturating", "d_weight": 0.0}}, **SHORT}
ARMS: dict[str, dict[str, Any]] = {
    "game": {},
    "alone": {**NO_GAME, "penalties": ["class-cross-entropy"]},
    "no-game": NO_GAME,
}


def error(gan: Any, split: str, *, ema: bool) -> float:
    """The share of a split's examples that D takes for another class."""
    data = open_data("mnist", split=split)
    return float(np.mean(gan.classify(data.x, ema=ema).argmax(axis=1) != data.labels))


class Curve:
    """The error on validation examples every so many steps, and the time that training had taken until then."""

    def __init__(self, every: int, *, say: bool = True) -> None:
        self.every, self._say = every, say
        self.points: list[dict[str, float]] = []
        self._looking = [0.0, 0.0]
        self._start = clocks()

    def __call__(self, trainer: Any, step: int, terms: Any) -> None:
        before = clocks()
        wall, cpu = (t - s - spent for t, s, spent in zip(before, self._start, self._looking, strict=True))
        point = {
            "step": step,
            "seconds": wall,
            "cpu_seconds": cpu,
            "validation": error(trainer, "validation", ema=True),
        }
        self.points.append(point)
        self._looking = [spent + t - b for spent, t, b in zip(self._looking, clocks(), before, strict=True)]
        if self._say:
            print({k: round(v, 4) for k, v in point.items()}, flush=True)


def clocks() -> tuple[float, float]:
    """Seconds of the wall's clock and of this process."""
    return time.perf_counter(), time.process_time()


def measure(arm: str, backend: str, labelled: int, seed: int, steps: int, every: int) -> dict[str, Any]:
    """Train one game and judge it."""
    settings = {"labelled": labelled, "seed": seed, **ARMS[arm]}
    load, gan, curve = os.getloadavg()[0], gankit.build(backend, "semi-supervised", **settings), Curve(every)
    gan.fit(steps=steps, callbacks=[curve])
    found: dict[str, Any] = {
        "arm": arm,
        "backend": gan.backend.name,
        "labelled": labelled,
        "seed": seed,
        "steps": steps,
        "test_error": error(gan, "test", ema=True),
        "test_error_without_average": error(gan, "test", ema=False),
        "curve": curve.points,
    }
    if arm == "game":
        found["linear"] = [asdict(each) for each in linear_errors(gan, (100, 1000))]
    return found | {
        "load_average": [load, os.getloadavg()[0]],
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": {name: metadata.version(name) for name in PACKAGES if _installed(name)},
        "config": configure("semi-supervised", **settings).to_plain(),
    }


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=list(ARMS), default="game")
    parser.add_argument("--backend")
    parser.add_argument("--labelled", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--every", type=int, default=1000, help="Steps between two looks at validation examples.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    found = measure(asked.arm, asked.backend, asked.labelled, asked.seed, asked.steps, asked.every)
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{asked.arm}-{asked.labelled}-{found['backend']}-{asked.seed}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(path, f"test error {found['test_error']:.2%}")


if __name__ == "__main__":
    main()
