"""`gankit train --dry-run`: sizes and times, and nothing on the disk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gankit
from gankit.cli import dry_run
from tests.cli_runner import Cli


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dry_run, "SECONDS", 0.2)
    monkeypatch.setenv("COLUMNS", "120")
    return Cli(monkeypatch, capsys)


def test_it_shows_the_players_and_writes_nothing(cli: Cli, backend: str, tmp_path: Path) -> None:
    hidden = ["--set", "generator.hidden=[16]", "--set", "discriminator.hidden=[24]"]
    shown = cli("train", "--dry-run", "--backend", backend, "--recipe", "cgan", *hidden, "--steps", "70000")
    assert shown.code == 0, shown
    assert not list(tmp_path.iterdir())
    rows = {line.split()[0]: line.split()[-1] for line in shown.out.splitlines() if line.strip()}
    # Of G: 32 latents and 10 classes to 16; of D: 64 pixels and 10 classes to 24.
    assert re.search(r"dense0 +16 +688\n", shown.out) and re.search(r"dense0 +24 +1,800\n", shown.out)
    assert re.search(r"reshape0 +8 x 8 x 1", shown.out) and "1,297 examples of 8 x 8 x 1, 10 classes" in shown.out
    game = gankit.build(backend, "cgan", generator={"hidden": [16]}, discriminator={"hidden": [24]})
    sizes = [f"{player.num_parameters:,}" for player in game.players.values()]
    assert re.findall(r"in all +([\d,]+)", shown.out) == sizes and rows["Nothing"] == "written."
    assert (
        re.search(r"A step takes [\d.e+]+ ms \([\d.,e+-]+ it/s\)", shown.out) and "70,000 steps take about" in shown.out
    )


def test_the_bytes_are_those_of_a_checkpoint(cli: Cli, backend: str, tmp_path: Path) -> None:
    shown = cli("train", "--dry-run", "--backend", backend, "--steps", "5", "--set", "generator.hidden=[16]")
    said = float(re.search(r"a checkpoint, are ([\d.]+) MB", shown.out).group(1))  # type: ignore[union-attr]
    path = gankit.build(backend, generator={"hidden": [16]}).save(tmp_path / "state")
    assert said * 1e6 == pytest.approx(path.stat().st_size, rel=0.02)


def test_what_cannot_be_built_is_the_error_of_training(cli: Cli, backend: str) -> None:
    refused = cli("train", "--dry-run", "--backend", backend, "--set", "generator.hidden=[0]")
    assert refused.code == 2 and "expected a list of whole numbers above 0" in refused.err


def test_steps_are_timed_without_those_that_compile() -> None:
    clock = dry_run.Clock()
    clock.seen = [(10.0, 1), (11.0, 2), (11.1, 3), (11.2, 4), (11.3, 5), (11.4, 6)]
    assert clock.seconds == pytest.approx(0.1)
