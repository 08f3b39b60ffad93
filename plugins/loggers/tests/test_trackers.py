"""What is sent to a tracker: every point and picture once, whatever the run was resumed from, under one id."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gankit_loggers import plugin
from gankit_loggers.trackio import Trackio
from gankit_loggers.wandb import WeightsAndBiases
from PIL import Image

from gankit import PluginError
from gankit.config import Config
from gankit.runs.loggers import Loggers

KINDS = {"wandb": WeightsAndBiases, "trackio": Trackio}


class Library:
    """Stands in for either library offline: keeps what it was given, and what a run had when it was finished."""

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.points: list[tuple[int, dict[str, Any]]] = []
        self.finished = 0
        self.Image = lambda path: ("picture", Image.open(path).getpixel((0, 0)))
        self.Settings = SimpleNamespace

    def init(self, **told: Any) -> Library:
        self.begun.append(told)
        return self

    def define_metric(self, name: str, step_metric: str | None = None, hidden: bool = False) -> None:
        pass

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        values = dict(values)
        self.points.append((values.pop("step") if step is None else step, values))

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture(params=list(KINDS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def library(name: str, monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    monkeypatch.setitem(sys.modules, name, found)  # type: ignore[arg-type]
    return found


def play(name: str, folder: Path, start: int, steps: Mapping[int, float], drawn: bool = True) -> list[str]:
    """One process's share of a run: terms are logged, then the samples of that step are drawn."""
    said: list[str] = []
    logs = Loggers({name: KINDS[name]()}, folder, 10, said.append)
    with logs.start(Config(seed=7), start):
        for step, value in steps.items():
            logs(None, step, {"d_loss": value, "D(G(z))": 0.5})
            if drawn:
                (folder / "samples").mkdir(exist_ok=True)
                Image.new("L", (4, 4), step).save(folder / "samples" / f"step-{step:06d}.png")
    return said


def terms(library: Library) -> list[tuple[int, float]]:
    return [(step, values["d_loss"]) for step, values in library.points if "d_loss" in values]


def pictures(library: Library) -> list[tuple[int, int]]:
    return [(step, values["samples"][1]) for step, values in library.points if "samples" in values]


def test_terms_and_pictures_are_sent_with_their_steps(name: str, library: Library, tmp_path: Path) -> None:
    assert play(name, tmp_path, 0, {10: 1.0, 20: 2.0}) == []
    assert terms(library) == [(10, 1.0), (20, 2.0)]
    assert pictures(library) == [(10, 10), (20, 20)], "that of the last step too, which is drawn after its terms"
    assert library.points[0][1]["D/fake"] == 0.5 and library.finished == 1
    [begun] = library.begun
    assert begun["config"]["seed"] == 7 and begun["project"] == "gankit" and begun["resume"] == "allow"


def test_a_resumed_run_goes_on_as_itself_and_nothing_is_there_twice(
    name: str, library: Library, tmp_path: Path
) -> None:
    play(name, tmp_path, 0, {10: 1.0, 20: 2.0, 30: 3.0})  # killed after the checkpoint of step 20
    play(name, tmp_path, 20, {30: 3.0, 40: 4.0})
    assert terms(library) == [(10, 1.0), (20, 2.0), (30, 3.0), (40, 4.0)]
    assert pictures(library) == [(step, step) for step in (10, 20, 30, 40)]
    known = "id" if name == "wandb" else "name"
    assert library.begun[0][known] == library.begun[1][known]


def test_what_is_played_otherwise_from_a_checkpoint_on_is_sent(name: str, library: Library, tmp_path: Path) -> None:
    """After a rollback, or with other settings, the same steps have other numbers."""
    play(name, tmp_path, 0, {10: 1.0, 20: 9.0}, drawn=False)
    play(name, tmp_path, 10, {20: 2.0}, drawn=False)
    assert terms(library) == [(10, 1.0), (20, 9.0), (20, 2.0)]


def test_two_folders_of_one_name_are_two_runs(name: str, library: Library, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "run").mkdir(parents=True)
        play(name, tmp_path / parent / "run", 0, {10: 1.0}, drawn=False)
    known = "id" if name == "wandb" else "name"
    assert library.begun[0][known] != library.begun[1][known]


def test_the_project_is_chosen_as_with_the_library(
    name: str, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{name.upper()}_PROJECT", "faces")
    play(name, tmp_path, 0, {10: 1.0}, drawn=False)
    assert library.begun[0]["project"] == "faces"


def test_without_a_login_the_run_goes_on(
    name: str, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**told: Any) -> None:
        raise RuntimeError("api_key not configured (no-tty)")

    monkeypatch.setattr(library, "init", refuse)
    [said] = play(name, tmp_path, 0, {10: 1.0}, drawn=False)
    assert f"{name!r} failed in start" in said and "api_key" in said and "switched off" in said


def test_without_the_library_the_error_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    with pytest.raises(PluginError, match=rf"pip install 'gankit\[{name}\]'"):
        KINDS[name]()


def test_the_plugin_names_both_and_imports_neither() -> None:
    entries = {entry.name: entry.target for entry in plugin.gankit_loggers()}
    assert entries == {name: f"{kind.__module__}:{kind.__qualname__}" for name, kind in KINDS.items()}


# ---- the libraries themselves, which are too heavy for every CI run: each brings over 100 MB


def test_weights_and_biases_takes_it_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert play("wandb", tmp_path, 0, {10: 1.0, 20: 2.0}) == []
    assert play("wandb", tmp_path, 10, {20: 2.0, 30: 3.0}) == []
    runs = [path.name.rpartition("-")[2] for path in (tmp_path / "wandb").glob("offline-run-*")]
    assert len(set(runs)) == 1
    assert len(list((tmp_path / "wandb").glob("offline-run-*/files/media/images/*.png"))) == 3


def test_trackio_takes_it_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json
    import sqlite3

    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    assert play("trackio", tmp_path, 0, {10: 1.0, 20: 2.0}) == []
    assert play("trackio", tmp_path, 10, {20: 2.0, 30: 3.0}) == []
    with sqlite3.connect(next((tmp_path / "trackio").glob("*.db"))) as rows:
        found = [(step, json.loads(text)) for step, text in rows.execute("SELECT step, metrics FROM metrics")]
    assert sorted((step, values["d_loss"]) for step, values in found if "d_loss" in values) == [
        (10, 1.0), (20, 2.0), (30, 3.0),
    ]  # fmt: skip
    assert sorted(step for step, values in found if "samples" in values) == [10, 20, 30]
