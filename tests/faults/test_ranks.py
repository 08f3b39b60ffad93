"""Two workers under torchrun, one of which is killed or signalled: all end, nothing is half written, it goes on."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gankit
from tests.faults.conftest import Counting
from tests.faults.processes import traces, train

pytest.importorskip("gankit_torch")
WITHIN = 60
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def begun(folder: Path, steps: int, *more: str, restarts: int = 0) -> tuple[subprocess.Popen[str], list[int]]:
    """(torchrun, its workers by rank) after the first checkpoint."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command += ["--max-restarts", str(restarts), "-m", "gankit"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([*command, *train("torch", folder, steps, *more)], **pipes)
    known = {*folder.glob("checkpoints/step-*.safetensors")}
    deadline = time.monotonic() + 2 * WITHIN
    while not {*folder.glob("checkpoints/step-*.safetensors")} - known:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
    return process, ranks(process.pid)


def ranks(parent: int) -> list[int]:
    """The process ids of the workers, in the order of their ranks."""
    found = Path(f"/proc/{parent}/task/{parent}/children")
    if not found.exists():
        pytest.skip("this system does not say whose children processes are")
    pids = [int(pid) for pid in found.read_text().split()]
    told = {pid: Path(f"/proc/{pid}/environ").read_text().split("\0") for pid in pids}
    by_rank = {word: pid for pid, words in told.items() for word in words if word.startswith("RANK=")}
    return [by_rank[name] for name in sorted(by_rank)]


def test_09_a_rank_killed_while_it_saves(tmp_path: Path, counting: Counting) -> None:
    count, draw, folder = counting(9, 2, 10), random.Random(9), tmp_path / "run"
    for i in range(count.cases):
        process, workers = begun(folder, 1_000_000, "--checkpoint-every", "1", "--keep", "2")
        time.sleep(draw.uniform(0.0, 1.0))
        subprocess.run(["kill", "-KILL", str(workers[i % 2])], check=True)
        _, err = process.communicate(timeout=WITHIN)
        assert process.returncode != 0 and f"rank      : {i % 2}" in err, err[-1500:]
        assert gankit.load(folder, backend="torch").steps_done > 0
        count()


def test_09_restarts_end_as_if_nothing_had_happened(tmp_path: Path, counting: Counting) -> None:
    count, folder = counting(9, 1, 3, "restarted"), tmp_path / "run"
    whole = tmp_path / "whole"
    begun(whole, 600)[0].communicate(timeout=2 * WITHIN)
    for _ in range(count.cases):
        process, workers = begun(folder, 600, restarts=1)
        subprocess.run(["kill", "-KILL", str(workers[1])], check=True)
        out, err = process.communicate(timeout=2 * WITHIN)
        assert process.returncode == 0 and "Resuming" in out, err[-1500:]
        assert traces(folder) == traces(whole)
        shutil.rmtree(folder)
        count()


def test_22_signals_to_one_rank(tmp_path: Path, counting: Counting) -> None:
    count, draw, folder = counting(22, 2, 12), random.Random(22), tmp_path / "run"
    for i in range(count.cases):
        process, workers = begun(folder, 1_000_000)
        time.sleep(draw.uniform(0.0, 1.0))
        subprocess.run(["kill", f"-{SIGNALS[i % 3].value}", str(workers[i % 2])], check=True)
        _, err = process.communicate(timeout=WITHIN)
        assert "Everything is saved" in err, err[-1500:]
        done = gankit.load(folder, backend="torch").steps_done
        assert f"Interrupted at step {done:,}" in err
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["step"] <= done
        count()
