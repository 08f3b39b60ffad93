"""Runs from the command line: killed, interrupted, shortened and resumed, they end as if nothing had happened."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.backends.conftest import INSTALLED
from tests.cli_runner import INTERRUPTIBLE, Cli, run

SMALL = ["--recipe", "cgan", "--set", "generator.hidden=[16]", "--set", "discriminator.hidden=[16]"]
EVERY = ["--log-every", "10", "--sample-every", "50", "--checkpoint-every", "50"]
STEPS = 400


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def arguments(backend: str, out: str, steps: int = STEPS) -> list[str]:
    return ["train", "--backend", backend, *SMALL, *EVERY, "--steps", str(steps), "--out", out]


def traces(folder: Path) -> dict[str, bytes]:
    """What must not depend on how often the run was stopped."""
    paths = [folder / name for name in ("config.toml", "metrics.jsonl", "samples.png")]
    paths += [
        *sorted(folder.glob("samples/*")),
        *folder.glob("vitals.jsonl"),
        sorted((folder / "checkpoints").iterdir())[-1],
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def stopped(command: list[str], folder: Path, when: Callable[[], bool], number: signal.Signals) -> tuple[int, str]:
    """Start a process, send it the signal once `when` holds; its exit code and what it wrote to stderr."""
    process = subprocess.Popen(
        [*INTERRUPTIBLE, *command],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert process.poll() is None, "it ended before it could be stopped"
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


@pytest.fixture(scope="module")
def uninterrupted(backend: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp(backend)
    assert run(*arguments(backend, "whole"), cwd=folder).code == 0
    return traces(folder / "whole")


def test_a_run_stopped_anyhow_and_resumed_equals_the_uninterrupted_run(
    cli: Cli, backend: str, tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    first = tmp_path / "run" / "checkpoints" / "step-000050.safetensors"
    code, _ = stopped(arguments(backend, "run"), tmp_path, first.is_file, signal.SIGKILL)
    assert code == -signal.SIGKILL and not (tmp_path / "run" / "samples.png").exists()

    second = tmp_path / "run" / "checkpoints" / "step-000150.safetensors"
    code, err = stopped(arguments(backend, "run"), tmp_path, second.is_file, signal.SIGINT)
    assert code == 130 and "Interrupted at step" in err
    assert (tmp_path / "run" / "samples.png").is_file()

    typed = shlex.split(err.splitlines()[-1])
    assert typed[0] == "gankit"
    outcome = cli(*typed[1:])
    assert outcome.code == 0 and f"Resuming run on {backend} from step" in outcome.out
    assert traces(tmp_path / "run") == uninterrupted


def test_a_run_in_pieces_equals_the_run_in_one(
    cli: Cli, backend: str, tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    for steps in (7, 123, STEPS):
        assert cli(*arguments(backend, "run", steps)).code == 0
    assert traces(tmp_path / "run") == uninterrupted


def test_a_torn_line_and_a_damaged_checkpoint_are_made_good(
    cli: Cli, backend: str, tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    folder = tmp_path / "run"
    assert cli(*arguments(backend, "run", 150)).code == 0
    latest = folder / "checkpoints" / "step-000150.safetensors"
    latest.write_bytes(latest.read_bytes()[:-7])
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 160, "d_')
    outcome = cli(*arguments(backend, "run"))
    assert outcome.code == 0 and "from step 100" in outcome.out
    assert str(Path("run") / "checkpoints" / latest.name) in outcome.err and "Falling back" in outcome.err
    assert traces(folder) == uninterrupted


def test_a_run_killed_before_its_first_checkpoint_starts_again(
    cli: Cli, backend: str, tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.toml").write_bytes(uninterrupted["config.toml"])
    (folder / "metrics.jsonl").write_text('{"step": 10}\n')
    outcome = cli(*arguments(backend, "run"))
    assert outcome.code == 0 and "Starting from step 0" in outcome.out
    assert traces(folder) == uninterrupted


def test_a_finished_run_is_left_alone_and_new_starts_beside_it(cli: Cli, backend: str, tmp_path: Path) -> None:
    assert cli(*arguments(backend, "run", 20)).code == 0
    before = traces(tmp_path / "run")
    again = cli(*arguments(backend, "run", 20))
    assert again.code == 0 and "has already done 20 steps" in again.out

    fresh = cli(*arguments(backend, "run", 20), "--new")
    assert fresh.code == 0 and "run-2" in fresh.out
    assert traces(tmp_path / "run") == before == traces(tmp_path / "run-2")


def test_going_on_needs_no_settings(cli: Cli, backend: str, tmp_path: Path) -> None:
    assert cli(*arguments(backend, "run", 20)).code == 0
    outcome = cli("train", "--out", "run", "--steps", "30")
    assert outcome.code == 0 and f"on {backend} from step 20" in outcome.out


def test_the_folder_tells_what_was_run_and_on_what(cli: Cli, backend: str, tmp_path: Path) -> None:
    outcome = cli(*arguments(backend, "run", 20))
    lines = [line for line in outcome.out.splitlines() if line.startswith("step")]
    assert lines[-1].startswith("step 20/20  loss D") and "D(G(z))" in lines[-1]
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [10, 20]
    assert {"d_loss", "g_loss", "D(x)", "D(G(z))", "r1"} < metrics[0].keys()
    env = json.loads((tmp_path / "run" / "env.json").read_text())
    assert env["backend"] == backend and env["command"].startswith("gankit train --backend")
    assert str(tmp_path) not in json.dumps(env)


def test_samples_are_pictures_or_numbers(cli: Cli, backend: str, tmp_path: Path) -> None:
    assert cli(*arguments(backend, "run", 20)).code == 0
    assert cli("sample", "run", "--n", "20", "--seed", "1").code == 0
    with Image.open("grid.png") as image:
        assert image.size == (10 * 34 - 2, 2 * 34 - 2)  # a column for each class
    assert cli("sample", "run", "--n", "5", "--labels", "3", "--out", "x.npz", "--step", "20").code == 0
    with np.load("x.npz") as archive:
        assert archive["x"].shape == (5, 8, 8, 1) and archive["labels"].tolist() == [3] * 5
    assert cli("sample", "run", "--n", "5", "--labels", "0,1,2", "--out", "x.npy", "--no-ema").code == 0
    assert np.load("x.npy").dtype == np.uint8


@pytest.mark.parametrize(("labels", "message"), [("three", "expected one or more classes"), ("10", "0 to 9")])
def test_labels_that_are_no_class_are_refused(cli: Cli, backend: str, labels: str, message: str) -> None:
    assert cli(*arguments(backend, "run", 5)).code == 0
    outcome = cli("sample", "run", "--labels", labels)
    assert outcome.code == 2 and message in outcome.err and not Path("grid.png").exists()


def test_points_of_the_plane_are_drawn(cli: Cli, backend: str) -> None:
    assert cli("train", "--backend", backend, "--data", "ring", "--steps", "5").code == 0
    assert Path("runs/mlp-ring/samples.png").is_file()
    assert cli("sample", "runs/mlp-ring", "--n", "100", "--out", "points.png").code == 0


def test_the_demo_never_overwrites(cli: Cli, backend: str) -> None:
    for folder in ("runs/demo", "runs/demo-2"):
        outcome = cli("demo", "--backend", backend, "--steps", "5")
        assert outcome.code == 0 and f"gankit sample {folder}" in outcome.out
        assert Path(folder, "samples.png").is_file()


def test_doctor_is_content(cli: Cli, backend: str) -> None:
    outcome = cli("doctor")
    assert outcome.code == 0 and f"{backend:<9} works" in outcome.out


def test_a_checkpoint_is_resumed_by_the_other_backend(cli: Cli, backend: str) -> None:
    others = [name for name in INSTALLED if name != backend]
    if not others:
        pytest.skip("only one backend is installed")
    assert cli(*arguments(backend, "run", 20)).code == 0
    outcome = cli(*arguments(others[0], "run", 30))
    assert outcome.code == 0 and f"on {others[0]} from step 20 (written by {backend})" in outcome.out


def test_a_run_goes_on_with_other_rates_from_where_it_is(backend: str, cli: Cli, tmp_path: Path) -> None:
    """As one command and as two, of which the second is the plain one; and each says what happened."""
    rates = ["--set", "generator_optimizer.lr=1e-5", "--loss", "minimax"]
    for out, later in (("once", []), ("twice", ["--steps", "120"])):
        assert cli(*arguments(backend, out, 100)).code == 0
        changed = cli("train", "--out", out, *EVERY, "--resume", *rates, *(later or ["--steps", "200"]))
        assert changed.code == 0 and "New settings from step 100 on:\n  loss.base.name" in changed.out, changed
        assert "generator_optimizer.lr: 0.001 → 1e-05" in changed.out
        if later:
            assert cli("train", "--out", out, *EVERY, "--steps", "200").code == 0
    assert traces(Path("once")) == traces(Path("twice"))
    story = (Path("once") / "report.html").read_text("utf-8")
    assert "From step 100 on:" in story and "--resume" in story


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "run", "--set", "latent_dim=3"], "latent_dim cannot change when you resume"),
        (["--out", "run", "--recipe", "mlp"], "--resume continues a run"),
        (["--lr", "1e-4"], "name its folder with --out"),
        (["--out", "elsewhere", "--lr", "1e-4"], "There is no run in elsewhere to resume"),
    ],
)
def test_what_cannot_change_at_resume_is_refused_before_anything_is(
    backend: str, cli: Cli, words: list[str], said: str
) -> None:
    assert cli(*arguments(backend, "run", 10)).code == 0
    before = traces(Path("run"))
    refused = cli("train", "--resume", "--steps", "20", *words)
    assert refused.code == 2 and said in refused.err
    assert traces(Path("run")) == before and not Path("elsewhere").exists()


def test_both_rates_and_the_batch_have_short_options(backend: str, cli: Cli) -> None:
    assert cli(*arguments(backend, "run", 10), "--lr", "0.01", "--batch-size", "32").code == 0
    config = (Path("run") / "config.toml").read_text("utf-8")
    assert "batch_size = 32" in config and config.count("lr = 0.01,") == 2


def test_a_run_stopped_while_it_was_measured_at_its_end_is_measured_when_it_is_started_again(
    cli: Cli, backend: str, tmp_path: Path
) -> None:
    """A signal in the last evaluation: the last step is saved by then, and nothing is left to play."""
    measuring = ["--data", "ring", "--log-every", "10", "--evaluate-every", "20", "--evaluate", "modes"]
    command = ["train", "--backend", backend, *measuring, "--steps", "20", "--out", "run"]
    assert cli(*command).code == 0
    evaluations, log = tmp_path / "run" / "evaluations.jsonl", (tmp_path / "run" / "metrics.jsonl").read_bytes()
    whole = evaluations.read_bytes()
    evaluations.unlink()
    assert cli(*command).code == 0
    assert evaluations.read_bytes() == whole and (tmp_path / "run" / "metrics.jsonl").read_bytes() == log
    assert "has already done 20 steps" in cli(*command).out
