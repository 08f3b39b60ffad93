"""A sweep of real runs: what breaks is told, and what others played counts."""

from __future__ import annotations

import csv
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli_runner import Cli
from tests.sweeps import SPEC, written


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def test_a_run_that_breaks_is_told_and_the_others_are_in_the_table(cli: Cli, backend: str, tmp_path: Path) -> None:
    broken = SPEC.replace("seeds = [0, 1]\n", "").replace('loss = ["minimax", "non-saturating"]', "lr = [1e30, 1e-3]")
    written(tmp_path, backend, 20, broken)
    outcome = cli("sweep", "s.toml")
    assert outcome.code == 1
    assert "lr=1e+30_seed=0: not finite" in outcome.err and "1 of 2 runs have no number" in outcome.err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "sweeps/s/table.csv").read_text())))
    assert [(row["lr"], row["state"]) for row in rows] == [("0.001", "done"), ("1e+30", "not finite")]


def test_commands_played_by_somebody_else_are_runs_of_the_sweep(cli: Cli, backend: str, tmp_path: Path) -> None:
    """As an array of jobs plays them, a line each."""
    one = SPEC.replace("seeds = [0, 1]\n", "").replace('["minimax", "non-saturating"]', '["minimax"]')
    written(tmp_path, backend, 20, one.replace("[grid]", "[grid]\nbatch_size = [8]"))
    [line] = cli("sweep", "s.toml", "--dry-run").out.splitlines()
    assert cli(*shlex.split(line)[1:]).code == 0
    outcome = cli("sweep", "s.toml")
    assert outcome.code == 0 and "1 done already" in outcome.out
    assert cli("sweep", "s.toml", "--dry-run").out == ""


def test_the_search_of_the_page_gets_its_number(backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Optuna's half is stood in for: what it asks of a trial and is given back."""
    given: list[Any] = []

    class Study:
        best_params = None

        def optimize(self, objective: Any, n_trials: int) -> None:
            trial = SimpleNamespace(
                suggest_float=lambda name, low, high, log: 1e-3, suggest_categorical=lambda name, choices: choices[0]
            )
            given.append(objective(trial))

    samplers = SimpleNamespace(TPESampler=lambda seed: None)
    optuna = SimpleNamespace(create_study=lambda direction, sampler: Study(), samplers=samplers)
    monkeypatch.setitem(sys.modules, "optuna", optuna)  # type: ignore[arg-type]
    page = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text("utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code.replace("build(", f"build({backend!r}, ").replace("steps=1000", "steps=5"), {})
    assert 0 <= given[0] <= 1


def test_the_process_that_starts_the_others_brings_no_framework_in(backend: str, tmp_path: Path) -> None:
    """It would sit in memory, and on a GPU in that one's, for as long as the sweep lasts."""
    written(tmp_path, backend)
    code = "import sys; from gankit.sweeping import playing; playing.play = lambda *told: {}; sys.argv = ['gankit', "
    code += "'sweep', 's.toml']\nfrom gankit.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n"
    code += "    print(end.code, *sorted({'torch', 'jax', 'flax', 'mlx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1", "every run is checked, none is played, and so none has a number"
