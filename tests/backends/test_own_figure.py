"""A figure of another distribution: the one that docs/figures.md shows, drawn by the command line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import gankit
from gankit import figures
from gankit.plug import registry
from tests.cli_runner import Cli

PAGE = Path(__file__).parents[2] / "docs" / "figures.md"
X = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
SMALL = {"generator": {"hidden": [4]}, "discriminator": {"hidden": [4]}, "batch_size": 4}


@pytest.fixture
def brightness(monkeypatch):
    """The figure of the page, installed."""
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "BRIGHTNESS" in block)
    module: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), module)
    load, names = registry.load, registry.names
    target = module["BRIGHTNESS"]
    monkeypatch.setattr(registry, "load", lambda k, n: target if (k, n) == ("figures", "brightness") else load(k, n))
    monkeypatch.setattr(
        registry, "names", lambda kind: (*names(kind), "brightness") if kind == "figures" else names(kind)
    )


def test_it_is_drawn_with_its_settings_and_says_what_it_does_not_fit(
    backend, brightness, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    cli = Cli(monkeypatch, capsys)
    gan = gankit.build(backend, data=X, **SMALL)
    gan.save("game.safetensors")
    assert cli("figure", "brightness", "game.safetensors", "--set", "n=16", "--out", "b.png").code == 0
    assert Path("b.png").read_bytes()[:4] == b"\x89PNG"
    refused = cli("figure", "brightness", "game.safetensors", "--set", "m=16")
    assert refused.code == 2
    assert "'brightness' has no setting 'm'" in refused.err
    assert "Its settings: 'n', 'seed'" in refused.err
    assert "brightness" in figures.applicable(gan)
    assert "brightness" not in figures.applicable(gankit.build(backend, data="ring", **SMALL))
    gankit.build(backend, data="ring", **SMALL).save("ring.safetensors")
    refused = cli("figure", "brightness", "ring.safetensors")
    assert refused.code == 2
    assert "The figure 'brightness' does not apply here: it shows pictures" in refused.err
