"""Feeding pictures from a large folder of JPEGs: gankit beside torch's DataLoader, and what the first steps wait for.

    python -m benchmarks.folders --pictures 50000 --size 64 --rounds 5 --json folders.json

makes synthetic JPEGs of 256 pixels in a temporary folder, unless `--folder` names one, and removes them afterwards.

First, each in a process of its own: seconds from an imported framework to the end of the first step of the default
game, cold and warm, and the peak of resident memory after a hundred more.

Then everybody takes turns, on as many workers each, and hands over shuffled minibatches of 64, uint8, of the same
resize. A turn is one pass over some of the pictures:

    cold     gankit on pictures that it has never seen
    warm     gankit once all is decoded
    loader   a DataLoader with that many worker processes, which decodes in every pass

On a busy machine look at the processor's time, too: milliseconds of all threads and processes for each picture.
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


REST = """
import sys
import numpy as np
from gankit.data import folder
np.asarray(folder(sys.argv[1], int(sys.argv[2])).x)
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


def by_loader(data: Resized, workers: int) -> Iterator[Any]:
    from torch.utils.data import DataLoader

    yield from DataLoader(data, BATCH, shuffle=True, num_workers=workers)


def by_gankit(x: Any) -> Iterator[Any]:
    order = np.random.default_rng(time.time_ns()).permutation(len(x))
    for start in range(0, len(x), AT_ONCE * BATCH):
        chunk = x[order[start : start + AT_ONCE * BATCH]]
        yield from (chunk[i : i + BATCH] for i in range(0, len(chunk), BATCH))


def turn(batches: Iterator[Any]) -> tuple[float, float]:
    """Pictures a second of one pass, and milliseconds of the processor for each."""
    begun, before, count = time.perf_counter(), processor_seconds(), 0
    for batch in batches:
        count += len(batch)
    seconds = time.perf_counter() - begun
    del batches
    gc.collect()  # its workers end with it
    return count / seconds, 1e3 * (processor_seconds() - before) / count


def measure(folder: Path, size: int, workers: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """What `turn` says of each contender, in each round."""
    import torch.utils.data  # noqa: F401  before it is timed

    from gankit.data import decoding
    from gankit.data import folder as pictures

    decoding.IN_MEMORY = decoding.PROCESSES = 0  # a part of a large folder is treated as that
    found: dict[str, list[tuple[float, float]]] = {"cold": [], "loader": [], "warm": []}

    def by_threads(cache: str) -> tuple[float, float]:
        os.environ["GANKIT_CACHE"] = cache
        return turn(by_gankit(pictures(folder, size, workers=workers).x))

    def cold() -> tuple[float, float]:
        with tempfile.TemporaryDirectory(prefix="gankit-cold-") as own:
            return by_threads(own)

    with tempfile.TemporaryDirectory(prefix="gankit-warm-") as kept:
        by_threads(kept)
        turns: dict[str, Callable[[], tuple[float, float]]] = {
            "cold": cold,
            "loader": lambda: turn(by_loader(Resized(folder, size), workers)),
            "warm": lambda: by_threads(kept),
        }
        for i in range(rounds):
            for name in list(turns)[:: 1 if i % 2 == 0 else -1]:  # there and back, so that drift favours nobody
                found[name].append(turns[name]())
            shown = {name: f"{rounds[-1][0]:,.0f}/s {rounds[-1][1]:.2f} ms" for name, rounds in found.items()}
            print(f"round {i + 1} of {rounds}: {shown}", file=sys.stderr, flush=True)
    return found


def processor_seconds() -> float:
    """Of this process and the children that have ended."""
    return sum(os.times()[:4])


def starts(folder: Path, size: int, backend: str) -> list[dict[str, float]]:
    """The first start, then, once all is decoded, two more, each a process."""
    found = []
    with tempfile.TemporaryDirectory(prefix="gankit-start-") as own:
        for _ in range(3):
            command = [sys.executable, "-c", START, str(folder), str(size), backend]
            environment = {**os.environ, "GANKIT_CACHE": own}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            subprocess.run([sys.executable, "-c", REST, str(folder), str(size)], check=True, env=environment)
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
    parser.add_argument("--pass", type=int, default=4_000, dest="part", help="pictures of one turn")
    parser.add_argument("--backends", nargs="*", default=["torch", "jax"])
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gankit-jpegs-") as made:
        folder, part = options.folder or Path(made) / "all", Path(made) / "part"
        if options.folder is None:
            folder.mkdir()
            write_jpegs(folder, options.pictures)
        files = sorted(folder.iterdir())
        part.mkdir()
        for file in files[: options.part]:
            (part / file.name).symlink_to(file.resolve())
        load = os.getloadavg()[0]
        begun = {backend: starts(folder, options.size, backend) for backend in options.backends}
        found = measure(part, options.size, options.workers, options.rounds)
    rates = {name: [rate for rate, _ in each] for name, each in found.items()}
    costs = {name: [cost for _, cost in each] for name, each in found.items()}
    ratios = {name: [a / b for a, b in zip(rates[name], rates["loader"], strict=True)] for name in ("cold", "warm")}
    result = {"pictures": len(files), "pass": options.part, "size": options.size, "workers": options.workers}
    result |= {"load": load, "starts": begun, "pictures_per_second": rates, "processor_ms": costs}
    for name in found:
        rate, cost = statistics.median(rates[name]), statistics.median(costs[name])
        print(f"{name:<8} {rate:10,.0f} pictures/s   {cost:.2f} ms of the processor for each")
    for name, values in ratios.items():
        print(f"{name} of the loader: {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")
    for backend, each in begun.items():
        seconds = ", ".join(f"{start['seconds']:.2f}" for start in each)
        print(f"{backend}: first step after {seconds} s; peak {max(start['peak_gb'] for start in each):.2f} GB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
