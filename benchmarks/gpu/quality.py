"""Quality per minute: a game trained for a minute and measured, and the paper's game as far as its time goes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stages import Options, Save

CARRIED = Path(__file__).parent / "carried" / "gan-2014-mnist"
"""A run folder of an earlier `gankit reproduce gan-2014-mnist`, which goes on from its last checkpoint."""


def quality(options: Options, save: Save) -> None:
    found: dict[str, Any] = {"wrong": []}
    minute, paper = ("5s", "8s") if options.quick else ("60s", "90s")
    n = 500 if options.quick else 10_000
    for backend in ("jax",) if options.quick else ("jax", "torch"):
        run = options.out / f"modern-small-{backend}"
        row = command(
            "train", "--recipe", "modern-small", "--data", "mnist", "--steps", "1000000", "--budget", minute,
            "--checkpoint-every", "1000000", "--sample-every", "1000000", backend=backend, out=run, options=options,
        )  # fmt: skip
        row |= measured(run, backend, n, options)
        found[f"modern-small, {minute}, {backend}"] = row
        save(found)
    run = options.out / "gan-2014-mnist"
    if CARRIED.is_dir():
        shutil.copytree(CARRIED, run)
    row = command(
        "reproduce", "gan-2014-mnist", "--budget", paper, "--n", str(n), backend="jax", out=run, options=options
    )
    metrics = run / "metrics.json"
    row["metrics"] = json.loads(metrics.read_text()) if metrics.is_file() else None
    found[f"gan-2014-mnist, {paper}, jax"] = row
    found["wrong"] = [f"{name}: {row['said']}" for name, row in found.items() if name != "wrong" and row["code"]]
    save(found)


def command(*words: str, backend: str, out: Path | None, options: Options) -> dict[str, Any]:
    begun = time.perf_counter()
    line = [sys.executable, "-m", "gankit", *words, "--backend", backend, "--device", options.device]
    line += [] if out is None else ["--out", str(out)]
    done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"})
    print(done.stdout, done.stderr, flush=True)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return {"code": done.returncode, "seconds": round(time.perf_counter() - begun, 1), "said": said[-3:]}


def measured(run: Path, backend: str, n: int, options: Options) -> dict[str, Any]:
    row = command("evaluate", "--n", str(n), str(run), backend=backend, out=None, options=options)
    file = run / "metrics.json"
    return {"measuring_s": row["seconds"], "metrics": json.loads(file.read_text()) if file.is_file() else row["said"]}
