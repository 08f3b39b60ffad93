"""`gankit reproduce`, and `--budget`: trained, measured, drawn and set beside what was published, again and again."""

from __future__ import annotations

import json

import pytest
import typer

import gankit.runs.reproductions
from gankit.runs.folder import Run
from gankit.runs.reproductions import Published, Reproduction
from tests.cli_runner import Cli

ENOUGH = 40


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    small = Reproduction(
        name="small",
        summary="a ring of eight",
        recipe="mlp",
        data="ring",
        steps=ENOUGH,
        note="Nobody published it.",
        settings=("generator.hidden=[16]", "discriminator.hidden=[16]", "batch_size=32"),
        figures=("scatter",),
        published=(Published("modes-covered", "a paper, table 1", 8.0, 0.5),),
    )
    monkeypatch.setattr(gankit.runs.reproductions, "REPRODUCTIONS", {"small": small})
    return Cli(monkeypatch, capsys)


def test_a_reproduction_ends_in_the_papers_rows_and_ours(cli, backend, tmp_path):
    done = cli("reproduce", "small", "--backend", backend, "--n", "300")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    (paper,) = (line for line in lines if line.startswith("a paper, table 1"))
    (ours,) = (line for line in lines if line.startswith(f"this run, step {ENOUGH}, the last, raw"))
    assert "8 ± 0.5" in paper
    assert "modes-covered[n=300" in ours
    assert f"{ENOUGH} of {ENOUGH} steps" in done.out
    folder = tmp_path / "runs" / f"small-{backend}"
    assert (folder / "figures" / "scatter.png").is_file()
    assert "a paper, table 1" in (folder / "report.html").read_text("utf-8")
    measured = json.loads((folder / "metrics.json").read_text())
    assert measured["rows"][0]["step"] == ENOUGH


def test_the_same_command_goes_on_from_where_its_budget_ended(cli, backend, tmp_path):
    first = cli("reproduce", "small", "--backend", backend, "--n", "100", "--budget", "0.001s")
    assert first.code == 0, first.err
    run = Run(tmp_path / "runs" / f"small-{backend}")
    (stopped,) = run.checkpoints()
    done = int(stopped.stem.removeprefix("step-"))
    assert 0 < done < ENOUGH
    assert "Repeat the command to continue." in first.out
    second = cli("reproduce", "small", "--backend", backend, "--n", "100")
    assert f"Resuming runs/small-{backend} on {backend} from step {done}" in second.out
    assert f"{ENOUGH} of {ENOUGH} steps" in second.out


def test_a_folder_that_holds_another_game_is_left_alone(cli, backend, tmp_path):
    assert cli("train", "--backend", backend, "--data", "ring", "--steps", "2", "--out", "other").code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "other").rglob("*") if path.is_file()}
    done = cli("reproduce", "small", "--backend", backend, "--out", "other")
    assert done.code == 2 and not done.out
    assert "other has a run with different settings:\n  batch_size: 64 → 32" in done.err
    assert "Choose another folder with --out." in done.err and "--new" not in done.err
    assert {path: path.read_bytes() for path in (tmp_path / "other").rglob("*") if path.is_file()} == before


def test_what_is_interrupted_is_told_how_to_go_on(cli, monkeypatch):
    def interrupted(options):
        raise typer.Exit(130)

    monkeypatch.setattr("gankit.cli.reproduce.play", interrupted)
    done = cli("reproduce", "small", "--seed", "3", "--budget", "2h", "--out", "my run")
    assert done.code == 130
    assert "Or, to measure it too:\n  gankit reproduce small --budget 2h --seed 3 --out 'my run'" in done.err


def test_an_unknown_result_is_answered_with_those_there_are(cli):
    done = cli("reproduce", "smal")
    assert done.code == 2
    assert "No reproduction 'smal'. Did you mean 'small'? Possible: 'small'." in done.err


def test_training_stops_in_good_order_when_its_budget_is_used(cli, backend, tmp_path):
    done = cli("train", "--backend", backend, "--data", "ring", "--budget", "0.001s", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "are used up, after" in done.out
    (saved,) = Run(tmp_path / "run").checkpoints()
    assert 0 < int(saved.stem.removeprefix("step-")) < 5_000


def test_a_budget_that_is_no_time_leaves_no_folder(cli, tmp_path):
    done = cli("train", "--data", "ring", "--budget", "soon", "--out", tmp_path / "run")
    assert done.code == 2
    assert "'soon' is no span of time" in done.err
    assert not (tmp_path / "run").exists()
