"""What `gankit new` writes is right by its own tests, and by the suite before it is changed, on every backend."""

from __future__ import annotations

import inspect
import runpy
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from gankit.conformance import Candidate, registered
from gankit.conformance.results import judge
from gankit.conformance.suite import PARTS
from gankit.scaffold import KINDS

JUDGED_ELSEWHERE = ("loss", "penalty", "network", "metric")
"""What they begin as is judged with gankit's own parts, and takes long where it is compiled."""


def calls(test: Callable[..., None], **known: Any) -> Iterator[dict[str, Any]]:
    """The arguments with which pytest would call a parametrised test; known: those of which there is only one."""
    axes = []
    for mark in getattr(test, "pytestmark", []):
        names = [name.strip() for name in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
        rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
        axes.append([dict(zip(names, row, strict=True)) for row in rows])
    wanted = inspect.signature(test).parameters
    for chosen in product(*axes):
        arguments = {name: value for each in chosen for name, value in each.items()}
        if all(arguments.get(name, value) == value for name, value in known.items()):
            yield {name: arguments.get(name, known.get(name)) for name in wanted}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_part_passes_its_own_tests(kind, backend, installed, tmp_path):
    folder = installed(kind, f"brand-new-{kind}")
    (file,) = (path for path in (folder / "tests").iterdir() if path.name != "test_conformance.py")
    tests = {name: test for name, test in runpy.run_path(str(file)).items() if name.startswith("test_")}
    played = 0
    for test in tests.values():
        for arguments in calls(test, backend=backend, tmp_path=tmp_path):
            test(**arguments)
            played += 1
    assert tests and played >= len(tests)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in JUDGED_ELSEWHERE])
def test_a_new_part_is_green_before_it_is_changed(kind, backend, installed):
    installed(kind, f"brand-new-{kind}")
    (plural,) = KINDS[kind][1]
    candidate = Candidate(plural, f"brand-new-{kind}", registered(backend, device="cpu"))
    verdicts = {check.__name__: judge(check, candidate) for check in PARTS[plural]}
    assert {check: said for check, (outcome, said) in verdicts.items() if outcome == "fail"} == {}
