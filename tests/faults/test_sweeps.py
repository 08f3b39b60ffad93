"""A sweep stopped anyhow and started again ends as if nothing had happened, and leaves no process behind."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli_runner import INTERRUPTIBLE, Cli, run
from tests.faults.conftest import BACKENDS
from tests.sweeps import written


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def logs(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in folder.glob("sweeps/*/runs/*/metrics.jsonl")}


def stopped(folder: Path, when: Callable[[], bool], number: int) -> tuple[int, str]:
    """Start the sweep, send it the signal once `when` holds; its exit code and what it wrote to stderr."""
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "sweep", "s.toml", "--jobs", "2"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[1]
    process.send_signal(number)
    _, err = process.communicate(timeout=240)
    return process.returncode, err


def held(folder: Path) -> list[int]:
    """The processes that train in the run folders."""
    return [json.loads(lock.read_text())["pid"] for lock in folder.glob("sweeps/s/runs/*/.lock") if lock.read_text()]


def test_a_sweep_stopped_and_started_again_plays_each_run_once_and_is_the_uninterrupted_one(
    cli: Cli, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    written(whole, BACKENDS[0])
    assert run("sweep", "s.toml", "--jobs", "2", cwd=whole).code == 0
    expected = logs(whole)
    assert len(expected) == 4

    written(tmp_path, BACKENDS[0])
    begun = lambda: any(tmp_path.glob("sweeps/s/runs/*/checkpoints/step-*"))  # noqa: E731
    code, err = stopped(tmp_path, begun, signal.SIGINT)
    assert code == 130 and "To go on:\n  gankit sweep s.toml --jobs 2" in err
    assert not held(tmp_path), "every run has come to its end in good order"
    assert len(logs(tmp_path)) < 4 or logs(tmp_path) != expected

    outcome = cli("sweep", "s.toml")
    assert outcome.code == 0, outcome.err
    assert logs(tmp_path) == expected
    tables = [(folder / "sweeps" / "s" / "table.csv").read_text() for folder in (tmp_path, whole)]
    assert tables[0] == tables[1]
    rows = list(csv.DictReader(io.StringIO(tables[0])))
    values = [float(row[next(key for key in row if key.startswith("modes-jsd"))]) for row in rows]
    assert values == sorted(values) and len(values) == 4
    assert (tmp_path / "sweeps" / "s" / "compare.html").is_file()

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("sweeps/s/runs/*/checkpoints/*")}
    again = cli("sweep", "s.toml")
    assert again.code == 0 and "4 done already" in again.out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("sweeps/s/runs/*/checkpoints/*")} == before


def test_a_sweep_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    """What the runs did is saved, and their folders are free for the next start."""
    written(tmp_path, BACKENDS[0], steps=1_000_000)
    begun = lambda: len(list(tmp_path.glob("sweeps/s/runs/*/checkpoints/step-*20.safetensors"))) > 1  # noqa: E731
    code, _ = stopped(tmp_path, lambda: begun() and len(held(tmp_path)) == 2, signal.SIGKILL)
    assert code == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while held(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not held(tmp_path)
    for log in tmp_path.glob("sweeps/s/logs/*.txt"):
        assert "Everything is saved" in log.read_text()
