"""Every recipe from the command line, on each backend and on real data: it trains, samples and is judged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import gankit
from tests.cli_runner import Cli
from tests.recipe_games import GAMES, examples


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def typed(settings, prefix=""):
    """`--set generator.width=6` and so on."""
    arguments = []
    for name, value in settings.items():
        inner = isinstance(value, dict)
        arguments += typed(value, f"{prefix}{name}.") if inner else ["--set", f"{prefix}{name}={value}"]
    return arguments


FEW = ("gan-2014", "bigan", "cdcgan", "cycle", "masked", "masked-rows", "semi-supervised", "spectrum")
"""Those that are typed on every backend, as compiling takes its time: `tests/parity` plays all of them on each."""


@pytest.mark.parametrize("recipe", GAMES)
def test_every_recipe_trains_from_the_command_line(backend, recipe, cli, tmp_path):
    if backend != "torch" and recipe not in FEW:
        pytest.skip("Typed on torch only; played on every backend by tests/parity.")
    data, settings = GAMES[recipe]
    dataset, settings = examples(data), dict(settings)
    labelled = {} if dataset.labels is None else {"labels": dataset.labels}
    file = "data.npz"
    if dataset.codec is None:
        np.savez(tmp_path / file, x=dataset.x, **labelled)
    else:
        file = "data.csv"
        dataset.frame.to_csv(tmp_path / file, index=False)
    if labelled:
        settings["num_classes"] = dataset.num_classes
    further = []
    for name, x in settings.pop("sources", {}).items():
        np.savez(tmp_path / f"{name}.npz", x=x)
        further += ["--source", f"{name}={name}.npz"]
    command = ["train", "--backend", backend, "--recipe", recipe, "--data", file, "--out", "run", *further]
    done = cli(*command, "--set", "batch_size=8", *typed(settings), "--log-every", "1", "--steps", "2")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(np.isfinite(value) for line in lines for value in line.values() if isinstance(value, float))
    trainer = gankit.load(tmp_path / "run", backend=backend)
    if dataset.codec is not None:
        assert trainer.sample(5).dtypes.equals(trainer.data.frame.dtypes)
        return
    if len(dataset.shape) in (1, 3) and trainer.spec.shape != (1,):
        with Image.open(tmp_path / "run" / "samples.png") as picture:
            assert picture.width > dataset.shape[-1]
    x, given = trainer.pairs(5)
    samples = trainer.sample(5, given=given)
    assert samples.shape == x.shape == (5, *trainer.spec.shape) and samples.dtype.kind == dataset.x.dtype.kind
    assert np.isfinite(trainer.score(x, given=given if not further else None)).all()
    target = {"torch": "torch", "jax": "stablehlo"}.get(backend)
    if target is not None:
        exported = cli("export", "run", "--to", target)
        assert exported.code == 0 and "Checked: it gives what" in exported.out, exported.err
