"""Speed: gankit beside the best hand-written loops of each framework, in turn; how busy the device is; feeding."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.gpu.stages import Options, Save

ROUNDS = 5
TURN = 0.3
"""Seconds."""
PRECISIONS = {"gpu-modern-32": ("full", "tf32", "bfloat16")}
JPEGS, SIDE = 3000, 64


def speed(options: Options, save: Save) -> None:
    """Every workload, in turn. Where one has several precisions, each is a table of its own."""
    from benchmarks import contenders, report, turns
    from benchmarks.workloads import GPU_WORKLOADS

    found: dict[str, Any] = {"rounds": ROUNDS, "seconds": TURN, "workloads": {}, "wrong": []}
    os.environ["GANKIT_BENCHMARK_DEVICE"] = options.device
    for name, workload in GPU_WORKLOADS.items():
        if options.quick and name not in ("gpu-toy", "gpu-gan-2014"):
            continue
        for precision in PRECISIONS.get(name, ("full",)):
            os.environ["GANKIT_BENCHMARK_PRECISION"] = precision
            names = [c for c in contenders.of(workload) if options.device == "cuda" or c not in GRAPHS]
            if options.quick:
                names = [c for c in names if c in ("gankit-torch", "gankit-jax", "torch-eager", "jax")]
            with tempfile.TemporaryDirectory() as folder:
                data = Path(folder) / "data.npz"
                write_data(name, workload.data, data)
                rounds, seconds = (1, 0.2) if options.quick else (ROUNDS, TURN)
                records = turns.play(
                    name, names, data, rounds=rounds, seconds=seconds, cores=0, say=print, together=True
                )
            result = {"load": [0.0, os.getloadavg()[0]], "contenders": records}
            label = name if precision == "full" else f"{name} {precision}"
            found["workloads"][label] = result
            for contender, record in records.items():
                if "error" in record:
                    found["wrong"].append(f"{label}: {contender} does not run: {record['error']}")
            try:
                print(report.table(label, result), flush=True)
            except Exception as error:  # the table is for reading; the numbers are in the file
                print(f"{label}: no table: {error}", flush=True)
            save(found)


GRAPHS = ("torch-graphed", "torch-graphed-last", "torch-compiled", "torch-overhead")
"""Which need CUDA."""


def write_data(workload: str, name: str, file: Path) -> None:
    """The examples of a workload, in a file that hand-written loops read without gankit."""
    from PIL import Image

    from benchmarks import parzen
    from gankit.data import open_data

    if workload == "gpu-parzen":
        np.savez(file, **parzen.digits())
    elif name.startswith("cifar@"):
        with np.load(Path(os.environ["GANKIT_DATA"], "cifar10", "cifar10_lossless4k.npz")) as archive:
            x, labels, side = archive["images"], archive["labels"].astype(np.int64), int(name.partition("@")[2])
        if side != x.shape[1]:
            x = np.stack([np.asarray(Image.fromarray(image).resize((side, side))) for image in x])
        np.savez(file, x=x, labels=labels)
    else:
        data = open_data(name)
        np.savez(file, x=data.x, labels=data.labels)


def busy(options: Options, save: Save) -> None:
    """The share of time in which torch's kernels run, by torch's profiler, while gankit trains."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    import gankit

    found: dict[str, Any] = {"games": {}, "wrong": []}
    games = {
        "dcgan, 28 px, batch 128": ("dcgan", (28, 28, 1), 128, {}),
        "dcgan, 64 px, batch 128": ("dcgan", (64, 64, 3), 128, {}),
        "gan-2014, batch 100": ("gan-2014", (28, 28, 1), 100, {}),
        "modern-small, batch 64": ("modern-small", (28, 28, 1), 64, {"num_classes": 10}),
        "modern, 32 px, batch 256": ("modern", (32, 32, 3), 256, {}),
        "mlp on the ring": ("mlp", None, 64, {}),
    }
    for label, (recipe, shape, batch, settings) in list(games.items())[-1 if options.quick else 0 :]:
        rng = np.random.default_rng(0)
        x = "ring" if shape is None else rng.integers(0, 256, (2048, *shape), dtype=np.uint8)
        data = (x, rng.integers(0, 10, 2048)) if recipe == "modern-small" else x
        game = gankit.build("torch", recipe=recipe, data=data, device=options.device, batch_size=batch, **settings)
        game.fit(steps=30)
        steps = 5 if recipe == "modern" else 20
        if options.device == "cuda":
            torch.cuda.synchronize()
        # The host's own operations too would be a hundred thousand events, which take minutes to read.
        activities = [ProfilerActivity.CUDA if options.device == "cuda" else ProfilerActivity.CPU]
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
