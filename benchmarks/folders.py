"""Feeding pictures from a large folder of JPEGs: gankit beside torch's DataLoader, and what the first steps wait for.

    python -m benchmarks.folders --pictures 50000 --size 64 --rounds 5 --json folders.json

makes synthetic JPEGs of 256 pixels in a temporary folder, unless `--folder` names one, and removes them afterwards.
Everybody takes turns, on as many workers each, and hands over shuffled minibatches of 64, uint8, of the same resize:

    cold     gankit on a folder that it has never seen; what it decodes between two requests is not counted
    warm     gankit once all is decoded
    loader   a DataLoader with that many worker processes, which decodes in every pass

A turn starts with the second minibatch. Then, each in a process of its own: seconds from an imported framework to the
end of the first step of the default game, cold and warm, and the peak of resident memory after a hundred more.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 64
AT_ONCE = 8
"""Minibatches that gankit is asked for at a time: a chunk of steps."""

START = """
import json, os, resource, sys, time
import gankit
from gankit.building import open_backend
folder, size, backend = sys.argv[1], sys.argv[2], sys.argv[3]
open_backend(backend, "auto", "float32", None)
begun = time.perf_counter()
gan = gankit.build(backend, data=f"{folder}@{size}")
gan.fit(steps=1)
first = time.perf_counter() - begun
gan.fit(steps=100)
print(json.dumps({"seconds": first, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))
"""


class Resized:
    """A torch data set, by hand."""

    def __init__(self, folder: Path, size: int) -> None:
        self.files, self.size = sorted(folder.iterdir()), size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> np.ndarray[Any, Any]:
        from PIL import Image, ImageOps

        with Image.open(self.files[i]) as image:
            return np.array(ImageOps.fit(image.convert("RGB"), (self.size, self.size), Image.Resampling.LANCZOS))


def by_loader(folder: Path, size: int, workers: int) -> Iterator[Any]:
    from torch.utils.data import DataLoader

    yield from DataLoader(Resized(folder, size), BATCH, shuffle=True, num_workers=workers)


def by_gankit(folder: Path, size: int, workers: int) -> Iterator[Any]:
    from gankit.data import folder as pictures

    x = pictures(folder, size, workers=workers).x
    order = np.random.default_rng(time.time_ns()).permutation(len(x))
    for start in range(0, len(x), AT_ONCE * BATCH):
        chunk = x[order[start : start + AT_ONCE * BATCH]]
        yield from (chunk[i : i + BATCH] for i in range(0, len(chunk), BATCH))


def turn(batches: Iterator[Any], seconds: float) -> float:
    """Pictures a second, from the second minibatch on."""
    next(batches)
    begun, count = time.perf_counter(), 0
    for batch in batches:
        count += len(batch)
        if (taken := time.perf_counter() - begun) > seconds:
            break
    del batches
    gc.collect()  # its workers end with it
    return count / taken


def measure(folder: Path, size: int, workers: int, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Pictures a second by contender, in each round."""
    found: dict[str, list[float]] = {"cold": [], "warm": [], "loader": []}
    with tempfile.TemporaryDirectory(prefix="gankit-warm-") as warm:

        def cold() -> float:
            with tempfile.TemporaryDirectory(prefix="gankit-cold-") as own:
                os.environ["GANKIT_CACHE"] = own
                return turn(by_gankit(folder, size, workers), seconds)

        def again() -> float:
            os.environ["GANKIT_CACHE"] = warm
            return turn(by_gankit(folder, size, workers), seconds)

        def loader() -> float:
            return turn(by_loader(folder, size, workers), seconds)

        os.environ["GANKIT_CACHE"] = warm
        for _ in by_gankit(folder, size, workers):
            pass
        turns: dict[str, Callable[[], float]] = {"cold": cold, "loader": loader, "warm": again}
        for i in range(rounds):
            for name in list(turns)[:: 1 if i % 2 == 0 else -1]:  # there and back, so that drift favours nobody
                found[name].append(turns[name]())
            print(f"round {i + 1} of {rounds}: { ({k: round(v[-1]) for k, v in found.items()}) }", file=sys.stderr)
    return found


def starts(folder: Path, size: int, backend: str) -> list[dict[str, float]]:
    """The first start, and the next two, each a process. The second may still have pictures to decode."""
    found = []
    with tempfile.TemporaryDirectory(prefix="gankit-start-") as own:
        for _ in range(3):
            command = [sys.executable, "-c", START, str(folder), str(size), backend]
            environment = {**os.environ, "GANKIT_CACHE": own}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def write_jpegs(folder: Path, n: int, side: int = 256) -> None:
    """Smooth colours under a little noise, some 25 kB each."""
    from PIL import Image

    rng = np.random.default_rng(0)
    noise = rng.normal(0, 8, (8, side, side, 3)).astype(np.float32)
    for i in range(n):
        blocks = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        smooth = np.asarray(blocks.resize((side, side), Image.Resampling.BICUBIC), np.float32)
        pixels = np.clip(smooth + noise[i % len(noise)], 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:06d}.jpg", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of JPEGs that are there already")
    parser.add_argument("--pictures", type=int, default=50_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="about how long one turn is")
    parser.add_argument("--backends", nargs="*", default=["torch", "jax"])
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gankit-jpegs-") as made:
        folder = options.folder or Path(made)
        if options.folder is None:
            write_jpegs(folder, options.pictures)
        load = os.getloadavg()[0]
        begun = {backend: starts(folder, options.size, backend) for backend in options.backends}
        rates = measure(folder, options.size, options.workers, options.rounds, options.seconds)
        ratios = {name: [a / b for a, b in zip(rates[name], rates["loader"], strict=True)] for name in ("cold", "warm")}
        pictures = len(list(folder.iterdir()))
    result = {"pictures": pictures, "size": options.size, "workers": options.workers, "load": load, "starts": begun}
    result |= {"pictures_per_second": rates, "of_the_loader": ratios}
    for name, values in rates.items():
        print(f"{name:<8} {statistics.median(values):10,.0f} pictures/s")
    for name, values in ratios.items():
        print(f"{name} of the loader: {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
    for backend, each in begun.items():
        seconds = ", ".join(f"{start['seconds']:.2f}" for start in each)
        print(f"{backend}: first step after {seconds} s; peak {max(start['peak_gb'] for start in each):.2f} GB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
