"""First-party plugins beside each other: what each brings, and that nothing else goes with it."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

import gankit
from gankit.plug.registry import KNOWN
from tests.cli_runner import COMMAND

FOLDERS = sorted(path.parent.name for path in (Path(__file__).parents[2] / "plugins").glob("*/pyproject.toml"))


def rows(**environment):
    """(kind, name) to distribution, of everything that a new process finds."""
    done = subprocess.run(
        [*COMMAND, "plugins", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return {(row["kind"], row["name"]): row["distribution"] for row in json.loads(done.stdout)["rows"]}


@pytest.fixture(scope="module")
def everything():
    return rows()


def test_every_plugin_folder_is_installed_and_nothing_is_wrong(everything):
    assert {f"gankit-{name}" for name in FOLDERS} <= set(everything.values())
    assert gankit.plugins().problems == ()


@pytest.mark.parametrize("name", FOLDERS)
def test_without_a_plugin_its_names_are_gone_and_nothing_else(everything, name):
    left = rows(GANKIT_DISABLE_PLUGINS=f"gankit-{name}")
    assert left == {key: source for key, source in everything.items() if source != f"gankit-{name}"}
    assert left != everything


def test_hints_name_the_distribution_that_really_brings_the_part(everything):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    for key, extra in KNOWN.items():
        wanted = project["optional-dependencies"][extra.removeprefix("gankit[").removesuffix("]")]
        assert everything[key] in {requirement.partition("==")[0] for requirement in wanted}, key


def test_every_part_of_a_first_party_plugin_is_hinted_at(everything):
    kinds = ("losses", "penalties", "constraints", "generators", "discriminators", "recipes", "backends")
    brought = {key for key, source in everything.items() if source != "gankit" and key[0] in kinds}
    assert brought - KNOWN.keys() == set()
