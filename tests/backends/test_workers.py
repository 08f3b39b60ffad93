"""N workers compute what one would, and stop as one: two processes of torch on the CPU, in float64."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from tests.backends.workers import GAMES, SMALL, evaluated, free_port, from_a_file, started, states, together

pytest.importorskip("gankit_torch")
STEPS, COUNT, BOUND = 20, 2, 1e-9
TRAIN = ["gankit", "train", "--backend", "torch", "--data", "ring", "--dtype", "float64", "--set", "batch_size=16"]
TRAIN += ["--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--log-every", "10"]
TRAIN += ["--checkpoint-every", "20", "--sample-every", "1000"]


def ended(processes: list[Any], within: float = 120.0) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each."""
    outputs = [process.communicate(timeout=within) for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


@pytest.fixture(scope="module", params=["one host", "two hosts"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    gankit.build("torch", **{**SMALL, "data": "digits"}).fit(steps=5).save(folder / "digits")
    far = ["far"] if request.param == "two hosts" else []
    for code, _, err in ended(together(["tests.backends.workers", str(folder), str(STEPS), *far], COUNT)):
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


def test_a_worker_reads_its_own_rows_of_a_file(played: Path, tmp_path: Path) -> None:
    want, rows = from_a_file("torch", tmp_path)
    assert rows == 3 * SMALL["batch_size"] * 2, "three steps of two minibatches"
    for rank in range(COUNT):
        assert json.loads((played / f"{rank}.json").read_text())["rows"] == rows // COUNT
        with np.load(played / f"{rank}.npz") as found:
            assert all(np.abs(found[name] - x).max(initial=0.0) <= BOUND for name, x in want.items())


def test_what_mixes_rows_is_recorded_too(played: Path) -> None:
    for rank in range(COUNT):
        assert json.loads((played / f"{rank}.json").read_text())["autograd"] == []


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
    assert first["time"] == second["time"] == ["TimeIsUp: ", 4]
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


OTHER = "import gankit, sys; gankit.__version__ = '0.0.9'; sys.argv[1:] = {!r}; from gankit.cli import main; main()"


@pytest.mark.parametrize(
    "second, complaint",
    [
        (["-m", *TRAIN, "--seed", "3"], "Worker 1 was started otherwise than worker 0: seed None → 3"),
        (["-c", OTHER.format(TRAIN[1:])], "Worker 1 was started otherwise than worker 0: gankit"),
        (None, "batch_size=15 cannot be shared by 2 workers: choose a multiple of 2, such as 14 or 16"),
    ],
    ids=["another config", "another gankit", "an uneven batch"],
)
def test_what_cannot_be_is_one_error_on_every_worker(tmp_path: Path, second: list[str] | None, complaint: str) -> None:
    first = ["-m", *TRAIN] if second else ["-m", *TRAIN, "--set", "batch_size=15"]
    for code, out, err in ended(started([first, second or first], cwd=tmp_path)):
        assert (code, out) == (2, "") and complaint in err and err.count("error:") == 1, err
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_a_budget_ends_all_at_the_step_that_is_saved(tmp_path: Path) -> None:
    command = [*TRAIN, "--steps", "1000000", "--budget", "3s", "--out", "run"]
    (code, told, _), (other, silent, _) = ended(together(command, COUNT, cwd=tmp_path))
    assert code == other == 0 and silent == ""
    done = gankit.load(tmp_path / "run", backend="torch").steps_done
    assert f"The 3 s are used up, after {done:,} of 1,000,000 steps" in told
    assert " examples/s" in told and " it/s" not in told


def test_two_nodes_play_the_run_of_one_worker(tmp_path: Path) -> None:
    """Two agents of torchrun, each at an address of its own and in a folder of its own."""
    port, agents = free_port(), []
    for node in range(2):
        folder = tmp_path / f"node-{node}"
        folder.mkdir()
        agent = ["torch.distributed.run", "--nnodes", "2", "--node-rank", str(node), "--nproc-per-node", "1"]
        agent += ["--master-addr", "127.0.0.1", "--master-port", str(port), "--local-addr", f"127.0.0.{node + 1}"]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder}
        command = [sys.executable, "-m", *agent, "-m", *TRAIN, "--steps", "40", "--out", "run"]
        agents.append(subprocess.Popen(command, **pipes))
    (first, told, err), (second, silent, other) = ended(agents)
    assert first == second == 0, err + other
    assert "2 workers on 2 hosts" in told.splitlines()[0] and silent == "", "local rank 0 of another node is silent"
    assert not list((tmp_path / "node-1").iterdir()), "and writes nothing"
    for code, _, err in ended(together([*TRAIN, "--steps", "40", "--out", "one"], 1, cwd=tmp_path)):
        assert code == 0, err
    one, two = (checkpoint.opened(tmp_path / name)[1] for name in ("one", "node-0/run"))
    assert max(float(np.abs(two[name] - x).max(initial=0.0)) for name, x in one.items()) <= BOUND


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
    assert "Everything is saved" in told
    done = gankit.load(tmp_path / "run", backend="torch").steps_done
    assert f"Interrupted at step {done:,}" in told
    assert f"To go on:\n  torchrun --nproc-per-node {COUNT} -m gankit train --backend torch" in told


def test_each_worker_looks_at_its_share_of_the_samples(played: Path) -> None:
    one, rows = evaluated(played / "digits.safetensors")
    shares = [json.loads((played / f"{rank}.json").read_text())["evaluated"] for rank in range(COUNT)]
    assert all(values == one for values, _ in shares)
    # Of the 2,000 samples half; what are few, as the test split, each looks at by itself.
    assert [seen for _, seen in shares] == [rows - 1000] * COUNT


def test_workers_share_an_evaluation_and_the_first_writes_what_one_would(tmp_path: Path) -> None:
    small = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "batch_size": 16, "ema": 0.9}
    gankit.build("torch", data="digits", **small).fit(steps=5).save(tmp_path / "run" / "checkpoints" / "step-000005")
    command = ["gankit", "evaluate", "run", "--n", "2100", "--no-calibrate"]
    found = []
    for count in (1, COUNT):
        (code, told, err), *others = ended(together(command, count, cwd=tmp_path))
        assert code == 0 and "frechet" in told, told + err
        assert all(each == (0, "", "") for each in others), others
        found.append((tmp_path / "run" / "metrics.json").read_text())
    assert found[0] == found[1], "to the last digit"


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
