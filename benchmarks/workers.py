"""How far several workers of torch are from one, for every recipe, and how fast they are; prints tables.

    python -m benchmarks.workers --workers 4 --steps 200            # every recipe, float64, narrow networks
    python -m benchmarks.workers --speed --steps 100                # `dcgan`: two workers of a thread, one of two

The recipes are those of the tests, a few channels wide, with dropout and augmentations.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.backends.workers import Log, together
from tests.recipe_games import GAMES, examples

SPEED: dict[str, Any] = {"recipe": "dcgan", "data": "mnist", "batch_size": 64}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", default="", help="recipes, with commas between them")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--out", help=argparse.SUPPRESS)  # of one worker
    asked = parser.parse_args()
    if asked.out:
        (timed if asked.speed else played)(Path(asked.out), asked.steps, asked.only)
    elif asked.speed:
        speeds(asked.steps)
    else:
        distances(asked.workers, asked.steps, asked.only)


def played(folder: Path, steps: int, only: str) -> None:
    """By one worker: every array and logged term of every recipe, to a file."""
    import gankit

    found = {}
    for recipe, (data, settings) in GAMES.items():
        if only and recipe not in only.split(","):
            continue
        log = Log()
        game = {"backend": "torch", "dtype": "float64", "batch_size": 8, **settings}
        trainer: Any = gankit.build(recipe=recipe, data=examples(data), **game).fit(steps=steps, callbacks=[log])
        arrays = {name: x for name, x in trainer._game.pack(trainer._state)[0].items() if not name.startswith("data/")}
        arrays |= {f"log/{term}": np.array([line[term] for line in log.lines]) for term in log.lines[0]}
        found |= {f"{recipe}/{name}": x for name, x in arrays.items()}
    np.savez(folder / f"{os.environ.get('RANK', 0)}.npz", **found)


def timed(folder: Path, steps: int, only: str) -> None:
    """By one worker: examples of the whole minibatch a second, once warm."""
    import gankit

    trainer: Any = gankit.build(backend="torch", **SPEED).fit(steps=20)
    begun = time.perf_counter()
    trainer.fit(steps=steps)
    speed = steps * SPEED["batch_size"] / (time.perf_counter() - begun)
    (folder / os.environ.get("RANK", "0")).write_text(str(speed))


def run(arguments: list[str], workers: int, threads: int = 1) -> None:
    """As so many workers; raises SystemExit with what the first one that failed said."""
    # As `gankit` sets it for itself.
    os.environ |= {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}
    module = ["benchmarks.workers", *arguments]
    if workers == 1:
        subprocess.run([sys.executable, "-m", *module], check=True)
        return
    processes = together(module, workers, threads=threads)
    for process in processes:
        _, err = process.communicate()
        if process.returncode:
            sys.exit(err)


def distances(workers: int, steps: int, only: str) -> None:
    """One row a recipe: the greatest difference of any number."""
    with TemporaryDirectory() as one, TemporaryDirectory() as many:
        for folder, count in ((one, 1), (many, workers)):
            run(["--steps", str(steps), "--only", only, "--out", folder], count)
        with np.load(Path(one) / "0.npz") as want:
            print(f"| recipe | {workers} workers from one, after {steps} steps |\n|---|---|")
            for recipe in dict.fromkeys(name.partition("/")[0] for name in want.files):
                names = [name for name in want.files if name.startswith(f"{recipe}/")]
                apart = 0.0
                for rank in range(workers):
                    with np.load(Path(many) / f"{rank}.npz") as got:
                        apart = max(apart, *(float(np.abs(got[n] - want[n]).max(initial=0.0)) for n in names))
                print(f"| `{recipe}` | {apart:.1e} |", flush=True)


def speeds(steps: int) -> None:
    """Two workers of one thread each beside one of two, in turns."""
    ratios = []
    for _ in range(3):
        found = {}
        for workers, threads in ((1, 2), (2, 1)):
            with TemporaryDirectory() as folder:
                run(["--speed", "--steps", str(steps), "--out", folder], workers, threads)
                found[workers] = min(float(path.read_text()) for path in Path(folder).iterdir())
        ratios.append(found[2] / found[1])
        print(f"one of two threads {found[1]:.0f} examples/s, two of one {found[2]:.0f}: {ratios[-1]:.2f}", flush=True)
    print(f"median {sorted(ratios)[1]:.2f}")


if __name__ == "__main__":
    main()
