"""N workers compute what one would, and stop as one: two processes of torch on the CPU, in float64."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gankit
from tests.backends.workers import GAMES, states, together

pytest.importorskip("gankit_torch")
STEPS, COUNT, BOUND = 20, 2, 1e-9
TRAIN = ["gankit", "train", "--backend", "torch", "--data", "ring", "--dtype", "float64", "--set", "batch_size=16"]
TRAIN += ["--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--log-every", "10"]
TRAIN += ["--checkpoint-every", "20", "--sample-every", "1000"]


def ended(processes: list[Any], within: float = 120.0) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each."""
    outputs = [process.communicate(timeout=within) for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    for code, _, err in ended(together(["tests.backends.workers", str(folder), str(STEPS)], COUNT)):
        assert code == 0, err
    return folder


@pytest.mark.parametrize("game", GAMES)
def test_two_workers_compute_what_one_would(played: Path, game: str) -> None:
    want = states("torch", STEPS, {game: GAMES[game]})
    for rank in range(COUNT):
        with np.load(played / f"{rank}.npz") as found:
            assert {name for name in found.files if name.startswith(f"{game}/")} == want.keys()
            apart = {name: float(np.abs(found[name] - x).max(initial=0.0)) for name, x in want.items()}
        worst = max(apart, key=apart.__getitem__)
        assert apart[worst] <= BOUND, f"worker {rank}: {worst} differs by {apart[worst]:.1e}"


def test_all_stop_at_one_step_whatever_the_reason(played: Path) -> None:
    first, second = (json.loads((played / f"{rank}.json").read_text()) for rank in range(COUNT))
    for told in (first, second):
        assert "a multiple of 2, such as 8 or 10" in told["uneven"]
        assert "in 16 parts (accumulate)" in told["uneven parts"]
        assert "Worker 1 trains another game than worker 0" in told["other game"]
        assert "seed: 0 → 1" in told["other game"]
        assert told["interrupted"][0].startswith("Stopped")
    assert first["interrupted"][1] == second["interrupted"][1] == 3
    assert first["error"] == ["WorkersError: Worker 1 has stopped with an error, so all stop. See its message.", 5]
    assert second["error"] == ["RuntimeError: the disk is full", 5]
    assert "Worker 1 has stopped" in first["exhausted"] and "used up" in second["exhausted"]


def test_a_run_of_two_is_the_run_of_one_and_goes_on_with_another_number(tmp_path: Path) -> None:
    def play(name: str, steps: int, count: int) -> list[str]:
        command = [*TRAIN, "--steps", str(steps), "--out", name]
        processes = together(command, count, cwd=tmp_path)
        outputs = ended(processes)
        assert [code for code, *_ in outputs] == [0] * count, outputs
        return [out + err for _, out, err in outputs]

    play("one", 60, 1)
    said = play("two", 40, 2)
    assert ", 2 workers" in said[0].splitlines()[0] and said[1] == "", "one writes, the other is silent"
    assert json.loads((tmp_path / "two" / "env.json").read_text())["workers"] == 2
    assert "on cpu, 2 workers" in (tmp_path / "two" / "report.html").read_text()
    assert "from step 40" in play("two", 60, 1)[0]
    one, two = (gankit.load(tmp_path / name, backend="torch") for name in ("one", "two"))
    want, got = (trainer._game.pack(trainer._state)[0] for trainer in (one, two))
    assert max(float(np.abs(got[name] - x).max(initial=0.0)) for name, x in want.items()) <= BOUND
    lines = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("one", "two")]
    for a, b in zip(*(map(json.loads, each) for each in lines), strict=True):
        assert a.keys() == b.keys() and all(abs(a[name] - b[name]) <= BOUND for name in a)


def begun(folder: Path, processes: list[Any]) -> None:
    """Wait for the first checkpoint."""
    for _ in range(600):
        if list(folder.glob("checkpoints/step-*.safetensors")):
            return
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.1)
    pytest.fail("no checkpoint within a minute")


def test_a_signal_to_one_ends_all_at_a_step_that_is_saved(tmp_path: Path) -> None:
    processes = together([*TRAIN, "--steps", "1000000", "--out", "run"], COUNT, cwd=tmp_path)
    begun(tmp_path / "run", processes)
    processes[1].send_signal(signal.SIGTERM)
    (first, _, told), (second, *_) = ended(processes, within=30)
    assert first == second == 143
    assert "everything is saved" in told
    done = gankit.load(tmp_path / "run", backend="torch").steps_done
    assert f"Interrupted at step {done:,}" in told


def test_doctor_shows_who_is_there() -> None:
    (code, told, _), (other, silent, _) = ended(together(["gankit", "doctor"], COUNT))
    assert code == other == 0 and silent == ""
    assert "2 workers   0: cpu, 1: cpu" in told or "cuda" in told
    assert "64 MB averaged in" in told


def test_a_worker_that_is_killed_is_named_and_the_others_end(tmp_path: Path) -> None:
    processes = together([*TRAIN, "--steps", "1000000", "--out", "run"], COUNT, cwd=tmp_path)
    begun(tmp_path / "run", processes)
    processes[1].kill()
    (code, _, told), _ = ended(processes, within=60)
    assert code == 2 and "has lost worker 1" in told and "Traceback" not in told
    assert gankit.load(tmp_path / "run", backend="torch").steps_done % 20 == 0
    more = gankit.load(tmp_path / "run", backend="torch").steps_done + 20
    for again, _, err in ended(together([*TRAIN, "--steps", str(more), "--out", "run"], COUNT, cwd=tmp_path)):
        assert again == 0, err
