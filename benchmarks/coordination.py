"""What coordinating the players does for modes: the ring and the grid, by the plain dense game. Section 7.5.

    python -m benchmarks.coordination --data grid --backend jax --seed 0

plays each way of WAYS and writes `<data>-<way>-<backend>-<seed>.json`: how many modes are covered and the share of
samples of high quality, after the last step and at a few on the way, by 10,000 samples of G's parameters as they are.
The game is `mlp` of two layers of 128, without its gradient penalty and moving average. All ways have one budget: as
many gradients of each player, so a way that takes two in an iteration plays half the iterations. With `--rejection` the
plain game is half-trained on the grid, and sampled with and without D. `--table` prints what is there as a table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import gankit
from benchmarks.semi_supervised import clocks

RESULTS = Path(__file__).parent / "results" / "coordination"
PACKAGES = ("gankit", "numpy", "torch", "jax", "flax")
STEPS, LOOKS = 10_000, 4
LR = 1e-3
PLAIN: dict[str, Any] = {
    "penalties": [],
    "ema": 0.0,
    **{p: {"hidden": [128, 128]} for p in ("generator", "discriminator")},
}


def adam(lr: float = LR, name: str = "adam") -> dict[str, Any]:
    """The recipe's own optimizer, at another rate, or an optimistic one of the same betas."""
    return {"name": name, "lr": lr, "b1": 0.0, "b2": 0.99}


WAYS: dict[str, tuple[dict[str, Any], int]] = {
    "alternating": ({}, 1),
    "simultaneous": ({"schedule": "simultaneous"}, 1),
    "optimistic-adam": (
        {
            "schedule": "simultaneous",
            "generator_optimizer": adam(name="optimistic-adam"),
            "discriminator_optimizer": adam(name="optimistic-adam"),
        },
        1,
    ),
    "extra-gradient": ({"schedule": "extra-gradient"}, 2),
    "consensus": ({"schedule": "simultaneous", "consensus": 0.1}, 2),
    "two-time-scales": ({"generator_optimizer": adam(LR / 4)}, 1),
    "balance": ({"k": 3, "balance": {"low": 0.1, "high": 0.3}}, 1),
    "mixture": ({"prior": {"name": "mixture", "components": 25}}, 1),
    "r1": ({"penalties": [{"name": "r1", "weight": 0.5}]}, 1),
}
"""Settings, and how many gradients of each player an iteration takes. "mixture" is no way to move, but another z; "r1"
is the recipe's own penalty, for comparison.

Consensus takes the gradient of a gradient beside, counted as one more; balance may take up to three of D.
"""


def measure(data: str, way: str, backend: str, seed: int, steps: int) -> dict[str, Any]:
    """Play one game and judge it."""
    settings, cost = WAYS[way]
    gan = gankit.build(backend, data=data, seed=seed, **{**PLAIN, **settings})
    load, curve, seconds = os.getloadavg()[0], [], 0.0
    for look in range(1, LOOKS + 1):
        before = clocks()
        gan.fit(steps=look * steps // LOOKS // cost - gan.steps_done)
        seconds += clocks()[1] - before[1]
        curve.append({"step": gan.steps_done, "cpu_seconds": seconds, **modes(gan)})
    found = {"data": data, "way": way, "backend": gan.backend.name, "seed": seed, "budget": steps, **curve[-1]}
    return found | {"curve": curve, "load_average": [load, os.getloadavg()[0]]} | about(gan)


def rejected(backend: str, seed: int, steps: int) -> dict[str, Any]:
    """Half-train the plain game on the grid and sample it by itself and with D's help, at a few places on the way."""
    gan = gankit.build(backend, data="grid", seed=seed, **PLAIN)
    found = []
    for look in range(1, LOOKS + 1):
        gan.fit(steps=look * steps // LOOKS - gan.steps_done)
        for name, by in BY.items():
            started = time.perf_counter()
            try:
                numbers = modes(Helped(gan, by))
            except gankit.ConfigError as error:  # D takes next to nothing
                found.append({"step": gan.steps_done, "by": name, "refused": str(error)})
                continue
            found.append({"step": gan.steps_done, "by": name, **numbers, "seconds": time.perf_counter() - started})
    return {"data": "grid", "way": "alternating", "backend": gan.backend.name, "seed": seed, "rows": found} | about(gan)


class Helped:
    """A game whose samples are drawn with D's help."""

    def __init__(self, gan: Any, by: Any) -> None:
        self._gan, self._by = gan, by

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gan, name)

    def sample(self, n: int, **asked: Any) -> Any:
        return self._gan.sample(n, **asked, by=self._by)


BY: dict[str, Any] = {
    "G alone": None,
    "rejection": "rejection",
    "rejection, percentile 80": {"name": "rejection", "percentile": 80},
    "latent-optimisation": "latent-optimisation",
}


def modes(gan: Any) -> dict[str, float]:
    """Modes covered, share of high quality and divergence over modes of 10,000 samples."""
    rows = gankit.evaluate(gan, n=10_000, metrics=["modes"], weights="raw").rows
    return {m.metric: m.value for m in rows[0].measurements}


def table(folder: Path) -> str:
    """What is there as a table, a row for each way: modes covered and the share of high quality of each game."""
    files = sorted(folder.glob("*.json"))
    games = [found for found in (json.loads(path.read_text("utf-8")) for path in files) if "rows" not in found]
    cells = {(g["data"], g["way"], g["backend"], g["seed"]): g for g in games}
    columns = sorted({(d, b, s) for d, _, b, s in cells}, key=lambda c: (c[0] != "ring", c[1], c[2]))
    lines = ["| | " + " | ".join(f"{d}, {b}, {s}" for d, b, s in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for way in WAYS:
        row = [cells.get((d, way, b, s)) for d, b, s in columns]
        told = [f"{g['modes-covered']:.0f}, {100 * g['high-quality']:.1f} %" if g else "" for g in row]
        lines.append(f"| `{way}` | {' | '.join(told)} |")
    return "\n".join(lines)


def rejection_table(folder: Path) -> str:
    """What D's help comes to, a row for each way of sampling: modes, share of high quality, divergence over modes."""
    games = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("rejection-*.json"))]
    rows = {(g["backend"], g["seed"], r["step"], r["by"]): r for g in games for r in g["rows"]}
    columns = sorted({key[:2] for key in rows})
    lines = ["| | " + " | ".join(f"{b}, {s}" for b, s in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for step in sorted({key[2] for key in rows}):
        for by in BY:
            told = [said(rows[b, s, step, by]) if (b, s, step, by) in rows else "" for b, s in columns]
            lines.append(f"| {by}, {step:,} | {' | '.join(told)} |")
    return "\n".join(lines)


def said(row: dict[str, Any]) -> str:
    """One cell."""
    if "refused" in row:
        return "refused"
    return f"{row['modes-covered']:.0f}, {100 * row['high-quality']:.1f} %, {row['modes-jsd']:.2f}"


def about(gan: Any) -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": {name: metadata.version(name) for name in PACKAGES if _installed(name)},
        "config": gan.config.to_plain(),
    }


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("ring", "grid"), default="grid")
    parser.add_argument("--way", choices=list(WAYS), action="append")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--rejection", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        print(f"{table(options.out)}\n\n{rejection_table(options.out)}")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    if options.rejection:
        path = options.out / f"rejection-{options.backend}-{options.seed}.json"
        path.write_text(json.dumps(rejected(options.backend, options.seed, options.steps), indent=1) + "\n", "utf-8")
        return
    for way in options.way or WAYS:
        started = time.perf_counter()
        found = measure(options.data, way, options.backend, options.seed, options.steps)
        path = options.out / f"{options.data}-{way}-{options.backend}-{options.seed}.json"
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        told = {name: round(found[name], 4) for name in ("modes-covered", "high-quality", "modes-jsd", "cpu_seconds")}
        print(path.stem, told, f"{time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
