"""`gankit` in processes of its own, to be killed, signalled and looked at."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.cli_runner import INTERRUPTIBLE

SMALL = ["--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--set", "latent_dim=4"]
EVERY = ["--log-every", "10", "--sample-every", "50", "--checkpoint-every", "20"]


def train(backend: str, out: str | Path, steps: int, *more: str, data: str = "ring") -> list[str]:
    return [
        "train",
        "--backend",
        backend,
        "--data",
        data,
        *SMALL,
        *EVERY,
        "--steps",
        str(steps),
        *more,
        "--out",
        str(out),
    ]


def start(arguments: list[str], cwd: Path, **settings: Any) -> subprocess.Popen[str]:
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
    return subprocess.Popen([*INTERRUPTIBLE, *arguments], cwd=cwd, text=True, **settings)


def finish(arguments: list[str], cwd: Path, **settings: Any) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    process = start(arguments, cwd, **settings)
    out, err = process.communicate(timeout=300)
    return process.returncode, out or "", err or ""


def signalled(
    arguments: list[str], cwd: Path, numbers: list[int], draw: random.Random, within: float
) -> tuple[int, str, float]:
    """(exit code, stderr, seconds from the last signal to the end): signals at a random moment, the later ones soon
    after the first."""
    process = start(arguments, cwd, stdout=subprocess.DEVNULL)
    time.sleep(draw.uniform(0.3, within))
    for number in numbers:
        if process.poll() is None:
            process.send_signal(number)
        sent = time.monotonic()
        if len(numbers) > 1:
            time.sleep(0.35)
    _, err = process.communicate(timeout=120)
    return process.returncode, err, time.monotonic() - sent


def traces(folder: Path) -> dict[str, bytes]:
    """What of a run must not depend on how often it was stopped."""
    names = ["config.toml", "metrics.jsonl", "vitals.jsonl", "samples.png"]
    last = sorted((folder / "checkpoints").glob("step-*"))[-1]
    paths = [folder / name for name in names] + sorted(folder.glob("samples/*.png")) + [last]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.exists()}


def gone(pid: int) -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid if process.pid != pid else gone(pid)


KILL = signal.SIGKILL
HERE = os.getpid()
