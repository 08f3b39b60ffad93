"""Speed: gankit beside the best hand-written loops of each framework, in turn; how busy the device is; feeding."""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.gpu import hand
from benchmarks.gpu.stages import Options, Save

ROUNDS = 5
TURN = 0.4
"""Seconds of each turn."""
JPEGS, SIDE = 3000, 64
TOY = {"hidden": [64, 64]}


@dataclass(frozen=True)
class Workload:
    """settings: of `gankit.build`. family: of the games by hand."""

    family: str
    batch: int
    data: str
    settings: Mapping[str, Any]
    precision: str = "full"
    ways: tuple[str, ...] = ("eager", "graphed")
    by_jax: bool = True


DCGAN = {"recipe": "dcgan"}
WORKLOADS = {
    "gan-2014, batch 100": Workload("gan-2014", 100, "mnist", {"recipe": "gan-2014"}),
    "toy, batch 256": Workload(
        "toy",
        256,
        "ring",
        {
            "recipe": "mlp",
            "generator": {"name": "mlp", **TOY},
            "discriminator": {"name": "mlp", **TOY},
            "penalties": (),
            "ema": 0.0,
            "latent_dim": 8,
        },
    ),
    "modern-small, batch 64": Workload("modern-small", 64, "mnist", {"recipe": "modern-small"}),
    "dcgan 28 px, batch 128": Workload("dcgan", 128, "mnist", DCGAN),
    "modern 28 px, full width, batch 256": Workload("modern", 256, "mnist", {"recipe": "modern"}),
    "modern 28 px, full width, batch 256, bfloat16": Workload(
        "modern", 256, "mnist", {"recipe": "modern"}, "bfloat16", by_jax=False
    ),
    "modern 28 px, full width, batch 256, tf32": Workload(
        "modern", 256, "mnist", {"recipe": "modern"}, "tf32", by_jax=False
    ),
    "gan-2014, batch 1,000": Workload("gan-2014", 1000, "mnist", {"recipe": "gan-2014"}),
    "dcgan 64 px, batch 128": Workload("dcgan", 128, "cifar@64", DCGAN, by_jax=False),
    "gan-2014, batch 100, compiled": Workload(
        "gan-2014", 100, "mnist", {"recipe": "gan-2014"}, ways=("compiled",), by_jax=False
    ),
}
QUICK = ("toy, batch 256",)


def speed(options: Options, save: Save) -> None:
    """Each workload's contenders in turn, in one process: on a GPU there are no cores to share."""
    import torch

    found: dict[str, Any] = {"rounds": ROUNDS, "seconds": TURN, "workloads": {}, "wrong": []}
    cuda = options.device == "cuda"
    for name, workload in WORKLOADS.items():
        if options.quick and name not in QUICK:
            continue
        begun = time.perf_counter()
        data = arrays(workload.data)
        full = workload.precision == "full"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not full
        torch.backends.cudnn.benchmark = cuda
        contenders: dict[str, Callable[[int], Any]] = {}
        rows: dict[str, Any] = {}
        for label, make in contenders_of(workload, data, options):
            try:
                one = make()
                one(3)
                contenders[label], rows[label] = one, {"it_per_s": []}
            except Exception as error:
                traceback.print_exc()
                rows[label] = {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
                found["wrong"].append(f"{name}: {label} does not run: {rows[label]['error']}")
        turn = 0.1 if options.quick else TURN
        counts = {label: fitting(one, turn) for label, one in contenders.items()}
        for i in range(1 if options.quick else ROUNDS):
            for label in list(contenders)[:: 1 if i % 2 == 0 else -1]:  # there and back, so that drift favours nobody
                start = time.perf_counter()
                rows[label]["losses"] = dict(contenders[label](counts[label]))
                rows[label]["it_per_s"].append(round(counts[label] / (time.perf_counter() - start), 2))
        found["workloads"][name] = {"batch": workload.batch, "contenders": rows, "took_s": time.perf_counter() - begun}
        print(name, {label: median(row["it_per_s"]) for label, row in rows.items() if "error" not in row}, flush=True)
        save(found)
        contenders.clear()
        if cuda:
            torch.cuda.empty_cache()


def contenders_of(workload: Workload, data: Mapping[str, np.ndarray], options: Options) -> Any:
    """(name, what makes it) of each: gankit on both, and by hand."""
    precision = workload.precision
    for backend in ("torch", "jax"):
        yield f"gankit-{backend}", partial(gankit_game, backend, workload, data, options)
    for way in workload.ways:
        if way == "eager" or options.device == "cuda":
            game = partial(hand.torch_game, way=way, precision=precision)
            yield f"torch-{way}", partial(game, workload.family, workload.batch, data, options.device)
    if workload.by_jax:
        yield "jax-by-hand", partial(hand.jax_game, workload.family, workload.batch, data)


def gankit_game(backend: str, workload: Workload, data: Mapping[str, np.ndarray], options: Options) -> Any:
    import gankit

    x = (data["x"], data["labels"]) if workload.family == "modern-small" else data["x"]
    settings = {**workload.settings, "num_classes": 10} if workload.family == "modern-small" else workload.settings
    game = gankit.build(
        backend, data=x, device=options.device, precision=workload.precision, batch_size=workload.batch, **settings
    )
    last = Last()

    def play(n: int) -> Mapping[str, float]:
        last.every = game.steps_done + n  # due once, at the end
        game.fit(steps=n, callbacks=[last])
        return {name: last.terms[name] for name in ("d_loss", "g_loss")}

    play(70)  # until everything that is captured or compiled is so
    return play


class Last:
    """Remembers the terms of the last step of a turn."""

    every, terms = 1, dict[str, float]()

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.terms = dict(terms)


def fitting(play: Callable[[int], Any], seconds: float) -> int:
    """How many iterations fill a turn, from a second look: the first still warms up."""
    count = 10
    for _ in range(2):
        start = time.perf_counter()
        play(count)
        count = max(1, min(100_000, int(count * seconds / (time.perf_counter() - start))))
    return count


def arrays(name: str) -> dict[str, np.ndarray]:
    """x and labels of a workload."""
    from PIL import Image

    from gankit.data import open_data

    if name.startswith("cifar@"):
        with np.load(Path(os.environ["GANKIT_DATA"], "cifar10", "cifar10_lossless4k.npz")) as archive:
            x, labels, side = archive["images"], archive["labels"].astype(np.int64), int(name.partition("@")[2])
        return {
            "x": np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in x]),
            "labels": labels,
        }
    data = open_data(name)
    labels = np.zeros(len(data.x), np.int64) if data.labels is None else data.labels
    return {"x": np.asarray(data.x), "labels": labels}


def busy(options: Options, save: Save) -> None:
    """The share of time in which torch's kernels run, by torch's profiler, while gankit trains."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    import gankit

    found: dict[str, Any] = {"games": {}, "wrong": []}
    games = {
        "modern, 32 px, batch 256": ("modern", (32, 32, 3), 256, {}),
        "dcgan, 64 px, batch 128": ("dcgan", (64, 64, 3), 128, {}),
        "modern-small, batch 64": ("modern-small", (28, 28, 1), 64, {}),
        "gan-2014, batch 100": ("gan-2014", (28, 28, 1), 100, {}),
        "mlp on the ring": ("mlp", None, 64, {}),
    }
    for label, (recipe, shape, batch, settings) in list(games.items())[-1 if options.quick else 0 :]:
        rng = np.random.default_rng(0)
        x = "ring" if shape is None else rng.integers(0, 256, (2048, *shape), dtype=np.uint8)
        data = (x, rng.integers(0, 10, 2048)) if recipe == "modern-small" else x
        game = gankit.build("torch", recipe=recipe, data=data, device=options.device, batch_size=batch, **settings)
        game.fit(steps=30)
        steps = 20
        if options.device == "cuda":
            torch.cuda.synchronize()
        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if options.device == "cuda" else [])
        with profile(activities=activities) as profiled:
            game.fit(steps=steps)
            if options.device == "cuda":
                torch.cuda.synchronize()
        row = {"steps": steps, **device_time(profiled.events())}
        begun = time.perf_counter()
        game.fit(steps=steps)
        if options.device == "cuda":
            torch.cuda.synchronize()
        row["wall_ms_unprofiled"] = round(1e3 * (time.perf_counter() - begun), 3)
        found["games"][label] = row
        del game
        if options.device == "cuda":
            row["share"] = round(row["busy_ms"] / row["span_ms"], 3) if row["span_ms"] else None
            torch.cuda.empty_cache()
        save(found)


def device_time(events: Any) -> dict[str, Any]:
    """Time in which a kernel runs, the span from the first to the last, and which take the most."""
    kernels = [e for e in events if "cuda" in str(e.device_type).lower() and e.time_range.elapsed_us() > 0]
    spans = sorted((e.time_range.start, e.time_range.end) for e in kernels)
    total, end = 0.0, float("-inf")
    for start, stop in spans:
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    by_name: dict[str, float] = {}
    for e in kernels:
        by_name[e.name[:90]] = by_name.get(e.name[:90], 0.0) + e.time_range.elapsed_us()
    top = sorted(by_name.items(), key=lambda item: -item[1])[:12]
    return {
        "busy_ms": round(total / 1e3, 3),
        "span_ms": round((end - spans[0][0]) / 1e3, 3) if spans else 0.0,
        "kernels": len(kernels),
        "top_ms": {name: round(us / 1e3, 3) for name, us in top},
    }


def feeding(options: Options, save: Save) -> None:
    """JPEGs of 64 pixels from a folder: how fast they are read, and whether training waits for them."""
    from PIL import Image

    import gankit

    count = 300 if options.quick else JPEGS
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for i in range(count):
            small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(small).resize((96, 96)).save(Path(name) / f"{i:06}.jpg", quality=90)
        found: dict[str, Any] = {"images": count, "wrong": [], "it_per_s": {}}
        batch = 16 if options.quick else 128
        for backend in ("torch", "jax"):
            begun = time.perf_counter()
            game = gankit.build(backend, recipe="dcgan", data=f"{name}@{SIDE}", device=options.device, batch_size=batch)
            found[f"opened_s_{backend}"] = round(time.perf_counter() - begun, 2)
            resident = gankit.build(
                backend, recipe="dcgan", data=np.asarray(game.data.x), device=options.device, batch_size=batch
            )
            steps = 2 if options.quick else 100
            for one in (game, resident):
                one.fit(steps=steps)
            rates: dict[str, list[float]] = {"folder": [], "array": []}
            for _ in range(1 if options.quick else 3):
                for label, one in (("folder", game), ("array", resident)):
                    begun = time.perf_counter()
                    one.fit(steps=steps)
                    rates[label].append(steps / (time.perf_counter() - begun))
            found["it_per_s"][backend] = {label: round(median(values), 2) for label, values in rates.items()}
            save(found)
