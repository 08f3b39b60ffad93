"""A plugin's tests in one line: `from gankit.conformance.testing import *`.

pytest then has a test for every check of every backend that the plugin brings, and of every part that the suite judges,
on every installed backend. Whose tests they are is read from the nearest `pyproject.toml` above the test file.
`GANKIT_CONFORMANCE_QUICK=1` asks for shorter trajectories.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gankit.conformance.asking import KINDS, backends
from gankit.conformance.results import run
from gankit.conformance.subject import Candidate, Subject
from gankit.conformance.suite import checks_for
from gankit.errors import PluginError
from gankit.plug import registry
from gankit.plug.discovery import normalise

__all__ = ["pytest_generate_tests", "test_conformance"]


def pytest_generate_tests(metafunc: Any) -> None:
    """pytest's hook of a test module: one test for each check of each part."""
    if metafunc.function.__name__ != "test_conformance":
        return
    name = distribution_around(Path(metafunc.module.__file__))
    tests = [
        pytest.param(subject, group, check, id=f"{subject}-{check.__name__}".replace(" ", "-"))
        for subject in subjects_of(name)
        for group, checks in checks_for(subject).items()
        for check in checks
    ]
    metafunc.parametrize(("subject", "group", "check"), tests)


def test_conformance(subject: Any, group: str, check: Any) -> None:
    """One check of one part."""
    result = run(group, check, subject)
    if result.outcome == "not applicable":
        pytest.skip(result.message)
    if result.outcome == "expected failure":
        pytest.xfail(result.message)
    assert result.outcome == "pass", result.message


def distribution_around(file: Path) -> str:
    """The name in the nearest pyproject.toml above a file; raises PluginError where there is none."""
    for folder in file.resolve().parents:
        project = folder / "pyproject.toml"
        if project.is_file():
            name = tomllib.loads(project.read_text("utf-8")).get("project", {}).get("name")
            if name:
                return str(name)
    raise PluginError(f"No pyproject.toml with a [project] name above {file}: whose parts are to be judged?")


def subjects_of(distribution: str) -> Iterator[Subject | Candidate]:
    """What a distribution brings that can be judged; raises PluginError where that is nothing."""
    rows = [row for row in registry.listing().rows if normalise(row.distribution) == normalise(distribution)]
    quick = os.environ.get("GANKIT_CONFORMANCE_QUICK", "") not in ("", "0")
    own = [row.name for row in rows if row.kind == "backends"]
    judged = [row for row in rows if row.kind in {kind for kinds in KINDS.values() for kind in kinds}]
    if not own and not judged:
        broken = [str(problem) for problem in registry.problems()]
        raise PluginError(
            f"{distribution} brings nothing that can be judged. Is it installed? pip install -e . "
            + (f"Plugins with problems: {'; '.join(broken)}" if broken else "")
        )
    if own:
        yield from backends(own, quick=quick)
    if judged:
        on = backends([], quick=quick)
        yield from (Candidate(row.kind, row.name, subject) for row in judged for subject in on)
