"""Some eighty broken plugins installed at once: each is one line of text, and everything else works.

One by one they are met in `test_registry.py`; what needs a backend is in `backends/test_broken_plugins.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broken_plugins import Site, Told, damaged, failing_when_used, install_broken, install_good, unreadable
from tests.cli_runner import Outcome, run


class Crowd:
    """A `site-packages` with every broken plugin and a good one, seen by new processes."""

    def __init__(self, folder: Path) -> None:
        site = Site(folder)
        install_good(site)
        self.found = [*install_broken(site), *damaged(site), *unreadable(site)]
        self.used = failing_when_used(site)

    def lines_of(self, told: Told, lines: list[str]) -> list[str]:
        return [line for line in lines if f"{told.distribution} {told.version} (entry point {told.point!r}): " in line]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    folder = tmp_path_factory.mktemp("site-packages")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for variable in ("GANKIT_DISABLE_PLUGINS", "GANKIT_STRICT_PLUGINS", "PYTHONWARNINGS"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{Path(__file__).parents[1]}")
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        yield Crowd(folder)


@pytest.fixture(scope="module")
def listed(crowd: Crowd) -> Outcome:
    return run("plugins")


@pytest.fixture(scope="module")
def examined(crowd: Crowd) -> Outcome:
    return run("doctor")


def test_they_are_many(crowd: Crowd) -> None:
    assert len({told.distribution for told in (*crowd.found, *crowd.used)}) >= 75


def test_every_broken_plugin_is_one_line_naming_distribution_version_entry_point_and_error(
    crowd: Crowd, listed: Outcome
) -> None:
    assert listed.code == 0
    lines = [line for line in listed.err.split("\n") if line.startswith("problem: ")]
    assert all(line.isprintable() for line in lines)
    for told in crowd.found:
        [line] = crowd.lines_of(told, lines)
        assert told.error in line
    assert len(lines) == len(crowd.found)


def test_what_they_print_does_not_reach_stdout_and_nothing_else_is_said(crowd: Crowd, listed: Outcome) -> None:
    assert "Welcome!" not in listed.out
    rest = [line for line in listed.err.splitlines() if line and not line.startswith("problem: ")]
    assert set(rest) == {"Welcome!"}


def test_the_table_has_the_good_plugin_and_core(listed: Outcome) -> None:
    for name in ("good", "gankit-good", "non-saturating", "r1"):
        assert name in listed.out.split()


def test_programs_are_told_the_same(crowd: Crowd) -> None:
    outcome = run("plugins", "--json")
    found = json.loads(outcome.out)
    assert outcome.code == 0
    told = {(problem["distribution"], problem["version"], problem["entry_point"]) for problem in found["problems"]}
    assert told == {(told.distribution, told.version, told.point) for told in crowd.found}
    assert {"good", "used-twice", "non-saturating"} <= {row["name"] for row in found["rows"]}


@pytest.mark.parametrize("command", [("--help",), ("recipes",), ("train", "--help")])
def test_commands_that_need_no_backend_work(crowd: Crowd, command: tuple[str, ...]) -> None:
    outcome = run(*command)
    assert outcome.code == 0 and outcome.out and "Traceback" not in outcome.err


def test_an_unknown_name_is_still_answered_in_one_line(crowd: Crowd, tmp_path: Path) -> None:
    outcome = run("train", "--recipe", "cgn", "--out", "run", cwd=tmp_path)
    assert outcome.code == 2 and "Traceback" not in outcome.err
    [line] = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert "No 'cgn' among the recipes. Did you mean 'cgan'?" in line and line.isprintable()
    assert "Plugins with problems: broken-" in line and "more, see `gankit plugins`" in line
    rest = [
        line for line in outcome.err.splitlines() if line not in ("", "Welcome!") and not line.startswith("error: ")
    ]
    assert len(rest) == len(crowd.found) and all("GankitPluginWarning: gankit plugin " in line for line in rest)


def test_doctor_names_what_is_broken_on_one_line_each_and_what_fails_only_when_used(
    crowd: Crowd, examined: Outcome
) -> None:
    assert examined.code == 1 and "Traceback" not in examined.err
    lines = [line for line in examined.out.split("\n") if line.startswith("plugin    BROKEN")]
    assert all(line.isprintable() for line in examined.out.split("\n"))
    for told in (*crowd.found, *crowd.used):
        [line] = crowd.lines_of(told, lines)
        assert told.error in line
    assert len(lines) == len(crowd.found) + len(crowd.used)
    assert "gankit-good" not in examined.out


def test_switched_off_as_doctor_says_they_are_silent(examined: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    [advice] = [line for line in examined.out.splitlines() if line.startswith("          Or switch off: ")]
    monkeypatch.setenv("GANKIT_DISABLE_PLUGINS", advice.partition("=")[2])
    outcome = run("plugins")
    assert outcome.code == 0
    assert outcome.err == ""
    assert "good" in outcome.out.split() and "used-twice" not in outcome.out.split()
