"""With every broken plugin installed, each backend still starts, plays and is found healthy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broken_plugins import (
    Site,
    damaged,
    failing_when_used,
    harming_numpy,
    install_broken,
    install_good,
    taking_their_time,
)
from tests.cli_runner import Outcome, run

PLAY = """
import sys, gankit
gan = gankit.build(sys.argv[1], data="ring", loss="good", generator={"hidden": [8]}, discriminator={"hidden": [8]})
print(gan.fit(steps=2).sample(3).shape)
"""


@pytest.fixture(scope="module", autouse=True)
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """They are on the path of new processes, but for those that no `importlib.metadata.entry_points` survives."""
    site = Site(tmp_path_factory.mktemp("site-packages"))
    for install in (install_good, install_broken, damaged, failing_when_used, harming_numpy, taking_their_time):
        install(site)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for variable in ("GANKIT_DISABLE_PLUGINS", "GANKIT_STRICT_PLUGINS", "PYTHONWARNINGS"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("PYTHONPATH", f"{site.folder}{os.pathsep}{Path(__file__).parents[2]}")
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        yield


def test_a_game_is_built_and_played_with_the_good_plugins_loss(backend: str) -> None:
    command = [sys.executable, "-c", PLAY, backend]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "(3, 2)\n"), done.stderr[-2000:]


@pytest.fixture(scope="module")
def examined(crowd: None) -> Outcome:
    return run("doctor")


def test_doctor_finds_the_backend_healthy_and_the_plugins_not(backend: str, examined: Outcome) -> None:
    assert examined.code == 1
    assert any(line.startswith(f"{backend} ") and " works " in line for line in examined.out.splitlines())
    assert "BROKEN  broken-import-error 0.3 (entry point 'parts'): ModuleNotFoundError" in examined.out


def test_doctor_names_who_breaks_numpy_and_who_takes_long(examined: Outcome, tmp_path: Path) -> None:
    lines = examined.out.splitlines()
    for told in harming_numpy(Site(tmp_path)):
        [line] = [line for line in lines if f"BROKEN  {told.distribution} " in line]
        assert told.error in line
    for said in taking_their_time(Site(tmp_path)):
        assert [line for line in lines if line.startswith(f"plugin    slow    {said}")]


def test_plugins_names_who_takes_long() -> None:
    assert "slow: slow-plugin 1.0 (entry point 'plug'): importing it took 1." in run("plugins").err


def test_the_demo_runs(backend: str, tmp_path: Path) -> None:
    outcome = run("demo", "--backend", backend, "--steps", "20", cwd=tmp_path)
    assert outcome.code == 0, outcome.err[-2000:]
    assert (tmp_path / "runs" / "demo" / "samples.png").is_file()
