"""Counts: how many cases each test tries, quickly or in full, and the table of them at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.cli_runner import Cli

FULL = os.environ.get("GANKIT_FAULTS", "") == "full"
BACKENDS = [name for name in ("torch", "jax") if find_spec(f"gankit_{name}") or find_spec(name)]

THIRTY = {
    1: "SIGKILL of the writer", 2: "SIGKILL of training", 3: "every call of a save fails in turn",
    4: "a full disk, a read-only and a deleted folder", 5: "files of dead writers", 6: "which checkpoints stay",
    7: "two processes in one folder", 8: "files cut and deleted", 9: "a rank killed while it saves",
    10: "cuts of every kind of game", 11: "saved, loaded, saved", 12: "threads; a changed config",
    13: "every leaf dropped", 14: "round the backends", 15: "mutated checkpoints", 16: "pickles and hooks",
    17: "mutated data", 18: "configs", 19: "hostile names in reports", 20: "flipped bits", 21: "signals",
    22: "signals to a rank", 23: "no terminal, no HOME, no locale", 24: "NaN and infinity", 25: "degenerate data",
    26: "the same seed anywhere", 27: "50,000 steps", 28: "broken plugins", 29: "broken installs", 30: "no network",
}  # fmt: skip
"""The numbers that tests say with `count`."""


class Count:
    """How many cases one test tries. `cases` is how many it must try; `count()` is one more."""

    def __init__(self, number: int, quick: int, full: int | None, what: str = "") -> None:
        self.number, self.what = number, what
        self.cases = full if FULL and full is not None else quick
        self.tried = 0

    def __call__(self, n: int = 1) -> None:
        self.tried += n


Counting = Callable[..., Count]


@pytest.fixture
def counting(request: pytest.FixtureRequest) -> Iterator[Counting]:
    """`count = counting(15, 4_000, 100_000)`: after the test, exactly so many cases must have been counted."""
    counts: list[Count] = []

    def begin(number: int, quick: int, full: int | None = None, what: str = "") -> Count:
        counts.append(Count(number, quick, full, what))
        return counts[-1]

    yield begin
    failed = getattr(request.node, "failed_in_call", False)
    for count in counts:
        request.node.user_properties.append(("fault", (count.number, count.what, count.tried, count.cases)))
        print(f"{count.number}. {THIRTY[count.number]} {count.what}: {count.tried:,} cases")
        assert failed or count.tried == count.cases, f"{count.tried} of {count.cases} cases were tried"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.failed_in_call = report.failed  # type: ignore[attr-defined]
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for each in terminalreporter.stats.values() for report in each if hasattr(report, "when")]
    failed = {report.nodeid for report in reports if report.failed}
    lines: dict[int, list[str]] = {}
    for report in reports:
        for key, value in report.user_properties if report.when == "teardown" else ():
            if key == "fault":
                number, what, tried, _ = value
                end = "FAILED" if report.nodeid in failed else "passed"
                lines.setdefault(number, []).append(f"{tried:,}{f' ({what})' if what else ''} {end}")
    if not lines:
        return
    terminalreporter.section("faults" + (" in full" if FULL else ", quick counts"))
    for number, title in THIRTY.items():
        terminalreporter.write_line(f"{number:>3}  {title}: {'; '.join(lines.get(number, [])) or 'not tried here'}")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """The command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)
