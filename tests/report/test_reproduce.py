"""The commands of a report, typed as they stand, play the same game."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gankit import checkpoint
from gankit.building import configure
from gankit.cli.settings import Options
from gankit.report.reproduce import commands
from gankit.report.story import read
from gankit.runs.folder import Run
from tests.report.folders import begin


def typed(command: str) -> str:
    """On one line, as a shell reads it."""
    return re.sub(r" \\\n +", " ", command)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("mlp", {}),
        ("cgan", {"seed": 3, "batch_size": 7, "loss": "minimax", "ema": {"half_life": 500}}),
        (
            "mlp",
            {"generator": {"hidden": [4, 4]}, "penalties": [], "generator_optimizer": {"lr": 1e-5}, "dtype": "float64"},
        ),
        ("gan-2014", {"data": "digits", "penalties": ["r1", {"name": "r2", "weight": 0.25}]}),
    ],
)
def test_the_command_of_a_report_plays_the_same_game(tmp_path: Path, recipe: str, settings: dict[str, Any]) -> None:
    settings = dict(settings)
    config = configure(recipe, settings.pop("data", None), **settings)
    run = Run(tmp_path / "a run")
    run.begin(config)
    checkpoint.write(run.checkpoint_file(20), {"x": np.zeros(1)}, {"steps_done": 20})
    words = shlex.split(typed(commands(read(run.folder))[1]))
    assert words[:2] == ["gankit", "train"] and words[-2:] == ["--out", "a run"]
    pairs = list(zip(words[2::2], words[3::2], strict=True))
    given = {flag.removeprefix("--"): text for flag, text in pairs if flag != "--set"}
    options = Options(
        recipe=given["recipe"], data=given["data"], seed=int(given["seed"]) if "seed" in given else None,
        set=tuple(text for flag, text in pairs if flag == "--set"), steps=int(given["steps"]),
    )  # fmt: skip
    assert configure(options.recipe or "", options.data, **options.settings()) == config and options.steps == 20


def test_a_command_changes_no_more_than_it_must(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin(configure("cgan", generator={"hidden": [4, 4]}, generator_optimizer={"lr": 1e-5}))
    assert typed(commands(read(run.folder))[1]) == (
        "gankit train --recipe cgan --data digits --set 'generator.hidden=[4, 4]' "
        "--set generator_optimizer.lr=1e-05 --out run"
    )


def test_the_packages_of_parts_are_installed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gankit.plug import registry
    from gankit.report import installed

    monkeypatch.setattr(installed, "_direct_url", lambda name: {})  # as from an index

    if "relativistic" not in registry.names("losses"):
        pytest.skip("gankit-relativistic is not installed")
    run = begin(tmp_path / "run", loss={"name": "conditional", "base": "relativistic"})
    assert "gankit-relativistic==" in commands(read(run.folder))[0]
