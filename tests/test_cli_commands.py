"""Commands that need no framework: help is quick and light, errors are one line, and nothing is half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gankit import __version__, checkpoint
from gankit.config import Config
from gankit.runs.folder import Run
from tests.cli_runner import Cli, run


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


CONSOLE_SCRIPT = "from gankit.cli import main; main()"
AS_MODULE = "import runpy; runpy.run_module('gankit', run_name='__main__')"
"""What `python -m gankit` does."""


@pytest.mark.parametrize("start", [CONSOLE_SCRIPT, AS_MODULE], ids=["console-script", "python-m-gankit"])
def test_help_imports_nothing_heavy(start: str) -> None:
    code = (
        "import sys\nsys.argv = ['gankit', '--help']\n"
        f"try: {start}\nexcept SystemExit: pass\n"
        "print('HEAVY', [name for name in ('torch', 'jax', 'numpy', 'PIL', 'safetensors') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    assert all(command in done.stdout for command in ("demo", "train", "sample", "plugins", "recipes", "doctor"))


def test_python_m_gankit_is_the_command_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "gankit", "--version"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"gankit {__version__}\n")
    wrong = subprocess.run(
        [sys.executable, "-m", "gankit", "sample", "nowhere"], capture_output=True, text=True, cwd=tmp_path
    )
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: ") and "Traceback" not in wrong.stderr


@pytest.mark.parametrize("command", ["demo", "train", "sample", "plugins", "recipes", "doctor"])
def test_every_command_has_help(cli: Cli, command: str) -> None:
    assert cli(command, "--help").code == 0


def test_version(cli: Cli) -> None:
    assert cli("--version") == (0, f"gankit {__version__}\n", "")


def test_recipes_are_named_with_what_they_are(cli: Cli) -> None:
    out = cli("recipes").out
    assert all(name in out for name in ("mlp", "cgan", "gan-2014", "the paper's MNIST model"))


def test_plugins_are_a_table_for_people(cli: Cli) -> None:
    out = cli("plugins").out
    assert all(word in out for word in ("kind", "distribution", "losses", "non-saturating", "gankit"))


def test_plugins_are_json_for_programs(cli: Cli) -> None:
    found = json.loads(cli("plugins", "--json").out)
    assert {"rows", "problems"} <= found.keys()
    assert {"kind", "name", "summary", "distribution", "version"} <= found["rows"][0].keys()


def test_an_error_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    outcome = run("train", "--recipe", "cgn", "--out", "run", cwd=tmp_path)
    assert outcome.code == 2 and outcome.out == ""
    assert outcome.err.startswith("error: ") and "Did you mean 'cgan'?" in outcome.err
    assert "Traceback" not in outcome.err and not list(tmp_path.iterdir())


def test_debug_shows_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from gankit.errors import UnknownNameError

    monkeypatch.setenv("GANKIT_DEBUG", "1")
    with pytest.raises(UnknownNameError):
        cli("train", "--recipe", "cgn")


def test_a_backend_that_is_not_there_leaves_no_folder(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("train", "--backend", "tensorflow", "--out", "run")
    assert outcome.code == 2 and "No 'tensorflow' among the backends" in outcome.err
    assert not list(tmp_path.iterdir())


def test_a_misspelt_setting_is_told(cli: Cli) -> None:
    outcome = cli("train", "--set", "bach_size=3")
    assert outcome.code == 2 and "Did you mean 'batch_size'?" in outcome.err


def test_a_folder_of_something_else_is_not_touched(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    outcome = cli("train", "--out", tmp_path)
    assert outcome.code == 2 and "not a run folder" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_with_other_settings_names_each(cli: Cli, tmp_path: Path) -> None:
    Run(tmp_path / "run").begin(Config().with_settings({"seed": 1}))
    outcome = cli("train", "--out", "run", "--seed", "2", "--set", "k=3")
    assert outcome.code == 2
    assert "seed: 1 → 2" in outcome.err and "k: 1 → 3" in outcome.err
    assert "--new" in outcome.err and "--out" in outcome.err


def test_a_run_that_is_done_says_so(cli: Cli, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin(Config())
    checkpoint.write(run.checkpoint_file(50), {"x": np.zeros(1)}, {"steps_done": 50, "backend": "none"})
    outcome = cli("train", "--out", "run", "--steps", "40")
    assert outcome.code == 0 and "has already done 50 steps" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "There is no checkpoint at nowhere"),
        (["nowhere", "--out", "x.gif"], ".png, .npy or .npz"),
        (["run"], "run has no checkpoint"),
        (["run", "--step", "7"], "no checkpoint of step 7. It has: none"),
    ],
)
def test_sample_says_what_is_missing(cli: Cli, tmp_path: Path, arguments: list[str], message: str) -> None:
    Run(tmp_path / "run").begin(Config())
    outcome = cli("sample", *arguments)
    assert outcome.code == 2 and message in outcome.err


def test_doctor_without_a_backend_says_what_to_type(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from gankit.plug import registry

    names = registry.names
    monkeypatch.setattr(registry, "names", lambda kind: () if kind == "backends" else names(kind))
    outcome = cli("doctor")
    assert outcome.code == 1
    assert "pip install 'gankit[jax]'" in outcome.out and "pip install 'gankit[torch]'" in outcome.out


def test_doctor_says_where_decoded_pictures_are_kept(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANKIT_CACHE", str(tmp_path / "kept"))
    monkeypatch.setenv("GANKIT_CACHE_LIMIT", "3GB")
    assert f"{tmp_path}/kept/pictures: 0.0 of 3 GB" in cli("doctor").out
    monkeypatch.setenv("GANKIT_CACHE", "off")
    assert "cache     off" in cli("doctor").out


def test_doctor_finds_a_broken_backend(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from gankit.plug import registry

    def load(kind: str, name: str) -> object:
        if kind == "backends":
            raise ImportError("libcudart.so.99: cannot open shared object file")
        return real(kind, name)

    real = registry.load
    monkeypatch.setattr(registry, "names", lambda kind: ("torch",))
    monkeypatch.setattr(registry, "load", load)
    outcome = cli("doctor")
    assert outcome.code == 1
    assert "BROKEN" in outcome.out and "libcudart" in outcome.out and "--force-reinstall 'gankit[torch]'" in outcome.out
