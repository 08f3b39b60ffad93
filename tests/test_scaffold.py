"""`gankit new`: what it writes is found by gankit as it is, and nothing is written for a bad request."""

from __future__ import annotations

import importlib.metadata
from dataclasses import is_dataclass

import pytest

from gankit import ConfigError
from gankit.conformance.testing import distribution_around, subjects_of
from gankit.errors import PluginError
from gankit.networks.spec import GameSpec
from gankit.plug import registry
from gankit.scaffold import KINDS, write_plugin
from tests.cli_runner import Cli

MADE = {
    "network": lambda part: part(GameSpec((8, 8, 1), 4)),
    "prior": lambda part: part(4).width == 4,
    "augmentation": lambda part: part(GameSpec((8, 8, 1), 4), 1.0),
    "conditions": lambda part: part(GameSpec((8, 8, 1), 4)).ports,
    "data": lambda part: part(split="test").x.shape == (300, 2),
    "recipe": lambda part: part["data"] == "ring",
    "logger": lambda part: callable(part().log),
    "extractor": lambda part: part().num_features == 32,
}
"""Whether what a plugin names is there to be used; where it is not, it is a class to be made with settings."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_found_and_its_parts_load(kind, installed):
    folder = installed(kind, f"brand-new-{kind}")
    assert registry.problems() == ()
    for plural in KINDS[kind][1]:
        part = registry.load(plural, f"brand-new-{kind}")
        assert MADE.get(kind, is_dataclass)(part)
    assert importlib.metadata.version(folder.name) == "0.1.0"


def test_its_tests_are_one_line_and_know_whose_they_are(installed):
    folder = installed("loss", "brand-new-loss")
    test = folder / "tests" / "test_conformance.py"
    assert test.read_text().count("\n") == 1
    assert distribution_around(test) == "gankit-brand-new-loss"


def test_a_test_file_without_a_project_above_it_is_told(tmp_path):
    with pytest.raises(PluginError, match=r"No pyproject\.toml with a \[project\] name above"):
        distribution_around(tmp_path / "test_conformance.py")


def test_a_plugin_that_is_not_installed_is_told_how(installed):
    with pytest.raises(PluginError, match="gankit-nowhere brings nothing that can be judged. Is it installed?"):
        list(subjects_of("gankit-nowhere"))


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("los", "mine", "no such kind. Did you mean 'loss'?"),
        ("loss", "My_Loss", "cannot be a part's name: lower-case letters"),
        ("loss", "", "cannot be a part's name"),
        ("loss", "../mine", "cannot be a part's name"),
        ("loss", "minimax", "'minimax' among the losses is taken by gankit; choose another name."),
        ("network", "dcgan", "'dcgan' among the generators is taken by gankit"),
        ("loss", "torch", "its package would be called gankit-torch, but that package exists"),
        ("network", "wasserstein", "its package would be called gankit-wasserstein, but that package exists"),
    ],
)
def test_a_bad_request_writes_nothing(kind, name, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        write_plugin(kind, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_touched(tmp_path):
    (tmp_path / "gankit-mine").mkdir()
    with pytest.raises(ConfigError, match="already exists; nothing was changed"):
        write_plugin("loss", "mine", tmp_path)
    assert list((tmp_path / "gankit-mine").iterdir()) == []


def test_the_command_says_what_to_type_next(tmp_path, monkeypatch, capsys):
    done = Cli(monkeypatch, capsys)("new", "loss", "mine", "--into", tmp_path)
    assert done.code == 0
    assert "pip install -e " in done.out
    assert "python -m gankit.conformance --loss mine" in done.out
