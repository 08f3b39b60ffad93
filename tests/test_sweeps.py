"""A sweep plays what its spec says, each run once, and says what is wrong before anything is played."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gankit import checkpoint
from gankit.cli.settings import Options
from gankit.errors import GankitError
from gankit.plug import registry
from gankit.runs.folder import Run
from gankit.sweeping import playing
from gankit.sweeping.checks import check, check_folders, configured
from gankit.sweeping.spec import Planned, Spec, read
from gankit.sweeping.table import cells, outcome, write
from tests.cli_runner import Cli

BASE = 'data = "ring"\nsteps = 40\n'


def spec(folder: Path, text: str) -> Spec:
    path = folder / "s.toml"
    path.write_text(text, "utf-8")
    return read(path)


def planned(folder: Path, text: str) -> tuple[Planned, ...]:
    return spec(folder, text).runs(folder / "runs")


# ---- what is played


def test_a_grid_is_every_combination_with_every_seed(tmp_path: Path) -> None:
    runs = planned(tmp_path, BASE + "seeds = [3, 4]\n[grid]\nbatch_size = [8, 16]\ngenerator.hidden = [[8], [16, 16]]")
    games = [(c.batch_size, c.generator.settings["hidden"], c.seed) for c in map(configured, runs)]
    assert games == [(b, h, s) for b in (8, 16) for h in ([8], [16, 16]) for s in (3, 4)]
    assert len({run.folder for run in runs}) == 8
    assert runs[0].name == "batch_size=8_generator.hidden=8,_seed=3"


def test_the_command_of_a_run_is_the_run(tmp_path: Path) -> None:
    """A scheduler that is given the printed commands plays the very games of the sweep."""
    import typer.main

    from gankit.cli import app

    text = BASE + 'log_every = 10\npenalty = ["r1"]\n[set]\nema = { half_life = 50_000 }\n[grid]\nlr = [1e-3]\n'
    text += 'loss = ["hinge", { name = "non-saturating", d_weight = 0.5 }]\n'
    train = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    for run in planned(tmp_path, text):
        words = shlex.split(run.options.command())
        told = train.make_context("train", words[2:]).params
        names = {"set_": "set"}
        typed = {names.get(k, k): tuple(v) if isinstance(v, list) else v for k, v in told.items()}
        known = {k: v for k, v in typed.items() if hasattr(run.options, k) and v is not None}
        assert Options(**known) == run.options


def test_quoted_and_dotted_keys_are_one(tmp_path: Path) -> None:
    quoted = planned(tmp_path, BASE + '[grid]\n"generator_optimizer.lr" = [1e-3, 1e-4]')
    dotted = planned(tmp_path, BASE + "[grid]\ngenerator_optimizer.lr = [1e-3, 1e-4]")
    assert quoted == dotted


def test_draws_stay_what_they_are_when_more_are_asked_for(tmp_path: Path) -> None:
    text = (
        BASE
        + "[random]\nruns = {}\nlr = {{ low = 1e-5, high = 1e-2, log = true }}\nbatch_size = {{ low = 4, high = 9 }}"
    )
    few, many = planned(tmp_path, text.format(5)), planned(tmp_path, text.format(200))
    assert [run.name for run in many[:5]] == [run.name for run in few]
    rates = np.log10([run.values["lr"] for run in many])
    assert rates.min() >= -5 and rates.max() <= -2
    counts = np.histogram(rates, bins=3, range=(-5, -2))[0]  # each decade alike: 67 of 200, standard deviation 6.7
    assert counts.min() > 40
    assert {run.values["batch_size"] for run in many} == {4, 5, 6, 7, 8, 9}


def test_draws_of_another_seed_are_others(tmp_path: Path) -> None:
    text = BASE + "[random]\nruns = 3\nseed = {}\nlr = {{ low = 1e-5, high = 1e-2 }}"
    first, second = planned(tmp_path, text.format(0)), planned(tmp_path, text.format(1))
    assert not {run.name for run in first} & {run.name for run in second}


def test_whole_numbers_stay_whole_by_orders_of_magnitude(tmp_path: Path) -> None:
    text = BASE + "[random]\nruns = 300\nbatch_size = { low = 1, high = 64, log = true }"
    sizes = [run.values["batch_size"] for run in planned(tmp_path, text)]
    assert all(type(size) is int and 1 <= size <= 64 for size in sizes) and {1, 64} <= set(sizes)


def test_folders_tell_text_from_numbers_and_long_names_apart(tmp_path: Path) -> None:
    runs = planned(tmp_path, BASE + "[grid]\ngenerator.hidden = [[" + "128, " * 30 + "1], [" + "128, " * 30 + "2]]")
    assert len({run.name for run in runs}) == 2 and all(len(run.name) < 120 for run in runs)


@pytest.mark.parametrize("i", [0, 1])
def test_the_specs_of_the_page_are_specs(tmp_path: Path, i: int) -> None:
    page = (Path(__file__).parents[1] / "docs" / "sweep.md").read_text("utf-8")
    text = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[i]
    assert len({run.name for run in planned(tmp_path, text)}) == (18, 20)[i]


def test_the_shell_line_of_the_page_plays_a_command_word_by_word(tmp_path: Path) -> None:
    """As Slurm's --wrap has it: whatever quotes are in a command."""
    page = (Path(__file__).parents[1] / "docs" / "sweep.md").read_text("utf-8")
    [line] = re.findall(r"--wrap '(.*)'\n", page)
    text = BASE + "[grid]\nloss = [{ name = 'non-saturating', d_weight = 0.5 }, 'minimax']"
    commands = [run.options.command() for run in planned(tmp_path, text)]
    shown = [command.replace("gankit", shlex.join([sys.executable, "-c", SHOW]), 1) for command in commands]
    (tmp_path / "commands.txt").write_text("".join(f"{each}\n" for each in shown))
    for i, command in enumerate(commands, 1):
        env = {"SLURM_ARRAY_TASK_ID": str(i), "PATH": os.defpath}
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        assert ["gankit", *json.loads(done.stdout)] == shlex.split(command)


SHOW = "import json, sys; print(json.dumps(sys.argv[1:]))"

# ---- what is wrong


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data = ", "is no TOML"),
        (BASE, "nothing differs"),
        (BASE + "recpie = 'mlp'\n[grid]\nk = [1, 2]", "Did you mean 'recipe'"),
        (BASE + "k = 2\n[grid]\nlr = [1e-3]", r"\[set\] k = "),
        (BASE + "seed = 2\n[grid]\nlr = [1e-3]", r"seeds = \[0\]"),
        ("steps = '40'\n[grid]\nlr = [1e-3]", "whole number of at least 1"),
        (BASE + "seeds = 3\n[grid]\nlr = [1e-3]", r"such as \[0, 1, 2\]"),
        (BASE + "seeds = [1, 1]\n[grid]\nlr = [1e-3]", "twice"),
        (BASE + "[grid]\nlr = []", "no value to play with"),
        (BASE + "[grid]\nlr = 1e-3", "expected a list"),
        (BASE + "[grid]\nlr = [1e-3, 1e-3]", "twice"),
        (BASE + "[grid]\n", r"\[grid\] is empty"),
        (BASE + "[grid]\nlr = ['fast']", "expected a number"),
        (BASE + "[grid]\nseed = [1, 2]", r"seeds = \[0, 1, 2\]"),
        (BASE + "[grid]\nsteps = [1, 2]", "cannot differ"),
        (BASE + "[set]\nk = 1\n[grid]\nk = [1, 2]", "is fixed, and is to differ"),
        (BASE + "[grid]\ndata = ['ring', 'grid']", "is fixed, and is to differ"),
        (BASE + "[grid]\nk = [1]\n[random]\nruns = 2\nk = [1, 2]", "choose one"),
        (BASE + "[random]\nlr = [1e-3]", "runs = 20"),
        (BASE + "[random]\nruns = 0\nlr = [1e-3]", "at least 1"),
        (BASE + "[random]\nruns = 2\nlr = 1e-3", "what to draw from"),
        (BASE + "[random]\nruns = 2\nlr = { low = 2, high = 1 }", "low below high"),
        (BASE + "[random]\nruns = 2\nlr = { low = 0, high = 1, log = true }", "low above 0"),
        (BASE + "[random]\nruns = 2\nlr = { low = 0, hi = 1 }", "Did you mean 'high'"),
        (BASE + "metric = 'mode'\n[grid]\nk = [1]", "Did you mean 'modes'"),
        (BASE + "metric = 'fid'\n[grid]\nk = [1]", "Did you mean 'frechet'"),
        (BASE + "metric = 'd_loss'\n[grid]\nk = [1]", "say which is better"),
        (BASE + "better = 'low'\n[grid]\nk = [1]", "Did you mean 'lower'"),
        (BASE + "evaluate_every = 30\n[grid]\nk = [1]", "let it divide them"),
        (BASE + "[grid]\nk = [1, 2]\nbatch_size = [" + ", ".join(map(str, range(1, 6001))) + "]", "12,000 runs"),
    ],
)
def test_a_bad_spec_is_one_clear_error(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(GankitError, match=words) as raised:
        spec(tmp_path, text).runs(tmp_path)
    assert str(tmp_path / "s.toml") in str(raised.value)


@pytest.fixture
def a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """That one is installed, as far as checks go: none of them opens it."""
    names = registry.names
    monkeypatch.setattr(registry, "names", lambda kind: ["paper"] if kind == "backends" else names(kind))


@pytest.mark.usefixtures("a_backend")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[grid]\nbach_size = [3]", "Did you mean 'batch_size'"),
        ("[grid]\ngenerator.hidden = [[8], [0]]", "hidden = .0."),
        ("[grid]\ngenerator.hiden = [[8]]", "Did you mean 'hidden'"),
        ("[grid]\nk = [1, 'two']", "k = 'two'"),
        ("[grid]\nloss = ['minimax', 'hingee']", "loss = 'hingee'"),
        ("[grid]\ngenerator_optimizer.lr = [1e-3, -1.0]", "generator_optimizer.lr = -1.0"),
        ("[grid]\npenalties = [[], ['r9']]", r"penalties = \['r9'\]"),
        ("[grid]\nprior = ['normal', 'norml']", "Did you mean 'normal'"),
        ("[grid]\naugmentations = [['cutout']]", "cutout"),
        ("[grid]\nconstraints = [['weight-clp']]", "weight-clp"),
        ("[grid]\nrecipe = ['mlp', 'mpl']", "Did you mean 'mlp'"),
        ("[grid]\nbackend = ['paper', 'papr']", "Did you mean 'paper'"),
        ("on_nan = 'rollbak'\n[grid]\nk = [1]", "Did you mean 'rollback'"),
        ("logger = ['tensorbord']\n[grid]\nk = [1]", "Did you mean 'tensorboard'"),
    ],
)
def test_what_train_would_refuse_is_refused_before_any_run(tmp_path: Path, text: str, words: str) -> None:
    found = spec(tmp_path, BASE + text)
    with pytest.raises(GankitError, match=words):
        check(found, found.runs(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("a_backend")
def test_data_that_is_not_there_is_said(tmp_path: Path) -> None:
    found = spec(tmp_path, "steps = 40\n[grid]\ndata = ['ring', './nowhere']")
    with pytest.raises(GankitError, match=r"data = './nowhere'.*does not exist"):
        check(found, found.runs(tmp_path / "runs"))


def test_a_dry_run_prints_commands_and_writes_nothing(
    a_backend: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = spec(tmp_path, BASE + "[grid]\nk = [1, 2]")
    done = Cli(monkeypatch, capsys)("sweep", "s.toml", "--dry-run")
    assert done.code == 0
    assert done.out.splitlines() == [run.options.command() for run in found.runs(Path("sweeps/s/runs"))]
    assert "2 runs: 2 combinations of k, 1 seed." in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"]


# ---- folders, and what is in them

GAME = BASE + "metric = 'modes'\nseeds = [0, 1]\n[grid]\nk = [1, 2]"


def ended(run: Planned, value: float | None = None, *, finite: bool = True, steps: int | None = None) -> None:
    """Leave what a run leaves behind."""
    folder, steps = Run(run.folder), steps or run.options.steps
    config = configured(run)
    folder.begin(config)
    meta = {"config": config.to_plain(), "steps_done": steps}
    array = np.full(1, 0 if finite else np.nan, "float32")
    checkpoint.write(folder.checkpoint_file(steps), {"generator/params/w": array}, meta)
    folder.metrics_file.write_text(json.dumps({"step": steps, "d_loss": 1.25, "g_loss": 0.5}) + "\n")
    if value is not None:
        number = {"metric": "modes-jsd", "label": "modes-jsd[n=2000]", "value": value, "error": None, "better": "lower"}
        line = {"step": steps, "asked": {"metric": "modes"}, **number, "measurements": [number]}
        folder.evaluations_file.write_text(json.dumps(line) + "\n")


def test_a_changed_setting_is_refused_with_the_difference(tmp_path: Path) -> None:
    first = spec(tmp_path, GAME)
    ended(first.runs(tmp_path / "runs")[0], 0.5)
    for change, words in (
        ("batch_size = 32", "batch_size: 64 → 32|batch_size: .* → 32"),
        ("generator.hidden = [9]", "generator.hidden: .*9"),
    ):
        changed = spec(tmp_path, GAME.replace("[grid]", f"[set]\n{change}\n[grid]"))
        with pytest.raises(GankitError, match=words) as raised:
            check_folders(changed, changed.runs(tmp_path / "runs"))
        assert "--out" in str(raised.value)


def test_fewer_steps_than_were_played_are_refused_and_more_are_not(tmp_path: Path) -> None:
    ended(spec(tmp_path, GAME).runs(tmp_path / "runs")[0], 0.5)
    fewer, more = (spec(tmp_path, GAME.replace("40", steps)) for steps in ("20", "80"))
    with pytest.raises(GankitError, match="steps: 40 → 20"):
        check_folders(fewer, fewer.runs(tmp_path / "runs"))
    check_folders(more, more.runs(tmp_path / "runs"))


def test_the_table_is_sorted_and_means_are_over_seeds(tmp_path: Path) -> None:
    found = spec(tmp_path, GAME)
    runs = found.runs(tmp_path / "runs")
    for run, value in zip(runs, (0.5, 0.7, 0.25, 0.125), strict=True):
        ended(run, value)
    result = outcome(found, runs, {})
    assert [(r.run.values["k"], r.run.seed, r.value) for r in result.results] == [
        (2, 1, 0.125), (2, 0, 0.25), (1, 0, 0.5), (1, 1, 0.7),
    ]  # fmt: skip
    assert [(m.values["k"], m.n, m.mean) for m in result.means] == [(2, 2, 0.1875), (1, 2, pytest.approx(0.6))]
    assert result.means[1].spread == pytest.approx(np.std([0.5, 0.7], ddof=1))
    files = write(result, tmp_path)
    assert {path.name for path in files} == {"table.csv", "table.json", "compare.html"}
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert [row["modes-jsd[n=2000]"] for row in rows] == ["0.125", "0.25", "0.5", "0.7"]
    assert [row["k"] for row in rows] == ["2", "2", "1", "1"] and {row["d_loss"] for row in rows} == {"1.25"}
    plain = json.loads((tmp_path / "table.json").read_text())
    assert plain["better"] == "lower" and plain["means"][0] == {
        "settings": {"k": 2}, "n": 2, "mean": 0.1875, "deviation": pytest.approx(0.0883883),
    }  # fmt: skip
    assert plain["runs"][0]["command"] == result.results[0].run.options.command()
    heads, lines = cells(result)
    assert heads[0] == "k" and "mean" in heads[1] and lines[0][-1] == "0.25 0.125"


def test_higher_is_better_where_it_is(tmp_path: Path) -> None:
    found = spec(tmp_path, GAME.replace("metric = 'modes'", "metric = 'd_loss'\nbetter = 'higher'"))
    runs = found.runs(tmp_path / "runs")
    assert runs[0].options.evaluate_every == 0, "a term of the log needs no measuring"
    for i, run in enumerate(runs):
        ended(run)
        Run(run.folder).metrics_file.write_text(json.dumps({"step": 40, "d_loss": float(i)}) + "\n")
    assert [each.value for each in outcome(found, runs, {}).results] == [3.0, 2.0, 1.0, 0.0]


def test_every_run_without_a_number_says_why(tmp_path: Path) -> None:
    found = spec(tmp_path, GAME)
    runs = found.runs(tmp_path / "runs")
    ended(runs[0])
    ended(runs[1], 0.5, finite=False)
    ended(runs[2], 0.5, steps=20)
    result = outcome(found, runs, {runs[2].name: "the disk is full"})
    told = {each.run.name: (each.state, each.why, each.steps) for each in result.results}
    assert told[runs[0].name] == ("done", "It was not measured at its last step; its log says why.", 40)
    assert told[runs[1].name][0] == "not finite" and "no numbers" in told[runs[1].name][1]
    assert told[runs[2].name] == ("failed", "the disk is full", 20)
    assert told[runs[3].name] == ("waiting", "", 0)
    assert all(each.value is None for each in result.results)
    other = outcome(spec(tmp_path, GAME.replace("'modes'", "'sliced-wasserstein'")), runs[:1], {})
    assert other.results[0].value is None


def test_a_run_measured_by_another_metric_is_told_of(tmp_path: Path) -> None:
    runs = planned(tmp_path, GAME)
    ended(runs[0], 0.5)
    asked = spec(tmp_path, GAME.replace("'modes'", "'sliced-wasserstein'"))
    [result] = outcome(asked, asked.runs(tmp_path / "runs")[:1], {}).results
    assert result.value is None and "measured by 'modes'" in result.why


# ---- processes


class Watching:
    def __init__(self) -> None:
        self.told: list[Any] = []
        self.most = 0

    def began(self, run: Planned) -> None:
        self.told.append(("began", run.name))

    def ended(self, run: Planned, failed: str | None) -> None:
        self.told.append(("ended", run.name, failed))

    def look(self, at: Sequence[Planned], stopping: bool) -> None:
        self.most = max(self.most, len(at))


def played(
    monkeypatch: pytest.MonkeyPatch, folder: Path, codes: Sequence[str], jobs: int = 1, asked: Any = lambda: False
) -> tuple[dict[str, str], Watching]:
    """Play as many runs as there are programs, each of which stands for `gankit train`."""
    program = {f"r{i}": code for i, code in enumerate(codes)}
    monkeypatch.setattr(playing, "command", lambda run: [sys.executable, "-c", program[run.name]])
    runs = [Planned(name, {"k": i}, 0, replace(Options(), out=folder / name)) for i, name in enumerate(program)]
    watching = Watching()
    return playing.play(runs, jobs, folder / "logs", watching, asked), watching


def test_a_run_that_fails_is_told_with_its_reason_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    codes = (
        "pass",
        "import sys; print('error: the disk is full', file=sys.stderr); print('bye'); sys.exit(2)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "1 / 0",
        "pass",
    )
    failed, watching = played(monkeypatch, tmp_path, codes)
    assert failed == {
        "r1": "the disk is full",
        "r2": "ended by SIGKILL, perhaps for want of memory",
        "r3": "ZeroDivisionError: division by zero",
    }
    assert [each for each in watching.told if each[0] == "ended"] == [
        ("ended", f"r{i}", failed.get(f"r{i}")) for i in range(5)
    ]


def test_no_more_runs_than_asked_for_are_played_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wait = "import time; time.sleep(0.4)"
    assert played(monkeypatch, tmp_path, [wait] * 4, jobs=1)[1].most == 1
    assert played(monkeypatch, tmp_path, [wait] * 5, jobs=3)[1].most == 3


def test_when_asked_to_stop_runs_are_waited_for_and_no_other_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each is told by the end of its stdin, and saves before it ends."""
    saves = "import sys, time; sys.stdin.read(); time.sleep(0.3); open({!r}, 'w').write('saved')"
    kept = [tmp_path / f"kept{i}" for i in range(4)]
    ask = iter([False] * 6 + [True] * 1000)
    codes = [saves.format(str(path)) for path in kept]
    failed, watching = played(monkeypatch, tmp_path, codes, jobs=2, asked=lambda: next(ask))
    assert failed == {}
    assert [path.exists() for path in kept] == [True, True, False, False]
    assert [name for what, name, *_ in watching.told if what == "began"] == ["r0", "r1"]


def test_an_error_of_the_sweep_itself_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Broken(Watching):
        def look(self, at: Sequence[Planned], stopping: bool) -> None:
            raise RuntimeError("a defect")

    monkeypatch.setattr("tests.test_sweeps.Watching", Broken)
    kept = tmp_path / "kept"
    with pytest.raises(RuntimeError, match="a defect"):
        played(monkeypatch, tmp_path, [f"import sys; sys.stdin.read(); open({str(kept)!r}, 'w').write('saved')"])
    assert kept.exists()
